//! Prometheus' text format (version 0.0.4).

use std::fmt::Write as _;

/// Values with their labels.
pub(super) type Samples = Vec<(String, f64)>;

/// Writes a family; a counter has a name that ends in `_total`.
pub(super) fn family(out: &mut String, name: &str, help: &str, samples: Samples) {
    let kind = if name.ends_with("_total") { "counter" } else { "gauge" };
    // Writing to a String does not fail.
    let _ = writeln!(out, "# HELP smsotp_{name} {help}\n# TYPE smsotp_{name} {kind}");
    for (labels, value) in samples {
        let _ = writeln!(out, "smsotp_{name}{labels} {value}");
    }
}

/// Labels by their names.
pub(super) fn labels<const N: usize>(pairs: [(&str, &str); N]) -> String {
    let escaped = |text: &str| text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n");
    format!("{{{}}}", pairs.map(|(name, value)| format!("{name}=\"{}\"", escaped(value))).join(","))
}

#[allow(clippy::cast_precision_loss, reason = "a counter above 2^53 is out of reach")]
pub(super) fn number(n: u64) -> f64 {
    n as f64
}
