//! The socket, and what the daemon behind it says of itself.

use std::io::{self, ErrorKind};
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _};
use std::path::Path;
use std::time::Duration;

use nix::unistd::{Gid, Group, Uid, User};
use tokio::net::UnixStream;

use super::Report;
use crate::api::client::{Call, Client, Reply};
use crate::api::wire;
use crate::config::Config;

const TOPIC: &str = "socket";
/// A daemon that needs longer for such a question hangs.
const PATIENCE: Duration = Duration::from_secs(10);

/// What was met at the socket.
pub(super) struct Met {
    /// The user and process of whoever listens; the error that came instead.
    listener: Result<(u32, Option<i32>), io::Error>,
    alive: bool,
    /// `None`: this user may not know.
    status: Option<wire::Status>,
    modems: Option<Vec<wire::Modem>>,
}

impl Met {
    /// The user of the daemon, unless the service manager listens in its place.
    pub(super) fn daemon(&self) -> Option<u32> {
        let (user, process) = self.listener.as_ref().ok()?;
        (*process != Some(1)).then_some(*user)
    }

    /// Whether a daemon answers.
    pub(super) const fn answers(&self) -> bool {
        self.alive
    }

    /// The modems as the daemon knows them.
    pub(super) fn modems(&self) -> Option<&[wire::Modem]> {
        self.modems.as_deref()
    }
}

/// Connects, and asks what this user may know.
pub(super) async fn ask(path: &Path) -> Met {
    let met = |listener| Met { listener, alive: false, status: None, modems: None };
    let peer = match UnixStream::connect(path).await.and_then(|stream| stream.peer_cred()) {
        Ok(peer) => (peer.uid(), peer.pid()),
        Err(e) => return met(Err(e)),
    };
    let client = Client::new(path.to_owned()).with_timeout(PATIENCE);
    let get =
        async |path: &str| client.call(Call::get(path)).await.ok().filter(|reply| reply.status.is_success());
    let parsed = |reply: Option<Reply>| reply.and_then(|reply| reply.parse::<wire::Modems>().ok());
    if get("/healthz").await.is_none() {
        return met(Ok(peer));
    }
    Met {
        listener: Ok(peer),
        alive: true,
        status: get("/v1/status").await.and_then(|reply| reply.parse().ok()),
        modems: parsed(get("/v1/modems").await).map(|list| list.modems),
    }
}

pub(super) fn check(path: &Path, met: &Met, config: Option<&Config>, report: &mut Report) {
    let place = path.display();
    match &met.listener {
        Err(e) if e.kind() == ErrorKind::PermissionDenied => {
            let us =
                User::from_uid(Uid::effective()).ok().flatten().map_or_else(String::new, |user| user.name);
            let fix = match path
                .metadata()
                .ok()
                .and_then(|known| Group::from_gid(Gid::from_raw(known.gid())).ok()?)
            {
                Some(group) => format!("run `sudo usermod -aG {} {us}` and log in again", group.name),
                None => "look at its folder's mode".to_owned(),
            };
            return report
                .warn(TOPIC, format!("{us} may not open {place}: {fix}, or run `sudo smsotp doctor`"));
        }
        Err(e) => {
            let stale = path.symlink_metadata().is_ok_and(|known| !known.file_type().is_socket());
            let fix = if stale {
                "something that is no socket is in its place: remove it, and start the daemon"
            } else {
                "run `sudo systemctl start smsotpd`, or `smsotpd` as its user; its log says why it does not start"
            };
            return report.fail(TOPIC, format!("no daemon listens at {place} ({e}): {fix}"));
        }
        Ok(_) if !met.alive => {
            return report.fail(
                TOPIC,
                format!("nothing answers at {place} within {} s: `journalctl -u smsotpd` says what the daemon does; \
                         restart it", PATIENCE.as_secs()),
            );
        }
        Ok(_) => {}
    }
    let before = report.findings.len();
    if let (Some(config), Ok(known)) = (config, path.metadata()) {
        permissions(config, known.mode(), known.gid(), report);
    }
    let Some(status) = &met.status else {
        report.warn(
            TOPIC,
            format!("the daemon answers at {place}, and does not let this user read its state: run `sudo smsotp doctor`, \
                     or give this user's [[client]] the right read"),
        );
        return;
    };
    let own = env!("CARGO_PKG_VERSION");
    if status.version != own {
        let text =
            format!("the daemon is version {}, this program {own}: restart the daemon", status.version);
        report.warn(TOPIC, text);
    }
    if status.disk_full {
        report.fail(
            TOPIC,
            "the daemon refuses new work, since the disk is full: free some room, and it goes on by itself",
        );
    }
    if let Some(why) = &status.clock {
        report.warn(TOPIC, format!("the daemon doubts the clock: {why}"));
    }
    if report.findings.len() == before {
        let up = humantime::format_duration(Duration::from_secs(status.uptime_s));
        report.ok(TOPIC, format!("smsotpd {} answers at {place}, up {up}", status.version));
    }
}

/// The socket is as the configuration says, unless that changed since the start.
fn permissions(config: &Config, mode: u32, gid: u32, report: &mut Report) {
    let wanted = config.api.mode;
    if mode & 0o777 != wanted {
        let text =
            format!("its mode is {:04o}, and api.mode is {wanted:04o}: restart the daemon", mode & 0o777);
        report.warn(TOPIC, text);
    }
    let group = config.api.group.as_deref().and_then(|name| Group::from_name(name).ok().flatten());
    if let Some(group) = group.filter(|group| group.gid.as_raw() != gid) {
        let text = format!("its group is not {}, which api.group names: restart the daemon", group.name);
        report.warn(TOPIC, text);
    }
}
