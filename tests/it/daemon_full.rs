//! The daemon while its disk is full: it says so, refuses new work, serves the rest, and goes on by itself.

use std::time::{Duration, Instant};

use gsm_sim::Script;
use rustix::process::Signal;
use serde_json::json;
use smsotpd::api::client::Call;

use crate::daemon_support::{NO_LIMITS, PATIENCE, Rig, call, expect, get, post};
use crate::store_room::Small;

const PHONE: &str = "+41791234567";

/// A daemon that does not run yet, with its state on a small file system.
fn rig() -> Option<(Small, Rig)> {
    let rig = Rig::prepare(1, Script::default(), NO_LIMITS);
    let small = Small::mount(&rig.dir.path().join("state"), "ext4")?;
    Some((small, rig))
}

async fn code(rig: &Rig) -> (String, String) {
    let mut phone = rig.sim.listen();
    let made = post(&rig.client(), "/v1/verifications", json!({"to": PHONE}), 201).await;
    let sms = tokio::time::timeout(PATIENCE, phone.recv()).await.unwrap().unwrap();
    let digits = sms.text.chars().skip_while(|c| !c.is_ascii_digit()).take_while(char::is_ascii_digit);
    (made["id"].as_str().unwrap().to_owned(), digits.collect())
}

#[tokio::test]
async fn a_full_disk_refuses_new_work_and_nothing_else() {
    let Some((small, mut rig)) = rig() else { return };
    rig.launch();
    rig.modems_are("ready").await;
    let (id, right) = code(&rig).await;
    let client = rig.client();
    small.fill();
    // Whatever writes first sees it; the daemon looks before each commit.
    let check = format!("/v1/verifications/{id}/check");
    assert_eq!(post(&client, &check, json!({"code": "none"}), 200).await["attempts_left"], 4);
    for (path, body) in [
        ("/v1/verifications", json!({"to": "+41791234568"})),
        ("/v1/messages", json!({"to": "+41791234568", "text": "x"})),
    ] {
        let reply = call(&client, Call::post(path).json(body)).await;
        let problem = expect(&reply, 503);
        assert_eq!(problem["code"], "storage", "{problem}");
        assert!(problem["detail"].as_str().unwrap().contains("the disk is full; free space"), "{problem}");
    }
    let ready = expect(&call(&client, Call::get("/readyz")).await, 503);
    assert_eq!(ready, json!({"ready": false, "disk_full": true}));
    assert_eq!(get(&client, "/v1/status").await["disk_full"], true);
    let metrics = call(&client, Call::get("/metrics")).await;
    assert!(String::from_utf8_lossy(&metrics.body).contains("smsotp_disk_full 1\n"));
    assert_eq!(get(&client, "/v1/verifications").await["verifications"].as_array().unwrap().len(), 1);
    // The attempt is on disk before it is answered, in the journal, whose room is there.
    assert_eq!(post(&client, &check, json!({"code": right}), 200).await["approved"], true);
    assert_eq!(post(&client, &check, json!({"code": right}), 200).await["approved"], false);

    let freed = Instant::now();
    small.free();
    let status = |reply: &smsotpd::api::client::Reply| reply.status.as_u16();
    while status(&call(&client, Call::get("/readyz")).await) != 200 {
        assert!(freed.elapsed() < Duration::from_secs(5), "{}", rig.logs());
    }
    post(&client, "/v1/verifications", json!({"to": "+41791234568"}), 201).await;
    assert!(get(&client, "/v1/status").await["disk_full"].is_null());
    let told = |what: &str| rig.logs().matches(what).count();
    assert_eq!((told(" KiB free): new work is refused"), told("has room again")), (1, 1), "{}", rig.logs());
}

/// Checks until nothing more is durable: from then on no code is compared, and none is approved twice.
#[tokio::test]
async fn a_check_that_cannot_be_counted_is_refused() {
    let Some((small, mut rig)) = rig() else { return };
    rig.launch();
    rig.modems_are("ready").await;
    let (first, right) = code(&rig).await;
    small.fill();
    let client = rig.client();
    let opt_out = |n: u32| Call::put(format!("/v1/opt-outs/+4178{n:07}"));
    let (mut n, mut refused) = (0, 0);
    while refused == 0 {
        let calls = (n..n + 200).map(|n| call(&client, opt_out(n)));
        let replies = futures_util::future::join_all(calls).await;
        refused = replies.iter().filter(|reply| reply.status.as_u16() == 503).count();
        n += 200;
    }
    let check = format!("/v1/verifications/{first}/check");
    for body in [json!({"code": right}), json!({"code": "000000"})] {
        let problem = post(&client, &check, body, 503).await;
        assert_eq!(problem["code"], "storage");
    }
    assert_eq!(get(&client, &format!("/v1/verifications/{first}")).await["attempts_left"], 5);
    rig.kill();
    small.free();
    rig.launch();
    let client = rig.client();
    assert_eq!(post(&client, &check, json!({"code": right}), 200).await["approved"], true);
    assert_eq!(post(&client, &check, json!({"code": right}), 200).await["approved"], false);
}

#[tokio::test]
async fn a_start_on_a_full_disk_says_so_and_waits() {
    let Some((small, mut rig)) = rig() else { return };
    rig.launch();
    rig.modems_are("ready").await;
    let (id, right) = code(&rig).await;
    rig.kill();
    small.fill();
    rig.spawn();
    rig.told("STATUS=the disk is full: the start waits until there is room");
    assert!(rig.logs().contains("is full; free 16384 KiB or more"), "{}", rig.logs());
    assert!(!rig.logs().contains("damaged:"), "{}", rig.logs());
    // It can be told to stop, too.
    rig.signal(Signal::TERM);
    assert!(rig.ended().success());
    rig.spawn();
    rig.told("STATUS=the disk is full: the start waits until there is room");
    small.free();
    rig.told("READY=1");
    let check = format!("/v1/verifications/{id}/check");
    assert_eq!(post(&rig.client(), &check, json!({"code": right}), 200).await["approved"], true);
}
