//! What is written to a modem: a command line, what follows a prompt, or what leaves a prompt.

use std::fmt;

use crate::at::{Command, LineEnd};
use crate::secret::Secret;

/// Octets to write in one piece. Its `Debug` shows no PDU and no PIN.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Write {
    /// A command line and its end.
    Command(Command, LineEnd),
    /// Hexadecimal digits of a PDU, or a text, and SUB.
    Body(Secret<Vec<u8>>),
    /// ESC, which leaves an open prompt, and CR, which ends a half-written line.
    Escape,
}

impl Write {
    /// The octets.
    pub fn octets(&self) -> Secret<Vec<u8>> {
        match self {
            Self::Command(command, line_end) => Secret::new(command.encode_with(*line_end)),
            Self::Body(body) => body.clone(),
            Self::Escape => Secret::new(b"\x1b\r".to_vec()),
        }
    }
}

/// Fit for a log: only the length of a message is shown.
impl fmt::Display for Write {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Command(command, _) => command.fmt(f),
            Self::Body(body) => {
                let characters = body.expose().len().saturating_sub(1);
                write!(f, "[{characters} characters] SUB")
            }
            Self::Escape => f.write_str("ESC CR"),
        }
    }
}
