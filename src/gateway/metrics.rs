//! Counters, and what Prometheus is told.

use std::sync::atomic::{AtomicU64, Ordering};

use super::course::Course;
use super::error::{GatewayError, Result};
use super::recoveries::Recoveries;
use super::view::{ModemView, StatusView, VerificationView};
use crate::clock::Now;
use crate::otp::PumpingRule;
use crate::outbox::{Circuit, Message, MessageStatus};
use crate::prometheus::{Counters, Histogram, Samples, family, labels, number};

const VERIFICATIONS: [&str; 7] =
    ["pending", "approved", "expired", "cancelled", "exhausted", "resent", "attempted"];

/// What happened since the start.
#[derive(Debug, Default)]
pub(super) struct Metrics {
    messages: [AtomicU64; MessageStatus::ALL.len()],
    verifications: [AtomicU64; VERIFICATIONS.len()],
    checks: [AtomicU64; 2],
    breakers_opened: AtomicU64,
    twins: AtomicU64,
    overloads: AtomicU64,
    given_up: AtomicU64,
    inbox_received: AtomicU64,
    reports: [AtomicU64; 2],
    /// By rule; of each what was recorded, and what was refused.
    pumping: [[AtomicU64; 2]; PumpingRule::ALL.len()],
    /// By the rule that refused.
    refused: Counters<1>,
    pub(super) course: Course,
    pub(super) recoveries: Recoveries,
}

impl Metrics {
    pub(super) fn message(&self, m: &Message, now: Now) {
        if let Some(i) = MessageStatus::ALL.iter().position(|&s| s == m.status) {
            self.messages[i].fetch_add(1, Ordering::Relaxed);
        }
        self.course.reached(m, now);
    }

    pub(super) fn verification(&self, what: &str, v: &VerificationView) {
        if let Some(i) = VERIFICATIONS.iter().position(|&s| s == what) {
            self.verifications[i].fetch_add(1, Ordering::Relaxed);
        }
        if what == VERIFICATIONS[0] {
            self.course.begins(v);
        }
    }

    /// What an issue, a resend or a send gave, which counts when a rule refused it.
    pub(super) fn told<T>(&self, made: Result<T>) -> Result<T> {
        if let Some(rule) = made.as_ref().err().and_then(GatewayError::rule) {
            self.refused.count([rule]);
        }
        made
    }

    pub(super) fn check(&self, approved: bool) {
        self.checks[usize::from(approved)].fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn twin(&self) {
        self.twins.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn overload(&self) {
        self.overloads.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn given_up(&self) {
        self.given_up.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn received(&self) {
        self.inbox_received.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn report(&self, matched: bool) {
        self.reports[usize::from(matched)].fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn pumping(&self, rule: PumpingRule, refused: bool) {
        self.pumping[rule as usize][usize::from(refused)].fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn breaker(&self, circuit: Circuit) {
        if matches!(circuit, Circuit::Open { .. }) {
            self.breakers_opened.fetch_add(1, Ordering::Relaxed);
        }
    }

    pub(super) fn render(&self, status: &StatusView, modems: &[ModemView], commits: &Histogram) -> String {
        let mut text = String::new();
        let out = &mut text;
        let one = |value: f64| vec![(String::new(), value)];
        let load = |n: &AtomicU64| number(n.load(Ordering::Relaxed));
        let by = |name: &str, words: &[&str], counts: &[AtomicU64]| -> Samples {
            words.iter().zip(counts).map(|(word, n)| (labels([(name, word)]), load(n))).collect()
        };
        let either = |name: &str, counts: &[AtomicU64; 2]| by(name, &["false", "true"], counts);

        family(out, "uptime_seconds", "Seconds since the start.", one(status.uptime.as_secs_f64()));
        let q = &status.queue;
        let depths = [("otp", q.otp), ("text", q.text), ("sending", q.sending)];
        let depths = depths.map(|(kind, n)| (labels([("kind", kind)]), size(n))).to_vec();
        family(out, "queue_messages", "Messages that wait, by kind, and those on the air.", depths);
        let delayed = one(size(q.delayed));
        family(out, "queue_delayed_messages", "Waiting messages whose time has not come.", delayed);
        let oldest = [("otp", q.oldest_otp), ("text", q.oldest_text)];
        let oldest = oldest.map(|(kind, age)| (labels([("kind", kind)]), age.as_secs_f64())).to_vec();
        let help = "How long the oldest waiting message waits, by kind; 0 while none does.";
        family(out, "queue_oldest_seconds", help, oldest);
        let full = f64::from(u8::from(status.disk_full));
        family(out, "disk_full", "1 while the disk is full and new work is refused.", one(full));
        let reached = by("status", &MessageStatus::ALL.map(MessageStatus::as_str), &self.messages);
        family(out, "message_events_total", "Messages that reached a status.", reached);
        let help = "Verifications that reached a status, were resent or attempted.";
        family(out, "verification_events_total", help, by("event", &VERIFICATIONS, &self.verifications));
        family(out, "checks_total", "Codes checked.", either("approved", &self.checks));
        let help = "Messages received, those that could not be read included.";
        family(out, "inbox_received_total", help, one(load(&self.inbox_received)));
        let help = "Delivery reports received, by whether a message was found for them at once.";
        family(out, "reports_received_total", help, either("matched", &self.reports));
        let help = "Times that a modem got no more messages because they failed.";
        family(out, "breakers_opened_total", help, one(load(&self.breakers_opened)));
        let help = "Codes that went out through a second modem as well, since the first did not answer.";
        family(out, "twins_total", help, one(load(&self.twins)));
        let help = "Codes refused since the modems could not send them in time.";
        family(out, "overload_refusals_total", help, one(load(&self.overloads)));
        let help = "Codes given up while they waited, since the modems could not send all of them in time.";
        family(out, "codes_given_up_total", help, one(load(&self.given_up)));
        let pumped = PumpingRule::ALL.into_iter().zip(&self.pumping).flat_map(|(rule, counts)| {
            let named = |action| labels([("rule", rule.as_str()), ("action", action)]);
            ["record", "enforce"].map(named).into_iter().zip(counts.iter().map(load))
        });
        let help = "Codes that a rule of [pumping] refused (enforce), or would have refused (record).";
        family(out, "pumping_total", help, pumped.collect());
        let help = "Codes and messages that were refused, by the rule that did.";
        self.refused.render(out, "refused_total", help, ["rule"]);
        self.course.render(out);
        commits.render(out, "commit_seconds", "How long the disk took for a commit of the store.");
        modem_families(out, modems);
        self.recoveries.render(out);
        text
    }
}

/// What is told of each modem: a name, its help and its value.
type OfModem<T> = (&'static str, &'static str, fn(&ModemView) -> T);

const COUNTERS: [OfModem<u64>; 8] = [
    ("sent", "Messages that the modem sent.", |m| m.sent_total),
    ("failed", "Sends of the modem that failed.", |m| m.failed_total),
    ("dropped_lines", "Lines of the modem that nobody understood.", |m| m.facts.counters.dropped_lines),
    ("late_lines", "Answers that came when nobody waited for them any more.", |m| {
        m.facts.counters.late_lines
    }),
    ("resyncs", "Times that the dialogue with the modem had to be found again.", |m| {
        m.facts.counters.resyncs
    }),
    ("reopens", "Times that the modem's port was opened again.", |m| m.facts.counters.reopens),
    ("restarts", "Restarts that the modem made by itself.", |m| m.facts.counters.restarts),
    ("lost_notices", "Notices of the modem that found no room.", |m| m.facts.counters.lost_notices),
];

const GAUGES: [OfModem<Option<f64>>; 5] = [
    (
        "pace_parts_per_minute",
        "Parts per minute that the modem carries while it has work, by its last sends.",
        |m| m.condition.part.map(|part| 60.0 / part.as_secs_f64().max(0.001)),
    ),
    ("recipients", "Different numbers that the SIM served this month (UTC).", |m| {
        Some(size(m.condition.recipients_this_month))
    }),
    ("health_ratio", "The part of full traffic that the SIM deserves.", |m| {
        Some(f64::from(m.condition.health) / 100.0)
    }),
    (
        "breaker_open",
        "1 while a modem gets no messages because they failed, 0.5 while the next is a trial.",
        |m| match m.condition.circuit {
            Circuit::Closed => Some(0.0),
            Circuit::HalfOpen => Some(0.5),
            Circuit::Open { .. } => Some(1.0),
        },
    ),
    ("signal_dbm", "Received signal strength.", |m| m.facts.signal_dbm.map(f64::from)),
];

fn modem_families(out: &mut String, modems: &[ModemView]) {
    let each = |value: &dyn Fn(&ModemView) -> Option<f64>| -> Samples {
        let sample = |m: &ModemView| value(m).map(|value| (labels([("modem", &m.name)]), value));
        modems.iter().filter_map(sample).collect()
    };
    let state = |m: &ModemView| (labels([("modem", &m.name), ("state", m.facts.state.as_str())]), 1.0);
    family(out, "modem_state", "1 for the state a modem is in.", modems.iter().map(state).collect());
    let registration =
        |m: &ModemView| (labels([("modem", &m.name), ("registration", m.facts.registration.as_str())]), 1.0);
    let help = "1 for how a modem is registered: home, roaming, searching, denied, not registered, unknown.";
    family(out, "modem_registration", help, modems.iter().map(registration).collect());
    for (name, help, value) in COUNTERS {
        family(out, &format!("modem_{name}_total"), help, each(&|m| Some(number(value(m)))));
    }
    let parts = |m: &ModemView| {
        let periods = [("day", m.condition.parts_today), ("month", m.condition.parts_this_month)];
        let name = m.name.clone();
        periods.map(|(period, n)| (labels([("modem", &name), ("period", period)]), f64::from(n)))
    };
    let help = "Parts that the SIM sent today and this month (UTC).";
    family(out, "modem_parts", help, modems.iter().flat_map(parts).collect());
    for (name, help, value) in GAUGES {
        family(out, &format!("modem_{name}"), help, each(&value));
    }
}

fn size(n: usize) -> f64 {
    number(u64::try_from(n).unwrap_or(u64::MAX))
}
