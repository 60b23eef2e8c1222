//! The process at the other end of a connection: what the kernel says about it (`SO_PEERCRED`, unix(7)), and which
//! program it runs.

use std::fmt;
use std::fs;
use std::io::ErrorKind;
use std::path::Path;

use nix::unistd::{Gid, Uid, User, getgrouplist};
use rustix::io::Errno;
use rustix::process::{Pid, test_kill_process};

/// The process at the other end of a connection, as it was when it connected.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Peer {
    /// Its effective user.
    pub uid: u32,
    /// Its effective group, and the groups of its user once they were looked up.
    pub gids: Vec<u32>,
    /// Its process; none when that is of another namespace.
    pub pid: Option<i32>,
    /// What it runs.
    pub program: Program,
}

/// Which program a process runs, for a log. It is no proof: a process names itself, and may pass its connection on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Program {
    /// The path of its executable (`/proc/PID/exe`).
    Path(String),
    /// Its name (`/proc/PID/comm`): only root and its own user may know the path.
    Name(String),
    /// It lives, and this process may not see it (`ProtectProc=`, `hidepid=`, another namespace).
    Unseen,
    /// It had ended before it was looked at.
    Gone,
}

impl Peer {
    /// A peer whose process is looked at now.
    pub fn new(uid: u32, gid: u32, pid: Option<i32>) -> Self {
        // The kernel tells 0 of a process that this namespace does not have.
        let pid = pid.filter(|pid| *pid > 0);
        let program = pid.map_or(Program::Unseen, |pid| Program::of(pid, Path::new("/proc"), lives));
        Self { uid, gids: vec![gid], pid, program }
    }

    /// Adds the groups that the user database has for the peer's user. This asks the name service, which may block.
    pub(super) fn look_up_groups(&mut self) {
        let Ok(Some(user)) = User::from_uid(Uid::from_raw(self.uid)) else {
            return;
        };
        let Ok(name) = std::ffi::CString::new(user.name) else {
            return;
        };
        if let Ok(groups) = getgrouplist(&name, Gid::from_raw(user.gid.as_raw())) {
            self.gids.extend(groups.into_iter().map(Gid::as_raw));
        }
    }
}

impl Program {
    /// What a process runs, by a `proc` file system; `lives` says whether a process that has no folder there lives.
    fn of(pid: i32, proc: &Path, lives: impl Fn(i32) -> bool) -> Self {
        let folder = proc.join(pid.to_string());
        if let Ok(path) = fs::read_link(folder.join("exe")) {
            return Self::Path(path.to_string_lossy().into_owned());
        }
        match fs::read(folder.join("comm")) {
            Ok(name) => Self::Name(String::from_utf8_lossy(&name).trim_end_matches('\n').to_owned()),
            Err(e) if e.kind() == ErrorKind::NotFound && !lives(pid) => Self::Gone,
            Err(_) => Self::Unseen,
        }
    }
}

/// Whether a process lives, of whatever user (kill(2) without a signal).
fn lives(pid: i32) -> bool {
    Pid::from_raw(pid).is_some_and(|pid| test_kill_process(pid) != Err(Errno::SRCH))
}

impl fmt::Display for Program {
    /// Escaped, since a process chooses its name.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Path(text) | Self::Name(text) => write!(f, "{}", text.escape_debug()),
            Self::Unseen => f.write_str("unseen"),
            Self::Gone => f.write_str("gone"),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn a_program_is_known_by_its_path_or_name_and_one_that_has_gone_is_told_as_such() {
        let proc = tempfile::tempdir().unwrap();
        let folder = |pid: i32| {
            let folder = proc.path().join(pid.to_string());
            fs::create_dir(&folder).unwrap();
            folder
        };
        symlink("/usr/bin/php\n\u{1b}[31m", folder(7).join("exe")).unwrap();
        fs::write(folder(8).join("comm"), "php-fpm\n").unwrap();
        folder(9);
        let of = |pid, lives| Program::of(pid, proc.path(), |_| lives);
        assert_eq!(of(7, true).to_string(), "/usr/bin/php\\n\\u{1b}[31m");
        assert_eq!(of(8, true), Program::Name("php-fpm".to_owned()));
        // A folder without a readable name, and none at all.
        assert_eq!(of(9, true), Program::Unseen);
        assert_eq!(of(10, true), Program::Unseen);
        assert_eq!(of(10, false), Program::Gone);
    }

    #[test]
    fn this_process_lives_and_one_that_has_ended_does_not() {
        let own = Peer::new(0, 0, i32::try_from(std::process::id()).ok());
        let exe = std::env::current_exe().unwrap();
        assert_eq!(own.program, Program::Path(exe.to_string_lossy().into_owned()));
        let mut child = std::process::Command::new("true").spawn().unwrap();
        let pid = i32::try_from(child.id()).unwrap();
        child.wait().unwrap();
        assert_eq!(Peer::new(0, 0, Some(pid)).program, Program::Gone);
        assert_eq!(Peer::new(0, 0, Some(0)).program, Program::Unseen, "another namespace");
    }
}
