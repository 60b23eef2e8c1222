//! Short tasks between messages: the keep-alive with signal and registration, and the acknowledgement of a
//! message that was handed over (3GPP TS 27.005 clause 3.4.4).

use std::collections::VecDeque;

use super::fault::Fault;
use super::procedure::{Activity, Cx, Next, Procedure};
use crate::at::{Command, Domain, registration, signal};
use crate::dialogue::{Ended, Open};

/// Commands that are asked one after the other, whatever the modem answers.
#[derive(Debug)]
pub(super) struct Check {
    left: VecDeque<Command>,
}

impl Check {
    /// Asks whether the modem answers, how strong the signal is, and whether the modem is registered.
    pub(super) fn keep_alive(domain: Option<Domain>) -> Self {
        let mut left = VecDeque::from([Command::Attention, Command::Signal]);
        left.extend(domain.map(Command::Registration));
        Self { left }
    }

    /// `AT+CNMA`. A modem that expected none refuses it, which does no harm.
    pub(super) fn acknowledge() -> Self {
        Self { left: VecDeque::from([Command::Acknowledge]) }
    }
}

impl Procedure for Check {
    fn activity(&self) -> Activity {
        Activity::Checking
    }

    fn begin(&mut self, cx: &mut Cx<'_>) -> Next {
        cx.known.timer = None;
        match self.left.pop_front() {
            Some(command) => cx.ask(command, cx.known.settings.timing.command),
            None => Next::Done,
        }
    }

    fn ended(&mut self, ended: Ended, cx: &mut Cx<'_>) -> Next {
        if ended.result.is_none() {
            cx.known.ladder.notice(cx.now);
            cx.set_fault(Fault::Unanswered);
            return Next::Idle(Open::No);
        }
        match ended.command {
            Command::Signal if ended.is_ok() => cx.note_signal(ended.answer()),
            Command::Registration(_) if ended.is_ok() => {
                // An answer that is not understood changes nothing.
                if let Some(registration) = registration(ended.answer()) {
                    cx.known.set_registration(registration);
                }
            }
            _ => {}
        }
        self.begin(cx)
    }
}

impl Cx<'_> {
    /// Takes what `+CSQ:` says.
    pub(super) fn note_signal(&mut self, body: &str) {
        let dbm = signal(body);
        let snapshot = &mut self.known.view.snapshot;
        if snapshot.signal_dbm != dbm {
            snapshot.signal_dbm = dbm;
            self.known.changed();
        }
    }
}
