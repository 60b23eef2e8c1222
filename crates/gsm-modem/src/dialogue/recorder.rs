//! The flight recorder of a modem: the last lines that went over its port, masked, in memory only and in bounded
//! space. Recording a line copies its octets into rings that were allocated once; nothing else is allocated.

use std::collections::VecDeque;
use std::fmt::{self, Write as _};
use std::time::{Duration, Instant};

use tracing::Level;

use super::mask;

/// How many lines are kept: 200 exchanges of a command, an answer and a result.
pub const LINES: usize = 600;
/// How many octets their texts have, together.
pub const OCTETS: usize = 24 * 1024;
/// The target under which the log filter knows the lines of ports.
const TARGET: &str = "smsotpd::port";

/// Longer lines are cut.
const LONGEST: usize = 200;

/// Which way a line went.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Direction {
    /// From the modem.
    In,
    /// To the modem.
    Out,
    /// Neither: a note of the session.
    Note,
}

impl Direction {
    /// The word in the API.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::In => "in",
            Self::Out => "out",
            Self::Note => "note",
        }
    }
}

/// A line of the recorder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recorded {
    /// How long ago the line went over the port.
    pub ago: Duration,
    /// The direction.
    pub direction: Direction,
    /// What may be shown of the line.
    pub text: String,
}

/// `12.345 s < +CMGS: 12`.
impl fmt::Display for Recorded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = match self.direction {
            Direction::In => '<',
            Direction::Out => '>',
            Direction::Note => '=',
        };
        write!(f, "-{:.3} s {sign} {}", self.ago.as_secs_f64(), self.text)
    }
}

#[derive(Debug, Clone, Copy)]
struct Head {
    at: Instant,
    direction: Direction,
    length: usize,
}

/// The last lines of a port.
pub(crate) struct Recorder {
    heads: VecDeque<Head>,
    octets: VecDeque<u8>,
    /// The modem's name, for the log.
    name: String,
    scratch: String,
    line: String,
    /// The instant of what is recorded now; `None` before the port was first opened.
    now: Option<Instant>,
}

impl fmt::Debug for Recorder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Recorder").field("lines", &self.heads.len()).finish_non_exhaustive()
    }
}

impl Recorder {
    pub(crate) fn new() -> Self {
        Self {
            heads: VecDeque::with_capacity(LINES),
            octets: VecDeque::with_capacity(OCTETS),
            name: String::new(),
            scratch: String::with_capacity(2 * LONGEST),
            line: String::with_capacity(LONGEST),
            now: None,
        }
    }

    /// Sets the modem's name: with `smsotpd::port=trace` the log has each line as well, masked as in the recorder.
    pub(crate) fn name(&mut self, name: &str) {
        name.clone_into(&mut self.name);
    }

    /// Sets the instant of what is recorded from now on.
    pub(crate) fn at(&mut self, now: Instant) {
        self.now = Some(now);
    }

    /// Records a line that was read.
    pub(crate) fn line(&mut self, line: &str) {
        self.keep(Direction::In, |text| mask::mask(line, text));
    }

    /// Records a line that was read, without showing anything of it.
    pub(crate) fn hidden(&mut self, line: &str) {
        self.keep(Direction::In, |text| mask::hidden(line, text));
    }

    /// Records a command that is written; what its own `Display` already masks is masked once more.
    pub(crate) fn command(&mut self, command: &impl fmt::Display) {
        let mut line = std::mem::take(&mut self.line);
        line.clear();
        // Writing into a String cannot fail.
        let _ = write!(line, "{command}");
        self.keep(Direction::Out, |text| mask::mask(&line, text));
        self.line = line;
    }

    /// The instant of what is recorded now.
    pub(crate) fn now(&self) -> Option<Instant> {
        self.now
    }

    /// Records words of this program.
    pub(crate) fn note(&mut self, direction: Direction, words: fmt::Arguments<'_>) {
        // Writing into a String cannot fail.
        self.keep(direction, |text| {
            let _ = fmt::write(text, words);
        });
    }

    fn keep(&mut self, direction: Direction, write: impl FnOnce(&mut String)) {
        let Some(at) = self.now else { return };
        self.scratch.clear();
        write(&mut self.scratch);
        if direction != Direction::Note && tracing::enabled!(target: TARGET, Level::TRACE) {
            let sign = if direction == Direction::In { '<' } else { '>' };
            tracing::trace!(target: TARGET, modem = %self.name, "{sign} {}", self.scratch);
        }
        let mut length = self.scratch.len().min(LONGEST);
        while !self.scratch.is_char_boundary(length) {
            length -= 1;
        }
        while self.heads.len() >= LINES || self.octets.len() + length > OCTETS {
            let Some(oldest) = self.heads.pop_front() else { break };
            self.octets.drain(..oldest.length);
        }
        self.octets.extend(&self.scratch.as_bytes()[..length]);
        self.heads.push_back(Head { at, direction, length });
    }

    /// The last `most` lines, the oldest first.
    pub(crate) fn last(&self, most: usize, now: Instant) -> Vec<Recorded> {
        let skipped = self.heads.len().saturating_sub(most);
        let mut start: usize = self.heads.iter().take(skipped).map(|head| head.length).sum();
        let mut lines = Vec::with_capacity(self.heads.len() - skipped);
        for head in self.heads.iter().skip(skipped) {
            let octets: Vec<u8> = self.octets.range(start..start + head.length).copied().collect();
            start += head.length;
            // The text is cut where a character ends, so that nothing is lost here.
            let text = String::from_utf8_lossy(&octets).into_owned();
            let ago = now.saturating_duration_since(head.at);
            lines.push(Recorded { ago, direction: head.direction, text });
        }
        lines
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::monotonic;

    #[test]
    fn the_oldest_go_first_and_space_is_bounded() {
        let (mut recorder, began) = (Recorder::new(), monotonic());
        recorder.line("OK");
        assert!(recorder.last(9, began).is_empty(), "nothing has begun");
        for n in 0..5_000_u64 {
            recorder.at(began + Duration::from_millis(n));
            recorder.note(Direction::Note, format_args!("{n}"));
        }
        let now = began + Duration::from_millis(5_999);
        let lines = recorder.last(usize::MAX, now);
        assert_eq!(lines.len(), LINES);
        assert_eq!(lines[LINES - 1].to_string(), "-1.000 s = 4999");
        assert_eq!(lines[0].text, (5_000 - LINES).to_string());
        assert_eq!(recorder.last(2, now)[0].text, "4998");
        let long = "é".repeat(500);
        for _ in 0..2 * LINES {
            recorder.note(Direction::In, format_args!("x{long}"));
        }
        assert!(recorder.octets.len() <= OCTETS && recorder.octets.capacity() < 2 * OCTETS);
        let kept = recorder.last(usize::MAX, now);
        assert!(kept.len() > 100 && kept.iter().all(|line| line.text.len() == 199), "{}", kept[0].text.len());
    }
}
