//! `smsotp import`: the settings of another gateway as a configuration for this one. What has no counterpart stands as a
//! comment with the reason. A PIN is never printed, and neither is what may have one in it.

use std::fmt::Write as _;
use std::path::Path;

use clap::ValueEnum;

use super::exit::{Exit, Failure};
use super::output;
use crate::config::Config;
use crate::phone::PhoneNumber;
use ini::Setting;

mod gammu;
mod ini;
mod smstools;

/// Whose settings.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Peer {
    /// Gammu SMSD, /etc/gammu-smsdrc.
    Gammu,
    /// SMS Server Tools 3, /etc/smsd.conf.
    Smstools,
}

/// A larger file is no such configuration.
const LARGEST: u64 = 1024 * 1024;

/// Prints the configuration.
pub(super) fn run(peer: Peer, file: &Path) -> Result<Exit, Failure> {
    let refused = |what: String| Failure::new(Exit::Config, format!("{}: {what}", file.display()));
    let known = file.metadata().map_err(|e| refused(format!("cannot be read: {e}")))?;
    if known.len() > LARGEST {
        return Err(refused("is larger than 1 MiB, which no such configuration is".into()));
    }
    let octets = std::fs::read(file).map_err(|e| refused(format!("cannot be read: {e}")))?;
    let settings = ini::settings(&String::from_utf8_lossy(&octets));
    if settings.is_empty() {
        return Err(refused("has no settings: a line of one is `key = value`".into()));
    }
    let text = translated(peer, &settings);
    Config::parse(&text, Path::new("the configuration made of it")).map_err(|e| refused(e.to_string()))?;
    output::print(&text)?;
    Ok(Exit::Done)
}

fn translated(peer: Peer, settings: &[Setting]) -> String {
    match peer {
        Peer::Gammu => gammu::draft(settings).text("Gammu SMSD", "docs/from-gammu.md"),
        Peer::Smstools => smstools::draft(settings).text("SMS Server Tools", "docs/from-smstools.md"),
    }
}

/// A `[[modem]]` that comes to be.
#[derive(Debug, Default)]
struct Modem {
    name: String,
    /// Its lines behind the name.
    lines: Vec<String>,
    has_port: bool,
}

impl Modem {
    /// A modem with a name that the configuration takes.
    fn named(name: &str) -> Self {
        let clean = |c: char| if c.is_ascii_alphanumeric() || c == '-' || c == '_' { c } else { '-' };
        let name: String = name.trim().chars().map(clean).take(64).collect();
        Self { name: if name.is_empty() { "modem1".into() } else { name }, ..Self::default() }
    }

    fn set(&mut self, line: impl Into<String>) {
        self.lines.push(line.into());
    }

    fn port(&mut self, path: &str) {
        self.has_port = true;
        self.set(format!("port = {}", quoted(path)));
        if !path.starts_with("/dev/serial/") {
            self.set("# The number of such a port may change when the stick comes back: `smsotp probe` prints a path that stays.");
        }
    }

    fn pin(&mut self) {
        self.set("# The file has the SIM's PIN and nothing else, mode 0600. Put it there by hand: it is not printed here.");
        self.set(format!("pin_file = \"/etc/smsotpd/{}.pin\"", self.name));
    }

    /// A speed, if a serial line has it.
    fn baud(&mut self, text: &str) -> bool {
        let known = [
            "1200", "2400", "4800", "9600", "19200", "38400", "57600", "115200", "230400", "460800", "921600",
        ];
        let fits = known.contains(&text);
        if fits {
            self.set(format!("baud = {text}"));
        }
        fits
    }

    /// A service centre, with or without its plus.
    fn smsc(&mut self, text: &str) -> bool {
        let number = format!("+{}", text.trim_start_matches('+')).parse::<PhoneNumber>();
        if let Ok(number) = &number {
            self.set(format!("smsc = \"{}\"", number.as_str()));
        }
        number.is_ok()
    }
}

/// A configuration that comes to be.
#[derive(Debug, Default)]
struct Draft {
    modems: Vec<Modem>,
    /// A line each of `[log]`, `[queue]`, `[service.default]`.
    log: Option<String>,
    retry: Option<String>,
    report: bool,
    /// What has no counterpart: the setting, and why.
    left: Vec<(String, &'static str)>,
}

impl Draft {
    /// Notes a setting without a counterpart. Its value is shown unless it may be a secret.
    fn leave(&mut self, setting: &Setting, why: &'static str) {
        let place =
            if setting.section.is_empty() { String::new() } else { format!("[{}] ", setting.section) };
        let shown = if setting.may_be_secret() { "… (not shown)" } else { &setting.value };
        self.left.push((format!("{place}{} = {shown}", setting.key), why));
    }

    fn text(self, peer: &str, page: &str) -> String {
        let mut text = format!(
            "# Made from a configuration of {peer}; {page} has what becomes of which setting.\n\
             # `smsotpd --check-config --config FILE` checks it, `smsotp doctor --config FILE` the machine.\n"
        );
        let section = |text: &mut String, head: &str, line: &str| {
            // Writing into a String cannot fail.
            let _ = write!(text, "\n{head}\n{line}\n");
        };
        if let Some(retry) = &self.retry {
            section(&mut text, "[queue]", retry);
        }
        if let Some(level) = &self.log {
            section(&mut text, "[log]", &format!("level = \"{level}\""));
        }
        if self.report {
            section(&mut text, "[service.default]", "report = true");
        }
        if !self.modems.iter().any(|modem| modem.has_port) {
            text.push_str("\n# No modem has a port there: add the [[modem]] that `smsotp probe` prints.\n");
        }
        for modem in self.modems.iter().filter(|modem| modem.has_port) {
            section(
                &mut text,
                "[[modem]]",
                &format!("name = \"{}\"\n{}", modem.name, modem.lines.join("\n")),
            );
        }
        if !self.left.is_empty() {
            text.push_str("\n# These have no counterpart:\n");
        }
        for (setting, why) in &self.left {
            let _ = writeln!(text, "#   {}\n#     {why}", output::clean(setting));
        }
        text
    }
}

/// A TOML string (TOML 1.0 section String).
fn quoted(text: &str) -> String {
    toml::Value::String(text.to_owned()).to_string()
}
