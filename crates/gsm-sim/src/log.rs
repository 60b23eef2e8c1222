//! The commands that a simulated modem has read, for assertions.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Instant;

/// A command line that a modem read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LoggedCommand {
    /// When the line's first octet was read.
    pub at: Instant,
    /// The line, without its CR.
    pub line: String,
}

/// The last command lines of one modem.
#[derive(Default)]
pub(super) struct CommandLog(Mutex<VecDeque<LoggedCommand>>);

/// How many lines are kept, since a simulator may run for days.
const KEPT: usize = 100_000;

impl CommandLog {
    pub(super) fn push(&self, seen: LoggedCommand) {
        let mut lines = self.lines();
        if lines.len() == KEPT {
            lines.pop_front();
        }
        lines.push_back(seen);
    }

    pub(super) fn all(&self) -> Vec<LoggedCommand> {
        self.lines().iter().cloned().collect()
    }

    /// No code that runs under this lock could leave the list half changed.
    fn lines(&self) -> MutexGuard<'_, VecDeque<LoggedCommand>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
