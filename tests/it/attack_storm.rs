//! A flood through the real daemon over a pty, in real time and with the limits that are shipped: codes are asked for at
//! three times the pace of the SIM, and ten customers come in it. `tests/whole/flood.rs` has more floods, in virtual time.
//!
//! It takes a minute of a machine that has little else to do, so that no run of all tests includes it:
//! `cargo test --test it attack_storm -- --ignored --nocapture`. It prints each figure beside its limit.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use gsm_sim::Script;
use serde_json::{Value, json};
use tokio::task::JoinSet;

use crate::attack_wire::Wire;
use crate::daemon_support::{Rig, get};

/// From Ctrl-Z to the network's answer.
const AIR: Duration = Duration::from_millis(1000);
const LASTS: Duration = Duration::from_secs(30);
const CUSTOMERS: u64 = 10;
/// Within this time a code is in a customer's hand.
const IN_HAND: Duration = Duration::from_secs(12);
/// Within this time somebody who was let in is told that there will be no code.
const TOLD: Duration = Duration::from_secs(5);
const CALM: Duration = Duration::from_secs(60);

/// One who asked for a code: a customer, when first, and when let in with which message.
struct Asked {
    customer: bool,
    to: String,
    first: Instant,
    let_in: Option<(Instant, String)>,
}

/// Asks for a code, and again when told to come back, so many times at most.
async fn ask(socket: PathBuf, to: String, customer: bool, most: u32) -> (Asked, u32) {
    let mut asked = Asked { customer, to, first: Instant::now(), let_in: None };
    let mut wire = Wire::open(&socket).await;
    for refused in 0..most {
        let body = json!({"to": asked.to.as_str()}).to_string();
        let (status, told) = wire.post("/v1/verifications", &body).await;
        let told: Value = serde_json::from_str(&told).unwrap();
        if status == 201 {
            asked.let_in = Some((Instant::now(), told["message"]["id"].as_str().unwrap().to_owned()));
            return (asked, refused);
        }
        assert_eq!((status, &told["code"]), (503, &json!("queue_full")), "{told}");
        if refused + 1 < most {
            tokio::time::sleep(wire.retry_after.expect("it says when to come back")).await;
        }
    }
    (asked, most)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "a minute in real time; see the head of the file"]
async fn a_flood_in_real_time() {
    let mut rig = Rig::prepare(1, Script::default(), "");
    rig.log = "info";
    rig.sim.set_air_time(0, AIR);
    rig.launch();
    rig.modems_are("ready").await;
    let mut phones = rig.sim.listen();
    // When each message ended otherwise than sent.
    let ended: Arc<Mutex<BTreeMap<String, Instant>>> = Arc::default();
    let (notes, mut events) =
        (Arc::clone(&ended), rig.client().events(None).await.unwrap().expect("a stream"));
    tokio::spawn(async move {
        while let Ok(Some(event)) = events.next().await {
            if ["message.expired", "message.failed"].contains(&event.name.as_str()) {
                let data: Value = serde_json::from_str(&event.data).unwrap();
                let id = data["message"]["id"].as_str().unwrap().to_owned();
                notes.lock().unwrap().entry(id).or_insert_with(Instant::now);
            }
        }
    });

    let began = Instant::now();
    let mut all = JoinSet::new();
    for customer in 0..CUSTOMERS {
        let socket = rig.socket();
        // Spread over three quarters of the flood.
        let comes = LASTS.mul_f64(0.75) * u32::try_from(customer).unwrap() / 10 + AIR;
        all.spawn(async move {
            tokio::time::sleep(comes).await;
            ask(socket, format!("+4179000{customer}000"), true, 30).await
        });
    }
    let mut tick = tokio::time::interval(AIR / 3);
    for n in 0_u32.. {
        tick.tick().await;
        if began.elapsed() > LASTS {
            break;
        }
        all.spawn(ask(rig.socket(), format!("+4177{:07}", 1_009_337 * n % 10_000_000), false, 1));
    }
    let over = Instant::now();
    let (asked, refused): (Vec<_>, Vec<_>) = all.join_all().await.into_iter().unzip();
    let calm = loop {
        let queue = get(&rig.client(), "/v1/status").await["queue"].clone();
        if (&queue["otp"], &queue["sending"]) == (&json!(0), &json!(0)) {
            break over.elapsed();
        }
        assert!(over.elapsed() < 2 * CALM, "{queue}");
        tokio::time::sleep(Duration::from_millis(100)).await;
    };
    let mut arrived = BTreeMap::new();
    while let Ok(sms) = phones.try_recv() {
        arrived.entry(sms.to).or_insert(sms.at);
    }
    let ended = ended.lock().unwrap().clone();
    let had = |a: &Asked, since: Instant| arrived.get(&a.to).is_some_and(|at| *at <= since + IN_HAND);
    let served = asked.iter().filter(|a| a.customer && had(a, a.first)).count();
    let let_in: Vec<_> = asked.iter().filter_map(|a| Some((a, a.let_in.as_ref()?))).collect();
    let told = |(at, id): &(Instant, String)| ended.get(id).is_some_and(|told| *told <= *at + TOLD);
    let waiting = let_in.iter().filter(|(a, when)| !had(a, when.0) && !told(when)).count();
    let unsent = let_in.iter().filter(|(a, _)| !arrived.contains_key(&a.to)).count();
    let refused: u32 = refused.iter().sum();
    println!("asked by {}, let in {}, refusals {refused}", asked.len(), let_in.len());
    println!(
        "customers with a code within {IN_HAND:?} of their first question: {served} of {CUSTOMERS} (at least 3)"
    );
    println!("let in, and neither served in that time nor told within {TOLD:?}: {waiting} (none)");
    println!("let in, and never sent: {unsent} (at most 5 % of {})", let_in.len());
    println!("calm {calm:?} after the flood (at most {CALM:?})");
    assert!(served >= 3 && waiting == 0 && unsent * 20 <= let_in.len() && calm <= CALM);
    assert!(refused as usize > let_in.len(), "it was a flood");
}
