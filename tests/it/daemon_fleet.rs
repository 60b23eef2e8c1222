//! Several daemons on one PostgreSQL database: each answers for all, and whatever fails in turn, nothing is lost and no code
//! counts twice.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use gsm_sim::Script;
use rustix::process::Signal;
use serde_json::{Value, json};
use smsotpd::api::client::{Call, Client, ClientError, Reply};
use smsotpd::fleet::LEASE;
use tokio::sync::watch;

use crate::daemon_support::{NO_LIMITS, PATIENCE, Rig, call, expect, get, number, post};
use crate::postgres_line::Line;
use crate::postgres_server::Server;

/// Those who work at the same time.
const CLIENTS: u32 = 6;

/// How many messages the other hosts send while one is cut off, before it is said that this one sends none.
const GO_ON: usize = 30;

/// How many codes of one caller are sent.
const OF_ONE_CALLER: u32 = 3;

/// What stands in the configuration of a host.
fn host(url: &str, name: &str) -> String {
    let admin = format!(
        "[[client]]\nname = \"all\"\nuid = {}\nmay = [\"issue\", \"check\", \"send\", \"read\", \"admin\"]\n",
        rustix::process::getuid()
    );
    let queue = "[queue]\nmax_wait = \"1h\"\nretry = { first = \"1s\", attempts = 20 }\n";
    format!(
        "[store]\nengine = \"postgres\"\nurl = \"{url}\"\nhost = \"{name}\"\n{queue}{NO_LIMITS}\
         [limits.keys]\ncaller = [\"{OF_ONE_CALLER}/1d\"]\n{admin}[service.default]\nttl = \"10m\"\n"
    )
}

/// Hosts with so many modems each, by the URL of their database, all with the key of the first.
fn fleet<const N: usize>(hosts: [(&'static str, usize, &str); N]) -> [Rig; N] {
    let mut first: Option<std::path::PathBuf> = None;
    hosts.map(|(name, modems, url)| {
        let mut rig = Rig::prepare(modems, Script::default(), &host(url, name));
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
    let url = server.database();
    let [mut attic, office] = fleet([("attic", 2, &url), ("office", 0, &url)]);
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

/// What reached the phones.
#[derive(Default)]
struct Phones {
    /// Each text, by number.
    texts: Mutex<HashMap<String, Vec<String>>>,
    /// How many came by each host.
    by_host: [AtomicUsize; 3],
}

impl Phones {
    /// How many came by this host, and by the others.
    fn by(&self, host: usize) -> (usize, usize) {
        let all = self.by_host.each_ref().map(|n| n.load(Ordering::SeqCst));
        (all[host], all.iter().sum::<usize>() - all[host])
    }
}

/// Somebody who asks any host, and another one when it does not answer.
#[derive(Clone)]
struct Person {
    hosts: Vec<Client>,
    turn: Arc<AtomicU32>,
    phones: Arc<Phones>,
    arrived: watch::Receiver<usize>,
}

impl Person {
    async fn ask(&self, call: &Call) -> Reply {
        let limit = Instant::now() + PATIENCE * 3;
        loop {
            let turn = self.turn.fetch_add(1, Ordering::SeqCst).wrapping_mul(2_654_435_761) >> 16;
            let host = &self.hosts[turn as usize % self.hosts.len()];
            let pause = match host.call(call.clone()).await {
                Ok(reply) if reply.status == 503 => Duration::from_millis(100),
                Ok(reply) => return reply,
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
        let reply = self.ask(&Call::post(path).json(body).header("idempotency-key", key)).await;
        let status = if reply.status == 200 { 200 } else { status };
        expect(&reply, status)
    }

    /// A text, or each fourth time a code, and each fortieth time the codes of one caller too. Answers the messages' ids.
    async fn work(&mut self, n: u32) -> Vec<String> {
        if !n.is_multiple_of(4) {
            let body = json!({"to": number(n), "text": format!("Text {n}")});
            let made = self.post("/v1/messages", body, &format!("text {n}"), 202).await;
            return vec![made["id"].as_str().unwrap().to_owned()];
        }
        let mut ids = if n.is_multiple_of(40) { self.too_many(n).await } else { Vec::new() };
        ids.push(self.code(n).await);
        ids
    }

    /// A code, which is entered wrong once, then right, then again at another host.
    async fn code(&mut self, n: u32) -> String {
        let to = number(n);
        let made = self.post("/v1/verifications", json!({"to": to}), &format!("issue {n}"), 201).await;
        let code = self.arrival(&to).await;
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
        made["message"]["id"].as_str().unwrap().to_owned()
    }

    /// Twice as many codes of one caller as are allowed, all at once at any host.
    async fn too_many(&self, n: u32) -> Vec<String> {
        let asks = (0..2 * OF_ONE_CALLER).map(|i| {
            let body = json!({"to": number(1_000_000 + n * 10 + i), "keys": {"caller": format!("{n}")}});
            let call = Call::post("/v1/verifications").json(body);
            let call = call.header("idempotency-key", format!("caller {n} {i}"));
            let person = self.clone();
            tokio::spawn(async move { person.ask(&call).await })
        });
        let mut ids = Vec::new();
        for ask in asks.collect::<Vec<_>>() {
            let reply = ask.await.unwrap();
            if reply.status == 429 {
                assert_eq!(expect(&reply, 429)["code"], "rate_limited");
            } else {
                ids.push(expect(&reply, 201)["message"]["id"].as_str().unwrap().to_owned());
            }
        }
        assert_eq!(ids.len(), OF_ONE_CALLER as usize, "codes of caller {n}");
        ids
    }

    async fn arrival(&mut self, to: &str) -> String {
        let arriving = async {
            loop {
                if let Some(texts) = self.phones.texts.lock().unwrap().get(to) {
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
    /// Nothing passes between it and the database for longer than a lease; what was under way arrives afterwards.
    CutOff(usize),
    /// The same for all hosts.
    AllCutOff,
    /// All connections end, and new ones are refused for a second.
    AllSevered,
    DatabaseKilled,
    DatabaseStopped,
}

/// Three hosts with four modems each, and their database.
struct Fleet {
    server: Server,
    lines: [Arc<Line>; 3],
    hosts: [Rig; 3],
    phones: Arc<Phones>,
}

impl Fleet {
    fn new(server: Server) -> (Self, Person) {
        let url = server.database();
        let (attic, cellar, loft) = (Line::new(&url), Line::new(&url), Line::new(&url));
        let hosts = fleet([("attic", 4, &attic.1), ("cellar", 4, &cellar.1), ("loft", 4, &loft.1)]);
        let phones = Arc::<Phones>::default();
        let (tell, arrived) = watch::channel(0);
        for (index, rig) in hosts.iter().enumerate() {
            let (mut phone, phones, tell) = (rig.sim.listen(), Arc::clone(&phones), tell.clone());
            tokio::spawn(async move {
                while let Some(sms) = phone.recv().await {
                    phones.texts.lock().unwrap().entry(sms.to).or_default().push(sms.text);
                    phones.by_host[index].fetch_add(1, Ordering::SeqCst);
                    tell.send_modify(|n| *n += 1);
                }
            });
        }
        let patient = |rig: &Rig| rig.client().with_timeout(Duration::from_secs(5));
        let clients = hosts.iter().map(patient).collect();
        let person = Person { hosts: clients, turn: Arc::default(), phones: Arc::clone(&phones), arrived };
        (Self { server, lines: [attic.0, cellar.0, loft.0], hosts, phones }, person)
    }

    fn suffer(&mut self, fails: Fails) {
        let longer_than_a_lease = || std::thread::sleep(LEASE + Duration::from_secs(3));
        match fails {
            Fails::Host(index) => {
                self.hosts[index].kill();
                self.hosts[index].launch();
            }
            Fails::Paused(index) => {
                self.hosts[index].signal(Signal::STOP);
                longer_than_a_lease();
                self.hosts[index].signal(Signal::CONT);
            }
            Fails::CutOff(index) => {
                self.lines[index].stall(true);
                longer_than_a_lease();
                let (sent, by_others) = self.phones.by(index);
                let limit = Instant::now() + PATIENCE;
                while self.phones.by(index).1 < by_others + GO_ON {
                    assert!(Instant::now() < limit, "the other hosts do not go on");
                    std::thread::sleep(Duration::from_millis(10));
                }
                assert_eq!(self.phones.by(index).0, sent, "host {index} sends without its lease");
                self.lines[index].stall(false);
            }
            Fails::AllCutOff => {
                self.lines.iter().for_each(|line| line.stall(true));
                longer_than_a_lease();
                self.lines.iter().for_each(|line| line.stall(false));
            }
            Fails::AllSevered => {
                self.lines.iter().for_each(|line| line.refuse(true));
                self.lines.iter().for_each(|line| line.sever());
                std::thread::sleep(Duration::from_secs(1));
                self.lines.iter().for_each(|line| line.refuse(false));
            }
            Fails::DatabaseKilled => {
                self.server.kill();
                self.server.start();
            }
            Fails::DatabaseStopped => {
                self.server.stop();
                std::thread::sleep(Duration::from_secs(1));
                self.server.start();
            }
        }
    }

    /// Waits until each host tells that nothing waits any more.
    async fn until_calm(&self) {
        let empty = |status: &Value| {
            let queue = &status["queue"];
            ["otp", "text", "sending"].iter().all(|of| queue[of] == 0)
        };
        for rig in &self.hosts {
            // It may be starting anew.
            let limit = Instant::now() + PATIENCE;
            while let Err(e) = rig.client().call(Call::get("/healthz")).await {
                assert!(Instant::now() < limit, "{e}\n{}", faults(rig));
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
            until(&rig.client(), "/v1/status", "the queue is empty", empty).await;
        }
    }
}

/// `SMSOTP_FLEET=1000` works on a thousand codes and three thousand texts.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn hosts_and_their_database_fail_in_turn_and_nothing_is_lost() {
    let Some(server) = Server::new() else { return };
    let codes = std::env::var("SMSOTP_FLEET").ok().and_then(|n| n.parse().ok()).unwrap_or(60_u32);
    let (mut fleet, person) = Fleet::new(server);
    let (next, all_failed) = (Arc::new(AtomicU32::new(1)), Arc::new(AtomicBool::new(false)));
    let least = codes * 4;
    let began = Instant::now();
    let workers: Vec<_> = (0..CLIENTS)
        .map(|_| {
            let (mut person, next, all_failed) = (person.clone(), Arc::clone(&next), Arc::clone(&all_failed));
            tokio::spawn(async move {
                let mut ids = Vec::new();
                loop {
                    let n = next.fetch_add(1, Ordering::SeqCst);
                    if n > least && all_failed.load(Ordering::SeqCst) {
                        return ids;
                    }
                    ids.extend(person.work(n).await);
                }
            })
        })
        .collect();
    let plan = [
        Fails::Host(0),
        Fails::DatabaseKilled,
        Fails::CutOff(0),
        Fails::Paused(1),
        Fails::DatabaseStopped,
        Fails::AllSevered,
        Fails::Host(2),
        Fails::AllCutOff,
    ];
    let mut failures = 0_usize;
    while next.load(Ordering::SeqCst) < least || failures < plan.len() {
        let fails = plan[failures % plan.len()];
        tokio::time::sleep(Duration::from_millis(700)).await;
        tokio::task::block_in_place(|| fleet.suffer(fails));
        failures += 1;
    }
    all_failed.store(true, Ordering::SeqCst);
    let mut ids = Vec::new();
    for worker in workers {
        ids.extend(worker.await.unwrap());
    }
    let (worked, calm) = (began.elapsed(), Instant::now());
    fleet.until_calm().await;
    let drained = calm.elapsed();
    let hosts = &fleet.hosts;
    let logs = || hosts.iter().map(faults).collect::<String>();
    for id in &ids {
        let m = get(&hosts[0].client(), &format!("/v1/messages/{id}")).await;
        // One that was to go out once more when its code had been entered is withdrawn.
        let entered = m["kind"] == "otp" && m["status"] == "cancelled";
        assert!(m["status"] == "sent" || entered, "{m}\n{}", logs());
    }
    let texts = fleet.phones.texts.lock().unwrap();
    assert_eq!(texts.len(), ids.len(), "each number got what was for it");
    let twice: usize = texts.values().map(|texts| texts.len() - 1).sum();
    assert!(twice <= failures * 12, "{twice} twins after {failures} failures of 12 modems");
    eprintln!(
        "{} messages over 3 hosts in {worked:.1?} with {failures} failures: {twice} twins, \
         the queue empty {drained:.1?} later",
        ids.len()
    );
}
