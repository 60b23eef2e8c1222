//! How often modems came back after a fault, by what, and how long that took.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::time::Duration;

use super::lock::locked;
use super::view::RecoveryView;
use crate::prometheus::{Samples, family, labels, number};

/// Of every modem.
#[derive(Debug, Default)]
pub(super) struct Recoveries(Mutex<BTreeMap<(String, &'static str), Tally>>);

#[derive(Debug, Clone, Copy, Default)]
struct Tally {
    count: u64,
    took: Duration,
}

impl Recoveries {
    pub(super) fn count(&self, modem: &str, recovery: RecoveryView) {
        let mut tallies = locked(&self.0);
        let tally = tallies.entry((modem.to_owned(), recovery.rung)).or_default();
        tally.count += 1;
        tally.took += recovery.took;
    }

    pub(super) fn render(&self, out: &mut String) {
        let tallies = locked(&self.0);
        let each = |value: fn(&Tally) -> f64| -> Samples {
            let named = |modem: &str, rung: &str| labels([("modem", modem), ("rung", rung)]);
            tallies.iter().map(|((modem, rung), tally)| (named(modem, rung), value(tally))).collect()
        };
        let help = "Faults that ended, by the cure that came last.";
        family(out, "modem_recoveries_total", help, each(|tally| number(tally.count)));
        let help = "How long those faults lasted since they were noticed.";
        family(out, "modem_recovery_seconds_total", help, each(|tally| tally.took.as_secs_f64()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tallies_by_modem_and_rung() {
        let recoveries = Recoveries::default();
        for (modem, rung, seconds) in [("a", "reopen", 2), ("a", "reopen", 3), ("b", "restart", 40)] {
            recoveries.count(modem, RecoveryView { rung, took: Duration::from_secs(seconds) });
        }
        let mut out = String::new();
        recoveries.render(&mut out);
        for line in [
            "# TYPE smsotp_modem_recoveries_total counter",
            "smsotp_modem_recoveries_total{modem=\"a\",rung=\"reopen\"} 2",
            "smsotp_modem_recovery_seconds_total{modem=\"a\",rung=\"reopen\"} 5",
            "smsotp_modem_recovery_seconds_total{modem=\"b\",rung=\"restart\"} 40",
        ] {
            assert!(out.lines().any(|l| l == line), "{line}: {out}");
        }
        for family in out.lines().filter_map(|l| l.strip_prefix("# TYPE ")) {
            assert!(family.ends_with("_total counter"), "{family}");
        }
    }
}
