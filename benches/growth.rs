//! A store that grew, as the daemon has it: how long a start takes after `kill -9`, the resident memory, the disk, how
//! long listings by status take, and an issue and a check beside the same over a store of a thousand.
//!
//! `cargo bench --bench growth [-- [DIR] [--records N] [--queued N]]`: DIR is on the disk to be measured (default:
//! `target`), `--records` how many verifications are live, each with its message (default: 1,000,000), `--queued` how many
//! of those messages still wait (default: all); the others are sent. The bench prints figures beside their limits and
//! judges nothing.
//!
//! A daemon issues one code; its records are then written again under other ids and numbers, straight into the store, with
//! the windows that an issue counts in and the events that it writes. So a million takes minutes.

mod measure;

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use measure::{at, octets, status};
use serde_json::{Value, json};
use smsotpd::api::client::{Call, Client, Reply};
use smsotpd::clock::{Life, Now};
use smsotpd::id::Ids;
use smsotpd::otp::{Limits, Verification, Window};
use smsotpd::outbox::{self, End, Kind, Message, Retry};
use smsotpd::phone::PhoneNumber;
use smsotpd::secret::Key;
use smsotpd::store::{EventRecords as _, Options, Records as _, Store, StoreError, Tx};
use smsotpd::trail::{About, Event};

/// How long a code is accepted here: all are live as long as the bench takes.
const TTL: Duration = Duration::from_secs(24 * 3600);
/// Issues and checks that are measured, and listings of a kind.
const ROUNDS: u64 = 2000;
const LISTINGS: usize = 20;
/// Codes whose records are written in one move.
const AT_ONCE: u64 = 200;
const FEW: u64 = 1000;
/// The first argument of the process that writes the records.
const FILL: &str = "fill";
const KEY: [u8; 32] = *b"the key of a store that has grow";

fn main() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if let [FILL, dir, records, queued] = arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        let number = |text: &str| text.parse().expect("a number");
        return runtime.block_on(fill(Path::new(dir), number(records), number(queued)));
    }
    let option = |name: &str| {
        let at = arguments.iter().position(|a| a == name)?;
        Some(arguments.get(at + 1)?.parse().expect("a number"))
    };
    let records = option("--records").unwrap_or(1_000_000);
    let queued = option("--queued").unwrap_or(records);
    let dir = arguments.iter().find(|a| a.contains('/')).map(PathBuf::from);
    let dir = dir.unwrap_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("target"));
    let dir = tempfile::tempdir_in(dir).expect("the folder can be written");
    let few = runtime.block_on(measured(&dir.path().join("few"), FEW, FEW));
    let many = runtime.block_on(measured(&dir.path().join("many"), records, queued));
    for (what, few, many) in [("issue", &few.0, &many.0), ("check", &few.1, &many.1)] {
        let ratio = at(many, 99).as_secs_f64() / at(few, 99).as_secs_f64();
        println!("{what}: 99 % within {ratio:.2} times what a thousand take (limit: 2)");
    }
}

/// What each issue and each check took over a store of so many.
async fn measured(dir: &Path, records: u64, queued: u64) -> (Vec<Duration>, Vec<Duration>) {
    std::fs::create_dir_all(dir.join("state")).expect("a folder");
    let key = dir.join("key");
    std::fs::write(&key, KEY).expect("a file");
    let private = std::os::unix::fs::PermissionsExt::from_mode(0o600);
    std::fs::set_permissions(&key, private).expect("a file");
    std::fs::write(dir.join("smsotpd.toml"), config(dir)).expect("a file");
    let rig = Rig::start(dir).await;
    rig.issue(0).await;
    rig.kill();
    let began = Instant::now();
    // Another process writes: what it leaves in the memory of this one is of no matter.
    let this = std::env::current_exe().expect("its path");
    let wrote = Command::new(this).arg(FILL).arg(dir).args([records, queued].map(|n| n.to_string())).status();
    assert!(wrote.expect("it starts").success());
    println!("{records} codes, {queued} of their messages wait: written in {:.0?}", began.elapsed());
    let rig = Rig::start(dir).await;
    // What a kill leaves behind: commits that only the journal has.
    for n in 0..100 {
        rig.issue(records + n).await;
    }
    rig.kill();
    let began = Instant::now();
    let rig = Rig::start(dir).await;
    println!("  start after kill -9: {:.1?} (limit: 8 s)", began.elapsed());
    println!("  resident after the start: {} MiB (limit: 450)", rig.memory("VmRSS:"));
    println!("  disk: {} MiB (limit: 1600)", octets(&dir.join("state")) / 1024 / 1024);
    for path in [
        "/v1/verifications?status=pending",
        "/v1/verifications?status=approved",
        "/v1/verifications?status=expired&limit=1000",
        "/v1/messages?status=queued",
        "/v1/messages?status=delivered",
        &format!("/v1/messages?status=queued&to=%2B{}", &number(records / 2)[1..]),
        &format!("/v1/messages?to=%2B{}", &number(7)[1..]),
    ] {
        let mut each = Vec::new();
        let mut found = 0;
        for _ in 0..LISTINGS {
            let began = Instant::now();
            let page: Value = rig.call(Call::get(path)).await.parse().expect("JSON");
            each.push(began.elapsed());
            found =
                page.as_object().expect("a page").values().filter_map(Value::as_array).map(Vec::len).sum();
        }
        println!("  GET {path}: {found} in {} (limit: 20 ms)", told(&each));
    }
    let (mut issues, mut checks) = (Vec::new(), Vec::new());
    for round in 0..ROUNDS {
        let began = Instant::now();
        let id = rig.issue(records + 100 + round).await;
        issues.push(began.elapsed());
        let began = Instant::now();
        let body = json!({"code": "0000000"});
        let checked = rig.call(Call::post(format!("/v1/verifications/{id}/check")).json(body)).await;
        checks.push(began.elapsed());
        assert!(checked.status.is_success());
    }
    println!("  issue: {}", told(&issues));
    println!("  check: {}", told(&checks));
    println!("  resident at the end: {} MiB, at the most {} MiB", rig.memory("VmRSS:"), rig.memory("VmHWM:"));
    println!("  disk at the end: {} MiB", octets(&dir.join("state")) / 1024 / 1024);
    rig.kill();
    (issues, checks)
}

/// Nothing is in the way of what is measured, and no modem takes a message.
fn config(dir: &Path) -> String {
    format!(
        "state_dir = \"{0}/state\"\nsecret_key_file = \"{0}/key\"\n[api]\nsocket = \"{0}/s.sock\"\n\
         [service.default]\nttl = \"{1}s\"\nallow_long_ttl = true\n[queue]\nmax_pending = 10000000\n[pumping]\nadjacent = 0\n\
         [limits]\nper_client = [\"10000000/1m\"]\nper_prefix = [\"10000000/10m\"]\ntotal = [\"10000000/1h\"]\n\
         [log]\nlevel = \"warn\"\n",
        dir.display(),
        TTL.as_secs(),
    )
}

/// A daemon as a child process.
struct Rig {
    child: Child,
    client: Client,
}

impl Rig {
    async fn start(dir: &Path) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_smsotpd"))
            .arg("--config")
            .arg(dir.join("smsotpd.toml"))
            .stdout(Stdio::null())
            .spawn()
            .expect("the daemon starts");
        let client = Client::new(dir.join("s.sock"));
        while !client.call(Call::get("/healthz")).await.is_ok_and(|reply| reply.status.is_success()) {
            assert!(child.try_wait().expect("a child").is_none(), "the daemon starts");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        Self { child, client }
    }

    fn kill(mut self) {
        self.child.kill().and_then(|()| self.child.wait()).expect("a child");
    }

    async fn call(&self, call: Call) -> Reply {
        self.client.call(call).await.expect("an answer")
    }

    async fn issue(&self, n: u64) -> String {
        let reply = self.call(Call::post("/v1/verifications").json(json!({"to": number(n)}))).await;
        assert_eq!(reply.status.as_u16(), 201, "{:?}", reply.problem());
        reply.parse::<Value>().expect("JSON")["id"].as_str().expect("an id").to_owned()
    }

    /// A line of the daemon's memory, in MiB.
    fn memory(&self, line: &str) -> u64 {
        status(&self.child.id().to_string(), line) / 1024
    }
}

impl Drop for Rig {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Writes the records of the only code in the store again, so many times.
async fn fill(dir: &Path, records: u64, queued: u64) {
    let store = Store::open(&dir.join("state/store"), &Options::default()).expect("a store");
    let read = store.read(|view| {
        let v = view.verifications(1, None, |_| true)?.pop().expect("one was issued");
        let m = view.message(v.message)?.expect("with a message");
        let events = view.events_after(0, 100)?.into_iter().map(|(_, found)| found.event);
        let about_it = |event: &Event| matches!(event.about, About::Verification(_) | About::Message(_));
        Ok::<_, StoreError>((v, m, events.filter(about_it).collect::<Vec<_>>()))
    });
    let (v, m, events) = read.await.expect("a read").expect("whole records");
    let key = Key::from_bytes(KEY);
    let (ids, text) =
        (Ids::new(key.random().clone()), key.unseal(&m.id.to_bytes(), m.body.as_ref().expect("it waits")));
    let text = text.expect("its text").expose().clone();
    for first in (1..=records).step_by(usize::try_from(AT_ONCE).expect("small")) {
        let (key, ids, text, v, m, events) =
            (key.clone(), ids.clone(), text.clone(), v.clone(), m.clone(), events.clone());
        let write = move |tx: &mut Tx<'_>| {
            for n in first..(first + AT_ONCE).min(records + 1) {
                let ago = Duration::from_micros((records - n) * 500);
                let now = Now::new(v.created_at.minus(ago), v.id.made_at().minus(ago));
                let to: PhoneNumber = number(n - 1).parse().expect("a number");
                let (id, message) = (ids.next(now.steady()), ids.next(now.steady()));
                let life = Life::of(TTL, now);
                let v =
                    Verification { id, to: to.clone(), message, created_at: now.wall(), life, ..v.clone() };
                let body = Some(key.seal(&message.to_bytes(), &text));
                let kind = Kind::Otp(id);
                let mut m = Message { id: message, to, kind, body, created_at: now.wall(), ..m.clone() };
                (m.due_at, m.deadline) = (now.steady(), Some(life));
                if n <= records - queued {
                    m = sent(m, now);
                }
                write_one(tx, &key, &v, &m, &events, now)?;
            }
            Ok::<_, StoreError>(())
        };
        store.transact(write).await.expect("a disk").expect("they are written");
    }
    store.close().await;
}

fn sent(m: Message, now: Now) -> Message {
    let modem = "stick1".to_owned();
    let claimed = outbox::Event::Claimed { modem: modem.clone() };
    let ended = outbox::Event::Ended { modem, end: End::Accepted { references: vec![7] } };
    let step = |m, event| outbox::step(m, event, now, &Retry::default()).expect("it fits");
    step(step(m, claimed), ended)
}

/// What the issue of a code writes.
fn write_one(
    tx: &mut Tx<'_>,
    key: &Key,
    v: &Verification,
    m: &Message,
    events: &[Event],
    now: Now,
) -> Result<(), StoreError> {
    tx.put_message(m)?;
    tx.put_verification(v)?;
    // The others are few.
    let limits = Limits { per_client: Vec::new(), total: Vec::new(), ..Limits::default() };
    for place in limits.codes(&v.to, None, &[]) {
        let mut window = Window::default();
        window.add(place.rate, now.steady());
        tx.put_window(&place.subject, place.rate.per, &window, now.steady().plus(place.rate.per))?;
    }
    let mut events = events.to_vec();
    for event in &mut events {
        (event.at, event.since) = (now.wall(), now.steady());
        match &mut event.about {
            About::Verification(of) => (of.id, of.message, of.to) = (v.id, m.id, v.to.as_str().to_owned()),
            About::Message(of) => (of.id, of.to) = (m.id, v.to.as_str().to_owned()),
            _ => {}
        }
    }
    tx.put_events(key, &events)?;
    Ok(())
}

/// Swiss mobile numbers, all over their range.
fn number(n: u64) -> String {
    format!("+417{:08}", 50_000_000 + n * 611_953 % 49_999_999)
}

fn told(took: &[Duration]) -> String {
    format!("median {:.2?}, 99 % within {:.2?}", at(took, 50), at(took, 99))
}
