//! A client that writes AT commands where it may write anything: what the simulated modem reads is watched. Nothing of a
//! client's reaches a command line but encoded, in PDU mode and in text mode, and what was accepted arrives as it was given.

use gsm_sim::Script;
use serde_json::{Value, json};
use smsotpd::api::client::{Call, escape};

use crate::daemon_support::{NO_LIMITS, PATIENCE, Rig, call};

const PHONE: &str = "+41791234567";
/// What an attacker wants the modem to do; no command of the daemon has it in it.
const MARK: &str = "AT+CFUN=0,13";
const CONFIG: &str = "[service.default]\ntemplate = \"{code} for {what}\"\n";

/// The ways out of a text or a string of a command, and what would follow.
fn payloads() -> Vec<String> {
    let mut payloads = Vec::new();
    for way_out in [
        "\r",
        "\n",
        "\r\n",
        "\u{1a}",
        "\u{1a}\r\n",
        "\u{1b}",
        "\u{1b}\r",
        "\"\r",
        "\",15\r",
        "+++",
        "\0",
        "\u{8}\u{8}",
        "\u{4}",
        "\u{11}\u{13}",
        ";",
        "> ",
        "\u{2028}",
        "\u{85}",
        "\u{ff1b}",
        "\u{a0}",
        "@\u{1b}e",
        "€",
        "",
    ] {
        payloads.push(format!("x{way_out}{MARK}"));
        payloads.push(format!("x{way_out}{MARK}\r"));
    }
    payloads
}

/// Every place of a request that takes a text.
async fn attack(rig: &Rig, payload: &str, accepted: &mut Vec<String>) {
    let client = rig.client();
    let post = |path: &str, body: Value| Call::post(path).json(body);
    let told = call(&client, post("/v1/messages", json!({"to": PHONE, "text": payload}))).await;
    match told.status.as_u16() {
        202 => accepted.push(payload.to_owned()),
        400 | 422 => {}
        other => panic!("{payload:?}: {other}"),
    }
    // Each to another number: a newer code withdraws one that waits.
    let to = format!("+417912{:05}", 40_000 + accepted.len());
    let values = json!({"to": to, "values": {"what": payload}});
    let told = call(&client, post("/v1/verifications", values)).await;
    match told.status.as_u16() {
        201 => accepted.push(format!("for {payload}")),
        400 | 422 | 429 => {}
        other => panic!("{payload:?}: {other}"),
    }
    let number = format!("{PHONE}{payload}");
    for (call_, is_good) in [
        (post("/v1/messages", json!({"to": number, "text": "x"})), false),
        (post("/v1/verifications", json!({"to": number})), false),
        (post("/v1/check", json!({"to": number, "code": payload})), false),
        (post("/v1/verifications", json!({"to": PHONE, "service": payload})), false),
        (post("/v1/messages", json!({"to": PHONE, "text": "x", "modem": payload})), false),
        (post("/v1/modems/m0/ussd", json!({"code": payload})), false),
        (post("/v1/modems/m0/ussd", json!({"code": format!("*100#\",15;{payload}")})), false),
        (post(&format!("/v1/modems/{}/reset", escape(payload)), json!({})), false),
        (Call::put(format!("/v1/opt-outs/{}", escape(&number))), false),
        (post("/v1/limits", json!({"to": PHONE, "keys": {payload: payload}})), false),
        (post("/v1/check", json!({"to": PHONE, "code": payload, "binding": payload})), true),
    ] {
        let status = call(&client, call_.clone()).await.status.as_u16();
        assert!(
            is_good && status == 200 || [400, 404, 422].contains(&status),
            "{payload:?}: {status} {call_:?}"
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_of_a_client_reaches_a_command_line() {
    for (mode, script) in [("PDU", ""), ("text", "[sending]\npdu_mode = false\n")] {
        let script = Script::parse("attacked", script).unwrap();
        let config = format!("{NO_LIMITS}{CONFIG}");
        let rig = Rig::start(1, script, &config);
        rig.modems_are("ready").await;
        let mut phone = rig.sim.listen();
        let mut accepted = Vec::new();
        for payload in payloads() {
            attack(&rig, &payload, &mut accepted).await;
        }
        assert!(accepted.len() > 20, "{mode}: {accepted:?}");
        let mut arrived = Vec::new();
        while arrived.len() < accepted.len() {
            let Ok(next) = tokio::time::timeout(PATIENCE, phone.recv()).await else {
                panic!("{mode}: {} of {}: {}", arrived.len(), accepted.len(), rig.logs());
            };
            arrived.push(next.unwrap().text);
        }
        for text in &accepted {
            let came = arrived.iter().any(|arrived| match text.strip_prefix("for ") {
                Some(_) => arrived.ends_with(text),
                None => arrived == text,
            });
            assert!(came, "{mode}: {text:?} did not arrive as it was: {arrived:?}");
        }
        for seen in rig.sim.commands(0) {
            let line = seen.line;
            assert!(
                line.starts_with("AT") && line.bytes().all(|b| (b' '..=b'~').contains(&b)),
                "{mode}: {line:?}"
            );
            assert!(!line.contains("CFUN=0"), "{mode}: {line:?}");
        }
    }
}
