//! What is known of the modem, for those who look on: its snapshot, and the faults behind `last_error`.

use std::time::{Duration, Instant};

use super::fault::Fault;
use super::input::Output;
use super::known::Known;
use crate::at::Registration;
use crate::dialogue::{Dialogue, Direction};
use crate::snapshot::State;

/// Lines beside a failure.
const TOLD: usize = 20;
/// Not more often than this: a modem that fails all day must not fill the log.
const TELL_AGAIN: Duration = Duration::from_secs(300);

impl Known {
    /// Something in the snapshot changed.
    pub(super) fn changed(&mut self) {
        self.seen.dirty = true;
    }

    /// A fault is told until another one is, or until things are well.
    pub(super) fn set_fault(&mut self, fault: Fault, now: Instant) {
        if self.ladder.in_trouble() && self.seen.cause.is_none() {
            self.seen.cause = Some(fault.clone());
        }
        if self.seen.fault.as_ref() != Some(&fault) {
            let sentence = fault.to_string();
            self.seen.fault = Some(fault);
            self.seen.snapshot.last_error = Some(sentence);
        }
        self.seen.snapshot.last_error_at = Some(now);
        self.seen.dirty = true;
    }

    /// Nothing is wrong any more.
    pub(super) fn clear_fault(&mut self) {
        if self.seen.fault.take().is_some() {
            self.seen.snapshot.last_error = None;
            self.seen.snapshot.last_error_at = None;
            self.seen.dirty = true;
        }
    }

    /// A fault that does not stop the modem but that a person should know of.
    pub(super) fn hint(&mut self, fault: Fault, now: Instant) {
        tracing::warn!(modem = %self.settings.name, "{fault}");
        self.hint = Some(fault.clone());
        self.set_fault(fault, now);
    }

    pub(super) fn set_registration(&mut self, registration: Registration) {
        if self.seen.snapshot.registration != registration {
            self.seen.snapshot.registration = registration;
            self.seen.dirty = true;
        }
    }

    pub(super) fn set_state(&mut self, state: State, dialogue: &mut Dialogue) {
        let state = match state {
            State::Ready if self.seen.snapshot.paused => State::Paused,
            other => other,
        };
        let from = self.seen.snapshot.state;
        if from == state {
            return;
        }
        let works = |state| matches!(state, State::Ready | State::Busy);
        if !(works(from) && works(state)) {
            dialogue.recorder().note(Direction::Note, format_args!("{}", word(state)));
            tracing::debug!(modem = %self.settings.name, ?from, to = ?state, "state");
            let down = |state| matches!(state, State::Absent | State::Recovering | State::Blocked);
            // A plain stop is no failure.
            if !down(from) && down(state) && self.wishes.stop.is_none() {
                self.tell_record(dialogue);
            }
        }
        self.seen.snapshot.state = state;
        self.seen.snapshot.ready = works(state) && !self.seen.snapshot.paused;
        self.seen.dirty = true;
    }

    /// An operator paused or resumed it.
    pub(super) fn set_paused(&mut self, paused: bool, dialogue: &mut Dialogue) {
        self.seen.snapshot.paused = paused;
        self.seen.dirty = true;
        match self.seen.snapshot.state {
            State::Paused | State::Ready => {
                self.seen.snapshot.state = State::Starting;
                self.set_state(State::Ready, dialogue);
            }
            State::Busy => self.seen.snapshot.ready = !paused,
            _ => {}
        }
    }

    pub(super) fn push(&mut self, output: Output) {
        self.outputs.push_back(output);
    }

    /// The last lines of the port go to the log beside a failure.
    fn tell_record(&mut self, dialogue: &mut Dialogue) {
        let Some(now) = dialogue.recorder().now() else { return };
        if self.seen.told.is_some_and(|told| now.saturating_duration_since(told) < TELL_AGAIN) {
            return;
        }
        self.seen.told = Some(now);
        let lines: Vec<_> = dialogue.recorded(TOLD, now).iter().map(ToString::to_string).collect();
        tracing::warn!(modem = %self.settings.name, "the last lines of its port:\n  {}", lines.join("\n  "));
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
