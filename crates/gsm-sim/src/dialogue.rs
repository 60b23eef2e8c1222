//! The dialogue of a modem: lines and echo in, framed answers out, and a message's way from `AT+CMGS` to its
//! result (V.250 clause 5, 3GPP TS 27.005 clauses 3.5.1 and 4.3).

use std::sync::Arc;
use std::time::Instant;

use super::answers::{Refusal, Reply};
use super::command::commands;
use super::faults::{FaultKind, Point};
use super::hang::Cure;
use super::log::LoggedCommand;
use super::modem::{Disconnect, Draft, Event, Modem, State};
use super::phone::{Submission, Verdict};
use super::script::{Moment, WhileSending, unhex};
use super::submit;
use super::tpdu::{Pdu, status_report};

/// Ctrl-Z: the end of a message.
const END: u8 = 0x1A;
/// ESC: a message given up.
pub(super) const ESCAPE: u8 = 0x1B;
/// The longest command line and the longest message body that are kept. The rest is lost, as in a real input buffer.
const LINE_LIMIT: usize = 2048;

/// How a submission ends when its air time is over.
pub(super) enum Ending {
    Refused(u16),
    BareOk,
    Submit(Submission),
}

/// What a fault leaves of an answer.
#[derive(PartialEq, Eq)]
enum Rest {
    All,
    WithoutOk,
    Nothing,
}

impl Modem {
    /// Takes an octet of a command line.
    pub(super) fn command_octet(&mut self, octet: u8, now: Instant) {
        if self.line.is_empty() && self.started.is_none() {
            if octet == b'\n' {
                return;
            }
            self.started = Some(now);
            self.unsolicited(Moment::BeforeEcho);
        }
        if self.settings.echo {
            self.out.push(octet);
        }
        match octet {
            b'\r' => {
                let line = std::mem::take(&mut self.line);
                let started = self.started.take().unwrap_or(now);
                self.command_line(&line, started, now);
            }
            // V.250 clause 5.2.2: S5 is the character that deletes the one before it.
            0x08 => {
                self.line.pop();
            }
            _ if self.line.len() < LINE_LIMIT => self.line.push(octet),
            _ => {}
        }
    }

    /// Takes an octet of a message. A backspace is data here.
    pub(super) fn body_octet(&mut self, octet: u8, now: Instant) {
        match octet {
            ESCAPE => self.give_up(),
            END => {
                if self.settings.echo {
                    self.out.push(octet);
                }
                self.body_done(now);
            }
            _ => {
                if self.settings.echo {
                    self.out.push(octet);
                }
                if self.line.len() < LINE_LIMIT {
                    self.line.push(octet);
                }
            }
        }
    }

    /// Takes an octet while a message is on air and commands do not wait.
    pub(super) fn octet_while_sending(&mut self, octet: u8) {
        if octet == b'\r' && self.script.sending.meanwhile == WhileSending::Refuse {
            self.result("+CMS ERROR: 302");
        }
    }

    /// ESC at the prompt: the modem answers `OK` and sends nothing.
    pub(super) fn give_up(&mut self) {
        self.line.clear();
        self.state = State::Command;
        self.timers.retain(|(_, event)| !matches!(event, Event::Prompt));
        self.result("OK");
    }

    /// Writes the prompt, after the lines that the script wants before it.
    pub(super) fn give_prompt(&mut self) {
        if let State::Prompting(draft) = std::mem::replace(&mut self.state, State::Command) {
            self.unsolicited(Moment::BeforePrompt);
            self.out.extend_from_slice(self.script.line.prompt.as_bytes());
            self.line.clear();
            self.state = State::Body(draft);
        }
    }

    fn command_line(&mut self, line: &[u8], started: Instant, now: Instant) {
        let Some(commands) = commands(line) else { return };
        self.log.push(LoggedCommand { at: started, line: String::from_utf8_lossy(line).into_owned() });
        let mut rest = Rest::All;
        match self.faults.happening(Point::Command, &mut self.dice) {
            Some(FaultKind::Refuse(result)) => return self.result(&result),
            Some(FaultKind::LoseResult) => rest = Rest::Nothing,
            Some(FaultKind::LoseOk) => rest = Rest::WithoutOk,
            Some(fault) if self.breaks(&fault, now) => return,
            _ => {}
        }
        // The earlier output is set aside: from here on `out` holds the answer alone.
        let before = std::mem::take(&mut self.out);
        self.unsolicited(Moment::BeforeAnswer);
        let mut delay = self.script.timing.answer_ms;
        let mut result = "OK".to_owned();
        for command in &commands {
            match self.reply(command, now) {
                Reply::Lines(lines) => self.information(&lines),
                Reply::Scripted { lines, result: ending, delay: own } => {
                    delay = own.unwrap_or(delay);
                    self.information(&lines);
                    result = ending;
                    if result != "OK" {
                        break;
                    }
                }
                Reply::Refused(refusal) => {
                    result = self.refusal(refusal);
                    break;
                }
                Reply::Prompt(draft) => {
                    if rest == Rest::Nothing {
                        self.out = before;
                        self.state = State::Body(draft);
                    } else {
                        self.out.splice(0..0, before);
                        self.prompt_for(draft, now);
                    }
                    return;
                }
            }
        }
        if rest == Rest::All || result != "OK" {
            self.result(&result);
        }
        let answer = std::mem::replace(&mut self.out, before);
        if rest == Rest::Nothing {
            return;
        }
        self.state = State::Answering;
        self.after(delay, now, Event::Answer(answer));
    }

    fn prompt_for(&mut self, draft: Draft, now: Instant) {
        match self.faults.happening(Point::Prompt, &mut self.dice) {
            Some(FaultKind::NoPrompt) => return,
            Some(FaultKind::CmsError(code)) => return self.result(&format!("+CMS ERROR: {code}")),
            Some(fault) if self.breaks(&fault, now) => return,
            _ => {}
        }
        self.state = State::Prompting(draft);
        self.after(self.prompt, now, Event::Prompt);
    }

    fn body_done(&mut self, now: Instant) {
        let body = std::mem::take(&mut self.line);
        let State::Body(draft) = std::mem::replace(&mut self.state, State::Command) else { return };
        self.unsolicited(Moment::BeforeReference);
        let mut ending = None;
        match self.faults.happening(Point::Body, &mut self.dice) {
            Some(FaultKind::LoseResult) => return,
            Some(FaultKind::CmsError(code)) => ending = Some(Ending::Refused(code)),
            Some(FaultKind::OkWithoutReference) => ending = Some(Ending::BareOk),
            Some(fault) if self.breaks(&fault, now) => return,
            _ => {}
        }
        if self.radio_hangs {
            return self.result("+CMS ERROR: 500");
        }
        let sent = match self.submission(&draft, &body) {
            Ok(sent) => sent,
            Err(code) => return self.result(&format!("+CMS ERROR: {code}")),
        };
        self.state = State::Sending;
        let refused = self.refused_number(&sent.to).map(Ending::Refused);
        let ending = ending.or(refused).unwrap_or(Ending::Submit(sent));
        self.after(self.air, now, Event::OffAir(Box::new(ending)));
    }

    /// The submission, or the number of the `+CMS ERROR` that refuses it.
    fn submission(&mut self, draft: &Draft, body: &[u8]) -> Result<Submission, u16> {
        let sent = match draft {
            Draft::Pdu(length) => {
                let octets = unhex(body).ok_or(304_u16)?;
                let sent = submit::read(&octets, *length).map_err(|_| 304_u16)?;
                if self.smsc.is_empty() && !submit::names_smsc(&octets) {
                    return Err(330);
                }
                sent
            }
            Draft::Text(_) if self.smsc.is_empty() => return Err(330),
            Draft::Text(to) => self.text_submission(to, body)?,
        };
        if matches!(self.registration, 1 | 5) { Ok(sent) } else { Err(331) }
    }

    /// The air time is over.
    pub(super) fn off_air(&mut self, ending: Ending, now: Instant) {
        self.state = State::Command;
        let sent = match ending {
            Ending::Refused(code) => return self.result(&format!("+CMS ERROR: {code}")),
            Ending::BareOk => return self.result("OK"),
            Ending::Submit(sent) => sent,
        };
        let reference = self.reference;
        let (wants_report, recipient) = (sent.wants_report, sent.recipient.clone());
        let rejects = self.script.network.rejects_duplicates;
        let network = Arc::clone(&self.network);
        let status = network.undelivered(&sent.to).unwrap_or(self.script.sending.report_status);
        // The phone may receive the message before the modem answers; the answer follows in the same step.
        if network.submit(self.index, &self.identity, sent, reference, rejects) == Verdict::Duplicate {
            return self.result("+CMS ERROR: 197");
        }
        self.reference = reference.wrapping_add(1);
        if wants_report && self.settings.cnmi[3] > 0 {
            let pdu = status_report(&self.smsc, reference, &recipient, status, self.network.wall());
            self.reports_later(&pdu, now);
        }
        self.answer_accepted(reference, now);
        if let Some(fault) = self.faults.happening(Point::Result, &mut self.dice) {
            self.breaks(&fault, now);
        }
    }

    fn answer_accepted(&mut self, reference: u8, now: Instant) {
        let line = [format!("+CMGS: {reference}")];
        match self.faults.happening(Point::Accepted, &mut self.dice) {
            Some(FaultKind::LoseResult) => return,
            Some(FaultKind::LoseOk) => return self.information(&line),
            Some(FaultKind::OkWithoutReference) => return self.result("OK"),
            Some(FaultKind::LateResult(late)) => {
                let before = std::mem::take(&mut self.out);
                self.information(&line);
                self.result("OK");
                let answer = std::mem::replace(&mut self.out, before);
                return self.after(late.into(), now, Event::Late(answer));
            }
            Some(fault) if self.breaks(&fault, now) => return,
            _ => {}
        }
        self.information(&line);
        self.result("OK");
    }

    /// Routes or stores a delivery report, as `+CNMI` asks.
    pub(super) fn report(&mut self, pdu: Pdu) {
        match self.settings.cnmi[3] {
            1 if self.settings.text_mode => {
                let line = format!("+CDS: {}", self.report_line(&pdu));
                self.write_lines(&[line]);
            }
            1 => {
                let length = self.script.sending.cds.replace("{length}", &pdu.length().to_string());
                self.write_lines(&[format!("+CDS: {length}"), pdu.hex()]);
                self.unacknowledged = self.settings.service == 1;
            }
            2 => {
                if let Some(place) = self.memories.store("SR", 0, pdu) {
                    let named = self.script.sending.cdsi.clone();
                    self.write_lines(&[format!(
                        "+CDSI: {}",
                        named.unwrap_or_else(|| format!("\"SR\",{place}"))
                    )]);
                }
            }
            _ => {}
        }
    }

    /// Applies a fault that may happen at any point. Returns whether the dialogue ends with it.
    fn breaks(&mut self, fault: &FaultKind, now: Instant) -> bool {
        match fault {
            FaultKind::HangUp(back_after) => {
                self.idle();
                self.leaving = Some(Disconnect { back_after: *back_after });
                true
            }
            FaultKind::Hang(lasts) => {
                self.hang(Cure::Plug, *lasts, now);
                true
            }
            FaultKind::HangUntil(cure) => {
                self.hang(*cure, None, now);
                *cure != Cure::Radio
            }
            FaultKind::Garbage(octets) => {
                self.out.extend_from_slice(octets);
                false
            }
            // The other faults have no meaning at this point: `Faults` does not give them.
            _ => false,
        }
    }

    fn refusal(&self, refusal: Refusal) -> String {
        match (refusal, self.settings.errors) {
            (Refusal::Unknown, _) => self.script.unknown.clone(),
            (Refusal::Cms(code), _) => format!("+CMS ERROR: {code}"),
            (Refusal::Error, _) | (Refusal::Cme(_), 0) => "ERROR".to_owned(),
            (Refusal::Cme(code), 1) => format!("+CME ERROR: {code}"),
            (Refusal::Cme(code), _) => format!("+CME ERROR: {}", cme_text(code)),
        }
    }

    /// Writes the information lines of one command, framed as one text (V.250 clause 5.7.1).
    pub(super) fn information(&mut self, lines: &[String]) {
        if !lines.is_empty() {
            self.write_lines(lines);
        }
    }

    /// Writes lines framed as one text.
    pub(super) fn write_lines(&mut self, lines: &[String]) {
        if self.settings.verbose {
            self.out.extend_from_slice(self.script.line.before.as_bytes());
        }
        for line in lines {
            let line = self.filled(line);
            self.out.extend_from_slice(line.as_bytes());
            self.out.extend_from_slice(self.script.line.after.as_bytes());
        }
    }

    /// Writes lines, each framed on its own.
    pub(super) fn write_lines_each(&mut self, lines: &[String]) {
        for line in lines {
            self.write_lines(std::slice::from_ref(line));
        }
    }

    /// Writes a final result (V.250 clause 5.7), and after `OK` the lines that the script wants there.
    pub(super) fn result(&mut self, text: &str) {
        if text.is_empty() || self.settings.quiet {
            return;
        }
        if self.settings.verbose {
            self.write_lines(&[text.to_owned()]);
        } else {
            let number = match text {
                "OK" => "0",
                "ERROR" => "4",
                other => other,
            };
            self.out.extend_from_slice(number.as_bytes());
            self.out.push(b'\r');
        }
        if text == "OK" {
            self.unsolicited(Moment::AfterOk);
        }
    }

    /// Writes the script's unsolicited lines for a moment of the dialogue.
    pub(super) fn unsolicited(&mut self, moment: Moment) {
        for place in 0..self.script.unsolicited.len() {
            if self.script.unsolicited[place].at == moment {
                self.unsolicited_at(place);
            }
        }
    }

    /// Writes the lines of one entry of the script, if its probability and its counter allow that.
    pub(super) fn unsolicited_at(&mut self, place: usize) {
        let script = Arc::clone(&self.script);
        let Some(unsolicited) = script.unsolicited.get(place) else { return };
        let used = self.unsolicited_used[place];
        let certain = unsolicited.probability >= 1.0;
        if unsolicited.times.is_some_and(|times| used >= times)
            || !(certain || self.dice.happens(unsolicited.probability))
        {
            return;
        }
        self.unsolicited_used[place] = used.saturating_add(1);
        self.write_lines_each(&unsolicited.lines);
    }

    /// Replaces the names of the script's format in a line.
    pub(super) fn filled(&self, line: &str) -> String {
        if !line.contains('{') {
            return line.to_owned();
        }
        let identity = &self.identity;
        line.replace("{manufacturer}", &identity.manufacturer)
            .replace("{model}", &identity.model)
            .replace("{firmware}", &identity.firmware)
            .replace("{imei}", &identity.imei)
            .replace("{imsi}", &identity.imsi)
            .replace("{iccid}", &identity.iccid)
            .replace("{number}", &identity.number)
            .replace("{smsc}", &self.smsc)
            .replace("{operator}", &self.script.network.operator)
            .replace("{csq}", &self.csq.to_string())
    }
}

/// The words of `+CMEE=2` (3GPP TS 27.007 clause 9.2).
const fn cme_text(code: u16) -> &'static str {
    match code {
        3 => "operation not allowed",
        4 => "operation not supported",
        10 => "SIM not inserted",
        11 => "SIM PIN required",
        12 => "SIM PUK required",
        14 => "SIM busy",
        16 => "incorrect password",
        30 => "no network service",
        50 => "incorrect parameters",
        _ => "unknown",
    }
}
