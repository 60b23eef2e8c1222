//! A modem that works and lost an answer, and one that answers and sends nothing, beside one that works:
//! codes do not wait for the first, and nothing fails because of the second.

use std::time::{Duration, Instant};

use gsm_sim::{Fault, FaultKind, Point, Script};
use serde_json::{Value, json};

use crate::daemon_support::{NO_LIMITS, Rig, get, post};

/// A number that the second modem serves first.
const PHONE: &str = "+41791234567";

/// Two modems that wait for messages; the second one gets those to Swiss numbers.
async fn two(queue: &str) -> Rig {
    let rig = Rig::start(2, Script::default(), &format!("routes = [\"+41\"]\n{NO_LIMITS}[queue]\n{queue}\n"));
    rig.modems_are("ready").await;
    // A modem is reported ready before it asks for its first message.
    loop {
        let made = post(&rig.client(), "/v1/messages", json!({"to": "+41791234568", "text": "x"}), 202).await;
        if rig.over(made["id"].as_str().unwrap()).await["modem"] == "m1" {
            return rig;
        }
    }
}

#[tokio::test]
async fn a_code_whose_answer_was_lost_goes_out_through_the_other_modem() {
    let rig = two("patience = \"1s\"").await;
    rig.sim.fault(1, Fault::new(FaultKind::LoseResult).at(Point::Accepted).times(1));
    let began = Instant::now();
    let code = post(&rig.client(), "/v1/verifications", json!({"to": PHONE}), 201).await;
    let m = rig.over(code["message"]["id"].as_str().unwrap()).await;
    assert_eq!((&m["status"], &m["modem"], &m["attempts"]), (&"sent".into(), &"m0".into(), &2.into()), "{m}");
    assert!(began.elapsed() < Duration::from_secs(5), "{}", rig.logs());
    let to_it: Vec<_> = rig.sim.inbox().into_iter().filter(|sms| sms.to == PHONE).collect();
    let [first, twin] = to_it.try_into().expect("both reached the phone");
    assert_eq!((first.reject_duplicates, twin.reject_duplicates), (false, true));
    assert_eq!(first.text, twin.text);
}

#[tokio::test]
async fn a_late_answer_is_credited_beside_its_twin() {
    let rig = two("patience = \"1s\"").await;
    let late = FaultKind::LateResult(Duration::from_secs(3));
    rig.sim.fault(1, Fault::new(late).at(Point::Accepted).times(1));
    let before = get(&rig.client(), "/v1/modems/m1").await;
    let code = post(&rig.client(), "/v1/verifications", json!({"to": PHONE}), 201).await;
    let id = code["message"]["id"].as_str().unwrap();
    assert_eq!(rig.over(id).await["modem"], "m0");
    let until = Instant::now() + Duration::from_secs(20);
    while get(&rig.client(), "/v1/modems/m1").await["sent_total"] == before["sent_total"] {
        assert!(Instant::now() < until, "{}", rig.logs());
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let m = get(&rig.client(), &format!("/v1/messages/{id}")).await;
    assert_eq!((&m["status"], &m["modem"]), (&"sent".into(), &"m0".into()), "the first send made it sent");
    let after = get(&rig.client(), "/v1/modems/m1").await;
    let parts = |modem: &Value| modem["parts_today"].as_u64().unwrap();
    assert_eq!(parts(&after), parts(&before) + 1);
}

#[tokio::test]
async fn whatever_one_modem_answers_to_everything_all_leave_by_the_other() {
    for code in [21, 28, 30, 304, 310, 311, 500, 515] {
        let rig = Rig::start(2, Script::default(), NO_LIMITS);
        rig.modems_are("ready").await;
        // A network takes longer to accept a message than a modem to refuse it.
        rig.sim.set_air_time(1, Duration::from_millis(20));
        rig.sim.fail_next(0, 1_000_000, code);
        let began = Instant::now();
        for id in rig.send(0, 40).await {
            let m = rig.over(&id).await;
            assert_eq!((&m["status"], &m["modem"]), (&"sent".into(), &"m1".into()), "{code}: {m}");
        }
        assert!(began.elapsed() < Duration::from_secs(60), "{code}");
        let bad = get(&rig.client(), "/v1/modems/m0").await;
        assert!(bad["state"] != "ready" || bad["breaker"] != "closed", "{code}: {bad}");
        assert!(
            bad["last_error"].as_str().is_some_and(|why| why.contains(&code.to_string())),
            "{code}: {bad}"
        );
    }
}
