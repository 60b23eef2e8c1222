//! `session` for libFuzzer.
#![no_main]

libfuzzer_sys::fuzz_target!(|octets: &[u8]| smsotpd_fuzz::session::run(octets));
