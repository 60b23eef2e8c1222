//! Canaries: short messages that modems send each other while nothing else waits, and what became of the last one of each
//! modem. Nothing of it is on disk: after a restart the next ones begin anew.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::time::Duration;

use super::lock::locked;
use super::view::{CanaryEnd, CanaryView};
use crate::clock::{Now, Steady, Timestamp};
use crate::id::MessageId;
use crate::outbox::{Message, MessageStatus};
use crate::prometheus::{Counters, Samples, family, labels};

/// A canary that has not come by then is lost.
const LOST: Duration = Duration::from_secs(600);

/// A canary, and what became of it.
#[derive(Debug, Clone)]
pub(super) struct Flight {
    pub(super) id: MessageId,
    /// The modem that is to receive it.
    pub(super) to: String,
    /// The network of the modem that sends it; empty when that tells none.
    pub(super) operator: String,
    /// When it was made, by both clocks.
    at: (Timestamp, Steady),
    end: CanaryEnd,
    /// From its making to its arrival.
    took: Option<Duration>,
    /// What a delivery report said.
    delivered: Option<bool>,
}

impl Flight {
    pub(super) const fn new(id: MessageId, to: String, operator: String, now: Now) -> Self {
        let at = (now.wall(), now.steady());
        Self { id, to, operator, at, end: CanaryEnd::Underway, took: None, delivered: None }
    }

    fn end_at(&self, now: Steady) -> CanaryEnd {
        let late = self.end == CanaryEnd::Underway && now.since(self.at.1) >= LOST;
        if late { CanaryEnd::Lost } else { self.end }
    }
}

/// The last canary of each modem that sent one, and how many ended how.
#[derive(Debug, Default)]
pub(super) struct Canaries {
    flights: Mutex<BTreeMap<String, Flight>>,
    ended: Counters<3>,
    reported: Counters<3>,
}

impl Canaries {
    /// This modem is to send one; its former one, if it has not come, is lost.
    pub(super) fn begins(&self, modem: &str, flight: Flight) {
        let former = locked(&self.flights).insert(modem.to_owned(), flight);
        if let Some(former) = former.filter(|former| former.end == CanaryEnd::Underway) {
            tracing::warn!(message_id = %former.id, modem, "the canary of {modem} to {} was lost", former.to);
            self.count(modem, &former, CanaryEnd::Lost);
        }
    }

    /// A message reached its status: of a canary that says whether it was sent, and whether a report came.
    pub(super) fn reached(&self, m: &Message) {
        let unsent = match m.status {
            MessageStatus::Delivered | MessageStatus::Undelivered => false,
            MessageStatus::Failed | MessageStatus::Expired | MessageStatus::Cancelled => true,
            _ => return,
        };
        self.change(m.id, |modem, flight| {
            if unsent {
                self.ends(modem, flight, CanaryEnd::Unsent);
            } else {
                let delivered = m.status == MessageStatus::Delivered;
                flight.delivered = Some(delivered);
                self.reported.count([modem, &flight.operator, if delivered { "true" } else { "false" }]);
            }
        });
    }

    /// A modem received this canary.
    pub(super) fn came(&self, id: MessageId, now: Steady) {
        self.change(id, |modem, flight| {
            if self.ends(modem, flight, CanaryEnd::Arrived) {
                let took = now.since(flight.at.1);
                flight.took = Some(took);
                tracing::info!(message_id = %id, modem,
                    "the canary of {modem} came to {} after {:.1} s", flight.to, took.as_secs_f64());
            }
        });
    }

    fn change(&self, id: MessageId, change: impl FnOnce(&str, &mut Flight)) {
        let mut flights = locked(&self.flights);
        if let Some((modem, flight)) = flights.iter_mut().find(|(_, flight)| flight.id == id) {
            change(modem, flight);
        }
    }

    /// The first end counts.
    fn ends(&self, modem: &str, flight: &mut Flight, end: CanaryEnd) -> bool {
        let first = flight.end == CanaryEnd::Underway;
        if first {
            flight.end = end;
            self.count(modem, flight, end);
        }
        first
    }

    fn count(&self, modem: &str, flight: &Flight, end: CanaryEnd) {
        self.ended.count([modem, &flight.operator, end.as_str()]);
    }

    /// The last one of a modem.
    pub(super) fn view(&self, modem: &str, now: Steady) -> Option<CanaryView> {
        let flights = locked(&self.flights);
        let flight = flights.get(modem)?;
        Some(CanaryView {
            to: flight.to.clone(),
            at: flight.at.0,
            end: flight.end_at(now),
            took: flight.took,
            delivered: flight.delivered,
        })
    }

    pub(super) fn render(&self, out: &mut String) {
        let help = "Canaries by how they ended: arrived, lost, or unsent.";
        self.ended.render(out, "canaries_total", help, ["modem", "operator", "end"]);
        let help = "Delivery reports for canaries.";
        self.reported.render(out, "canary_reports_total", help, ["modem", "operator", "delivered"]);
        let flights = locked(&self.flights);
        let sample = |(modem, flight): (&String, &Flight)| {
            let took = flight.took?.as_secs_f64();
            Some((labels([("modem", modem), ("operator", &flight.operator)]), took))
        };
        let samples: Samples = flights.iter().filter_map(sample).collect();
        let help = "How long the last canary of a modem took, if it has arrived.";
        family(out, "canary_seconds", help, samples);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::MessageId;
    use crate::outbox::Kind;

    const NOON: Timestamp = Timestamp::from_millis(1_780_000_000_000);

    fn after(seconds: u64) -> Now {
        Now::agreed(NOON.plus(Duration::from_secs(seconds)))
    }

    fn id(n: u64) -> MessageId {
        MessageId::first_at(after(n).steady())
    }

    fn message(n: u64, status: MessageStatus) -> Message {
        let to = "+41791234567".parse().unwrap();
        Message { status, ..Message::queued(id(n), to, Kind::Text, after(n)) }
    }

    fn begun(canaries: &Canaries, n: u64) {
        canaries.begins("a", Flight::new(id(n), "b".to_owned(), "Net".to_owned(), after(n)));
    }

    fn told(canaries: &Canaries, at: u64) -> (CanaryEnd, Option<Duration>, Option<bool>) {
        let view = canaries.view("a", after(at).steady()).unwrap();
        (view.end, view.took, view.delivered)
    }

    #[test]
    fn one_that_comes_has_its_time_and_its_report_and_ends_once() {
        let canaries = Canaries::default();
        assert_eq!(canaries.view("a", after(0).steady()), None);
        begun(&canaries, 0);
        assert_eq!(told(&canaries, 599), (CanaryEnd::Underway, None, None));
        canaries.came(id(9), after(1).steady());
        canaries.reached(&message(0, MessageStatus::Sent));
        canaries.came(id(0), after(4).steady());
        canaries.reached(&message(0, MessageStatus::Delivered));
        // The modem answered too late, and the message ran out.
        canaries.reached(&message(0, MessageStatus::Expired));
        canaries.came(id(0), after(7).steady());
        let (end, took) = (CanaryEnd::Arrived, Some(Duration::from_secs(4)));
        assert_eq!(told(&canaries, 5000), (end, took, Some(true)));
        let mut out = String::new();
        canaries.render(&mut out);
        for line in [
            "smsotp_canaries_total{modem=\"a\",operator=\"Net\",end=\"arrived\"} 1",
            "smsotp_canary_reports_total{modem=\"a\",operator=\"Net\",delivered=\"true\"} 1",
            "smsotp_canary_seconds{modem=\"a\",operator=\"Net\"} 4",
        ] {
            assert!(out.lines().any(|l| l == line), "{line}: {out}");
        }
    }

    #[test]
    fn one_that_does_not_come_is_lost_and_one_that_is_not_sent_is_unsent() {
        let canaries = Canaries::default();
        begun(&canaries, 0);
        assert_eq!(told(&canaries, 600).0, CanaryEnd::Lost);
        begun(&canaries, 700);
        canaries.came(id(0), after(701).steady());
        canaries.reached(&message(700, MessageStatus::Expired));
        assert_eq!(told(&canaries, 702).0, CanaryEnd::Unsent);
        begun(&canaries, 800);
        let mut out = String::new();
        canaries.render(&mut out);
        for end in ["lost", "unsent"] {
            let line = format!("smsotp_canaries_total{{modem=\"a\",operator=\"Net\",end=\"{end}\"}} 1\n");
            assert!(out.contains(&line), "{out}");
        }
        assert!(!out.contains("arrived\"}"), "{out}");
    }
}
