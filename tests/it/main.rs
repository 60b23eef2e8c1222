//! The tests that see the project from outside, one module a theme.

mod sms_pdus;
mod sms_properties;
