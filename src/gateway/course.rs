//! How codes fare, for Prometheus: how long they take to leave, to arrive and to be entered, and how many are entered.

use std::time::Duration;

use super::view::VerificationView;
use crate::clock::{Now, Timestamp};
use crate::outbox::{Kind, Message, MessageStatus};
use crate::phone::{Country, PhoneNumber};
use crate::prometheus::{Counters, Histogram};

/// The bounds of the histograms, in seconds: of what a modem, a network and a person take.
const ISSUE_TO_SENT: &[f64] = &[1.0, 2.0, 3.0, 5.0, 8.0, 13.0, 20.0, 30.0, 60.0, 120.0, 300.0];
const SENT_TO_DELIVERED: &[f64] =
    &[1.0, 2.0, 5.0, 10.0, 20.0, 30.0, 60.0, 120.0, 300.0, 900.0, 3600.0, 86_400.0];
const SENT_TO_CHECK: &[f64] = &[5.0, 10.0, 15.0, 20.0, 30.0, 45.0, 60.0, 90.0, 120.0, 300.0, 600.0];

/// A longer time between two instants of the wall clock is none: somebody set it. No report is awaited for longer.
const LONGEST: Duration = Duration::from_secs(7 * 86_400);

/// Country of a number that lies in none.
const NO_COUNTRY: &str = "ZZ";

/// What became of codes since the start. The labels are service, modem and country.
#[derive(Debug)]
pub(super) struct Course {
    issue_to_sent: Histogram,
    sent_to_delivered: Histogram,
    sent_to_check: Histogram,
    issued: Counters<2>,
    sent: Counters<3>,
    approved: Counters<3>,
}

impl Default for Course {
    fn default() -> Self {
        Self {
            issue_to_sent: Histogram::new(ISSUE_TO_SENT),
            sent_to_delivered: Histogram::new(SENT_TO_DELIVERED),
            sent_to_check: Histogram::new(SENT_TO_CHECK),
            issued: Counters::default(),
            sent: Counters::default(),
            approved: Counters::default(),
        }
    }
}

impl Course {
    /// A verification is new. One for which nothing is sent does not count.
    pub(super) fn begins(&self, v: &VerificationView) {
        if !v.inbound && v.message.1 != MessageStatus::Cancelled {
            self.issued.count([&v.service, &country(&v.to)]);
        }
    }

    /// A message reached its status.
    pub(super) fn reached(&self, m: &Message, now: Now) {
        match m.status {
            MessageStatus::Sent if matches!(m.kind, Kind::Otp(_)) => {
                self.issue_to_sent.observe(now.steady().since(m.id.made_at()));
                count(&self.sent, m);
            }
            MessageStatus::Delivered => {
                observe(&self.sent_to_delivered, m.sent_at, m.delivered_at.unwrap_or(now.wall()));
            }
            _ => {}
        }
    }

    /// The code that this message carried was entered.
    pub(super) fn entered(&self, m: &Message, now: Now) {
        observe(&self.sent_to_check, m.sent_at, now.wall());
        count(&self.approved, m);
    }

    pub(super) fn render(&self, out: &mut String) {
        let help = "From the moment at which a code's message was made until the service centre took it.";
        self.issue_to_sent.render(out, "issue_to_sent_seconds", help);
        let help = "From the service centre to the recipient, of messages with a delivery report.";
        self.sent_to_delivered.render(out, "sent_to_delivered_seconds", help);
        let help = "From the service centre's acceptance until the right code was entered.";
        self.sent_to_check.render(out, "sent_to_check_seconds", help);
        let help = "Verifications that were issued and whose code is sent.";
        self.issued.render(out, "codes_issued_total", help, ["service", "country"]);
        let names = ["service", "modem", "country"];
        let help = "Messages with a code that were sent, resends included.";
        self.sent.render(out, "codes_sent_total", help, names);
        let help = "Codes that were entered, by what sent their newest message.";
        self.approved.render(out, "codes_approved_total", help, names);
    }
}

fn observe(histogram: &Histogram, from: Option<Timestamp>, until: Timestamp) {
    let took = from.map(|from| until.since(from));
    took.filter(|took| *took <= LONGEST).into_iter().for_each(|took| histogram.observe(took));
}

fn count(counters: &Counters<3>, m: &Message) {
    let known = |name: &Option<String>| name.clone().unwrap_or_default();
    counters.count([&known(&m.service), &known(&m.modem), &country(&m.to)]);
}

fn country(to: &PhoneNumber) -> String {
    to.range().place().map_or_else(|| NO_COUNTRY.to_owned(), Country::letters)
}
