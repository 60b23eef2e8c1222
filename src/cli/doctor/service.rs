//! The user that the daemon runs as, and what this user may do.

use std::ffi::CString;
use std::os::unix::fs::MetadataExt as _;

use nix::unistd::{Gid, Group, Uid, User, getgrouplist};

use super::socket::Met;
use super::unit::Unit;
use super::{Level, Report};
use crate::config::Config;

const TOPIC: &str = "user";

/// The user of the running daemon, else that of the unit.
pub(super) fn user(unit: &Unit, met: &Met) -> Option<User> {
    match met.daemon() {
        Some(uid) => User::from_uid(Uid::from_raw(uid)).ok().flatten(),
        None => User::from_name(unit.get("User")).ok().flatten(),
    }
}

/// The user of the unit, its groups, and the ports that it has to open.
pub(super) fn check(unit: &Unit, user: Option<&User>, config: Option<&Config>, report: &mut Report) {
    let level = if unit.runs() { Level::Fail } else { Level::Warn };
    let wanted = unit.get("User");
    if !wanted.is_empty() && User::from_name(wanted).ok().flatten().is_none() {
        return report.note(level, TOPIC, format!("there is no user {wanted}: run `sudo systemd-sysusers`"));
    }
    let Some(user) = user else { return };
    if user.uid.is_root() {
        report.warn(
            TOPIC,
            "the daemon runs as root, which it does not need: use the unit, or a user of its own",
        );
        return;
    }
    let groups = groups(user, unit);
    let mut lacking = Vec::new();
    if let Some(group) =
        config.and_then(|config| Group::from_name(config.api.group.as_deref()?).ok().flatten())
        && !groups.contains(&group.gid)
    {
        lacking.push((group.name, "api.group"));
    }
    let ports = config.into_iter().flat_map(|config| &config.modems);
    for port in ports.filter_map(|modem| modem.session.find.port.as_deref()) {
        let Ok(known) = port.metadata() else { continue };
        let opens = known.uid() == user.uid.as_raw()
            || known.mode() & 0o006 == 0o006
            || (known.mode() & 0o060 == 0o060 && groups.contains(&Gid::from_raw(known.gid())));
        let group = Group::from_gid(Gid::from_raw(known.gid())).ok().flatten();
        if let Some(group) =
            group.filter(|group| !opens && !lacking.iter().any(|(name, _)| *name == group.name))
        {
            lacking.push((group.name, "the group of a modem's port"));
        }
    }
    for (group, why) in &lacking {
        let name = &user.name;
        report.note(
            level,
            TOPIC,
            format!(
                "{name} is not in {group}, {why}: run `sudo usermod -aG {group} {name}`, or name the group in \
                 SupplementaryGroups= of the unit, and restart the daemon"
            ),
        );
    }
    if lacking.is_empty() {
        report
            .ok(TOPIC, format!("the daemon's user is {}, and it is in the groups that it needs", user.name));
    }
}

/// The groups of a user, and those that the unit adds.
fn groups(user: &User, unit: &Unit) -> Vec<Gid> {
    let own = CString::new(user.name.as_str()).ok().and_then(|name| getgrouplist(&name, user.gid).ok());
    let added = unit.get("SupplementaryGroups").split_whitespace();
    let added = added.filter_map(|name| Some(Group::from_name(name).ok().flatten()?.gid));
    own.unwrap_or_default().into_iter().chain(added).collect()
}
