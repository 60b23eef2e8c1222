//! Incoming messages through the real daemon from simulated modems: messages, delivery reports, stop words,
//! and a daemon that is killed in between.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::time::Duration;

use gsm_sim::{Fault, FaultKind, Point, Script};
use serde_json::{Value, json};
use smsotpd::api::client::{Call, Events};

use crate::daemon_support::{NO_LIMITS, PATIENCE, Rig, call, expect, files, get, post};

const PHONE: &str = "+41791234567";

/// Room for everything that a test delivers while the daemon does not read.
fn roomy(more: &str) -> Script {
    Script::parse("roomy", &format!("[storage]\ncapacity = 250\n{more}")).unwrap()
}

async fn follow(rig: &Rig) -> Events {
    rig.client().events(None).await.unwrap().expect("a stream of events")
}

/// The next event with this name whose data fits.
async fn event(rig: &Rig, events: &mut Events, name: &str, fits: impl Fn(&Value) -> bool) -> Value {
    let found = tokio::time::timeout(PATIENCE, async {
        loop {
            let event = events.next().await.unwrap().expect("the stream goes on");
            let data: Value = serde_json::from_str(&event.data).unwrap();
            if event.name == name && fits(&data) {
                return data;
            }
        }
    });
    found.await.unwrap_or_else(|_| panic!("no {name}: {}", rig.logs()))
}

async fn inbox(rig: &Rig) -> Vec<Value> {
    get(&rig.client(), "/v1/inbox?limit=1000").await["messages"].as_array().unwrap().clone()
}

/// Waits until this many messages were received; woken by events.
async fn received(rig: &Rig, count: usize) -> Vec<Value> {
    let wait = async {
        let mut events = follow(rig).await;
        loop {
            let found = inbox(rig).await;
            if found.len() >= count {
                return found;
            }
            while events.next().await.unwrap().expect("the stream goes on").name != "inbox.received" {}
        }
    };
    tokio::time::timeout(PATIENCE, wait).await.unwrap_or_else(|_| panic!("not {count}: {}", rig.logs()))
}

/// Waits until the modem was told to delete this many messages.
async fn forgotten(rig: &Rig, count: usize) {
    let wait = async {
        while rig.sim.commands(0).iter().filter(|c| c.line.starts_with("AT+CMGD=")).count() < count {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    };
    let done = tokio::time::timeout(PATIENCE, wait).await;
    assert!(done.is_ok(), "the modem keeps what it received: {}", rig.logs());
}

fn long(n: usize) -> String {
    (0..20).fold(format!("Message {n}: "), |mut text, word| {
        let _ = write!(text, "Grüße {word} von {n}, ");
        text
    })
}

#[tokio::test]
async fn messages_come_in_whole_and_leave_the_modem() {
    let mut rig = Rig::start(1, roomy(""), NO_LIMITS);
    rig.modems_are("ready").await;
    let mut events = follow(&rig).await;
    rig.sim.deliver(0, PHONE, "Short and secret: cormorant 👋🏽");
    let told = event(&rig, &mut events, "inbox.received", |_| true).await;
    assert_eq!((&told["inbox"]["from"], &told["inbox"]["modem"]), (&json!("+4179*****67"), &json!("m0")));
    assert!(told["inbox"].get("text").is_none() && !told.to_string().contains("cormorant"), "{told}");
    rig.sim.deliver(0, "1234", &long(1));
    let found = received(&rig, 2).await;
    assert_eq!(
        (&found[0]["text"], &found[0]["from"], &found[0]["kind"]),
        (&json!(long(1)), &json!("1234"), &json!("text"))
    );
    assert!(found[0]["parts"].as_u64().unwrap() > 3 && found[0].get("missing").is_none());
    assert_eq!(found[1]["text"], "Short and secret: cormorant 👋🏽");
    assert!(found[1]["id"].as_str().unwrap().starts_with("in_") && found[1]["sent_at"].is_string());

    let page = get(&rig.client(), "/v1/inbox?limit=1").await;
    let next = page["next_cursor"].as_str().unwrap();
    let rest = get(&rig.client(), &format!("/v1/inbox?cursor={next}")).await;
    assert_eq!((&rest["messages"], rest.get("next_cursor")), (&json!([found[1]]), None));
    let path = format!("/v1/inbox/{}", found[0]["id"].as_str().unwrap());
    assert_eq!(expect(&call(&rig.client(), Call::delete(&path)).await, 200)["text"], json!(long(1)));
    expect(&call(&rig.client(), Call::delete(&path)).await, 404);
    let metrics = call(&rig.client(), Call::get("/metrics")).await;
    assert!(String::from_utf8_lossy(&metrics.body).contains("smsotp_inbox_received_total 2\n"));

    let parts = usize::try_from(found[0]["parts"].as_u64().unwrap()).unwrap();
    forgotten(&rig, 1 + parts).await;
    rig.kill();
    rig.launch();
    rig.modems_are("ready").await;
    rig.sim.deliver(0, PHONE, "another");
    let after = received(&rig, 2).await;
    assert_eq!(after.len(), 2, "nothing comes twice");
    assert!(!rig.logs().contains("cormorant") && !rig.logs().contains(PHONE));
    for (path, octets) in files(&rig.dir.path().join("state")) {
        let told = octets.windows(9).any(|w| w == b"cormorant");
        assert!(!told, "{} holds a text", path.display());
    }
}

/// A few of the parts come, then a kill, then the others; and again with the kill between any two messages.
#[tokio::test]
async fn kill_9_in_the_middle_of_a_message_loses_no_part() {
    let mut rig = Rig::start(1, roomy(""), NO_LIMITS);
    rig.modems_are("ready").await;
    let parts: Vec<Vec<u8>> = (1..=4).map(part).collect();
    rig.sim.deliver_pdu(0, parts[2].clone());
    rig.sim.deliver_pdu(0, parts[0].clone());
    forgotten(&rig, 2).await;
    rig.kill();
    // One part comes while the daemon is down, one comes twice.
    rig.sim.deliver_pdu(0, parts[3].clone());
    rig.launch();
    rig.sim.deliver_pdu(0, parts[0].clone());
    rig.sim.deliver_pdu(0, parts[1].clone());
    let found = received(&rig, 1).await;
    assert_eq!((&found[0]["text"], &found[0]["parts"]), (&json!("one two three four "), &json!(4)));

    for n in 0..12 {
        rig.sim.deliver(0, PHONE, &long(n));
        if n % 3 == 2 {
            // The kill comes somewhere in the middle of the reading.
            let count = rig.sim.commands(0).len();
            let wait = async {
                while rig.sim.commands(0).len() < count + n {
                    tokio::time::sleep(Duration::from_millis(1)).await;
                }
            };
            let asked = tokio::time::timeout(PATIENCE, wait).await.is_ok();
            let modems = get(&rig.client(), "/v1/modems").await;
            assert!(asked, "the modem is not asked: {modems} {}", rig.logs());
            rig.kill();
            rig.launch();
        }
    }
    let mut texts: BTreeMap<String, usize> = BTreeMap::new();
    for m in received(&rig, 13).await {
        *texts.entry(m["text"].as_str().unwrap().to_owned()).or_default() += 1;
    }
    assert_eq!(texts.len(), 13);
    assert!((0..12).all(|n| texts.get(&long(n)) == Some(&1)), "each arrives whole and once: {}", rig.logs());
}

/// One of the four parts of "one two three four ", built by hand (3GPP TS 23.040 clause 9.2.2.1), in UCS-2.
fn part(n: u8) -> Vec<u8> {
    let word = ["one ", "two ", "three ", "four "][usize::from(n) - 1];
    let mut data = vec![5, 0, 3, 0x77, 4, n];
    data.extend(word.encode_utf16().flat_map(u16::to_be_bytes));
    let mut pdu = b"\x07\x91\x14\x97\x94\x99\x00\xf0\x44\x0b\x91\x14\x97\x21\x43\x65\xf7\0\x08".to_vec();
    pdu.extend([0x62, 0x11, 0x22, 0x01, 0x02, 0x03, 0x80, u8::try_from(data.len()).unwrap()]);
    pdu.extend(data);
    pdu
}

#[tokio::test]
async fn what_is_no_message_is_kept_and_blocks_nothing() {
    let rig = Rig::start(1, roomy(""), NO_LIMITS);
    rig.modems_are("ready").await;
    rig.sim.deliver_pdu(0, part(1)[..22].to_vec());
    rig.sim.deliver(0, PHONE, "a good one");
    let found = received(&rig, 2).await;
    let bad = found.iter().find(|m| m["kind"] == "unreadable").unwrap();
    assert!(bad["error"].as_str().unwrap().contains("TP-SCTS") && bad.get("text").is_none(), "{bad}");
    assert_eq!(bad["data"].as_str().map(str::len), Some(44));
    forgotten(&rig, 2).await;
}

#[tokio::test]
async fn a_stop_word_opts_out() {
    let rig = Rig::start(1, roomy(""), NO_LIMITS);
    rig.modems_are("ready").await;
    let client = rig.client();
    let later = json!({"to": PHONE, "text": "x", "send_at": "2100-01-01T00:00:00Z"});
    let queued = post(&client, "/v1/messages", later, 202).await;
    let mut events = follow(&rig).await;
    rig.sim.deliver(0, PHONE, "Arrêt");
    let withdrawn = event(&rig, &mut events, "message.cancelled", |_| true).await;
    assert_eq!(withdrawn["message"]["id"], queued["id"]);
    let text = || json!({"to": PHONE, "text": "x"});
    let refused = post(&client, "/v1/messages", text(), 422).await;
    assert_eq!(refused["code"], "destination_blocked");
    assert!(refused["detail"].as_str().unwrap().contains("opted out"), "{refused}");
    post(&client, "/v1/verifications", json!({"to": PHONE}), 201).await;
    let list = get(&client, "/v1/opt-outs").await;
    assert_eq!(list["opt_outs"][0]["phone"], PHONE);
    rig.sim.deliver(0, PHONE, "start");
    event(&rig, &mut events, "inbox.received", |_| true).await;
    post(&client, "/v1/messages", text(), 202).await;
}

async fn send(rig: &Rig, text: &str) -> String {
    let body = json!({"to": PHONE, "text": text, "report": true});
    post(&rig.client(), "/v1/messages", body, 202).await["id"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn delivery_reports_reach_their_messages() {
    for (more, name) in [
        ("", "message.delivered"),
        ("[sending]\nreport_status = 70\n", "message.undelivered"),
        // Reports are only announced, and read from the modem.
        ("[sending]\ncnmi = [[0,1,2],[0,1],[0],[0,2],[0,1]]\n", "message.delivered"),
        // Each report comes before the modem's answer.
        ("[timing]\nreport_ms = 0\n", "message.delivered"),
    ] {
        let rig = Rig::start(1, roomy(more), NO_LIMITS);
        rig.modems_are("ready").await;
        let mut events = follow(&rig).await;
        for text in ["short".to_owned(), "long ".repeat(80)] {
            let id = send(&rig, &text).await;
            let told = event(&rig, &mut events, name, |e| e["message"]["id"] == *id).await;
            if name == "message.undelivered" {
                assert_eq!(told["message"]["error"], "failed: validity period expired");
            } else {
                assert!(told["message"]["delivered_at"].is_string(), "{told}");
            }
        }
    }
}

#[tokio::test]
async fn a_report_stands_in_for_a_lost_answer() {
    let retry = format!(
        "{NO_LIMITS}[queue]\nretry = {{ first = \"1m\", factor = 1.0, max = \"1m\", attempts = 5 }}\n"
    );
    let rig = Rig::start(1, roomy(""), &retry);
    rig.modems_are("ready").await;
    rig.sim.fault(0, Fault::new(FaultKind::OkWithoutReference).at(Point::Accepted).times(1));
    let mut events = follow(&rig).await;
    let id = send(&rig, "hello").await;
    event(&rig, &mut events, "message.delivered", |e| e["message"]["id"] == *id).await;
    assert_eq!(rig.sim.received(), 1, "no twin was sent");
}

#[tokio::test]
async fn a_report_finds_its_message_after_a_restart() {
    let mut rig = Rig::start(1, roomy("[timing]\nreport_ms = 1500\n"), NO_LIMITS);
    rig.modems_are("ready").await;
    let id = send(&rig, "hello").await;
    assert_eq!(rig.over(&id).await["status"], "sent");
    rig.kill();
    rig.launch();
    let wait = async {
        let mut events = follow(&rig).await;
        while get(&rig.client(), &format!("/v1/messages/{id}")).await["status"] != "delivered" {
            events.next().await.unwrap().expect("the stream goes on");
        }
    };
    let done = tokio::time::timeout(PATIENCE, wait).await;
    assert!(done.is_ok(), "{}", rig.logs());
}
