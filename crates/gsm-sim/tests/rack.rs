//! Modems in memory under a paused clock: what they write, when, and what reached their network.

use std::time::Duration;

use gsm_sim::script::CardState;
use gsm_sim::{Cure, Fault, FaultKind, Point, Rack, RackPort, Reports, Restart, Script, Submitted};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::time::{Instant, sleep, timeout};

const SECOND: Duration = Duration::from_secs(1);

/// A message to +79721312345, "Hello", with TP-SRR.
const HELLO: &str = "0021000B919727312143F5000005C8329BFD06";
/// The same message with TP-RD and TP-MR 7.
const ONCE: &str = "0005070B919727312143F5000005C8329BFD06";

fn rack(script: &str) -> Rack {
    Rack::new(vec![Script::parse("test", script).unwrap(); 2], 7)
}

/// Reads until `end` comes, for at most a minute.
async fn heard(port: &mut RackPort, end: &str) -> String {
    let mut heard = Vec::new();
    let _ = timeout(60 * SECOND, async {
        while !heard.ends_with(end.as_bytes()) {
            match port.read_u8().await {
                Ok(octet) => heard.push(octet),
                Err(_) => return,
            }
        }
    })
    .await;
    String::from_utf8(heard).unwrap()
}

async fn told(port: &mut RackPort, line: &str, end: &str) -> String {
    port.write_all(line.as_bytes()).await.unwrap();
    heard(port, end).await
}

/// An open port without echo, with delivery reports routed to it.
async fn opened(rack: &Rack, modem: usize) -> RackPort {
    let mut port = rack.open(modem).unwrap();
    let answer = told(&mut port, "ATE0+CMEE=1;+CNMI=2,1,0,1,0;+CMGF=0\r", "OK\r\n").await;
    assert!(answer.ends_with("\r\nOK\r\n"), "{answer}");
    port
}

/// Sends a message and reads until `end` comes.
async fn sent(port: &mut RackPort, pdu: &str, end: &str) -> String {
    assert_eq!(told(port, &format!("AT+CMGS={}\r", pdu.len() / 2 - 1), "> ").await, "\r\n> ");
    told(port, &format!("{pdu}\x1a"), end).await
}

/// Everything that comes within a minute of the paused clock.
async fn rest(port: &mut RackPort) -> String {
    heard(port, "never").await
}

fn at_millis(start: Instant) -> u128 {
    start.elapsed().as_millis()
}

#[tokio::test(start_paused = true)]
async fn a_message_takes_its_air_time() {
    let rack = rack("");
    let mut port = opened(&rack, 0).await;
    let mut inbox = rack.listen();
    rack.set_prompt_time(0, Duration::from_millis(30));
    rack.set_air_time(0, 3 * SECOND);
    let start = Instant::now();
    assert_eq!(told(&mut port, "AT+CMGS=18\r", "> ").await, "\r\n> ");
    assert_eq!(at_millis(start), 30);
    // The modem sends whether a program reads its output or not.
    port.write_all(format!("{HELLO}\x1a").as_bytes()).await.unwrap();
    let received = inbox.recv().await.unwrap();
    assert_eq!(at_millis(start), 3030);
    assert_eq!((received.text.as_str(), received.at), ("Hello", Instant::now().into_std()));
    assert_eq!(heard(&mut port, "OK\r\n").await, "\r\n+CMGS: 1\r\n\r\nOK\r\n");
    assert!(heard(&mut port, "\n").await.starts_with("\r\n"));
    assert!(heard(&mut port, "\n").await.starts_with("+CDS: 25"));
    assert_eq!(at_millis(start), 3080);
    assert_eq!(rack.commands(0).len(), 2);
    let submitted = rack.submitted();
    let [Submitted { modem: 0, reference: 0, answered: 1, whole: Some(whole), .. }] = &submitted[..] else {
        panic!("{submitted:?}")
    };
    assert_eq!(whole, "Hello");
}

#[tokio::test(start_paused = true)]
async fn a_plug_is_pulled_and_put_in() {
    let rack = rack("");
    let mut port = opened(&rack, 0).await;
    rack.inject(0, "lost");
    rack.unplug(0);
    assert!(!rack.plugged(0));
    assert_eq!(port.read(&mut [0; 9]).await.unwrap(), 0, "a port that hung up is at its end");
    assert!(port.write_all(b"AT\r").await.is_err());
    assert_eq!(rack.open(0).err().map(|e| e.kind()), Some(std::io::ErrorKind::NotFound));
    rack.plug(0).unwrap();
    assert_eq!(port.read(&mut [0; 9]).await.unwrap(), 0, "the old handle stays closed");
    let mut again = rack.open(0).unwrap();
    assert_eq!(told(&mut again, "AT\r", "OK\r\n").await, "AT\r\r\nOK\r\n", "the echo is back");
    // A reader that waits is told at once.
    let waiting = tokio::spawn(async move { again.read(&mut [0; 9]).await });
    sleep(SECOND).await;
    let mut newest = rack.open(0).unwrap();
    assert_eq!(waiting.await.unwrap().unwrap(), 0, "the second opening hung up the first");
    // The modem leaves by itself and comes back.
    rack.fault(0, Fault::new(FaultKind::HangUp(Some(5 * SECOND))).at(Point::Command).times(1));
    let start = Instant::now();
    assert_eq!(told(&mut newest, "AT\r", "OK\r\n").await, "");
    assert!(!rack.plugged(0));
    sleep(5 * SECOND).await;
    assert!(rack.plugged(0));
    assert_eq!(at_millis(start), 5000);
}

#[tokio::test(start_paused = true)]
async fn a_hang_until_the_port_is_closed() {
    let rack = rack("");
    let mut port = opened(&rack, 0).await;
    rack.hang_until(0, Cure::Reopen);
    assert_eq!(told(&mut port, "AT\r", "OK\r\n").await, "");
    drop(port);
    let mut port = rack.open(0).unwrap();
    assert_eq!(told(&mut port, "AT\r", "OK\r\n").await, "\r\nOK\r\n");
}

#[tokio::test(start_paused = true)]
async fn a_restart_loses_settings_and_what_was_under_way() {
    let start_line = "[[unsolicited]]\nat = \"start\"\nlines = [\"^START\"]\n";
    let rack = rack(start_line);
    let mut port = opened(&rack, 0).await;
    rack.set_air_time(0, SECOND);
    assert_eq!(sent(&mut port, HELLO, "").await, "");
    rack.restart(0, Restart::default());
    assert_eq!(rest(&mut port).await, "");
    assert_eq!(rack.submitted(), []);
    assert_eq!(told(&mut port, "AT+CMGF?\r", "OK\r\n").await, "AT+CMGF?\r\r\n+CMGF: 0\r\n\r\nOK\r\n");
    let announce = Some(vec!["RDY".to_owned(), "SMS Ready".to_owned()]);
    rack.restart(0, Restart { announce, text_mode: true });
    assert_eq!(rest(&mut port).await, "\r\nRDY\r\n\r\nSMS Ready\r\n\r\n^START\r\n");
    assert_eq!(
        told(&mut port, "ATE0+CMGF?;+CMGF=0;+CMGF?\r", "OK\r\n").await,
        "ATE0+CMGF?;+CMGF=0;+CMGF?\r\r\n+CMGF: 1\r\n\r\n+CMGF: 0\r\n\r\nOK\r\n"
    );
    rack.unplug(0);
    rack.restart(0, Restart::default());
    rack.plug(0).unwrap();
    let mut port = rack.open(0).unwrap();
    assert_eq!(
        rest(&mut port).await,
        "\r\n^START\r\n",
        "an order to a modem that is unplugged has no effect"
    );
}

#[tokio::test(start_paused = true)]
async fn reports_never_twice_and_early() {
    let rack = rack("");
    let mut port = opened(&rack, 0).await;
    let reports = Reports { delay: (2 * SECOND).into(), times: 0, before_answer: false };
    rack.set_reports(0, reports);
    assert_eq!(sent(&mut port, HELLO, "OK\r\n").await, "\r\n+CMGS: 1\r\n\r\nOK\r\n");
    assert_eq!(rest(&mut port).await, "");
    rack.set_reports(0, Reports { times: 2, ..reports });
    sent(&mut port, HELLO, "OK\r\n").await;
    let start = Instant::now();
    assert!(heard(&mut port, "+CDS: 25").await.ends_with("+CDS: 25"));
    assert_eq!(at_millis(start), 2000);
    assert!(heard(&mut port, "+CDS: 25").await.ends_with("+CDS: 25"));
    assert_eq!(at_millis(start), 4000);
    let report = rest(&mut port).await;
    // TP-MR, TP-RA, and TP-SCTS and TP-DT of the rack's wall clock.
    assert!(report.contains("06020B919727312143F5621010001000"), "{report}");
    rack.set_reports(0, Reports { before_answer: true, times: 1, ..reports });
    let early = sent(&mut port, HELLO, "+CMGS: 3\r\n\r\nOK\r\n").await;
    assert!(early.starts_with("\r\n+CDS: 25") && early.ends_with("OK\r\n"), "{early}");
    assert_eq!(rest(&mut port).await, "");
}

#[tokio::test(start_paused = true)]
async fn refused_numbers_and_twins_that_the_network_drops() {
    let rack = rack("network.rejects_duplicates = true");
    let mut port = opened(&rack, 0).await;
    rack.refuse(0, "+79721312345", 38);
    assert_eq!(sent(&mut port, ONCE, "38\r\n").await, "\r\n+CMS ERROR: 38\r\n");
    rack.refuse_none(0);
    rack.refuse_all(0, 500);
    assert_eq!(sent(&mut port, ONCE, "500\r\n").await, "\r\n+CMS ERROR: 500\r\n");
    rack.refuse_none(0);
    assert_eq!(rack.submitted(), []);
    sent(&mut port, ONCE, "OK\r\n").await;
    assert_eq!(sent(&mut port, ONCE, "197\r\n").await, "\r\n+CMS ERROR: 197\r\n");
    let submitted: Vec<_> =
        rack.take_submitted().iter().map(|t| (t.reference, t.reject_duplicates, t.dropped)).collect();
    assert_eq!(submitted, [(7, true, false), (7, true, true)]);
    assert_eq!(rack.received(), 1);
    // One part of a message without the other one.
    sent(&mut port, "0041010B919727312143F500080A050003010201004100420043", "").await;
    let answer = rest(&mut port).await;
    assert_eq!(rack.take_submitted(), [], "TP-UDL is wrong: {answer}");
    sent(&mut port, "0041010B919727312143F500080A05000301020100410042", "OK\r\n").await;
    let half = rack.submitted().remove(0);
    assert_eq!((half.concat, half.text.as_str(), half.whole), (Some((1, 2, 1)), "AB", None));
}

#[tokio::test(start_paused = true)]
async fn two_modems_change_places() {
    let rack = rack("");
    let (mut first, mut second) = (opened(&rack, 0).await, opened(&rack, 1).await);
    let [a, b] = [rack.identity(0), rack.identity(1)];
    assert_ne!(a.imei, b.imei);
    rack.swap(0, 1);
    assert_eq!([rack.identity(0), rack.identity(1)], [b.clone(), a.clone()]);
    assert_eq!(first.read(&mut [0; 9]).await.unwrap(), 0);
    assert_eq!(second.read(&mut [0; 9]).await.unwrap(), 0);
    let mut port = opened(&rack, 0).await;
    assert_eq!(told(&mut port, "AT+CIMI\r", "OK\r\n").await, format!("\r\n{}\r\n\r\nOK\r\n", b.imsi));
    sent(&mut port, HELLO, "OK\r\n").await;
    let submitted = rack.submitted().remove(0);
    assert_eq!((submitted.modem, submitted.iccid, submitted.imsi), (0, b.iccid, b.imsi));
    rack.unplug(1);
    rack.swap(0, 1);
    assert!(rack.plugged(0) && !rack.plugged(1));
    assert_eq!(rack.identity(0), a);
}

#[tokio::test(start_paused = true)]
async fn a_sim_that_is_away_or_busy_and_a_memory_that_is_full() {
    let rack = rack("storage.capacity = 3");
    let mut port = opened(&rack, 0).await;
    rack.set_card(0, CardState::Absent);
    assert_eq!(told(&mut port, "AT+CIMI\r", "10\r\n").await, "\r\n+CME ERROR: 10\r\n");
    rack.restart(0, Restart::default());
    let mut port = opened(&rack, 0).await;
    assert_eq!(told(&mut port, "AT+CPIN?\r", "10\r\n").await, "\r\n+CME ERROR: 10\r\n");
    assert!(told(&mut port, "AT+CREG?\r", "OK\r\n").await.contains("+CREG: 0,0"));
    rack.set_card(0, CardState::Ready);
    rack.set_card_busy(0, 10 * SECOND);
    assert_eq!(told(&mut port, "AT+CIMI\r", "14\r\n").await, "\r\n+CME ERROR: 14\r\n");
    sleep(10 * SECOND).await;
    assert!(told(&mut port, "AT+CREG?\r", "OK\r\n").await.contains("+CREG: 0,1"));
    rack.fill(0, "SM");
    let used = told(&mut port, "AT+CPMS?\r", "OK\r\n").await;
    assert!(used.contains("\"SM\",3,3"), "{used}");
}

/// Each octet of a run with the instant at which it was read, and what reached the network.
async fn trace(seed: u64) -> (Vec<(u128, u8)>, Vec<(u128, bool)>) {
    let script = "[line]\npieces = [1, 5]\npiece_gap_us = 1500\n[timing]\nair_ms = [100, 9000]\n\
        prompt_ms = [0, 300]\n[[unsolicited]]\nat = \"every\"\nevery_ms = [900, 5000]\nlines = [\"^RSSI: {csq}\"]\n\
        [[fault]]\nkind = \"cms-error\"\ncode = 38\nprobability = 0.3\n";
    let rack = Rack::new(vec![Script::parse("test", script).unwrap(); 3], seed);
    let start = Instant::now();
    let readers: Vec<_> = (0..3)
        .map(|modem| {
            let mut port = rack.open(modem).unwrap();
            tokio::spawn(async move {
                let mut octets = Vec::new();
                for _ in 0..10 {
                    port.write_all(b"AT+CMGS=18\r").await.unwrap();
                    for command in ["> ", "\n"] {
                        let _ = timeout(SECOND, async {
                            while !octets.ends_with(command.as_bytes()) {
                                octets.push(port.read_u8().await.unwrap());
                            }
                        })
                        .await;
                    }
                    port.write_all(format!("{HELLO}\x1a").as_bytes()).await.unwrap();
                }
                let mut timed = Vec::new();
                let _ = timeout(100 * SECOND, async {
                    loop {
                        let octet = port.read_u8().await.unwrap();
                        timed.push((at_millis(start), octet));
                    }
                })
                .await;
                timed.extend(octets.into_iter().map(|octet| (0, octet)));
                timed
            })
        })
        .collect();
    let mut timed = Vec::new();
    for reader in readers {
        timed.extend(reader.await.unwrap());
    }
    let submitted = rack.submitted();
    let submitted = submitted.iter().map(|t| ((t.at - start.into_std()).as_micros(), t.dropped)).collect();
    (timed, submitted)
}

#[test]
fn the_same_seed_gives_the_same_octets_at_the_same_instants() {
    let run = |seed| {
        let mut builder = tokio::runtime::Builder::new_current_thread();
        builder.enable_time().start_paused(true).build().unwrap().block_on(trace(seed))
    };
    let (octets, submitted) = run(7);
    assert!(octets.len() > 1000 && submitted.len() > 3, "{} {}", octets.len(), submitted.len());
    assert_eq!(run(7), (octets, submitted));
    assert_ne!(run(7), run(8));
}
