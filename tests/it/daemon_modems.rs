//! What the daemon shows of its modems: what went wrong on their ports, and when the last fault was seen.

use std::time::Duration;

use gsm_sim::{Restart, Script};
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

/// A family of a few lines. The daemon reads it from `profiles_dir`, as it reads one that is built in.
const ACME: &str = "init = [\"AT+ACMEMODE=1\"]\n[[match]]\nmaker = \"acme\"\n\
     [[unsolicited]]\nhead = \"^ACMERST\"\nmeans = \"restarted\"\n\
     [[unsolicited]]\nhead = \"+ACMERDY\"\nmeans = \"ready\"\n";

/// A modem of that family: it sends only after its own command, which it forgets when it restarts, and which it refuses once.
const ACME_MODEM: &str = "[identity]\nmanufacturer = \"Acme\"\n\
     [[answer]]\ncommand = \"AT+ACMEMODE=1\"\nresult = \"ERROR\"\ntimes = 1\n\
     [[answer]]\ncommand = \"AT+ACMEMODE=1\"\nset = { mark = \"mode\" }\n\
     [[answer]]\ncommand = \"AT+CMGS=*\"\nunless = \"mode\"\nresult = \"+CMS ERROR: 500\"\n\
     [[unsolicited]]\nat = \"start\"\nafter_ms = 100\nlines = [\"+ACMERDY\"]\n";

#[tokio::test]
async fn a_family_is_set_up_at_the_start_and_after_a_restart() {
    let mut rig = Rig::prepare(1, Script::parse("acme", ACME_MODEM).unwrap(), NO_LIMITS);
    let families = rig.dir.path().join("profiles");
    std::fs::create_dir(&families).unwrap();
    std::fs::write(families.join("acme.toml"), ACME).unwrap();
    rig.head = format!("profiles_dir = \"{}\"\n", families.display());
    rig.launch();
    rig.modems_are("ready").await;
    rig.sim.set_air_time(0, Duration::ZERO);
    let id = &rig.send(0, 1).await[0];
    assert_eq!(rig.over(id).await["status"], "sent", "{}", rig.logs());
    rig.sim.restart(0, Restart { announce: Some(vec!["^ACMERST".to_owned()]), ..Restart::default() });
    rig.each_modem("ready again", |m| m["counters"]["restarts"] == 1 && m["state"] == "ready").await;
    let id = &rig.send(1, 1).await[0];
    assert_eq!(rig.over(id).await["status"], "sent", "{}", rig.logs());
    assert_eq!(rig.sim.received(), 2);
}
