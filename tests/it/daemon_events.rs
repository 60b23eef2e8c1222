//! The trail of events over the real daemon: resumed over `kill -9`, handed to a command, and looked at as a whole.

use std::process::Stdio;

use gsm_sim::Script;
use rustix::process::Signal;
use serde_json::{Value, json};
use tokio::process::Command;

use crate::daemon_support::{NO_LIMITS, PATIENCE, Rig, get, number, post};

fn smsotp(rig: &Rig, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_smsotp"));
    command.arg("--socket").arg(rig.socket()).args(arguments).kill_on_drop(true);
    command
}

/// The events behind `after`, up to the first that `last` takes.
async fn events(rig: &Rig, after: Option<u64>, last: impl Fn(&Value) -> bool) -> Vec<Value> {
    let read = async {
        let mut stream = rig.client().events(after).await.unwrap().expect("a stream");
        let mut found = Vec::new();
        loop {
            let event = stream.next().await.unwrap().expect("the stream goes on");
            let event: Value = serde_json::from_str(&event.data).unwrap();
            found.push(event);
            if last(found.last().unwrap()) {
                return found;
            }
        }
    };
    tokio::time::timeout(PATIENCE, read).await.unwrap_or_else(|_| panic!("no such event: {}", rig.logs()))
}

fn ids(events: &[Value]) -> Vec<u64> {
    events.iter().map(|event| event["id"].as_u64().unwrap_or_else(|| panic!("{event}"))).collect()
}

#[tokio::test]
async fn a_follower_goes_on_over_kill_9_and_nothing_is_missing_or_there_twice() {
    let mut rig = Rig::start(1, Script::default(), NO_LIMITS);
    rig.modems_are("ready").await;
    let mut seen: Vec<Value> = Vec::new();
    let mut after = 0;
    for round in 0..4 {
        let made = post(&rig.client(), "/v1/verifications", json!({"to": number(round)}), 201).await;
        let wanted = made["message"]["id"].clone();
        // The last one is read while the daemon runs; of the others only a part, before it is killed.
        let end = if round == 3 { "message.sent" } else { "message.queued" };
        let part = events(&rig, Some(after), |e| e["type"] == end && e["message"]["id"] == wanted).await;
        after = *ids(&part).last().unwrap();
        seen.extend(part);
        if round < 3 {
            rig.kill();
            rig.launch();
        }
    }
    assert_eq!(ids(&seen), (1..=after).collect::<Vec<_>>());
    for round in 0..4 {
        let to = smsotpd::phone::PhoneNumber::masked(&number(round).parse().unwrap());
        let of =
            |what: &str| seen.iter().filter(|e| e["type"] == what && e["verification"]["to"] == to).count();
        assert_eq!(of("verification.pending"), 1, "round {round}");
    }
    let whole = get(&rig.client(), "/v1/events/verify").await;
    assert_eq!((&whole["whole"], &whole["first"]), (&true.into(), &1.into()));
    let old = format!("/v1/events/verify?anchor={}:{}", whole["last"], whole["hash"].as_str().unwrap());
    post(&rig.client(), "/v1/messages", json!({"to": number(9), "text": "x"}), 202).await;
    assert_eq!(get(&rig.client(), &old).await["whole"], true);
    let wrong = format!("/v1/events/verify?anchor=2:{}", whole["hash"].as_str().unwrap());
    assert_eq!(get(&rig.client(), &wrong).await["whole"], false);
    let verified = smsotp(&rig, &["events", "--verify"]).output().await.unwrap();
    assert_eq!(verified.status.code(), Some(0));
    let told = String::from_utf8(verified.stdout).unwrap();
    assert!(told.starts_with("events 1 to ") && told.contains("\nanchor  "), "{told}");
    let verified = smsotp(&rig, &["events", "--verify", "--anchor", &wrong[25..]]).output().await.unwrap();
    assert_eq!(verified.status.code(), Some(1));
    // A stream by its address alone, as a browser opens it.
    let read = tokio::time::timeout(PATIENCE, async {
        let call = smsotpd::api::client::Call::get("/v1/events?since=1");
        let mut pieces = rig.client().download(call).await.unwrap().expect("a stream");
        let mut text = String::new();
        while !text.contains("id: 2\n") {
            text.push_str(&String::from_utf8_lossy(&pieces.next().await.unwrap().unwrap()));
        }
        text
    });
    let text = read.await.expect("the second event");
    assert!(text.contains("id: 1\n") && text.matches("data: ").count() >= 1, "{text}");
}

/// The command fails twice for one event, and the daemon is killed meanwhile: the command has each event once all the
/// same, in order, and goes on where it was.
#[tokio::test]
async fn a_command_has_every_event_in_order_over_restarts() {
    let mut rig = Rig::start(1, Script::default(), NO_LIMITS);
    rig.modems_are("ready").await;
    let path = |name: &str| rig.dir.path().join(name).display().to_string();
    let (state, taken, failed) = (path("state.id"), path("taken"), path("failed"));
    let command = format!(
        "read -r line; case $line in *message.sent*) if [ $(wc -l <{failed}) -lt 2 ]; then echo x >>{failed}; exit 3; \
         fi;; esac; echo \"$line\" >>{taken}"
    );
    std::fs::write(&failed, "").unwrap();
    let follow = ["events", "--since", "0", "--exec", &command, "--state", &state];
    let mut following = smsotp(&rig, &follow).stderr(Stdio::null()).spawn().unwrap();
    rig.send(1, 1).await;
    let lines = |wanted: &'static str| {
        let taken = taken.clone();
        async move {
            let there = || {
                let text = std::fs::read_to_string(&taken).unwrap_or_default();
                text.contains(wanted).then_some(text)
            };
            loop {
                if let Some(text) = there() {
                    return text;
                }
                tokio::time::sleep(std::time::Duration::from_millis(20)).await;
            }
        }
    };
    tokio::time::timeout(PATIENCE, lines("message.sending")).await.expect("it runs");
    rig.kill();
    rig.launch();
    tokio::time::timeout(PATIENCE, lines("message.sent")).await.expect("it is run again");
    // The follower itself is killed, and goes on from its state.
    following.kill().await.unwrap();
    let mut following = smsotp(&rig, &follow).stderr(Stdio::null()).spawn().unwrap();
    rig.signal(Signal::HUP);
    let text = tokio::time::timeout(PATIENCE, lines("audit.config")).await.expect("it goes on");
    following.kill().await.unwrap();
    assert_eq!(std::fs::read_to_string(&failed).unwrap().lines().count(), 2);
    let events: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let mut known = ids(&events);
    // Between the command's end and the state an event may come twice.
    known.dedup();
    assert_eq!(known, (1..=*known.last().unwrap()).collect::<Vec<_>>());
    let config = events.iter().find(|e| e["type"] == "audit.config").unwrap();
    assert!(config["audit"]["detail"].as_str().unwrap().contains("sha256 "), "{config}");
    assert!(std::fs::read_to_string(&state).unwrap().trim().parse::<u64>().is_ok());
}
