//! From octets to whole lines or a prompt (ITU-T V.250 clause 5.7.1, 3GPP TS 27.005 clause 4.3), before
//! anything is classified.
//!
//! Both CR and LF end a line, so that `CR LF`, `CR CR LF`, a lone CR after an echo and a missing leading CR LF all
//! give the same lines; empty lines are dropped. SUB and ESC end a line too, since a modem echoes them after a PDU. A
//! prompt has no line end, and is found only while it is awaited and only at the start of a line.

use std::fmt;
use std::mem;

/// A longer line is cut off and counted.
pub const LINE_LIMIT: usize = 4096;

const SUB: u8 = 0x1a;
const ESC: u8 = 0x1b;

/// What the framer found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Frame {
    /// A whole line, without its end.
    Line(String),
    /// `>` at the start of a line, while a prompt is awaited.
    Prompt,
    /// A line grew beyond [`LINE_LIMIT`]; its octets are gone.
    Overlong,
}

/// Whether a prompt is awaited.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Prompt {
    /// A command that asks for a prompt is outstanding.
    Awaited,
    /// `>` is text like any other.
    Ignored,
}

/// Collects octets and cuts them into frames. Its `Debug` shows no octets, since they may be a person's message.
#[derive(Default)]
pub struct Framer {
    buffer: Vec<u8>,
    start: usize,
    /// Octets from `start` that are known to hold no line end.
    scanned: usize,
    place: Place,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Place {
    #[default]
    LineStart,
    AfterPrompt,
    InOverlong,
}

impl fmt::Debug for Framer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Framer").field("held", &(self.buffer.len() - self.start)).finish_non_exhaustive()
    }
}

impl Framer {
    /// An empty framer.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds octets that were read.
    pub fn push(&mut self, octets: &[u8]) {
        if self.start == self.buffer.len() {
            self.buffer.clear();
            self.start = 0;
        }
        self.buffer.extend_from_slice(octets);
    }

    /// The next frame, or nothing until more is read.
    pub fn next(&mut self, prompt: Prompt) -> Option<Frame> {
        loop {
            self.skip_ends();
            let rest = &self.buffer[self.start..];
            if prompt == Prompt::Awaited && self.place == Place::LineStart && rest.first() == Some(&b'>') {
                self.consume(1);
                self.place = Place::AfterPrompt;
                return Some(Frame::Prompt);
            }
            let end = rest[self.scanned..].iter().position(|&b| is_end(b)).map(|at| at + self.scanned);
            let Some(end) = end else {
                self.scanned = rest.len();
                if rest.len() <= LINE_LIMIT {
                    self.compact();
                    return None;
                }
                let first = self.place != Place::InOverlong;
                self.clear();
                self.place = Place::InOverlong;
                if first {
                    return Some(Frame::Overlong);
                }
                return None;
            };
            let line = (self.place != Place::InOverlong && end <= LINE_LIMIT).then(|| text(&rest[..end]));
            let cut = self.place != Place::InOverlong && end > LINE_LIMIT;
            self.consume(end);
            self.place = Place::LineStart;
            match line {
                Some(line) if !line.is_empty() => return Some(Frame::Line(line)),
                None if cut => return Some(Frame::Overlong),
                _ => {}
            }
        }
    }

    /// Whether the buffer holds an unfinished line that begins like a prompt: the modem waits for a PDU that
    /// nobody is going to send. The middle of an overlong line does not begin one.
    pub fn holds_prompt(&self) -> bool {
        if self.place == Place::InOverlong {
            return false;
        }
        let rest = &self.buffer[self.start..];
        rest.iter().find(|&&b| !is_end(b) && b != 0).is_some_and(|&b| b == b'>')
    }

    /// Forgets all octets.
    pub fn clear(&mut self) {
        self.buffer.clear();
        self.start = 0;
        self.scanned = 0;
        self.place = Place::LineStart;
    }

    fn skip_ends(&mut self) {
        if self.scanned > 0 {
            return;
        }
        let rest = &self.buffer[self.start..];
        let ends = rest.iter().take_while(|&&b| is_end(b) || b == 0).count();
        if rest[..ends].iter().any(|&b| is_end(b)) {
            self.place = Place::LineStart;
        }
        self.start += ends;
    }

    fn consume(&mut self, count: usize) {
        self.start += count;
        self.scanned = 0;
    }

    /// Keeps the buffer from growing when octets come one by one.
    fn compact(&mut self) {
        if self.start > LINE_LIMIT {
            let rest = self.buffer.split_off(self.start);
            drop(mem::replace(&mut self.buffer, rest));
            self.start = 0;
        }
    }
}

const fn is_end(octet: u8) -> bool {
    matches!(octet, b'\r' | b'\n' | SUB | ESC)
}

/// Lines are nearly always ASCII. Noise on the wire is no reason to lose a line, so undecodable octets at
/// either end are trimmed like blanks.
fn text(octets: &[u8]) -> String {
    String::from_utf8_lossy(octets)
        .trim_matches(|c: char| c.is_whitespace() || c.is_control() || c == char::REPLACEMENT_CHARACTER)
        .to_owned()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn frames(octets: &[u8], prompt: Prompt) -> Vec<Frame> {
        let mut framer = Framer::new();
        framer.push(octets);
        std::iter::from_fn(|| framer.next(prompt)).collect()
    }

    fn line(text: &str) -> Frame {
        Frame::Line(text.to_owned())
    }

    #[test]
    fn every_line_end_in_use() {
        for wire in
            ["\r\nOK\r\n", "OK\r\n", "\r\r\nOK\r\r\n", "\0\0\r\nOK\r", "\n\r\n\r\n\r\nOK\n", "OK \x1a"]
        {
            assert_eq!(frames(wire.as_bytes(), Prompt::Ignored), [line("OK")], "{wire:?}");
        }
        assert_eq!(frames(b"AT\r\r\nOK\r\n", Prompt::Ignored), [line("AT"), line("OK")]);
        assert_eq!(frames(b"\xf0OK\xf0\r\n", Prompt::Ignored), [line("OK")]);
    }

    #[test]
    fn a_prompt_counts_only_while_awaited_and_where_a_line_begins() {
        for wire in ["AT+CMGS=2\r\r\n> ", "AT+CMGS=2\r\n>", "AT+CMGS=2\r> \r\n"] {
            assert_eq!(
                frames(wire.as_bytes(), Prompt::Awaited),
                [line("AT+CMGS=2"), Frame::Prompt],
                "{wire:?}"
            );
        }
        assert_eq!(frames(b"x > y\r\n", Prompt::Awaited), [line("x > y")]);
        assert_eq!(frames(b"\r\n> ", Prompt::Ignored), []);
        assert_eq!(
            frames(b"\r\n> >\r\n>", Prompt::Awaited),
            [Frame::Prompt, line(">"), Frame::Prompt],
            "the rest of a prompt's line is not a second prompt"
        );
    }

    #[test]
    fn a_stale_prompt_is_seen() {
        let mut framer = Framer::new();
        framer.push(b"\r\n> ");
        assert_eq!(framer.next(Prompt::Ignored), None);
        assert!(framer.holds_prompt());
        framer.clear();
        assert!(!framer.holds_prompt());
    }

    #[test]
    fn the_middle_of_an_overlong_line_is_no_stale_prompt() {
        let mut framer = Framer::new();
        framer.push(&[b'x'; LINE_LIMIT + 1]);
        assert_eq!(framer.next(Prompt::Ignored), Some(Frame::Overlong));
        framer.push(b"> ");
        assert_eq!(framer.next(Prompt::Ignored), None);
        assert!(!framer.holds_prompt());
        framer.push(b"\r\n> ");
        assert_eq!(framer.next(Prompt::Ignored), None);
        assert!(framer.holds_prompt());
    }

    #[test]
    fn a_line_without_end_is_capped() {
        let mut framer = Framer::new();
        let mut overlong = 0;
        for _ in 0..100 {
            framer.push(&[b'x'; 1000]);
            while let Some(frame) = framer.next(Prompt::Awaited) {
                assert_eq!(frame, Frame::Overlong);
                overlong += 1;
            }
            assert!(framer.buffer.len() <= LINE_LIMIT + 1000);
        }
        framer.push(b"\r\nOK\r\n");
        assert_eq!(framer.next(Prompt::Ignored), Some(line("OK")));
        assert_eq!(overlong, 1);
        let mut whole = vec![b'y'; LINE_LIMIT + 1];
        whole.extend_from_slice(b"\r\nOK\r\n");
        assert_eq!(frames(&whole, Prompt::Ignored), [Frame::Overlong, line("OK")]);
    }

    proptest! {
        #[test]
        fn how_the_octets_are_split_changes_nothing(
            octets in proptest::collection::vec(prop_oneof![
                Just(b'\r'), Just(b'\n'), Just(b'>'), Just(b' '), Just(0u8), Just(0x1a), any::<u8>()], 0..200),
            cuts in proptest::collection::vec(1usize..4, 1..200),
        ) {
            let whole = frames(&octets, Prompt::Awaited);
            let mut framer = Framer::new();
            let mut pieces = Vec::new();
            let mut rest = &octets[..];
            for cut in cuts.iter().cycle() {
                if rest.is_empty() { break; }
                let (piece, tail) = rest.split_at((*cut).min(rest.len()));
                framer.push(piece);
                pieces.extend(std::iter::from_fn(|| framer.next(Prompt::Awaited)));
                rest = tail;
            }
            prop_assert_eq!(whole, pieces);
        }
    }
}
