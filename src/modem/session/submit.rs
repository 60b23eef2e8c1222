//! A send: `AT+CMGS=n`, the prompt, the PDU when the gate is open, and one of the outcomes.

use std::time::Instant;

use super::super::{Part, State};
use super::{Action, Exchange, Phase, Session};
use crate::at::{Class, Command, Failure, ResultCode, send_reference};

const SUB: u8 = 0x1a;

/// How an order ended. `references`: TP-MR of each part that was taken for certain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// Every part was taken.
    Accepted {
        /// One for each part.
        references: Vec<u8>,
    },
    /// A part was refused.
    Rejected {
        /// One for each part before it.
        references: Vec<u8>,
        /// Why.
        error: Failure,
    },
    /// A part went to the modem, and nobody knows what became of it.
    Unknown {
        /// One for each part before it.
        references: Vec<u8>,
        /// What was seen.
        reason: String,
    },
    /// No octet of a further part went to the modem.
    NotStarted {
        /// One for each part before.
        references: Vec<u8>,
        /// What was seen.
        reason: String,
    },
}

/// An order under way.
#[derive(Debug)]
pub(super) struct Sending {
    parts: Vec<Part>,
    at: usize,
    references: Vec<u8>,
    open: bool,
    pub(super) stage: Stage,
}

/// Where the present part is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stage {
    /// `AT+CMMS=2` went out.
    More,
    /// `AT+CMGS` went out.
    Prompt,
    /// The prompt is there, and the gate is closed.
    Gate,
    /// The PDU went out.
    Body,
}

impl Session {
    /// Begins an order; gives it back as an outcome at once when the session is not ready.
    pub(crate) fn submit(&mut self, parts: Vec<Part>, now: Instant) {
        let references = Vec::new();
        if !self.snapshot().ready {
            let reason = "the modem is not ready".to_owned();
            self.actions.push_back(Action::Ended(Outcome::NotStarted { references, reason }));
            return;
        }
        if parts.is_empty() {
            self.actions.push_back(Action::Ended(Outcome::Accepted { references }));
            return;
        }
        self.snapshot.state = State::Busy;
        let more = parts.len() > 1 && self.more_messages;
        let stage = if more { Stage::More } else { Stage::Prompt };
        self.phase = Phase::Sending(Sending { parts, at: 0, references, open: false, stage });
        if more {
            self.command(Command::MoreMessages, self.settings.timing.command, now);
        } else {
            self.send_part(now);
        }
    }

    /// The gate opened: the PDU may go.
    pub(crate) fn release(&mut self, now: Instant) {
        if let Phase::Sending(sending) = &mut self.phase {
            sending.open = true;
            if sending.stage == Stage::Gate {
                self.write_pdu(now);
            }
        }
    }

    /// The order is withdrawn; without effect once a PDU went out.
    pub(crate) fn withdraw(&mut self, now: Instant) {
        if matches!(&self.phase, Phase::Sending(s) if !s.open) {
            self.end_order("the order was withdrawn");
            self.synchronise(super::Then::Resume, now);
        }
    }

    fn send_part(&mut self, now: Instant) {
        let Phase::Sending(sending) = &mut self.phase else { return };
        sending.stage = Stage::Prompt;
        let length = sending.parts[sending.at].length;
        self.command(Command::Send { length }, self.settings.timing.prompt, now);
    }

    pub(super) fn prompted(&mut self, now: Instant) {
        let Phase::Sending(sending) = &mut self.phase else { return };
        if sending.open {
            self.write_pdu(now);
        } else {
            sending.stage = Stage::Gate;
        }
    }

    fn write_pdu(&mut self, now: Instant) {
        const DIGITS: &[u8; 16] = b"0123456789ABCDEF";
        let Phase::Sending(sending) = &mut self.phase else { return };
        sending.stage = Stage::Body;
        // The port is where a PDU has to leave the daemon.
        let pdu = sending.parts[sending.at].pdu.expose();
        let mut octets = Vec::with_capacity(2 * pdu.len() + 1);
        for octet in pdu {
            octets.push(DIGITS[usize::from(octet >> 4)]);
            octets.push(DIGITS[usize::from(octet & 15)]);
        }
        octets.push(SUB);
        self.actions.push_back(Action::Write(octets, "PDU".to_owned()));
        if let Some(exchange) = &mut self.exchange {
            exchange.deadline = now + self.settings.timing.body;
        }
    }

    /// A final result in a send.
    pub(super) fn send_result(&mut self, exchange: &Exchange, code: &ResultCode, now: Instant) {
        let Phase::Sending(sending) = &mut self.phase else { return };
        match sending.stage {
            Stage::More => {
                // Only a faster radio link is lost without it.
                self.more_messages = code.is_ok();
                self.send_part(now);
            }
            Stage::Prompt | Stage::Gate => {
                let error = if code.is_ok() {
                    let mut error = Failure::of(&ResultCode::Error);
                    error.class = Class::Modem;
                    "the modem answered OK where its prompt was due".clone_into(&mut error.sentence);
                    error
                } else {
                    Failure::of(code)
                };
                self.rejected(error, now);
            }
            Stage::Body if code.is_ok() => match exchange.answers.iter().find_map(|a| send_reference(a)) {
                Some(reference) => {
                    sending.references.push(reference);
                    sending.at += 1;
                    if sending.at < sending.parts.len() {
                        self.send_part(now);
                    } else {
                        let references = std::mem::take(&mut sending.references);
                        self.finish(Outcome::Accepted { references }, now);
                    }
                }
                None => self.unknown("the modem answered OK without +CMGS", now),
            },
            Stage::Body => {
                let error = Failure::of(code);
                if error.class == Class::UnknownOutcome {
                    self.unknown(&error.sentence, now);
                } else {
                    self.rejected(error, now);
                }
            }
        }
    }

    fn rejected(&mut self, error: Failure, now: Instant) {
        self.snapshot.last_error = Some(error.sentence.clone());
        let references = self.take_references();
        self.finish(Outcome::Rejected { references, error }, now);
    }

    fn unknown(&mut self, reason: &str, now: Instant) {
        self.snapshot.last_error = Some(reason.to_owned());
        self.late_until = Some(now + self.settings.timing.late);
        let references = self.take_references();
        self.finish(Outcome::Unknown { references, reason: reason.to_owned() }, now);
    }

    fn take_references(&mut self) -> Vec<u8> {
        match &mut self.phase {
            Phase::Sending(sending) => std::mem::take(&mut sending.references),
            _ => Vec::new(),
        }
    }

    fn finish(&mut self, outcome: Outcome, now: Instant) {
        self.actions.push_back(Action::Ended(outcome));
        self.timeouts = 0;
        self.idle(now);
    }

    /// The dialogue broke off: what becomes of the order depends on whether its PDU went out.
    pub(super) fn end_order(&mut self, why: &str) {
        let Phase::Sending(sending) = &mut self.phase else { return };
        let references = std::mem::take(&mut sending.references);
        let reason = why.to_owned();
        let outcome = if sending.stage == Stage::Body {
            self.late_until = Some(self.heard_at + self.settings.timing.body + self.settings.timing.late);
            Outcome::Unknown { references, reason }
        } else {
            Outcome::NotStarted { references, reason }
        };
        self.actions.push_back(Action::Ended(outcome));
        self.phase = Phase::Closed;
    }
}
