//! What lies on the disk: the secret key, the state folder and the room for it. And the clock, by which codes end.

use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::process::Stdio;

use nix::unistd::{Uid, User};
use rustix::fs::{StatVfsMountFlags, statfs, statvfs};
use tokio::process::Command;

use super::Report;
use super::socket::Met;
use super::unit::Unit;
use crate::clock::{Clock, Timestamp};
use crate::config::Config;
use crate::daemon::{self, KeyFile, Lack};

/// The key, and the files that the daemon's user has to read.
pub(super) fn key(config: &Config, unit: &Unit, met: &Met, user: Option<&User>, report: &mut Report) {
    const TOPIC: &str = "key";
    let tell = |lack: Lack, report: &mut Report| {
        if lack.unseen {
            report.warn(TOPIC, format!("{}; `sudo smsotp doctor` looks at it", lack.what));
        } else {
            report.fail(TOPIC, lack.what);
        }
    };
    match daemon::key_file(config) {
        KeyFile::Sound(path) => match stranger(&path, user) {
            Some(fault) => report.fail(TOPIC, fault),
            None => report
                .ok(TOPIC, format!("{} is a key, and nobody else may read or replace it", path.display())),
        },
        KeyFile::ToBeMade(_) | KeyFile::Missing(_) if unit.gives_key() => {
            report.ok(TOPIC, "the unit gives it as a credential");
        }
        KeyFile::Missing(_) if met.answers() => {
            report.ok(TOPIC, "the running daemon has it, as a credential");
        }
        KeyFile::ToBeMade(path) => report.ok(TOPIC, format!("{} is made at the first start", path.display())),
        // That of the configuration was told there.
        KeyFile::Fault(_) if config.secret_key_file.is_some() => {}
        KeyFile::Missing(lack) | KeyFile::Fault(lack) => tell(lack, report),
    }
    for path in config.modems.iter().filter_map(|modem| modem.pin_file.as_deref()) {
        if let Some(fault) = stranger(path, user) {
            report.fail("pin", fault);
        }
        if path.metadata().is_ok_and(|known| known.mode() & 0o077 != 0) {
            report
                .warn("pin", format!("{0} can be read by others: run `sudo chmod 600 {0}`", path.display()));
        }
    }
}

/// Why the daemon's user cannot read a file of mode 0600.
fn stranger(path: &Path, user: Option<&User>) -> Option<String> {
    let user = user.filter(|user| !user.uid.is_root())?;
    let known = path.metadata().ok()?;
    let own = known.uid() == user.uid.as_raw() || known.mode() & 0o004 != 0;
    let owner = User::from_uid(Uid::from_raw(known.uid())).ok().flatten();
    let owner = owner.map_or_else(|| known.uid().to_string(), |owner| owner.name);
    (!own).then(|| {
        format!(
            "{0} belongs to {owner}, and the daemon runs as {1}: run `sudo chown {1} {0}`",
            path.display(),
            user.name
        )
    })
}

/// The state folder and its file system.
pub(super) fn state(config: &Config, user: Option<&User>, report: &mut Report) {
    const TOPIC: &str = "disk";
    /// `statfs(2)`: kept in memory.
    const TMPFS: i64 = 0x0102_1994;
    const RAMFS: i64 = 0x8584_58f6;
    /// A hundred thousand messages and their events.
    const LITTLE: u64 = 256 * 1024 * 1024;
    const FEW: u64 = 1000;
    let folder = config.state_dir.as_path();
    let shown = folder.display();
    if let Ok(known) = folder.metadata() {
        if let Some(user) = user.filter(|user| !user.uid.is_root() && user.uid.as_raw() != known.uid()) {
            report.fail(
                TOPIC,
                format!("{shown} does not belong to {0}: run `sudo chown -R {0} {shown}`", user.name),
            );
        }
        if known.mode() & 0o077 != 0 {
            report.warn(TOPIC, format!("{shown} can be looked into by others: run `sudo chmod 700 {shown}`"));
        }
    }
    let there = folder.ancestors().find(|folder| folder.exists()).unwrap_or(Path::new("/"));
    let system = match statvfs(there) {
        Ok(system) => system,
        Err(e) => {
            return report.warn(
                TOPIC,
                format!("{} does not tell its free room ({e}): look with `df`", there.display()),
            );
        }
    };
    #[allow(clippy::useless_conversion, reason = "it is narrower on other machines")]
    let kind = statfs(there).map_or(0, |system| i64::from(system.f_type));
    if [TMPFS, RAMFS].contains(&kind) {
        report.warn(
            TOPIC,
            format!("{shown} is kept in memory: a reboot loses it; set state_dir to a folder on a disk"),
        );
    }
    if system.f_flag.contains(StatVfsMountFlags::RDONLY) {
        return report.fail(
            TOPIC,
            format!(
                "{shown} is mounted read-only: `dmesg` says whether the disk fails; mount it to be written"
            ),
        );
    }
    let free = system.f_bavail.saturating_mul(system.f_frsize);
    let mib = free / (1024 * 1024);
    if free < daemon::disk_floor() {
        report.fail(TOPIC, format!("{shown} has {mib} MiB free, and new work is refused: free some room"));
    } else if system.f_files > 0 && system.f_favail < FEW {
        report
            .fail(TOPIC, format!("{shown} has room for {} more files alone: remove files", system.f_favail));
    } else if free < LITTLE {
        report.warn(TOPIC, format!("{shown} has {mib} MiB free: free some room before it is full"));
    } else {
        report.ok(TOPIC, format!("{shown} has {mib} MiB free"));
    }
}

/// The wall clock, and whether something keeps it right.
pub(super) async fn clock(unit: &Unit, report: &mut Report) {
    const TOPIC: &str = "clock";
    let now = Clock::system().now();
    if !is_plausible(now) {
        report.fail(TOPIC, format!("it shows {now}, which cannot be right: run `sudo timedatectl set-ntp true`, or set it by hand"));
    } else if unit.has_systemd() && synchronised().await == Some(false) {
        report.warn(
            TOPIC,
            format!("it shows {now}, and nothing keeps it right: run `sudo timedatectl set-ntp true`"),
        );
    } else {
        report.ok(TOPIC, format!("it shows {now}"));
    }
}

/// No version of this program is older; the daemon takes an earlier clock for a wrong one too.
fn is_plausible(now: Timestamp) -> bool {
    "2026-01-01T00:00:00Z".parse().is_ok_and(|earliest| now >= earliest)
}

/// What the kernel knows, as timedatectl(1) tells it; `None` where that is not there.
async fn synchronised() -> Option<bool> {
    let mut command = Command::new("timedatectl");
    command
        .args(["show", "--property", "NTPSynchronized", "--value"])
        .stderr(Stdio::null())
        .kill_on_drop(true);
    let shown =
        tokio::time::timeout(std::time::Duration::from_secs(10), command.output()).await.ok()?.ok()?;
    match shown.stdout.trim_ascii() {
        b"yes" => Some(true),
        b"no" => Some(false),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_without_a_battery_is_seen() {
        for (shown, plausible) in [("1970-01-01T00:10:00Z", false), ("2026-01-01T00:00:00Z", true)] {
            assert_eq!(is_plausible(shown.parse().unwrap()), plausible, "{shown}");
        }
    }

    #[test]
    fn a_file_that_the_daemons_user_cannot_read_is_seen() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("pin");
        std::fs::write(&path, "1234").unwrap();
        std::fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
        let own = path.metadata().unwrap().uid();
        let user =
            |uid: u32| User { uid: Uid::from_raw(uid), ..User::from_uid(Uid::from_raw(0)).unwrap().unwrap() };
        assert_eq!(stranger(&path, Some(&user(own))), None);
        assert!(stranger(&path, Some(&user(own + 1))).unwrap().contains("sudo chown"));
        assert_eq!(stranger(&path, None), None);
    }
}
