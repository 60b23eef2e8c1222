//! Short tasks between messages: the keep-alive with signal and registration, and the acknowledgement of a
//! message that was handed over (3GPP TS 27.005 clause 3.4.4).

use std::collections::VecDeque;

use super::fault::Fault;
use super::known::Known;
use super::procedure::{Activity, Cx, Next, Procedure};
use crate::at::{Command, registration, signal};
use crate::dialogue::{Ended, Open};

/// How often in a row an optional question may stay unanswered before it is asked no more.
const SILENCES: usize = 2;

/// Commands that are asked one after the other, whatever the modem answers. One that stays unanswered shows a hang, unless it
/// is an optional question: such a one is dropped, and whether the modem hangs is found out by calling it.
#[derive(Debug)]
pub(super) struct Check {
    left: VecDeque<Command>,
}

impl Check {
    /// Asks whether the modem answers, how strong the signal is, and whether the modem is registered.
    pub(super) fn keep_alive(known: &Known) -> Self {
        let mut left = VecDeque::from([Command::Attention, Command::Signal]);
        left.extend(known.domain.map(Command::Registration));
        left.retain(|question| silences(&known.pending.unanswered, question) < SILENCES);
        Self { left }
    }

    /// `AT+CNMA`. A modem that expected none refuses it, which does no harm.
    pub(super) fn acknowledge() -> Self {
        Self { left: VecDeque::from([Command::Acknowledge]) }
    }
}

/// Whether a modem that works may leave this unanswered. `AT+CNMA` is written only to a modem that wants it, and the
/// registration is asked for only in a domain in which the modem gave it.
fn is_optional(command: &Command) -> bool {
    !matches!(command, Command::Attention | Command::Registration(_) | Command::Acknowledge)
}

fn silences(unanswered: &[Command], command: &Command) -> usize {
    unanswered.iter().filter(|&question| question == command).count()
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
        let in_time = ended.result.is_some();
        if !in_time && !is_optional(&ended.command) {
            cx.known.ladder.notice(cx.now);
            cx.set_fault(Fault::Unanswered);
            return Next::Idle(Open::No);
        }
        match ended.command {
            Command::Signal if ended.code().is_ok() => cx.note_signal(ended.answer()),
            Command::Registration(_) if ended.is_ok() => {
                // An answer that is not understood changes nothing.
                if let Some(registration) = registration(ended.answer()) {
                    cx.known.set_registration(registration);
                }
            }
            _ => {}
        }
        let unanswered = &mut cx.known.pending.unanswered;
        if in_time || !ended.lines.is_empty() {
            unanswered.retain(|question| *question != ended.command);
        } else {
            unanswered.push(ended.command);
        }
        if in_time { self.begin(cx) } else { Next::Resync(Open::No) }
    }

    /// The modem left a question unanswered, and answers the call.
    fn found(&mut self, cx: &mut Cx<'_>) -> Next {
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
