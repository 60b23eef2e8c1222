//! The modems: those of the configuration with their ports, who holds the ports, `ModemManager`, and sticks that
//! are plugged in and cannot be used, or are not used.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use gsm_modem::Find;
use gsm_modem::ports::{self, Candidate, Obstacle, Root};
use rustix::fs::{major, minor};

use super::Report;
use crate::api::wire;
use crate::cli::modem_view::in_words;
use crate::config::Config;

const TOPIC: &str = "modem";

/// `known` is what the daemon says; without it the ports themselves are looked at.
pub(super) fn check(
    root: &Root,
    config: Option<&Config>,
    known: Option<&[wire::Modem]>,
    report: &mut Report,
) {
    let found = ports::scan(root);
    let finds: Vec<_> = config
        .into_iter()
        .flat_map(|c| &c.modems)
        .map(|m| (m.session.name.as_str(), &m.session.find))
        .collect();
    match known {
        Some(modems) => modems.iter().for_each(|modem| told(modem, report)),
        None => finds.iter().for_each(|(name, find)| looked_at(root, name, find, &found, report)),
    }
    modem_manager(root, &finds, &found, report);
    let stuck = ports::without_port(root, &found);
    for obstacle in &stuck {
        match obstacle {
            Obstacle::Router { .. } => report.warn("usb", obstacle.to_string()),
            _ => report.fail("usb", obstacle.to_string()),
        }
    }
    if stuck.is_empty() {
        report.ok("usb", "no stick waits for usb-modeswitch, a driver or other firmware");
    }
    if config.is_some() {
        for port in unused(&finds, known.unwrap_or_default(), &found) {
            report.warn(
                TOPIC,
                format!(
                    "{0} is a modem that no [[modem]] names: `smsotp probe {0}` prints a section",
                    port.display()
                ),
            );
        }
    }
}

/// A modem as the daemon sees it.
fn told(modem: &wire::Modem, report: &mut Report) {
    let wire::Modem { name, state, port, .. } = modem;
    let why =
        modem.last_error.as_deref().unwrap_or("`smsotp modem NAME trace` shows what went over its port");
    match state.as_str() {
        "ready" | "busy" if modem.breaker == "open" => {
            report.warn(TOPIC, format!("{name} gets no messages for a while, since they failed: {why}"));
        }
        "ready" | "busy" => {
            let operator = modem.operator.as_deref().map(|name| format!(", {name}")).unwrap_or_default();
            let signal = modem.signal_dbm.map(|dbm| format!(", {}", in_words(dbm))).unwrap_or_default();
            report.ok(TOPIC, format!("{name} is {state} at {port}{operator}{signal}"));
        }
        "paused" => report.warn(TOPIC, format!("{name} is paused: run `smsotp modem {name} resume`")),
        "starting" => {
            report.warn(TOPIC, format!("{name} is being brought up at {port}: ask again in a minute"));
        }
        "recovering" => report.warn(TOPIC, format!("{name} does not work and is being cured: {why}")),
        _ => report.fail(TOPIC, format!("{name} is {state}: {why}")),
    }
}

/// A modem of the configuration, while no daemon tells of it. No port is opened.
fn looked_at(root: &Root, name: &str, find: &Find, found: &[Candidate], report: &mut Report) {
    let port = match &find.port {
        Some(port) => Some(port.clone()),
        None => found.iter().find(|c| c.fits(find.usb, find.serial.as_deref())).map(|c| c.path.clone()),
    };
    let Some(port) = port else {
        let text =
            format!("{name}: no stick is plugged in that could be it: `smsotp probe` shows what is there");
        return report.fail(TOPIC, text);
    };
    match ports::in_the_way(root, &port) {
        None => report.ok(TOPIC, format!("{name}: {} is there and free", port.display())),
        // Whether the daemon's user may open it is told of that user.
        Some(obstacle @ (Obstacle::Denied { .. } | Obstacle::PerhapsManaged { .. })) => {
            report.warn(TOPIC, format!("{name}: {obstacle}"));
        }
        Some(Obstacle::Held { holder: Some(holder), .. }) if holder.program == "smsotpd" => {
            report.ok(TOPIC, format!("{name}: {} is held by {holder}", port.display()));
        }
        Some(obstacle) => report.fail(TOPIC, format!("{name}: {obstacle}")),
    }
}

/// `ModemManager` spoils the dialogue of every port that a rule does not keep it off.
fn modem_manager(root: &Root, finds: &[(&str, &Find)], found: &[Candidate], report: &mut Report) {
    const TOPIC: &str = "manager";
    let Some(manager) = ports::modem_manager(root) else {
        return report.ok(TOPIC, "ModemManager does not run");
    };
    let named = finds.iter().filter_map(|(_, find)| find.port.clone()).filter(|port| port.exists());
    let ports: BTreeSet<PathBuf> = named.chain(found.iter().map(|c| c.path.clone())).collect();
    let open: Vec<_> =
        ports.iter().filter(|port| !is_ignored(root, port)).map(|p| p.display().to_string()).collect();
    if ports.is_empty() {
        report.warn(TOPIC, format!("{manager} runs, and will open a modem that is plugged in: {KEEP_OFF}"));
    } else if open.is_empty() {
        report.ok(TOPIC, format!("{manager} runs, and a rule keeps it off the modems"));
    } else {
        report
            .warn(TOPIC, format!("{manager} runs, and no rule keeps it off {}: {KEEP_OFF}", open.join(", ")));
    }
}

const KEEP_OFF: &str = "copy /usr/lib/udev/rules.d/70-smsotpd.rules to /etc/udev/rules.d, uncomment your modem's line, run \
                        `sudo udevadm control --reload && sudo udevadm trigger` and plug the modem in again; or run `sudo \
                        systemctl disable --now ModemManager`";

/// Whether udev's database has the mark for a port (`/run/udev/data/c188:0`).
fn is_ignored(root: &Root, port: &Path) -> bool {
    let Ok(known) = port.metadata() else { return false };
    let entry = format!("run/udev/data/c{}:{}", major(known.rdev()), minor(known.rdev()));
    let told = fs::read_to_string(root.join(&entry)).unwrap_or_default();
    told.lines().any(|line| line == "E:ID_MM_DEVICE_IGNORE=1")
}

/// The best port of each stick that belongs to no modem of the configuration. While a modem is found by what only it
/// can say, and no daemon tells which it is, nobody knows.
fn unused(finds: &[(&str, &Find)], known: &[wire::Modem], found: &[Candidate]) -> Vec<PathBuf> {
    let by_name = |find: &Find| find.port.is_some() || find.usb.is_some() || find.serial.is_some();
    if known.is_empty() && !finds.iter().all(|(_, find)| by_name(find)) {
        return Vec::new();
    }
    let real = |path: &Path| path.canonicalize().unwrap_or_else(|_| path.to_owned());
    let mut taken: BTreeSet<PathBuf> = known.iter().map(|modem| real(Path::new(&modem.port))).collect();
    taken.extend(finds.iter().filter_map(|(_, find)| Some(real(find.port.as_deref()?))));
    let is_used = |c: &Candidate| {
        taken.contains(&real(&c.path))
            || finds.iter().any(|(_, find)| {
                (find.usb.is_some() || find.serial.is_some()) && c.fits(find.usb, find.serial.as_deref())
            })
    };
    let used: BTreeSet<_> = found.iter().filter(|c| is_used(c)).filter_map(|c| c.device.clone()).collect();
    let mut told = used;
    let free =
        found.iter().filter(|c| c.role.may_answer() && c.device.clone().is_some_and(|d| told.insert(d)));
    free.map(|c| c.stable_path().to_owned()).collect()
}

#[cfg(test)]
mod tests;
