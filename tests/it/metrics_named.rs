//! The metrics that the alert rules and the reference name are those of the daemon.

use std::collections::BTreeSet;

use gsm_sim::Script;
use smsotpd::api::client::Call;

use crate::daemon_support::{Rig, call};

/// The names in a text that begin as a metric does, without the label that follows.
fn named(text: &str) -> BTreeSet<&str> {
    let is_part = |c: char| c.is_ascii_lowercase() || c == '_';
    let begins = text.match_indices("smsotp_").map(|(at, _)| &text[at..]);
    begins.map(|rest| &rest[..rest.find(|c| !is_part(c)).unwrap_or(rest.len())]).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_rules_and_the_reference_name_metrics_that_exist() {
    let rig = Rig::start(1, Script::default(), "");
    rig.modems_are("ready").await;
    let reply = call(&rig.client(), Call::get("/metrics")).await;
    let text = String::from_utf8(reply.body.to_vec()).unwrap();
    let families: BTreeSet<_> =
        text.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.split(' ').next()).collect();
    for (page, content) in [
        ("config/prometheus-rules.yml", include_str!("../../config/prometheus-rules.yml")),
        ("docs/reference.md", include_str!("../../docs/reference.md")),
    ] {
        let strange: Vec<_> = named(content).difference(&families).copied().collect();
        assert!(!named(content).is_empty() && strange.is_empty(), "{page}: {strange:?} of {families:?}");
    }
    // The labels by which the rules choose.
    assert!(text.contains("smsotp_modem_state{modem=\"m0\",state=\"ready\"}"), "{text}");
}
