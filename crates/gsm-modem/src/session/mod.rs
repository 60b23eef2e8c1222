//! The dialogue with one modem as a pure state machine (ITU-T V.250, 3GPP TS 27.005 and TS 27.007).
//!
//! [`Session::handle`] takes what happened and the present; [`Session::poll`] gives what is to be done. It knows no port
//! and no clock. Below it the dialogue kernel gives every line its place; above that one procedure at a time owns what is
//! under way and is thrown away whole. The rules it keeps: every command states what it expects, and what else arrives is
//! an unsolicited code or is counted and dropped; after a time-out nothing is sent before the dialogue is found again; what
//! is not understood opens no lock and switches nothing off; and a message whose PDU has left is accepted, rejected or
//! unknown, never guessed.
//!
//! ```
//! use std::time::Instant;
//! use gsm_modem::session::{Input, Output, Session};
//! use gsm_modem::{Settings, State};
//!
//! let settings = Settings::new("stick1", std::path::PathBuf::from("/dev/ttyUSB0"));
//! let (mut session, now) = (Session::new(settings), Instant::now());
//! session.handle(Input::Opened { port: "/dev/ttyUSB0".into(), usb: None }, now);
//! let Some(Output::Write(escape)) = session.poll() else { panic!("it leaves an old prompt first") };
//! assert_eq!(escape.octets().expose(), b"\x1b\r");
//! assert_eq!(session.snapshot().state, State::Starting);
//! // Then time passes, and it calls.
//! let call = session.deadline().unwrap();
//! session.handle(Input::Tick, call);
//! let Some(Output::Write(call)) = session.poll() else { panic!("it calls") };
//! assert_eq!(call.octets().expose(), b"AT\r");
//! ```

use std::path::Path;
use std::time::Instant;

mod bring_up;
mod check;
mod codes;
mod cure;
mod doing;
mod fault;
mod idle;
mod input;
mod known;
mod pace;
mod read;
mod seen;
mod send;
#[cfg(test)]
mod tests;
mod translate;
mod ussd;
mod ussd_text;

use super::ladder::Step;
use super::settings::Settings;
use super::snapshot::{Outcome, Part, Snapshot, State};

use crate::dialogue::{Dialogue, Direction, Heard, Manners, Open, Recorded};
use crate::ladder::Rung;

pub use input::{Closing, Input, Output, UssdAnswer};

use doing::{Doing, Next};
use fault::Fault;
use idle::Resting;
use known::{Cx, Echo, Known};
use send::Send;
use ussd::Request;

/// One modem's dialogue.
#[derive(Debug)]
pub struct Session {
    dialogue: Dialogue,
    known: Known,
    doing: Doing,
    opened_before: bool,
}

impl Session {
    /// A session whose port is not open yet.
    pub fn new(settings: Settings) -> Self {
        let timing = settings.timing;
        let manners = Manners {
            attention: timing.attention,
            attention_tries: timing.attention_tries,
            quiet: timing.quiet,
            ..Manners::default()
        };
        let mut dialogue = Dialogue::new(manners);
        dialogue.recorder().name(&settings.name);
        Self { dialogue, known: Known::new(settings), doing: Doing::CLOSED, opened_before: false }
    }

    /// What happened, at `now`, which never goes back. Ask [`Session::poll`] afterwards until there is nothing.
    pub fn handle(&mut self, input: Input, now: Instant) {
        self.dialogue.recorder().at(now);
        let next = match input {
            Input::Opened { port, usb } => self.port_opened(&port, usb, now),
            Input::Lost(why) => self.port_lost(why, now),
            Input::Stuck(why) => self.port_stuck(why, now),
            Input::Received(octets) => return self.received(&octets, now),
            Input::Tick => return self.tick(now),
            Input::Submit(parts) => self.submit(parts, now),
            Input::Gate(open) => self.with(now, |doing, cx| match doing {
                Doing::Sending(send) => send.gate(open, cx),
                _ => Next::Stay,
            }),
            Input::BodyUnsent => {
                if let Doing::Sending(send) = &mut self.doing {
                    send.body_unsent();
                }
                Next::Stay
            }
            Input::Pause => self.set_paused(true),
            Input::Resume => self.set_paused(false),
            Input::Reset => self.reset(now),
            Input::Cure(why) => {
                self.known.wishes.cure = Some(why);
                self.rouse_idle(now)
            }
            Input::Stop(grace) => {
                self.known.wishes.stop = Some(now + grace);
                if matches!(self.doing, Doing::Sending(_)) { Next::Stay } else { Next::Close(Closing::Stop) }
            }
            Input::Discard(place) => {
                self.known.discard(place);
                self.rouse_idle(now)
            }
            Input::Ussd { code, timeout } => self.ussd(Request { code, timeout }, now),
            Input::PinNoted(noted) => self.with(now, |doing, cx| match doing {
                Doing::BringUp(bring_up) => bring_up.pin_noted(noted, cx),
                _ => Next::Stay,
            }),
            Input::NoticesLost(count) => {
                self.known.seen.snapshot.counters.lost_notices += count;
                self.known.changed();
                Next::Stay
            }
            Input::Missing => {
                let rung = self.known.ladder.away(now);
                self.with(now, |_, cx| cx.tell_tried());
                rung.map_or(Next::Stay, |rung| Next::Close(Closing::Cure(rung)))
            }
            Input::Climbed { rung, done } => self.climbed(rung, done, now),
        };
        self.follow(next, now);
    }

    /// What to do next; ask until there is nothing. What is written stands before what else is to be done.
    pub fn poll(&mut self) -> Option<Output> {
        self.dialogue.poll().map(Output::Write).or_else(|| self.known.outputs.pop_front())
    }

    /// When to tell of the time at the latest, by [`Input::Tick`].
    pub fn deadline(&self) -> Option<Instant> {
        let stop = self.known.wishes.stop.filter(|_| !self.is_closed());
        [self.dialogue.deadline(), self.timer(), stop].into_iter().flatten().min()
    }

    /// What is known of the modem.
    pub fn snapshot(&self) -> &Snapshot {
        &self.known.seen.snapshot
    }

    /// Whether the snapshot changed since this was asked last.
    pub fn take_dirty(&mut self) -> bool {
        std::mem::take(&mut self.known.seen.dirty)
    }

    /// Whether it has no port.
    pub fn is_closed(&self) -> bool {
        matches!(self.doing, Doing::Closed(_))
    }

    /// Whether an order can be given: one that cannot be carried out is settled at once.
    pub fn takes_orders(&self) -> bool {
        !matches!(self.doing, Doing::Sending(_) | Doing::Checking(_) | Doing::Reading(_) | Doing::Ussd(_))
    }

    /// Whether the order under way still waits for its gate.
    pub fn awaits_gate(&self) -> bool {
        matches!(&self.doing, Doing::Sending(send) if send.awaits_gate())
    }

    /// The last lines that went over the port, the oldest first, fit to be shown to anybody.
    pub fn trace(&self, now: Instant) -> Vec<Recorded> {
        self.dialogue.recorded(usize::MAX, now)
    }

    /// A timer of a procedure stands still while the dialogue is found again.
    fn timer(&self) -> Option<Instant> {
        self.known.timer.filter(|_| !self.dialogue.is_lost())
    }

    fn with<T>(&mut self, now: Instant, call: impl FnOnce(&mut Doing, &mut Cx<'_>) -> T) -> T {
        let Self { dialogue, known, doing, .. } = self;
        call(doing, &mut Cx { dialogue, known, now })
    }

    /// Carries out what a procedure says that follows.
    fn follow(&mut self, mut next: Next, now: Instant) {
        loop {
            next = match next {
                Next::Stay => break,
                Next::Done => self.begin(Doing::IDLE, now),
                Next::Then(doing) => self.begin(doing, now),
                Next::Resync(open) => {
                    self.known.changed();
                    self.dialogue.find_again(open, now);
                    break;
                }
                Next::Find(open, doing) => {
                    // While a modem is brought up its state stays what it was: starting or blocked.
                    if matches!(doing, Doing::Idle(_)) {
                        self.known.set_state(State::Recovering, &mut self.dialogue);
                    }
                    self.known.timer = None;
                    self.doing = doing;
                    Next::Resync(open)
                }
                Next::Anew => {
                    self.known.set_state(State::Starting, &mut self.dialogue);
                    Next::Find(Open::Perhaps, Doing::bring_up())
                }
                Next::Cure(fault) => {
                    let closed = self.is_closed();
                    self.with(now, |_, cx| cx.cure(fault, closed))
                }
                Next::Close(closing) => {
                    self.close(closing, now);
                    break;
                }
            };
        }
        self.count();
    }

    fn begin(&mut self, doing: Doing, now: Instant) -> Next {
        self.doing = doing;
        self.with(now, |doing, cx| doing.procedure().begin(cx))
    }

    /// What is under way is thrown away; who waits for its end is told.
    fn abandon(&mut self, why: &Fault, now: Instant) {
        self.with(now, |doing, cx| doing.procedure().abandon(why, cx));
        self.doing = Doing::CLOSED;
    }

    fn close(&mut self, closing: Closing, now: Instant) {
        let why = match closing {
            Closing::Stop => Fault::Stopped,
            Closing::Reopen | Closing::Cure(_) => Fault::Reset,
        };
        let was_closed = self.is_closed();
        let in_prompt = matches!(&self.doing, Doing::Sending(send) if send.may_stand_in_a_prompt());
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
            // One that is away stays so, whatever is done about it.
            Closing::Reopen | Closing::Cure(_) if was_closed => {}
            Closing::Reopen => self.known.set_state(State::Recovering, &mut self.dialogue),
            Closing::Cure(_) => {
                self.known.pin.device_began_anew();
                self.known.set_state(State::Recovering, &mut self.dialogue);
            }
        }
        self.known.push(Output::Close(closing));
    }

    fn enter_closed(&mut self) {
        self.doing = Doing::CLOSED;
        self.known.timer = None;
        self.dialogue.clear();
    }

    fn port_opened(&mut self, port: &Path, usb: Option<(u16, u16)>, now: Instant) -> Next {
        self.known.on_usb(usb);
        self.with(now, |_, cx| cx.keep_manners());
        self.known.seen.snapshot.port = port.display().to_string();
        self.dialogue.recorder().note(Direction::Note, format_args!("its port is open"));
        if std::mem::replace(&mut self.opened_before, true) {
            self.known.seen.snapshot.counters.reopens += 1;
        }
        self.known.changed();
        self.enter_closed();
        self.known.pin.device_began_anew();
        self.known.storage.sim_unknown();
        self.known.ladder.here();
        if let Some(until) = self.known.ladder.rests_until(now) {
            return Next::Then(Resting::until(until, &mut self.known, now));
        }
        let trouble = self.known.ladder.in_trouble();
        let state = if trouble { State::Recovering } else { State::Starting };
        self.known.set_state(state, &mut self.dialogue);
        self.doing = Doing::bring_up();
        // The first dialogue of a port is not found again.
        self.dialogue.find(Open::Perhaps, now);
        Next::Stay
    }

    fn port_lost(&mut self, why: String, now: Instant) -> Next {
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

    fn port_stuck(&mut self, why: String, now: Instant) -> Next {
        let (fault, closed) = (Fault::Port(why), self.is_closed());
        self.abandon(&fault, now);
        self.known.end_dialogue(&fault);
        self.dialogue.clear();
        self.with(now, |_, cx| cx.cure(fault, closed))
    }

    fn climbed(&mut self, rung: Rung, done: Result<(), Option<String>>, now: Instant) -> Next {
        let why = match done {
            Ok(()) => {
                self.known.ladder.done(rung, now);
                return Next::Stay;
            }
            Err(why) => why,
        };
        if let Some(why) = &why {
            tracing::warn!(modem = %self.known.settings.name, rung = rung.as_str(), "{why}");
        }
        self.known.ladder.impossible(rung, why, now);
        let next = match self.known.ladder.climb(now) {
            Step::Try(rung @ (Rung::Reauthorise | Rung::PowerCycle)) => Next::Close(Closing::Cure(rung)),
            Step::Try(_) | Step::Again | Step::Rest(_) => Next::Stay,
        };
        self.with(now, |_, cx| cx.tell_tried());
        next
    }

    fn received(&mut self, octets: &[u8], now: Instant) {
        self.dialogue.received(octets, now);
        loop {
            let Self { dialogue, known, doing, .. } = self;
            let profile = known.profile.clone();
            let heard = dialogue.next(
                now,
                |line, outstanding| doing.procedure().claims(line, outstanding, known, now),
                |line| profile.lines_of(line),
            );
            let Some(heard) = heard else { break };
            self.heard(heard, now);
        }
        if matches!(self.doing, Doing::Idle(_)) && self.dialogue.holds_prompt() && !self.dialogue.is_lost() {
            self.follow(Next::Find(Open::Perhaps, Doing::IDLE), now);
        }
        self.count();
    }

    fn tick(&mut self, now: Instant) {
        if self.known.wishes.stop.is_some_and(|stop| stop <= now) {
            return self.follow(Next::Close(Closing::Stop), now);
        }
        if let Some(heard) = self.dialogue.tick(now) {
            self.heard(heard, now);
        }
        if self.timer().is_some_and(|timer| timer <= now) {
            self.known.timer = None;
            let next = self.with(now, |doing, cx| doing.procedure().timer(cx));
            self.follow(next, now);
        }
    }

    fn heard(&mut self, heard: Heard, now: Instant) {
        if self.dialogue.take_says_numbers() && !matches!(self.doing, Doing::BringUp(_)) {
            // It was told to say words.
            self.known.wishes.bring_up = true;
        }
        let next = match heard {
            Heard::Answer(body) => self.with(now, |doing, cx| doing.procedure().answer(&body, cx)),
            Heard::Ended(ended) => self.with(now, |doing, cx| doing.procedure().ended(ended, cx)),
            Heard::Prompt => self.with(now, |doing, cx| doing.procedure().prompt(cx)),
            Heard::Claimed => self.with(now, |doing, cx| doing.procedure().claimed(cx)),
            Heard::Echo => self.echoed(now),
            Heard::Code(line) => self.code(&line, now),
            Heard::Message { kind, length, pdu } => {
                if !self.known.handed_over(kind, Some(length), pdu) {
                    self.dialogue.count_dropped();
                    self.known.look_for_messages(now);
                }
                self.rouse_idle(now)
            }
            Heard::TextReport(body) => {
                self.with(now, |_, cx| cx.text_report(&body));
                self.rouse_idle(now)
            }
            Heard::TextMode if self.known.format.text.on => Next::Stay,
            Heard::TextMode => self.began_anew(now),
            Heard::Stray(line) => {
                if let Some(body) = line.strip_prefix("+CMGS:") {
                    self.with(now, |_, cx| cx.late_reference(body.trim()));
                }
                Next::Stay
            }
            Heard::Late(_) => Next::Stay,
            Heard::Found => self.with(now, |doing, cx| doing.procedure().found(cx)),
            Heard::Silent => self.silent(now),
        };
        let next = self.unless_reset(next, now);
        self.follow(next, now);
    }

    /// An operator's reset does not wait for the end of a procedure that has nothing outstanding.
    fn unless_reset(&mut self, next: Next, now: Instant) -> Next {
        let interrupts = matches!(self.doing, Doing::BringUp(_) | Doing::Ussd(_));
        let waits = matches!(next, Next::Stay | Next::Resync(_) | Next::Then(Doing::BringUp(_)));
        let free = self.dialogue.outstanding().is_none();
        if self.known.wishes.restart && interrupts && waits && free {
            self.abandon(&Fault::Reset, now);
            return Next::Then(Doing::Curing(cure::Cure::restart()));
        }
        next
    }

    /// A command came back. Where the echo was off, the modem began anew.
    fn echoed(&mut self, now: Instant) -> Next {
        let awaited = match &mut self.doing {
            Doing::BringUp(bring_up) => bring_up.echoed(),
            _ => false,
        };
        if awaited || self.known.format.echo != Echo::Off { Next::Stay } else { self.began_anew(now) }
    }

    fn silent(&mut self, now: Instant) -> Next {
        if matches!(self.doing, Doing::Curing(_)) {
            // It is restarted all the same.
            return self.with(now, |doing, cx| doing.procedure().found(cx));
        }
        let (port, baud) = (self.known.seen.snapshot.port.clone(), self.known.settings.baud);
        Next::Cure(Fault::Silent { port, baud })
    }

    fn submit(&mut self, parts: Vec<Part>, now: Instant) -> Next {
        let refused = |reason: String| Output::Settle(Outcome::not_started(reason));
        if self.known.seen.snapshot.paused {
            self.known.push(refused(String::from("the modem is paused")));
        } else if !matches!(self.doing, Doing::Idle(_)) || self.dialogue.is_lost() {
            let why = self.known.seen.fault.as_ref().map(|fault| format!(": {fault}"));
            self.known.push(refused(format!("the modem is not ready{}", why.unwrap_or_default())));
        } else if parts.is_empty() {
            self.known.push(refused(String::from("the message has no part")));
        } else if self.dialogue.holds_prompt() {
            self.known.push(refused(Fault::OldPrompt.to_string()));
            return Next::Find(Open::Perhaps, Doing::IDLE);
        } else {
            return Next::Then(Doing::Sending(Send::new(parts, now)));
        }
        Next::Stay
    }

    fn set_paused(&mut self, paused: bool) -> Next {
        self.known.set_paused(paused, &mut self.dialogue);
        Next::Stay
    }

    fn reset(&mut self, now: Instant) -> Next {
        match self.doing {
            Doing::Closed(_) => Next::Stay,
            Doing::Idle(_) | Doing::Resting(_) if !self.dialogue.is_lost() => {
                Next::Then(Doing::Curing(cure::Cure::restart()))
            }
            Doing::Sending(_) | Doing::Checking(_) | Doing::Reading(_) | Doing::Curing(_) => {
                self.known.wishes.restart = true;
                Next::Stay
            }
            // What is outstanding must not end the command to restart.
            Doing::Idle(_) | Doing::Resting(_) | Doing::BringUp(_) | Doing::Ussd(_) => {
                self.abandon(&Fault::Reset, now);
                let cure = Doing::Curing(cure::Cure::restart());
                self.known.set_state(State::Recovering, &mut self.dialogue);
                if self.dialogue.outstanding().is_none() && !self.dialogue.is_lost() {
                    return Next::Then(cure);
                }
                Next::Find(Open::Perhaps, cure)
            }
        }
    }

    fn ussd(&mut self, request: Request, now: Instant) -> Next {
        let refused = match &request.code {
            Some(code) => self.known.may_ask(code.expose()),
            None => Ok(()),
        };
        let busy = matches!(self.doing, Doing::Checking(_) | Doing::Reading(_) | Doing::Sending(_));
        let refused = match refused {
            Err(reason) => reason,
            Ok(()) if busy && self.known.wishes.ussd.is_none() => {
                self.known.wishes.ussd = Some(request);
                return Next::Stay;
            }
            Ok(()) if matches!(self.doing, Doing::Idle(_)) && !self.dialogue.is_lost() => {
                self.known.wishes.ussd = Some(request);
                return self.rouse_idle(now);
            }
            Ok(()) => String::from("the modem is not ready"),
        };
        self.known.push(Output::Ussd(Err(refused)));
        Next::Stay
    }

    /// The kernel's counts are part of what is known.
    fn count(&mut self) {
        let (counts, counters) = (self.dialogue.counts(), &mut self.known.seen.snapshot.counters);
        let now = (counts.dropped_lines, counts.late_lines, counts.resyncs);
        if (counters.dropped_lines, counters.late_lines, counters.resyncs) != now {
            (counters.dropped_lines, counters.late_lines, counters.resyncs) = now;
            self.known.changed();
        }
    }
}
