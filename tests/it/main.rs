//! The library and its programs seen from outside: one test program, a module for each subject.

mod api_access;
mod api_cli;
mod api_events;
mod api_http;
mod api_robust;
mod api_support;
