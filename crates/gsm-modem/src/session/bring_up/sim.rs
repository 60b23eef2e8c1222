//! The SIM: what it asks for before it works, and its names (3GPP TS 27.007 clauses 5.6 and 8.3).
//!
//! A SIM that is absent, or fails, is asked again for a while before a person is called, since many modems
//! report that while they boot. If it lasts, the device is restarted once, at long intervals: some modems see
//! their SIM only after that.

use std::time::Duration;

use super::format::Format;
use super::script::{Answer, Run, Script, TRIES, Turn};
use crate::SimNames;
use crate::at::{Command, Failure, Pin, iccid, pin, pin_refused, unquoted};
use crate::dialogue::Open;
use crate::session::fault::Fault;
use crate::session::known::PinState;
use crate::session::procedure::{Cx, Next};
use crate::settings::Timing;

/// How often a SIM that is absent, or fails, is asked again before a person is called.
const BOOTING: u32 = 15;

/// How many answers to the questions for the SIM's names may be lost in all: a modem may hang on a command
/// that it does not know.
const SILENCES: u8 = 3;

/// The second stage.
#[derive(Debug, Default)]
pub(in crate::session) struct Sim {
    /// The SIM was absent or locked when it was first asked: whatever the modem refused then is asked again.
    was_closed: bool,
    /// The SIM's remaining tries were asked for since it was last blocked.
    pub(super) asked_tries: bool,
    /// How many questions for its names got no answer.
    silences: u8,
    /// How often no usable SIM was there, and a person was called.
    absences: u32,
    /// Its names, as they are answered now.
    pub(super) iccid: Option<String>,
    imsi: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::session) enum Step {
    Pin,
    PinTries(usize),
    LockedIccid(usize),
    /// No command: the try of the PIN is being noted.
    RememberPin,
    EnterPin,
    /// No command: the device gets its time, and is greeted again.
    Settled,
    Iccid(usize),
    Subscriber,
}

impl Script for Sim {
    type Step = Step;
    const FIRST: Step = Step::Pin;

    fn ask(&mut self, step: Step, cx: &mut Cx<'_>) -> Option<(Command, Duration)> {
        let Timing { command, slow_command, .. } = cx.known.settings.timing;
        Some(match step {
            Step::RememberPin | Step::Settled => return None,
            Step::Pin => (Command::PinState, command),
            Step::PinTries(at) => {
                (Command::Question(Self::ways_of_tries(cx).nth(at)?.command.into()), command)
            }
            Step::EnterPin => {
                // Whatever the outcome is, the PIN has been tried.
                cx.known.pin = PinState::Spent;
                (Command::EnterPin(cx.known.settings.pin.clone()?), slow_command)
            }
            Step::LockedIccid(at) | Step::Iccid(at) => {
                (Command::Iccid(cx.known.profile.iccid.get(at)?.clone().into()), command)
            }
            Step::Subscriber => (Command::Subscriber, command),
        })
    }

    fn heard(&mut self, step: Step, answer: &Answer<'_>, cx: &mut Cx<'_>) -> Turn<Step> {
        match step {
            Step::Pin => self.pin_state(answer, cx),
            Step::PinTries(at) => self.pin_tries(at, answer, cx),
            Step::LockedIccid(at) => match answer.lines.iter().find_map(|line| iccid(line)) {
                Some(number) => {
                    self.iccid = Some(number);
                    Turn::Go(Step::RememberPin)
                }
                // The PIN is noted under this name too, once the name is known.
                None if self.may_know_later(answer) => Turn::Again,
                None => Turn::Go(Step::LockedIccid(at + 1)),
            },
            Step::EnterPin => self.pin_entered(answer, cx),
            Step::Iccid(at) => match answer.lines.iter().find_map(|line| iccid(line)) {
                Some(number) => {
                    self.iccid = Some(number);
                    Turn::Go(Step::Subscriber)
                }
                None if self.may_know_later(answer) => Turn::Again,
                None => Turn::Go(Step::Iccid(at + 1)),
            },
            Step::Subscriber => {
                let mut digits = answer.lines.iter().map(|line| unquoted(line));
                let sound = |l: &&str| (6..=15).contains(&l.len()) && l.bytes().all(|b| b.is_ascii_digit());
                self.imsi = digits.rfind(sound).map(str::to_owned);
                if self.imsi.is_none() && self.may_know_later(answer) {
                    return Turn::Again;
                }
                self.names_are_known(cx);
                Turn::End(Next::then(Run::new(Format::default())))
            }
            Step::RememberPin | Step::Settled => Turn::Hold,
        }
    }

    fn pin_noted(&mut self, step: Step, noted: Result<bool, String>, cx: &mut Cx<'_>) -> Turn<Step> {
        if step != Step::RememberPin {
            return Turn::Hold;
        }
        match noted {
            Ok(true) => Turn::Go(Step::EnterPin),
            Ok(false) => {
                cx.known.pin = PinState::Spent;
                self.pin_spent(cx)
            }
            Err(why) => self.blocked(Fault::PinUnnoted(why)),
        }
    }

    fn skipped(&mut self, step: Step, cx: &mut Cx<'_>) -> Turn<Step> {
        match step {
            Step::LockedIccid(_) => Turn::Go(Step::RememberPin),
            Step::RememberPin => self.remember_pin(cx),
            Step::Settled => Turn::End(Next::BringUp(Open::No)),
            Step::Iccid(_) => Turn::Go(Step::Subscriber),
            _ => Turn::Go(Step::Pin),
        }
    }
}

impl Sim {
    fn pin_state(&mut self, answer: &Answer<'_>, cx: &mut Cx<'_>) -> Turn<Step> {
        let state =
            if answer.lines.is_empty() { pin_refused(&answer.code) } else { Some(pin(answer.body())) };
        self.was_closed |= matches!(state, Some(Pin::SimPin | Pin::SimPuk | Pin::Device | Pin::Absent));
        match state {
            Some(Pin::SimPin) if !self.asked_tries => {
                self.asked_tries = true;
                Turn::Go(Step::PinTries(0))
            }
            Some(Pin::SimPin) => self.pin_wanted(answer.tries, cx),
            Some(Pin::SimPuk) => self.blocked(Fault::Puk),
            Some(Pin::Device) => self.blocked(Fault::DeviceLocked),
            // An answer that is not understood does not come from a SIM that works.
            Some(Pin::Absent | Pin::Other) => self.absent(answer, cx),
            None if Failure::is_busy(&answer.code) => {
                if answer.tries >= TRIES {
                    cx.set_fault(Fault::SimBusy);
                }
                Turn::Again
            }
            Some(Pin::Ready | Pin::Second) | None => {
                cx.known.view.snapshot.pin_tries = None;
                // The accepted PIN was right: a SIM that asks for it later has lost it.
                cx.known.pin.device_restarted();
                if self.was_closed {
                    return Turn::End(Next::BringUp(Open::No));
                }
                Turn::Go(Step::Iccid(0))
            }
        }
    }

    /// The SIM is absent, or fails: many modems report that for seconds while they boot, and some until the
    /// device is restarted.
    fn absent(&mut self, answer: &Answer<'_>, cx: &mut Cx<'_>) -> Turn<Step> {
        if answer.tries < BOOTING && self.absences == 0 {
            return Turn::Again;
        }
        self.absences += 1;
        if self.absences > 1
            && let Some(rung) = cx.known.ladder.without_sim(cx.now)
        {
            return Turn::End(cx.attempt(rung, Fault::NoSim));
        }
        self.blocked(Fault::NoSim)
    }

    pub(super) fn blocked(&mut self, fault: Fault) -> Turn<Step> {
        self.asked_tries = false;
        Turn::Blocked(fault, Step::Pin)
    }

    /// Whether it is worth asking the SIM again for one of its names: it is busy, or the answer was lost.
    fn may_know_later(&mut self, answer: &Answer<'_>) -> bool {
        if answer.silent {
            self.silences = self.silences.saturating_add(1);
            return self.silences <= SILENCES;
        }
        answer.is_busy()
    }

    /// Both names were asked for. A name that the SIM does not give now is unknown, since it may be another SIM.
    fn names_are_known(&mut self, cx: &mut Cx<'_>) {
        let sim = SimNames::new(self.iccid.clone(), self.imsi.take());
        cx.known.view.snapshot.sim = sim.clone();
        cx.known.changed();
        cx.known.sim_is_known(sim);
    }
}
