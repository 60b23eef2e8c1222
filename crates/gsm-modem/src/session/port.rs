//! The port: opened, lost, stuck, closed; and the outcome of a rung that only the driver can climb.

use std::path::Path;
use std::time::Instant;

use super::fault::Fault;
use super::idle::Closed;
use super::input::{Closing, Output};
use super::procedure::Next;
use super::{Session, bring_up};
use crate::dialogue::{Direction, Open};
use crate::ladder::{Rung, Step};
use crate::snapshot::State;

impl Session {
    pub(super) fn close(&mut self, closing: Closing, now: Instant) {
        let why = match closing {
            Closing::Stop => Fault::Stopped,
            Closing::Reopen | Closing::Cure(_) => Fault::Reset,
        };
        let was_closed = self.is_closed();
        let in_prompt = self.doing.may_stand_in_a_prompt();
        self.abandon(&why, now);
        self.known.end_dialogue(&why);
        self.enter_closed();
        match closing {
            Closing::Stop => {
                if in_prompt {
                    self.dialogue.write_escape(now);
                }
                self.known.set_state(State::Absent, &mut self.dialogue);
            }
            // A modem that is absent stays absent, whatever is done about it.
            Closing::Reopen | Closing::Cure(_) if was_closed => {}
            Closing::Reopen => self.known.set_state(State::Recovering, &mut self.dialogue),
            Closing::Cure(_) => {
                self.known.pin.device_restarted();
                self.known.set_state(State::Recovering, &mut self.dialogue);
            }
        }
        self.known.push(Output::Close(closing));
    }

    fn enter_closed(&mut self) {
        self.doing = Box::new(Closed);
        self.known.timer = None;
        self.dialogue.clear();
    }

    pub(super) fn port_opened(&mut self, port: &Path, usb: Option<(u16, u16)>, now: Instant) -> Next {
        self.known.on_usb(usb);
        self.with(now, |_, cx| cx.keep_line_settings());
        self.known.view.snapshot.port = port.display().to_string();
        self.dialogue.recorder().note(Direction::Note, format_args!("its port is open"));
        if std::mem::replace(&mut self.opened_before, true) {
            self.known.view.snapshot.counters.reopens += 1;
        }
        self.known.changed();
        self.enter_closed();
        self.known.pin.device_restarted();
        self.known.storage.sim_unknown();
        self.known.ladder.here();
        if let Some(until) = self.known.ladder.rests_until(now) {
            return Next::Rest(until);
        }
        let trouble = self.known.ladder.in_trouble();
        let state = if trouble { State::Recovering } else { State::Starting };
        self.known.set_state(state, &mut self.dialogue);
        self.doing = bring_up::first();
        // The first dialogue of a port is not a resynchronisation.
        self.dialogue.find(Open::Perhaps, now);
        Next::Stay
    }

    pub(super) fn port_lost(&mut self, why: String, now: Instant) -> Next {
        let fault = Fault::Port(why);
        if !self.is_closed() {
            self.known.ladder.notice(now);
            self.known.ladder.unplugged();
        }
        self.abandon(&fault, now);
        self.known.end_dialogue(&fault);
        self.enter_closed();
        self.known.set_fault(fault, now);
        self.known.set_state(State::Absent, &mut self.dialogue);
        Next::Stay
    }

    pub(super) fn port_stuck(&mut self, why: String, now: Instant) -> Next {
        let fault = Fault::Port(why);
        self.abandon(&fault, now);
        self.known.end_dialogue(&fault);
        self.dialogue.clear();
        self.with(now, |_, cx| cx.cure(fault, true))
    }

    pub(super) fn climbed(&mut self, rung: Rung, done: Result<(), Option<String>>, now: Instant) -> Next {
        let why = match done {
            Ok(()) => {
                self.known.ladder.done(rung, now);
                return Next::Stay;
            }
            Err(why) => why,
        };
        if let Some(why) = &why {
            let modem = &self.known.settings.name;
            tracing::warn!(modem, rung = rung.as_str(), "{modem}: {why}");
        }
        self.known.ladder.impossible(rung, why, now);
        let next = match self.known.ladder.climb(now) {
            Step::Try(rung @ (Rung::Reauthorise | Rung::PowerCycle)) => Next::Close(Closing::Cure(rung)),
            Step::Try(_) | Step::Again | Step::Rest(_) => Next::Stay,
        };
        self.with(now, |_, cx| cx.tell_tried());
        next
    }
}
