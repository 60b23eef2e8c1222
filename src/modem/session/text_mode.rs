//! Driving a modem that knows no PDU mode (3GPP TS 27.005 clause 3): the alphabet and `+CSMP` come into force before
//! each message that needs others, and received messages are read in UCS-2, as one line of digits, so that no text
//! can pass for an answer of the modem.

use std::time::Instant;

use super::bring_up::{Step, TRIES, Turn};
use super::storage::{Place, RECEIVED};
use super::submit::{Order, SUB, Stage};
use super::translate::{Message, deliver};
use super::{Errand, Session};
use crate::at::{Charset, Class, Command, Failure, Line, ResultCode, TextEntry};
use crate::modem::snapshot::Outcome;

/// How text mode stands, on a modem that is driven in it.
#[derive(Debug, Default)]
pub(super) struct TextMode {
    pub(super) on: bool,
    /// The alphabet in force.
    pub(super) charset: Charset,
    /// The alphabet for sending, and for everything but reading.
    pub(super) plain: Charset,
    /// `+CSMP` as it was set last.
    parameters: Option<[u8; 4]>,
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
                    _ => Turn::Go(Step::TextMode),
                };
            }
            Step::Formats => {
                if answer.last().is_some_and(|formats| formats.contains('1') && !formats.contains('0')) {
                    return Turn::Go(Step::TextMode);
                }
                self.progress.begin(Step::PduMode);
                return retry;
            }
            Step::TextMode if !code.is_ok() => {
                return Turn::Fail(format!(
                    "the modem refuses PDU mode and text mode (AT+CMGF): {}; it may be no SMS modem, or its SIM does not settle",
                    Failure::of(code).sentence
                ));
            }
            Step::TextMode => self.text.on = true,
            Step::TextCharset if code.is_ok() => {
                self.text.charset = Charset::Ira;
                self.text.plain = Charset::Ira;
            }
            _ => {}
        }
        Turn::Go(self.after(step))
    }

    /// Brings the alphabet and `+CSMP` into force for the next part, then asks for the prompt.
    pub(super) fn send_text_part(&mut self, now: Instant) {
        let message = match self.text_message() {
            Ok(message) => message,
            Err(why) => return self.end_refused(Class::Permanent, why.to_owned(), now),
        };
        let Some(order) = &mut self.order else { return };
        let command = if self.text.charset != message.charset {
            order.stage = Stage::Prepare;
            Command::Charset(message.charset)
        } else if self.text.parameters != Some(message.parameters) {
            order.stage = Stage::Prepare;
            Command::TextParameters(message.parameters)
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
            Command::Charset(charset) if code.is_ok() || *charset == self.text.plain => {
                self.text.charset = *charset;
            }
            // A modem without `+CSMP` sends in the GSM 7 bit default alphabet.
            Command::TextParameters(parameters) if code.is_ok() || parameters[3] & 0x0c == 0 => {
                self.text.parameters = Some(*parameters);
            }
            _ => return false,
        }
        true
    }

    /// Another modem may be able to send it.
    pub(super) fn text_refused(&mut self, command: &Command, code: &ResultCode, now: Instant) {
        let why = Failure::of(code).sentence;
        let sentence =
            format!("the modem knows text mode alone, and refuses what this text needs ({command}): {why}");
        self.end_refused(Class::Transient, sentence, now);
    }

    fn end_refused(&mut self, class: Class, sentence: String, now: Instant) {
        let references = self.take_references();
        self.settle(Outcome::Rejected { references, error: Failure { class, code: None, sentence } });
        self.become_idle(now);
    }

    /// The modem gives the text back as it was written. None of its lines passes for an answer.
    pub(super) fn text_echo(&mut self, line: &str) -> bool {
        if !self.text.on || !self.order.as_ref().is_some_and(|order| matches!(order.stage, Stage::Body(_))) {
            return false;
        }
        let body = self.body();
        let written = body.expose().split(|&octet| octet == b'\n' || octet == SUB);
        let echoed = written.into_iter().any(|part| !part.is_empty() && part == line.as_bytes());
        if echoed {
            self.trace_hidden(line);
        }
        echoed
    }

    /// The alphabet for what the storage is about to do; nothing when it is in force.
    pub(super) fn storage_charset(&self, reads: bool) -> Option<Errand> {
        let wanted = if reads { Charset::Ucs2 } else { self.text.plain };
        (self.text.on && self.text.charset != wanted).then_some(Errand::Charset(wanted))
    }

    pub(super) fn storage_charset_set(&mut self, charset: Charset, code: &ResultCode) {
        if code.is_ok() || charset == self.text.plain {
            self.text.charset = charset;
            return;
        }
        tracing::warn!(
            modem = %self.settings.name,
            "received messages stay unread: the modem knows text mode alone and refuses AT+CSCS=\"UCS2\""
        );
        self.storage.bar_all();
    }

    /// What follows the line before a text. Nothing: that is looked at for itself, and the text is still to come.
    pub(super) fn stored_text(&mut self, place: &Place, entry: &TextEntry, line: &str, now: Instant) -> Came {
        let meaning = Line::with(line, self.outstanding.as_ref().map(|o| &o.expects), |_| false);
        let (text, came) = match meaning {
            Line::Unsolicited(_) | Line::Echo => return Came::Not,
            // A text without a character leaves no line.
            Line::Final(_) | Line::Answer(_) => ("", Came::Before),
            Line::Unknown => (line, Came::Now),
        };
        let TextEntry::Deliver { from, timestamp } = entry else { return came };
        match deliver(from, timestamp, text) {
            Some(pdu) => self.message_read(place.clone(), RECEIVED, pdu, now),
            None => self.count_dropped(),
        }
        came
    }
}
