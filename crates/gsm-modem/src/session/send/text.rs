//! Sending through a modem that knows no PDU mode (3GPP TS 27.005 clause 3): the alphabet and `+CSMP` come into force
//! before each message that needs others.

use super::{SUB, Send, Stage};
use crate::at::{Command, ResultCode};
use crate::session::known::{Known, TextMode};
use crate::session::procedure::{Cx, Next};
use crate::session::translate::{Message, as_read};

impl Send {
    /// Brings the alphabet and `+CSMP` into force for the next part, then asks for the prompt.
    pub(super) fn send_text_part(&mut self, cx: &mut Cx<'_>) -> Next {
        let message = match self.text_message(cx.known) {
            Ok(message) => message,
            Err(why) => {
                self.end_refused(why.to_owned(), cx.known, cx.now);
                return Next::Done;
            }
        };
        let timing = cx.known.settings.timing;
        let smsc = cx.known.settings.smsc.clone();
        let text = &mut cx.known.format.text;
        let centre = smsc.filter(|_| text.centre_due);
        self.stage = Stage::Prepare;
        let command = if text.charset != Some(message.charset) {
            text.charset = None;
            Command::Charset(message.charset)
        } else if text.parameters != Some(message.parameters) {
            text.parameters = None;
            Command::TextParameters(message.parameters)
        } else if let Some(centre) = centre {
            text.centre_due = false;
            Command::SetServiceCentre(centre)
        } else {
            self.stage = Stage::Prompt;
            let (to, kind) = message.to;
            return cx.ask(Command::SendText { to, kind }, timing.sending.prompt);
        };
        cx.ask(command, timing.command)
    }

    /// What the next part says in text mode.
    pub(super) fn text_message(&self, known: &Known) -> Result<Message, &'static str> {
        let pdu = self.part().map_or(&[][..], |part| part.pdu.expose());
        Message::of(pdu, known.format.text.plain)
    }

    /// Another modem may be able to send it.
    pub(super) fn text_refused(&mut self, command: &Command, code: &ResultCode, cx: &mut Cx<'_>) -> Next {
        if self.is_withdrawn() {
            self.end_unstarted("the message was withdrawn", cx.known, cx.now);
            return Next::Done;
        }
        let why = cx.known.profile.failure(code).sentence;
        let sentence =
            format!("the modem knows text mode alone, and refuses what this text needs ({command}): {why}");
        self.end_refused(sentence, cx.known, cx.now);
        Next::Done
    }

    /// Whether a line is what was written, given back: the digits of a PDU, or a line of the text.
    pub(super) fn is_echo_of_the_body(&self, line: &str, known: &Known) -> bool {
        if !known.format.text.on {
            let digits = line.trim_end_matches("^Z");
            return !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_hexdigit());
        }
        let body = self.body(known);
        let written = std::str::from_utf8(body.expose()).unwrap_or_default();
        written.split(['\n', char::from(SUB)]).any(|part| as_read(part) == line)
    }
}

impl TextMode {
    /// A setting before a part was answered; whether the part can go on.
    pub(super) fn prepared(&mut self, command: &Command, code: &ResultCode) -> bool {
        match command {
            Command::Charset(charset) if code.is_ok() => self.charset = Some(*charset),
            // A modem without `+CSMP` sends in the GSM 7 bit default alphabet.
            Command::TextParameters(parameters)
                if code.is_ok() || (!self.has_parameters && parameters[3] & 0x0c == 0) =>
            {
                self.has_parameters |= code.is_ok();
                self.centre_due = code.is_ok();
                self.parameters = Some(*parameters);
            }
            // The network tells when there is none.
            Command::SetServiceCentre(_) => {}
            _ => return false,
        }
        true
    }
}
