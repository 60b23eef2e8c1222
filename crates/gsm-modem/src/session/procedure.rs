//! What a session does at a moment: one procedure, which owns its state and is thrown away whole; what it works with, and
//! what follows when it has heard something.

use std::fmt::Debug;
use std::time::{Duration, Instant};

use super::fault::Fault;
use super::input::Closing;
use super::known::Known;
use crate::at::{Command, Domain, LineEnd, Registration, ResultCode};
use crate::dialogue::{Dialogue, Ended, Open, Outstanding};

/// What sort of procedure is under way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Activity {
    /// There is no port.
    Closed,
    /// The modem is brought up.
    BringUp,
    /// It waits for work.
    Idle,
    /// A message is sent.
    Sending,
    /// A storage is read or emptied.
    Reading,
    /// The network is asked.
    Ussd,
    /// The modem is asked whether it lives, or told that a message was taken.
    Checking,
    /// The radio or the device begins anew.
    Curing,
    /// Nothing helped: the modem is left alone for a while.
    Resting,
}

/// What follows when a procedure has heard something.
#[derive(Debug)]
pub(super) enum Next {
    /// It goes on: it waits for the end of a command, for its timer or for somebody.
    Stay,
    /// It is done.
    Done,
    /// It is done, and this follows.
    Then(Box<dyn Procedure>),
    /// It goes on when the dialogue was found again.
    Resync(Open),
    /// It is done, and the session is idle when the dialogue was found again.
    Idle(Open),
    /// It is done, and this follows when the dialogue was found again.
    Find(Open, Box<dyn Procedure>),
    /// It is done, and the modem is brought up anew.
    Anew(Open),
    /// It is done, since the modem is of no use as it is: the next rung of the ladder.
    Cure(Fault),
    /// It is done, and the modem is left alone until then.
    Rest(Instant),
    /// It is done, and the port is closed.
    Close(Closing),
}

impl Next {
    /// The procedure is done, and `next` follows.
    pub(super) fn then(next: impl Procedure + 'static) -> Self {
        Self::Then(Box::new(next))
    }
}

/// One procedure. Each call is for one thing that was heard, and says what follows. Whoever asks a command in a call
/// hears of its end by [`Procedure::ended`], unless the procedure is abandoned before.
pub(super) trait Procedure: Debug + Send {
    /// What sort it is.
    fn activity(&self) -> Activity;

    /// It begins. Nothing is outstanding.
    fn begin(&mut self, cx: &mut Cx<'_>) -> Next;

    /// Its command ended, or got no answer in time.
    fn ended(&mut self, ended: Ended, cx: &mut Cx<'_>) -> Next;

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

    /// The prompt of its command.
    fn prompt(&mut self, _cx: &mut Cx<'_>) -> Next {
        Next::Stay
    }

    /// Its timer.
    fn timer(&mut self, _cx: &mut Cx<'_>) -> Next {
        Next::Stay
    }

    /// A part of the modem became ready, or something that waits for an idle session came.
    fn wake(&mut self, _cx: &mut Cx<'_>) -> Next {
        Next::Stay
    }

    /// The dialogue was found again.
    fn found(&mut self, _cx: &mut Cx<'_>) -> Next {
        Next::Done
    }

    /// A command came back. Whether that is as it should be.
    fn echoed(&mut self) -> bool {
        false
    }

    /// A final result came that belongs to no command.
    fn late(&mut self, _code: &ResultCode, _cx: &mut Cx<'_>) -> Next {
        Next::Stay
    }

    /// `+CMGS: n` came while no command awaits it.
    fn late_reference(&mut self, body: &str, cx: &mut Cx<'_>) -> Next {
        cx.late_reference(body);
        Next::Stay
    }

    /// The modem began anew without a word: no setting can be relied upon.
    fn began_anew(&mut self, cx: &mut Cx<'_>) -> Next {
        cx.known.pending.bring_up = true;
        Next::Stay
    }

    /// The modem said by itself where it is registered.
    fn registration_said(&mut self, _domain: Domain, _registration: Registration) {}

    /// The network said this, behind `+CUSD:`.
    fn network_said(&mut self, body: &str, cx: &mut Cx<'_>) -> Next {
        cx.known.ussd_dialogue.network_said(body);
        Next::Stay
    }

    /// The gate of its order opened, or will never open.
    fn gate(&mut self, _open: bool, _cx: &mut Cx<'_>) -> Next {
        Next::Stay
    }

    /// Whether its order waits for its gate.
    fn awaits_gate(&self) -> bool {
        false
    }

    /// Not one octet of the body that it wrote left.
    fn body_unsent(&mut self) {}

    /// Whether a prompt is open, or will be.
    fn may_stand_in_a_prompt(&self) -> bool {
        false
    }

    /// Whether the PIN may be tried: it is noted on disk that it is, and it was not noted before.
    fn pin_noted(&mut self, _noted: Result<bool, String>, _cx: &mut Cx<'_>) -> Next {
        Next::Stay
    }

    /// It is thrown away. Whoever waits for its end is told.
    fn abandon(&mut self, _why: &Fault, _cx: &mut Cx<'_>) {}
}

/// What a procedure works with in one call.
pub(super) struct Cx<'a> {
    pub(super) dialogue: &'a mut Dialogue,
    pub(super) known: &'a mut Known,
    pub(super) now: Instant,
}

impl Cx<'_> {
    /// Asks a command, whose end the procedure hears of. One that is refused, since another one is outstanding, is a
    /// fault of this program: the modem is brought up anew, so that no answer is taken for another's.
    pub(super) fn ask(&mut self, command: Command, limit: Duration) -> Next {
        if self.dialogue.ask(command, limit, self.now) {
            return Next::Stay;
        }
        debug_assert!(false, "a command is outstanding");
        tracing::error!(modem = %self.known.settings.name, "a command was refused, since another one is outstanding");
        Next::Anew(Open::Perhaps)
    }

    /// Wakes the procedure after `wait`.
    pub(super) fn wake_in(&mut self, wait: Duration) -> Next {
        self.known.timer = Some(self.now + wait);
        Next::Stay
    }

    /// Pauses and line ends as the family wants them; what was found out stays.
    pub(super) fn keep_line_settings(&mut self) {
        let (profile, settings) = (&self.known.profile, self.dialogue.settings_mut());
        settings.pause = settings.pause.max(profile.line.command_pause);
        if profile.line.line_end != LineEnd::default() {
            settings.line_end = profile.line.line_end;
        }
    }

    pub(super) fn set_fault(&mut self, fault: Fault) {
        self.known.set_fault(fault, self.now);
    }

    pub(super) fn hint(&mut self, fault: Fault) {
        self.known.hint(fault, self.now);
    }
}
