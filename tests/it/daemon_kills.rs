//! `kill -9` at any moment of mixed work: whatever was answered holds, and what was not answered and is asked again under
//! its key happens once.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use gsm_sim::{Received, Script};
use serde_json::{Value, json};
use smsotpd::api::client::{Call, Client, ClientError};
use tokio::sync::watch;

use crate::daemon_support::{NO_LIMITS, PATIENCE, Rig, expect, get, number, post, text};

const CLIENTS: usize = 6;
/// Between two kills, so many pieces of work are done.
const BETWEEN: u32 = 6;

/// What reached the phones, by number.
type Phones = Arc<Mutex<HashMap<String, Vec<Received>>>>;

/// What a client was told last, and what has to hold for ever after.
#[derive(Debug)]
enum Told {
    /// A text was accepted.
    Accepted { id: String },
    /// A code was approved.
    Approved { id: String, code: String },
    /// A verification was cancelled.
    Cancelled { id: String },
    /// So many attempts were left after wrong codes.
    Left { id: String, attempts: u64 },
}

#[derive(Clone)]
struct Person {
    client: Client,
    phones: Phones,
    arrived: watch::Receiver<usize>,
}

impl Person {
    /// Asks until there is an answer, with the same key each time.
    async fn ask(&self, call: Call, status: u16) -> Value {
        let asking = async {
            loop {
                match self.client.call(call.clone()).await {
                    Ok(reply) if reply.status.as_u16() == 200 => return expect(&reply, 200),
                    // More codes than two modems that only start send in time: it is asked for again, as it says.
                    Ok(reply) if reply.status.as_u16() == 503 => {
                        assert_eq!(reply.problem().unwrap().code, "queue_full");
                        tokio::time::sleep(Duration::from_millis(100)).await;
                    }
                    Ok(reply) => return expect(&reply, status),
                    Err(ClientError::Unreachable { .. } | ClientError::Lost(_)) => {
                        tokio::time::sleep(Duration::from_millis(5)).await;
                    }
                    Err(e) => panic!("{e}"),
                }
            }
        };
        tokio::time::timeout(PATIENCE, asking).await.expect("an answer")
    }

    async fn post(&self, path: &str, body: Value, key: &str, status: u16) -> Value {
        self.ask(Call::post(path).json(body).header("idempotency-key", key), status).await
    }

    /// The code that arrives at a number.
    async fn code(&mut self, number: &str) -> String {
        let read = |phones: &HashMap<String, Vec<Received>>| {
            let sms = phones.get(number)?.first()?;
            let digits = sms.text.chars().skip_while(|c| !c.is_ascii_digit());
            Some(digits.take_while(char::is_ascii_digit).collect::<String>())
        };
        let arriving = async {
            loop {
                if let Some(code) = read(&self.phones.lock().unwrap()) {
                    return code;
                }
                self.arrived.changed().await.unwrap();
            }
        };
        tokio::time::timeout(PATIENCE, arriving).await.expect("the code arrives")
    }

    /// One piece of work.
    async fn work(&mut self, n: u32) -> Told {
        let to = number(n);
        if n.is_multiple_of(4) {
            let body = json!({"to": to, "text": text(n)});
            let made = self.post("/v1/messages", body, &format!("text {n}"), 202).await;
            return Told::Accepted { id: id_of(&made) };
        }
        let made = self.post("/v1/verifications", json!({"to": to}), &format!("issue {n}"), 201).await;
        let id = id_of(&made);
        let path = format!("/v1/verifications/{id}");
        let check = format!("{path}/check");
        if n % 4 == 1 {
            let gone = self.ask(Call::delete(path), 200).await;
            assert_eq!(gone["status"], "cancelled");
            return Told::Cancelled { id };
        }
        let code = self.code(&to).await;
        let wrong = format!("{:06}", (code.parse::<u32>().unwrap() + 1) % 1_000_000);
        let mut left = 5;
        for guess in 0..2 {
            let told = self.post(&check, json!({"code": wrong}), &format!("guess {n} {guess}"), 200).await;
            assert_eq!((&told["approved"], &told["attempts_left"]), (&false.into(), &(left - 1).into()));
            left -= 1;
        }
        if n % 4 == 2 {
            return Told::Left { id, attempts: left };
        }
        let told = self.post(&check, json!({"code": code}), &format!("check {n}"), 200).await;
        assert_eq!(told["approved"], true, "{told}");
        Told::Approved { id, code }
    }
}

fn id_of(made: &Value) -> String {
    made["id"].as_str().expect("an id").to_owned()
}

/// Whether what was told still holds.
async fn holds(rig: &Rig, told: &Told) {
    let client = rig.client();
    match told {
        Told::Accepted { id } => assert_eq!(rig.over(id).await["status"], "sent", "{told:?}"),
        Told::Approved { id, code } => {
            let again =
                post(&client, &format!("/v1/verifications/{id}/check"), json!({"code": code}), 200).await;
            assert_eq!(
                (&again["approved"], &again["status"]),
                (&false.into(), &"approved".into()),
                "{told:?}"
            );
        }
        Told::Cancelled { id } => {
            let v = get(&client, &format!("/v1/verifications/{id}")).await;
            assert_eq!(v["status"], "cancelled", "{told:?}");
        }
        Told::Left { id, attempts } => {
            let v = get(&client, &format!("/v1/verifications/{id}")).await;
            assert_eq!(
                (&v["status"], &v["attempts_left"]),
                (&"pending".into(), &(*attempts).into()),
                "{told:?}"
            );
        }
    }
}

async fn killed(kills: u32) {
    // No code runs out meanwhile.
    let lives = format!("[service.default]\nttl = \"1h\"\nallow_long_ttl = true\n{NO_LIMITS}");
    let mut rig = Rig::prepare(2, Script::default(), &lives);
    rig.log = "warn";
    rig.launch();
    for modem in 0..2 {
        rig.sim.set_air_time(modem, Duration::from_millis(5));
    }
    let phones = Phones::default();
    let (tell, arrived) = watch::channel(0);
    let mut listening = rig.sim.listen();
    let seen = Arc::clone(&phones);
    tokio::spawn(async move {
        while let Some(sms) = listening.recv().await {
            seen.lock().unwrap().entry(sms.to.clone()).or_default().push(sms);
            tell.send_modify(|count| *count += 1);
        }
    });
    let (next, done) = (Arc::new(AtomicU32::new(0)), watch::Sender::new(0));
    let (stop, stopped) = watch::channel(false);
    let mut clients = tokio::task::JoinSet::new();
    for _ in 0..CLIENTS {
        let (next, done, stopped) = (Arc::clone(&next), done.clone(), stopped.clone());
        let mut person =
            Person { client: rig.client(), phones: Arc::clone(&phones), arrived: arrived.clone() };
        clients.spawn(async move {
            let mut told = Vec::new();
            while !*stopped.borrow() {
                told.push(person.work(next.fetch_add(1, Ordering::SeqCst)).await);
                done.send_modify(|count| *count += 1);
            }
            told
        });
    }
    let mut progress = done.subscribe();
    for kill in 1..=kills {
        let enough = progress.wait_for(|&count| count >= kill * BETWEEN);
        tokio::time::timeout(PATIENCE, enough).await.expect("the work goes on").unwrap();
        // Not always at the end of a piece of work.
        tokio::time::sleep(Duration::from_micros(u64::from(kill) * 731 % 20_000)).await;
        rig.kill();
        rig.launch();
    }
    stop.send_replace(true);
    let told: Vec<Told> = clients.join_all().await.into_iter().flatten().collect();
    for told in &told {
        holds(&rig, told).await;
    }
    let arrived = phones.lock().unwrap();
    let mut twins = 0;
    for n in 0..next.load(Ordering::SeqCst) {
        let to = number(n);
        let sms = arrived.get(&to).map_or(&[][..], Vec::as_slice);
        assert!(sms.windows(2).all(|two| two[0].text == two[1].text), "{to} got two codes");
        // What was cancelled may or may not have been on the air.
        assert!(n % 4 == 1 || !sms.is_empty(), "{to} got nothing");
        assert!(sms.iter().skip(1).all(|twin| twin.reject_duplicates), "{to}: no twin of the daemon's own");
        twins += sms.len().saturating_sub(1);
    }
    assert!(twins <= kills as usize * 2, "{twins} were sent twice: at a kill each modem has one on the air");
    println!("{} pieces of work, {kills} kills: {twins} messages twice, nothing lost", told.len());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn kills_in_mixed_work_take_nothing_back() {
    killed(6).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "takes minutes: the long form"]
async fn two_hundred_kills_in_mixed_work_take_nothing_back() {
    killed(200).await;
}
