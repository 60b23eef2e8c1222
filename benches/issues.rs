//! What an issue costs: processor time of the daemon for each, and how many a second, over its real socket by 1 and by 64
//! connections; the same store work with and without its events; and Redis with the same promise (`appendfsync always`) and
//! one script of comparable work, where `redis-server` is installed.
//!
//! `cargo bench --bench issues [DIR]`: DIR is on the disk to be measured (default: `target`). This is not a test: it prints
//! and judges nothing.

mod measure;

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use measure::resident;
use serde_json::json;
use smsotpd::api::client::{Call, Client};
use smsotpd::clock::{Now, Timestamp};
use smsotpd::id::{Ids, MessageId, VerificationId};
use smsotpd::otp::{Bucket, Code, Policy, Verification, VerificationStatus, Window};
use smsotpd::outbox::{Encoding, Kind, Message, MessageStatus};
use smsotpd::random::Random;
use smsotpd::secret::Key;
use smsotpd::store::{Options, Store, StoreError, Tx};
use smsotpd::trail::{self, About, Event};

const CONNECTIONS: [u32; 2] = [1, 64];
const ROUNDS: u32 = 3;

fn main() {
    let dir = std::env::args().skip(1).find(|a| !a.starts_with('-')).map(PathBuf::from);
    let dir = dir.unwrap_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("target"));
    let dir = tempfile::tempdir_in(dir).expect("the folder can be written");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(daemon(dir.path()));
    runtime.block_on(trail(dir.path()));
    redis(dir.path());
}

/// How many are made by so many at once: enough to see, few enough to wait for.
const fn count(connections: u32) -> u32 {
    if connections == 1 { 1500 } else { 12_000 }
}

fn report(what: &str, connections: u32, count: u32, took: Duration, used: f64) {
    println!(
        "{what:<20} {connections:>2} at once: {:>6.0} a second, {:>4.0} us of processor time each",
        f64::from(count) / took.as_secs_f64(),
        1e6 * used / f64::from(count)
    );
}

/// Processor seconds of a process so far.
fn used(process: &str) -> f64 {
    let stat = std::fs::read_to_string(format!("/proc/{process}/stat")).unwrap_or_default();
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
    let ticks = |i: usize| fields.get(i).and_then(|f| f.parse::<f64>().ok()).unwrap_or_default();
    (ticks(11) + ticks(12)) / 100.0
}

/// A process that ends with the bench.
struct Ends(Child);

impl Ends {
    fn id(&self) -> String {
        self.0.id().to_string()
    }
}

impl Drop for Ends {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

async fn daemon(base: &Path) {
    let (socket, config) = (base.join("s.sock"), base.join("smsotpd.toml"));
    let text = format!(
        "state_dir = \"{}\"\n[api]\nsocket = \"{}\"\n[queue]\nmax_pending = 1000000\n[pumping]\nadjacent = 0\n[limits]\n\
         per_client = [\"1000000/1m\"]\nper_prefix = [\"1000000/1d\"]\ntotal = [\"1000000/1d\"]\n\
         [log]\nlevel = \"error\"\n",
        base.join("state").display(),
        socket.display()
    );
    std::fs::write(&config, text).expect("a file");
    let mut command = Command::new(env!("CARGO_BIN_EXE_smsotpd"));
    let daemon = Ends(command.arg("--config").arg(config).stdout(Stdio::null()).spawn().expect("it starts"));
    let client = || Client::new(socket.clone());
    while client().call(Call::get("/healthz")).await.is_err() {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    println!("resident at the start: {} KiB", resident(&daemon.id()));
    let mut first = 0;
    for round in 0..ROUNDS * 2 {
        let connections = CONNECTIONS[round as usize % 2];
        let count = count(connections);
        let (start, before) = (Instant::now(), used(&daemon.id()));
        let mut posts = tokio::task::JoinSet::new();
        for one in 0..connections {
            let client = client();
            posts.spawn(async move {
                for n in (one..count).step_by(connections as usize) {
                    let body = json!({"to": format!("+4179{:07}", first + n)});
                    let reply =
                        client.call(Call::post("/v1/verifications").json(body)).await.expect("an answer");
                    assert_eq!(reply.status.as_u16(), 201);
                }
            });
        }
        posts.join_all().await;
        first += count;
        report("issue", connections, count, start.elapsed(), used(&daemon.id()) - before);
    }
    println!("resident after {first}: {} KiB", resident(&daemon.id()));
}

/// What an issue writes.
struct Issued {
    verification: Verification,
    message: Message,
    events: [Event; 2],
}

fn issued(key: &Key, ids: &Ids, n: u32) -> Issued {
    let at = Timestamp::from_millis(1_780_000_000_000 + u64::from(n));
    let now = Now::agreed(at);
    let (id, message): (VerificationId, MessageId) = (ids.next(now.steady()), ids.next(now.steady()));
    let to: smsotpd::phone::PhoneNumber = format!("+4178{n:07}").parse().expect("a number");
    let (service, policy) = ("login".to_owned(), Policy::default());
    let hash = Code::restored("123456".to_owned()).hash(key, id, &service, &to);
    let sealed = key.seal(&id.to_bytes(), b"123456");
    let verification =
        Verification::new(id, service.clone(), to.clone(), None, &policy, now, hash, sealed, message);
    let m = Message {
        service: Some(service.clone()),
        report: true,
        deadline: Some(verification.life),
        body: Some(key.seal(&message.to_bytes(), b"Your code is 123456. It is good for 5 minutes.")),
        ..Message::queued(message, to.clone(), Kind::Otp(id), now)
    };
    let event = |about| Event { at, since: now.steady(), by: None, about };
    let events = [
        event(About::Message(trail::Message {
            id: message,
            owner: None,
            otp: true,
            service: Some(service.clone()),
            to: to.masked(),
            status: MessageStatus::Queued,
            parts: 1,
            encoding: Encoding::Gsm7,
            modem: None,
            attempts: 0,
            created_at: at,
            sent_at: None,
            delivered_at: None,
            error: None,
        })),
        event(About::Verification(trail::Verification {
            what: "pending".to_owned(),
            id,
            owner: None,
            service,
            to: to.masked(),
            status: VerificationStatus::Pending,
            attempts_left: 5,
            created_at: at,
            expires_at: at.plus(policy.ttl),
            resend_at: at.plus(policy.cooldown),
            message,
            message_status: MessageStatus::Queued,
        })),
    ];
    Issued { verification, message: m, events }
}

/// The store work of an issue.
fn write(tx: &mut Tx<'_>, key: &Key, it: &Issued, trail: bool) -> Result<(), StoreError> {
    let v = &it.verification;
    let until = v.resend_at.plus(Duration::from_secs(3600));
    let window = Window { buckets: [Bucket { first: v.resend_at, last: v.resend_at, count: 1 }].into() };
    for name in [v.to.as_str(), "client", v.to.prefix(), "total"] {
        tx.put_window(name, Duration::from_secs(3600), &window, until)?;
    }
    tx.put_message(&it.message)?;
    tx.put_verification(v)?;
    if trail {
        tx.put_events(key, &it.events)?;
    }
    Ok(())
}

/// The same store work with and without its events, in turns.
async fn trail(base: &Path) {
    let key = Key::from_bytes([7; 32]);
    let ids = Ids::new(Random::system());
    let stores = [("store, no events", false), ("store, with events", true)].map(|(what, trail)| {
        let store = Store::open(&base.join(what), &Options::default()).expect("a store");
        (what, trail, store)
    });
    let mut first = 0;
    for connections in CONNECTIONS {
        for _ in 0..ROUNDS {
            for (what, trail, store) in &stores {
                store.unlock(&key).await.expect("a disk");
                let count = count(connections) * 2;
                let made: Vec<_> = (first..first + count).map(|n| issued(&key, &ids, n)).collect();
                first += count;
                let mut shares: Vec<Vec<Issued>> = (0..connections).map(|_| Vec::new()).collect();
                for (n, one) in made.into_iter().enumerate() {
                    shares[n % connections as usize].push(one);
                }
                let (start, before) = (Instant::now(), used("self"));
                let mut moves = tokio::task::JoinSet::new();
                for share in shares {
                    let (store, key, trail) = (store.clone(), key.clone(), *trail);
                    moves.spawn(async move {
                        for one in share {
                            let key = key.clone();
                            let done = store.transact(move |tx| write(tx, &key, &one, trail)).await;
                            done.flatten().expect("a disk");
                        }
                    });
                }
                moves.join_all().await;
                report(what, connections, count, start.elapsed(), used("self") - before);
            }
        }
    }
    for (_, _, store) in &stores {
        store.close().await;
    }
}

/// Four windows that are counted and expire, a verification, a message, the newest of a number, when it ends, what waits, and
/// two entries of a stream.
const SCRIPT: &str = "for i = 1, 4 do redis.call('INCR', KEYS[i]); redis.call('PEXPIRE', KEYS[i], 3600000) end \
    redis.call('SET', KEYS[5], ARGV[1], 'PX', 86400000) redis.call('SET', KEYS[6], ARGV[2]) \
    redis.call('SET', KEYS[7], KEYS[5]) redis.call('ZADD', 'ends', ARGV[3], KEYS[5]) \
    redis.call('RPUSH', 'waits', KEYS[6]) redis.call('XADD', 'trail', '*', 'v', ARGV[4]) \
    redis.call('XADD', 'trail', '*', 'm', ARGV[4]) return 1";

/// A request of the Redis protocol, and the first line of its answer.
fn ask(stream: &mut BufReader<UnixStream>, words: &[&str]) -> std::io::Result<String> {
    let mut request = format!("*{}\r\n", words.len()).into_bytes();
    for word in words {
        write!(request, "${}\r\n{word}\r\n", word.len())?;
    }
    stream.get_mut().write_all(&request)?;
    let mut line = String::new();
    stream.read_line(&mut line)?;
    if let Some(length) = line.strip_prefix('$').and_then(|n| n.trim().parse::<usize>().ok()) {
        stream.read_exact(&mut vec![0; length + 2])?;
    }
    Ok(line)
}

fn redis(base: &Path) {
    let socket = base.join("redis.sock");
    let mut command = Command::new("redis-server");
    command.args(["--port", "0", "--save", "", "--appendonly", "yes", "--appendfsync", "always"]);
    command.arg("--unixsocket").arg(&socket).arg("--dir").arg(base).stdout(Stdio::null());
    let Ok(server) = command.spawn().map(Ends) else {
        println!("redis-server is not installed: nothing to compare with");
        return;
    };
    let connect = || loop {
        if let Ok(stream) = UnixStream::connect(&socket) {
            return BufReader::new(stream);
        }
        std::thread::sleep(Duration::from_millis(20));
    };
    let loaded = || {
        let mut stream = connect();
        ask(&mut stream, &["PING"]).is_ok_and(|answer| answer.starts_with("+PONG"))
    };
    while !loaded() {
        std::thread::sleep(Duration::from_millis(20));
    }
    for round in 0..ROUNDS * 2 {
        let connections = CONNECTIONS[round as usize % 2];
        let count = count(connections);
        let (start, before) = (Instant::now(), used(&server.id()));
        std::thread::scope(|scope| {
            for one in 0..connections {
                let mut stream = connect();
                scope.spawn(move || {
                    let (v, m, e) = ("v".repeat(180), "m".repeat(220), "e".repeat(110));
                    for n in (one..count).step_by(connections as usize) {
                        let (id, number) = (format!("{round}:{n}"), format!("+4178{n:07}"));
                        let (own, prefix) = (format!("own:{number}"), format!("prefix:{}", &number[..8]));
                        let (vid, mid) = (format!("ver:{id}"), format!("msg:{id}"));
                        let newest = format!("newest:{number}");
                        let keys =
                            [&own, "client", &prefix, "total", &vid, &mid, &newest].map(|key: &str| key);
                        let words =
                            [&["EVAL", SCRIPT, "7"][..], &keys, &[&v, &m, "1780000000000", &e]].concat();
                        let answer = ask(&mut stream, &words).expect("an answer");
                        assert_eq!(answer.trim(), ":1");
                    }
                });
            }
        });
        report("redis, one script", connections, count, start.elapsed(), used(&server.id()) - before);
    }
}
