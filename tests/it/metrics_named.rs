//! The metrics that the alert rules, the board and the reference name are those of the daemon.

use std::collections::BTreeSet;

use gsm_sim::Script;
use serde_json::Value;
use smsotpd::api::client::Call;

use crate::daemon_support::{Rig, call};

const BOARD: &str = include_str!("../../config/grafana-dashboard.json");

/// The names in a text that begin as a metric does, without the label that follows.
fn named(text: &str) -> BTreeSet<&str> {
    let is_part = |c: char| c.is_ascii_lowercase() || c == '_';
    let begins = text.match_indices("smsotp_").map(|(at, _)| &text[at..]);
    begins.map(|rest| &rest[..rest.find(|c| !is_part(c)).unwrap_or(rest.len())]).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_rules_the_board_and_the_reference_name_metrics_that_exist() {
    let rig = Rig::start(1, Script::default(), "");
    rig.modems_are("ready").await;
    let reply = call(&rig.client(), Call::get("/metrics")).await;
    let text = String::from_utf8(reply.body.to_vec()).unwrap();
    let mut families = BTreeSet::new();
    for line in text.lines().filter_map(|line| line.strip_prefix("# TYPE ")) {
        let (name, kind) = line.split_once(' ').unwrap();
        let samples: &[&str] = if kind == "histogram" { &["_bucket", "_sum", "_count"] } else { &[] };
        families.extend(samples.iter().chain(&[""]).map(|end| format!("{name}{end}")));
    }
    for name in ["issue_to_sent", "sent_to_delivered", "sent_to_check"] {
        assert!(families.contains(&format!("smsotp_{name}_seconds_bucket")), "{families:?}");
    }
    for (page, content) in [
        ("config/prometheus-rules.yml", include_str!("../../config/prometheus-rules.yml")),
        ("config/grafana-dashboard.json", BOARD),
        ("docs/reference.md", include_str!("../../docs/reference.md")),
    ] {
        let named = named(content);
        let strange: Vec<_> = named.iter().filter(|name| !families.contains(**name)).collect();
        assert!(!named.is_empty() && strange.is_empty(), "{page}: {strange:?} of {families:?}");
    }
    // The labels by which the rules choose.
    assert!(text.contains("smsotp_modem_state{modem=\"m0\",state=\"ready\"}"), "{text}");
}

/// Grafana takes a board whose panels cover each other, and shows one of them.
#[test]
fn each_panel_of_the_board_has_a_place_of_its_own_and_asks_something() {
    let board: Value = serde_json::from_str(BOARD).unwrap();
    let (mut ids, mut taken) = (BTreeSet::new(), BTreeSet::new());
    for panel in board["panels"].as_array().unwrap() {
        assert!(ids.insert(panel["id"].as_u64().unwrap()), "{panel}");
        let [x, y, w, h] = ["x", "y", "w", "h"].map(|name| panel["gridPos"][name].as_u64().unwrap());
        assert!(w > 0 && h > 0 && x + w <= 24, "{panel}");
        let cells = (x..x + w).flat_map(|x| (y..y + h).map(move |y| (x, y)));
        cells.for_each(|cell| assert!(taken.insert(cell), "{panel}"));
        let targets = panel["targets"].as_array().unwrap();
        let asks = |target: &Value| target["expr"].as_str().is_some_and(|expr| expr.contains("smsotp_"));
        assert!(!targets.is_empty() && targets.iter().all(asks), "{panel}");
    }
    assert!(ids.len() > 10);
}
