//! `smsotp export` prints everything that is listed, and no secret.

use std::collections::BTreeMap;

use gsm_sim::Script;
use serde_json::{Value, json};
use smsotpd::api::client::Call;

use crate::daemon_support::{NO_LIMITS, PATIENCE, Rig, call, expect, post};

#[tokio::test]
async fn everything_is_a_line_and_no_line_has_a_code_or_a_text() {
    let rig = Rig::start(1, Script::default(), NO_LIMITS);
    rig.modems_are("ready").await;
    let client = rig.client();
    let mut phone = rig.sim.listen();
    let mut events = client.events(None).await.unwrap().expect("a stream");
    let v = post(&client, "/v1/verifications", json!({"to": "+41791234567"}), 201).await;
    let code = tokio::time::timeout(PATIENCE, phone.recv()).await.unwrap().unwrap().text;
    let code: String = code.chars().filter(char::is_ascii_digit).take(6).collect();
    let m =
        post(&client, "/v1/messages", json!({"to": "+41791234568", "text": "the eagle lands"}), 202).await;
    rig.over(m["id"].as_str().unwrap()).await;
    expect(&call(&client, Call::put("/v1/opt-outs/+41791234569")).await, 200);
    rig.sim.deliver(0, "+41791234570", "the owl sleeps");
    let arrived =
        async { while events.next().await.unwrap().expect("the stream goes on").name != "inbox.received" {} };
    tokio::time::timeout(PATIENCE, arrived).await.expect("it is received");

    let done = tokio::process::Command::new(env!("CARGO_BIN_EXE_smsotp"))
        .env("SMSOTP_SOCKET", rig.socket())
        .arg("export")
        .output()
        .await
        .unwrap();
    assert!(done.status.success(), "{done:?}");
    let text = String::from_utf8(done.stdout).unwrap();
    let mut of = BTreeMap::<String, Vec<Value>>::new();
    for line in text.lines() {
        let thing: Value = serde_json::from_str(line).expect("each line is an object");
        of.entry(thing["type"].as_str().unwrap().to_owned()).or_default().push(thing);
    }
    let count: Vec<_> = of.iter().map(|(kind, things)| (kind.as_str(), things.len())).collect();
    assert_eq!(
        count,
        [("inbox", 1), ("message", 2), ("modem", 1), ("opt_out", 1), ("verification", 1)],
        "{text}"
    );
    assert_eq!(
        (&of["verification"][0]["id"], &of["verification"][0]["to"]),
        (&v["id"], &"+41791234567".into())
    );
    assert_eq!(of["inbox"][0]["from"], "+41791234570");
    assert!(of["message"].iter().any(|it| it["id"] == m["id"] && it["status"] == "sent"), "{text}");
    for secret in ["eagle", "owl"] {
        assert!(!text.contains(secret), "{text}");
    }
    assert!(text.split(|c: char| !c.is_ascii_alphanumeric()).all(|word| word != code), "{text}");
}
