//! The real daemon as a child process: its configuration, its start and end, its log, its socket.

use std::fmt::Write as _;
use std::fs::File;
use std::io::Read as _;
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use gsm_sim::{Options, Script, Sim};
use serde_json::{Value, json};
use smsotpd::api::client::{Call, Client, Reply};
use tempfile::TempDir;

/// A generous limit, which only a failure reaches.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// Limits that do not get in the way of a test.
pub(crate) const NO_LIMITS: &str = "[pumping]\nadjacent = 0\n[limits]\nper_number = [\"100000/1d\"]\n\
     per_client = [\"100000/1m\"]\nper_prefix = [\"100000/1d\"]\ntotal = [\"100000/1d\"]\n";

/// A folder, simulated modems, and a daemon that may be killed and started again.
pub(crate) struct Rig {
    pub(crate) dir: TempDir,
    pub(crate) sim: Sim,
    extra: String,
    /// What stands before the tables of the configuration.
    pub(crate) head: String,
    /// What the daemon's environment has besides.
    pub(crate) environment: Vec<(&'static str, PathBuf)>,
    child: Option<Child>,
    notify: UnixDatagram,
    starts: usize,
    /// What the names of the modems begin with.
    pub(crate) prefix: &'static str,
    /// How much the daemon logs; everything, unless a test is about speed.
    pub(crate) log: &'static str,
}

impl Rig {
    /// Modems on `script`, and a running daemon.
    pub(crate) fn start(modems: usize, script: Script, extra: &str) -> Self {
        let mut rig = Self::prepare(modems, script, extra);
        rig.launch();
        rig
    }

    /// The same without a running daemon.
    pub(crate) fn prepare(modems: usize, script: Script, extra: &str) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let links = Some(dir.path().join("dev"));
        let sim = Sim::start(Options { dir: links, modems, script, seed: 7 }).unwrap();
        let notify = UnixDatagram::bind(dir.path().join("notify")).unwrap();
        notify.set_read_timeout(Some(PATIENCE)).unwrap();
        Self {
            dir,
            sim,
            extra: extra.to_owned(),
            head: String::new(),
            environment: vec![],
            child: None,
            notify,
            starts: 0,
            prefix: "m",
            log: "trace",
        }
    }

    pub(crate) fn socket(&self) -> PathBuf {
        self.dir.path().join("s.sock")
    }

    pub(crate) fn client(&self) -> Client {
        Client::new(self.socket())
    }

    pub(crate) fn config(&self) -> PathBuf {
        let path = self.dir.path().join("smsotpd.toml");
        let mut text = format!(
            "state_dir = \"{}\"\n{}[api]\nsocket = \"{}\"\nmode = \"0600\"\n",
            self.dir.path().join("state").display(),
            self.head,
            self.socket().display()
        );
        for i in 0..self.sim.modems() {
            let (prefix, port) = (self.prefix, self.sim.port(i));
            let _ = writeln!(text, "[[modem]]\nname = \"{prefix}{i}\"\nport = \"{}\"", port.display());
        }
        std::fs::write(&path, text + &self.extra).unwrap();
        path
    }

    /// Replaces what follows the modems in the configuration.
    pub(crate) fn rewrite(&mut self, extra: &str) {
        extra.clone_into(&mut self.extra);
        self.config();
    }

    /// Starts the daemon and waits until it reports that it is ready.
    pub(crate) fn launch(&mut self) {
        self.spawn();
        self.told("READY=1");
    }

    /// The same by a command that becomes the daemon.
    pub(crate) fn launch_by(&mut self, command: Command) {
        self.spawn_by(command);
        self.told("READY=1");
    }

    /// Starts the daemon.
    pub(crate) fn spawn(&mut self) {
        let mut command = Command::new(env!("CARGO_BIN_EXE_smsotpd"));
        command.arg("--config").arg(self.config());
        self.spawn_by(command);
    }

    fn spawn_by(&mut self, mut command: Command) {
        self.starts += 1;
        let log = File::create(self.dir.path().join(format!("log{}", self.starts))).unwrap();
        let child = command
            .env("RUST_LOG", self.log)
            .envs(self.environment.iter().cloned())
            .env("NOTIFY_SOCKET", self.dir.path().join("notify"))
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .unwrap();
        self.child = Some(child);
    }

    /// Waits until the daemon sends this to systemd.
    pub(crate) fn told(&mut self, what: &str) {
        let mut octets = [0; 4096];
        loop {
            let n = match self.notify.recv(&mut octets) {
                // The end of another test's child interrupts a wait with a limit, which is not resumed automatically.
                Err(e) if e.kind() == std::io::ErrorKind::Interrupted => continue,
                told => told.unwrap_or_else(|e| panic!("{e}: {}", self.logs())),
            };
            if String::from_utf8_lossy(&octets[..n]).lines().any(|line| line == what) {
                return;
            }
        }
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.as_ref().unwrap().id()
    }

    /// `kill -9`, and the end of the daemon.
    pub(crate) fn kill(&mut self) {
        let mut child = self.child.take().unwrap();
        child.kill().unwrap();
        child.wait().unwrap();
    }

    pub(crate) fn signal(&self, signal: rustix::process::Signal) {
        let pid = rustix::process::Pid::from_raw(self.pid().try_into().unwrap()).unwrap();
        rustix::process::kill_process(pid, signal).unwrap();
    }

    /// Waits until the daemon has ended by itself.
    pub(crate) fn ended(&mut self) -> ExitStatus {
        self.child.take().unwrap().wait().unwrap()
    }

    /// Everything that was logged so far, over all starts.
    pub(crate) fn logs(&self) -> String {
        let mut all = String::new();
        for i in 1..=self.starts {
            let mut octets = Vec::new();
            let path = self.dir.path().join(format!("log{i}"));
            File::open(path).unwrap().read_to_end(&mut octets).unwrap();
            all.push_str(&String::from_utf8_lossy(&octets));
        }
        all
    }

    /// Waits until every modem is in `state`.
    pub(crate) async fn modems_are(&self, state: &str) {
        self.each_modem(state, |modem| modem["state"] == state).await;
    }

    /// Waits, woken by events, until `is` holds for each modem as the API shows it. `what` is told when it never does.
    pub(crate) async fn each_modem(&self, what: &str, is: impl Fn(&Value) -> bool) {
        let wait = async {
            let mut events = self.client().events(None).await.unwrap().expect("a stream of events");
            loop {
                let modems = get(&self.client(), "/v1/modems").await;
                if modems["modems"].as_array().unwrap().iter().all(&is) {
                    return;
                }
                events.next().await.unwrap().expect("the stream goes on");
            }
        };
        let done = tokio::time::timeout(PATIENCE, wait).await;
        assert!(done.is_ok(), "the modems did not get {what}: {}", self.logs());
    }

    /// Queues plain messages to numbers from `first` on. Returns their ids.
    pub(crate) async fn send(&self, first: u32, count: u32) -> Vec<String> {
        let client = self.client();
        let mut ids = Vec::new();
        for n in first..first + count {
            let body = json!({"to": number(n), "text": text(n)});
            let made = expect(&call(&client, Call::post("/v1/messages").json(body)).await, 202);
            ids.push(made["id"].as_str().unwrap().to_owned());
        }
        ids
    }

    /// Waits until this message is over. Returns the message.
    pub(crate) async fn over(&self, id: &str) -> Value {
        let until = Instant::now() + PATIENCE;
        loop {
            let call = Call::get(format!("/v1/messages/{id}")).wait(Duration::from_secs(20));
            let m = expect(&self.client().call(call).await.unwrap(), 200);
            if m["status"] != "queued" && m["status"] != "sending" {
                return m;
            }
            assert!(Instant::now() < until, "{m} {}", self.logs());
        }
    }
}

impl Drop for Rig {
    fn drop(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// The number of the n-th message.
pub(crate) fn number(n: u32) -> String {
    format!("+4179{n:07}")
}

/// The text of the n-th message: every fifth has to be sent in UCS-2, every seventh takes several parts.
pub(crate) fn text(n: u32) -> String {
    let mut text = format!("Message {n}: [{{€}}] @£$¥");
    if n.is_multiple_of(5) {
        text.push_str(" — žluťoučký 👋🏽 \u{4f60}\u{597d}");
    }
    if n.is_multiple_of(7) {
        for word in 0..30 {
            let _ = write!(text, " word {word} of {n},");
        }
    }
    text
}

pub(crate) async fn call(client: &Client, call: Call) -> Reply {
    client.call(call).await.unwrap()
}

pub(crate) fn expect(reply: &Reply, status: u16) -> Value {
    let body: Value = reply.parse().unwrap();
    assert_eq!(reply.status.as_u16(), status, "{body}");
    body
}

pub(crate) async fn get(client: &Client, path: &str) -> Value {
    expect(&call(client, Call::get(path)).await, 200)
}

pub(crate) async fn post(client: &Client, path: &str, body: Value, status: u16) -> Value {
    expect(&call(client, Call::post(path).json(body)).await, status)
}

/// Every file below a folder, with its content.
pub(crate) fn files(dir: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files(&path));
        } else if path.is_file() {
            found.push((path.clone(), std::fs::read(path).unwrap()));
        }
    }
    found
}
