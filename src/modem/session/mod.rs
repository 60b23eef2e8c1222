//! The session with one modem, pure: octets, orders and the time go in, octets and outcomes come out.
//!
//! The rules that faults of other programs taught: whole lines or an awaited prompt before anything is
//! classified; a command knows its information lines; a line that belongs to nothing is dropped and counted;
//! after a time-out the dialogue is synchronised before any new command; a send ends accepted, rejected or
//! unknown.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use super::{Settings, Snapshot, State};
use crate::at::{
    Command, Expects, Failure, Frame, Framer, Kind, Line, Prompt, ResultCode, Routed, Unsolicited,
};
use crate::secret::Secret;

mod bring_up;
mod submit;
#[cfg(test)]
mod tests;

pub use submit::Outcome;

use bring_up::Step;
use submit::{Sending, Stage};

const ESC: u8 = 0x1b;

/// What the task has to do.
#[derive(Debug)]
pub(super) enum Action {
    /// Write these octets; the text is fit for a trace.
    Write(Vec<u8>, String),
    /// Close the port and open it again.
    Reopen,
    /// The order ended.
    Ended(Outcome),
    /// A USSD dialogue ended.
    Answered(Result<String, String>),
    /// A result that came after its send was given up.
    LateAccepted(u8),
    /// A message or report was handed over.
    Arrived(Kind, Secret<Vec<u8>>),
    /// A message or report was stored: what follows the head.
    Stored(Kind, String),
}

/// Where the session is.
#[derive(Debug)]
enum Phase {
    /// No port.
    Closed,
    /// ESC went out; waits for quiet.
    Draining { then: Then, quiet_at: Instant, give_up_at: Instant },
    /// `AT` until it is answered.
    Attention { then: Then, left: u32 },
    /// Answered; waits until nothing follows.
    Settling { then: Then, quiet_at: Instant },
    /// Step by step to readiness.
    BringUp(Step),
    /// Waits for the moment of a step.
    Waiting(Step, Instant),
    /// Nothing to do until then.
    Idle { keep_alive_at: Instant },
    /// Carries an order.
    Sending(Sending),
    /// Carries a USSD dialogue.
    Ussd { give_up_at: Instant },
}

/// What follows a synchronised dialogue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Then {
    BringUp,
    /// Look at the registration, then idle.
    Resume,
}

/// The outstanding command.
#[derive(Debug)]
struct Exchange {
    command: Command,
    expects: Expects,
    answers: Vec<String>,
    deadline: Instant,
}

/// The session.
pub(super) struct Session {
    settings: Settings,
    framer: Framer,
    phase: Phase,
    exchange: Option<Exchange>,
    /// The second line of an unsolicited code is due.
    routed: Option<Kind>,
    actions: VecDeque<Action>,
    snapshot: Snapshot,
    heard_at: Instant,
    late_until: Option<Instant>,
    paused: bool,
    /// Time-outs since the modem was last ready.
    timeouts: u32,
    more_messages: bool,
    pin_refused: bool,
    /// A code said that the registration changed.
    look_at_registration: bool,
}

impl Session {
    pub(super) fn new(settings: Settings, now: Instant) -> Self {
        let snapshot = Snapshot { port: settings.port.clone(), ..Snapshot::default() };
        Self {
            settings,
            framer: Framer::new(),
            phase: Phase::Closed,
            exchange: None,
            routed: None,
            actions: VecDeque::new(),
            snapshot,
            heard_at: now,
            late_until: None,
            paused: false,
            timeouts: 0,
            more_messages: true,
            pin_refused: false,
            look_at_registration: false,
        }
    }

    /// What is known now.
    pub(super) fn snapshot(&self) -> Snapshot {
        let idle = matches!(self.phase, Phase::Idle { .. });
        let mut snapshot = self.snapshot.clone();
        if matches!(snapshot.state, State::Ready | State::Busy) && self.paused {
            snapshot.state = State::Paused;
        }
        snapshot.ready = snapshot.state == State::Ready && idle && !self.look_at_registration;
        snapshot
    }

    /// The next thing to do.
    pub(super) fn next_action(&mut self) -> Option<Action> {
        self.actions.pop_front()
    }

    /// When [`Session::tick`] has something to do.
    pub(super) fn deadline(&self) -> Option<Instant> {
        let phase = match &self.phase {
            Phase::Draining { quiet_at, give_up_at, .. } => Some((*quiet_at).min(*give_up_at)),
            Phase::Settling { quiet_at, .. } => Some(*quiet_at),
            Phase::Waiting(_, at) => Some(*at),
            Phase::Idle { keep_alive_at } => Some(*keep_alive_at),
            Phase::Ussd { give_up_at } => Some(*give_up_at),
            _ => None,
        };
        let exchange = self.exchange.as_ref().map(|e| e.deadline);
        // Behind an open prompt the gate decides; nothing else is awaited.
        let exchange =
            exchange.filter(|_| !matches!(&self.phase, Phase::Sending(s) if s.stage == Stage::Gate));
        [phase, exchange].into_iter().flatten().min()
    }

    /// The port is open.
    pub(super) fn opened(&mut self, now: Instant) {
        self.snapshot.counters.opens += 1;
        if self.snapshot.state != State::Recovering {
            self.snapshot.state = State::Starting;
        }
        self.synchronise(Then::BringUp, now);
    }

    /// The port is gone, or could not be opened.
    pub(super) fn closed(&mut self, why: &str) {
        self.end_order(why);
        self.exchange = None;
        self.routed = None;
        self.framer.clear();
        self.phase = Phase::Closed;
        self.snapshot.state = State::Absent;
        self.snapshot.last_error = Some(why.to_owned());
        self.snapshot.registration = crate::at::Registration::Unknown;
    }

    /// Octets from the modem.
    pub(super) fn received(&mut self, octets: &[u8], now: Instant) {
        self.heard_at = now;
        self.framer.push(octets);
        let quiet = self.settings.timing.quiet;
        if let Phase::Draining { quiet_at, .. } | Phase::Settling { quiet_at, .. } = &mut self.phase {
            *quiet_at = now + quiet;
        }
        loop {
            let awaited = self.exchange.as_ref().is_some_and(|e| e.expects.prompt)
                && matches!(&self.phase, Phase::Sending(s) if s.stage == Stage::Prompt);
            let prompt = if awaited { Prompt::Awaited } else { Prompt::Ignored };
            match self.framer.next(prompt) {
                Some(Frame::Line(line)) => self.line(&line, now),
                Some(Frame::Prompt) => self.prompted(now),
                Some(Frame::Overlong) => self.snapshot.counters.dropped_lines += 1,
                None => break,
            }
        }
    }

    fn line(&mut self, line: &str, now: Instant) {
        if let Some(kind) = self.routed.take() {
            match Line::pdu(line) {
                Some(pdu) => {
                    self.actions.push_back(Action::Arrived(kind, Secret::new(pdu)));
                    return;
                }
                // Not what was announced: the line is judged like any other.
                None => self.snapshot.counters.dropped_lines += 1,
            }
        }
        let expects = self.exchange.as_ref().map(|e| e.expects);
        match Line::of(line, expects.as_ref()) {
            Line::Echo => {}
            Line::Final(code) => self.final_result(&code, now),
            Line::Answer(body) => self.answer(body, now),
            Line::Unsolicited(code) => self.unsolicited(&code, now),
            Line::Unknown => match line.strip_prefix("+CMGS:").and_then(crate::at::send_reference) {
                Some(reference) => self.late(reference, now),
                None => self.snapshot.counters.dropped_lines += 1,
            },
        }
    }

    fn late(&mut self, reference: u8, now: Instant) {
        self.snapshot.counters.late_results += 1;
        if self.late_until.take().is_some_and(|until| now < until) {
            self.actions.push_back(Action::LateAccepted(reference));
        }
    }

    fn answer(&mut self, body: &str, now: Instant) {
        // A reference before the PDU went out belongs to a send that was given up.
        if matches!(&self.phase, Phase::Sending(s) if s.stage == Stage::Prompt) {
            if let Some(reference) = crate::at::send_reference(body) {
                self.late(reference, now);
            }
            return;
        }
        if let Some(exchange) = &mut self.exchange
            && exchange.answers.len() < 64
        {
            exchange.answers.push(body.to_owned());
        }
    }

    fn unsolicited(&mut self, code: &Unsolicited<'_>, now: Instant) {
        match code {
            Unsolicited::Restarted => {
                // While it is being brought up, the codes of its start are part of that.
                if matches!(self.phase, Phase::Idle { .. } | Phase::Sending(_) | Phase::Ussd { .. }) {
                    self.fail("the modem restarted by itself; a weak supply is the usual cause", now);
                }
            }
            Unsolicited::Leaving => {
                self.snapshot.last_error = Some("the modem switches itself off".to_owned())
            }
            Unsolicited::Registration(..) => self.look_at_registration = true,
            Unsolicited::Routed(Routed::PduFollows(kind)) => self.routed = Some(*kind),
            Unsolicited::Routed(Routed::Pdu(kind, pdu)) => {
                if let Some(pdu) = Line::pdu(pdu) {
                    self.actions.push_back(Action::Arrived(*kind, Secret::new(pdu)));
                }
            }
            Unsolicited::Stored(kind, place) => {
                self.actions.push_back(Action::Stored(*kind, (*place).to_owned()));
            }
            Unsolicited::StorageFull => {
                self.snapshot.last_error =
                    Some("the message storage is full; delete messages on the SIM".to_owned());
            }
            Unsolicited::Ussd(body) => self.ussd_answer(body, now),
            _ => {}
        }
        if matches!(self.phase, Phase::Idle { .. }) && self.look_at_registration {
            self.step(Step::Registration, now);
        }
    }

    fn final_result(&mut self, code: &ResultCode, now: Instant) {
        if matches!(self.phase, Phase::Draining { .. } | Phase::Settling { .. }) {
            return;
        }
        let Some(exchange) = self.exchange.take() else {
            self.snapshot.counters.late_results += 1;
            return;
        };
        match &self.phase {
            Phase::Attention { then, .. } => {
                let quiet_at = now + self.settings.timing.quiet;
                self.phase = Phase::Settling { then: *then, quiet_at };
            }
            Phase::BringUp(step) => {
                let step = *step;
                self.stepped(step, &exchange, code, now);
            }
            Phase::Sending(_) => self.send_result(&exchange, code, now),
            Phase::Ussd { .. } if !code.is_ok() => {
                let why = Failure::of(code).sentence;
                self.actions.push_back(Action::Answered(Err(why)));
                self.idle(now);
            }
            _ => {}
        }
    }

    /// Time passed.
    pub(super) fn tick(&mut self, now: Instant) {
        if self.deadline().is_none_or(|at| at > now) {
            return;
        }
        match &self.phase {
            Phase::Draining { then, .. } => {
                let then = *then;
                self.framer.clear();
                self.attention(then, self.settings.timing.attentions, now);
            }
            Phase::Attention { then, left } => {
                let (then, left) = (*then, *left);
                self.framer.clear();
                if left > 0 {
                    self.attention(then, left - 1, now);
                } else {
                    self.reopen(
                        "the modem does not answer AT; is this its command port, and the right baud rate?",
                    );
                }
            }
            Phase::Settling { then, .. } => match then {
                Then::BringUp => self.step(Step::FIRST, now),
                Then::Resume => self.step(Step::Registration, now),
            },
            Phase::Waiting(step, _) => self.step(*step, now),
            Phase::Idle { .. } => self.step(Step::Signal, now),
            Phase::Ussd { .. } => {
                self.exchange = None;
                self.actions
                    .push_back(Action::Answered(Err("the network did not answer in time".to_owned())));
                self.synchronise(Then::Resume, now);
            }
            Phase::BringUp(_) | Phase::Sending(_) => self.timed_out(now),
            Phase::Closed => {}
        }
    }

    /// A command was not answered: nothing new before the dialogue is synchronised.
    fn timed_out(&mut self, now: Instant) {
        let Some(exchange) = self.exchange.take() else { return };
        let why = format!("{} was not answered in time", exchange.command);
        self.timeouts += 1;
        self.fail(&why, now);
    }

    /// Ends what is under way and begins with the modem anew.
    fn fail(&mut self, why: &str, now: Instant) {
        let sending = matches!(self.phase, Phase::Sending(_));
        if matches!(self.phase, Phase::Ussd { .. }) {
            self.actions.push_back(Action::Answered(Err(why.to_owned())));
        }
        self.end_order(why);
        self.snapshot.last_error = Some(why.to_owned());
        self.snapshot.counters.resyncs += 1;
        if matches!(self.snapshot.state, State::Ready | State::Busy) {
            self.snapshot.state = State::Recovering;
        }
        if self.timeouts > 3 {
            self.timeouts = 0;
            self.reopen(why);
        } else {
            let was_up = sending || self.snapshot.state == State::Recovering;
            self.exchange = None;
            // A restart loses every setting, and a time-out may have been one.
            let _ = was_up;
            self.synchronise(Then::BringUp, now);
        }
    }

    fn reopen(&mut self, why: &str) {
        self.closed(why);
        self.snapshot.state = State::Recovering;
        self.actions.push_back(Action::Reopen);
    }

    /// Rule 5: ESC for a prompt that may be open, then quiet, then `AT` until it is answered, then quiet.
    fn synchronise(&mut self, then: Then, now: Instant) {
        self.exchange = None;
        self.routed = None;
        self.framer.clear();
        self.actions.push_back(Action::Write(vec![ESC, b'\r'], "ESC".to_owned()));
        let timing = &self.settings.timing;
        self.phase =
            Phase::Draining { then, quiet_at: now + timing.quiet, give_up_at: now + timing.quiet * 20 };
    }

    fn attention(&mut self, then: Then, left: u32, now: Instant) {
        self.phase = Phase::Attention { then, left };
        self.command(Command::Attention, self.settings.timing.attention, now);
    }

    fn idle(&mut self, now: Instant) {
        self.exchange = None;
        self.phase = Phase::Idle { keep_alive_at: now + self.settings.timing.keep_alive };
        if matches!(self.snapshot.state, State::Starting | State::Recovering | State::Busy | State::Blocked) {
            self.snapshot.state = State::Ready;
        }
        if self.look_at_registration {
            self.step(Step::Registration, now);
        }
    }

    fn command(&mut self, command: Command, within: Duration, now: Instant) {
        self.actions.push_back(Action::Write(command.encode(), command.to_string()));
        let expects = command.expects();
        self.exchange = Some(Exchange { command, expects, answers: Vec::new(), deadline: now + within });
    }

    /// Takes no messages any more, or takes them again.
    pub(super) fn pause(&mut self, paused: bool) {
        self.paused = paused;
    }

    /// Begins anew with the device: `AT+CFUN=1,1` first, when it is there to hear it.
    pub(super) fn reset(&mut self, now: Instant) {
        if matches!(self.phase, Phase::Closed) {
            return;
        }
        self.end_order("an operator reset the modem");
        self.snapshot.state = State::Recovering;
        let command = Command::Restart;
        self.actions.push_back(Action::Write(command.encode(), command.to_string()));
        self.synchronise_quietly(now);
    }

    /// As [`Session::synchronise`], without the ESC that would break into the command just written.
    fn synchronise_quietly(&mut self, now: Instant) {
        self.exchange = None;
        let timing = &self.settings.timing;
        self.phase = Phase::Draining {
            then: Then::BringUp,
            quiet_at: now + timing.attention,
            give_up_at: now + timing.attention * 5,
        };
    }

    /// Begins a USSD dialogue; false when the session is not idle.
    pub(super) fn ussd(&mut self, code: &Secret<String>, within: Duration, now: Instant) -> bool {
        if !matches!(self.phase, Phase::Idle { .. }) {
            return false;
        }
        self.phase = Phase::Ussd { give_up_at: now + within };
        self.command(Command::Ussd(code.clone()), within, now);
        true
    }

    fn ussd_answer(&mut self, body: &str, now: Instant) {
        if !matches!(self.phase, Phase::Ussd { .. }) {
            return;
        }
        let answer = match crate::at::ussd(body) {
            Some(reply) => match reply.text {
                Some(text) => Ok(text),
                None => Err(format!("the network ended the dialogue with {}", reply.status)),
            },
            None => Err("the modem's answer could not be read".to_owned()),
        };
        self.actions.push_back(Action::Answered(answer));
        // Its OK may still come: it ends the exchange that is left, or is dropped as late.
        self.idle(now);
    }
}
