//! What the daemon shows of its modems: what went wrong on their ports, and when the last fault was seen.

use gsm_sim::Script;
use smsotpd::api::client::Call;
use smsotpd::clock::{Clock, Timestamp};

use crate::daemon_support::{NO_LIMITS, Rig, get};

/// The modem writes lines that are not understood.
const GARRULOUS: &str = "[[unsolicited]]\nat = \"before-answer\"\nlines = [\"+NOTHING: 1\"]\n";

#[tokio::test]
async fn lines_that_nobody_understands_are_told_where_people_look() {
    let rig = Rig::start(1, Script::parse("garrulous", GARRULOUS).unwrap(), NO_LIMITS);
    rig.modems_are("ready").await;
    let modem = get(&rig.client(), "/v1/modems/m0").await;
    let dropped = modem["counters"]["dropped_lines"].as_u64().unwrap();
    assert!(dropped > 0, "{modem}");
    assert!(modem.get("last_error_at").is_none(), "{modem}");
    let metrics = rig.client().call(Call::get("/metrics")).await.unwrap();
    let metrics = String::from_utf8(metrics.body.to_vec()).unwrap();
    let sample =
        metrics.lines().find_map(|l| l.strip_prefix("smsotp_modem_dropped_lines_total{modem=\"m0\"} "));
    assert!(sample.unwrap().parse::<u64>().unwrap() >= dropped, "{metrics}");
    assert!(metrics.contains("# TYPE smsotp_modem_late_lines_total counter\n"), "{metrics}");
}

#[tokio::test]
async fn a_fault_has_its_time() {
    let before = Clock::system().now();
    let rig = Rig::start(1, Script::parse("locked", "[card]\nstate = \"pin\"\n").unwrap(), NO_LIMITS);
    rig.modems_are("blocked").await;
    let modem = get(&rig.client(), "/v1/modems/m0").await;
    assert!(modem["last_error"].as_str().unwrap().contains("PIN"), "{modem}");
    let at: Timestamp = modem["last_error_at"].as_str().unwrap().parse().unwrap();
    assert!(before <= at && at <= Clock::system().now(), "{modem}");
}
