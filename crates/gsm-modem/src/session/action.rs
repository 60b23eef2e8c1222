//! What a session wants done: the whole of its way to the world.

use std::fmt;

use crate::at::Command;
use crate::ladder::Rung;
use crate::snapshot::{Notice, Outcome};
use crate::{Owners, Secret};

/// What the session wants done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// Write this, in one piece.
    Write(Output),
    /// The order ended.
    Settle(Outcome),
    /// The USSD request ended.
    Ussd(Result<UssdAnswer, String>),
    /// Note durably that the PIN is being tried, unless it was noted before, and tell `Session::pin_noted`.
    TryPin {
        /// Whose PIN it is.
        owners: Owners,
        /// The PIN.
        pin: Secret<String>,
    },
    /// The PIN was accepted: its note goes.
    PinAccepted {
        /// Whose PIN it is.
        owners: Owners,
        /// The PIN.
        pin: Secret<String>,
    },
    /// Tell the subscriber.
    Notice(Notice),
    /// Close the port.
    Close(Closing),
}

/// Why the port is closed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Closing {
    /// To open it again.
    Reopen,
    /// To cure the device without it, and to open it again.
    Cure(Rung),
    /// For good.
    Stop,
}

/// What to write. Its `Debug` shows no PDU and no PIN.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Output {
    /// A command line.
    Command(Command),
    /// Hexadecimal digits of a PDU, or a text, and SUB.
    Body(Secret<Vec<u8>>),
    /// ESC, which leaves an open prompt, and CR, which ends a half-written line.
    Escape,
}

impl Output {
    /// The octets.
    pub fn octets(&self) -> Secret<Vec<u8>> {
        match self {
            Self::Command(command) => Secret::new(command.encode()),
            Self::Body(body) => body.clone(),
            Self::Escape => Secret::new(b"\x1b\r".to_vec()),
        }
    }
}

/// Fit for a log: of a message its length alone.
impl fmt::Display for Output {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Command(command) => command.fmt(f),
            Self::Body(body) => {
                let characters = body.expose().len().saturating_sub(1);
                write!(f, "[{characters} characters] SUB")
            }
            Self::Escape => f.write_str("ESC CR"),
        }
    }
}

/// What the network answered to a USSD request. Its `Debug` shows no text.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct UssdAnswer {
    /// The text; empty when a dialogue was only ended.
    pub text: String,
    /// The network waits for an answer.
    pub open: bool,
}

impl fmt::Debug for UssdAnswer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("UssdAnswer").field("open", &self.open).finish_non_exhaustive()
    }
}
