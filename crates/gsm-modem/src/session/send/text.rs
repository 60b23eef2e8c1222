//! Sending through a modem that has no PDU mode (3GPP TS 27.005 clause 3): the alphabet and `+CSMP` are set
//! before each message that needs other values.

use super::{SUB, Send, Stage};
use crate::at::{Command, ResultCode};
use crate::session::known::{Known, TextMode};
use crate::session::procedure::{Cx, Next};
use crate::session::translate::{Message, as_read};

impl Send {
    /// Sets the alphabet and `+CSMP` for the next part, then asks for the prompt.
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

    /// The next part in the form of text mode.
    pub(super) fn text_message(&self, known: &Known) -> Result<Message, &'static str> {
        let pdu = self.part().map_or(&[][..], |part| part.pdu.expose());
        Message::of(pdu, known.format.text.plain)
    }

    /// The modem refuses what the text needs. Another modem may be able to send it.
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

    /// Whether a line is the echo of what was written: the digits of a PDU, or a line of the text.
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
    /// Takes the answer to a setting before a part. Returns whether the part can go on.
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
            // The network reports when there is no service centre.
            Command::SetServiceCentre(_) => {}
            _ => return false,
        }
        true
    }
}
