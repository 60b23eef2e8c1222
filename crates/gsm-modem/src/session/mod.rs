//! The dialogue with one modem as a pure state machine (ITU-T V.250, 3GPP TS 27.005 and TS 27.007).
//!
//! [`Session::handle`] takes an event and the present; [`Session::poll`] gives what is to be done. The session knows
//! no port and no clock. Below it, the dialogue kernel gives every line its meaning; above that, one procedure at a
//! time owns what is in progress and is dropped as a whole. The session keeps these rules: every command states what
//! it expects, and anything else that arrives is an unsolicited code or is counted and dropped; after a time-out
//! nothing is sent before the dialogue is resynchronised; a line that is not understood grants nothing and switches
//! nothing off; and a message whose PDU has left is accepted, rejected or unknown, never guessed.
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

use std::time::Instant;

mod bring_up;
mod check;
mod codes;
mod cure;
mod fault;
mod idle;
mod input;
mod known;
mod orders;
mod pace;
mod port;
mod procedure;
mod read;
mod send;
mod storage;
#[cfg(test)]
mod tests;
mod translate;
mod ussd;
mod ussd_dialogue;
mod ussd_text;
mod view;

use crate::dialogue::{Dialogue, Heard, Open, Recorded};
use crate::settings::Settings;
use crate::snapshot::{Snapshot, State};

pub use input::{Closing, Input, Output, UssdAnswer};

use fault::Fault;
use idle::{Closed, Idle, Resting};
use known::{Echo, Known};
use procedure::{Activity, Cx, Next, Procedure};
use ussd_dialogue::Request;

/// The session with one modem.
#[derive(Debug)]
pub struct Session {
    dialogue: Dialogue,
    known: Known,
    doing: Box<dyn Procedure>,
    opened_before: bool,
}

impl Session {
    /// A session whose port is not open yet.
    pub fn new(settings: Settings) -> Self {
        let mut dialogue = Dialogue::new(settings.timing.dialogue);
        dialogue.recorder().name(&settings.name);
        Self { dialogue, known: Known::new(settings), doing: Box::new(Closed), opened_before: false }
    }

    /// Takes an input at `now`, which never goes back. Call [`Session::poll`] afterwards until there is no output.
    pub fn handle(&mut self, input: Input, now: Instant) {
        self.dialogue.recorder().at(now);
        let next = match input {
            Input::Opened { port, usb } => self.port_opened(&port, usb, now),
            Input::Lost(why) => self.port_lost(why, now),
            Input::Stuck(why) => self.port_stuck(why, now),
            Input::Received(octets) => return self.received(&octets, now),
            Input::Tick => return self.tick(now),
            Input::Submit(parts) => self.submit(parts, now),
            Input::Gate(open) => self.with(now, |doing, cx| doing.gate(open, cx)),
            Input::BodyUnsent => {
                self.doing.body_unsent();
                Next::Stay
            }
            Input::Pause => self.set_paused(true),
            Input::Resume => self.set_paused(false),
            Input::Reset => self.reset(now),
            Input::Cure(why) => {
                self.known.pending.cure = Some(why);
                self.wake_idle(now)
            }
            Input::ExpectLate => {
                self.known.pace.gave_up(now, now + self.known.settings.timing.sending.late);
                Next::Stay
            }
            Input::Stop(grace) => {
                self.known.pending.stop = Some(now + grace);
                if self.doing.activity() == Activity::Sending {
                    Next::Stay
                } else {
                    Next::Close(Closing::Stop)
                }
            }
            Input::Discard(place) => {
                self.known.discard(place);
                self.wake_idle(now)
            }
            Input::Ussd { code, timeout } => self.ussd(Request { code, timeout }, now),
            Input::PinNoted(noted) => self.with(now, |doing, cx| doing.pin_noted(noted, cx)),
            Input::NoticesLost(count) => {
                self.known.view.snapshot.counters.lost_notices += count;
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

    /// The next output; to be called until there is none. Octets to write come before all other outputs.
    pub fn poll(&mut self) -> Option<Output> {
        self.dialogue.poll().map(Output::Write).or_else(|| self.known.outputs.pop_front())
    }

    /// The latest instant for an [`Input::Tick`].
    pub fn deadline(&self) -> Option<Instant> {
        let stop = self.known.pending.stop.filter(|_| !self.is_closed());
        [self.dialogue.deadline(), self.timer(), stop].into_iter().flatten().min()
    }

    /// What is known of the modem.
    pub fn snapshot(&self) -> &Snapshot {
        &self.known.view.snapshot
    }

    /// Whether the snapshot changed since the last call.
    pub fn take_dirty(&mut self) -> bool {
        std::mem::take(&mut self.known.view.dirty)
    }

    /// Whether the session has no port.
    pub fn is_closed(&self) -> bool {
        self.doing.activity() == Activity::Closed
    }

    /// Whether an order can be given. An order that cannot be carried out is settled at once.
    pub fn takes_orders(&self) -> bool {
        !matches!(
            self.doing.activity(),
            Activity::Sending | Activity::Checking | Activity::Reading | Activity::Ussd
        )
    }

    /// Whether the order in progress still waits for its gate.
    pub fn awaits_gate(&self) -> bool {
        self.doing.awaits_gate()
    }

    /// The last lines that went over the port, the oldest first, in a form that anybody may see.
    pub fn trace(&self, now: Instant) -> Vec<Recorded> {
        self.dialogue.recorded(usize::MAX, now)
    }

    /// A procedure's timer is suspended while the dialogue is being resynchronised.
    fn timer(&self) -> Option<Instant> {
        self.known.timer.filter(|_| !self.dialogue.is_lost())
    }

    fn with<T>(&mut self, now: Instant, call: impl FnOnce(&mut dyn Procedure, &mut Cx<'_>) -> T) -> T {
        let Self { dialogue, known, doing, .. } = self;
        call(&mut **doing, &mut Cx { dialogue, known, now })
    }

    /// Carries out what follows according to a procedure.
    fn follow(&mut self, mut next: Next, now: Instant) {
        loop {
            next = match next {
                Next::Stay => break,
                Next::Done => self.begin(Box::new(Idle), now),
                Next::Then(procedure) => self.begin(procedure, now),
                Next::Resync(open) => {
                    self.known.changed();
                    self.dialogue.find_again(open, now);
                    break;
                }
                Next::Idle(open) => {
                    self.known.set_state(State::Recovering, &mut self.dialogue);
                    Next::Find(open, Box::new(Idle))
                }
                Next::BringUp(open) => {
                    // A modem that did not work yet keeps its state: starting, recovering or blocked.
                    if matches!(self.known.view.snapshot.state, State::Ready | State::Busy | State::Paused) {
                        self.known.set_state(State::Starting, &mut self.dialogue);
                    }
                    Next::Find(open, bring_up::first())
                }
                Next::Find(open, procedure) => {
                    self.known.timer = None;
                    self.doing = procedure;
                    Next::Resync(open)
                }
                Next::Rest(until) => self.begin(Box::new(Resting { until }), now),
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

    fn begin(&mut self, procedure: Box<dyn Procedure>, now: Instant) -> Next {
        self.doing = procedure;
        self.with(now, |doing, cx| doing.begin(cx))
    }

    /// Drops the procedure in progress, which reports the end to whoever waits for it.
    fn abandon(&mut self, why: &Fault, now: Instant) {
        self.with(now, |doing, cx| doing.abandon(why, cx));
        self.doing = Box::new(Closed);
    }

    fn received(&mut self, octets: &[u8], now: Instant) {
        self.dialogue.received(octets, now);
        loop {
            let Self { dialogue, known, doing, .. } = self;
            let profile = known.profile.clone();
            let heard = dialogue.next(
                now,
                |line, outstanding| doing.claims(line, outstanding, known, now),
                |line| profile.own_code(line),
            );
            let Some(heard) = heard else { break };
            self.heard(heard, now);
        }
        if self.doing.activity() == Activity::Idle && self.dialogue.holds_prompt() && !self.dialogue.is_lost()
        {
            self.follow(Next::Idle(Open::Perhaps), now);
        }
        self.count();
    }

    fn tick(&mut self, now: Instant) {
        if self.known.pending.stop.is_some_and(|stop| stop <= now) {
            return self.follow(Next::Close(Closing::Stop), now);
        }
        if let Some(heard) = self.dialogue.tick(now) {
            self.heard(heard, now);
        }
        if self.timer().is_some_and(|timer| timer <= now) {
            self.known.timer = None;
            let next = self.with(now, |doing, cx| doing.timer(cx));
            self.follow(next, now);
        }
    }

    fn heard(&mut self, heard: Heard, now: Instant) {
        if self.dialogue.take_says_numbers() && self.doing.activity() != Activity::BringUp {
            // The modem is to give results as words.
            self.known.pending.bring_up = true;
        }
        let next = match heard {
            Heard::Answer(body) => self.with(now, |doing, cx| doing.answer(&body, cx)),
            Heard::Ended(ended) => {
                if ended.result.is_some() {
                    self.known.format.answered(now);
                }
                self.with(now, |doing, cx| doing.ended(ended, cx))
            }
            Heard::Prompt => self.with(now, |doing, cx| doing.prompt(cx)),
            Heard::Claimed => self.with(now, |doing, cx| doing.claimed(cx)),
            Heard::Echo => self.echoed(now),
            Heard::Code(line) => self.code(&line, now),
            Heard::Message { kind, length, pdu } => {
                if !self.known.handed_over(kind, Some(length), pdu) {
                    self.dialogue.count_dropped();
                    self.known.look_for_messages(now);
                }
                self.wake_idle(now)
            }
            Heard::TextReport(body) => {
                self.with(now, |_, cx| cx.text_report(&body));
                self.wake_idle(now)
            }
            Heard::TextMode if self.known.format.text.on => Next::Stay,
            Heard::TextMode => self.restarted_silently(now),
            Heard::Stray(line) => match line.strip_prefix("+CMGS:") {
                Some(body) => self.with(now, |doing, cx| doing.late_reference(body.trim(), cx)),
                None => Next::Stay,
            },
            Heard::Late(code) => self.with(now, |doing, cx| doing.late(&code, cx)),
            Heard::Found => self.with(now, |doing, cx| doing.found(cx)),
            Heard::Silent => self.silent(now),
        };
        let next = self.unless_reset(next, now);
        self.follow(next, now);
    }

    /// An operator's reset does not wait for the end of a procedure that has nothing outstanding.
    fn unless_reset(&mut self, next: Next, now: Instant) -> Next {
        let interrupts = matches!(self.doing.activity(), Activity::BringUp | Activity::Ussd);
        let waits = match &next {
            Next::Stay | Next::Resync(_) => true,
            Next::Then(procedure) => procedure.activity() == Activity::BringUp,
            _ => false,
        };
        let free = self.dialogue.outstanding().is_none() && !self.dialogue.is_lost();
        if self.known.pending.restart && interrupts && waits && free {
            self.abandon(&Fault::Reset, now);
            return Next::then(cure::Cure::restart());
        }
        next
    }

    /// The modem echoed a command. If the echo was off, the modem restarted.
    fn echoed(&mut self, now: Instant) -> Next {
        if self.doing.echoed() || self.known.format.echo != Echo::Off {
            Next::Stay
        } else {
            self.restarted_silently(now)
        }
    }

    fn silent(&mut self, now: Instant) -> Next {
        if self.doing.activity() == Activity::Curing {
            // It is restarted all the same.
            return self.with(now, |doing, cx| doing.found(cx));
        }
        let (port, baud) = (self.known.view.snapshot.port.clone(), self.known.settings.baud);
        Next::Cure(Fault::Silent { port, baud })
    }

    /// Copies the kernel's counts to the snapshot.
    fn count(&mut self) {
        let (counts, counters) = (self.dialogue.counts(), &mut self.known.view.snapshot.counters);
        let now = (counts.dropped_lines, counts.late_lines, counts.resyncs);
        if (counters.dropped_lines, counters.late_lines, counters.resyncs) != now {
            (counters.dropped_lines, counters.late_lines, counters.resyncs) = now;
            self.known.changed();
        }
    }
}
