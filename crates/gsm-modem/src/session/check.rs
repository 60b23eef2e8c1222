//! Small errands between messages: the keep-alive with signal and registration, and the acknowledgement of a
//! report (3GPP TS 27.005 clause 3.4.4).

use std::collections::VecDeque;
use std::time::Instant;

use super::{Outstanding, Phase, Session};
use crate::at::{Command, Domain, ResultCode, registration, signal};

#[derive(Debug)]
pub(super) struct Check {
    left: VecDeque<Command>,
}

impl Check {
    /// Is it there, how well does it hear, has the network got it?
    pub(super) fn keep_alive(domain: Option<Domain>) -> Self {
        let mut left = VecDeque::from([Command::Attention, Command::Signal]);
        left.extend(domain.map(Command::Registration));
        Self { left }
    }

    /// `AT+CNMA`; a modem that expected none says so, and no harm is done.
    pub(super) fn acknowledge() -> Self {
        Self { left: VecDeque::from([Command::Acknowledge]) }
    }
}

impl Session {
    pub(super) fn start_check(&mut self, check: Check, now: Instant) {
        self.timer = None;
        self.phase = Phase::Checking(check);
        self.next_check(now);
    }

    fn next_check(&mut self, now: Instant) {
        let Phase::Checking(check) = &mut self.phase else { return };
        match check.left.pop_front() {
            Some(command) => self.write_command(command, self.settings.timing.command, now),
            None => self.become_idle(now),
        }
    }

    pub(super) fn check_finished(&mut self, outstanding: &Outstanding, code: &ResultCode, now: Instant) {
        if code.is_ok() {
            self.note(outstanding);
        }
        self.next_check(now);
    }

    /// Keeps what an answer says of signal and registration.
    pub(super) fn note(&mut self, outstanding: &Outstanding) {
        let Some(body) = outstanding.answer.last() else { return };
        match &outstanding.command {
            Command::Signal => {
                let dbm = signal(body);
                self.dirty |= self.snapshot.signal_dbm != dbm;
                self.snapshot.signal_dbm = dbm;
            }
            Command::Registration(_) => {
                if let Some(registration) = registration(body) {
                    self.set_registration(registration);
                }
            }
            _ => {}
        }
    }
}
