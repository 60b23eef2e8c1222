//! Who listens to everything that the daemon says, and knows a secret when it hears one: a code, a text, a PDU, or a
//! number that is not masked.

use std::collections::BTreeSet;
use std::io;
use std::sync::{Arc, Mutex};

use tracing_subscriber::fmt::MakeWriter;

/// Letters of a code: nothing else that the daemon says has as many capital letters in a row.
pub(crate) const LETTERS: usize = 8;
/// What every text has in it.
pub(crate) const MARK: &str = "uliou";
/// Hexadecimal digits that are a PDU: nothing else is as long.
const PDU: usize = 40;
/// How every number begins, and how many digits come after that.
pub(crate) const NUMBERS: (&str, usize) = ("4179", 7);

/// Knows the codes that were sent, and what was heard of them.
#[derive(Debug, Clone, Default)]
pub(crate) struct Ear {
    known: Arc<Mutex<Known>>,
    /// Prints what it hears of the log.
    pub(crate) aloud: bool,
}

#[derive(Debug, Default)]
struct Known {
    codes: BTreeSet<Vec<u8>>,
    heard: Option<String>,
}

impl Known {
    /// What a run of letters or digits is, if it may not be said.
    fn run_of(&self, said: &[u8]) -> Option<&'static str> {
        let (mut letters, mut digits) = (0, 0);
        for (at, octet) in said.iter().enumerate() {
            letters = if octet.is_ascii_uppercase() { letters + 1 } else { 0 };
            digits = if octet.is_ascii_hexdigit() { digits + 1 } else { 0 };
            if digits >= PDU {
                return Some("a PDU");
            }
            if letters >= LETTERS && self.codes.contains(&said[at + 1 - LETTERS..=at]) {
                return Some("a code");
            }
        }
        None
    }
}

impl Ear {
    /// An ear that prints the log when `SMSOTP_LOG` is set.
    pub(crate) fn new() -> Self {
        Self { aloud: std::env::var_os("SMSOTP_LOG").is_some(), ..Self::default() }
    }

    /// This is a code.
    pub(crate) fn learn(&self, code: &str) {
        self.known.lock().unwrap().codes.insert(code.into());
    }

    /// The first that was heard and must not be, and where.
    pub(crate) fn heard(&self) -> Option<String> {
        self.known.lock().unwrap().heard.take()
    }

    /// Listens to what was said in public: no code, text or PDU may be in it.
    pub(crate) fn listen(&self, said: &str) {
        let mut known = self.known.lock().unwrap();
        if known.heard.is_some() {
            return;
        }
        let what = if said.contains(MARK) { Some("a text") } else { known.run_of(said.as_bytes()) };
        known.heard = what.map(|what| format!("{what} is told in: {said}"));
    }

    /// Listens to a line of the log, where no whole number may be either.
    fn read(&self, line: &str) {
        if self.aloud {
            print!("{line}");
        }
        // The simulation's own lines name whole numbers.
        if line.contains(" step: ") {
            return;
        }
        self.listen_closely(line);
    }

    /// Listens where no whole number may be either.
    pub(crate) fn listen_closely(&self, line: &str) {
        self.listen(line);
        if !line.contains(NUMBERS.0) {
            return;
        }
        // A time in milliseconds may have the same digits within it.
        let mut runs = line.split(|c: char| !c.is_ascii_digit());
        if runs.any(|run| run.strip_prefix(NUMBERS.0).is_some_and(|rest| rest.len() >= NUMBERS.1)) {
            self.known.lock().unwrap().heard.get_or_insert_with(|| format!("a number is told in: {line}"));
        }
    }
}

impl io::Write for Ear {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        self.read(&String::from_utf8_lossy(line));
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Ear {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_secret_is_heard() {
        let ear = Ear::default();
        ear.learn("ABCDEFGH");
        for (line, heard) in [
            ("all is well with ver_01k2m3 +4179•••••67", false),
            ("the code XABCDEFGHX was sent", true),
            ("the text uliou", true),
            ("to +41791234567", true),
            ("at 1741791957571", false),
            ("pdu 07911497949900F011000B911497214365F70000FF04C8329BFD", true),
        ] {
            ear.read(line);
            assert_eq!(ear.heard().is_some(), heard, "{line}");
        }
    }
}
