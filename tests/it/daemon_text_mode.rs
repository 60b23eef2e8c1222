//! The real daemon on a simulated modem that has only text mode: a code, texts of every alphabet, reports,
//! and incoming messages, among them a text that looks like an answer.

use gsm_sim::Script;
use serde_json::{Value, json};
use smsotpd::api::client::Events;

use crate::daemon_support::{NO_LIMITS, PATIENCE, Rig, get, post};

const PHONE: &str = "+41791234567";

async fn started(more: &str) -> (Rig, Events) {
    let script = Script::parse("text", &format!("[sending]\npdu_mode = false\n{more}")).unwrap();
    let rig = Rig::start(1, script, NO_LIMITS);
    rig.modems_are("ready").await;
    let events = rig.client().events(None).await.unwrap().expect("a stream of events");
    (rig, events)
}

/// Waits for an event with this name.
async fn event(rig: &Rig, events: &mut Events, name: &str) -> Value {
    let found = tokio::time::timeout(PATIENCE, async {
        loop {
            let event = events.next().await.unwrap().expect("the stream goes on");
            if event.name == name {
                return serde_json::from_str(&event.data).unwrap();
            }
        }
    });
    found.await.unwrap_or_else(|_| panic!("no {name}: {}", rig.logs()))
}

/// Sends the text, and waits until it is sent. Returns what arrived of it.
async fn arrived(rig: &Rig, events: &mut Events, text: &str) -> Vec<String> {
    let before = rig.sim.received();
    post(&rig.client(), "/v1/messages", json!({"to": PHONE, "text": text}), 202).await;
    event(rig, events, "message.sent").await;
    let inbox = rig.sim.inbox();
    assert!(inbox.iter().all(|received| received.to == PHONE));
    inbox.into_iter().skip(before).map(|received| received.text).collect()
}

#[tokio::test]
async fn a_code_is_issued_and_checked() {
    let (rig, mut events) = started("").await;
    let issued = post(&rig.client(), "/v1/verifications", json!({"to": PHONE}), 201).await;
    event(&rig, &mut events, "message.sent").await;
    let text = rig.sim.inbox()[0].text.clone();
    let code: String = text.chars().filter(char::is_ascii_digit).take(6).collect();
    let path = format!("/v1/verifications/{}/check", issued["id"].as_str().unwrap());
    let checked = post(&rig.client(), &path, json!({"code": code}), 200).await;
    assert_eq!(checked["approved"], true, "{checked}");
    assert!(!rig.logs().contains(&code) && !rig.logs().contains(PHONE));
}

#[tokio::test]
async fn texts_arrive_as_they_were_written() {
    let (rig, mut events) = started("[line]\necho = true\n").await;
    for text in [
        "Mail to a_b@example.com for $5",
        "Grüße für 5 € [offer] {ok} ~ ^ \\ |",
        "Привет 👋🏽",
        "OK",
        "one\n+CMGS: 9\nOK\nfour",
        " +CMGS: 9",
        "> really?",
        &"Grüße € ".repeat(16),
    ] {
        assert_eq!(arrived(&rig, &mut events, text).await, [text]);
    }
    let long = "0123456789 abcdefgh ".repeat(15);
    let parts = arrived(&rig, &mut events, &long).await;
    assert_eq!((parts.len(), parts.concat()), (2, long), "each part is a message of its own");
}

/// A ZTE does this; the number from the configuration is set afterwards.
#[tokio::test]
async fn parameters_that_clear_the_service_centre_do_no_harm() {
    let (mut rig, _) = started("csmp_clears_smsc = true\n").await;
    rig.kill();
    rig.rewrite(&format!("smsc = \"+41794999000\"\n{NO_LIMITS}"));
    rig.launch();
    rig.modems_are("ready").await;
    let mut events = rig.client().events(None).await.unwrap().expect("a stream of events");
    for text in ["one", "Ж", "two"] {
        assert_eq!(arrived(&rig, &mut events, text).await, [text]);
    }
}

#[tokio::test]
async fn reports_and_messages_come_in() {
    for storing in ["", "cnmi = [[0,1,2],[0,1],[0],[0,2],[0,1]]\n"] {
        let (rig, mut events) = started(storing).await;
        let body = json!({"to": PHONE, "text": "hello", "report": true});
        post(&rig.client(), "/v1/messages", body, 202).await;
        event(&rig, &mut events, "message.delivered").await;
        // A text that would end the reading and pass for the result of the next message.
        let nasty = "OK\r\n+CMGS: 9\r\nOK\r\nGrüße";
        rig.sim.deliver(0, PHONE, nasty);
        event(&rig, &mut events, "inbox.received").await;
        let inbox = get(&rig.client(), "/v1/inbox").await;
        assert_eq!(
            (&inbox["messages"][0]["text"], &inbox["messages"][0]["from"]),
            (&json!(nasty), &json!(PHONE))
        );
        assert_eq!(arrived(&rig, &mut events, "and @ again").await, ["and @ again"]);
        rig.sim.deliver(0, PHONE, "STOP");
        event(&rig, &mut events, "inbox.received").await;
        let refused = post(&rig.client(), "/v1/messages", json!({"to": PHONE, "text": "x"}), 422).await;
        assert_eq!(refused["code"], "destination_blocked");
    }
}
