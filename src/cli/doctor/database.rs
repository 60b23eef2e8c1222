//! The database that several hosts share: whether it answers, its version, its clock, and the servers that follow it.

use std::time::Duration;

use super::Report;
use crate::config::Config;
use crate::daemon;

/// Clocks that are further apart than this are wrong, and not only late.
const APART: Duration = Duration::from_secs(2);
/// A server that follows is usually behind by less.
const BEHIND: Duration = Duration::from_secs(10);

pub(super) async fn check(config: &Config, report: &mut Report) {
    const TOPIC: &str = "database";
    let Some((url, found)) = daemon::database(config).await else { return };
    let found = match found {
        Ok(found) => found,
        Err(why) => return report.fail(TOPIC, why),
    };
    let version = &found.version;
    if found.has_tables {
        report.ok(TOPIC, format!("{url} answers, PostgreSQL {version}"));
    } else {
        report.warn(
            TOPIC,
            format!("{url} answers, PostgreSQL {version}, and has no records yet: start smsotpd"),
        );
    }
    if !found.syncs {
        report.fail(TOPIC, "the server has fsync off: a power cut can cost it everything; set it on");
    }
    if found.clocks_apart > APART {
        let apart = found.clocks_apart.as_secs();
        report.warn(
            TOPIC,
            format!(
                "its clock and this machine's are {apart} s apart: codes live by the database's; let NTP set both \
                 (`sudo timedatectl set-ntp true`)"
            ),
        );
    }
    for (name, waits, behind) in &found.followers {
        let how = if *waits { "commits wait for it" } else { "no commit waits for it" };
        let text = format!("{name} follows it, {} s behind; {how}", behind.as_secs());
        if *behind > BEHIND {
            report.warn(TOPIC, format!("{text}: look at that server and the network to it"));
        } else {
            report.ok(TOPIC, text);
        }
    }
}
