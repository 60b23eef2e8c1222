//! The daemon on simulated modems, beside the bare limit of the same work.
//!
//! `cargo bench --bench delivery [-- [DIR] [NAME…]]`: DIR is on the disk to be measured (default: `target`),
//! and a NAME chooses among the figures. The bench prints the figures and judges nothing:
//!
//! - latency: from the first octet of `POST /v1/verifications` on an idle daemon to the first of `AT+CMGS`
//! - issue: codes that 32 clients at once are issued in a second, on disk, with their events
//! - rate: a modem that answers at once, beside a bare loop that has the same dialogue and makes one append
//!   of 300 octets durable for each message
//! - overhead: what a message costs beyond 100 ms of air time
//! - pool: 64 modems of 100 ms air time, 10 000 messages
//! - dead: 15 modems of 100 ms air time, alone and beside one that becomes silent for ever in the middle of the work
//! - idle: processor time, context switches and resident memory of a daemon with two modems and nothing to do

use std::fmt::Write as _;
use std::fs::File;
use std::io::{Read as _, Write as _};
use std::os::fd::AsFd as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use gsm_sim::{Cure, Options, Sim};
use rustix::termios::{OptionalActions, tcgetattr, tcsetattr};
use serde_json::json;
use smsotpd::api::client::{Call, Client};

fn main() {
    let (dirs, names): (Vec<String>, Vec<String>) =
        std::env::args().skip(1).filter(|a| !a.starts_with('-')).partition(|a| a.contains('/'));
    let dir =
        dirs.first().map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("target"), PathBuf::from);
    let dir = tempfile::tempdir_in(dir).expect("the folder can be written");
    let wanted = |name: &str| names.is_empty() || names.iter().any(|n| n == name);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async {
        if wanted("latency") {
            latency(dir.path()).await;
        }
        if wanted("issue") {
            issue(dir.path()).await;
        }
        if wanted("rate") {
            rate(dir.path()).await;
        }
        if wanted("overhead") {
            overhead(dir.path()).await;
        }
        if wanted("pool") {
            pool(dir.path()).await;
        }
        if wanted("dead") {
            dead(dir.path()).await;
        }
        if wanted("idle") {
            idle(dir.path()).await;
        }
    });
}

/// A daemon as a child process with its simulated modems.
struct Rig {
    sim: Sim,
    dir: PathBuf,
    child: Child,
}

impl Rig {
    fn start(base: &Path, name: &str, modems: usize) -> Self {
        let dir = base.join(name);
        let sim =
            Sim::start(Options { dir: Some(dir.join("dev")), modems, ..Options::default() }).expect("ptys");
        let mut config = format!(
            "state_dir = \"{}\"\n[api]\nsocket = \"{}\"\n[pumping]\nadjacent = 0\n[limits]\nper_number = [\"1000000/1d\"]\n\
             per_client = [\"1000000/1m\"]\nper_prefix = [\"1000000/1d\"]\ntotal = [\"1000000/1d\"]\n\
             [log]\nlevel = \"error\"\n",
            dir.join("state").display(),
            dir.join("s.sock").display()
        );
        for i in 0..modems {
            let _ = writeln!(config, "[[modem]]\nname = \"m{i}\"\nport = \"{}\"", sim.port(i).display());
        }
        let path = dir.join("smsotpd.toml");
        std::fs::write(&path, config).expect("a file");
        let child = Command::new(env!("CARGO_BIN_EXE_smsotpd"))
            .arg("--config")
            .arg(path)
            .stdout(Stdio::null())
            .spawn()
            .expect("the daemon starts");
        Self { sim, dir, child }
    }

    fn client(&self) -> Client {
        Client::new(self.dir.join("s.sock"))
    }

    async fn ready(&self) {
        loop {
            if let Ok(reply) = self.client().call(Call::get("/v1/modems")).await {
                let modems: serde_json::Value = reply.parse().expect("JSON");
                let modems = modems["modems"].as_array().cloned().unwrap_or_default();
                if !modems.is_empty() && modems.iter().all(|m| m["state"] == "ready") {
                    return;
                }
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// Queues messages while no modem is plugged in.
    async fn queue(&self, count: u32) {
        let mut posts = tokio::task::JoinSet::new();
        for writer in 0..32 {
            let client = self.client();
            posts.spawn(async move {
                for n in (writer..count).step_by(32) {
                    let body = json!({"to": format!("+4179{n:07}"), "text": "Your code is 123456."});
                    let reply = client.call(Call::post("/v1/messages").json(body)).await.expect("an answer");
                    assert_eq!(reply.status.as_u16(), 202);
                }
            });
        }
        posts.join_all().await;
    }

    fn unplug(&self) {
        (0..self.sim.modems()).for_each(|i| self.sim.unplug(i));
    }

    fn plug(&self) {
        (0..self.sim.modems()).for_each(|i| self.sim.plug(i).expect("a pty"));
    }

    /// Sends `count` messages from a full queue. Returns the time from the first arrival to the last, scaled
    /// to one message less.
    async fn drain(&self, count: u32) -> Duration {
        self.unplug();
        self.queue(count).await;
        self.plug();
        assert!(self.sim.wait_for(count as usize, Duration::from_secs(600)), "all arrive");
        let inbox = self.sim.take_inbox();
        inbox.last().expect("some").at - inbox.first().expect("some").at
    }

    /// Processor seconds so far, voluntary context switches, resident KiB.
    fn usage(&self) -> (f64, u64, u64) {
        let proc = PathBuf::from(format!("/proc/{}", self.child.id()));
        let stat = std::fs::read_to_string(proc.join("stat")).unwrap_or_default();
        let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
        let ticks = |i: usize| fields.get(i).and_then(|f| f.parse::<f64>().ok()).unwrap_or_default();
        let mut switches = 0;
        for task in std::fs::read_dir(proc.join("task")).into_iter().flatten().flatten() {
            switches += field(&task.path().join("status"), "voluntary_ctxt_switches:");
        }
        ((ticks(11) + ticks(12)) / 100.0, switches, field(&proc.join("status"), "VmRSS:"))
    }
}

impl Drop for Rig {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn field(path: &Path, name: &str) -> u64 {
    let text = std::fs::read_to_string(path).unwrap_or_default();
    let line = text.lines().find_map(|line| line.strip_prefix(name)).unwrap_or_default();
    line.split_whitespace().next().and_then(|n| n.parse().ok()).unwrap_or_default()
}

async fn latency(base: &Path) {
    let rig = Rig::start(base, "latency", 1);
    rig.ready().await;
    let client = rig.client();
    let mut each = Vec::new();
    for n in 0..200_usize {
        let before = rig.sim.commands(0).len();
        let start = Instant::now();
        let body = json!({"to": format!("+4179{n:07}")});
        let reply = client.call(Call::post("/v1/verifications").json(body)).await.expect("an answer");
        assert_eq!(reply.status.as_u16(), 201);
        assert!(rig.sim.wait_for(n + 1, Duration::from_secs(10)));
        let commands = rig.sim.commands(0);
        let sent = commands[before..].iter().find(|c| c.line.starts_with("AT+CMGS")).expect("a send");
        each.push(sent.at - start);
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    each.sort();
    println!(
        "latency   POST to first octet of AT+CMGS: median {:?}, 95 % within {:?} (limit: 15 ms)",
        each[each.len() / 2],
        each[each.len() * 95 / 100]
    );
}

/// The dialogue for the same messages with a modem of the same kind, and one durable append for each message.
fn bare(base: &Path, count: u32, air: Duration) -> Duration {
    let sim = Sim::start(Options::default()).expect("a pty");
    sim.set_air_time(0, air);
    let mut port = File::options().read(true).write(true).open(sim.port(0)).expect("the port");
    let mut line = tcgetattr(port.as_fd()).expect("a terminal");
    line.make_raw();
    tcsetattr(port.as_fd(), OptionalActions::Now, &line).expect("a terminal");
    let mut log = File::create(base.join("bare")).expect("a file");
    let until = |port: &mut File, octets: &[u8], end: &[u8]| {
        port.write_all(octets).expect("the port");
        let (mut seen, mut chunk) = (Vec::new(), [0; 512]);
        while !seen.ends_with(end) {
            let n = port.read(&mut chunk).expect("the port");
            seen.extend_from_slice(&chunk[..n]);
        }
    };
    until(&mut port, b"ATE0\r", b"OK\r\n");
    until(&mut port, b"AT+CMGF=0\r", b"OK\r\n");
    let submission = gsm_sms::Submission::new("+41791234567", "Your code is 123456.");
    let sms = gsm_sms::compose(&submission).expect("a text").parts.remove(0);
    let mut body = String::new();
    sms.pdu.iter().for_each(|octet| write!(body, "{octet:02X}").expect("a string"));
    body.push('\x1a');
    let send = format!("AT+CMGS={}\r", sms.length);
    let start = Instant::now();
    for _ in 0..count {
        until(&mut port, send.as_bytes(), b"> ");
        until(&mut port, body.as_bytes(), b"OK\r\n");
        log.write_all(&[7; 300]).and_then(|()| log.sync_data()).expect("the disk");
    }
    start.elapsed()
}

async fn issue(base: &Path) {
    const COUNT: u32 = 6000;
    let rig = Rig::start(base, "issue", 0);
    while rig.client().call(Call::get("/healthz")).await.is_err() {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    for round in 1..=4_u32 {
        // Swiss mobile numbers begin with 75 to 79.
        let range = 75 + round;
        let start = Instant::now();
        let (before, ..) = rig.usage();
        let mut posts = tokio::task::JoinSet::new();
        for writer in 0..32 {
            let client = rig.client();
            posts.spawn(async move {
                for n in (writer..COUNT).step_by(32) {
                    let body = json!({"to": format!("+41{range}{n:07}")});
                    let reply =
                        client.call(Call::post("/v1/verifications").json(body)).await.expect("an answer");
                    assert_eq!(reply.status.as_u16(), 201);
                }
            });
        }
        posts.join_all().await;
        let took = start.elapsed().as_secs_f64();
        let (after, ..) = rig.usage();
        println!(
            "issue {round}   32 clients: {:.0} codes/s, {:.0} us of processor time each",
            f64::from(COUNT) / took,
            1e6 * (after - before) / f64::from(COUNT)
        );
    }
}

async fn rate(base: &Path) {
    const COUNT: u32 = 3000;
    let rig = Rig::start(base, "rate", 1);
    rig.ready().await;
    for round in 1..=3 {
        let limit = f64::from(COUNT) / bare(base, COUNT, Duration::ZERO).as_secs_f64();
        let ours = f64::from(COUNT - 1) / rig.drain(COUNT).await.as_secs_f64();
        println!(
            "rate {round}    a modem that answers at once: {ours:.0} messages/s; bare loop {limit:.0}/s: {:.0} % \
             (limit: 60 %)",
            100.0 * ours / limit
        );
    }
}

async fn overhead(base: &Path) {
    const COUNT: u32 = 100;
    let air = Duration::from_millis(100);
    let rig = Rig::start(base, "overhead", 1);
    rig.ready().await;
    rig.sim.set_air_time(0, air);
    let ours = (rig.drain(COUNT).await / (COUNT - 1)).saturating_sub(air);
    let limit = (bare(base, COUNT, air) / COUNT).saturating_sub(air);
    println!(
        "overhead  beyond 100 ms of air time: {ours:?} a message (limit: 2 ms); bare loop, whose disk is as slow: {limit:?}"
    );
}

async fn pool(base: &Path) {
    const COUNT: u32 = 10_000;
    let rig = Rig::start(base, "pool", 64);
    rig.ready().await;
    (0..64).for_each(|i| rig.sim.set_air_time(i, Duration::from_millis(100)));
    let (before, ..) = rig.usage();
    let took = rig.drain(COUNT).await;
    let (after, _, resident) = rig.usage();
    println!(
        "pool      64 modems of 100 ms: {:.0} messages/s of 640 (limit: 608); {:.1} s of processor time with the \
         {COUNT} requests, {} MB resident",
        f64::from(COUNT - 64) / took.as_secs_f64(),
        after - before,
        resident / 1024
    );
}

/// Messages per second of all modems, from the first hundred to the last. With `dies`, the last modem hangs for ever.
async fn rate_of(base: &Path, name: &str, modems: usize, dies: bool) -> f64 {
    const COUNT: u32 = 3000;
    const FIRST: usize = 100;
    // The messages that the dead modem had on the air come when its time limit is over.
    const LAST: usize = COUNT as usize - 20;
    let rig = Rig::start(base, name, modems);
    rig.ready().await;
    (0..modems).for_each(|i| rig.sim.set_air_time(i, Duration::from_millis(100)));
    rig.unplug();
    rig.queue(COUNT).await;
    rig.plug();
    assert!(rig.sim.wait_for(FIRST, Duration::from_secs(600)), "they begin");
    if dies {
        rig.sim.hang_until(modems - 1, Cure::Nothing);
    }
    let start = Instant::now();
    let first = rig.sim.received();
    assert!(rig.sim.wait_for(LAST, Duration::from_secs(600)), "all but a few arrive");
    let sent = u32::try_from(rig.sim.received() - first).expect("few");
    f64::from(sent) / start.elapsed().as_secs_f64()
}

async fn dead(base: &Path) {
    let alone = rate_of(base, "alone", 15, false).await;
    let beside = rate_of(base, "beside", 16, true).await;
    println!(
        "dead      15 modems of 100 ms: {alone:.1} messages/s alone, {beside:.1} beside one that is dead: {:+.1} % (limit: \
         -5 %)",
        100.0 * (beside / alone - 1.0)
    );
}

async fn idle(base: &Path) {
    const SPAN: Duration = Duration::from_secs(60);
    let rig = Rig::start(base, "idle", 2);
    rig.ready().await;
    tokio::time::sleep(Duration::from_secs(2)).await;
    let (cpu, switches, _) = rig.usage();
    tokio::time::sleep(SPAN).await;
    let (cpu_after, switches_after, resident) = rig.usage();
    println!(
        "idle      two modems, {} s: {:.3} % of a core (limit: 0.1 %), {} context switches, {:.1} MB resident \
         (limit: 20 MB)",
        SPAN.as_secs(),
        100.0 * (cpu_after - cpu) / SPAN.as_secs_f64(),
        switches_after - switches,
        f64::from(u32::try_from(resident).unwrap_or(u32::MAX)) / 1024.0
    );
}
