//! Sending (3GPP TS 27.005 clauses 3.5.1 and 4.3): the format is confirmed, then follow `AT+CMGS=n`, the
//! prompt, the gate, the PDU and SUB, then `+CMGS: n` and `OK`. There are four outcomes and no others.
//!
//! Nothing is written while the result is outstanding: some modems abort a send at any character (Fibocom G510, Telit).

mod result;
mod text;

use std::time::{Duration, Instant};

use super::fault::Fault;
use super::input::Output;
use super::known::Known;
use super::procedure::{Activity, Cx, Next, Procedure};
use super::translate::hex;
use crate::at::{Command, Failure, ResultCode, Subject, Verdict, send_reference};
use crate::dialogue::{Ended, Open, Outstanding};
use crate::profiles::Quirk;
use crate::secret::Secret;
use crate::snapshot::{Notice, Outcome, Part, State};

pub(super) const SUB: u8 = 0x1a;

/// `<mr>` comes on success alone (27.005 clause 3.5.1): when nothing follows it for this long, the message
/// counts as accepted. When a result came first that may belong to another message, the message's own result
/// is awaited for as long.
const QUIET_AROUND_REFERENCE: Duration = Duration::from_secs(3);
/// The same while the result of a message that was given up may come: shorter, because the message's own
/// result follows it in most cases. A slow modem has as long as its answers take.
const QUIET_BEHIND_LATE: Duration = Duration::from_millis(2_500);

/// An order in progress.
#[derive(Debug)]
pub(super) struct Send {
    parts: Vec<Part>,
    index: usize,
    references: Vec<u8>,
    gate: Gate,
    stage: Stage,
    /// When the body of the part on the air was written.
    written: Instant,
    /// The overdue answer was reported.
    overdue_told: bool,
    /// The dialogue has to be resynchronised before the next command.
    out_of_step: bool,
    /// A result that may belong to another message: a reference, if there was one, and the final result.
    doubted: Option<(Option<u8>, ResultCode)>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Gate {
    Closed,
    Open,
    Dropped,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// `AT+CMGF` is outstanding.
    Format,
    /// `AT+CMMS` is outstanding.
    More,
    /// A setting of text mode is outstanding.
    Prepare,
    /// `AT+CMGS` is outstanding.
    Prompt,
    /// The prompt came; the gate is closed.
    Held,
    /// The prompt came; the body waits a moment.
    Pause,
    /// The PDU was written; `+CMGS:` came with this reference.
    Body(Option<u8>),
    /// `AT` is outstanding, after an acceptance that may be that of an earlier message.
    Proof,
    /// The order was withdrawn and settled before the prompt came; the prompt has to be left when it comes.
    Withdrawn,
}

impl Send {
    pub(super) fn new(parts: Vec<Part>, now: Instant) -> Self {
        Self {
            references: Vec::with_capacity(parts.len()),
            parts,
            index: 0,
            gate: Gate::Closed,
            stage: Stage::Format,
            written: now,
            overdue_told: false,
            out_of_step: false,
            doubted: None,
        }
    }

    /// The part in progress. `index` counts accepted parts and stays below their number: the last one ends the order.
    fn part(&self) -> Option<&Part> {
        self.parts.get(self.index)
    }

    /// Sets the format, unless it is certainly in force.
    fn start(&mut self, cx: &mut Cx<'_>) -> Next {
        if cx.known.format.is_certain(cx.now) {
            return self.more(cx);
        }
        let text = &mut cx.known.format.text;
        let command = if text.on {
            text.parameters = None;
            text.charset.take_if(|_| text.switches);
            Command::TextMode
        } else {
            Command::PduMode
        };
        self.stage = Stage::Format;
        cx.ask(command, cx.known.settings.timing.command)
    }

    /// Keeps the link open for several parts.
    fn more(&mut self, cx: &mut Cx<'_>) -> Next {
        let known = &cx.known;
        if self.parts.len() > 1 && !known.format.more_refused && !known.profile.has(Quirk::NoMoreMessages) {
            self.stage = Stage::More;
            return cx.ask(Command::MoreMessages, known.settings.timing.command);
        }
        self.send_part(cx)
    }

    fn send_part(&mut self, cx: &mut Cx<'_>) -> Next {
        if self.gate == Gate::Dropped {
            self.end_unstarted("the message was withdrawn", cx.known, cx.now);
            return Next::Done;
        }
        if cx.known.format.text.on {
            return self.send_text_part(cx);
        }
        let length = self.part().map_or(0, |part| part.length);
        self.stage = Stage::Prompt;
        cx.ask(Command::Send { length }, cx.known.settings.timing.sending.prompt)
    }

    fn write_body(&mut self, cx: &mut Cx<'_>) -> Next {
        let pause = cx.known.profile.line.prompt_pause.max(cx.known.format.prompt_pause);
        if !pause.is_zero() && self.stage != Stage::Pause {
            self.stage = Stage::Pause;
            cx.dialogue.set_deadline(cx.now + pause + cx.known.settings.timing.command);
            return cx.wake_in(pause);
        }
        self.stage = Stage::Body(None);
        (self.written, self.overdue_told) = (cx.now, false);
        let limit = cx.known.send_timeout();
        let patience = cx.known.pace.patience(cx.known.settings.patience, limit);
        cx.dialogue.write_body(self.body(cx.known), cx.known.pace.give_up(limit), cx.now);
        cx.wake_in(patience)
    }

    /// What follows the prompt.
    fn body(&self, known: &Known) -> Secret<Vec<u8>> {
        let mut body = if known.format.text.on {
            // `send_text_part` has read the same part.
            self.text_message(known).map(|message| message.body.expose().clone()).unwrap_or_default()
        } else {
            self.part().map(|part| hex(part.pdu.expose())).unwrap_or_default()
        }
        .into_bytes();
        body.push(SUB);
        Secret::new(body)
    }

    fn withdraw_at_prompt(&mut self, reason: &str, cx: &mut Cx<'_>) -> Next {
        self.end_unstarted(reason, cx.known, cx.now);
        Next::Idle(Open::Perhaps)
    }

    /// The modem does not answer as it should before anything leaves: another modem may send the message.
    fn end_refused(&mut self, sentence: String, known: &mut Known, now: Instant) {
        let references = std::mem::take(&mut self.references);
        let error = Failure { subject: Subject::Modem, verdict: Verdict::Later, code: None, sentence };
        known.settle(Outcome::Rejected { references, error }, now);
    }

    fn end_unstarted(&mut self, reason: &str, known: &mut Known, now: Instant) {
        let references = std::mem::take(&mut self.references);
        known.settle(Outcome::NotStarted { references, reason: reason.to_owned() }, now);
    }
}

impl Procedure for Send {
    fn activity(&self) -> Activity {
        Activity::Sending
    }

    fn begin(&mut self, cx: &mut Cx<'_>) -> Next {
        cx.known.timer = None;
        // The result of the message shows as much as a keep-alive.
        cx.known.pending.keep_alive = None;
        cx.known.set_state(State::Busy, cx.dialogue);
        self.start(cx)
    }

    /// The modem echoes what is written to it. No part of that passes for an answer.
    fn claims(&mut self, line: &str, _: Option<&Outstanding>, known: &mut Known, _: Instant) -> bool {
        matches!(self.stage, Stage::Body(_)) && self.is_echo_of_the_body(line, known)
    }

    fn answer(&mut self, body: &str, cx: &mut Cx<'_>) -> Next {
        match (self.stage, send_reference(body)) {
            (Stage::Body(None), Some(reference)) => {
                self.stage = Stage::Body(Some(reference));
                cx.dialogue.set_deadline(cx.now + QUIET_AROUND_REFERENCE);
            }
            (Stage::Body(_), _) => cx.dialogue.count_dropped(),
            // Only `AT+CMGS` expects such a line, and nothing of this message has left: the answer belongs to an
            // earlier message.
            (Stage::Prompt | Stage::Held | Stage::Pause | Stage::Withdrawn, _) => {
                cx.dialogue.count_late(cx.now);
                cx.late_reference(body);
            }
            _ => {}
        }
        Next::Stay
    }

    fn prompt(&mut self, cx: &mut Cx<'_>) -> Next {
        match (self.stage, self.gate) {
            (Stage::Withdrawn, _) => Next::Idle(Open::Perhaps),
            (Stage::Prompt, Gate::Open) => self.write_body(cx),
            (Stage::Prompt, _) => {
                self.stage = Stage::Held;
                cx.dialogue.set_deadline(cx.now + cx.known.settings.timing.sending.gate);
                Next::Stay
            }
            _ => Next::Stay,
        }
    }

    fn ended(&mut self, ended: Ended, cx: &mut Cx<'_>) -> Next {
        match &ended.result {
            Some(code) => self.answered(&ended.command, &code.clone(), cx),
            None => self.unanswered(cx),
        }
    }

    fn timer(&mut self, cx: &mut Cx<'_>) -> Next {
        match self.stage {
            Stage::Pause => return self.write_body(cx),
            Stage::Body(_) if self.doubted.is_some() => return self.nothing_else_came(cx),
            Stage::Body(None) if !self.overdue_told => {
                self.overdue_told = true;
                cx.known.push(Output::Notice(Notice::Overdue));
            }
            _ => {}
        }
        Next::Stay
    }

    /// This happens behind a doubt, and between two parts: the part before was accepted, as its reference shows.
    fn found(&mut self, cx: &mut Cx<'_>) -> Next {
        if self.stage == Stage::Proof { self.proven(cx) } else { self.send_part(cx) }
    }

    fn late(&mut self, code: &ResultCode, cx: &mut Cx<'_>) -> Next {
        match &self.doubted {
            None => return Next::Stay,
            Some(_) if code.is_ok() => return Next::Stay,
            Some((Some(_), _)) => return self.one_of_each(cx),
            // The first result belonged to an earlier command: the error is the message's own.
            Some((None, first)) if first.is_ok() => self.doubted = None,
            // Of two errors it is unknown which belongs to which, and both are refusals.
            Some((None, _)) => {}
        }
        self.concluded(None, code, cx)
    }

    fn late_reference(&mut self, body: &str, cx: &mut Cx<'_>) -> Next {
        match (&self.doubted, send_reference(body)) {
            (Some((_, first)), Some(_)) if !first.is_ok() => self.one_of_each(cx),
            (Some(_), Some(reference)) => {
                self.was_anothers(cx);
                self.out_of_step = true;
                self.part_taken(reference, cx)
            }
            _ => {
                cx.late_reference(body);
                Next::Stay
            }
        }
    }

    fn restarted_silently(&mut self, cx: &mut Cx<'_>) -> Next {
        match self.stage {
            Stage::Body(_) | Stage::Proof => {
                // The message left in a format that was certain: its result counts.
                cx.known.pending.bring_up = true;
                return Next::Stay;
            }
            Stage::Withdrawn => {}
            _ => self.end_unstarted(&Fault::BeganAnew.to_string(), cx.known, cx.now),
        }
        Next::BringUp(Open::Perhaps)
    }

    fn gate(&mut self, open: bool, cx: &mut Cx<'_>) -> Next {
        if self.gate != Gate::Closed {
            return Next::Stay;
        }
        self.gate = if open { Gate::Open } else { Gate::Dropped };
        match (open, self.stage) {
            (true, Stage::Held) => self.write_body(cx),
            (false, Stage::Held) => self.withdraw_at_prompt("the message was withdrawn", cx),
            (false, Stage::Prompt) => {
                self.stage = Stage::Withdrawn;
                self.end_unstarted("the message was withdrawn", cx.known, cx.now);
                Next::Stay
            }
            _ => Next::Stay,
        }
    }

    fn awaits_gate(&self) -> bool {
        self.gate == Gate::Closed
    }

    fn body_unsent(&mut self) {
        if matches!(self.stage, Stage::Body(_)) {
            self.stage = Stage::Held;
        }
    }

    fn may_stand_in_a_prompt(&self) -> bool {
        matches!(self.stage, Stage::Held | Stage::Pause | Stage::Prompt | Stage::Withdrawn)
    }

    /// The port is gone, the modem restarted, or the daemon stops.
    fn abandon(&mut self, why: &Fault, cx: &mut Cx<'_>) {
        let reason = why.to_string();
        if let Stage::Body(Some(reference)) = self.stage {
            // `<mr>` comes on success alone.
            self.references.push(reference);
            self.stage = Stage::More;
        }
        let references = std::mem::take(&mut self.references);
        let outcome = match self.stage {
            Stage::Withdrawn => return,
            _ if references.len() == self.parts.len() => Outcome::Accepted { references },
            Stage::Body(_) | Stage::Proof => {
                self.expect_late(cx);
                Outcome::Unknown { references, reason }
            }
            _ => Outcome::NotStarted { references, reason },
        };
        cx.known.settle(outcome, cx.now);
    }
}

impl Known {
    /// How long the result of a message may take: as the maker documents, where it does.
    pub(super) fn send_timeout(&self) -> Duration {
        self.profile.send_timeout.unwrap_or(self.settings.timing.sending.body)
    }

    /// An order ended.
    pub(super) fn settle(&mut self, outcome: Outcome, now: Instant) {
        match outcome.fault() {
            Some(fault) => self.set_fault(Fault::Message(fault.to_owned()), now),
            None if self.view.fault.as_ref().is_some_and(Fault::is_of_a_message) => self.clear_fault(),
            None => {}
        }
        self.push(Output::Settle(outcome));
    }
}
