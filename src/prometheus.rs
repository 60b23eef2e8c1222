//! Prometheus' text format (version 0.0.4), and what is counted for it: counters by their labels, and histograms.
//!
//! A label has few values: a name of the configuration, a status, a route as the table of routes has it, the two letters
//! of a country. Nothing that a client writes becomes one. This room knows nothing of what is counted.
//!
//! ```
//! use smsotpd::prometheus::Counters;
//! let refused = Counters::default();
//! refused.count(["cooldown"]);
//! let mut text = String::new();
//! refused.render(&mut text, "refused_total", "What was refused.", ["rule"]);
//! assert!(text.ends_with("\nsmsotp_refused_total{rule=\"cooldown\"} 1\n"));
//! ```

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// Values with their labels.
pub type Samples = Vec<(String, f64)>;

/// Writes a family; a counter has a name that ends in `_total`.
pub fn family(out: &mut String, name: &str, help: &str, samples: Samples) {
    head(out, name, help, if name.ends_with("_total") { "counter" } else { "gauge" });
    for (labels, value) in samples {
        // Writing to a String does not fail.
        let _ = writeln!(out, "smsotp_{name}{labels} {value}");
    }
}

fn head(out: &mut String, name: &str, help: &str, kind: &str) {
    let _ = writeln!(out, "# HELP smsotp_{name} {help}\n# TYPE smsotp_{name} {kind}");
}

/// Labels by their names.
pub fn labels<const N: usize>(pairs: [(&str, &str); N]) -> String {
    let escaped = |text: &str| text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n");
    format!("{{{}}}", pairs.map(|(name, value)| format!("{name}=\"{}\"", escaped(value))).join(","))
}

/// A count as a sample has it.
#[allow(clippy::cast_precision_loss, reason = "a counter above 2^53 is out of reach")]
pub const fn number(n: u64) -> f64 {
    n as f64
}

/// The counters of a family, by the values of its `N` labels.
#[derive(Debug)]
pub struct Counters<const N: usize>(Mutex<BTreeMap<[String; N], u64>>);

impl<const N: usize> Default for Counters<N> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<const N: usize> Counters<N> {
    /// One more.
    pub fn count(&self, values: [&str; N]) {
        let mut counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        *counts.entry(values.map(str::to_owned)).or_default() += 1;
    }

    /// Writes the family, with those label values that occurred.
    pub fn render(&self, out: &mut String, name: &str, help: &str, names: [&str; N]) {
        let counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let sample = |(values, n): (&[String; N], &u64)| {
            let pairs = std::array::from_fn(|i| (names[i], values[i].as_str()));
            (labels::<N>(pairs), number(*n))
        };
        family(out, name, help, counts.iter().map(sample).collect());
    }
}

/// How long something took, each time: how many times were within each bound.
#[derive(Debug)]
pub struct Histogram {
    /// The bounds in seconds, in their order.
    bounds: &'static [f64],
    /// How many times lay within each bound and not within the one before; the last: within none.
    counts: Vec<AtomicU64>,
    /// All times together, in microseconds.
    sum: AtomicU64,
}

impl Histogram {
    /// An empty one with these bounds, in seconds and in their order.
    pub fn new(bounds: &'static [f64]) -> Self {
        let counts = (0..=bounds.len()).map(|_| AtomicU64::new(0)).collect();
        Self { bounds, counts, sum: AtomicU64::new(0) }
    }

    /// One more.
    pub fn observe(&self, took: Duration) {
        let seconds = took.as_secs_f64();
        let place = self.bounds.partition_point(|bound| *bound < seconds);
        self.counts[place].fetch_add(1, Ordering::Relaxed);
        let micros = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        self.sum.fetch_add(micros, Ordering::Relaxed);
    }

    /// Writes the family.
    pub fn render(&self, out: &mut String, name: &str, help: &str) {
        head(out, name, help, "histogram");
        let mut within = 0;
        let bounds = self.bounds.iter().map(f64::to_string).chain(["+Inf".to_owned()]);
        for (bound, count) in bounds.zip(&self.counts) {
            within += count.load(Ordering::Relaxed);
            let _ = writeln!(out, "smsotp_{name}_bucket{{le=\"{bound}\"}} {within}");
        }
        let sum = Duration::from_micros(self.sum.load(Ordering::Relaxed)).as_secs_f64();
        let _ = writeln!(out, "smsotp_{name}_sum {sum}\nsmsotp_{name}_count {within}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_say_what_they_are_and_nothing_breaks_out_of_them() {
        let counters = Counters::default();
        for values in [["a", "1"], ["a", "1"], ["b\"\n\\", "2"]] {
            counters.count(values);
        }
        let mut out = String::new();
        counters.render(&mut out, "tries_total", "Tries.", ["who", "how"]);
        assert_eq!(
            out,
            "# HELP smsotp_tries_total Tries.\n# TYPE smsotp_tries_total counter\n\
             smsotp_tries_total{who=\"a\",how=\"1\"} 2\nsmsotp_tries_total{who=\"b\\\"\\n\\\\\",how=\"2\"} 1\n"
        );
    }

    #[test]
    fn a_family_has_its_type_before_anything_happened() {
        let mut out = String::new();
        Counters::<1>::default().render(&mut out, "tries_total", "Tries.", ["who"]);
        assert_eq!(out, "# HELP smsotp_tries_total Tries.\n# TYPE smsotp_tries_total counter\n");
        family(&mut out, "depth", "Depth.", vec![]);
        assert!(out.ends_with("# TYPE smsotp_depth gauge\n"));
    }

    #[test]
    fn a_time_counts_within_its_bound_and_all_above() {
        let took = Histogram::new(&[0.5, 1.0, 10.0]);
        for millis in [0, 500, 501, 10_000, 10_001] {
            took.observe(Duration::from_millis(millis));
        }
        let mut out = String::new();
        took.render(&mut out, "took_seconds", "How long.");
        assert_eq!(
            out,
            "# HELP smsotp_took_seconds How long.\n# TYPE smsotp_took_seconds histogram\n\
             smsotp_took_seconds_bucket{le=\"0.5\"} 2\nsmsotp_took_seconds_bucket{le=\"1\"} 3\n\
             smsotp_took_seconds_bucket{le=\"10\"} 4\nsmsotp_took_seconds_bucket{le=\"+Inf\"} 5\n\
             smsotp_took_seconds_sum 21.002\nsmsotp_took_seconds_count 5\n"
        );
    }
}
