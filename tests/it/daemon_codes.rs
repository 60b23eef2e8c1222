//! Codes through the real daemon: guesses, races, secrets, signals.

use gsm_sim::Script;
use rustix::process::Signal;
use serde_json::json;
use smsotpd::api::client::Call;

use crate::daemon_support::{NO_LIMITS, PATIENCE, Rig, call, expect, files, get, post};

const PHONE: &str = "+41791234567";

async fn issue(rig: &Rig) -> (String, String) {
    let mut phone = rig.sim.listen();
    let made = post(&rig.client(), "/v1/verifications", json!({"to": PHONE}), 201).await;
    let sms = tokio::time::timeout(PATIENCE, phone.recv()).await.unwrap().unwrap();
    let code: String =
        sms.text.chars().skip_while(|c| !c.is_ascii_digit()).take_while(char::is_ascii_digit).collect();
    assert_eq!(code.len(), 6);
    (made["id"].as_str().unwrap().to_owned(), code)
}

fn hex(octets: &[u8]) -> String {
    octets.iter().fold(String::new(), |hex, b| hex + &format!("{b:02X}"))
}

fn wrong(code: &str, n: u32) -> String {
    let guess = (code.parse::<u32>().unwrap() + 1 + n) % 1_000_000;
    format!("{guess:06}")
}

#[tokio::test]
async fn five_hundred_guesses_and_then_the_right_code_are_refused() {
    let rig = Rig::start(1, Script::default(), NO_LIMITS);
    let (id, code) = issue(&rig).await;
    let path = format!("/v1/verifications/{id}/check");
    let client = rig.client();
    for n in 0..500 {
        let answer = post(&client, &path, json!({"code": wrong(&code, n)}), 200).await;
        assert_eq!(answer["approved"], false);
        assert_eq!(answer["attempts_left"], 4_u32.saturating_sub(n));
    }
    let answer = post(&client, &path, json!({"code": code}), 200).await;
    assert_eq!((&answer["approved"], &answer["status"]), (&false.into(), &"exhausted".into()));
    let newest = post(&client, "/v1/check", json!({"to": PHONE, "code": code}), 200).await;
    assert_eq!(newest["approved"], false);
}

#[tokio::test]
async fn sixty_four_right_answers_at_once_approve_once() {
    let rig = Rig::start(1, Script::default(), NO_LIMITS);
    let (id, code) = issue(&rig).await;
    let mut checks = tokio::task::JoinSet::new();
    for _ in 0..64 {
        let (client, path) = (rig.client(), format!("/v1/verifications/{id}/check"));
        let body = json!({"code": code});
        checks.spawn(async move { post(&client, &path, body, 200).await["approved"] == true });
    }
    assert_eq!(checks.join_all().await.into_iter().filter(|&approved| approved).count(), 1);
}

/// An attempt counts also when the daemon dies right after its answer, and an approval remains one.
#[tokio::test]
async fn kill_9_forgets_no_attempt_and_no_approval() {
    let mut rig = Rig::start(1, Script::default(), NO_LIMITS);
    let (id, code) = issue(&rig).await;
    let path = format!("/v1/verifications/{id}/check");
    for n in 0..4 {
        let answer = post(&rig.client(), &path, json!({"code": wrong(&code, n)}), 200).await;
        assert_eq!(answer["attempts_left"], 4 - n);
        rig.kill();
        rig.launch();
    }
    assert_eq!(post(&rig.client(), &path, json!({"code": code}), 200).await["approved"], true);
    rig.kill();
    rig.launch();
    let replay = post(&rig.client(), &path, json!({"code": code}), 200).await;
    assert_eq!((&replay["approved"], &replay["status"]), (&false.into(), &"approved".into()));
}

/// With everything logged that can be: no code and no text in the log, in any file of the state, in any
/// answer or event. A code leaves only through the modem's port.
#[tokio::test]
async fn no_secret_is_kept_or_told() {
    let mut rig = Rig::start(1, Script::default(), NO_LIMITS);
    rig.modems_are("ready").await;
    let client = rig.client();
    let mut events = client.events(None).await.unwrap().expect("a stream");
    let (id, code) = issue(&rig).await;
    let secret_text = "the eagle lands at noon";
    let sent = post(&client, "/v1/messages", json!({"to": PHONE, "text": secret_text}), 202).await;
    let message = rig.over(sent["id"].as_str().unwrap()).await;
    let path = format!("/v1/verifications/{id}");
    let mut told = vec![sent.to_string(), message.to_string()];
    let check = post(&client, &format!("{path}/check"), json!({"code": wrong(&code, 0)}), 200).await;
    told.push(check.to_string());
    told.push(post(&client, &format!("{path}/check"), json!({"code": code}), 200).await.to_string());
    for path in [path.as_str(), "/v1/messages", "/v1/modems", "/v1/status"] {
        told.push(get(&client, path).await.to_string());
    }
    told.push(String::from_utf8(call(&client, Call::get("/metrics")).await.body.to_vec()).unwrap());
    let bad = call(&client, Call::post("/v1/check").json(json!({"to": PHONE, "code": code, "x": 1}))).await;
    told.push(expect(&bad, 422).to_string());
    loop {
        let event = events.next().await.unwrap().expect("the stream goes on");
        let last = event.name == "verification.approved";
        told.push(format!("{} {}", event.name, event.data));
        if last {
            break;
        }
    }
    rig.signal(Signal::TERM);
    assert!(rig.ended().success());
    told.push(rig.logs());
    let sms: Vec<String> =
        rig.sim.inbox().iter().flat_map(|sms| sms.parts.iter().map(|p| hex(&p.pdu))).collect();
    for text in &told {
        // Six digits also occur in times and counters: only a separate word counts as the code.
        let words = text.split(|c: char| !c.is_ascii_alphanumeric());
        assert!(!words.into_iter().any(|word| word == code), "the code is shown: {text}");
        assert!(!text.contains(secret_text) && !text.contains("eagle"), "a text is shown: {text}");
        assert!(!text.contains("+41791234567") || !told.last().unwrap().contains("+41791234567"));
        for pdu in &sms {
            assert!(!text.contains(&pdu[pdu.len() - 16..]), "a PDU is shown: {text}");
        }
    }
    for (path, octets) in files(&rig.dir.path().join("state")) {
        for secret in [code.as_bytes(), secret_text.as_bytes()] {
            assert!(!octets.windows(secret.len()).any(|w| w == secret), "{} holds a secret", path.display());
        }
    }
}

#[tokio::test]
async fn a_reload_takes_over_what_is_safe_and_refuses_what_is_wrong() {
    let mut rig = Rig::start(1, Script::default(), NO_LIMITS);
    rig.rewrite(&format!("{NO_LIMITS}deny_prefixes = [\"+4179\"]\n"));
    rig.signal(Signal::HUP);
    rig.told("READY=1");
    let refused = post(&rig.client(), "/v1/verifications", json!({"to": PHONE}), 422).await;
    assert_eq!(refused["code"], "destination_blocked");
    rig.rewrite("nonsense = 1\n");
    rig.signal(Signal::HUP);
    rig.told("READY=1");
    assert!(rig.logs().contains("stays as it was"), "{}", rig.logs());
    let refused = post(&rig.client(), "/v1/verifications", json!({"to": PHONE}), 422).await;
    assert_eq!(refused["code"], "destination_blocked", "the last good configuration holds");
}

#[tokio::test]
async fn a_second_daemon_is_refused_and_the_first_lives_on() {
    let rig = Rig::start(1, Script::default(), NO_LIMITS);
    let second = std::process::Command::new(env!("CARGO_BIN_EXE_smsotpd"))
        .arg("--config")
        .arg(rig.config())
        .output()
        .unwrap();
    assert_eq!(second.status.code(), Some(70));
    let why = String::from_utf8_lossy(&second.stderr).into_owned();
    assert!(why.contains("in use"), "{why}");
    assert_eq!(call(&rig.client(), Call::get("/healthz")).await.status.as_u16(), 200);
}

#[tokio::test]
async fn a_test_number_is_told_loudly_and_its_code_and_digits_to_nobody() {
    const NOBODY: &str = "+447700900321";
    const CODE: &str = "zk7Qw93xHb";
    let testing = format!("{NO_LIMITS}[testing.numbers]\n\"{NOBODY}\" = \"{CODE}\"\n");
    let mut rig = Rig::start(1, Script::default(), &testing);
    let client = rig.client();
    let mut phone = rig.sim.listen();
    let made = post(&client, "/v1/verifications", json!({"to": NOBODY}), 201).await;
    assert_eq!(made["message"]["status"], "cancelled");
    let body = json!({"to": PHONE, "text": "x"});
    post(&client, "/v1/messages", body, 202).await;
    let first = tokio::time::timeout(PATIENCE, phone.recv()).await.unwrap().unwrap();
    assert_eq!(first.to, PHONE, "nothing left before this");
    assert_eq!(get(&client, "/v1/status").await["test_numbers"], json!(["+4477******21"]));
    let path = format!("/v1/verifications/{}/check", made["id"].as_str().unwrap());
    assert_eq!(post(&client, &path, json!({"code": CODE}), 200).await["approved"], true);
    assert_eq!(post(&client, &path, json!({"code": CODE}), 200).await["approved"], false);
    // A reload whose fault stands beside them shows neither.
    rig.rewrite(&testing.replace("zk7Qw93xHb", "zk7Qw93xHbTooLong"));
    rig.signal(Signal::HUP);
    rig.told("READY=1");
    let logs = rig.logs();
    assert!(logs.contains("testing.numbers has +4477******21: nothing is sent"), "{logs}");
    assert!(logs.contains("testing.numbers.+4477******21: a code has 4 to 12 letters"), "{logs}");
    assert!(!logs.contains(CODE) && !logs.contains("7700900321"), "{logs}");
}
