//! Messages through the real daemon to simulated modems: each arrives once and whole, whatever the line is
//! like and whatever happens to the daemon.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use gsm_sim::{Fault, FaultKind, Point, Script};
use rustix::process::Signal;
use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::UnixStream;

use crate::daemon_support::{NO_LIMITS, PATIENCE, Rig, get, number, post, text};
use crate::sim_wire::Named;

/// Unsolicited lines, wherever they can occur, among them a code of two lines whose second line looks like a PDU.
const UNRULY: &str = r#"
[line]
echo = true
echo_stays = true
after = "\r\r\n"
pieces = [1, 3]

[[unsolicited]]
at = "before-echo"
lines = ["+CREG: 1", "^RSSI:18"]
probability = 0.5

[[unsolicited]]
at = "before-answer"
lines = ["^BOOT:35323129,0,0,0,26", "+CMTI: \"SM\",1"]
probability = 0.5

[[unsolicited]]
at = "before-prompt"
lines = ["+ZDONR: \"METEOR\",272,3,\"CS_ONLY\",\"ROAM_OFF\""]

[[unsolicited]]
at = "before-reference"
lines = ["+CDS: 25", "079119890400202306400C91197909913764511090718384225110907183252200", "RING"]

[[unsolicited]]
at = "after-ok"
lines = ["+CIEV: 7,1"]
probability = 0.5
"#;

async fn three_hundred(modems: usize, script: Script) {
    let rig = Rig::start(modems, script, NO_LIMITS);
    rig.modems_are("ready").await;
    let ids = rig.send(0, 300).await;
    for id in &ids {
        let m = rig.over(id).await;
        assert_eq!(m["status"], "sent", "{m}");
    }
    let mut arrived: HashMap<String, Vec<String>> = HashMap::new();
    for sms in rig.sim.inbox() {
        arrived.entry(sms.to).or_default().push(sms.text);
    }
    assert_eq!(arrived.len(), 300);
    for n in 0..300 {
        assert_eq!(arrived[&number(n)], [text(n)]);
    }
    let sent: Vec<u64> = get(&rig.client(), "/v1/modems").await["modems"]
        .as_array()
        .unwrap()
        .iter()
        .map(|m| m["sent_total"].as_u64().unwrap())
        .collect();
    assert_eq!(sent.iter().sum::<u64>(), 300);
    assert!(sent.iter().all(|&n| n > 0), "every modem has its share: {sent:?}");
}

#[tokio::test]
async fn three_hundred_messages_arrive_once() {
    three_hundred(2, Script::default()).await;
}

#[tokio::test]
async fn three_hundred_messages_arrive_once_on_an_unruly_line() {
    three_hundred(2, Script::parse("unruly", UNRULY).unwrap()).await;
}

#[tokio::test]
async fn every_family_that_is_built_in_is_driven() {
    for (name, _) in Script::BUILT_IN {
        let _named = Named(name);
        let rig = Rig::start(1, Script::built_in(name).unwrap(), NO_LIMITS);
        rig.modems_are("ready").await;
        // The real times of the families are long.
        rig.sim.set_air_time(0, Duration::ZERO);
        for id in rig.send(0, 10).await {
            assert_eq!(rig.over(&id).await["status"], "sent", "{}", rig.logs());
        }
        // Without a header that joins them, the parts come one by one.
        assert!(name == "text-mode-only" || rig.sim.received() == 10, "{}", rig.sim.received());
        let mut arrived: BTreeMap<String, String> = BTreeMap::new();
        for sms in rig.sim.inbox() {
            arrived.entry(sms.to).or_default().push_str(&sms.text);
        }
        assert_eq!(arrived.len(), 10);
        for (to, arrived) in arrived {
            assert_eq!(arrived, text(to[5..].parse().unwrap()));
        }
    }
}

/// After a time-out, Ctrl-C or a crashed worker: a request that came completely is carried out, even if
/// nobody waits for the answer.
#[tokio::test]
async fn clients_that_leave_at_once_get_their_messages_sent() {
    let rig = Rig::start(1, Script::default(), NO_LIMITS);
    rig.modems_are("ready").await;
    rig.sim.set_air_time(0, Duration::ZERO);
    for n in 0..40 {
        let (path, more) = if n % 2 == 0 { ("messages", ",\"text\":\"x\"") } else { ("verifications", "") };
        let body = format!("{{\"to\":\"{}\"{more}}}", number(n));
        let length = body.len();
        let mut stream = UnixStream::connect(rig.socket()).await.unwrap();
        let request = format!(
            "POST /v1/{path} HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: {length}\r\n\r\n{body}"
        );
        stream.write_all(request.as_bytes()).await.unwrap();
        // Anywhere between the reading and the answer.
        tokio::time::sleep(Duration::from_micros(u64::from(n) * 30)).await;
    }
    assert!(rig.sim.wait_for(40, PATIENCE), "{} of 40: {}", rig.sim.received(), rig.logs());
}

/// A script that gets no answer would send again.
#[tokio::test]
async fn what_was_accepted_is_told_though_the_daemon_stops() {
    let mut rig = Rig::start(1, Script::default(), NO_LIMITS);
    let waiting = tokio::process::Command::new(env!("CARGO_BIN_EXE_smsotp"))
        .env("SMSOTP_SOCKET", rig.socket())
        .args(["--json", "send", &number(1), "x", "--at", "2100-01-01T00:00:00Z", "--wait"])
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    let accepted = async {
        loop {
            let page = get(&rig.client(), "/v1/messages").await;
            if let Some(id) = page["messages"][0]["id"].as_str() {
                return id.to_owned();
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    let id = tokio::time::timeout(PATIENCE, accepted).await.expect("it is accepted");
    rig.signal(Signal::TERM);
    let ended = tokio::time::timeout(PATIENCE, waiting.wait_with_output()).await.expect("it ends").unwrap();
    assert!(rig.ended().success());
    let told: serde_json::Value =
        serde_json::from_slice(&ended.stdout).unwrap_or_else(|_| panic!("one object: {ended:?}"));
    assert_eq!((ended.status.code(), &told["id"]), (Some(69), &json!(id)));
    assert!(String::from_utf8_lossy(&ended.stderr).contains("it was accepted"), "{ended:?}");
}

/// As `nc -N` and `socat` do.
#[tokio::test]
async fn a_client_that_says_no_more_is_answered() {
    let rig = Rig::start(1, Script::default(), NO_LIMITS);
    rig.modems_are("ready").await;
    let body = json!({"to": number(1), "text": "x"}).to_string();
    let length = body.len();
    for (request, status) in [
        (
            format!(
                "POST /v1/messages HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: {length}\r\n\r\n{body}"
            ),
            202,
        ),
        (
            format!(
                "POST /v1/messages HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: 99\r\n\r\n{body}"
            ),
            400,
        ),
        ("GET /v1/messages HTTP/1.1\r\nhost: x\r\n\r\n".to_owned(), 200),
    ] {
        // The end comes with the request or after it.
        for _ in 0..10 {
            let mut stream = UnixStream::connect(rig.socket()).await.unwrap();
            stream.write_all(request.as_bytes()).await.unwrap();
            stream.shutdown().await.unwrap();
            let mut answer = String::new();
            let read = tokio::time::timeout(PATIENCE, stream.read_to_string(&mut answer)).await;
            read.expect("the server closes").unwrap();
            assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{request}: {answer}");
        }
    }
}

/// Ten kills in the middle of the work: nothing is lost, and a message is sent twice only if a modem had it
/// on the air at a kill.
#[tokio::test]
async fn kill_9_loses_nothing() {
    let mut rig = Rig::start(2, Script::default(), NO_LIMITS);
    for modem in 0..2 {
        rig.sim.set_air_time(modem, Duration::from_millis(5));
    }
    let ids = rig.send(0, 300).await;
    for kill in 1..=10 {
        assert!(rig.sim.wait_for(kill * 27, PATIENCE), "{}", rig.logs());
        rig.kill();
        rig.launch();
    }
    for id in &ids {
        let m = rig.over(id).await;
        assert_eq!(m["status"], "sent", "{m}");
    }
    let mut arrived: HashMap<String, Vec<bool>> = HashMap::new();
    for sms in rig.sim.inbox() {
        let n: u32 = sms.to[5..].parse().unwrap();
        assert_eq!(sms.text, text(n));
        arrived.entry(sms.to).or_default().push(sms.reject_duplicates);
    }
    assert_eq!(arrived.len(), 300, "no message is lost");
    let twice = arrived.values().filter(|times| times.len() > 1).count();
    assert!(twice <= 20, "{twice} were sent twice");
    for times in arrived.values().filter(|times| times.len() > 1) {
        assert!(times.len() == 2 && times[1], "the twin has TP-RD set so that the network can drop it");
    }
}

#[tokio::test]
async fn a_stop_lets_the_message_on_the_air_end() {
    let mut rig = Rig::start(1, Script::default(), NO_LIMITS);
    rig.modems_are("ready").await;
    rig.sim.set_air_time(0, Duration::from_secs(1));
    let ids = rig.send(0, 3).await;
    let begun = || rig.sim.commands(0).iter().any(|c| c.line.starts_with("AT+CMGS"));
    while !begun() {
        tokio::task::yield_now().await;
    }
    rig.signal(Signal::TERM);
    assert!(rig.ended().success(), "{}", rig.logs());
    assert_eq!(rig.sim.received(), 1, "the message on the air ended, and no other began");
    rig.launch();
    for id in &ids {
        assert_eq!(rig.over(id).await["status"], "sent");
    }
    assert_eq!(rig.sim.received(), 3, "nothing was lost or doubled");
}

/// The unit kills a daemon that takes longer than 40 s.
#[tokio::test]
async fn a_stop_does_not_wait_for_ever_for_a_result() {
    let mut rig = Rig::start(1, Script::default(), NO_LIMITS);
    rig.modems_are("ready").await;
    rig.sim.fault(0, Fault::new(FaultKind::LoseResult).at(Point::Accepted).times(1));
    post(&rig.client(), "/v1/messages", json!({"to": number(1), "text": "x"}), 202).await;
    while rig.sim.inbox().is_empty() {
        tokio::task::yield_now().await;
    }
    let asked = std::time::Instant::now();
    rig.signal(Signal::TERM);
    assert!(rig.ended().success(), "{}", rig.logs());
    assert!(asked.elapsed() < Duration::from_secs(35), "{:?}", asked.elapsed());
}

#[tokio::test]
async fn faults_of_the_network_are_retried_or_told() {
    let retry = format!(
        "{NO_LIMITS}[queue]\nretry = {{ first = \"10ms\", factor = 1.0, max = \"1s\", attempts = 5 }}\n"
    );
    let rig = Rig::start(1, Script::default(), &retry);
    rig.modems_are("ready").await;
    rig.sim.fail_next(0, 2, 42);
    let m = rig.over(&rig.send(1, 1).await[0]).await;
    assert_eq!((&m["status"], &m["attempts"]), (&"sent".into(), &3.into()), "congestion passes");
    rig.sim.fail_next(0, 1, 1);
    let m = rig.over(&rig.send(2, 1).await[0]).await;
    assert_eq!((&m["status"], &m["attempts"]), (&"failed".into(), &1.into()), "the number does not exist");
    assert!(m["error"].as_str().unwrap().contains('1'), "{m}");
    rig.sim.fault(0, Fault::new(FaultKind::OkWithoutReference).at(Point::Accepted).times(1));
    let m = rig.over(&rig.send(3, 1).await[0]).await;
    assert_eq!((&m["status"], &m["attempts"]), (&"sent".into(), &2.into()), "OK alone is not sent");
    let twin = rig.sim.inbox().into_iter().next_back().unwrap();
    assert!(twin.reject_duplicates && twin.text == text(3));
}

#[tokio::test]
async fn a_stick_that_comes_back_under_another_name_goes_on() {
    let rig = Rig::start(1, Script::default(), NO_LIMITS);
    rig.modems_are("ready").await;
    rig.sim.unplug(0);
    rig.modems_are("absent").await;
    let id = rig.send(1, 1).await.remove(0);
    rig.sim.plug(0).unwrap();
    assert_eq!(rig.over(&id).await["status"], "sent");
    assert_eq!(rig.sim.received(), 1);
}
