//! The tests that see the project from outside, one module a theme.

mod config_shipped;
mod tidy;
