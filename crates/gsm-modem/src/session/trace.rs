//! The trace of a port: every line, masked, to the flight recorder and, when asked for, to the log; and the last
//! lines to the log beside a modem's failure.

use std::fmt::Write as _;
use std::time::{Duration, Instant};

use tracing::Level;

use super::{Action, Output, Session};
use crate::mask;
use crate::recorder::{Direction, Recorded};
use crate::snapshot::State;

const TARGET: &str = "smsotpd::port";

/// Lines beside a failure.
const TOLD: usize = 20;
/// Not more often than this: a modem that fails all day must not fill the log.
const TELL_AGAIN: Duration = Duration::from_secs(300);

impl Session {
    /// The last lines that went over the port, the oldest first, fit to be shown to anybody.
    pub fn trace(&self, now: Instant) -> Vec<Recorded> {
        self.recorder.last(usize::MAX, now)
    }

    /// A line that was read.
    pub(super) fn trace_in(&mut self, line: &str) {
        self.recorder.line(line);
        if tracing::enabled!(target: TARGET, Level::TRACE) {
            let mut shown = String::new();
            mask::mask(line, &mut shown);
            tracing::trace!(target: TARGET, modem = %self.settings.name, "< {shown}");
        }
    }

    /// A line whose every character is somebody's.
    pub(super) fn trace_hidden(&mut self, line: &str) {
        self.recorder.hidden(line);
        if tracing::enabled!(target: TARGET, Level::TRACE) {
            tracing::trace!(target: TARGET, modem = %self.settings.name, "< [{} characters]", line.len());
        }
    }

    pub(super) fn trace_out(&mut self, action: &Action) {
        let Action::Write(output) = action else { return };
        match output {
            Output::Command(command) => self.recorder.command(command),
            output => self.recorder.note(Direction::Out, format_args!("{output}")),
        }
    }

    /// The state changes. When work stops by it, the log is told what went before.
    pub(super) fn trace_state(&mut self, to: State) {
        let from = self.snapshot.state;
        let down = |state| matches!(state, State::Absent | State::Recovering | State::Blocked);
        let busy = |state| matches!(state, State::Ready | State::Busy);
        if busy(from) && busy(to) {
            return;
        }
        self.recorder.note(Direction::Note, format_args!("{}", word(to)));
        // A plain stop is no failure.
        if !down(from) && down(to) && self.wishes.stop.is_none() {
            self.tell_trace();
        }
    }

    fn tell_trace(&mut self) {
        let Some(now) = self.recorder.now() else { return };
        if self.told.is_some_and(|told| now.saturating_duration_since(told) < TELL_AGAIN) {
            return;
        }
        self.told = Some(now);
        let mut text = String::new();
        for line in self.recorder.last(TOLD, now) {
            // Into a String nothing fails.
            let _ = write!(text, "\n  {line}");
        }
        tracing::warn!(modem = %self.settings.name, "the last lines of its port:{text}");
    }
}

const fn word(state: State) -> &'static str {
    match state {
        State::Absent => "absent",
        State::Starting => "starting",
        State::Ready => "ready",
        State::Busy => "busy",
        State::Recovering => "recovering",
        State::Paused => "paused",
        State::Blocked => "blocked",
    }
}
