//! Driving a modem that knows no PDU mode (3GPP TS 27.005 clause 3): the alphabet and `+CSMP` come into force before
//! each message that needs others, and received messages are read in UCS-2, as one line of digits, so that no text
//! can pass for an answer of the modem.

use std::time::Instant;

use super::bring_up::{Step, TRIES, Turn};
use super::storage::{Place, RECEIVED};
use super::submit::{Order, SUB, Stage};
use super::translate::{Message, as_read, deliver};
use super::{Errand, Session};
use crate::at::{Charset, Command, Failure, Line, ResultCode, Subject, TextEntry, Verdict};
use crate::snapshot::Outcome;

/// Times that the settings are made again because a listing came as text.
const TEXTS: u8 = 2;

/// How text mode stands, on a modem that is driven in it.
#[derive(Debug, Default)]
pub(super) struct TextMode {
    pub(super) on: bool,
    /// The alphabet in force; nothing while a change of it is unanswered.
    pub(super) charset: Option<Charset>,
    /// The alphabet for sending, and for everything but reading.
    pub(super) plain: Charset,
    /// `+CSMP` in force; nothing while a change of it is unanswered.
    parameters: Option<[u8; 4]>,
    /// `+CSMP` was taken once: what a refusal leaves in force may be anything.
    has_parameters: bool,
    /// The service centre is to be set once more: on some modems `+CSMP` clears it.
    centre_due: bool,
    /// An alphabet was taken at all, so that one can be left again.
    pub(super) switches: bool,
    /// The modem lists PDU mode, though it refuses it.
    lists_pdu: bool,
}

fn refused(what: &str, code: &ResultCode) -> Turn {
    Turn::Fail(format!(
        "the modem refuses {what}: {}; it may be no SMS modem, or its SIM does not settle",
        Failure::of(code).sentence
    ))
}

/// Whether a line was the text that was due.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Came {
    Not,
    Now,
    /// The text was over before this line, having none.
    Before,
}

impl Session {
    /// PDU mode, or text mode on a modem that knows nothing else.
    pub(super) fn format_turn(
        &mut self,
        step: Step,
        answer: &[String],
        code: &ResultCode,
        tries: u32,
    ) -> Turn {
        let retry = Turn::Again(self.settings.timing.busy_retry);
        match step {
            Step::PduMode if !code.is_ok() => {
                return match tries {
                    0 => Turn::Aside(Step::Formats),
                    _ if tries + 1 < TRIES => retry,
                    // Its SIM does not settle, rather.
                    _ if self.text.lists_pdu => refused("PDU mode (AT+CMGF=0)", code),
                    _ => Turn::Go(Step::TextMode),
                };
            }
            Step::Formats => {
                self.text.lists_pdu = answer.last().is_some_and(|formats| formats.contains('0'));
                if answer.last().is_some_and(|formats| formats.contains('1') && !formats.contains('0')) {
                    return Turn::Go(Step::TextMode);
                }
                self.progress.begin(Step::PduMode);
                return retry;
            }
            Step::TextMode if !code.is_ok() => return refused("PDU mode and text mode (AT+CMGF)", code),
            Step::TextMode => self.text.on = true,
            Step::TextCharset => {
                self.text.switches |= code.is_ok();
                self.text.plain = if code.is_ok() { Charset::Ira } else { Charset::Gsm };
                self.text.charset = Some(self.text.plain);
            }
            _ => {}
        }
        Turn::Go(self.after(step))
    }

    /// Brings the alphabet and `+CSMP` into force for the next part, then asks for the prompt.
    pub(super) fn send_text_part(&mut self, now: Instant) {
        let message = match self.text_message() {
            Ok(message) => message,
            Err(why) => return self.end_refused(why.to_owned(), now),
        };
        let centre = self.settings.smsc.clone().filter(|_| self.text.centre_due);
        let Some(order) = &mut self.order else { return };
        let command = if self.text.charset != Some(message.charset) {
            order.stage = Stage::Prepare;
            self.text.charset = None;
            Command::Charset(message.charset)
        } else if self.text.parameters != Some(message.parameters) {
            order.stage = Stage::Prepare;
            self.text.parameters = None;
            Command::TextParameters(message.parameters)
        } else if let Some(centre) = centre {
            order.stage = Stage::Prepare;
            self.text.centre_due = false;
            Command::SetServiceCentre(centre)
        } else {
            order.stage = Stage::Prompt;
            let (to, kind) = message.to;
            return self.write_command(Command::SendText { to, kind }, self.settings.timing.prompt, now);
        };
        self.write_command(command, self.settings.timing.command, now);
    }

    /// What the next part says in text mode.
    pub(super) fn text_message(&self) -> Result<Message, &'static str> {
        let part = self.order.as_ref().and_then(Order::part);
        Message::of(part.map_or(&[], |part| part.pdu.expose()), self.text.plain)
    }

    /// A setting before a part was answered; whether the part can go on.
    pub(super) fn text_prepared(&mut self, command: &Command, code: &ResultCode) -> bool {
        match command {
            Command::Charset(charset) if code.is_ok() => self.text.charset = Some(*charset),
            // A modem without `+CSMP` sends in the GSM 7 bit default alphabet.
            Command::TextParameters(parameters)
                if code.is_ok() || (!self.text.has_parameters && parameters[3] & 0x0c == 0) =>
            {
                self.text.has_parameters |= code.is_ok();
                self.text.centre_due = code.is_ok();
                self.text.parameters = Some(*parameters);
            }
            // The network tells when there is none.
            Command::SetServiceCentre(_) => {}
            _ => return false,
        }
        true
    }

    /// Another modem may be able to send it.
    pub(super) fn text_refused(&mut self, command: &Command, code: &ResultCode, now: Instant) {
        let why = Failure::of(code).sentence;
        let sentence =
            format!("the modem knows text mode alone, and refuses what this text needs ({command}): {why}");
        self.end_refused(sentence, now);
    }

    fn end_refused(&mut self, sentence: String, now: Instant) {
        let references = self.take_references();
        let error = Failure { subject: Subject::Modem, verdict: Verdict::Later, code: None, sentence };
        self.settle(Outcome::Rejected { references, error });
        self.become_idle(now);
    }

    /// The modem gives the text back as it was written. None of its lines passes for an answer.
    pub(super) fn text_echo(&mut self, line: &str) -> bool {
        if !self.text.on || !self.order.as_ref().is_some_and(|order| matches!(order.stage, Stage::Body(_))) {
            return false;
        }
        let body = self.body();
        let written = std::str::from_utf8(body.expose()).unwrap_or_default();
        let echoed = written.split(['\n', char::from(SUB)]).any(|part| as_read(part) == line);
        if echoed {
            self.trace_hidden(line);
        }
        echoed
    }

    /// The alphabet for what the storage is about to do; nothing when it is in force.
    pub(super) fn storage_charset(&self, reads: bool) -> Option<Errand> {
        let wanted = if reads { Charset::Ucs2 } else { self.text.plain };
        (self.text.on && self.text.charset != Some(wanted)).then_some(Errand::Charset(wanted))
    }

    pub(super) fn storage_charset_set(&mut self, charset: Charset, code: &ResultCode) {
        if code.is_ok() {
            self.text.charset = Some(charset);
            return;
        }
        if charset == self.text.plain {
            // Which one is in force nobody knows: everything is set again.
            self.wishes.bring_up = true;
            return;
        }
        self.leave_unread("and refuses AT+CSCS=\"UCS2\"");
    }

    /// Nothing is read that could pass for something else.
    pub(super) fn leave_unread(&mut self, why: &str) {
        tracing::warn!(modem = %self.settings.name, "received messages stay unread: the modem knows text mode alone {why}");
        self.storage.bar_all();
    }

    /// The alphabet that reading needed is left again.
    pub(super) fn give_back(&self, now: Instant) -> Option<Errand> {
        self.storage_charset(false).filter(|_| self.storage.hold.is_none_or(|hold| hold <= now))
    }

    /// PDU mode is lost, so everything else may be: the settings are made again. A modem that takes PDU mode and
    /// speaks text all the same is left alone.
    pub(super) fn text_read(&mut self) {
        if self.storage.texts < TEXTS {
            self.storage.texts += 1;
            self.wishes.bring_up = true;
        } else if let Some(storage) = self.storage.current.clone() {
            self.storage.bar(&storage);
        }
    }

    /// What follows the line before a text. Nothing: that is looked at for itself, and the text is still to come.
    pub(super) fn stored_text(&mut self, place: &Place, entry: &TextEntry, line: &str, now: Instant) -> Came {
        let meaning = Line::with(line, self.outstanding.as_ref().map(|o| &o.expects), |_| false);
        let (text, came) = match meaning {
            Line::Unsolicited(_) | Line::Echo => return Came::Not,
            // A text without a character leaves no line.
            Line::Final(_) | Line::Answer(_) => ("", Came::Before),
            Line::Unknown if Line::pdu(line).is_some() => (line, Came::Now),
            Line::Unknown => {
                self.leave_unread("and writes texts as they are, whatever AT+CSCS says");
                return Came::Now;
            }
        };
        let TextEntry::Deliver { from, timestamp } = entry else { return came };
        match deliver(from, timestamp, text) {
            Some(pdu) => self.message_read(place.clone(), RECEIVED, pdu, now),
            None => self.count_dropped(),
        }
        came
    }
}
