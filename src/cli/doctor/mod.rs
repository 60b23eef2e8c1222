//! `smsotp doctor`: looks at this machine, its configuration and its daemon, and says of each thing whether it is in
//! order and else what to do. It changes nothing, asks no modem, and needs no root: what this user may not see is told.

use std::path::{Path, PathBuf};

use gsm_modem::ports::Root;
use serde::Serialize;

use super::exit::{Exit, Failure};
use super::output::{self, Format, clean};
use crate::config::{Config, ConfigError};
use crate::daemon;

mod database;
mod files;
mod modems;
mod service;
mod socket;
mod unit;

/// How a thing stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
enum Level {
    Ok,
    Warn,
    Fail,
}

impl Level {
    const fn word(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Warn => "warn",
            Self::Fail => "fail",
        }
    }
}

/// One thing and how it stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
struct Finding {
    level: Level,
    topic: &'static str,
    /// What is so and, unless it is in order, what to do about it.
    text: String,
}

/// What was found, in the order in which a person repairs it.
#[derive(Debug, Default)]
struct Report {
    findings: Vec<Finding>,
}

impl Report {
    fn note(&mut self, level: Level, topic: &'static str, text: impl Into<String>) {
        self.findings.push(Finding { level, topic, text: text.into() });
    }

    fn ok(&mut self, topic: &'static str, text: impl Into<String>) {
        self.note(Level::Ok, topic, text);
    }

    fn warn(&mut self, topic: &'static str, text: impl Into<String>) {
        self.note(Level::Warn, topic, text);
    }

    fn fail(&mut self, topic: &'static str, text: impl Into<String>) {
        self.note(Level::Fail, topic, text);
    }

    fn exit(&self) -> Exit {
        let worst = self.findings.iter().map(|finding| finding.level).max();
        if worst == Some(Level::Fail) { Exit::No } else { Exit::Done }
    }

    fn show(&self, format: Format) -> Result<String, Failure> {
        let line = |finding: &Finding| {
            if format == Format::Json {
                let line = serde_json::to_string(finding);
                return line.map_err(|e| Failure::new(Exit::Internal, e.to_string()));
            }
            let word = finding.level.word();
            let gap = " ".repeat(6 - word.len());
            let text: Vec<_> = finding.text.lines().map(clean).collect();
            Ok(format!("{}{gap}{:<9}{}", format.status(word), finding.topic, text.join("\n      ")))
        };
        self.findings.iter().map(|finding| Ok(line(finding)? + "\n")).collect()
    }
}

/// `smsotp doctor`. `named` is a socket that the command line or the environment names.
pub(super) async fn run(path: &Path, named: Option<&Path>, json: bool) -> Result<Exit, Failure> {
    let mut report = Report::default();
    let config = configuration(path, &mut report);
    let unit = unit::ask(Path::new("/")).await;
    let place = config.as_ref().map(|config| config.api.socket.clone());
    if let (Some(place), Some(named)) = (&place, named)
        && place != named
    {
        report.warn(
            "socket",
            format!(
                "--socket or SMSOTP_SOCKET names {}, and the configuration {}: `smsotp` asks the first; leave it out",
                named.display(),
                place.display()
            ),
        );
    }
    let place = place.or_else(|| named.map(PathBuf::from)).unwrap_or_else(|| super::SOCKET.into());
    let met = socket::ask(&place).await;
    let user = service::user(&unit, &met);
    unit::check(&unit, &mut report);
    service::check(&unit, user.as_ref(), config.as_ref(), &mut report);
    socket::check(&place, &met, config.as_ref(), &mut report);
    modems::check(&Root::system(), config.as_ref(), met.modems(), &mut report);
    if let Some(config) = &config {
        files::key(config, &unit, &met, user.as_ref(), &mut report);
        files::state(config, user.as_ref(), &mut report);
        database::check(config, &mut report).await;
    }
    files::clock(&unit, &mut report).await;
    output::print(&report.show(Format::of(json))?)?;
    Ok(report.exit())
}

/// Reads the configuration; what it names and this machine lacks is told too.
fn configuration(path: &Path, report: &mut Report) -> Option<Config> {
    const TOPIC: &str = "config";
    let config = match Config::load(path) {
        Ok(config) => config,
        Err(e @ ConfigError::Read { .. }) if !path.exists() => {
            report.fail(
                TOPIC,
                format!("{e}: copy the shipped smsotpd.toml there, or name another file with --config"),
            );
            return None;
        }
        Err(e @ ConfigError::Read { .. }) => {
            let denied =
                std::fs::File::open(path).is_err_and(|e| e.kind() == std::io::ErrorKind::PermissionDenied);
            let level = if denied { Level::Warn } else { Level::Fail };
            report.note(level, TOPIC, format!("{e}; run `sudo smsotp doctor`, or repair the file"));
            return None;
        }
        Err(e) => {
            report.fail(TOPIC, format!("the daemon does not start with these faults:\n{e}"));
            return None;
        }
    };
    report.ok(TOPIC, format!("{} is sound", path.display()));
    for warning in daemon::warnings(&config) {
        report.warn(TOPIC, warning);
    }
    for lack in daemon::missing(&config) {
        if lack.unseen {
            report.warn(TOPIC, format!("{}; `sudo smsotp doctor` looks at it", lack.what));
        } else {
            report.fail(TOPIC, lack.what);
        }
    }
    Some(config)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_line_begins_with_its_level_and_the_worst_counts() {
        let mut report = Report::default();
        report.ok("disk", "has room");
        assert_eq!(report.exit(), Exit::Done);
        report.warn("clock", "is late\nby a day");
        assert_eq!(report.exit(), Exit::Done);
        report.fail("key", "is \u{1b}gone");
        assert_eq!(report.exit(), Exit::No);
        assert_eq!(
            report.show(Format::Plain).unwrap_or_default(),
            "ok    disk     has room\nwarn  clock    is late\n      by a day\nfail  key      is  gone\n"
        );
        let json = report.show(Format::Json).unwrap_or_default();
        assert_eq!(json.lines().next(), Some(r#"{"level":"ok","topic":"disk","text":"has room"}"#));
    }
}
