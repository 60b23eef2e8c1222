//! The choice among simulated modems: routes, limits of SIMs, and a modem that answers but sends nothing.

use std::time::Instant;

use gsm_sim::Script;
use serde_json::{Value, json};

use crate::daemon_support::{NO_LIMITS, PATIENCE, Rig, get, post};

async fn modem(rig: &Rig, name: &str) -> Value {
    get(&rig.client(), &format!("/v1/modems/{name}")).await
}

/// Sends to a number and waits for the end. Returns the message.
async fn send(rig: &Rig, to: &str) -> Value {
    let made = post(&rig.client(), "/v1/messages", json!({"to": to, "text": "hello"}), 202).await;
    rig.over(made["id"].as_str().unwrap()).await
}

#[tokio::test]
async fn a_modem_that_rejects_everything_is_left_alone_until_it_works_again() {
    let quick = format!(
        "{NO_LIMITS}[queue]\nretry = {{ first = \"10ms\", factor = 1.0, max = \"1s\", attempts = 5 }}\n\
         breaker = {{ failures = 5, first = \"1s\", max = \"1s\" }}\n"
    );
    let rig = Rig::start(2, Script::default(), &quick);
    rig.modems_are("ready").await;
    rig.sim.fail_next(0, 1_000_000, 38);
    for id in rig.send(0, 100).await {
        let m = rig.over(&id).await;
        assert_eq!((&m["status"], &m["modem"]), (&"sent".into(), &"m1".into()), "{m}");
    }
    assert_eq!(rig.sim.received(), 100);
    let (bad, good) = (modem(&rig, "m0").await, modem(&rig, "m1").await);
    assert_ne!(bad["breaker"], "closed", "{bad}");
    assert!(bad["last_error"].as_str().unwrap().contains("network out of order (+CMS ERROR 38)"), "{bad}");
    assert!((5..=20).contains(&bad["failed_total"].as_u64().unwrap()), "few messages are burnt: {bad}");
    assert!(bad["health"].as_u64().unwrap() < 70, "{bad}");
    assert_eq!(
        (&good["breaker"], &good["health"], &good["sent_total"]),
        (&"closed".into(), &100.into(), &100.into())
    );
    assert!(rig.logs().contains("messages failed in a row"));

    rig.sim.clear_faults(0);
    let until = Instant::now() + PATIENCE;
    let mut n = 1000;
    while modem(&rig, "m0").await["breaker"] != "closed" {
        assert_eq!(send(&rig, &format!("+4178{n:07}")).await["status"], "sent");
        assert!(Instant::now() < until, "{}", rig.logs());
        n += 1;
    }
    assert!(modem(&rig, "m0").await.get("last_error").is_none_or(|e| !e.as_str().unwrap().contains("trial")));
}

#[tokio::test]
async fn the_longest_route_sends_and_the_other_modem_the_rest() {
    let all = "may = [\"issue\", \"send\", \"read\", \"admin\"]";
    let client = format!("[[client]]\nname = \"all\"\nuid = {}\n{all}\n", rustix::process::getuid());
    let config = format!("routes = [\"+41\", \"+49170\"]\n{NO_LIMITS}{client}");
    let rig = Rig::start(2, Script::default(), &config);
    rig.modems_are("ready").await;
    for n in 0..5 {
        assert_eq!(send(&rig, &format!("+417912345{n:02}")).await["modem"], "m1");
        assert_eq!(send(&rig, &format!("+491701234{n:02}")).await["modem"], "m1");
        assert_eq!(send(&rig, &format!("+491601234{n:02}")).await["modem"], "m0");
    }
    rig.sim.unplug(1);
    while modem(&rig, "m1").await["state"] != "absent" {
        tokio::task::yield_now().await;
    }
    assert_eq!(send(&rig, "+41791234599").await["modem"], "m0", "it has no routes and serves all numbers");
    let away = post(&rig.client(), "/v1/modems/m1/pause", json!({}), 200).await;
    assert_eq!(
        (&away["state"], &away["paused"]),
        (&json!("absent"), &json!(true)),
        "the modem is paused all the same"
    );
}

#[tokio::test]
async fn the_ledger_of_a_sim_outlives_kill_9() {
    let limits = "max_recipients_per_month = 3\nmax_per_month = 10\nreserve = 50\n";
    let mut rig = Rig::start(1, Script::default(), &format!("{limits}{NO_LIMITS}"));
    rig.modems_are("ready").await;
    for to in ["+41791234561", "+41791234561"] {
        assert_eq!(send(&rig, to).await["status"], "sent");
    }
    // Half of three numbers is kept for codes: two are available to texts.
    assert_eq!(send(&rig, "+41791234562").await["status"], "sent");
    let body = json!({"to": "+41791234563", "text": "waits", "valid_for": "1h"});
    let waits = post(&rig.client(), "/v1/messages", body, 202).await;
    let code = post(&rig.client(), "/v1/verifications", json!({"to": "+41791234564"}), 201).await;
    assert_eq!(rig.over(code["message"]["id"].as_str().unwrap()).await["status"], "sent");
    rig.kill();
    rig.launch();
    rig.modems_are("ready").await;
    // A modem that sends has been asked for its SIM's counts.
    assert_eq!(send(&rig, "+41791234562").await["status"], "sent", "it has served this number before");
    let m = modem(&rig, "m0").await;
    let counts = [&m["parts_today"], &m["parts_this_month"], &m["recipients_this_month"]];
    assert_eq!(counts, [5, 5, 3], "{m}");
    let metrics = rig.client().call(smsotpd::api::client::Call::get("/metrics")).await.unwrap();
    let metrics = String::from_utf8(metrics.body.to_vec()).unwrap();
    assert!(metrics.contains("smsotp_modem_recipients{modem=\"m0\"} 3\n"), "{metrics}");
    assert!(metrics.contains("smsotp_modem_parts{modem=\"m0\",period=\"month\"} 5\n"), "{metrics}");
    let id = waits["id"].as_str().unwrap();
    assert_eq!(get(&rig.client(), &format!("/v1/messages/{id}")).await["status"], "queued");
    // No number is stored as it is written, and neither is the SIM's.
    for (path, octets) in crate::daemon_support::files(&rig.dir.path().join("state/store")) {
        let text = String::from_utf8_lossy(&octets);
        assert!(!text.contains("228015550000001"), "{}", path.display());
    }
}
