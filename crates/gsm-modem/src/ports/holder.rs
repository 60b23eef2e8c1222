//! Which process has a port open, from `/proc` (proc(5): `fd`, `fdinfo`, `comm`).

use std::fmt;
use std::fs;
use std::path::Path;

use super::Root;
use super::scan::entries;

/// A process that has a port open.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Process {
    /// Its process number.
    pub pid: u32,
    /// Its program's name, at most 15 characters of it.
    pub program: String,
}

impl Process {
    /// Whether it is `ModemManager`.
    pub fn is_modem_manager(&self) -> bool {
        self.program == MODEM_MANAGER
    }
}

impl fmt::Display for Process {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} (process {})", self.program, self.pid)
    }
}

/// The name as `/proc/PID/comm` has it.
const MODEM_MANAGER: &str = "ModemManager";

/// The process that has `device` open, as far as this user may see: one that locked the device (with a lock
/// file, or on the device) rather than one that only has it open, and otherwise not this process.
pub fn holder(root: &Root, device: &Path) -> Option<Process> {
    let device = device.canonicalize().ok()?;
    let own = std::process::id();
    if let Some(pid) = lock_file(root, &device).filter(|&pid| pid != own) {
        let process = root.join(&format!("proc/{pid}"));
        if process.exists() {
            return Some(Process { pid, program: program(&process) });
        }
    }
    let mut open = None;
    for (pid, process) in processes(root) {
        for fd in entries(&process.join("fd")) {
            if fs::read_link(&fd).is_ok_and(|to| to == device) {
                let locked = fd
                    .file_name()
                    .and_then(|number| fs::read_to_string(process.join("fdinfo").join(number)).ok())
                    .is_some_and(|info| info.lines().any(|line| line.starts_with("lock:")));
                if locked {
                    return Some(Process { pid, program: program(&process) });
                }
                if pid != own && open.is_none() {
                    open = Some(Process { pid, program: program(&process) });
                }
            }
        }
    }
    open
}

/// The process that left a lock file in the UUCP manner, as minicom, pppd and other gateways do (FHS 3.0
/// section 5.9): its number in ten octets.
fn lock_file(root: &Root, device: &Path) -> Option<u32> {
    let name = device.file_name()?.to_str()?;
    fs::read_to_string(root.join(&format!("run/lock/LCK..{name}"))).ok()?.trim().parse().ok()
}

/// `ModemManager`, when it runs: only root can see what it has open.
pub fn modem_manager(root: &Root) -> Option<Process> {
    processes(root)
        .map(|(pid, process)| Process { pid, program: program(&process) })
        .find(Process::is_modem_manager)
}

fn processes(root: &Root) -> impl Iterator<Item = (u32, std::path::PathBuf)> {
    let folders = entries(&root.join("proc")).into_iter();
    folders.filter_map(|path| Some((path.file_name()?.to_str()?.parse().ok()?, path)))
}

fn program(process: &Path) -> String {
    let name = fs::read_to_string(process.join("comm")).unwrap_or_default();
    name.chars().filter(|c| !c.is_control()).collect()
}
