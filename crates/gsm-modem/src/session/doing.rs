//! What a session does at a moment: one procedure, which owns its state and is thrown away whole.

use std::time::Instant;

use super::bring_up::BringUp;
use super::check::Check;
use super::cure::Cure;
use super::fault::Fault;
use super::idle::{Closed, Idle, Resting};
use super::input::Closing;
use super::known::{Cx, Known};
use super::read::Read;
use super::send::Send;
use super::ussd::Ussd;
use crate::dialogue::{Ended, Open, Outstanding};

/// The procedure under way.
#[derive(Debug)]
pub(super) enum Doing {
    /// There is no port.
    Closed(Closed),
    /// The modem is brought up.
    BringUp(BringUp),
    /// It waits for work.
    Idle(Idle),
    /// A message is sent.
    Sending(Send),
    /// A storage is read or emptied.
    Reading(Read),
    /// The network is asked.
    Ussd(Ussd),
    /// The modem is asked whether it lives, or told that a message was taken.
    Checking(Check),
    /// The radio or the device begins anew.
    Curing(Cure),
    /// Nothing helped: it is left alone for a while.
    Resting(Resting),
}

impl Doing {
    pub(super) const CLOSED: Self = Self::Closed(Closed);
    pub(super) const IDLE: Self = Self::Idle(Idle);

    pub(super) fn bring_up() -> Self {
        Self::BringUp(BringUp::first())
    }

    pub(super) fn procedure(&mut self) -> &mut dyn Procedure {
        match self {
            Self::Closed(procedure) => procedure,
            Self::BringUp(procedure) => procedure,
            Self::Idle(procedure) => procedure,
            Self::Sending(procedure) => procedure,
            Self::Reading(procedure) => procedure,
            Self::Ussd(procedure) => procedure,
            Self::Checking(procedure) => procedure,
            Self::Curing(procedure) => procedure,
            Self::Resting(procedure) => procedure,
        }
    }
}

/// What follows when a procedure has heard something.
#[derive(Debug)]
pub(super) enum Next {
    /// It goes on: it waits for the end of a command, for its timer or for somebody.
    Stay,
    /// It is done.
    Done,
    /// It is done, and this follows.
    Then(Doing),
    /// It goes on when the dialogue was found again.
    Resync(Open),
    /// It is done, and this follows when the dialogue was found again.
    Find(Open, Doing),
    /// It is done, and the modem is brought up anew.
    Anew,
    /// It is done, since the modem is of no use as it is: the next rung of the ladder.
    Cure(Fault),
    /// It is done, and the port is closed.
    Close(Closing),
}

/// One procedure. Each call is for one thing that was heard, and says what follows. Whoever asks a command in a call
/// hears of its end by [`Procedure::ended`], unless the procedure is abandoned before.
pub(super) trait Procedure {
    /// It begins. Nothing is outstanding.
    fn begin(&mut self, cx: &mut Cx<'_>) -> Next;

    /// Whether a line is the procedure's own before it is classified: somebody's text, or part of one.
    fn claims(
        &mut self,
        _line: &str,
        _outstanding: Option<&Outstanding>,
        _known: &mut Known,
        _now: Instant,
    ) -> bool {
        false
    }

    /// A line was claimed.
    fn claimed(&mut self, _cx: &mut Cx<'_>) -> Next {
        Next::Stay
    }

    /// An information line of its command.
    fn answer(&mut self, _body: &str, _cx: &mut Cx<'_>) -> Next {
        Next::Stay
    }

    /// Its command ended, or got no answer in time.
    fn ended(&mut self, ended: Ended, cx: &mut Cx<'_>) -> Next;

    /// The prompt of its command.
    fn prompt(&mut self, _cx: &mut Cx<'_>) -> Next {
        Next::Stay
    }

    /// Its timer.
    fn timer(&mut self, _cx: &mut Cx<'_>) -> Next {
        Next::Stay
    }

    /// A part of the modem became ready, or something that waits for an idle session came.
    fn roused(&mut self, _cx: &mut Cx<'_>) -> Next {
        Next::Stay
    }

    /// The dialogue was found again.
    fn found(&mut self, _cx: &mut Cx<'_>) -> Next {
        Next::Done
    }

    /// The modem began anew without a word: no setting can be relied upon.
    fn began_anew(&mut self, cx: &mut Cx<'_>) -> Next {
        cx.known.wishes.bring_up = true;
        Next::Stay
    }

    /// It is thrown away. Whoever waits for its end is told.
    fn abandon(&mut self, _why: &Fault, _cx: &mut Cx<'_>) {}
}
