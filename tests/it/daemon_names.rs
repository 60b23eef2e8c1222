//! A SIM whose card number is not answered at the first start and is at the second, through the real daemon:
//! the same SIM for its limits, for the reports of its messages, and for what it received.

use gsm_sim::Script;
use serde_json::{Value, json};

use crate::daemon_support::{NO_LIMITS, PATIENCE, Rig, get, post};

const PHONE: &str = "+41791234567";

/// The first question for the card's number is not answered, and until the number is known the modem deletes nothing.
const SCRIPT: &str = "[storage]\ncapacity = 50\n[timing]\nreport_ms = 1500\n\
    [[answer]]\ncommand = \"AT+CCID\"\nresult = \"ERROR\"\ntimes = 1\n\
    [[answer]]\ncommand = \"AT+CCID\"\nusual = true\nset = { mark = \"known\" }\n\
    [[answer]]\ncommand = \"AT+CMGD=*\"\nresult = \"ERROR\"\nunless = \"known\"\n";

async fn send(rig: &Rig) -> String {
    let body = json!({"to": PHONE, "text": "hello", "report": true});
    post(&rig.client(), "/v1/messages", body, 202).await["id"].as_str().unwrap().to_owned()
}

async fn modem(rig: &Rig) -> Value {
    get(&rig.client(), "/v1/modems/m0").await
}

async fn inbox(rig: &Rig) -> usize {
    get(&rig.client(), "/v1/inbox").await["messages"].as_array().unwrap().len()
}

/// Waits, woken by events, until a condition holds.
async fn until(rig: &Rig, what: &str, holds: impl AsyncFn() -> bool) {
    let wait = async {
        let mut events = rig.client().events(None).await.unwrap().expect("a stream of events");
        while !holds().await {
            events.next().await.unwrap().expect("the stream goes on");
        }
    };
    let done = tokio::time::timeout(PATIENCE, wait).await;
    assert!(done.is_ok(), "{what}: {}", rig.logs());
}

fn heard(rig: &Rig, command: &str) -> usize {
    rig.sim.commands(0).iter().filter(|c| c.line.starts_with(command)).count()
}

#[tokio::test]
async fn a_sim_is_the_same_when_its_card_answers_later() {
    let script = Script::parse("late card", SCRIPT).unwrap();
    let mut rig = Rig::start(1, script, &format!("max_per_day = 3\n{NO_LIMITS}"));
    rig.modems_are("ready").await;
    assert_eq!(heard(&rig, "AT+CCID"), 1);
    rig.sim.deliver(0, PHONE, "stays in the modem");
    until(&rig, "nothing was received", async || inbox(&rig).await == 1).await;
    let mut ids = Vec::new();
    for _ in 0..2 {
        ids.push(send(&rig).await);
    }
    for id in &ids {
        assert_eq!(rig.over(id).await["status"], "sent");
    }
    // The reports are on their way.
    rig.kill();
    let deleted = heard(&rig, "AT+CMGD=");
    rig.launch();
    rig.modems_are("ready").await;
    assert!(heard(&rig, "AT+CCID") > 1);
    until(&rig, "its counts were lost", async || modem(&rig).await["parts_today"] == 2).await;
    for id in &ids {
        let delivered =
            async || get(&rig.client(), &format!("/v1/messages/{id}")).await["status"] == "delivered";
        until(&rig, "a report found nobody", delivered).await;
    }
    let third = send(&rig).await;
    assert_ne!(rig.over(&third).await["status"], "queued");
    let fourth = send(&rig).await;
    rig.sim.deliver(0, PHONE, "another");
    until(&rig, "nothing was received", async || inbox(&rig).await > 1).await;
    let wait = async {
        // That message and the earlier one.
        while heard(&rig, "AT+CMGD=") < deleted + 2 {
            tokio::time::sleep(std::time::Duration::from_millis(2)).await;
        }
    };
    assert!(tokio::time::timeout(PATIENCE, wait).await.is_ok(), "{}", rig.logs());
    assert_eq!(inbox(&rig).await, 2, "the message that stayed in the modem came once");
    assert_eq!(get(&rig.client(), &format!("/v1/messages/{fourth}")).await["status"], "queued");
    assert_eq!((modem(&rig).await["parts_today"].clone(), rig.sim.received()), (json!(3), 3));
}
