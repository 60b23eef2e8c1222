//! The memory of the process, with its codes, texts and key, gets into no file: no core dump is written, and no other
//! process of the same user may look into it (core(5), ptrace(2)).

use rustix::process::{DumpableBehavior, Resource, Rlimit, set_dumpable_behavior, setrlimit};

/// Forbids core dumps. The limit alone stops those that the kernel writes itself; a program that it hands the memory to
/// (`|` in `/proc/sys/kernel/core_pattern`) is asked only about a process that may be dumped. What the daemon reads of its
/// own `/proc/self` it may read nonetheless. The programs that it starts inherit the limit.
pub(super) fn forbid() {
    let none = Rlimit { current: Some(0), maximum: Some(0) };
    if let Err(e) = setrlimit(Resource::Core, none) {
        tracing::warn!("the limit of core dumps cannot be set to 0: {e}");
    }
    if let Err(e) = set_dumpable_behavior(DumpableBehavior::NotDumpable) {
        tracing::warn!("core dumps cannot be forbidden: {e}");
    }
}
