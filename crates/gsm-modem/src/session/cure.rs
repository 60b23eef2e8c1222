//! Climbing the recovery ladder: when a modem that does not answer, finds no network or fails every send is
//! recovered, how, and what a person learns about it. Only the ladder decides which step comes next; no step
//! begins while the result of a message is outstanding.

use super::fault::Fault;
use super::input::{Closing, Output};
use super::procedure::{Activity, Cx, Next, Procedure};
use crate::at::Command;
use crate::dialogue::{Ended, Open};
use crate::ladder::{Recovery, Rung, Step};
use crate::snapshot::{Notice, State};

/// A recovery step that restarts the radio, or the device.
#[derive(Debug)]
pub(super) enum Cure {
    /// `AT+CFUN=4` is outstanding.
    RadioOff,
    /// `AT+CFUN=1` is outstanding.
    RadioOn,
    /// The family's restart command with this index is outstanding.
    Restart(usize),
}

impl Cure {
    pub(super) const fn restart() -> Self {
        Self::Restart(0)
    }

    /// The commands that restart the device: the family's own, and the standard's last.
    fn restart_command(cx: &Cx<'_>, at: usize) -> Option<Command> {
        let own = cx.known.profile.reset.iter().filter(|line| *line != "AT+CFUN=1,1");
        own.map(|line| Command::Vendor(line.clone().into())).chain([Command::Restart]).nth(at)
    }

    fn write(&mut self, cx: &mut Cx<'_>) -> Next {
        let timing = cx.known.settings.timing;
        match self {
            Self::RadioOff => cx.ask(Command::Vendor("AT+CFUN=4".into()), timing.slow_command),
            Self::RadioOn => cx.ask(Command::RadioOn, timing.slow_command),
            Self::Restart(at) => match Self::restart_command(cx, *at) {
                Some(command) => cx.ask(command, timing.command),
                None => Next::Close(Closing::Reopen),
            },
        }
    }
}

impl Procedure for Cure {
    fn activity(&self) -> Activity {
        Activity::Curing
    }

    fn begin(&mut self, cx: &mut Cx<'_>) -> Next {
        cx.known.timer = None;
        cx.known.pending.restart = false;
        cx.known.end_dialogue(&Fault::Reset);
        // Some modems ask for the PIN again.
        cx.known.pin.device_restarted();
        cx.known.set_state(State::Recovering, cx.dialogue);
        self.write(cx)
    }

    /// Refused or not, the radio is to be on in the end. When a restart by the family's own command is
    /// refused, the next command is tried.
    fn ended(&mut self, ended: Ended, cx: &mut Cx<'_>) -> Next {
        match self {
            Self::RadioOff => *self = Self::RadioOn,
            Self::RadioOn => return Next::BringUp(Open::No),
            Self::Restart(at) if ended.result.is_some() && !ended.is_ok() => *at += 1,
            Self::Restart(_) => return Next::Close(Closing::Reopen),
        }
        self.write(cx)
    }

    fn found(&mut self, cx: &mut Cx<'_>) -> Next {
        self.write(cx)
    }

    /// The restart is what was asked for.
    fn restarted_silently(&mut self, _cx: &mut Cx<'_>) -> Next {
        Next::Stay
    }
}

impl Cx<'_> {
    /// What was done so far did not help: the next rung is climbed.
    pub(super) fn cure(&mut self, fault: Fault, closed: bool) -> Next {
        self.known.ladder.notice(self.now);
        self.set_fault(fault.clone());
        let next = match self.known.ladder.climb(self.now) {
            Step::Try(Rung::Radio | Rung::Restart) if closed => Next::Close(Closing::Reopen),
            Step::Try(rung) => self.attempt(rung, fault),
            Step::Again => Next::Close(Closing::Reopen),
            Step::Rest(until) if closed => {
                // The modem rests once its port is open again.
                let seconds = (until - self.now).as_secs();
                let modem = &self.known.settings.name;
                tracing::warn!(modem, seconds, "{modem}: {fault}; it rests for {seconds} s");
                Next::Close(Closing::Reopen)
            }
            Step::Rest(until) => Next::Rest(until),
        };
        self.tell_tried();
        next
    }

    /// Climbs a rung that the ladder chose.
    pub(super) fn attempt(&mut self, rung: Rung, fault: Fault) -> Next {
        let modem = &self.known.settings.name;
        tracing::warn!(modem, rung = rung.as_str(), "{modem}: {fault}; {} follows", rung.words());
        self.set_fault(fault);
        match rung {
            Rung::Resync => Next::BringUp(Open::Perhaps),
            Rung::Reopen => Next::Close(Closing::Reopen),
            Rung::Radio => Next::then(Cure::RadioOff),
            Rung::Restart => Next::then(Cure::restart()),
            Rung::Reauthorise | Rung::PowerCycle => Next::Close(Closing::Cure(rung)),
        }
    }

    /// The modem takes orders.
    pub(super) fn well(&mut self) {
        if let Some(recovery) = self.known.ladder.ready(self.now) {
            self.tell_recovered(recovery);
        } else if self.known.ladder.is_stable(self.now)
            && self.known.view.fault.as_ref().is_some_and(|fault| !fault.is_of_room())
            && self.known.view.fault != self.known.hint
        {
            self.known.clear_fault();
        }
    }

    pub(super) fn tell_recovered(&mut self, Recovery { rung, took }: Recovery) {
        let cause = self.known.view.cause.take().unwrap_or(Fault::Unanswered);
        let mut fault = Fault::Recovered { cause: Box::new(cause.cause()), rung, took };
        let modem = &self.known.settings.name;
        tracing::warn!(modem, rung = rung.as_str(), "{modem}: {fault}");
        if let Some(hint) = &self.known.hint {
            fault = Fault::Both { hint: Box::new(hint.clone()), before: Box::new(fault) };
        }
        self.set_fault(fault);
        self.known.push(Output::Notice(Notice::Recovered { rung, took }));
    }

    /// Reports the last fault, and after it what was tried.
    pub(super) fn tell_tried(&mut self) {
        let tried = self.known.ladder.tried();
        if let Some(fault) = self.known.view.fault.clone().filter(|_| !tried.is_empty()) {
            self.set_fault(Fault::Tried { cause: Box::new(fault.cause()), tried });
        }
    }
}
