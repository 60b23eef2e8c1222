//! Somebody who guesses codes, at the socket of the real daemon: over many connections, over several verifications of one
//! number, issued again, sent again, withdrawn, and with the daemon killed in between.
//!
//! `SMSOTP_GUESSES` is how many guesses there are, 10,000 when it is not set. Those of a release build are faster:
//! `SMSOTP_GUESSES=100000 cargo test --release --test it attack_guesses`.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;

use gsm_sim::{Received, Script};
use serde_json::{Value, json};
use smsotpd::api::client::Call;
use tokio::sync::mpsc::UnboundedReceiver;
use tokio::task::JoinSet;

use crate::attack_wire::Wire;
use crate::daemon_support::{NO_LIMITS, PATIENCE, Rig, call, expect, get, number, post};

const PHONE: &str = "+41791234567";
/// How many wrong codes of a number are compared, by the configuration below.
const ALLOWED: u64 = 60;
/// How many attempts a verification has.
const ATTEMPTS: u64 = 5;
const SERVICES: [&str; 3] = ["default", "pay", "login"];
const CONNECTIONS: u64 = 48;

fn config() -> String {
    let limits = format!("{NO_LIMITS}guesses_per_number = [\"{ALLOWED}/1d\"]\n");
    SERVICES.iter().fold(limits, |text, service| {
        text + &format!("[service.{service}]\ntemplate = \"{service} {{code}}\"\ncooldown = \"1ms\"\non_reissue = \"new\"\n")
    })
}

/// A verification, what the phone was told of it, and how many attempts it had when it was issued.
struct Known {
    id: String,
    code: String,
    attempts: u64,
}

/// A code that is not the right one.
fn wrong(code: &str, n: u64) -> String {
    format!("{:06}", (code.parse::<u64>().unwrap() + 1 + n % 999_999) % 1_000_000)
}

struct Attack {
    rig: Rig,
    phone: UnboundedReceiver<Received>,
    known: Vec<Arc<Known>>,
    sent: u64,
    issued_again: u64,
    refused: u64,
}

impl Attack {
    /// Issues for each service, as far as that is allowed: an earlier verification of it is replaced.
    async fn issue(&mut self) {
        for service in SERVICES {
            let asked = Call::post("/v1/verifications").json(json!({"to": PHONE, "service": service}));
            let reply = call(&self.rig.client(), asked).await;
            if reply.status != 201 {
                let problem = reply.problem().unwrap();
                assert_eq!((problem.status, problem.code.as_str()), (429, "rate_limited"));
                self.refused += 1;
                continue;
            }
            let made: Value = reply.parse().unwrap();
            self.issued_again += 1;
            let sms = tokio::time::timeout(PATIENCE, self.phone.recv()).await.unwrap().unwrap();
            let (of, code) = sms.text.split_once(' ').unwrap();
            assert_eq!((of, code.len()), (service, 6));
            self.known.push(Arc::new(Known {
                id: made["id"].as_str().unwrap().to_owned(),
                code: code.to_owned(),
                attempts: made["attempts_left"].as_u64().unwrap(),
            }));
        }
    }

    /// So many wrong codes at once over all connections, at the newest verifications, by their ids and by the number.
    async fn guess(&mut self, count: u64, leave_out: usize) {
        let newest: Vec<_> = self.known.iter().rev().take(6).skip(leave_out).cloned().collect();
        let mut guessers = JoinSet::new();
        for connection in 0..CONNECTIONS {
            let (socket, newest) = (self.rig.socket(), newest.clone());
            guessers.spawn(async move {
                let mut wire = Wire::open(&socket).await;
                for n in (connection..count).step_by(usize::try_from(CONNECTIONS).unwrap()) {
                    let of = &newest[usize::try_from(n).unwrap() % newest.len()];
                    let guess = wrong(&of.code, n);
                    let path = format!("/v1/verifications/{}/check", of.id);
                    let (status, body) = wire.post(&path, &format!("{{\"code\":\"{guess}\"}}")).await;
                    assert!(status == 200 && body.contains("\"approved\":false"), "{status} {body}");
                }
            });
        }
        guessers.join_all().await;
        self.sent += count;
    }

    /// How many attempts were used of all that have ended. One that is pending shows what its number has left.
    async fn compared(&self) -> u64 {
        let mut compared = 0;
        for of in &self.known {
            let now = get(&self.rig.client(), &format!("/v1/verifications/{}", of.id)).await;
            if now["status"] != "pending" {
                compared += of.attempts - now["attempts_left"].as_u64().unwrap();
            }
        }
        compared
    }

    /// How many guesses the window of the number counts.
    async fn counted(&self) -> u64 {
        let told = post(&self.rig.client(), "/v1/limits", json!({"to": PHONE}), 200).await;
        let windows = told["windows"].as_array().unwrap();
        let of_guesses =
            windows.iter().find(|w| w["name"].as_str().unwrap().starts_with("guesses_per_number"));
        of_guesses.unwrap()["used"].as_u64().unwrap()
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_all_guesses_at_a_number_only_those_that_are_allowed_are_compared() {
    let wanted: u64 = std::env::var("SMSOTP_GUESSES").map_or(10_000, |n| n.parse().unwrap());
    let mut rig = Rig::prepare(1, Script::default(), &config());
    rig.log = "info";
    rig.launch();
    let phone = rig.sim.listen();
    let mut attack = Attack { rig, phone, known: Vec::new(), sent: 0, issued_again: 0, refused: 0 };
    let begun = Instant::now();
    for round in 0.. {
        if attack.sent >= wanted {
            break;
        }
        attack.issue().await;
        // In every other round the newest verification is left alone, so that it is pending when it is replaced.
        attack.guess(wanted.div_ceil(20), round % 2).await;
        assert!(attack.compared().await <= ALLOWED, "after {} guesses", attack.sent);
        match round {
            1 | 9 => {
                attack.rig.kill();
                attack.rig.launch();
            }
            2 => {
                let last = format!("/v1/verifications/{}", attack.known.last().unwrap().id);
                call(&attack.rig.client(), Call::delete(last)).await;
            }
            _ => {}
        }
    }
    eprintln!(
        "{} guesses over {CONNECTIONS} connections at {} verifications in {:?}",
        attack.sent,
        attack.known.len(),
        begun.elapsed()
    );
    assert_eq!(attack.counted().await, ALLOWED);
    assert!(attack.issued_again * ATTEMPTS >= ALLOWED && attack.refused > 0, "{}", attack.issued_again);
    // The right codes come too late, all of them, wherever they are tried.
    for of in &attack.known {
        let path = format!("/v1/verifications/{}/check", of.id);
        let late = post(&attack.rig.client(), &path, json!({"code": of.code}), 200).await;
        assert_eq!(late["approved"], false, "{late}");
    }
    for service in SERVICES {
        for of in &attack.known {
            let body = json!({"to": PHONE, "service": service, "code": of.code});
            assert_eq!(post(&attack.rig.client(), "/v1/check", body, 200).await["approved"], false);
        }
    }
    assert_eq!(attack.counted().await, ALLOWED, "a right code is no guess");
    for of in &attack.known {
        // 409 for what has ended already.
        call(&attack.rig.client(), Call::delete(format!("/v1/verifications/{}", of.id))).await;
    }
    assert_eq!(attack.compared().await, ALLOWED, "all that were allowed, and no more");
}

/// Answers to the same right codes, over this many connections each.
async fn enter(rig: &Rig, codes: &BTreeMap<String, (String, String)>, at_once: usize) -> usize {
    let mut entered = JoinSet::new();
    for (to, (id, code)) in codes {
        for n in 0..at_once {
            let (socket, by_id) = (rig.socket(), format!("/v1/verifications/{id}/check"));
            let (path, body) = match n % 2 {
                0 => (by_id, format!("{{\"code\":\"{code}\"}}")),
                _ => ("/v1/check".to_owned(), format!("{{\"to\":\"{to}\",\"code\":\"{code}\"}}")),
            };
            entered.spawn(async move {
                let (status, body) = Wire::open(&socket).await.post(&path, &body).await;
                assert_eq!(status, 200, "{body}");
                body.contains("\"approved\":true")
            });
        }
    }
    entered.join_all().await.into_iter().filter(|&approved| approved).count()
}

/// There are as many approvals as codes, over connections, replays and crashes.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_code_that_was_approved_is_used_up_over_connections_and_kills() {
    let mut rig = Rig::start(1, Script::default(), NO_LIMITS);
    let mut phone = rig.sim.listen();
    let mut codes = BTreeMap::new();
    for n in 0..12 {
        let made = expect(
            &call(&rig.client(), Call::post("/v1/verifications").json(json!({"to": number(n)}))).await,
            201,
        );
        let sms = tokio::time::timeout(PATIENCE, phone.recv()).await.unwrap().unwrap();
        let digits = sms.text.chars().skip_while(|c| !c.is_ascii_digit());
        let code: String = digits.take_while(char::is_ascii_digit).collect();
        codes.insert(sms.to, (made["id"].as_str().unwrap().to_owned(), code));
    }
    assert_eq!(enter(&rig, &codes, 16).await, codes.len(), "once each");
    assert_eq!(enter(&rig, &codes, 16).await, 0);
    for _ in 0..2 {
        rig.kill();
        rig.launch();
        assert_eq!(enter(&rig, &codes, 4).await, 0, "after kill -9");
    }
    for (id, _) in codes.values() {
        let is = get(&rig.client(), &format!("/v1/verifications/{id}")).await;
        assert_eq!((&is["status"], &is["attempts_left"]), (&json!("approved"), &json!(4)), "{is}");
    }
}
