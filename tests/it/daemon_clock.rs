//! The real daemon while somebody sets the wall clock. Nobody can set that of one process, so a library that stands before
//! libc (`clock.c`) adds what a file says. The kernel tells no such set to the daemon: what must be seen at once is seen
//! with the reload that follows. Without a C compiler these tests say so and do nothing.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use gsm_sim::Script;
use rustix::process::Signal;
use serde_json::{Value, json};
use smsotpd::api::client::Call;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::UnixStream;

use crate::daemon_support::{NO_LIMITS, PATIENCE, Rig, expect, get, post};

const PHONE: &str = "+41791234567";
const HOUR: i64 = 3600;

/// A code lives four seconds.
fn short_lives() -> String {
    format!("{NO_LIMITS}[queue]\nmin_life = \"1s\"\n[service.default]\nttl = \"4s\"\ncooldown = \"2s\"\n")
}

/// Seconds by which the clock is set.
fn sets() -> [i64; 7] {
    let now = std::fs::metadata("/proc/self").and_then(|here| here.modified()).unwrap();
    let now = now.duration_since(std::time::UNIX_EPOCH).unwrap().as_secs();
    let to_1970 = 1000 - i64::try_from(now).unwrap();
    [HOUR, -HOUR, 24 * HOUR, -24 * HOUR, 17_520 * HOUR, -17_520 * HOUR, to_1970]
}

/// A daemon whose clock a test sets.
struct Set {
    rig: Rig,
    file: PathBuf,
}

impl Set {
    fn start(extra: &str) -> Option<Self> {
        let mut rig = Rig::prepare(1, Script::default(), extra);
        let (library, file) = (rig.dir.path().join("clock.so"), rig.dir.path().join("clock"));
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/clock.c");
        let built = Command::new("cc").args(["-shared", "-fPIC", "-o"]).arg(&library).arg(source).status();
        if !built.is_ok_and(|status| status.success()) {
            println!("no C compiler: the clock of the real daemon is not set");
            return None;
        }
        std::fs::write(&file, "0").unwrap();
        rig.environment = vec![("LD_PRELOAD", library), ("TEST_CLOCK", file.clone())];
        rig.launch();
        Some(Self { rig, file })
    }

    /// Somebody sets the clock to so many seconds ahead of what it should show.
    fn set(&self, seconds: i64) {
        let new = self.file.with_extension("new");
        std::fs::write(&new, seconds.to_string()).unwrap();
        std::fs::rename(new, &self.file).unwrap();
    }

    /// What the kernel would have the daemon do.
    fn notice(&mut self) {
        self.rig.signal(Signal::HUP);
        self.rig.told("READY=1");
    }

    fn restart(&mut self) {
        self.rig.kill();
        self.rig.launch();
    }

    async fn issue(&self) -> (String, String) {
        let mut phone = self.rig.sim.listen();
        let made = post(&self.rig.client(), "/v1/verifications", json!({"to": PHONE}), 201).await;
        let sms = tokio::time::timeout(PATIENCE, phone.recv()).await.unwrap().unwrap();
        (made["id"].as_str().unwrap().to_owned(), digits(&sms.text))
    }

    async fn check(&self, id: &str, code: &str) -> Value {
        post(&self.rig.client(), &format!("/v1/verifications/{id}/check"), json!({"code": code}), 200).await
    }

    /// Waits until this verification is told to have run out.
    async fn expired(&self, id: &str) {
        let until = Instant::now() + PATIENCE;
        loop {
            let call = Call::get(format!("/v1/verifications/{id}"));
            let v = expect(&self.rig.client().call(call).await.unwrap(), 200);
            if v["status"] == "expired" {
                return;
            }
            assert!(Instant::now() < until, "{v} {}", self.rig.logs());
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
}

/// Asks for a code; the status and the `Retry-After` of the answer.
async fn asked(rig: &Rig, body: &Value) -> (u16, Option<u64>) {
    let (body, mut answer) = (body.to_string(), String::new());
    let mut line = UnixStream::connect(rig.socket()).await.unwrap();
    let head =
        "POST /v1/verifications HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-type: application/json";
    let request = format!("{head}\r\ncontent-length: {}\r\n\r\n{body}", body.len());
    line.write_all(request.as_bytes()).await.unwrap();
    line.read_to_string(&mut answer).await.unwrap();
    let wait = answer.lines().find_map(|line| line.strip_prefix("retry-after: "));
    (answer[9..12].parse().unwrap(), wait.map(|wait| wait.parse().unwrap()))
}

fn digits(text: &str) -> String {
    text.chars().skip_while(|c| !c.is_ascii_digit()).take_while(char::is_ascii_digit).collect()
}

/// D1: stopped with messages queued, started in 1970 or behind its records, then set right. What waited goes out at once,
/// and codes neither live on nor die by it.
#[tokio::test]
async fn d1_a_board_without_a_clock_sends_at_once_what_is_queued() {
    for wrong in [-600, *sets().last().unwrap()] {
        let Some(mut daemon) = Set::start(NO_LIMITS) else { return };
        daemon.rig.modems_are("ready").await;
        daemon.rig.sim.unplug(0);
        daemon.rig.modems_are("absent").await;
        let client = daemon.rig.client();
        let v = post(&client, "/v1/verifications", json!({"to": PHONE}), 201).await;
        let text = post(&client, "/v1/messages", json!({"to": "+41791234568", "text": "x"}), 202).await;
        daemon.rig.kill();
        daemon.set(wrong);
        let mut phone = daemon.rig.sim.listen();
        daemon.rig.sim.plug(0).unwrap();
        let began = Instant::now();
        daemon.rig.launch();
        let sms = tokio::time::timeout(PATIENCE, phone.recv()).await.unwrap().unwrap();
        assert_eq!(sms.to, PHONE, "the code goes first");
        let sent = daemon.rig.over(text["id"].as_str().unwrap()).await;
        assert_eq!(sent["status"], "sent", "{sent}");
        assert!(began.elapsed() < PATIENCE, "at once, not within the hour");
        let told = get(&client, "/v1/status").await;
        assert!(told["clock"].as_str().is_some_and(|why| why.contains("set it right")), "{told}");
        assert!(daemon.rig.logs().contains("set it right"));
        let (new, new_code) = {
            let mut phone = daemon.rig.sim.listen();
            let made = post(&client, "/v1/verifications", json!({"to": "+41791234569"}), 201).await;
            let sms = tokio::time::timeout(PATIENCE, phone.recv()).await.unwrap().unwrap();
            (made["id"].as_str().unwrap().to_owned(), digits(&sms.text))
        };
        daemon.set(0);
        daemon.notice();
        assert_eq!(get(&client, "/v1/status").await["clock"], Value::Null);
        let id = v["id"].as_str().unwrap();
        assert_eq!(daemon.check(id, &digits(&sms.text)).await["approved"], true, "{wrong}");
        assert_eq!(daemon.check(&new, &new_code).await["approved"], true, "{wrong}");
    }
}

/// D2: a code that has run out stays so, and none lives longer, whether the clock is set while the daemon runs or while it
/// does not.
#[tokio::test]
async fn d2_no_code_is_approved_after_its_life() {
    let Some(mut daemon) = Set::start(&short_lives()) else { return };
    daemon.rig.modems_are("ready").await;
    for (seconds, restarts) in sets().into_iter().flat_map(|set| [(set, false), (set, true)]) {
        let (id, code) = daemon.issue().await;
        daemon.set(seconds);
        if restarts {
            daemon.restart();
        }
        daemon.expired(&id).await;
        assert_eq!(daemon.check(&id, &code).await["approved"], false, "{seconds} {restarts}");
        daemon.set(0);
        if restarts {
            daemon.restart();
            daemon.rig.modems_are("ready").await;
        }
        let answer = daemon.check(&id, &code).await;
        assert_eq!((&answer["approved"], &answer["status"]), (&false.into(), &"expired".into()), "{seconds}");
    }
}

/// D2: a cool-down and a limit are as long as they are configured.
#[tokio::test]
async fn d2_no_wait_is_longer_than_its_length() {
    let limits = NO_LIMITS.replace("[\"100000/1d\"]\nper_client", "[\"3/1h\"]\nper_client");
    let Some(mut daemon) = Set::start(&limits) else { return };
    daemon.rig.sim.unplug(0);
    let client = daemon.rig.client();
    let (mut number, body) = (10, |number: i32| json!({"to": format!("+417912350{number}")}));
    for (seconds, restarts) in sets().into_iter().flat_map(|set| [(set, false), (set, true)]) {
        // Ahead, so that it is set back when it is right again, and the other way about.
        for (first, second) in [(seconds, 0), (0, seconds)] {
            number += 1;
            daemon.set(first);
            post(&client, "/v1/verifications", body(number), 201).await;
            daemon.set(second);
            if restarts {
                daemon.restart();
            }
            let mut waits = Vec::new();
            for _ in 0..4 {
                waits.push(asked(&daemon.rig, &body(number)).await);
            }
            let short = |wait: &(u16, Option<u64>)| matches!(wait, (201, None) | (429, Some(1..=3600)));
            assert!(waits.iter().all(short), "{waits:?} after {seconds} {restarts}: {}", daemon.rig.logs());
        }
    }
}
