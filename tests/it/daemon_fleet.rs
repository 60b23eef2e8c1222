//! Several daemons on one PostgreSQL database: each answers for all, and whatever fails in turn, nothing is lost and no code
//! counts twice.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use gsm_sim::Script;
use rustix::process::Signal;
use serde_json::{Value, json};
use smsotpd::api::client::{Call, Client, ClientError};
use smsotpd::fleet::LEASE;
use tokio::sync::watch;

use crate::daemon_support::{NO_LIMITS, PATIENCE, Rig, call, expect, get, number, post};
use crate::postgres_server::Server;

/// Those who work at the same time.
const CLIENTS: u32 = 6;

/// What stands in the configuration of a host.
fn host(url: &str, name: &str) -> String {
    let admin = format!(
        "[[client]]\nname = \"all\"\nuid = {}\nmay = [\"issue\", \"check\", \"send\", \"read\", \"admin\"]\n",
        rustix::process::getuid()
    );
    let queue = "[queue]\nmax_wait = \"1h\"\nretry = { first = \"1s\", attempts = 20 }\n";
    format!(
        "[store]\nengine = \"postgres\"\nurl = \"{url}\"\nhost = \"{name}\"\n{queue}{NO_LIMITS}{admin}\
         [service.default]\nttl = \"10m\"\n"
    )
}

/// Hosts with so many modems each, all with the key of the first.
fn fleet<const N: usize>(server: &Server, hosts: [(&'static str, usize); N]) -> [Rig; N] {
    let url = server.database();
    let mut first: Option<std::path::PathBuf> = None;
    hosts.map(|(name, modems)| {
        let mut rig = Rig::prepare(modems, Script::default(), &host(&url, name));
        (rig.prefix, rig.log) = (name, "info");
        let key = rig.dir.path().join("state/secret.key");
        if let Some(first) = &first {
            std::fs::create_dir(key.parent().unwrap()).unwrap();
            std::fs::copy(first, &key).unwrap();
        }
        rig.launch();
        first.get_or_insert(key);
        rig
    })
}

/// Waits until this holds of what the API shows.
async fn until(client: &Client, path: &str, what: &str, is: impl Fn(&Value) -> bool) {
    let limit = Instant::now() + PATIENCE;
    loop {
        let shown = get(client, path).await;
        if is(&shown) {
            return;
        }
        assert!(Instant::now() < limit, "{what}: {shown}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

fn states(list: &Value, of: &str) -> HashMap<String, String> {
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let all = list[of].as_array().unwrap().iter();
    all.map(|one| (text(&one["name"]), text(&one["state"]))).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_host_answers_for_all() {
    let Some(server) = Server::new() else { return };
    let [mut attic, office] = fleet(&server, [("attic", 2), ("office", 0)]);
    let mut phone = attic.sim.listen();
    let client = office.client();
    let ready = |list: &Value| states(list, "modems").values().filter(|state| *state == "ready").count() == 2;
    until(&client, "/v1/modems", "two modems are ready", ready).await;
    assert_eq!(call(&client, Call::get("/readyz")).await.status, 200);
    let counts = get(&client, "/v1/status").await["modems"].clone();
    assert_eq!((&counts["total"], &counts["ready"]), (&2.into(), &2.into()));
    let made = post(&client, "/v1/verifications", json!({"to": number(1)}), 201).await;
    let sms = tokio::time::timeout(PATIENCE, phone.recv()).await.unwrap().unwrap();
    let code: String =
        sms.text.chars().skip_while(|c| !c.is_ascii_digit()).take_while(char::is_ascii_digit).collect();
    let path = format!("/v1/verifications/{}", made["id"].as_str().unwrap());
    assert_eq!(get(&attic.client(), &path).await["status"], "pending", "at once, at whichever host");
    let check = async |at: &Rig| {
        post(&at.client(), &format!("{path}/check"), json!({"code": code}), 200).await["approved"].clone()
    };
    assert_eq!((check(&office).await, check(&attic).await), (true.into(), false.into()));

    let modem = get(&client, "/v1/modems/attic1").await;
    assert_eq!((&modem["host"], &modem["port"].is_string()), (&"attic".into(), &true));
    let paused = post(&client, "/v1/modems/attic1/pause", json!({}), 200).await;
    assert_eq!((&paused["host"], &paused["state"]), (&"attic".into(), &"paused".into()));
    let own = get(&attic.client(), "/v1/modems/attic1").await;
    assert_eq!(own["state"], "paused");

    let hosts = get(&client, "/v1/hosts").await;
    assert_eq!(states(&hosts, "hosts"), states(&get(&attic.client(), "/v1/hosts").await, "hosts"));
    assert_eq!(states(&hosts, "hosts")["attic"], "up");
    let drained = post(&client, "/v1/hosts/attic/drain", json!({}), 200).await;
    assert_eq!(drained["state"], "draining");
    let waits = post(&client, "/v1/messages", json!({"to": number(2), "text": "Hello"}), 202).await;
    let busy = call(&client, Call::delete("/v1/hosts/attic")).await;
    assert_eq!(expect(&busy, 409)["code"], "conflict");
    post(&client, "/v1/hosts/attic/resume", json!({}), 200).await;
    let id = waits["id"].as_str().unwrap();
    assert_eq!(office.over(id).await["status"], "sent");

    no_other_has_its_modems(&attic);
    attic.kill();
    until(&client, "/v1/hosts", "the attic is lost", |list| states(list, "hosts")["attic"] == "lost").await;
    assert_eq!(get(&client, "/v1/modems/attic0").await["state"], "absent");
    assert_eq!(call(&client, Call::get("/readyz")).await.status, 503);
    expect(&call(&client, Call::delete("/v1/hosts/attic")).await, 200);
    assert!(!states(&get(&client, "/v1/hosts").await, "hosts").contains_key("attic"));
}

/// A host is refused whose modems have the names of another's.
fn no_other_has_its_modems(attic: &Rig) {
    let mut twin = Rig::prepare(1, Script::default(), &host(&get_url(attic), "cellar"));
    twin.prefix = "attic";
    std::fs::create_dir(twin.dir.path().join("state")).unwrap();
    let key = |rig: &Rig| rig.dir.path().join("state/secret.key");
    std::fs::copy(key(attic), key(&twin)).unwrap();
    twin.spawn();
    assert_eq!(twin.ended().code(), Some(78));
    assert!(twin.logs().contains("attic0"), "{}", twin.logs());
}

/// The database of a host.
fn get_url(rig: &Rig) -> String {
    let config = std::fs::read_to_string(rig.config()).unwrap();
    config.split_once("url = \"").unwrap().1.split_once('"').unwrap().0.to_owned()
}

/// What reached the phones: each text, by number.
type Phones = Arc<Mutex<HashMap<String, Vec<String>>>>;

/// Somebody who asks any host, and another one when it does not answer.
#[derive(Clone)]
struct Person {
    hosts: Vec<Client>,
    turn: Arc<AtomicU32>,
    phones: Phones,
    arrived: watch::Receiver<usize>,
}

impl Person {
    async fn ask(&self, call: Call, status: u16) -> Value {
        let limit = Instant::now() + PATIENCE * 3;
        loop {
            let turn = self.turn.fetch_add(1, Ordering::SeqCst).wrapping_mul(2_654_435_761) >> 16;
            let host = &self.hosts[turn as usize % self.hosts.len()];
            let pause = match host.call(call.clone()).await {
                Ok(reply) if reply.status == 503 => Duration::from_millis(100),
                Ok(reply) if reply.status == 200 => return expect(&reply, 200),
                Ok(reply) => return expect(&reply, status),
                // A host that is paused answers late, or another one is asked.
                Err(ClientError::Unreachable { .. } | ClientError::Lost(_) | ClientError::TimedOut(_)) => {
                    Duration::from_millis(20)
                }
                Err(e) => panic!("{e}"),
            };
            assert!(Instant::now() < limit, "no host answers");
            tokio::time::sleep(pause).await;
        }
    }

    async fn post(&self, path: &str, body: Value, key: &str, status: u16) -> Value {
        self.ask(Call::post(path).json(body).header("idempotency-key", key), status).await
    }

    /// A text, or each fourth time a code, which is entered wrong once, then right, then again at another host.
    async fn work(&mut self, n: u32) -> String {
        let to = number(n);
        if !n.is_multiple_of(4) {
            let body = json!({"to": to, "text": format!("Text {n}")});
            return self.post("/v1/messages", body, &format!("text {n}"), 202).await["id"].to_string();
        }
        let made = self.post("/v1/verifications", json!({"to": to}), &format!("issue {n}"), 201).await;
        let code = self.code(&to).await;
        let wrong = format!("{:06}", (code.parse::<u32>().unwrap() + 1) % 1_000_000);
        let path = format!("/v1/verifications/{}/check", made["id"].as_str().unwrap());
        for (guess, (typed, approved, left)) in
            [(wrong, false, 4), (code.clone(), true, 3), (code, false, 3)].into_iter().enumerate()
        {
            let told = self.post(&path, json!({"code": typed}), &format!("guess {n} {guess}"), 200).await;
            assert_eq!(
                (&told["approved"], &told["attempts_left"]),
                (&approved.into(), &left.into()),
                "{n} {guess}: {told}"
            );
        }
        made["message"]["id"].to_string()
    }

    async fn code(&mut self, to: &str) -> String {
        let arriving = async {
            loop {
                if let Some(texts) = self.phones.lock().unwrap().get(to) {
                    let digits = texts[0].chars().skip_while(|c| !c.is_ascii_digit());
                    return digits.take_while(char::is_ascii_digit).collect();
                }
                self.arrived.changed().await.unwrap();
            }
        };
        tokio::time::timeout(PATIENCE * 3, arriving).await.unwrap_or_else(|_| panic!("no code came to {to}"))
    }
}

/// What a host had to say.
fn faults(rig: &Rig) -> String {
    let logs = rig.logs();
    let lines = logs.lines().filter(|line| !line.contains(" INFO ")).map(|line| format!("{line}\n"));
    lines.collect()
}

/// What fails next.
#[derive(Debug, Clone, Copy)]
enum Fails {
    Host(usize),
    /// It is stopped for longer than a lease, and goes on.
    Paused(usize),
    DatabaseKilled,
    DatabaseStopped,
}

impl Fails {
    fn happen(self, hosts: &mut [Rig], server: &Server) {
        match self {
            Self::Host(index) => {
                hosts[index].kill();
                hosts[index].launch();
            }
            Self::Paused(index) => {
                hosts[index].signal(Signal::STOP);
                std::thread::sleep(LEASE + Duration::from_secs(3));
                hosts[index].signal(Signal::CONT);
            }
            Self::DatabaseKilled => {
                server.kill();
                server.start();
            }
            Self::DatabaseStopped => {
                server.stop();
                std::thread::sleep(Duration::from_secs(1));
                server.start();
            }
        }
    }
}

/// `SMSOTP_FLEET=1000` works on a thousand codes and three thousand texts.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn hosts_and_their_database_fail_in_turn_and_nothing_is_lost() {
    let Some(server) = Server::new() else { return };
    let codes = std::env::var("SMSOTP_FLEET").ok().and_then(|n| n.parse().ok()).unwrap_or(60_u32);
    let mut hosts = fleet(&server, [("attic", 4), ("cellar", 4), ("loft", 4)]);
    let phones = Phones::default();
    let (tell, arrived) = watch::channel(0);
    for rig in &hosts {
        let (mut phone, phones, tell) = (rig.sim.listen(), Arc::clone(&phones), tell.clone());
        tokio::spawn(async move {
            while let Some(sms) = phone.recv().await {
                phones.lock().unwrap().entry(sms.to).or_default().push(sms.text);
                tell.send_modify(|n| *n += 1);
            }
        });
    }
    let patient = |rig: &Rig| rig.client().with_timeout(Duration::from_secs(5));
    let person = Person {
        hosts: hosts.iter().map(patient).collect(),
        turn: Arc::default(),
        phones: Arc::clone(&phones),
        arrived,
    };
    let next = Arc::new(AtomicU32::new(1));
    let last = codes * 4;
    let began = Instant::now();
    let workers: Vec<_> = (0..CLIENTS)
        .map(|_| {
            let (mut person, next) = (person.clone(), Arc::clone(&next));
            tokio::spawn(async move {
                let mut ids = Vec::new();
                loop {
                    let n = next.fetch_add(1, Ordering::SeqCst);
                    if n > last {
                        return ids;
                    }
                    ids.push(person.work(n).await);
                }
            })
        })
        .collect();
    let plan =
        [Fails::Host(0), Fails::DatabaseKilled, Fails::Paused(1), Fails::DatabaseStopped, Fails::Host(2)];
    let mut failures = 0_usize;
    while next.load(Ordering::SeqCst) < last || failures < plan.len() {
        let fails = plan[failures % plan.len()];
        tokio::time::sleep(Duration::from_millis(700)).await;
        tokio::task::block_in_place(|| fails.happen(&mut hosts, &server));
        failures += 1;
    }
    let mut ids = Vec::new();
    for worker in workers {
        ids.extend(worker.await.unwrap());
    }
    let worked = began.elapsed();
    let logs = || hosts.iter().map(faults).collect::<String>();
    let calm = Instant::now();
    let empty = |status: &Value| {
        let queue = &status["queue"];
        ["otp", "text", "sending"].iter().all(|of| queue[of] == 0)
    };
    for rig in &hosts {
        // It may be starting anew.
        let limit = Instant::now() + PATIENCE;
        while let Err(e) = rig.client().call(Call::get("/healthz")).await {
            assert!(Instant::now() < limit, "{e}\n{}", faults(rig));
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        until(&rig.client(), "/v1/status", "the queue is empty", empty).await;
    }
    let drained = calm.elapsed();
    assert_eq!(ids.len(), last as usize);
    for id in &ids {
        let m = get(&hosts[0].client(), &format!("/v1/messages/{}", id.trim_matches('"'))).await;
        // One that was to go out once more when its code had been entered is withdrawn.
        let entered = m["kind"] == "otp" && m["status"] == "cancelled";
        assert!(m["status"] == "sent" || entered, "{m}\n{}", logs());
    }
    let phones = phones.lock().unwrap();
    assert_eq!(phones.len(), last as usize, "each number got what was for it");
    let twice: usize = phones.values().map(|texts| texts.len() - 1).sum();
    assert!(twice <= failures * 12, "{twice} twins after {failures} failures of 12 modems");
    eprintln!(
        "{last} messages, {codes} codes over 3 hosts in {worked:.1?} with {failures} failures: {twice} twins, \
         the queue empty {drained:.1?} later"
    );
}
