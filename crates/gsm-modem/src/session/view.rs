//! What others can see of the modem: its snapshot, and the faults behind `last_error`.

use std::time::{Duration, Instant};

use super::fault::Fault;
use super::input::Output;
use super::known::Known;
use crate::at::Registration;
use crate::dialogue::{Dialogue, Direction};
use crate::snapshot::State;

/// How many lines are logged with a failure.
const LOGGED_LINES: usize = 20;
/// The shortest time between two such logs: a modem that fails all day must not fill the log.
const LOG_AGAIN: Duration = Duration::from_secs(300);

impl Known {
    /// Notes that something in the snapshot changed.
    pub(super) fn changed(&mut self) {
        self.view.dirty = true;
    }

    /// A fault is shown until another one occurs, or until the modem works.
    pub(super) fn set_fault(&mut self, fault: Fault, now: Instant) {
        if self.ladder.in_trouble() && self.view.cause.is_none() {
            self.view.cause = Some(fault.clone());
        }
        if self.view.fault.as_ref() != Some(&fault) {
            let sentence = fault.to_string();
            self.view.fault = Some(fault);
            self.view.snapshot.last_error = Some(sentence);
        }
        self.view.snapshot.last_error_at = Some(now);
        self.view.dirty = true;
    }

    /// The modem works again.
    pub(super) fn clear_fault(&mut self) {
        if self.view.fault.take().is_some() {
            self.view.snapshot.last_error = None;
            self.view.snapshot.last_error_at = None;
            self.view.dirty = true;
        }
    }

    /// A fault that does not stop the modem, but that a person should know about.
    pub(super) fn hint(&mut self, fault: Fault, now: Instant) {
        let modem = &self.settings.name;
        tracing::warn!(modem, "{modem}: {fault}");
        self.hint = Some(fault.clone());
        self.set_fault(fault, now);
    }

    pub(super) fn set_registration(&mut self, registration: Registration) {
        if self.view.snapshot.registration != registration {
            self.view.snapshot.registration = registration;
            self.view.dirty = true;
        }
    }

    pub(super) fn set_state(&mut self, state: State, dialogue: &mut Dialogue) {
        let state = match state {
            State::Ready if self.view.snapshot.paused => State::Paused,
            other => other,
        };
        let from = self.view.snapshot.state;
        if from == state {
            return;
        }
        let works = |state| matches!(state, State::Ready | State::Busy);
        if !(works(from) && works(state)) {
            dialogue.recorder().note(Direction::Note, format_args!("{}", word(state)));
            tracing::debug!(modem = %self.settings.name, ?from, to = ?state, "state");
            let down = |state| matches!(state, State::Absent | State::Recovering | State::Blocked);
            // A plain stop is not a failure.
            if !down(from) && down(state) && self.pending.stop.is_none() {
                self.log_record(dialogue);
            }
        }
        self.view.snapshot.state = state;
        self.view.snapshot.ready = works(state) && !self.view.snapshot.paused;
        self.view.dirty = true;
    }

    /// An operator paused or resumed the modem.
    pub(super) fn set_paused(&mut self, paused: bool, dialogue: &mut Dialogue) {
        self.view.snapshot.paused = paused;
        self.view.dirty = true;
        match self.view.snapshot.state {
            State::Paused | State::Ready => {
                self.view.snapshot.state = State::Starting;
                self.set_state(State::Ready, dialogue);
            }
            State::Busy => self.view.snapshot.ready = !paused,
            _ => {}
        }
    }

    pub(super) fn push(&mut self, output: Output) {
        self.outputs.push_back(output);
    }

    /// Logs the last lines of the port with a failure.
    fn log_record(&mut self, dialogue: &mut Dialogue) {
        let Some(now) = dialogue.recorder().now() else { return };
        if self.view.logged_at.is_some_and(|told| now.saturating_duration_since(told) < LOG_AGAIN) {
            return;
        }
        self.view.logged_at = Some(now);
        let lines: Vec<_> = dialogue.recorded(LOGGED_LINES, now).iter().map(ToString::to_string).collect();
        let (modem, lines) = (&self.settings.name, lines.join("\n  "));
        tracing::warn!(modem, "the last lines of the port of {modem}:\n  {lines}");
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
