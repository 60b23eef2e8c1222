//! What a session does at a moment: one procedure, which owns its state and is dropped as a whole; what the
//! procedure works with, and what follows after an event.

use std::fmt::Debug;
use std::time::{Duration, Instant};

use super::fault::Fault;
use super::input::Closing;
use super::known::Known;
use crate::at::{Command, Domain, LineEnd, Registration, ResultCode};
use crate::dialogue::{Dialogue, Ended, Open, Outstanding};

/// The kind of procedure in progress.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Activity {
    /// There is no port.
    Closed,
    /// The modem is being brought up.
    BringUp,
    /// The session waits for work.
    Idle,
    /// A message is being sent.
    Sending,
    /// A storage is being read or emptied.
    Reading,
    /// A USSD request is in progress.
    Ussd,
    /// The modem is asked whether it answers, or a message is acknowledged.
    Checking,
    /// The radio or the device is being restarted.
    Curing,
    /// No recovery step helped: the modem is left alone for a while.
    Resting,
}

/// What follows after an event.
#[derive(Debug)]
pub(super) enum Next {
    /// The procedure goes on: it waits for the end of a command, for its timer or for an event.
    Stay,
    /// The procedure is done.
    Done,
    /// The procedure is done, and this one follows.
    Then(Box<dyn Procedure>),
    /// The procedure goes on when the dialogue is resynchronised.
    Resync(Open),
    /// The procedure is done, and the session is idle when the dialogue is resynchronised.
    Idle(Open),
    /// The procedure is done, and this one follows when the dialogue is resynchronised.
    Find(Open, Box<dyn Procedure>),
    /// The procedure is done, and the modem is brought up again.
    BringUp(Open),
    /// The procedure is done, because the modem does not work as it is: the next rung is climbed.
    Cure(Fault),
    /// The procedure is done, and the modem is left alone until this instant.
    Rest(Instant),
    /// The procedure is done, and the port is closed.
    Close(Closing),
}

impl Next {
    /// The procedure is done, and `next` follows.
    pub(super) fn then(next: impl Procedure + 'static) -> Self {
        Self::Then(Box::new(next))
    }
}

/// One procedure. Each call is for one event, and returns what follows. A procedure that asks a command in a
/// call gets the command's end by [`Procedure::ended`], unless the procedure is abandoned before.
pub(super) trait Procedure: Debug + Send {
    /// The kind of this procedure.
    fn activity(&self) -> Activity;

    /// The procedure begins. Nothing is outstanding.
    fn begin(&mut self, cx: &mut Cx<'_>) -> Next;

    /// The procedure's command ended, or got no answer in time.
    fn ended(&mut self, ended: Ended, cx: &mut Cx<'_>) -> Next;

    /// Whether a line belongs to the procedure before it is classified: it is a text, or part of one.
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

    /// An information line of the procedure's command.
    fn answer(&mut self, _body: &str, _cx: &mut Cx<'_>) -> Next {
        Next::Stay
    }

    /// The prompt of the procedure's command.
    fn prompt(&mut self, _cx: &mut Cx<'_>) -> Next {
        Next::Stay
    }

    /// The procedure's timer expired.
    fn timer(&mut self, _cx: &mut Cx<'_>) -> Next {
        Next::Stay
    }

    /// A part of the modem became ready, or there is work for an idle session.
    fn wake(&mut self, _cx: &mut Cx<'_>) -> Next {
        Next::Stay
    }

    /// The dialogue is resynchronised.
    fn found(&mut self, _cx: &mut Cx<'_>) -> Next {
        Next::Done
    }

    /// The modem echoed a command. Returns whether that is expected.
    fn echoed(&mut self) -> bool {
        false
    }

    /// A final result came that belongs to no command.
    fn late(&mut self, _code: &ResultCode, _cx: &mut Cx<'_>) -> Next {
        Next::Stay
    }

    /// `+CMGS: n` came while no command awaited it.
    fn late_reference(&mut self, body: &str, cx: &mut Cx<'_>) -> Next {
        cx.late_reference(body);
        Next::Stay
    }

    /// The modem restarted without saying so: no setting can be relied upon.
    fn restarted_silently(&mut self, cx: &mut Cx<'_>) -> Next {
        cx.known.pending.bring_up = true;
        Next::Stay
    }

    /// An unsolicited code gave the registration.
    fn registration_said(&mut self, _domain: Domain, _registration: Registration) {}

    /// The network sent this, after `+CUSD:`.
    fn network_said(&mut self, body: &str, cx: &mut Cx<'_>) -> Next {
        cx.known.ussd_dialogue.network_said(body);
        Next::Stay
    }

    /// The gate of the procedure's order opened, or will never open.
    fn gate(&mut self, _open: bool, _cx: &mut Cx<'_>) -> Next {
        Next::Stay
    }

    /// Whether the procedure's order waits for its gate.
    fn awaits_gate(&self) -> bool {
        false
    }

    /// No octet of the body that the procedure wrote has left.
    fn body_unsent(&mut self) {}

    /// Whether a prompt is open, or will be.
    fn may_stand_in_a_prompt(&self) -> bool {
        false
    }

    /// Whether the PIN may be tried: the try is noted on disk, and was not noted before.
    fn pin_noted(&mut self, _noted: Result<bool, String>, _cx: &mut Cx<'_>) -> Next {
        Next::Stay
    }

    /// The procedure is dropped. It reports the end to whoever waits for it.
    fn abandon(&mut self, _why: &Fault, _cx: &mut Cx<'_>) {}
}

/// What a procedure works with in one call.
pub(super) struct Cx<'a> {
    pub(super) dialogue: &'a mut Dialogue,
    pub(super) known: &'a mut Known,
    pub(super) now: Instant,
}

impl Cx<'_> {
    /// Asks a command, whose end the procedure gets. A command that is refused because another one is outstanding is a
    /// fault of this program: the modem is brought up again, so that no answer is taken for another command's.
    pub(super) fn ask(&mut self, command: Command, limit: Duration) -> Next {
        if self.dialogue.ask(command, limit, self.now) {
            return Next::Stay;
        }
        debug_assert!(false, "a command is outstanding");
        let modem = &self.known.settings.name;
        tracing::error!(modem, "{modem}: a command was refused, since another one is outstanding");
        Next::BringUp(Open::Perhaps)
    }

    /// Wakes the procedure after `wait`.
    pub(super) fn wake_in(&mut self, wait: Duration) -> Next {
        self.known.timer = Some(self.now + wait);
        Next::Stay
    }

    /// Sets pauses and line ends as the family wants them; values that were found out stay.
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
