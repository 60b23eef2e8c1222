//! Any octets in any pieces, with a prompt awaited or not at any time: the framer says what a model of a few lines says,
//! which looks at one octet after the other.
//!
//! By that, the same octets give the same frames however they are cut, a prompt comes only where a line begins and one is
//! awaited, and no frame is longer than the limit.

use arbitrary::{Arbitrary, Unstructured};
use gsm_modem::at::{Frame, Framer, LINE_LIMIT, Prompt};

/// Something that is done to a framer.
#[derive(Debug, Arbitrary)]
enum Step<'a> {
    /// Octets are read while a prompt is awaited or not: once, or so often that they are more than a line may have.
    Read { awaited: bool, times: u8, octets: &'a [u8] },
    /// The port is opened anew.
    Clear,
}

/// One input.
pub fn run(octets: &[u8]) {
    let Ok(steps) = <Vec<Step<'_>>>::arbitrary_take_rest(Unstructured::new(octets)) else { return };
    let mut model = Model::default();
    let (mut whole, mut single) = (Framer::new(), Framer::new());
    for step in steps {
        match step {
            Step::Clear => {
                whole.clear();
                single.clear();
                model = Model::default();
            }
            Step::Read { awaited, times, octets } => {
                let prompt = if awaited { Prompt::Awaited } else { Prompt::Ignored };
                let octets = repeated(octets, times);
                let expected = model.read(awaited, &octets);
                whole.push(&octets);
                assert_eq!(frames(&mut whole, prompt), expected, "in one piece");
                let mut found = frames(&mut single, prompt);
                for octet in octets {
                    single.push(&[octet]);
                    found.extend(frames(&mut single, prompt));
                }
                assert_eq!(found, expected, "octet by octet");
                assert_eq!(
                    (whole.holds_prompt(), single.holds_prompt()),
                    (model.holds_prompt(), model.holds_prompt())
                );
            }
        }
    }
}

fn repeated(octets: &[u8], times: u8) -> Vec<u8> {
    let many = times >= 0xe0 && !octets.is_empty();
    let length = if many { LINE_LIMIT - 16 + usize::from(times & 0x1f) } else { octets.len() };
    octets.iter().copied().cycle().take(length).collect()
}

fn frames(framer: &mut Framer, prompt: Prompt) -> Vec<Frame> {
    let frames: Vec<_> = std::iter::from_fn(|| framer.next(prompt)).collect();
    for frame in &frames {
        if let Frame::Line(line) = frame {
            assert!(!line.is_empty() && line.chars().count() <= LINE_LIMIT);
            assert!(!line.contains(['\r', '\n', '\x1a', '\x1b']));
        }
    }
    frames
}

/// The framer as its documentation describes it, one octet after the other.
#[derive(Default)]
struct Model {
    line: Vec<u8>,
    place: Place,
}

#[derive(Default, PartialEq)]
enum Place {
    #[default]
    Start,
    BehindPrompt,
    Overlong,
}

impl Model {
    fn read(&mut self, awaited: bool, octets: &[u8]) -> Vec<Frame> {
        let mut frames = Vec::new();
        // What stood there before one was awaited may be the prompt.
        self.take_prompt(awaited, &mut frames);
        for &octet in octets {
            if matches!(octet, b'\r' | b'\n' | 0x1a | 0x1b) {
                let text = String::from_utf8_lossy(&self.line).into_owned();
                let noise = |c: char| c.is_whitespace() || c.is_control() || c == char::REPLACEMENT_CHARACTER;
                let text = text.trim_matches(noise).to_owned();
                if self.place != Place::Overlong && !text.is_empty() {
                    frames.push(Frame::Line(text));
                }
                *self = Self::default();
            } else if !(octet == 0 && self.line.is_empty()) {
                self.line.push(octet);
                self.take_prompt(awaited, &mut frames);
            }
            if self.line.len() > LINE_LIMIT {
                if self.place != Place::Overlong {
                    frames.push(Frame::Overlong);
                }
                *self = Self { line: Vec::new(), place: Place::Overlong };
            }
        }
        frames
    }

    fn take_prompt(&mut self, awaited: bool, frames: &mut Vec<Frame>) {
        if awaited && self.place == Place::Start && self.line.first() == Some(&b'>') {
            frames.push(Frame::Prompt);
            self.place = Place::BehindPrompt;
            self.line.remove(0);
            let blank = self.line.iter().take_while(|octet| **octet == 0).count();
            self.line.drain(..blank);
        }
    }

    fn holds_prompt(&self) -> bool {
        self.place != Place::Overlong && self.line.first() == Some(&b'>')
    }
}
