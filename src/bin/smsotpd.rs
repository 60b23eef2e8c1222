//! `smsotpd`.

fn main() {}
