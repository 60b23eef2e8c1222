//! What an operator or the queue asks of a modem: a message, a pause, a restart, a USSD request.

use std::time::Instant;

use super::Session;
use super::cure::Cure;
use super::fault::Fault;
use super::input::Output;
use super::procedure::{Activity, Next};
use super::send::Send;
use super::ussd_dialogue::Request;
use crate::dialogue::Open;
use crate::snapshot::{Outcome, Part, State};

impl Session {
    pub(super) fn submit(&mut self, parts: Vec<Part>, now: Instant) -> Next {
        let refused = |reason: String| Output::Settle(Outcome::not_started(reason));
        if self.known.view.snapshot.paused {
            self.known.push(refused(String::from("the modem is paused")));
        } else if self.doing.activity() != Activity::Idle || self.dialogue.is_lost() {
            let why = self.known.view.fault.as_ref().map(|fault| format!(": {fault}"));
            self.known.push(refused(format!("the modem is not ready{}", why.unwrap_or_default())));
        } else if parts.is_empty() {
            self.known.push(refused(String::from("the message has no part")));
        } else if self.dialogue.holds_prompt() {
            self.known.push(refused(Fault::OldPrompt.to_string()));
            return Next::Idle(Open::Perhaps);
        } else {
            return Next::then(Send::new(parts, now));
        }
        Next::Stay
    }

    pub(super) fn set_paused(&mut self, paused: bool) -> Next {
        self.known.set_paused(paused, &mut self.dialogue);
        Next::Stay
    }

    pub(super) fn reset(&mut self, now: Instant) -> Next {
        match self.doing.activity() {
            Activity::Closed => Next::Stay,
            Activity::Idle | Activity::Resting if !self.dialogue.is_lost() => Next::then(Cure::restart()),
            Activity::Sending | Activity::Checking | Activity::Reading | Activity::Curing => {
                self.known.pending.restart = true;
                Next::Stay
            }
            // A result that is outstanding must not end the restart command.
            Activity::Idle | Activity::Resting | Activity::BringUp | Activity::Ussd => {
                self.abandon(&Fault::Reset, now);
                self.known.set_state(State::Recovering, &mut self.dialogue);
                if self.dialogue.outstanding().is_none() && !self.dialogue.is_lost() {
                    return Next::then(Cure::restart());
                }
                Next::Find(Open::Perhaps, Box::new(Cure::restart()))
            }
        }
    }

    pub(super) fn ussd(&mut self, request: Request, now: Instant) -> Next {
        let refused = match &request.code {
            Some(code) => self.known.ussd_dialogue.may_ask(code.expose()),
            None => Ok(()),
        };
        let busy =
            matches!(self.doing.activity(), Activity::Checking | Activity::Reading | Activity::Sending);
        let refused = match refused {
            Err(reason) => reason,
            Ok(()) if busy && self.known.pending.ussd.is_none() => {
                self.known.pending.ussd = Some(request);
                return Next::Stay;
            }
            Ok(()) if self.doing.activity() == Activity::Idle && !self.dialogue.is_lost() => {
                self.known.pending.ussd = Some(request);
                return self.wake_idle(now);
            }
            Ok(()) => String::from("the modem is not ready"),
        };
        self.known.push(Output::Ussd(Err(refused)));
        Next::Stay
    }
}
