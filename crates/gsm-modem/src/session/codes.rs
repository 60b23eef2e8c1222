//! Unsolicited codes (3GPP TS 27.005 clause 3.4.1, TS 27.007): one event each, whatever is outstanding.

use std::time::Instant;

use super::Session;
use super::fault::Fault;
use super::known::Echo;
use super::procedure::{Activity, Next};
use crate::at::{Domain, Line, Pin, Registration, Unsolicited, index, pin};
use crate::dialogue::Open;
use crate::snapshot::State;

impl Session {
    /// Takes a complete code.
    pub(super) fn code(&mut self, line: &str, now: Instant) -> Next {
        let profile = self.known.profile.clone();
        let own = |line: &str| profile.own_code(line).map(|(_, means)| means);
        let Line::Unsolicited(code) = Line::with(line, None, own) else { return Next::Stay };
        match code {
            Unsolicited::Restarted => self.restarted(now),
            Unsolicited::PartReady => self.part_ready(now),
            Unsolicited::PoweringOff => {
                self.known.set_fault(Fault::Leaving, now);
                Next::Stay
            }
            Unsolicited::Registration(domain, body) => self.registration_reported(domain, body, now),
            Unsolicited::Pin(body) => match pin(body) {
                Pin::Ready => self.part_ready(now),
                Pin::Second | Pin::Other => Next::Stay,
                Pin::SimPin | Pin::SimPuk | Pin::Device | Pin::Absent => {
                    self.known.pending.bring_up = true;
                    self.wake(now)
                }
            },
            Unsolicited::Stored(kind, body) => {
                match index(body) {
                    Some(place) => self.known.read_place(place, kind, now),
                    // A message came; a listing finds where it lies.
                    None => self.known.look_for_messages(now),
                }
                self.wake_idle(now)
            }
            Unsolicited::Ussd(body) => {
                let body = body.to_owned();
                self.with(now, |doing, cx| doing.network_said(&body, cx))
            }
            Unsolicited::StorageFull => {
                self.known.storage_is_full(now);
                self.wake_idle(now)
            }
            Unsolicited::Routed(_) | Unsolicited::Other => Next::Stay,
        }
    }

    /// The modem restarted: every setting is lost, and whatever was in progress with it.
    fn restarted(&mut self, now: Instant) -> Next {
        if matches!(self.doing.activity(), Activity::Closed | Activity::Curing) {
            return Next::Stay;
        }
        self.known.view.snapshot.counters.restarts += 1;
        if !self.known.pending.ready_code_counts(now) {
            // The modem says so again and again. If it is true, the answer to the next command shows it as well.
            self.known.format.set_doubtful();
            self.known.set_fault(Fault::Restarted, now);
            return Next::Stay;
        }
        self.known.pin.device_restarted();
        self.abandon(&Fault::Restarted, now);
        self.known.pace.forget_late();
        self.known.end_dialogue(&Fault::Restarted);
        self.known.set_fault(Fault::Restarted, now);
        self.known.set_state(State::Starting, &mut self.dialogue);
        Next::BringUp(Open::No)
    }

    /// A part of the modem became ready. During the bring-up that ends a wait, or begins the bring-up anew when the modem
    /// refused before what its family needs; later it shows that the modem restarted without saying so, and its settings
    /// are made again once no message is in progress.
    fn part_ready(&mut self, now: Instant) -> Next {
        if self.doing.activity() == Activity::BringUp {
            if self.known.format.family_refused && self.known.pending.ready_code_counts(now) {
                self.known.format.family_refused = false;
                return Next::BringUp(Open::Perhaps);
            }
            return self.wake(now);
        }
        if !matches!(self.doing.activity(), Activity::Closed | Activity::Curing)
            && self.known.pending.ready_code_counts(now)
        {
            self.known.pending.bring_up = true;
            return self.wake_idle(now);
        }
        Next::Stay
    }

    fn registration_reported(&mut self, domain: Domain, body: &str, now: Instant) -> Next {
        let Some(registration) = Registration::reported(body) else {
            self.dialogue.count_dropped();
            return Next::Stay;
        };
        let counts = self.known.domain == Some(domain);
        self.doing.registration_said(domain, registration);
        if self.doing.activity() == Activity::BringUp {
            // Whichever domain it is, it shows whether asking again is worthwhile.
            return if registration.is_registered() { self.wake(now) } else { Next::Stay };
        }
        if !counts {
            return Next::Stay;
        }
        self.known.set_registration(registration);
        self.wake_idle(now)
    }

    /// The modem said something that it would not say under its settings: it restarted without saying so.
    pub(super) fn restarted_silently(&mut self, now: Instant) -> Next {
        if matches!(self.doing.activity(), Activity::Closed | Activity::Curing) || self.dialogue.is_lost() {
            self.known.pending.bring_up |=
                !matches!(self.doing.activity(), Activity::Closed | Activity::BringUp);
            return Next::Stay;
        }
        if !self.known.pending.ready_code_counts(now) {
            // The modem says so under any settings.
            self.known.format.echo = Echo::On;
            return Next::Stay;
        }
        self.known.format.set_doubtful();
        self.known.pin.device_restarted();
        self.known.set_fault(Fault::BeganAnew, now);
        self.with(now, |doing, cx| doing.restarted_silently(cx))
    }

    /// Ends a wait of the procedure in progress.
    fn wake(&mut self, now: Instant) -> Next {
        if self.dialogue.is_lost() {
            return Next::Stay;
        }
        if self.doing.activity() == Activity::BringUp {
            self.known.pending.bring_up = false;
        }
        self.with(now, |doing, cx| doing.wake(cx))
    }

    /// Lets an idle session look at what waits.
    pub(super) fn wake_idle(&mut self, now: Instant) -> Next {
        if self.doing.activity() == Activity::Idle { self.wake(now) } else { Next::Stay }
    }
}
