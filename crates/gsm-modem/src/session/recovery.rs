//! Climbing the recovery ladder: when a modem that does not answer, finds no network or fails every send is cured,
//! how, and what a person is told of it. Only the ladder decides which cure comes next; nothing here begins while the
//! result of a message is outstanding.

use std::time::Instant;

use super::bring_up::Step as SetUp;
use super::resync::{Open, Then};
use super::{Action, Closing, Outstanding, Phase, Session};
use crate::at::{Command, Registration, ResultCode};
use crate::ladder::{Rung, Step};
use crate::snapshot::{Notice, Outcome, State};

/// Errors of a device whose own software or SIM has failed (3GPP TS 27.005 clause 3.2.5); a GE865 answers 41 to every
/// message until it is begun anew. The other errors are of the network, the subscription or the message.
const OF_THE_DEVICE: [u16; 6] = [41, 210, 300, 313, 320, 500];
/// Sends that fail in a row before the device is cured; a send that is not answered at all counts twice.
const FAILED_SENDS: u8 = 5;

/// What speaks against the modem.
#[derive(Debug, Default)]
pub(super) struct Against {
    /// Sends that failed in a row.
    failed: u8,
    /// The first that was seen of the trouble it is in.
    cause: Option<String>,
}

/// The radio is being switched.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Radio {
    /// `AT+CFUN=4` is out.
    Off,
    /// `AT+CFUN=1` is out.
    On,
}

impl Session {
    /// Something may be wrong: the time until the modem is back counts from now.
    pub fn notice_trouble(&mut self, now: Instant) {
        self.ladder.notice(now);
    }

    /// The port takes no octets, or nothing can be done with the modem: the next rung, with the port closed.
    pub fn stuck(&mut self, reason: &str, now: Instant) {
        self.abandon(reason);
        self.cure(reason, now);
    }

    /// There is no port. What is to be done about it, beside looking for it again.
    pub fn missing(&mut self, now: Instant) -> Option<Rung> {
        let rung = self.ladder.away(now);
        self.tell_tried();
        rung
    }

    /// A cure that needs no port is done, or was not possible and why. What is to be done next, before the port is
    /// opened again.
    pub fn cured(&mut self, rung: Rung, done: Result<(), Option<String>>, now: Instant) -> Option<Rung> {
        match done {
            Ok(()) => {
                self.ladder.done(rung, now);
                None
            }
            Err(why) => {
                if let Some(why) = &why {
                    tracing::warn!(modem = %self.settings.name, rung = rung.as_str(), "{why}");
                }
                self.ladder.impossible(rung, why, now);
                let next = match self.ladder.climb(now) {
                    Step::Try(rung @ (Rung::Reauthorise | Rung::PowerCycle)) => Some(rung),
                    Step::Try(_) | Step::Again | Step::Rest(_) => None,
                };
                self.tell_tried();
                next
            }
        }
    }

    /// What was done so far did not help: the next rung.
    pub(super) fn cure(&mut self, reason: &str, now: Instant) {
        self.ladder.notice(now);
        self.set_fault(reason);
        match self.ladder.climb(now) {
            Step::Try(rung) => self.attempt(rung, reason, now),
            Step::Again => self.close_to_reopen(),
            Step::Rest(until) if matches!(self.phase, Phase::Closed) => {
                // It rests when its port is open again.
                tracing::warn!(modem = %self.settings.name, seconds = (until - now).as_secs(), "{reason}; it rests");
                self.close_to_reopen();
            }
            Step::Rest(until) => self.rest(until, now),
        }
        self.tell_tried();
    }

    /// After the last rung: asked now and then whether it lives, its port open, so that a new device is noticed.
    pub(super) fn rest(&mut self, until: Instant, now: Instant) {
        self.outstanding = None;
        self.phase = Phase::Resting;
        self.timer = Some(until.min(now + self.settings.timing.keep_alive));
        self.set_state(State::Recovering);
    }

    pub(super) fn rested(&mut self, now: Instant) {
        self.start_resync(Open::Perhaps, Then::BringUp(SetUp::FIRST), now);
        if self.ladder.rests_until(now).is_some() {
            self.resync_last_try();
        }
    }

    /// No network for too long: the radio, then the device, anew. Whether something was begun.
    pub(super) fn cure_deafness(&mut self, now: Instant) -> bool {
        if self.snapshot.registration == Registration::Denied {
            // That is the network's word on the SIM.
            return false;
        }
        let Some(rung) = self.ladder.deaf(now) else { return false };
        self.attempt(rung, "the modem finds no network", now);
        true
    }

    /// Whether a cure was begun for a modem that answers and fails what it is to send.
    pub(super) fn cure_failing(&mut self, now: Instant) -> bool {
        if self.against.failed < FAILED_SENDS {
            return false;
        }
        self.against.failed = 0;
        let Some(rung) = self.ladder.failing(now) else { return false };
        let last = self.snapshot.last_error.clone().unwrap_or_default();
        self.attempt(rung, &format!("the modem fails every message; the last: {last}"), now);
        true
    }

    /// What an outcome says of the device.
    pub(super) fn weigh(&mut self, outcome: &Outcome, now: Instant) {
        match outcome {
            Outcome::Accepted { .. } => {
                self.against.failed = 0;
                if let Some(recovery) = self.ladder.sent(now) {
                    self.tell_recovered(recovery.rung, recovery.took);
                }
            }
            Outcome::Rejected { error, .. } => match error.code {
                Some(code) if OF_THE_DEVICE.contains(&code) => self.count_failed(1),
                // The network's own verdict on the message: the device works.
                _ if error.condemns_the_message() => self.against.failed = 0,
                _ => {}
            },
            Outcome::Unknown { .. } | Outcome::NotStarted { .. } => {}
        }
    }

    /// A message got no answer in time.
    pub(super) fn unanswered_send(&mut self, now: Instant) {
        self.ladder.notice(now);
        self.count_failed(2);
    }

    /// The first fault of a trouble is its cause; those that follow are of its cure.
    pub(super) fn note_cause(&mut self, sentence: &str) {
        if self.ladder.in_trouble() && self.against.cause.is_none() {
            self.against.cause = Some(sentence.to_owned());
        }
    }

    fn count_failed(&mut self, weight: u8) {
        self.against.failed = self.against.failed.saturating_add(weight);
    }

    fn attempt(&mut self, rung: Rung, reason: &str, now: Instant) {
        tracing::warn!(modem = %self.settings.name, rung = rung.as_str(), "{reason}; {} follows", rung.words());
        self.set_fault(reason);
        match rung {
            Rung::Resync => self.start_resync(Open::Perhaps, Then::BringUp(SetUp::FIRST), now),
            Rung::Reopen => self.close_to_reopen(),
            // There is no port to say it to.
            Rung::Radio | Rung::Restart if matches!(self.phase, Phase::Closed) => self.close_to_reopen(),
            Rung::Radio => self.start_radio(now),
            Rung::Restart => self.start_restart(now),
            Rung::Reauthorise | Rung::PowerCycle => {
                self.fail_ussd("the modem is being reset");
                self.pin.device_began_anew();
                self.enter_closed();
                self.set_state(State::Recovering);
                self.actions.push_back(Action::Close(Closing::Cure(rung)));
            }
        }
    }

    pub(super) fn start_restart(&mut self, now: Instant) {
        self.wishes.restart = false;
        self.fail_ussd("the modem is being reset");
        self.timer = None;
        self.pin.device_began_anew();
        self.set_state(State::Recovering);
        self.phase = Phase::Restarting;
        let command = self.restart_commands().into_iter().next().unwrap_or(Command::Restart);
        self.write_command(command, self.settings.timing.command, now);
    }

    pub(super) fn close_to_reopen(&mut self) {
        self.enter_closed();
        self.set_state(State::Recovering);
        self.actions.push_back(Action::Close(Closing::Reopen));
    }

    fn start_radio(&mut self, now: Instant) {
        self.fail_ussd("the modem is being reset");
        self.timer = None;
        // Some ask for the PIN again.
        self.pin.device_began_anew();
        self.set_state(State::Recovering);
        self.phase = Phase::Radio(Radio::Off);
        self.write_command(Command::Vendor("AT+CFUN=4".into()), self.settings.timing.slow_command, now);
    }

    /// Refused or not, the radio is to be on in the end.
    pub(super) fn radio_switched(&mut self, now: Instant) {
        if matches!(self.phase, Phase::Radio(Radio::Off)) {
            self.phase = Phase::Radio(Radio::On);
            self.write_command(Command::RadioOn, self.settings.timing.slow_command, now);
        } else {
            self.start_resync(Open::No, Then::BringUp(SetUp::FIRST), now);
        }
    }

    /// The modem takes orders.
    pub(super) fn well(&mut self, now: Instant) {
        if let Some(recovery) = self.ladder.ready(now) {
            self.tell_recovered(recovery.rung, recovery.took);
        }
    }

    fn tell_recovered(&mut self, rung: Rung, took: std::time::Duration) {
        let what = self.against.cause.take().unwrap_or_else(|| String::from("the modem did not answer"));
        let mut sentence =
            format!("{what}; {} brought it back after {:.1} s", rung.words(), took.as_secs_f64());
        tracing::warn!(modem = %self.settings.name, rung = rung.as_str(), "{sentence}");
        if let Some(hint) = &self.progress.fault {
            sentence = format!("{hint}; before: {sentence}");
        }
        self.set_fault(&sentence);
        self.actions.push_back(Action::Notice(Notice::Recovered { rung, took }));
    }

    /// The last fault, and behind it what was tried.
    fn tell_tried(&mut self) {
        let tried = self.ladder.tried();
        if tried.is_empty() {
            return;
        }
        let what = self.snapshot.last_error.clone().unwrap_or_default();
        let what = what.split(TRIED).next().unwrap_or_default();
        self.set_fault(&format!("{what}{TRIED}{tried}"));
    }

    /// A restart by the family's own command that it refuses is asked for as the standard has it.
    pub(super) fn restart_finished(&mut self, outstanding: &Outstanding, code: &ResultCode, now: Instant) {
        let ways = self.restart_commands();
        let next = ways.iter().position(|way| *way == outstanding.command).and_then(|at| ways.get(at + 1));
        match next {
            Some(next) if !code.is_ok() => {
                self.write_command(next.clone(), self.settings.timing.command, now);
            }
            _ => self.close_to_reopen(),
        }
    }

    /// What begins the device anew: the family's own commands, and the standard's last.
    fn restart_commands(&self) -> Vec<Command> {
        let own = self.profile.reset.iter().filter(|line| *line != "AT+CFUN=1,1");
        let own = own.map(|line| Command::Vendor(line.clone().into()));
        own.chain([Command::Restart]).collect()
    }
}

const TRIED: &str = "; tried: ";
