//! Sending (3GPP TS 27.005 clauses 3.5.1 and 4.3): `AT+CMGS=n`, the prompt, the gate, the PDU and SUB, then
//! `+CMGS: n` and `OK`. One of four outcomes, and nothing in between.

use std::time::{Duration, Instant};

use super::resync::{Open, Then};
use super::translate::hex;
use super::{Action, Output, Outstanding, Phase, Session};
use crate::Secret;
use crate::at::{Command, Failure, ResultCode, Verdict, send_reference};
use crate::profiles::Quirk;
use crate::snapshot::{Notice, Outcome, Part, State, refusal};

pub(super) const SUB: u8 = 0x1a;

#[derive(Debug)]
pub(super) struct Order {
    parts: Vec<Part>,
    index: usize,
    references: Vec<u8>,
    gate: Gate,
    pub(super) stage: Stage,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Gate {
    Closed,
    Open,
    Dropped,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stage {
    /// `AT+CMMS` is out.
    More,
    /// A setting of text mode is out.
    Prepare,
    /// `AT+CMGS` is out.
    Prompt,
    /// The prompt came; the gate is closed.
    Held,
    /// The PDU left.
    Body(Taken),
    /// The order was withdrawn before the prompt came, and settled; the prompt must be left when it comes.
    Withdrawn,
}

/// What was read of `+CMGS:`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Taken {
    Nothing,
    Reference(u8),
}

impl Order {
    /// The one under way. `index` counts taken parts and stays below their number: the last one ends the order.
    pub(super) fn part(&self) -> Option<&Part> {
        self.parts.get(self.index)
    }

    pub(super) fn body_unsent(&mut self) {
        if matches!(self.stage, Stage::Body(_)) {
            self.stage = Stage::Held;
        }
    }
}

/// A message that timed out may still be answered.
#[derive(Debug, Clone, Copy)]
pub(super) struct Late {
    until: Instant,
}

impl Session {
    /// Whether an order can be given: one that cannot be carried out is settled at once.
    pub fn takes_orders(&self) -> bool {
        !matches!(self.phase, Phase::Sending | Phase::Checking(_) | Phase::Storage(_) | Phase::Ussd(_))
    }

    /// Whether the order under way still waits for its gate.
    pub fn awaits_gate(&self) -> bool {
        self.order.as_ref().is_some_and(|order| order.gate == Gate::Closed)
    }

    /// Sends the parts in order; no octet of a PDU leaves before [`Session::gate`] opens.
    pub fn submit(&mut self, parts: Vec<Part>, now: Instant) {
        if let Some(reason) = self.refuses() {
            self.actions.push_back(Action::Settle(Outcome::not_started(reason)));
            return;
        }
        if parts.is_empty() {
            self.actions.push_back(Action::Settle(Outcome::not_started("the message has no part")));
            return;
        }
        if self.framer.holds_prompt() {
            self.actions.push_back(Action::Settle(Outcome::not_started("the modem stands in an old prompt")));
            self.start_resync(Open::Perhaps, Then::Idle, now);
            return;
        }
        let several = parts.len() > 1;
        self.order = Some(Order {
            references: Vec::with_capacity(parts.len()),
            parts,
            index: 0,
            gate: Gate::Closed,
            stage: Stage::More,
        });
        self.phase = Phase::Sending;
        self.timer = None;
        self.set_state(State::Busy);
        if several && !self.more_refused && !self.profile.has(Quirk::NoMoreMessages) {
            self.write_command(Command::MoreMessages, self.settings.timing.command, now);
        } else {
            self.send_part(now);
        }
    }

    fn refuses(&self) -> Option<String> {
        if self.snapshot.paused {
            return Some(String::from("the modem is paused"));
        }
        match self.phase {
            Phase::Idle => None,
            _ => Some(format!(
                "the modem is not ready{}",
                self.snapshot.last_error.as_ref().map(|e| format!(": {e}")).unwrap_or_default()
            )),
        }
    }

    /// The gate of the order under way opened, or will never open.
    pub fn gate(&mut self, open: bool, now: Instant) {
        self.recorder.at(now);
        let Some(order) = &mut self.order else { return };
        if order.gate != Gate::Closed {
            return;
        }
        order.gate = if open { Gate::Open } else { Gate::Dropped };
        match (open, order.stage) {
            (true, Stage::Held) => self.write_body(now),
            (false, Stage::Held) => self.withdraw_at_prompt("the message was withdrawn", now),
            (false, Stage::Prompt) => {
                order.stage = Stage::Withdrawn;
                let references = std::mem::take(&mut order.references);
                self.actions.push_back(Action::Settle(Outcome::NotStarted {
                    references,
                    reason: String::from("the message was withdrawn"),
                }));
            }
            _ => {}
        }
    }

    pub(super) fn prompted(&mut self, now: Instant) {
        let Some(order) = &mut self.order else { return };
        match (order.stage, order.gate) {
            (Stage::Withdrawn, _) => {
                self.order = None;
                self.start_resync(Open::Perhaps, Then::Idle, now);
            }
            (Stage::Prompt, Gate::Open) => self.write_body(now),
            (Stage::Prompt, Gate::Closed) => {
                order.stage = Stage::Held;
                let limit = now + self.settings.timing.gate;
                if let Some(outstanding) = &mut self.outstanding {
                    outstanding.deadline = limit;
                }
            }
            _ => {}
        }
    }

    pub(super) fn reference_read(&mut self, body: &str, now: Instant) {
        let Some(order) = &mut self.order else { return };
        match order.stage {
            Stage::Body(Taken::Nothing) => {
                if let Some(reference) = send_reference(body) {
                    order.stage = Stage::Body(Taken::Reference(reference));
                } else {
                    self.count_dropped();
                }
            }
            Stage::Body(_) => self.count_dropped(),
            // Nothing of this message has left: the answer is to an earlier one.
            _ => self.late_reference(body, now),
        }
    }

    /// `+CMGS: n` where no message awaits it.
    pub(super) fn late_reference(&mut self, body: &str, now: Instant) {
        let late = self.late.take().filter(|late| now < late.until);
        self.late_line(now);
        if late.is_some()
            && let Some(reference) = send_reference(body)
        {
            self.actions.push_back(Action::Notice(Notice::LateAccepted { reference }));
        }
    }

    /// Hexadecimal digits while a PDU is under way: the modem echoes it.
    pub(super) fn is_body_echo(&self, line: &str) -> bool {
        self.order.as_ref().is_some_and(|order| matches!(order.stage, Stage::Body(_)))
            && line.trim_end_matches("^Z").bytes().all(|b| b.is_ascii_hexdigit())
    }

    pub(super) fn sending_finished(&mut self, outstanding: Outstanding, code: &ResultCode, now: Instant) {
        let Some((stage, gate)) = self.order.as_ref().map(|order| (order.stage, order.gate)) else { return };
        match stage {
            Stage::More => {
                self.more_refused |= !code.is_ok();
                if gate == Gate::Dropped {
                    self.settle(Outcome::not_started("the message was withdrawn"));
                    self.become_idle(now);
                } else {
                    self.send_part(now);
                }
            }
            Stage::Prepare if gate == Gate::Dropped => {
                self.text_prepared(&outstanding.command, code);
                self.end_unstarted("the message was withdrawn");
                self.become_idle(now);
            }
            Stage::Prepare if self.text_prepared(&outstanding.command, code) => self.send_part(now),
            // An OK ends no command that asked for a prompt: it belongs to an earlier one.
            Stage::Prompt | Stage::Withdrawn if code.is_ok() => {
                self.outstanding = Some(outstanding);
                self.late_line(now);
            }
            Stage::Withdrawn => {
                self.order = None;
                self.become_idle(now);
            }
            Stage::Prepare => self.text_refused(&outstanding.command, code, now),
            Stage::Prompt | Stage::Held => self.refused_before_body(code, now),
            Stage::Body(Taken::Reference(reference)) if code.is_ok() => self.part_taken(reference, now),
            Stage::Body(Taken::Reference(reference)) => {
                let failure = self.profile.failure(code).sentence;
                self.end_unknown(format!("the modem gave reference {reference} and then: {failure}"), now);
            }
            Stage::Body(Taken::Nothing) if code.is_ok() => {
                self.end_unknown(
                    String::from(
                        "the modem answered OK without a message reference: it may have sent nothing",
                    ),
                    now,
                );
            }
            Stage::Body(Taken::Nothing) => {
                let error = self.send_failure(code, now);
                let references = self.take_references();
                let outcome = match error.verdict {
                    Verdict::Open => Outcome::Unknown { references, reason: error.sentence },
                    _ => Outcome::Rejected { references, error },
                };
                self.weigh(&outcome, now);
                self.settle(outcome);
                self.become_idle(now);
            }
        }
    }

    pub(super) fn sending_timed_out(&mut self, now: Instant) {
        let Some(order) = &self.order else { return };
        match order.stage {
            Stage::More => {
                self.more_refused = true;
                self.unanswered_send(now);
                self.settle(Outcome::not_started("the modem did not answer AT+CMMS=2 in time"));
                self.start_resync(Open::No, Then::Idle, now);
            }
            Stage::Prepare => {
                self.unanswered_send(now);
                self.end_unstarted("the modem did not answer a setting of text mode in time");
                self.start_resync(Open::No, Then::Idle, now);
            }
            Stage::Prompt => {
                self.unanswered_send(now);
                self.end_unstarted("the modem gave no prompt in time");
                self.start_resync(Open::Perhaps, Then::Idle, now);
            }
            Stage::Held => self.withdraw_at_prompt("the message was not released in time", now),
            Stage::Withdrawn => {
                self.order = None;
                self.start_resync(Open::Perhaps, Then::Idle, now);
            }
            Stage::Body(taken) => {
                let limit = self.body_limit().as_secs();
                let reason = match taken {
                    Taken::Nothing => format!("no result within {limit} s after the message was handed over"),
                    Taken::Reference(reference) => format!("the modem gave reference {reference} but no OK"),
                };
                self.unanswered_send(now);
                self.end_unknown(reason, now);
            }
        }
    }

    /// The port is gone, the modem began anew, the daemon stops.
    pub(super) fn abandon_order(&mut self, reason: &str) {
        let Some(mut order) = self.order.take() else { return };
        let references = std::mem::take(&mut order.references);
        let reason = reason.to_owned();
        let outcome = match order.stage {
            Stage::Withdrawn => return,
            Stage::Body(_) => Outcome::Unknown { references, reason },
            Stage::More | Stage::Prepare | Stage::Prompt | Stage::Held => {
                Outcome::NotStarted { references, reason }
            }
        };
        self.settle(outcome);
    }

    pub(super) fn send_part(&mut self, now: Instant) {
        if self.text.on {
            return self.send_text_part(now);
        }
        let Some(order) = &mut self.order else { return };
        let Some(length) = order.part().map(|part| part.length) else { return };
        order.stage = Stage::Prompt;
        self.write_command(Command::Send { length }, self.settings.timing.prompt, now);
    }

    fn write_body(&mut self, now: Instant) {
        let body = self.body();
        let Some(order) = &mut self.order else { return };
        order.stage = Stage::Body(Taken::Nothing);
        let limit = now + self.body_limit();
        if let Some(outstanding) = &mut self.outstanding {
            outstanding.deadline = limit;
        }
        self.actions.push_back(Action::Write(Output::Body(body)));
    }

    /// What follows the prompt.
    pub(super) fn body(&self) -> Secret<Vec<u8>> {
        let mut body = if self.text.on {
            // `send_text_part` has read the same part.
            self.text_message().map(|message| message.body.expose().clone()).unwrap_or_default()
        } else {
            let part = self.order.as_ref().and_then(Order::part);
            part.map(|part| hex(part.pdu.expose())).unwrap_or_default()
        }
        .into_bytes();
        body.push(SUB);
        Secret::new(body)
    }

    /// How long the result of a message is waited for: what the maker documents, where it does.
    fn body_limit(&self) -> Duration {
        self.profile.send_timeout.unwrap_or(self.settings.timing.body)
    }

    fn part_taken(&mut self, reference: u8, now: Instant) {
        let Some(order) = &mut self.order else { return };
        order.references.push(reference);
        order.index += 1;
        if order.index < order.parts.len() {
            self.send_part(now);
            return;
        }
        let references = self.take_references();
        let outcome = Outcome::Accepted { references };
        self.weigh(&outcome, now);
        self.settle(outcome);
        self.become_idle(now);
    }

    fn refused_before_body(&mut self, code: &ResultCode, now: Instant) {
        let references = self.take_references();
        let error = refusal(self.send_failure(code, now));
        let held = self.order.as_ref().is_some_and(|order| order.stage == Stage::Held);
        let outcome = Outcome::Rejected { references, error };
        self.weigh(&outcome, now);
        self.settle(outcome);
        // The error may have been a late one, with a prompt still to come.
        if held || self.late.is_some_and(|late| now < late.until) {
            self.start_resync(Open::Perhaps, Then::Idle, now);
        } else {
            self.become_idle(now);
        }
    }

    /// Errors that say what to do beside the message's own fate: a full storage is emptied, and a service centre
    /// that was lost is set again with everything else.
    fn send_failure(&mut self, code: &ResultCode, now: Instant) -> Failure {
        let mut error = self.profile.failure(code);
        match (code, error.code) {
            (ResultCode::Cms(_), Some(208 | 211 | 322)) => self.storage_is_full(now),
            (ResultCode::Cms(_), Some(330)) => {
                error.sentence.push_str(": set smsc in this modem's configuration");
                self.wishes.bring_up |= self.settings.smsc.is_some();
            }
            _ => {}
        }
        error
    }

    fn withdraw_at_prompt(&mut self, reason: &str, now: Instant) {
        self.end_unstarted(reason);
        self.start_resync(Open::Perhaps, Then::Idle, now);
    }

    fn end_unstarted(&mut self, reason: &str) {
        let references = self.take_references();
        self.settle(Outcome::NotStarted { references, reason: reason.to_owned() });
    }

    fn end_unknown(&mut self, reason: String, now: Instant) {
        let references = self.take_references();
        self.settle(Outcome::Unknown { references, reason });
        self.late = Some(Late { until: now + self.settings.timing.late });
        self.start_resync(Open::No, Then::Idle, now);
    }

    pub(super) fn take_references(&mut self) -> Vec<u8> {
        self.order.as_mut().map(|order| std::mem::take(&mut order.references)).unwrap_or_default()
    }

    pub(super) fn settle(&mut self, outcome: Outcome) {
        self.order = None;
        if let Some(fault) = outcome.fault() {
            let fault = fault.to_owned();
            self.set_fault(&fault);
        }
        self.actions.push_back(Action::Settle(outcome));
    }
}
