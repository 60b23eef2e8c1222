//! The daemon: see `smsotpd --help`.

use std::process::ExitCode;

/// A quarter of the processor time of an issue was spent in the allocator of the system.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    smsotpd::daemon::main()
}
