//! How the commands of one stage are asked one after the other: tries and waits, a SIM that is busy, a
//! command that gets no answer, a wait that an event ends.

use std::fmt::Debug;
use std::time::Duration;

use crate::at::{Command, Domain, Registration, ResultCode};
use crate::dialogue::{Ended, Open};
use crate::profiles::Quirk;
use crate::session::fault::Fault;
use crate::session::procedure::{Activity, Cx, Next, Procedure};
use crate::snapshot::State;

/// How often a setting is tried without which nothing can be sent (modems refuse it until their SIM is ready).
pub(super) const TRIES: u32 = 10;

/// The commands of one stage.
pub(in crate::session) trait Script: Debug + Send {
    /// One command for each step.
    type Step: Copy + PartialEq + Debug + Send;

    /// The first step.
    const FIRST: Self::Step;

    /// The command of a step and how long it may take; `None` skips the step.
    fn ask(&mut self, step: Self::Step, cx: &mut Cx<'_>) -> Option<(Command, Duration)>;

    /// What follows from the answer.
    fn heard(&mut self, step: Self::Step, answer: &Answer<'_>, cx: &mut Cx<'_>) -> Turn<Self::Step>;

    /// What follows a step that was skipped.
    fn skipped(&mut self, step: Self::Step, cx: &mut Cx<'_>) -> Turn<Self::Step>;

    /// See [`Procedure::pin_noted`].
    fn pin_noted(
        &mut self,
        _step: Self::Step,
        _noted: Result<bool, String>,
        _cx: &mut Cx<'_>,
    ) -> Turn<Self::Step> {
        Turn::Hold
    }

    /// See [`Procedure::registration_said`].
    fn registration_said(&mut self, _domain: Domain, _registration: Registration) {}

    /// See [`Procedure::echoed`].
    fn echoed(&mut self) -> bool {
        false
    }
}

/// The answer to a step's command.
pub(in crate::session) struct Answer<'a> {
    pub(super) lines: &'a [String],
    pub(super) code: ResultCode,
    /// Which try it was, counted from 0.
    pub(super) tries: u32,
    /// The modem did not answer at all.
    pub(super) silent: bool,
}

impl Answer<'_> {
    pub(super) fn body(&self) -> &str {
        self.lines.last().map_or("", String::as_str)
    }

    pub(super) fn is_ok(&self) -> bool {
        self.code.is_ok()
    }

    /// Whether the SIM is only not ready yet, and worth another try.
    pub(super) fn is_busy(&self) -> bool {
        crate::at::Failure::is_busy(&self.code) && self.tries < TRIES
    }

    /// Why the command was refused, for a person.
    pub(super) fn why(&self, cx: &Cx<'_>) -> String {
        if self.silent {
            return "the modem did not answer".to_owned();
        }
        cx.known.profile.failure(&self.code).sentence
    }
}

/// What an answer leads to.
pub(in crate::session) enum Turn<S> {
    /// The next step.
    Go(S),
    /// Another step, whose tries are counted on.
    Aside(S),
    /// The same step again, after a while.
    Again,
    /// A step, with the tries counted on, after this wait.
    After(Duration, S),
    /// A step after this wait, which the device needs.
    Later(S, Duration),
    /// A person is needed. This step is repeated from time to time.
    Blocked(Fault, S),
    /// The stage waits for an event that continues it.
    Hold,
    /// The stage is over.
    End(Next),
}

/// A stage in progress.
#[derive(Debug)]
pub(in crate::session) struct Run<S: Script> {
    script: S,
    step: S::Step,
    tries: u32,
}

impl<S: Script> Run<S> {
    pub(super) fn new(script: S) -> Self {
        Self { script, step: S::FIRST, tries: 0 }
    }

    /// The stage from `step` on.
    pub(super) fn at(script: S, step: S::Step) -> Self {
        Self { script, step, tries: 0 }
    }

    fn write(&mut self, cx: &mut Cx<'_>) -> Next {
        if let Some((command, limit)) = self.script.ask(self.step, cx) {
            return cx.ask(command, limit);
        }
        let turn = self.script.skipped(self.step, cx);
        self.take(turn, cx)
    }

    pub(super) fn take(&mut self, turn: Turn<S::Step>, cx: &mut Cx<'_>) -> Next {
        match turn {
            Turn::Go(step) => {
                (self.step, self.tries) = (step, 0);
                if cx.known.view.snapshot.state == State::Blocked {
                    cx.known.set_state(State::Starting, cx.dialogue);
                }
                self.write(cx)
            }
            Turn::Aside(step) => {
                self.step = step;
                self.write(cx)
            }
            Turn::Again => {
                self.tries += 1;
                cx.wake_in(cx.known.settings.timing.busy_retry)
            }
            Turn::After(wait, step) => {
                self.step = step;
                self.tries += 1;
                cx.wake_in(wait)
            }
            Turn::Later(step, wait) => {
                (self.step, self.tries) = (step, 0);
                cx.wake_in(wait)
            }
            Turn::Blocked(fault, step) => {
                self.step = step;
                self.tries = 0;
                let modem = &cx.known.settings.name;
                tracing::warn!(modem, "{modem}: {fault}");
                cx.set_fault(fault);
                cx.known.set_state(State::Blocked, cx.dialogue);
                cx.wake_in(cx.known.settings.timing.blocked_retry)
            }
            Turn::Hold => Next::Stay,
            Turn::End(next) => next,
        }
    }

    /// A command had no final result: some modems leave out the OK after an answer (Wavecom's `AT+CPIN?`),
    /// some hang on a command that they do not know. The dialogue is resynchronised and the work goes on.
    fn unanswered(&mut self, turn: Turn<S::Step>, cx: &mut Cx<'_>) -> Next {
        match turn {
            Turn::Go(step) | Turn::Later(step, _) => (self.step, self.tries) = (step, 0),
            Turn::Aside(step) => self.step = step,
            Turn::Again if self.tries < TRIES => self.tries += 1,
            Turn::After(_, step) if self.tries < TRIES => (self.step, self.tries) = (step, self.tries + 1),
            Turn::End(Next::Done) => return Next::Idle(Open::Perhaps),
            Turn::End(Next::Then(next)) => return Next::Find(Open::Perhaps, next),
            other => return self.take(other, cx),
        }
        Next::Resync(Open::Perhaps)
    }
}

impl<S: Script> Procedure for Run<S> {
    fn activity(&self) -> Activity {
        Activity::BringUp
    }

    fn begin(&mut self, cx: &mut Cx<'_>) -> Next {
        // The timer of the keep-alive would repeat a step whose answer is outstanding.
        cx.known.timer = None;
        self.write(cx)
    }

    fn answer(&mut self, _body: &str, cx: &mut Cx<'_>) -> Next {
        let pin = cx.dialogue.outstanding().is_some_and(|o| o.command == Command::PinState);
        if pin && cx.known.profile.has(Quirk::PinWithoutOk) {
            // An OK that comes after all must not end the next command.
            cx.dialogue.set_deadline(cx.now + cx.known.settings.timing.dialogue.quiet);
        }
        Next::Stay
    }

    fn ended(&mut self, ended: Ended, cx: &mut Cx<'_>) -> Next {
        let silent = ended.result.is_none() && ended.lines.is_empty();
        let answer = Answer { lines: &ended.lines, code: ended.code(), tries: self.tries, silent };
        let turn = self.script.heard(self.step, &answer, cx);
        if ended.result.is_some() { self.take(turn, cx) } else { self.unanswered(turn, cx) }
    }

    fn timer(&mut self, cx: &mut Cx<'_>) -> Next {
        self.write(cx)
    }

    /// Ends a wait now.
    fn wake(&mut self, cx: &mut Cx<'_>) -> Next {
        if cx.dialogue.outstanding().is_none() && !cx.dialogue.is_lost() && cx.known.timer.take().is_some() {
            return self.write(cx);
        }
        Next::Stay
    }

    fn found(&mut self, cx: &mut Cx<'_>) -> Next {
        self.write(cx)
    }

    fn echoed(&mut self) -> bool {
        self.script.echoed()
    }

    fn restarted_silently(&mut self, _cx: &mut Cx<'_>) -> Next {
        Next::BringUp(Open::Perhaps)
    }

    fn registration_said(&mut self, domain: Domain, registration: Registration) {
        self.script.registration_said(domain, registration);
    }

    fn pin_noted(&mut self, noted: Result<bool, String>, cx: &mut Cx<'_>) -> Next {
        let turn = self.script.pin_noted(self.step, noted, cx);
        self.take(turn, cx)
    }
}
