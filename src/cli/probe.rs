//! `smsotp probe`: what each serial port is, what is in the way, and a `[[modem]]` section to copy.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use futures_util::future::join_all;
use gsm_modem::at::{Domain, Registration};
use gsm_modem::ports::{self, Answers, AskError, Candidate, ProbeTiming, Role, Root, SimState};
use indicatif::ProgressBar;
use serde::Serialize;

use super::exit::{Exit, Failure};
use super::modem_view::in_words;
use super::output::{self, Format, clean};
use super::progress::{Unit, progress};

/// Probes `ports`, or without any all ports that may be modems. The exit code is that of a "no" when a named
/// port does not answer, or when no port does.
pub(super) async fn run(named: &[PathBuf], json: bool) -> Result<Exit, Failure> {
    let format = Format::of(json);
    let bar = progress(!json, "asking", Unit::Things, Some(0));
    let report = Report::make(&Root::system(), named, None, &bar).await;
    bar.finish_and_clear();
    output::print(&report.show(format)?)?;
    Ok(report.exit())
}

/// A port and its answers.
struct ProbedPort {
    path: PathBuf,
    candidate: Option<Candidate>,
    said: Result<Answers, AskError>,
    /// A better port of the same modem.
    same_as: Option<PathBuf>,
}

struct Report {
    asked: Vec<ProbedPort>,
    /// Sticks without a port, which are only looked for when no port is named.
    obstacles: Vec<String>,
    named: bool,
}

impl Report {
    /// `timing` is for tests; without it each port gets the times that it needs. The bar moves with each port that is done.
    async fn make(root: &Root, named: &[PathBuf], timing: Option<&ProbeTiming>, bar: &ProgressBar) -> Self {
        let known = ports::scan(root);
        let paths: Vec<PathBuf> = if named.is_empty() {
            known.iter().filter(|port| port.role.may_answer()).map(|port| port.path.clone()).collect()
        } else {
            each_once(named)
        };
        let ask = |path: PathBuf| {
            let candidate = find(&known, &path).cloned();
            let timing = timing.cloned().unwrap_or_else(|| ProbeTiming::of(&path, &known));
            async move {
                let said = ports::ask(root, &path, &timing).await;
                bar.inc(1);
                ProbedPort { path, candidate, said, same_as: None }
            }
        };
        bar.set_length(paths.len() as u64);
        let mut asked = join_all(paths.into_iter().map(ask)).await;
        join_ports_of_one_modem(&mut asked);
        let obstacles = if named.is_empty() {
            ports::without_port(root, &known).iter().map(ToString::to_string).collect()
        } else {
            Vec::new()
        };
        Self { asked, obstacles, named: !named.is_empty() }
    }

    fn exit(&self) -> Exit {
        let answered = |asked: &ProbedPort| asked.said.is_ok();
        let well = if self.named { self.asked.iter().all(answered) } else { self.asked.iter().any(answered) };
        if well { Exit::Done } else { Exit::No }
    }

    fn show(&self, format: Format) -> Result<String, Failure> {
        let mut text = String::new();
        if format == Format::Json {
            for asked in &self.asked {
                let line = serde_json::to_string(&asked.to_wire())
                    .map_err(|e| Failure::new(Exit::Internal, e.to_string()))?;
                text.push_str(&line);
                text.push('\n');
            }
            for problem in &self.obstacles {
                // Writing a JSON string cannot fail.
                let _ = writeln!(text, "{}", serde_json::json!({ "problem": problem }));
            }
            return Ok(text);
        }
        for asked in &self.asked {
            asked.show(format, &mut text);
            text.push('\n');
        }
        for problem in &self.obstacles {
            let _ = writeln!(text, "{problem}\n");
        }
        if self.asked.is_empty() && self.obstacles.is_empty() {
            text.push_str("no USB modem is plugged in; name a port to probe a modem on a serial line, such as /dev/ttyS0\n\n");
        }
        let sections: Vec<_> = self.asked.iter().filter_map(ProbedPort::section).collect();
        if !sections.is_empty() {
            text.push_str("# for smsotpd.toml:\n");
            text.push_str(&sections.join("\n"));
        }
        Ok(text)
    }
}

impl ProbedPort {
    /// The path for a configuration.
    fn port(&self) -> &Path {
        match &self.candidate {
            // A link that a person named stays, unless it may mean another stick.
            Some(candidate) if self.path == candidate.path || candidate.has_twin => candidate.stable_path(),
            _ => &self.path,
        }
    }

    fn show(&self, format: Format, text: &mut String) {
        let _ = writeln!(text, "{}", format.strong(&self.path.display().to_string()));
        let mut line = |name: &str, value: &str| {
            if !value.is_empty() {
                // Writing into a String cannot fail.
                let _ = writeln!(text, "  {name:<10}{}", clean(value));
            }
        };
        if let Some(candidate) = &self.candidate {
            line("usb", &usb(candidate));
        }
        let answers = match &self.said {
            Ok(answers) => answers,
            Err(e) => return line("problem", &e.to_string()),
        };
        line("answers", &format!("AT at {} baud", answers.baud));
        let device = [&answers.manufacturer, &answers.model, &answers.firmware].map(|s| s.trim());
        line("device", device.join(" ").trim());
        line("imei", answers.imei.as_deref().unwrap_or_default());
        let iccid = answers.iccid.as_deref().map(|n| format!(", number {n}")).unwrap_or_default();
        line("sim", &format!("{}{iccid}", sim(answers.sim)));
        line("imsi", answers.imsi.as_deref().unwrap_or_default());
        line("network", &network(answers));
        line("signal", &answers.signal_dbm.map(in_words).unwrap_or_default());
        line("messages", &messages(answers));
        line("announce", answers.messaging.new_messages.as_deref().unwrap_or_default());
        line(
            "centre",
            match answers.messaging.service_centre.as_deref() {
                Some("") => "none on the SIM: set smsc",
                Some(number) => number,
                None => "",
            },
        );
        for problem in problems(answers) {
            line("problem", &problem);
        }
        if let Some(other) = &self.same_as {
            line("same as", &format!("{}: another port of this modem; use that one", other.display()));
        }
    }

    /// A `[[modem]]` section, for a modem that can send.
    fn section(&self) -> Option<String> {
        let answers = self.said.as_ref().ok()?;
        if self.same_as.is_some() {
            return None;
        }
        let mut text = format!("[[modem]]\nname = {}\n", quoted(&name(answers)));
        let _ = writeln!(text, "port = {}", quoted(&self.port().display().to_string()));
        if self.candidate.as_ref().is_some_and(|candidate| candidate.has_twin) {
            text.push_str(
                "# Another stick looks exactly alike: this path is the socket it is plugged into.\n",
            );
        }
        if let Some(imei) = &answers.imei {
            let _ = writeln!(text, "#imei = {}", quoted(imei));
        }
        if answers.baud != 115_200 {
            let _ = writeln!(text, "baud = {}", answers.baud);
        }
        if answers.sim == SimState::Pin {
            let file = quoted(&format!("/etc/smsotpd/{}.pin", name(answers)));
            let _ = writeln!(text, "pin_file = {file}   # write the SIM's PIN into this file");
        }
        if answers.messaging.service_centre.as_deref() == Some("") {
            text.push_str(
                "#smsc = \"+…\"   # the SIM has no service centre; ask the operator for its number\n",
            );
        }
        Some(text)
    }

    fn to_wire(&self) -> Wire<'_> {
        let answers = self.said.as_ref().ok();
        let candidate = self.candidate.as_ref();
        let text = |of: fn(&Answers) -> &String| answers.map(|a| of(a).as_str()).filter(|t| !t.is_empty());
        let mut problems = answers.map(problems).unwrap_or_default();
        problems.extend(self.said.as_ref().err().map(ToString::to_string));
        Wire {
            port: self.path.display().to_string(),
            stable_port: self.port().display().to_string(),
            answering: answers.is_some(),
            usb: candidate.and_then(|c| c.usb).map(|(vendor, product)| format!("{vendor:04x}:{product:04x}")),
            interface: candidate.and_then(|c| c.interface),
            serial: candidate.and_then(|c| c.serial.as_deref()),
            driver: candidate.and_then(|c| c.driver.as_deref()),
            baud: answers.map(|a| a.baud),
            manufacturer: text(|a| &a.manufacturer),
            model: text(|a| &a.model),
            firmware: text(|a| &a.firmware),
            imei: answers.and_then(|a| a.imei.as_deref()),
            sim: answers.map(|a| sim_word(a.sim)),
            iccid: answers.and_then(|a| a.iccid.as_deref()),
            imsi: answers.and_then(|a| a.imsi.as_deref()),
            registration: answers.map(|a| a.registration().as_str()),
            operator: answers.and_then(|a| a.operator.as_deref()),
            signal_dbm: answers.and_then(|a| a.signal_dbm),
            pdu_mode: answers.and_then(|a| a.messaging.pdu_mode),
            text_mode: answers.and_then(|a| a.messaging.text_mode),
            storages: answers.map(|a| a.messaging.storages.as_slice()).unwrap_or_default(),
            new_messages: answers.and_then(|a| a.messaging.new_messages.as_deref()),
            smsc: answers.and_then(|a| a.messaging.service_centre.as_deref()),
            same_as: self.same_as.as_ref().map(|path| path.display().to_string()),
            problems,
            section: self.section(),
        }
    }
}

/// A line of `--json`.
#[derive(Serialize)]
struct Wire<'a> {
    port: String,
    stable_port: String,
    answering: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    usb: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    interface: Option<u8>,
    #[serde(skip_serializing_if = "Option::is_none")]
    serial: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    driver: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    baud: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    manufacturer: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    model: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    firmware: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    imei: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    sim: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    iccid: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    imsi: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    registration: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    operator: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    signal_dbm: Option<i32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pdu_mode: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    text_mode: Option<bool>,
    storages: &'a [String],
    #[serde(skip_serializing_if = "Option::is_none")]
    new_messages: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    smsc: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    same_as: Option<String>,
    problems: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    section: Option<String>,
}

fn find<'a>(known: &'a [Candidate], path: &Path) -> Option<&'a Candidate> {
    let real = path.canonicalize().ok()?;
    known.iter().find(|port| port.path.canonicalize().is_ok_and(|path| path == real))
}

/// Two names of one port would block each other.
fn each_once(named: &[PathBuf]) -> Vec<PathBuf> {
    let real = |path: &PathBuf| path.canonicalize().unwrap_or_else(|_| path.clone());
    let mut seen = BTreeSet::new();
    named.iter().filter(|path| seen.insert(real(path))).cloned().collect()
}

/// The best port of each modem stays; the others point to it. The IMEI alone does not identify a modem: whole
/// pools share one, as the four lines of a bridge share a USB device.
fn join_ports_of_one_modem(asked: &mut [ProbedPort]) {
    type Rank = (Role, Option<u8>);
    let modem = |asked: &ProbedPort| {
        let imei = asked.said.as_ref().ok()?.imei.clone()?;
        let candidate = asked.candidate.as_ref()?;
        let rank: Rank = (candidate.role, candidate.interface);
        Some((imei, candidate.device.clone()?, rank))
    };
    let found: Vec<_> = asked.iter().map(modem).collect();
    let paths: Vec<_> = asked.iter().map(|asked| asked.path.clone()).collect();
    for (this, own) in asked.iter_mut().zip(&found) {
        let Some((imei, device, rank)) = own else { continue };
        let better = found.iter().zip(&paths).filter_map(|(other, path)| {
            let (number, stick, best) = other.as_ref()?;
            (number == imei && stick == device && best < rank).then_some((best, path))
        });
        this.same_as = better.min().map(|(_, path)| path.clone());
    }
}

fn usb(candidate: &Candidate) -> String {
    let mut parts = Vec::new();
    parts.extend(candidate.usb.map(|(vendor, product)| format!("{vendor:04x}:{product:04x}")));
    parts.extend([&candidate.manufacturer, &candidate.product].into_iter().flatten().cloned());
    parts.extend(candidate.interface.map(|interface| format!("interface {interface}")));
    parts.extend(candidate.driver.as_ref().map(|driver| format!("driver {driver}")));
    parts.extend(candidate.serial.as_ref().map(|serial| format!("serial {serial}")));
    parts.join(", ")
}

const fn sim_word(state: SimState) -> &'static str {
    match state {
        SimState::Ready => "ready",
        SimState::Pin => "pin",
        SimState::Puk => "puk",
        SimState::Locked => "locked",
        SimState::Absent => "absent",
        SimState::Busy => "busy",
        SimState::Unknown => "unknown",
    }
}

const fn sim(state: SimState) -> &'static str {
    match state {
        SimState::Ready => "ready",
        SimState::Pin => "asks for its PIN",
        SimState::Puk => "asks for its PUK",
        SimState::Locked => "refused by the modem's lock",
        SimState::Absent => "none, or unreadable",
        SimState::Busy => "not ready yet",
        SimState::Unknown => "in an unknown state",
    }
}

fn network(answers: &Answers) -> String {
    let domains = answers.registrations.iter().map(|(domain, found)| {
        let domain = match domain {
            Domain::Cs => "calls",
            Domain::Eps => "LTE",
            Domain::Ps => "data",
            Domain::FiveG => "5G",
        };
        format!("{domain} {}", found.as_str())
    });
    let parts: Vec<_> = answers.operator.clone().into_iter().chain(domains).collect();
    parts.join(", ")
}

fn messages(answers: &Answers) -> String {
    let mut parts = Vec::new();
    match (answers.messaging.pdu_mode, answers.messaging.text_mode) {
        (Some(true), Some(true)) => parts.push("PDU and text mode".to_owned()),
        (Some(true), _) => parts.push("PDU mode".to_owned()),
        (_, Some(true)) => parts.push("text mode".to_owned()),
        _ => {}
    }
    if !answers.messaging.storages.is_empty() {
        parts.push(format!("memories {}", answers.messaging.storages.join(" ")));
    }
    parts.join(", ")
}

/// What a person has to do before this modem can send.
fn problems(answers: &Answers) -> Vec<String> {
    let mut found = Vec::new();
    let mut add = |sentence: &str| found.push(sentence.to_owned());
    match answers.sim {
        SimState::Pin => add("the SIM asks for its PIN: write it into a file and name that as pin_file"),
        SimState::Puk => add("the SIM asks for its PUK: put it into a telephone and enter the PUK there"),
        SimState::Locked => add("the modem is locked to another network or SIM: ask the seller to unlock it"),
        SimState::Absent => add("there is no SIM, or it cannot be read: reseat it"),
        SimState::Busy => add("the SIM is not ready yet: probe again in half a minute"),
        SimState::Ready | SimState::Unknown => {}
    }
    if matches!(answers.sim, SimState::Ready | SimState::Unknown) {
        match answers.registration() {
            Registration::Denied => {
                add("the network refuses the SIM: is its contract active, and does it allow roaming?");
            }
            Registration::Searching => add("it looks for a network: check the antenna, and probe again"),
            Registration::NotRegistered => add("it is in no network: check the antenna and the SIM"),
            Registration::Home | Registration::Roaming | Registration::Unknown => {}
        }
    }
    if answers.messaging.pdu_mode == Some(false) {
        add(match answers.messaging.text_mode {
            Some(true) => "it knows text mode alone: a long message arrives as several",
            _ => "it sends no messages: take another port or modem",
        });
    }
    if let Some(question) = &answers.stopped_at {
        add(&format!("it fell silent at {question}: unplug it and plug it in again"));
    }
    found
}

/// A name from the model and the IMEI's last digits: only letters, digits, `_` and `-`.
fn name(answers: &Answers) -> String {
    let model: String = answers
        .model
        .split_whitespace()
        .last()
        .unwrap_or("modem")
        .chars()
        .map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '-' })
        .take(40)
        .collect();
    let model = Some(model.trim_matches('-')).filter(|model| !model.is_empty()).unwrap_or("modem");
    match answers.imei.as_deref() {
        Some(imei) => format!("{model}-{}", &imei[imei.len().saturating_sub(4)..]),
        None => model.to_owned(),
    }
}

/// A TOML basic string.
fn quoted(text: &str) -> String {
    let mut out = String::from("\"");
    for c in text.chars() {
        match c {
            '"' | '\\' => out.extend(['\\', c]),
            c if c.is_control() => {
                let _ = write!(out, "\\u{:04X}", u32::from(c));
            }
            c => out.push(c),
        }
    }
    out.push('"');
    out
}

#[cfg(test)]
mod tests {
    use gsm_modem::ports::Messaging;

    use super::*;

    fn port(path: &str, device: &str, role: Role, imei: &str) -> ProbedPort {
        let candidate = Candidate {
            path: path.into(),
            device: Some(device.into()),
            usb: Some((0x2c7c, 0x0125)),
            role,
            ..Candidate::default()
        };
        let answers = Answers { imei: Some(imei.into()), model: "EC25".into(), ..Answers::default() };
        ProbedPort { path: path.into(), candidate: Some(candidate), said: Ok(answers), same_as: None }
    }

    #[test]
    fn ports_of_one_modem_point_to_its_best() {
        let mut asked = [
            port("/dev/ttyUSB3", "1-1", Role::SecondAt, "861536030000011"),
            port("/dev/ttyUSB2", "1-1", Role::At, "861536030000011"),
            port("/dev/ttyUSB6", "1-2", Role::At, "861536030000011"),
            port("/dev/ttyUSB9", "1-1", Role::SecondAt, "861536030000029"),
        ];
        join_ports_of_one_modem(&mut asked);
        let same: Vec<_> = asked.iter().map(|a| a.same_as.as_deref().and_then(Path::to_str)).collect();
        assert_eq!(same, [Some("/dev/ttyUSB2"), None, None, None]);
        assert_eq!(asked.iter().filter_map(ProbedPort::section).count(), 3);
    }

    #[test]
    fn a_link_that_may_mean_another_stick_is_not_recommended() {
        let mut asked = port("/dev/serial/by-id/usb-A-if02-port0", "1-1", Role::At, "861536030000011");
        let candidate = asked.candidate.as_mut().unwrap();
        candidate.path = "/dev/ttyUSB2".into();
        candidate.by_id = Some("/dev/serial/by-id/usb-A-if02-port0".into());
        candidate.by_path = Some("/dev/serial/by-path/pci-1".into());
        assert_eq!(asked.port(), Path::new("/dev/serial/by-id/usb-A-if02-port0"));
        asked.candidate.as_mut().unwrap().has_twin = true;
        assert_eq!(asked.port(), Path::new("/dev/serial/by-path/pci-1"));
        assert!(asked.section().unwrap().contains("# Another stick looks exactly alike"));
    }

    #[test]
    fn what_a_modem_says_is_a_name_and_a_string() {
        let named = |model: &str, imei: Option<&str>| {
            name(&Answers { model: model.into(), imei: imei.map(Into::into), ..Answers::default() })
        };
        assert_eq!(named("SIMCOM_SIM800L", Some("867959030000012")), "simcom-sim800l-0012");
        assert_eq!(named("\"é\"", None), "modem");
        assert_eq!(quoted("a\"b\\\u{1b}"), "\"a\\\"b\\\\\\u001B\"");
    }

    #[test]
    fn what_an_operator_reads() {
        let mut ready = port("/dev/ttyUSB2", "1-1", Role::At, "861536030000011");
        let mut locked = port("/dev/ttyUSB6", "1-2", Role::At, "861536030000029");
        ready.said = Ok(Answers {
            baud: 115_200,
            manufacturer: "Quectel".into(),
            firmware: "EC25EFAR06".into(),
            sim: SimState::Ready,
            registrations: vec![(Domain::Cs, Registration::Roaming)],
            operator: Some("Salt".into()),
            signal_dbm: Some(-99),
            messaging: Messaging {
                pdu_mode: Some(true),
                service_centre: Some(String::new()),
                ..Messaging::default()
            },
            ..ready.said.unwrap()
        });
        locked.said = Ok(Answers { baud: 9600, sim: SimState::Pin, ..locked.said.unwrap() });
        let report = Report { asked: vec![ready, locked], obstacles: Vec::new(), named: false };
        assert_eq!(
            report.show(Format::Plain).unwrap_or_default(),
            "\
/dev/ttyUSB2
  usb       2c7c:0125
  answers   AT at 115200 baud
  device    Quectel EC25 EC25EFAR06
  imei      861536030000011
  sim       ready
  network   Salt, calls roaming
  signal    -99 dBm, weak
  messages  PDU mode
  centre    none on the SIM: set smsc

/dev/ttyUSB6
  usb       2c7c:0125
  answers   AT at 9600 baud
  device    EC25
  imei      861536030000029
  sim       asks for its PIN
  problem   the SIM asks for its PIN: write it into a file and name that as pin_file

# for smsotpd.toml:
[[modem]]
name = \"ec25-0011\"
port = \"/dev/ttyUSB2\"
#imei = \"861536030000011\"
#smsc = \"+…\"   # the SIM has no service centre; ask the operator for its number

[[modem]]
name = \"ec25-0029\"
port = \"/dev/ttyUSB6\"
#imei = \"861536030000029\"
baud = 9600
pin_file = \"/etc/smsotpd/ec25-0029.pin\"   # write the SIM's PIN into this file
"
        );
    }
}
