//! The real daemon and a stick that is unplugged at each octet of a send that matters, or that answers late:
//! it is soon back under another tty, and each message arrives.

use std::time::{Duration, Instant};

use gsm_sim::{Cut, Fault, FaultKind, Script};

use crate::daemon_support::{NO_LIMITS, PATIENCE, Rig, get, number, text};

/// With an echo there are places in the echo too.
const ECHOING: &str = "[line]\necho = true\necho_stays = true\n";
/// The time from the return of the stick until it takes messages.
const BACK: Duration = Duration::from_secs(5);

fn extra() -> String {
    format!("{NO_LIMITS}[queue]\nretry = {{ first = \"10ms\", factor = 1.0, max = \"1s\", attempts = 9 }}\n")
}

/// Numbers of messages that take one part each, so that every length has two digits.
fn short(at: u32) -> impl Iterator<Item = u32> {
    (at * 40..).filter(|n| n % 5 != 0 && n % 7 != 0).take(3)
}

async fn pulled_at(cuts: &[(&str, Cut)]) {
    let rig = Rig::start(1, Script::parse("echoing", ECHOING).unwrap(), &extra());
    rig.modems_are("ready").await;
    for (at, (place, cut)) in (0..).zip(cuts) {
        rig.sim.unplug_at(0, cut.clone());
        let mut ids = Vec::new();
        for n in short(at) {
            ids.extend(rig.send(n, 1).await);
        }
        let deadline = Instant::now() + PATIENCE;
        while let Some(device) = rig.sim.device(0) {
            assert!(
                Instant::now() < deadline,
                "{place}: never pulled from {}: {}",
                device.display(),
                rig.logs()
            );
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        rig.modems_are("absent").await;
        let received = rig.sim.received();
        rig.sim.plug(0).unwrap();
        let back = Instant::now();
        rig.modems_are("ready").await;
        assert!(back.elapsed() < BACK, "{place}: {:?}", back.elapsed());
        for id in &ids {
            let m = rig.over(id).await;
            assert_eq!(m["status"], "sent", "{place}: {m}");
        }
        let inbox = rig.sim.take_inbox();
        let mut twins = 0;
        for n in short(at) {
            let copies: Vec<_> = inbox.iter().filter(|sms| sms.to == number(n)).collect();
            assert!(!copies.is_empty(), "{place}: lost");
            assert!(copies.iter().all(|sms| sms.text == text(n)), "{place}");
            assert!(
                copies[1..].iter().all(|sms| sms.reject_duplicates),
                "{place}: every further copy has TP-RD set"
            );
            twins += copies.len() - 1;
        }
        assert!(twins <= received.min(1), "{place}: {twins} twins");
    }
    let modem = get(&rig.client(), "/v1/modems/m0").await;
    let error = modem["last_error"].as_str().unwrap_or_default();
    assert!(error.contains("opening its port again brought it back"), "{modem}");
}

#[tokio::test]
async fn pulled_out_before_the_prompt() {
    pulled_at(&[
        ("before AT", Cut::after_reading("A", 0)),
        ("in the name of the command", Cut::after_reading("AT+CM", 0)),
        ("before the length", Cut::after_reading("AT+CMGS=", 0)),
        ("in the length", Cut::after_reading("AT+CMGS=", 1)),
        ("before CR", Cut::after_reading("AT+CMGS=", 2)),
        ("at CR", Cut::after_reading("AT+CMGS=", 3)),
        ("in the echo", Cut::after_writing("AT+CMG", 0)),
        ("after the echo", Cut::after_writing("AT+CMGS=", 3)),
        ("in the line before the prompt", Cut::after_writing("AT+CMGS=", 4)),
    ])
    .await;
}

#[tokio::test]
async fn pulled_out_from_the_prompt_to_the_end_of_the_pdu() {
    pulled_at(&[
        ("before the prompt", Cut::after_writing("AT+CMGS=", 5)),
        ("between > and its blank", Cut::after_writing(">", 0)),
        ("after the prompt", Cut::after_writing("> ", 0)),
        ("at the first digit of the PDU", Cut::after_reading("AT+CMGS=", 4)),
        ("in the middle of the PDU", Cut::after_reading("AT+CMGS=", 30)),
        ("in the echo of the PDU", Cut::after_writing("> ", 20)),
        ("before SUB is read", Cut::after_reading("\x1a", 0)),
    ])
    .await;
}

#[tokio::test]
async fn pulled_out_from_ctrl_z_to_ok() {
    pulled_at(&[
        ("after SUB", Cut::after_writing("\x1a", 0)),
        ("before +CMGS", Cut::after_writing("\x1a\r\n", 0)),
        ("in +CMGS", Cut::after_writing("\x1a\r\n+CMG", 0)),
        ("before the reference", Cut::after_writing("\x1a\r\n+CMGS: ", 0)),
        ("in the reference", Cut::after_writing("\x1a\r\n+CMGS: ", 1)),
        ("before OK", Cut::after_writing("\r\n\r\n", 0)),
        ("in OK", Cut::after_writing("\r\n\r\nO", 0)),
        ("in the end of OK", Cut::after_writing("\r\n\r\nOK\r", 0)),
        ("after OK", Cut::after_writing("\r\n\r\nOK\r\n", 0)),
    ])
    .await;
}

/// The outcome is unknown after a second and the modem's own five; the result comes two seconds later, when
/// other messages have been sent.
#[tokio::test]
async fn a_late_result_is_credited_to_its_own_message() {
    // The key belongs to the section of the modem.
    let retry = "[queue]\nretry = { first = \"30s\", factor = 1.0, max = \"30s\", attempts = 5 }\n";
    let extra = format!("send_timeout = \"1s\"\n{NO_LIMITS}{retry}");
    let rig = Rig::start(1, Script::default(), &extra);
    rig.modems_are("ready").await;
    let late = FaultKind::LateResult(Duration::from_secs(8));
    rig.sim.fault(0, Fault::new(late).times(1));
    let ids = rig.send(1, 3).await;
    for id in &ids[1..] {
        assert_eq!(rig.over(id).await["status"], "sent");
    }
    let first = get(&rig.client(), &format!("/v1/messages/{}", ids[0])).await;
    assert_eq!(first["status"], "queued", "in doubt: {first} {}", rig.logs());
    let first = rig.over(&ids[0]).await;
    assert_eq!((&first["status"], &first["attempts"]), (&"sent".into(), &1.into()), "{first}");
    assert_eq!(rig.sim.received(), 3, "there is no twin");
}

#[tokio::test]
async fn a_recovery_is_an_event_and_a_metric() {
    let rig = Rig::start(1, Script::default(), NO_LIMITS);
    rig.modems_are("ready").await;
    let client = rig.client();
    let mut events = client.events(None).await.unwrap().expect("a stream of events");
    rig.sim.unplug(0);
    rig.modems_are("absent").await;
    rig.sim.plug(0).unwrap();
    let told = tokio::time::timeout(PATIENCE, async {
        loop {
            let event = events.next().await.unwrap().expect("the stream goes on");
            if event.name == "modem.recovered" {
                return serde_json::from_str::<serde_json::Value>(&event.data).unwrap();
            }
        }
    });
    let told = told.await.expect("modem.recovered");
    assert_eq!(
        (&told["modem"]["name"], &told["recovery"]["rung"]),
        (&"m0".into(), &"reopen".into()),
        "{told}"
    );
    let seconds = told["recovery"]["seconds"].as_f64().unwrap();
    assert!((0.0..60.0).contains(&seconds), "{told}");
    let metrics = client.call(smsotpd::api::client::Call::get("/metrics")).await.unwrap();
    let metrics = String::from_utf8(metrics.body.to_vec()).unwrap();
    for line in [
        "smsotp_modem_recoveries_total{modem=\"m0\",rung=\"reopen\"} 1",
        "smsotp_modem_recovery_seconds_total{modem=\"m0\",rung=\"reopen\"} ",
    ] {
        assert!(metrics.lines().any(|l| l.starts_with(line)), "{line}: {metrics}");
    }
}
