//! A question to the network (3GPP TS 27.007 clause 7.15, TS 23.038 clause 5). The reply is an unsolicited code
//! that may come before the command's own OK.

use std::time::{Duration, Instant};

use super::resync::{Open, Then};
use super::{Action, Phase, Session};
use crate::at::{Command, Failure, Line, ResultCode, ussd};
use crate::secret::Secret;

#[derive(Debug)]
pub(super) struct Ussd {
    /// The answer came, the command's end did not.
    answered: bool,
}

impl Session {
    /// Asks the network; a message under way is finished first.
    pub fn ussd(&mut self, code: &str, timeout: Duration, now: Instant) {
        let dialable = |c: char| c.is_ascii_digit() || "*#+".contains(c);
        if code.is_empty() || code.len() > 182 || !code.chars().all(dialable) {
            return self.end_ussd(Err(String::from("a USSD code has only digits, * and #, such as *100#")));
        }
        let code = Secret::new(code.to_owned());
        match self.phase {
            Phase::Idle => self.start_ussd(code, timeout, now),
            Phase::Checking(_) | Phase::Storage(_) | Phase::Sending if self.wishes.ussd.is_none() => {
                self.wishes.ussd = Some((code, timeout));
            }
            _ => self.end_ussd(Err(String::from("the modem is not ready"))),
        }
    }

    pub(super) fn start_ussd(&mut self, code: Secret<String>, timeout: Duration, now: Instant) {
        self.phase = Phase::Ussd(Ussd { answered: false });
        self.write_command(Command::Ussd(code), timeout, now);
        self.timer = Some(now + timeout);
    }

    pub(super) fn ussd_finished(&mut self, code: &ResultCode, now: Instant) {
        let Phase::Ussd(state) = &self.phase else { return };
        if state.answered {
            self.become_idle(now);
        } else if !code.is_ok() {
            self.timer = None;
            self.end_ussd(Err(Failure::of(code).sentence));
            self.become_idle(now);
        }
    }

    pub(super) fn ussd_replied(&mut self, body: &str, now: Instant) {
        let Phase::Ussd(state) = &mut self.phase else { return };
        if state.answered {
            return;
        }
        let Some(reply) = ussd(body) else {
            self.count_dropped();
            return;
        };
        let answer = match (reply.status, reply.text) {
            (_, Some(text)) => Ok(decoded(&text, reply.scheme)),
            (2, None) => Err(String::from("the network ended the dialogue without an answer")),
            (4, None) => Err(String::from("the network does not support this request")),
            (5, None) => Err(String::from("the network did not answer in time")),
            // Status lines such as "3" without text go before the answer on some modems.
            _ => return,
        };
        state.answered = true;
        self.timer = None;
        let over = self.outstanding.is_none();
        self.end_ussd(answer);
        if over {
            self.become_idle(now);
        } else if let Some(outstanding) = &mut self.outstanding {
            outstanding.deadline = now + self.settings.timing.command;
        }
    }

    pub(super) fn ussd_timed_out(&mut self, now: Instant) {
        let Phase::Ussd(state) = &self.phase else { return };
        let answered = state.answered;
        if !answered {
            self.end_ussd(Err(String::from("the network did not answer in time")));
        }
        self.timer = None;
        self.start_resync(Open::No, Then::Idle, now);
    }

    pub(super) fn fail_ussd(&mut self, reason: &str) {
        let waiting = self.wishes.ussd.take().is_some();
        if waiting || matches!(&self.phase, Phase::Ussd(state) if !state.answered) {
            self.end_ussd(Err(reason.to_owned()));
        }
        if let Phase::Ussd(state) = &mut self.phase {
            state.answered = true;
        }
    }

    fn end_ussd(&mut self, answer: Result<String, String>) {
        self.actions.push_back(Action::Ussd(answer));
    }
}

/// Text as it is, or UCS-2 in hexadecimal digits, which modems give whatever was asked for (scheme 72, 17, or
/// none said and no other reading makes sense). Rubbish behind a NUL is cut off.
fn decoded(text: &str, scheme: Option<u8>) -> String {
    let wide = scheme.is_some_and(|s| s == 17 || s & 0x0c == 0x08 && s & 0xc0 != 0xc0);
    if let Some(octets) = Line::pdu(text)
        && octets.len() % 2 == 0
        && (wide || octets.chunks(2).all(|pair| pair[0] <= 0x06 || pair[0] == 0x20))
    {
        let units: Vec<u16> =
            octets.chunks(2).map(|pair| u16::from(pair[0]) << 8 | u16::from(pair[1])).collect();
        let end = units.iter().position(|&unit| unit == 0 || unit == 0xffff).unwrap_or(units.len());
        return String::from_utf16_lossy(&units[..end]);
    }
    text.to_owned()
}

#[cfg(test)]
mod tests {
    use super::decoded;

    #[test]
    fn text_and_ucs2() {
        assert_eq!(decoded("On DATA Pack", Some(15)), "On DATA Pack");
        assert_eq!(decoded("04110430", Some(72)), "Ба");
        assert_eq!(decoded("00480061", Some(15)), "Ha");
        assert_eq!(decoded("00480061FFFF1234", Some(72)), "Ha");
        assert_eq!(decoded("1234", Some(15)), "1234");
    }
}
