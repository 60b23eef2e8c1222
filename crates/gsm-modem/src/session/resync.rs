//! Finding the dialogue again (design: after a time-out, before any new command): ESC if a prompt was open, then
//! `AT` until it is answered and the line is quiet. What arrives meanwhile is late: counted, never an answer to
//! what follows.

use std::time::Instant;

use super::bring_up::Step;
use super::{Action, Output, Outstanding, Phase, Session};
use crate::at::{Command, ResultCode};
use crate::snapshot::State;

/// Lines that keep the line from being quiet, before it is taken for quiet all the same.
const DISTURBANCES: u8 = 50;
/// The unanswered `AT` after which results are asked for in case they are switched off.
const ASK_FOR_RESULTS: u8 = 4;

#[derive(Debug)]
pub(super) struct Resync {
    stage: Place,
    tries: u8,
    disturbances: u8,
    then: Then,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    /// After ESC: whatever answers it is let pass.
    Settling,
    /// `AT` is out.
    Asked,
    /// It was answered; nothing may come for a while.
    Quiet,
}

/// What the dialogue is wanted for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Then {
    /// Go on bringing the modem up with this step.
    BringUp(Step),
    /// Work.
    Idle,
}

/// Whether the modem may stand in a prompt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Open {
    /// It may.
    Perhaps,
    /// It was told a whole message, or never asked for one. ESC could abort what it still sends.
    No,
}

impl Session {
    pub(super) fn start_resync(&mut self, prompt: Open, then: Then, now: Instant) {
        // While a modem is brought up its state stays what it was: starting or blocked.
        if then == Then::Idle {
            self.set_state(State::Recovering);
        }
        // The first dialogue of a port is not found again.
        if !matches!(self.phase, Phase::Closed) {
            self.snapshot.counters.resyncs += 1;
        }
        self.dirty = true;
        self.outstanding = None;
        self.following = None;
        self.framer.clear();
        self.phase = Phase::Resync(Resync { stage: Place::Settling, tries: 0, disturbances: 0, then });
        match prompt {
            Open::Perhaps => self.escape(now),
            Open::No => self.ask(now),
        }
    }

    /// A restart was seen: whatever the dialogue was wanted for, the modem is brought up.
    pub(super) fn resync_for_bring_up(&mut self) {
        if let Phase::Resync(resync) = &mut self.phase {
            resync.then = Then::BringUp(Step::FIRST);
        }
    }

    pub(super) fn resync_finished(&mut self, outstanding: Outstanding, code: &ResultCode, now: Instant) {
        if code.is_ok() {
            self.heard(now);
        } else {
            self.outstanding = Some(outstanding);
            self.late_line(now);
        }
    }

    pub(super) fn resync_timed_out(&mut self, now: Instant) {
        let tries = self.settings.timing.attention_tries;
        let Phase::Resync(resync) = &mut self.phase else { return };
        resync.tries += 1;
        if resync.tries >= tries {
            let fault = format!(
                "nothing answers AT on {} at {} baud: wrong port of the modem, wrong baud, or the modem hangs; if it \
                 stays so, unplug it",
                self.snapshot.port, self.settings.baud
            );
            self.cure(&fault, now);
            return;
        }
        self.escape(now);
    }

    pub(super) fn resync_timer(&mut self, now: Instant) {
        let Phase::Resync(resync) = &self.phase else { return };
        match resync.stage {
            Place::Settling => self.ask(now),
            Place::Asked => {}
            Place::Quiet if self.framer.holds_prompt() => self.escape(now),
            Place::Quiet => match resync.then {
                Then::BringUp(step) => self.resume_bring_up(step, now),
                Then::Idle => self.become_idle(now),
            },
        }
    }

    /// One question, no more.
    pub(super) fn resync_last_try(&mut self) {
        if let Phase::Resync(resync) = &mut self.phase {
            resync.tries = self.settings.timing.attention_tries.saturating_sub(1);
        }
    }

    /// A line came that belongs to nothing: while the line should be quiet, the wait begins anew.
    pub(super) fn resync_disturbed(&mut self, now: Instant) {
        let quiet = self.settings.timing.quiet;
        let Phase::Resync(resync) = &mut self.phase else { return };
        if resync.stage != Place::Asked && resync.disturbances < DISTURBANCES {
            resync.disturbances += 1;
            let until = now + quiet;
            self.timer = Some(self.timer.map_or(until, |timer| timer.max(until)));
        }
    }

    /// `0` and `4` are results of a modem that was left with `ATV0` (V.250 6.2.6).
    pub(super) fn numeric_result(&mut self, line: &str, now: Instant) -> bool {
        let asked = matches!(&self.phase, Phase::Resync(resync) if resync.stage == Place::Asked);
        if asked && line == "0" {
            self.outstanding = None;
            self.heard(now);
            return true;
        }
        false
    }

    fn heard(&mut self, now: Instant) {
        let timing = self.settings.timing;
        let Phase::Resync(resync) = &mut self.phase else { return };
        resync.stage = Place::Quiet;
        // With more than one AT out, the answer may have been to an earlier one.
        let quiet = if resync.tries > 0 { timing.attention.max(timing.quiet) } else { timing.quiet };
        self.timer = Some(now + quiet);
    }

    fn escape(&mut self, now: Instant) {
        self.framer.clear();
        self.actions.push_back(Action::Write(Output::Escape));
        let quiet = self.settings.timing.quiet;
        if let Phase::Resync(resync) = &mut self.phase {
            resync.stage = Place::Settling;
        }
        self.timer = Some(now + quiet);
    }

    fn ask(&mut self, now: Instant) {
        let Phase::Resync(resync) = &mut self.phase else { return };
        resync.stage = Place::Asked;
        let command = match resync.tries {
            ASK_FOR_RESULTS => Command::Vendor("ATQ0V1".into()),
            _ => Command::Attention,
        };
        self.timer = None;
        self.write_command(command, self.settings.timing.attention, now);
    }
}
