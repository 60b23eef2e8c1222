//! What an operator gets to see of a modem: the answer of a network, the last lines of a port.

use std::fmt;
use std::time::Duration;

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

/// A line that went over a modem's port, masked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TraceLine {
    /// How long ago.
    pub ago: Duration,
    /// `in` from the modem, `out` to it, `note` between them.
    pub direction: &'static str,
    /// What of it may be shown to anybody.
    pub text: String,
}
