//! What the modem says by itself (3GPP TS 27.005 clause 3.4.1, TS 27.007): one event each, whatever is
//! outstanding, two lines or one.

use std::time::{Duration, Instant};

use super::bring_up::Step;
use super::resync::{Open, Then};
use super::translate::status_report;
use super::{Action, Phase, Session};
use crate::Secret;
use crate::at::{Domain, Kind, Line, Pin, Registration, Routed, TextReport, Unsolicited, index, pin};
use crate::snapshot::{Notice, State};

/// How often an awakening may have the settings made again in [`AWAKENING_SPAN`]: a modem that reports one in
/// answer to the settings themselves must not be set up for ever.
const AWAKENINGS: u8 = 3;
const AWAKENING_SPAN: Duration = Duration::from_secs(60);

/// Awakenings that had the settings made again, since when.
#[derive(Debug, Default)]
pub(super) struct Awakenings {
    since: Option<Instant>,
    count: u8,
}

impl Awakenings {
    fn counts(&mut self, now: Instant) -> bool {
        if self.since.is_none_or(|since| now.saturating_duration_since(since) > AWAKENING_SPAN) {
            *self = Self { since: Some(now), count: 0 };
        }
        self.count = self.count.saturating_add(1);
        self.count <= AWAKENINGS
    }
}

impl Session {
    /// Takes the second line of a two-line code. A line that cannot be one ends the wait, so that no answer is
    /// ever swallowed.
    pub(super) fn second_line(&mut self, line: &str) -> bool {
        if self.rest_of_code > 0 {
            self.rest_of_code -= 1;
            let is_text = !matches!(Line::of(line, None), Line::Final(_) | Line::Echo);
            if is_text {
                self.trace_hidden(line);
            } else {
                self.rest_of_code = 0;
            }
            return is_text;
        }
        match self.following {
            None => false,
            Some(Routed::TextFollows(_)) => {
                self.following = None;
                self.trace_hidden(line);
                true
            }
            Some(Routed::PduFollows { kind, .. }) => {
                if let Some(octets) = Line::pdu(line) {
                    self.following = None;
                    self.trace_hidden(line);
                    self.handed_over(kind, Secret::new(octets));
                    return true;
                }
                if Line::of(line, None) != Line::Echo {
                    self.following = None;
                    self.count_dropped();
                }
                false
            }
            Some(Routed::Pdu { .. } | Routed::Text(..)) => {
                self.following = None;
                false
            }
        }
    }

    pub(super) fn unsolicited(&mut self, code: &Unsolicited<'_>, now: Instant) {
        match *code {
            Unsolicited::Restarted => self.restarted(now),
            Unsolicited::Woken => self.woken(now),
            Unsolicited::Leaving => {
                self.set_fault("the modem switches itself off: check its power supply and temperature");
            }
            Unsolicited::Registration(domain, body) => self.registration_reported(domain, body, now),
            Unsolicited::Pin(body) => match pin(body) {
                Pin::Ready => self.woken(now),
                Pin::Second | Pin::Other => {}
                Pin::SimPin | Pin::SimPuk | Pin::Device | Pin::Absent => {
                    self.wishes.bring_up = true;
                    self.at_once(now);
                }
            },
            Unsolicited::Stored(kind, body) => {
                if let Some((storage, index)) = index(body) {
                    let storage = self.storage_of(storage, kind);
                    self.read_place((storage, index), kind, now);
                } else {
                    self.count_dropped();
                }
            }
            Unsolicited::Routed(routed) => match routed {
                Routed::PduFollows { kind, length } => {
                    self.following = Some(Routed::PduFollows { kind, length });
                }
                Routed::TextFollows(kind) => self.following = Some(Routed::TextFollows(kind)),
                Routed::Pdu { kind, digits, .. } => match Line::pdu(digits) {
                    Some(octets) => self.handed_over(kind, Secret::new(octets)),
                    None => self.count_dropped(),
                },
                Routed::Text(kind, body) => match TextReport::parse(body).as_ref().and_then(status_report) {
                    Some(pdu) => self.handed_over(kind, pdu),
                    None => self.count_dropped(),
                },
            },
            Unsolicited::Ussd(body) => self.ussd_replied(body, now),
            Unsolicited::StorageFull => self.storage_is_full(now),
            Unsolicited::Other => {}
        }
    }

    /// A line that is neither an answer nor a known code.
    pub(super) fn stray(&mut self, line: &str, now: Instant) {
        if let Some(body) = line.strip_prefix("+CMGS:") {
            self.late_reference(body.trim(), now);
        } else if !self.numeric_result(line, now) && !self.is_body_echo(line) {
            self.count_dropped();
        }
    }

    fn handed_over(&mut self, kind: Kind, pdu: Secret<Vec<u8>>) {
        match kind {
            Kind::Deliver => self.notice(Notice::Delivered { pdu, storage: None }),
            Kind::Report => self.notice(Notice::Report { pdu, storage: None }),
            Kind::Broadcast => return,
        }
        if self.acknowledges {
            self.wishes.acknowledge = true;
        }
    }

    /// Every setting is lost, and whatever was under way with it.
    fn restarted(&mut self, now: Instant) {
        if matches!(self.phase, Phase::Closed | Phase::Restarting) {
            return;
        }
        self.snapshot.counters.restarts += 1;
        self.late = None;
        self.wishes.bring_up = false;
        self.pin.device_began_anew();
        self.abandon("the modem restarted by itself: check its power supply");
        self.set_state(State::Starting);
        if matches!(self.phase, Phase::Resync(_)) {
            self.resync_for_bring_up();
        } else {
            self.set_fault("the modem restarted by itself: check its power supply");
            self.start_resync(Open::No, Then::BringUp(Step::FIRST), now);
        }
    }

    /// A part of the modem became ready. While it is brought up that ends a wait; later, it says that the modem
    /// began anew without saying so, and its settings are made again once no message is under way.
    fn woken(&mut self, now: Instant) {
        if matches!(self.phase, Phase::BringUp) {
            self.bring_up_nudged(now);
        } else if !matches!(&self.phase, Phase::Closed | Phase::Restarting) && self.awakenings.counts(now) {
            self.wishes.bring_up = true;
            self.at_once(now);
        }
    }

    fn registration_reported(&mut self, domain: Domain, body: &str, now: Instant) {
        let Some(registration) = Registration::reported(body) else {
            self.count_dropped();
            return;
        };
        if self.domain.is_some_and(|counts| counts != domain) {
            // The others say only whether it is worth asking again.
            if registration.is_registered() && matches!(self.phase, Phase::BringUp) {
                self.bring_up_nudged(now);
            }
            return;
        }
        if self.domain.is_none() {
            return;
        }
        self.set_registration(registration);
        if matches!(self.phase, Phase::BringUp) && registration.is_registered() {
            self.bring_up_nudged(now);
        } else {
            self.at_once(now);
        }
    }

    /// Lets an idle session look at its wishes.
    fn at_once(&mut self, now: Instant) {
        if matches!(self.phase, Phase::Idle) {
            self.become_idle(now);
        } else if matches!(self.phase, Phase::BringUp) {
            self.wishes.bring_up = false;
            self.bring_up_nudged(now);
        }
    }

    fn notice(&mut self, notice: Notice) {
        self.actions.push_back(Action::Notice(notice));
    }
}
