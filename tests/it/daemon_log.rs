//! What the real daemon logs of a message's life, and `smsotp log`, which changes that while it runs.

use std::process::{Command, Output};

use gsm_sim::Script;
use rustix::process::Signal;
use serde_json::json;
use smsotpd::api::client::Call;

use crate::daemon_support::{PATIENCE, Rig, call, expect, get};

impl Rig {
    /// `smsotp log`, with its exit code and what it says.
    async fn log_filter(&self, filter: &[&str]) -> (Option<i32>, String) {
        let mut command = Command::new(env!("CARGO_BIN_EXE_smsotp"));
        command.arg("--socket").arg(self.socket()).arg("log").args(filter);
        let Output { status, stdout, stderr } =
            tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap();
        (status.code(), String::from_utf8([stdout, stderr].concat()).unwrap())
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_operator_changes_the_log_of_the_running_daemon() {
    let mut rig = Rig::prepare(1, Script::default(), "");
    rig.log = "info";
    // Somebody else's, such as that of the unit from which a shell was started: the log stays on stderr.
    rig.environment = vec![("JOURNAL_STREAM", "1:2".into())];
    rig.launch();
    rig.modems_are("ready").await;
    let said = |filter: &str| (Some(0), format!("{filter}\n"));
    assert_eq!(rig.log_filter(&[]).await, said("info"));
    let mut events = rig.client().events(None).await.unwrap().expect("a stream");

    let quiet = rig.send(1, 1).await.remove(0);
    assert_eq!(rig.over(&quiet).await["status"], "sent");
    let logs = rig.logs();
    let lines: Vec<_> = logs.lines().filter(|line| line.contains(&quiet)).collect();
    let words = ["INFO smsotpd::gateway::log: accepted a text to", "INFO smsotpd::gateway::log: sent to"];
    assert!(lines.len() == 2 && lines.iter().zip(words).all(|(line, word)| line.contains(word)), "{lines:?}");
    assert!(!logs.contains("TRACE") && !logs.contains("DEBUG"), "{logs}");

    assert_eq!(rig.log_filter(&["warn,smsotpd::port=trace"]).await, said("warn,smsotpd::port=trace"));
    let heard = async {
        loop {
            let event = events.next().await.unwrap().expect("the stream goes on");
            if event.name == "audit.log" {
                return event.data;
            }
        }
    };
    let audit = tokio::time::timeout(PATIENCE, heard).await.expect("an event");
    assert!(audit.contains("the log's filter is warn,smsotpd::port=trace"), "{audit}");
    let traced = rig.send(2, 1).await.remove(0);
    assert_eq!(rig.over(&traced).await["status"], "sent");
    let logs = rig.logs();
    assert!(logs.contains("TRACE") && logs.contains("AT+CMGS"), "{logs}");
    assert!(!logs.contains(&traced), "the gateway warns of nothing: {logs}");

    let (code, why) = rig.log_filter(&["inof"]).await;
    assert!(
        code == Some(2) && why.contains("`filter` is not a level; info is the nearest"),
        "{code:?} {why}"
    );
    let refused = call(&rig.client(), Call::put("/v1/log").json(json!({"filter": ""}))).await;
    assert_eq!(expect(&refused, 400)["code"], "invalid_request");
    assert_eq!(get(&rig.client(), "/v1/log").await, json!({"filter": "warn,smsotpd::port=trace"}));

    rig.signal(Signal::HUP);
    rig.told("READY=1");
    assert_eq!(rig.log_filter(&[]).await, said("info"), "a reload takes the configured one again");
}
