//! `decode` for libFuzzer.
#![no_main]

libfuzzer_sys::fuzz_target!(|octets: &[u8]| smsotpd_fuzz::decode::run(octets));
