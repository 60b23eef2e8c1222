//! The lines after the first one of an unsolicited code (3GPP TS 27.005 clause 3.4.1): a PDU, a text, or the
//! rest of a family's own code. A line that cannot be one of these ends the wait, so that no answer is lost.
//!
//! A text is the exception: it comes from outside and may have any lines, however they read. Nothing marks
//! its end, but it comes in one piece: a line that follows without a pause belongs to the text.

use std::time::{Duration, Instant};

use super::{Dialogue, Heard};
use crate::at::{Kind, Line, Routed};
use crate::secret::Secret;

/// The most lines of a text. 160 characters have fewer.
const TEXT_LINES: u8 = 200;

/// The time limit for a command whose result may have been taken for a line of a text.
const RESULT_IN_TEXT_LIMIT: Duration = Duration::from_secs(1);

/// What is awaited.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum TwoLine {
    /// The PDU of a message.
    Pdu { kind: Kind, length: usize },
    /// A text; lines up to this instant belong to it.
    Text { until: Instant, left: u8 },
    /// So many lines of a family's own code, which are ignored.
    Rest(usize),
}

impl TwoLine {
    pub(super) fn rest(lines: usize) -> Option<Self> {
        (lines > 0).then_some(Self::Rest(lines))
    }
}

/// What a line was.
pub(super) enum Second {
    /// The line belongs to no code.
    No,
    /// The line belongs to a code, and is ignored.
    Consumed,
    /// The line is the PDU that was awaited.
    Message(Kind, usize, Secret<Vec<u8>>),
}

impl Dialogue {
    pub(super) fn second_line(&mut self, line: &str, now: Instant) -> Second {
        let Some(due) = self.two_line.take() else { return Second::No };
        match due {
            TwoLine::Rest(lines) => {
                if matches!(Line::of(line, None), Line::Final(_) | Line::Echo) {
                    return Second::No;
                }
                self.two_line = TwoLine::rest(lines - 1);
            }
            TwoLine::Text { left: 0, .. } => return Second::No,
            TwoLine::Text { left, .. } => {
                if matches!(Line::of(line, None), Line::Final(_)) {
                    self.may_have_ended(now);
                }
                self.two_line = Some(TwoLine::Text { until: now + self.settings.quiet, left: left - 1 });
            }
            TwoLine::Pdu { kind, length } => {
                if let Some(octets) = Line::pdu(line) {
                    self.recorder.hidden(line);
                    return Second::Message(kind, length, Secret::new(octets));
                }
                if Line::of(line, None) == Line::Echo {
                    self.two_line = Some(due);
                } else {
                    self.count_dropped();
                }
                return Second::No;
            }
        }
        self.recorder.hidden(line);
        Second::Consumed
    }

    /// A line of the text reads like a result, and may be the result of the outstanding command, which came in
    /// between: the wait for that command becomes short. A command that asks for a prompt is never disturbed.
    fn may_have_ended(&mut self, now: Instant) {
        if let Some(outstanding) = self.outstanding.as_mut().filter(|o| !o.held && !o.expects.prompt) {
            outstanding.deadline = outstanding.deadline.min(now + RESULT_IN_TEXT_LIMIT);
        }
    }

    /// Ends a text that nothing has followed for a while.
    pub(super) fn end_text(&mut self, now: Instant) {
        self.two_line.take_if(|due| matches!(due, TwoLine::Text { until, .. } if now > *until));
    }

    /// Takes the head of a message that the modem hands over.
    pub(super) fn handed_over(&mut self, routed: Routed<'_>, now: Instant) -> Option<Heard> {
        match routed {
            Routed::PduFollows { kind, length } => {
                self.two_line = Some(TwoLine::Pdu { kind, length });
                None
            }
            Routed::Pdu { kind, length, digits } => {
                let octets = Line::pdu(digits);
                if octets.is_none() {
                    self.count_dropped();
                }
                octets.map(|octets| Heard::Message { kind, length, pdu: Secret::new(octets) })
            }
            Routed::TextFollows(_) => {
                self.two_line = Some(TwoLine::Text { until: now + self.settings.quiet, left: TEXT_LINES });
                Some(Heard::TextMode)
            }
            Routed::Text(_, body) => Some(Heard::TextReport(body.to_owned())),
        }
    }
}
