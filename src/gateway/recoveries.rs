//! How often modems came back after a fault, by what, and how long that took.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::Mutex;
use std::time::Duration;

use super::lock::locked;
use super::view::RecoveryView;

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

    /// Prometheus' text format.
    pub(super) fn render(&self, out: &mut String) {
        let tallies = locked(&self.0);
        let mut family = |name: &str, help: &str, value: &dyn Fn(&Tally) -> String| {
            // Writing to a String does not fail.
            let _ = writeln!(out, "# HELP smsotp_{name} {help}\n# TYPE smsotp_{name} counter");
            for ((modem, rung), tally) in tallies.iter() {
                let _ = writeln!(
                    out,
                    "smsotp_{name}{{modem=\"{}\",rung=\"{rung}\"}} {}",
                    label(modem),
                    value(tally)
                );
            }
        };
        family("modem_recoveries_total", "Faults that ended, by the cure that came last.", &|tally| {
            tally.count.to_string()
        });
        family(
            "modem_recovery_seconds_total",
            "How long those faults lasted since they were noticed.",
            &|tally| tally.took.as_secs_f64().to_string(),
        );
    }
}

/// A label value: backslash, quote and line feed escaped.
pub(super) fn label(text: &str) -> String {
    text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
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
