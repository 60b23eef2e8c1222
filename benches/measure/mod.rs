//! What several benches measure with.
#![allow(dead_code, reason = "each bench takes what it needs")]

use std::path::Path;
use std::time::Duration;

/// The time that so many percent of all took at most.
pub(crate) fn at(took: &[Duration], percent: usize) -> Duration {
    let mut sorted = took.to_vec();
    sorted.sort();
    sorted[(sorted.len() - 1) * percent / 100]
}

/// A line of `/proc/PROCESS/status` that is in KiB; `self` is this process.
pub(crate) fn status(process: &str, name: &str) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix(name)).unwrap_or_default();
    line.split_whitespace().next().and_then(|n| n.parse().ok()).unwrap_or_default()
}

/// The resident memory of a process in KiB.
pub(crate) fn resident(process: &str) -> u64 {
    status(process, "VmRSS:")
}

/// What lies in a folder and those in it.
pub(crate) fn octets(dir: &Path) -> u64 {
    let entries = std::fs::read_dir(dir).into_iter().flatten().filter_map(Result::ok);
    let size = |entry: std::fs::DirEntry| match entry.metadata() {
        Ok(meta) if meta.is_dir() => octets(&entry.path()),
        Ok(meta) => meta.len(),
        Err(_) => 0,
    };
    entries.map(size).sum()
}
