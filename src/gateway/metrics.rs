//! Counters, and their rendering in Prometheus' text format (version 0.0.4).

use std::fmt::Write as _;
use std::sync::atomic::{AtomicU64, Ordering};

use gsm_modem::Counters;

use super::recoveries::{Recoveries, label};
use super::view::{ModemView, StatusView};
use crate::outbox::{Circuit, MessageStatus};

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
    inbox_received: AtomicU64,
    reports: [AtomicU64; 2],
    pub(super) recoveries: Recoveries,
}

impl Metrics {
    pub(super) fn message(&self, status: MessageStatus) {
        if let Some(i) = MessageStatus::ALL.iter().position(|&s| s == status) {
            self.messages[i].fetch_add(1, Ordering::Relaxed);
        }
    }

    pub(super) fn verification(&self, what: &str) {
        if let Some(i) = VERIFICATIONS.iter().position(|&s| s == what) {
            self.verifications[i].fetch_add(1, Ordering::Relaxed);
        }
    }

    pub(super) fn check(&self, approved: bool) {
        self.checks[usize::from(approved)].fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn twin(&self) {
        self.twins.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn received(&self) {
        self.inbox_received.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn report(&self, matched: bool) {
        self.reports[usize::from(matched)].fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn breaker(&self, circuit: Circuit) {
        if matches!(circuit, Circuit::Open { .. }) {
            self.breakers_opened.fetch_add(1, Ordering::Relaxed);
        }
    }

    pub(super) fn render(&self, status: &StatusView, modems: &[ModemView]) -> String {
        let mut out = String::new();
        let mut family = |name: &str, kind: &str, help: &str, samples: Vec<(String, f64)>| {
            let _ = writeln!(out, "# HELP smsotp_{name} {help}\n# TYPE smsotp_{name} {kind}");
            for (labels, value) in samples {
                let _ = writeln!(out, "smsotp_{name}{labels} {value}");
            }
        };
        let load = |n: &AtomicU64| number(n.load(Ordering::Relaxed));
        let either = |label: &str, [no, yes]: &[AtomicU64; 2]| {
            vec![(format!("{{{label}=\"false\"}}"), load(no)), (format!("{{{label}=\"true\"}}"), load(yes))]
        };

        family(
            "uptime_seconds",
            "gauge",
            "Seconds since the start.",
            vec![(String::new(), status.uptime.as_secs_f64())],
        );
        let q = &status.queue;
        let depths = [("otp", q.otp), ("text", q.text), ("sending", q.sending)];
        family(
            "queue_messages",
            "gauge",
            "Messages that wait, by kind, and those on the air.",
            depths.map(|(kind, n)| (format!("{{kind=\"{kind}\"}}"), size(n))).to_vec(),
        );
        family(
            "queue_delayed_messages",
            "gauge",
            "Waiting messages whose time has not come.",
            vec![(String::new(), size(q.delayed))],
        );
        family(
            "message_events_total",
            "counter",
            "Messages that reached a status.",
            MessageStatus::ALL
                .iter()
                .zip(&self.messages)
                .map(|(status, n)| (format!("{{status=\"{}\"}}", status.as_str()), load(n)))
                .collect(),
        );
        family(
            "verification_events_total",
            "counter",
            "Verifications that reached a status, were resent or wrongly attempted.",
            VERIFICATIONS
                .iter()
                .zip(&self.verifications)
                .map(|(word, n)| (format!("{{event=\"{word}\"}}"), load(n)))
                .collect(),
        );
        family("checks_total", "counter", "Codes checked.", either("approved", &self.checks));
        family(
            "inbox_received_total",
            "counter",
            "Messages received, those that could not be read included.",
            vec![(String::new(), load(&self.inbox_received))],
        );
        family(
            "reports_received_total",
            "counter",
            "Delivery reports received, by whether a message was found for them at once.",
            either("matched", &self.reports),
        );
        family(
            "breakers_opened_total",
            "counter",
            "Times that a modem got no more messages because they failed.",
            vec![(String::new(), load(&self.breakers_opened))],
        );
        family(
            "twins_total",
            "counter",
            "Codes that went out through a second modem as well, since the first did not answer.",
            vec![(String::new(), load(&self.twins))],
        );
        modem_families(&mut family, modems);
        self.recoveries.render(&mut out);
        out
    }
}

/// Something that is counted on a modem's port: its name, help and value.
type Counter = (&'static str, &'static str, fn(&Counters) -> u64);

const COUNTERS: [Counter; 6] = [
    ("dropped_lines", "Lines of the modem that nobody understood.", |c| c.dropped_lines),
    ("late_lines", "Answers that came when nobody waited for them any more.", |c| c.late_lines),
    ("resyncs", "Times that the dialogue with the modem had to be found again.", |c| c.resyncs),
    ("reopens", "Times that the modem's port was opened again.", |c| c.reopens),
    ("restarts", "Restarts that the modem made by itself.", |c| c.restarts),
    ("lost_notices", "Notices of the modem that found no room.", |c| c.lost_notices),
];

/// Notes a family: its name, type, help and samples.
type Family<'a> = dyn FnMut(&str, &str, &str, Vec<(String, f64)>) + 'a;

fn modem_families(family: &mut Family<'_>, modems: &[ModemView]) {
    let each = |value: &dyn Fn(&ModemView) -> Option<f64>| -> Vec<(String, f64)> {
        modems
            .iter()
            .filter_map(|m| value(m).map(|v| (format!("{{modem=\"{}\"}}", label(&m.name)), v)))
            .collect()
    };
    let in_state = modems
        .iter()
        .map(|m| (format!("{{modem=\"{}\",state=\"{}\"}}", label(&m.name), m.facts.state.as_str()), 1.0));
    family("modem_state", "gauge", "1 for the state a modem is in.", in_state.collect());
    family(
        "modem_sent_total",
        "counter",
        "Messages that the modem sent.",
        each(&|m| Some(number(m.sent_total))),
    );
    family(
        "modem_failed_total",
        "counter",
        "Sends of the modem that failed.",
        each(&|m| Some(number(m.failed_total))),
    );
    for (name, help, count) in COUNTERS {
        let samples = each(&|m| Some(number(count(&m.facts.counters))));
        family(&format!("modem_{name}_total"), "counter", help, samples);
    }
    family(
        "modem_parts",
        "gauge",
        "Parts that the SIM sent today and this month (UTC).",
        modems
            .iter()
            .flat_map(|m| {
                let s = &m.condition;
                [("day", s.parts_today), ("month", s.parts_this_month)].map(|(period, parts)| {
                    (format!("{{modem=\"{}\",period=\"{period}\"}}", label(&m.name)), f64::from(parts))
                })
            })
            .collect(),
    );
    family(
        "modem_recipients",
        "gauge",
        "Different numbers that the SIM served this month (UTC).",
        each(&|m| Some(size(m.condition.recipients_this_month))),
    );
    family(
        "modem_health_ratio",
        "gauge",
        "The part of full traffic that the SIM deserves.",
        each(&|m| Some(f64::from(m.condition.health) / 100.0)),
    );
    family(
        "modem_breaker_open",
        "gauge",
        "1 while a modem gets no messages because they failed, 0.5 while the next is a trial.",
        each(&|m| {
            Some(match m.condition.circuit {
                Circuit::Closed => 0.0,
                Circuit::HalfOpen => 0.5,
                Circuit::Open { .. } => 1.0,
            })
        }),
    );
    family(
        "modem_signal_dbm",
        "gauge",
        "Received signal strength.",
        each(&|m| m.facts.signal_dbm.map(f64::from)),
    );
}

#[allow(clippy::cast_precision_loss, reason = "a counter above 2^53 is out of reach")]
fn number(n: u64) -> f64 {
    n as f64
}

fn size(n: usize) -> f64 {
    number(u64::try_from(n).unwrap_or(u64::MAX))
}
