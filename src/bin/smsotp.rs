//! `smsotp`: the client of smsotpd, and the tools that need no daemon.

use std::process::ExitCode;

fn main() -> ExitCode {
    smsotpd::cli::main()
}
