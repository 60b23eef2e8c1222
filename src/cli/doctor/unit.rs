//! The unit `smsotpd.service`, as systemd tells of it (systemctl(1), `show`).
//!
//! What concerns the unit is never worse than a warning: the daemon may run in another way, and then what its socket
//! says counts.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use tokio::process::Command;

use super::Report;

const TOPIC: &str = "unit";
const NAME: &str = "smsotpd.service";
/// systemd may be busy, and must not hold up the rest.
const PATIENCE: Duration = Duration::from_secs(10);

/// What is asked.
const PROPERTIES: &[&str] = &[
    "LoadState",
    "ActiveState",
    "SubState",
    "UnitFileState",
    "NeedDaemonReload",
    "NRestarts",
    "Result",
    "ExecMainStatus",
    "User",
    "SupplementaryGroups",
    "LoadCredential",
    "LoadCredentialEncrypted",
];

/// What systemd says of the unit; `None` where systemd does not run.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Unit(Option<BTreeMap<String, String>>);

impl Unit {
    fn parse(shown: &str) -> Self {
        let lines = shown.lines().filter_map(|line| line.split_once('='));
        Self(Some(lines.map(|(name, value)| (name.to_owned(), value.to_owned())).collect()))
    }

    /// A property; empty when it is not known.
    pub(super) fn get(&self, name: &str) -> &str {
        self.0.as_ref().and_then(|all| all.get(name)).map_or("", String::as_str)
    }

    /// Whether systemd runs this machine.
    pub(super) const fn has_systemd(&self) -> bool {
        self.0.is_some()
    }

    /// Whether the daemon runs under systemd now.
    pub(super) fn runs(&self) -> bool {
        matches!(self.get("ActiveState"), "active" | "activating" | "reloading" | "deactivating")
    }

    /// Whether it gives the daemon its key.
    pub(super) fn gives_key(&self) -> bool {
        ["LoadCredential", "LoadCredentialEncrypted"].iter().any(|name| !self.get(name).is_empty())
    }
}

/// Asks systemd, if it runs below this root.
pub(super) async fn ask(root: &Path) -> Unit {
    if !root.join("run/systemd/system").is_dir() {
        return Unit::default();
    }
    let mut command = Command::new("systemctl");
    command.args(["show", NAME, "--property", &PROPERTIES.join(",")]).kill_on_drop(true);
    match tokio::time::timeout(PATIENCE, command.output()).await {
        Ok(Ok(shown)) => Unit::parse(&String::from_utf8_lossy(&shown.stdout)),
        _ => Unit::default(),
    }
}

pub(super) fn check(unit: &Unit, report: &mut Report) {
    if !unit.has_systemd() {
        let text = "systemd does not answer here: something else has to start smsotpd after a boot and after a fault";
        return report.warn(TOPIC, text);
    }
    match unit.get("LoadState") {
        "loaded" => {}
        "masked" => {
            return report.warn(TOPIC, format!("{NAME} is masked: run `sudo systemctl unmask smsotpd`"));
        }
        "not-found" => {
            return report.warn(
                TOPIC,
                format!("{NAME} is not installed: install the package, or the files of systemd/ as the README says"),
            );
        }
        other => {
            return report.warn(
                TOPIC,
                format!("{NAME} cannot be loaded ({other}): `systemctl status smsotpd` says why"),
            );
        }
    }
    if unit.get("NeedDaemonReload") == "yes" {
        report.warn(
            TOPIC,
            "its file is newer than what systemd knows: run `sudo systemctl daemon-reload && sudo systemctl restart smsotpd`",
        );
    }
    if unit.get("UnitFileState") == "disabled" {
        report.warn(TOPIC, "is not started at boot: run `sudo systemctl enable smsotpd.socket smsotpd`");
    }
    let state = unit.get("ActiveState");
    match state {
        "active" => report.ok(TOPIC, format!("{NAME} runs")),
        "failed" => {
            report.warn(
                TOPIC,
                format!("{NAME} ended with a fault, {}; `journalctl -u smsotpd -b` says more", cause(unit)),
            );
        }
        "inactive" => {
            report.warn(TOPIC, format!("{NAME} is not started: run `sudo systemctl start smsotpd`"));
        }
        _ => {
            let sub = unit.get("SubState");
            report.warn(
                TOPIC,
                format!("{NAME} is {state} ({sub}): `journalctl -u smsotpd -b` says what it waits for"),
            );
        }
    }
    match unit.get("NRestarts") {
        "" | "0" => {}
        times => report.warn(
            TOPIC,
            format!("systemd restarted the daemon {times} times by itself: `journalctl -u smsotpd` says why it ended"),
        ),
    }
}

/// How the daemon ended (`src/daemon/main.rs` has its exit codes).
fn cause(unit: &Unit) -> String {
    match (unit.get("Result"), unit.get("ExecMainStatus")) {
        ("watchdog", _) => "it hung and the watchdog killed it".into(),
        (_, "74") => "74: the store is damaged or the disk fails".into(),
        (_, "78") => "78: the configuration or the key is wrong".into(),
        ("exit-code", status) => format!("exit code {status}"),
        (result, _) => result.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(shown: &str) -> String {
        let mut report = Report::default();
        check(&Unit::parse(shown), &mut report);
        report.show(super::super::Format::Plain).unwrap_or_default()
    }

    #[test]
    fn a_running_unit_is_in_order() {
        let shown =
            "LoadState=loaded\nActiveState=active\nUnitFileState=enabled\nNeedDaemonReload=no\nNRestarts=0\n";
        assert_eq!(said(shown), "ok    unit     smsotpd.service runs\n");
    }

    #[test]
    fn what_is_wrong_with_a_unit_is_a_warning_with_its_fix() {
        let shown = "LoadState=loaded\nActiveState=failed\nUnitFileState=disabled\nNeedDaemonReload=yes\n\
                     NRestarts=3\nResult=exit-code\nExecMainStatus=78\n";
        let said_all = said(shown);
        for part in
            ["daemon-reload", "systemctl enable", "78: the configuration or the key", "3 times by itself"]
        {
            assert!(said_all.contains(part), "{part}: {said_all}");
        }
        assert!(said_all.lines().all(|line| line.starts_with("warn  unit     ")), "{said_all}");
        assert!(said("LoadState=not-found\nActiveState=inactive\n").contains("not installed"));
        assert!(said("LoadState=masked\n").contains("unmask"));
        assert!(said("LoadState=loaded\nActiveState=inactive\n").contains("systemctl start"));
    }

    #[tokio::test]
    async fn without_systemd_nobody_is_asked() {
        let folder = tempfile::tempdir().unwrap();
        let unit = ask(folder.path()).await;
        assert_eq!(unit, Unit::default());
        let mut report = Report::default();
        check(&unit, &mut report);
        assert_eq!(report.exit(), super::super::Exit::Done);
        assert!(!unit.runs());
    }
}
