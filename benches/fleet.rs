//! Hosts that share one PostgreSQL, on this machine with the database beside them.
//!
//! `cargo bench --bench fleet`: prints the figures and judges nothing. It needs PostgreSQL's server (`apt-get install
//! postgresql`).
//!
//! - latency: from the first octet of `POST /v1/verifications` on a host without a modem to the first of `AT+CMGS` on another
//! - commits: of the whole fleet, from a text's acceptance to its end, while nothing else happens
//! - issue: codes that 64 connections are issued in a second at one host, and at two and three hosts together

use std::fmt::Write as _;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use gsm_sim::{Options, Sim};
use postgres_server::Server;
use serde_json::json;
use smsotpd::api::client::{Call, Client};

#[path = "../tests/it/postgres_server.rs"]
#[allow(dead_code, reason = "the tests need more of it")]
mod postgres_server;

fn main() {
    let Some(server) = Server::new() else { return };
    let dir = tempfile::tempdir_in(Path::new(env!("CARGO_MANIFEST_DIR")).join("target"));
    let dir = dir.expect("the folder can be written");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async {
        latency(dir.path(), &server).await;
        for hosts in 1..=3 {
            issue(dir.path(), &server, hosts).await;
        }
    });
}

/// A daemon as a child process, with its simulated modems if it has any.
struct Host {
    sim: Option<Sim>,
    client: Client,
    child: Child,
}

impl Drop for Host {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Hosts with so many modems each on a new database.
async fn fleet(base: &Path, url: &str, run: &str, modems: &[usize]) -> Vec<Host> {
    let mut hosts = Vec::new();
    for (n, &modems) in modems.iter().enumerate() {
        let dir = base.join(format!("{run}{n}"));
        let (state, key) = (dir.join("state"), base.join(format!("{run}0/state/secret.key")));
        std::fs::create_dir_all(&state).expect("a folder");
        let links = Some(dir.join("dev"));
        let sim = (modems > 0)
            .then(|| Sim::start(Options { dir: links, modems, ..Options::default() }).expect("ptys"));
        let mut config = format!(
            "state_dir = \"{}\"\n[api]\nsocket = \"{}\"\n[store]\nengine = \"postgres\"\nurl = \"{url}\"\nhost = \"h{n}\"\n\
             [pumping]\nadjacent = 0\n[limits]\nper_number = [\"1000000/1d\"]\nper_client = [\"1000000/1m\"]\n\
             per_prefix = [\"1000000/1d\"]\ntotal = [\"1000000/1d\"]\n[log]\nlevel = \"error\"\n",
            state.display(),
            dir.join("s.sock").display()
        );
        for i in 0..modems {
            let port = sim.as_ref().expect("modems").port(i);
            writeln!(config, "[[modem]]\nname = \"h{n}m{i}\"\nport = \"{}\"", port.display())
                .expect("a string");
        }
        let path = dir.join("smsotpd.toml");
        std::fs::write(&path, config).expect("a file");
        if n > 0 {
            std::fs::copy(&key, state.join("secret.key")).expect("the key of the first host");
        }
        let mut command = Command::new(env!("CARGO_BIN_EXE_smsotpd"));
        let child =
            command.arg("--config").arg(path).stdout(Stdio::null()).spawn().expect("the daemon starts");
        let client = Client::new(dir.join("s.sock"));
        while client.call(Call::get("/healthz")).await.is_err() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        hosts.push(Host { sim, client, child });
    }
    hosts
}

async fn latency(base: &Path, server: &Server) {
    const COUNT: usize = 200;
    let url = server.database();
    let hosts = fleet(base, &url, "latency", &[0, 1]).await;
    let (office, sim) = (&hosts[0].client, hosts[1].sim.as_ref().expect("a modem"));
    while office.call(Call::get("/readyz")).await.expect("an answer").status != 200 {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let commits = || server.sql(&url, "SELECT number FROM smsotp_turn").parse::<u32>().expect("a number");
    let mut each = Vec::new();
    for n in 0..COUNT {
        let before = sim.commands(0).len();
        let start = Instant::now();
        let body = json!({"to": format!("+4179{n:07}")});
        let reply = office.call(Call::post("/v1/verifications").json(body)).await.expect("an answer");
        assert_eq!(reply.status.as_u16(), 201);
        assert!(sim.wait_for(n + 1, Duration::from_secs(10)), "it arrives");
        let commands = sim.commands(0);
        let sent = commands[before..].iter().find(|c| c.line.starts_with("AT+CMGS")).expect("a send");
        each.push(sent.at - start);
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    each.sort();
    println!(
        "latency   POST on a host without a modem to AT+CMGS on another: median {:.1?}, 95 % within {:.1?} (limit: 15 ms)",
        each[COUNT / 2],
        each[COUNT * 95 / 100]
    );
    // A beat of each host in three seconds is counted with them.
    let (first, start) = (commits(), Instant::now());
    for n in 0..COUNT {
        let body = json!({"to": format!("+4179{n:07}"), "text": "Hello"});
        let reply = office.call(Call::post("/v1/messages").json(body)).await.expect("an answer");
        assert_eq!(reply.status.as_u16(), 202);
        assert!(sim.wait_for(COUNT + n + 1, Duration::from_secs(10)), "it arrives");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let beats = 2.0 * start.elapsed().as_secs_f64() / 3.0;
    let each = (f64::from(commits() - first) - beats) / f64::from(u32::try_from(COUNT).expect("few"));
    println!(
        "commits   of a text from its acceptance to its end: {each:.2}, of which one accepts it (limit: 3)"
    );
}

async fn issue(base: &Path, server: &Server, count: usize) {
    const COUNT: u32 = 6000;
    const CONNECTIONS: u32 = 64;
    let hosts = fleet(base, &server.database(), &format!("issue{count}"), &vec![0; count]).await;
    for round in 1..=3_u32 {
        // Swiss mobile numbers begin with 75 to 79.
        let range = 75 + round;
        let start = Instant::now();
        let mut posts = tokio::task::JoinSet::new();
        for writer in 0..CONNECTIONS {
            let client = hosts[writer as usize % hosts.len()].client.clone();
            posts.spawn(async move {
                for n in (writer..COUNT).step_by(CONNECTIONS as usize) {
                    let body = json!({"to": format!("+41{range}{n:07}")});
                    let reply =
                        client.call(Call::post("/v1/verifications").json(body)).await.expect("an answer");
                    assert_eq!(reply.status.as_u16(), 201);
                }
            });
        }
        posts.join_all().await;
        let rate = f64::from(COUNT) / start.elapsed().as_secs_f64();
        println!(
            "issue {round}   64 connections at {count} of the hosts: {rate:.0} codes/s (limit: 1500 at one)"
        );
    }
}
