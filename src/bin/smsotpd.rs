//! The daemon: see `smsotpd --help`.

use std::process::ExitCode;

fn main() -> ExitCode {
    smsotpd::daemon::main()
}
