//! What a modem that follows the standards answers: V.250, 3GPP TS 27.007 (identity, SIM, network). Messages
//! are in `messages.rs`.

use std::sync::Arc;
use std::time::Instant;

use super::command::{Command, Form};
use super::modem::{Draft, Modem};
use super::script::{CardState, Delay};
use super::settings::Settings;

/// What a command is answered with.
pub(super) enum Reply {
    /// Information, and `OK` after the last command of the line.
    Lines(Vec<String>),
    /// A refusal, which ends the line.
    Refused(Refusal),
    /// The script's own answer, with its own delay if it has one.
    Scripted {
        /// Information.
        lines: Vec<String>,
        /// The final result.
        result: String,
        /// How long the answer takes, when it is not the usual time.
        delay: Option<Delay>,
    },
    /// `AT+CMGS`: the prompt.
    Prompt(Draft),
}

/// Why a command is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Refusal {
    /// `ERROR`.
    Error,
    /// The final result that the script has for a command that the modem does not know.
    Unknown,
    /// `+CME ERROR`, in the form that `+CMEE` asks for.
    Cme(u16),
    /// `+CMS ERROR`.
    Cms(u16),
}

impl Reply {
    /// A reply of `OK` alone.
    pub(super) const fn done() -> Self {
        Self::Lines(Vec::new())
    }

    /// A reply of one information line.
    pub(super) fn line(text: impl Into<String>) -> Self {
        Self::Lines(vec![text.into()])
    }
}

/// A refusal ends a reply early.
impl From<Refusal> for Reply {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

impl Modem {
    /// Carries out one command.
    pub(super) fn reply(&mut self, command: &Command, now: Instant) -> Reply {
        if let Some(place) = self.scripted(&format!("AT{}", command.text)) {
            let script = Arc::clone(&self.script);
            let answer = &script.answers[place];
            self.change(&answer.set, now);
            if answer.usual {
                return self.usual_reply(command, now);
            }
            let delay = (answer.delay_ms != Delay::default()).then_some(answer.delay_ms);
            return Reply::Scripted { lines: answer.lines.clone(), result: answer.result.clone(), delay };
        }
        self.usual_reply(command, now)
    }

    fn usual_reply(&mut self, command: &Command, now: Instant) -> Reply {
        if self.script.refused.iter().any(|name| name.eq_ignore_ascii_case(&command.name)) {
            return Refusal::Unknown.into();
        }
        self.basic(command)
            .or_else(|| self.identify(command))
            .or_else(|| self.card(command, now))
            .or_else(|| self.network(command, now))
            .or_else(|| self.message(command))
            .unwrap_or(Reply::Refused(Refusal::Unknown))
    }

    /// Why the SIM cannot be asked now, as `+CME ERROR`.
    fn card_refusal(&self) -> Option<Refusal> {
        match self.sim.state {
            CardState::Absent => Some(Refusal::Cme(10)),
            CardState::Pin => Some(Refusal::Cme(11)),
            CardState::Puk => Some(Refusal::Cme(12)),
            CardState::Ready if self.sim_busy => Some(Refusal::Cme(14)),
            CardState::Ready => None,
        }
    }

    /// Why the SIM cannot be asked now, as `+CMS ERROR` (3GPP TS 27.005 clause 3.2.5).
    pub(super) fn message_refusal(&self) -> Option<Refusal> {
        self.card_refusal().map(|refusal| match refusal {
            Refusal::Cme(10) => Refusal::Cms(310),
            Refusal::Cme(11) => Refusal::Cms(311),
            Refusal::Cme(12) => Refusal::Cms(316),
            _ => Refusal::Cms(314),
        })
    }

    /// V.250 clause 6, and `+CMEE`.
    fn basic(&mut self, command: &Command) -> Option<Reply> {
        let number = || match &command.form {
            Form::Execute => Ok(0),
            Form::Set(values) => values.first().map_or(Ok(0), |value| value.parse::<u32>()).map_err(|_| ()),
            _ => Err(()),
        };
        let on_off = |target: &mut bool, invert: bool| match number() {
            Ok(value @ 0..=1) => {
                *target = (value == 1) != invert;
                Reply::done()
            }
            _ => Refusal::Error.into(),
        };
        Some(match command.name.as_str() {
            "E" if self.script.line.echo_stays => Reply::done(),
            "E" => on_off(&mut self.settings.echo, false),
            "V" => on_off(&mut self.settings.verbose, false),
            "Q" => on_off(&mut self.settings.quiet, false),
            "Z" | "&F" => {
                // The SIM and the radio stay as they are.
                let function = self.settings.function;
                self.settings = Settings { function, ..self.first_settings() };
                Reply::done()
            }
            "X" | "L" | "M" | "S" | "H" | "&C" | "&D" | "&K" | "&S" | "&W" => Reply::done(),
            "+CMEE" => match (&command.form, command.number(0)) {
                (Form::Read, _) => Reply::line(format!("+CMEE: {}", self.settings.errors)),
                (Form::Test, _) => Reply::line("+CMEE: (0-2)"),
                (_, Ok(Some(level @ 0..=2))) => {
                    self.settings.errors = level;
                    Reply::done()
                }
                _ => Refusal::Error.into(),
            },
            _ => return None,
        })
    }

    /// 3GPP TS 27.007 clause 5.
    fn identify(&self, command: &Command) -> Option<Reply> {
        let identity = &self.identity;
        Some(match (command.name.as_str(), &command.form) {
            ("I", _) => Reply::Lines(vec![
                format!("Manufacturer: {}", identity.manufacturer),
                format!("Model: {}", identity.model),
                format!("Revision: {}", identity.firmware),
                format!("IMEI: {}", identity.imei),
            ]),
            ("+CGMI" | "+CGMM" | "+CGMR" | "+CGSN" | "+GMI" | "+GMM" | "+GMR" | "+GSN", Form::Test) => {
                Reply::done()
            }
            ("+CGMI" | "+GMI", _) => Reply::line(&identity.manufacturer),
            ("+CGMM" | "+GMM", _) => Reply::line(&identity.model),
            ("+CGMR" | "+GMR", _) => Reply::line(&identity.firmware),
            ("+CGSN" | "+GSN", _) => Reply::line(&identity.imei),
            ("+GCAP", _) => Reply::line("+GCAP: +CGSM"),
            ("+CSCS", Form::Read) => Reply::line(format!("+CSCS: \"{}\"", self.settings.charset)),
            ("+CSCS", Form::Test) => Reply::line("+CSCS: (\"GSM\",\"IRA\",\"UCS2\")"),
            _ => return None,
        })
    }

    /// What the SIM answers: 3GPP TS 27.007 clauses 5.6, 8.3, 8.23 and 8.65.
    fn card(&mut self, command: &Command, now: Instant) -> Option<Reply> {
        let asks_card = matches!(command.name.as_str(), "+CIMI" | "+CCID" | "+CNUM" | "+CLCK");
        if let (true, Some(refusal)) = (asks_card, self.card_refusal()) {
            return Some(refusal.into());
        }
        Some(match (command.name.as_str(), &command.form) {
            ("+CIMI" | "+CCID" | "+CPIN", Form::Test) => Reply::done(),
            ("+CIMI", _) => Reply::line(&self.identity.imsi),
            ("+CCID", _) => Reply::line(format!("+CCID: {}", self.identity.iccid)),
            ("+CNUM", _) => Reply::line(format!("+CNUM: ,\"{}\",145", self.identity.number)),
            ("+CLCK", Form::Set(values)) if values.len() >= 2 && values[1] == "2" => {
                let locked = values[0] == "SC" && self.script.card.state == CardState::Pin;
                Reply::line(format!("+CLCK: {}", u8::from(locked)))
            }
            // Clause 8.65.
            ("+CPINR", _) => match self.sim.state {
                CardState::Absent => Refusal::Cme(10).into(),
                _ => Reply::line(format!("+CPINR: SIM PIN,{},{}", self.sim.tries, self.script.card.tries)),
            },
            ("+CPIN", Form::Read) => match self.sim.state {
                CardState::Absent => Refusal::Cme(10).into(),
                CardState::Pin => Reply::line("+CPIN: SIM PIN"),
                CardState::Puk => Reply::line("+CPIN: SIM PUK"),
                CardState::Ready if self.sim_busy => Refusal::Cme(14).into(),
                CardState::Ready => Reply::line("+CPIN: READY"),
            },
            ("+CPIN", Form::Set(values)) => match self.sim.state {
                CardState::Absent => Refusal::Cme(10).into(),
                CardState::Ready => Refusal::Cme(3).into(),
                CardState::Pin | CardState::Puk => {
                    if self.sim.enter(values) {
                        self.sim_opened(now);
                        Reply::done()
                    } else if self.sim.state == CardState::Puk {
                        Refusal::Cme(12).into()
                    } else {
                        Refusal::Cme(16).into()
                    }
                }
            },
            _ => return None,
        })
    }

    /// Radio, registration, signal, operator, USSD: 3GPP TS 27.007 clauses 7 and 8.
    fn network(&mut self, command: &Command, now: Instant) -> Option<Reply> {
        if let Some(domain) = ["+CREG", "+CGREG", "+CEREG"].iter().position(|name| *name == command.name) {
            return Some(self.registration_reply(domain, command));
        }
        Some(match (command.name.as_str(), &command.form) {
            ("+CSQ", Form::Execute) => Reply::line(format!("+CSQ: {},99", self.csq)),
            ("+CSQ", Form::Test) => Reply::line("+CSQ: (0-31,99),(0-7,99)"),
            ("+COPS", Form::Read) => match self.card_refusal() {
                Some(refusal) => refusal.into(),
                None if matches!(self.registration, 1 | 5) => {
                    Reply::line(format!("+COPS: 0,0,\"{}\",7", self.script.network.operator))
                }
                None => Reply::line("+COPS: 0"),
            },
            ("+COPS" | "+CGSMS" | "+CGATT" | "+CTZU" | "+CTZR" | "+CLIP" | "+CRC", Form::Set(_)) => {
                Reply::done()
            }
            ("+CSCS", Form::Set(values)) => match values.first().map(String::as_str) {
                Some(name @ ("GSM" | "IRA" | "UCS2")) => {
                    name.clone_into(&mut self.settings.charset);
                    Reply::done()
                }
                _ => Refusal::Cme(50).into(),
            },
            ("+CFUN", Form::Read) => Reply::line(format!("+CFUN: {}", self.settings.function)),
            ("+CFUN", Form::Test) => Reply::line("+CFUN: (0,1,4),(0-1)"),
            ("+CFUN", Form::Set(_)) => match (command.number(0), command.number(1)) {
                (Ok(Some(1)), Ok(Some(1))) => {
                    self.restart_after_answer(now);
                    Reply::done()
                }
                (Ok(Some(function @ (0 | 1 | 4))), Ok(_)) => {
                    self.switch_radio(function, now);
                    Reply::done()
                }
                _ => Refusal::Cme(50).into(),
            },
            ("+CUSD", Form::Read) => Reply::line("+CUSD: 1"),
            ("+CUSD", Form::Test) => Reply::line("+CUSD: (0-2)"),
            ("+CUSD", Form::Set(values)) => {
                if let Some(refusal) = self.card_refusal() {
                    return Some(refusal.into());
                }
                if let Some(code) = values.get(1).filter(|code| !code.is_empty()) {
                    // `4` means that the operation is not supported: the network does not know the USSD code.
                    let answer = self.script.network.ussd.get(code).map_or("4", String::as_str);
                    let line = format!("+CUSD: {answer}");
                    self.line_later(line, self.script.timing.ussd_ms, now);
                }
                Reply::done()
            }
            _ => return None,
        })
    }

    fn switch_radio(&mut self, function: u32, now: Instant) {
        let was = std::mem::replace(&mut self.settings.function, function);
        match (was, function) {
            (1, 1) => {}
            (_, 1) => {
                self.radio_hangs = false;
                self.register(now);
            }
            _ => self.deregister(),
        }
    }

    fn registration_reply(&mut self, domain: usize, command: &Command) -> Reply {
        let name = command.name.trim_start_matches('+');
        if !self.script.network.domains.iter().any(|known| known == name) {
            return Refusal::Unknown.into();
        }
        match (&command.form, command.number(0)) {
            (Form::Read, _) => {
                let mode = self.settings.reports[domain];
                let values = self.registration_values(mode).join(",");
                Reply::line(format!("+{name}: {mode},{values}"))
            }
            (Form::Test, _) => Reply::line(format!("+{name}: (0-2)")),
            (Form::Set(_), Ok(Some(mode @ 0..=2))) => {
                self.settings.reports[domain] = mode;
                Reply::done()
            }
            _ => Refusal::Cme(50).into(),
        }
    }

    /// The status, and in mode 2 the location area and the cell while the modem is registered.
    pub(super) fn registration_values(&self, mode: u32) -> Vec<String> {
        let network = &self.script.network;
        let quote = if network.quoted { "\"" } else { "" };
        let mut values = vec![self.registration.to_string()];
        if mode == 2 && matches!(self.registration, 1 | 5) {
            values.push(format!("{quote}{}{quote}", network.lac));
            values.push(format!("{quote}{}{quote}", network.cell));
        }
        values
    }
}
