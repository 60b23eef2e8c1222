//! The modem's task on a real pty: octets in small pieces, an echo that cannot be switched off, a cooked
//! terminal, a port that vanishes and comes back, a lock that keeps a second program out.

use std::fs::File;
use std::io::{Read, Write};
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use gsm_modem::dialogue::DialogueSettings;
use gsm_modem::{Modem, Notice, Outcome, Part, Reopen, Roaming, Settings, State, Timing};
use tokio::sync::{mpsc, oneshot};
use tokio::time::timeout;

use smsotpd::secret::Secret;

use crate::sim_wire::pty;

/// Longer than anything here takes; a test that reaches this limit has failed.
const LIMIT: Duration = Duration::from_secs(20);

#[derive(Clone, Copy, Default)]
struct Behaviour {
    echo: bool,
    /// How many octets a write has; 0 for all at once.
    piece: usize,
    /// Text before each answer.
    chatter: &'static str,
    /// The modem hangs up after a PDU instead of answering.
    hangs_up: bool,
}

/// A small modem on the master side of a pty. Its thread ends when no program has the slave open any more.
struct OnPty {
    /// Held so that the pty outlives every opening; only the daemon makes it raw.
    _slave: File,
    pdus: Arc<Mutex<Vec<String>>>,
}

impl OnPty {
    /// `link` is a symbolic link to the slave.
    fn start(link: &Path, behaviour: Behaviour) -> Self {
        let (master, path) = pty();
        let slave = File::options().read(true).write(true).open(&path).unwrap();
        let _ = std::fs::remove_file(link);
        symlink(path, link).unwrap();
        let pdus = Arc::new(Mutex::new(Vec::new()));
        let mut modem = Fake { behaviour, line: Vec::new(), in_prompt: false, pdus: Arc::clone(&pdus) };
        std::thread::spawn(move || modem.serve(File::from(master)));
        Self { _slave: slave, pdus }
    }

    fn pdus(&self) -> Vec<String> {
        self.pdus.lock().unwrap().clone()
    }
}

struct Fake {
    behaviour: Behaviour,
    line: Vec<u8>,
    in_prompt: bool,
    pdus: Arc<Mutex<Vec<String>>>,
}

impl Fake {
    fn serve(&mut self, mut master: File) {
        let mut buffer = [0; 512];
        while let Ok(count) = master.read(&mut buffer) {
            for &octet in &buffer[..count] {
                let Some(said) = self.hear(octet) else { return };
                let piece = if self.behaviour.piece == 0 { said.len().max(1) } else { self.behaviour.piece };
                for part in said.as_bytes().chunks(piece) {
                    master.write_all(part).expect("the pty takes an answer");
                    std::thread::yield_now();
                }
            }
        }
    }

    /// The answer to an octet; `None` when the modem hangs up.
    fn hear(&mut self, octet: u8) -> Option<String> {
        let mut said = String::new();
        match octet {
            0x1a if self.in_prompt => {
                let pdu = String::from_utf8(std::mem::take(&mut self.line)).unwrap();
                if self.behaviour.echo {
                    said.push_str(&pdu);
                    said.push('\x1a');
                }
                self.pdus.lock().unwrap().push(pdu);
                self.in_prompt = false;
                if self.behaviour.hangs_up {
                    return None;
                }
                said += self.behaviour.chatter;
                said += "\r\n+CMGS: 42\r\n\r\nOK\r\n";
            }
            0x1b => {
                self.line.clear();
                self.in_prompt = false;
            }
            b'\r' if !self.in_prompt => {
                let command = String::from_utf8_lossy(&std::mem::take(&mut self.line)).into_owned();
                if !command.is_empty() {
                    said += self.behaviour.chatter;
                    if self.behaviour.echo {
                        said.push_str(&command);
                        said.push('\r');
                    }
                    said += answer(&command);
                    self.in_prompt = command.starts_with("AT+CMGS=");
                }
            }
            other => self.line.push(other),
        }
        Some(said)
    }
}

fn answer(command: &str) -> &'static str {
    match command {
        "AT+CGMI" => "\r\nAcme\r\n\r\nOK\r\n",
        "AT+CGMM" => "\r\nRocket\r\n\r\nOK\r\n",
        "AT+CIMI" => "\r\n228011234567890\r\n\r\nOK\r\n",
        "AT+CPIN?" => "\r\n+CPIN: READY\r\n\r\nOK\r\n",
        "AT+CREG?" => "\r\n+CREG: 1,1\r\n\r\nOK\r\n",
        "AT+CSQ" => "\r\n+CSQ: 20,99\r\n\r\nOK\r\n",
        "AT" | "AT+CMGF=0" | "AT+CREG=1" => "\r\nOK\r\n",
        // An echo that cannot be switched off, and a maker's own word for an error.
        "ATE0" => "\r\nCOMMAND NOT SUPPORT\r\n",
        send if send.starts_with("AT+CMGS=") => "\r\n> ",
        _ => "\r\nERROR\r\n",
    }
}

fn settings(port: PathBuf) -> Settings {
    Settings {
        name: "m".into(),
        find: port.into(),
        baud: 115_200,
        pin: None,
        smsc: None,
        roaming: Roaming::Allowed,
        operator: None,
        pins: None,
        patience: None,
        profiles: smsotpd::config::profiles(),
        timing: Timing {
            dialogue: DialogueSettings {
                quiet: Duration::from_millis(30),
                attention: Duration::from_millis(300),
                ..DialogueSettings::default()
            },
            reopen: Reopen { first: Duration::from_millis(20), max: Duration::from_millis(100) },
            ..Timing::default()
        },
    }
}

fn start(port: PathBuf) -> (Modem, mpsc::Receiver<Notice>) {
    let (notices, listen) = mpsc::channel(256);
    (Modem::start(settings(port), notices), listen)
}

async fn reaches(modem: &Modem, what: &str, done: impl FnMut(&gsm_modem::Snapshot) -> bool) {
    let mut snapshot = modem.snapshot();
    let reached = timeout(LIMIT, snapshot.wait_for(done)).await.is_ok_and(|seen| seen.is_ok());
    assert!(reached, "never {what}: {:?}", *modem.snapshot().borrow());
}

async fn ready(modem: &Modem) {
    reaches(modem, "ready", |s| s.state == State::Ready).await;
}

async fn send(modem: &Modem) -> Outcome {
    let (open, gate) = oneshot::channel();
    let part = Part { pdu: Secret::new(vec![0x00, 0x21, 0x00, 0xff]), length: 3 };
    let sending = modem.submit(vec![part], gate);
    // An order that is refused at once has dropped its gate.
    let _ = open.send(());
    timeout(LIMIT, sending).await.expect("an outcome in time")
}

fn accepted() -> Outcome {
    Outcome::Accepted { references: vec![42] }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_behaviour_of_a_line() {
    let folder = tempfile::tempdir().unwrap();
    for (at, behaviour) in [
        Behaviour::default(),
        Behaviour { echo: true, ..Behaviour::default() },
        Behaviour { echo: true, piece: 1, ..Behaviour::default() },
        Behaviour { piece: 3, chatter: "\r\n^RSSI:10\r\n\r\n+CDS: 3\r\n000102\r\n", ..Behaviour::default() },
        Behaviour { echo: true, piece: 2, chatter: "\r\n+CMTI: \"SM\",1\r\n", ..Behaviour::default() },
    ]
    .into_iter()
    .enumerate()
    {
        let link = folder.path().join(format!("modem{at}"));
        let pty = OnPty::start(&link, behaviour);
        let (modem, _notices) = start(link);
        ready(&modem).await;
        assert_eq!(send(&modem).await, accepted(), "behaviour {at}");
        assert_eq!(send(&modem).await, accepted(), "behaviour {at}");
        assert_eq!(pty.pdus(), ["002100FF", "002100FF"]);
        let seen = modem.snapshot().borrow().clone();
        assert_eq!((seen.equipment.manufacturer.as_str(), seen.equipment.model.as_str()), ("Acme", "Rocket"));
        assert_eq!((seen.sim.imsi.as_deref(), seen.signal_dbm), (Some("228011234567890"), Some(-73)));
        modem.stop(Duration::from_secs(1)).await;
        assert!(matches!(send(&modem).await, Outcome::NotStarted { .. }));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hang_up_after_the_pdu_is_unknown_and_the_port_is_found_again() {
    let folder = tempfile::tempdir().unwrap();
    let link = folder.path().join("modem");
    let pty = OnPty::start(&link, Behaviour { hangs_up: true, ..Behaviour::default() });
    let (modem, _notices) = start(link.clone());
    ready(&modem).await;
    assert!(matches!(send(&modem).await, Outcome::Unknown { .. }));
    reaches(&modem, "absent", |s| s.state == State::Absent).await;
    assert!(matches!(send(&modem).await, Outcome::NotStarted { .. }));
    drop(pty);
    std::fs::remove_file(&link).unwrap();
    reaches(&modem, "missed", |s| s.last_error.as_deref().is_some_and(|e| e.contains("plugged in"))).await;
    let _pty = OnPty::start(&link, Behaviour::default());
    ready(&modem).await;
    assert_eq!(send(&modem).await, accepted());
    assert!(modem.snapshot().borrow().counters.reopens >= 1);
    modem.stop(Duration::ZERO).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_dropped_gate_leaves_the_prompt() {
    let folder = tempfile::tempdir().unwrap();
    let link = folder.path().join("modem");
    let pty = OnPty::start(&link, Behaviour::default());
    let (modem, _notices) = start(link);
    ready(&modem).await;
    let (open, gate) = oneshot::channel::<()>();
    let part = Part { pdu: Secret::new(vec![0x00, 0x21, 0x00, 0xff]), length: 3 };
    let sending = modem.submit(vec![part], gate);
    drop(open);
    assert!(matches!(sending.await, Outcome::NotStarted { .. }));
    ready(&modem).await;
    assert_eq!(send(&modem).await, accepted());
    assert_eq!(pty.pdus().len(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_port_serves_one_program() {
    let folder = tempfile::tempdir().unwrap();
    let link = folder.path().join("modem");
    let _pty = OnPty::start(&link, Behaviour::default());
    let (first, _notices) = start(link.clone());
    ready(&first).await;
    let (second, _more) = start(link);
    reaches(&second, "turned away", |s| s.last_error.as_deref().is_some_and(|e| e.contains("is held by")))
        .await;
    assert_eq!(second.snapshot().borrow().state, State::Absent);
    assert_eq!(send(&first).await, accepted(), "the first one is not disturbed");
    first.stop(Duration::ZERO).await;
    ready(&second).await;
    assert_eq!(send(&second).await, accepted());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_file_is_made_and_no_file_is_a_port() {
    let folder = tempfile::tempdir().unwrap();
    let missing = folder.path().join("ttyUSB0");
    let (modem, _notices) = start(missing.clone());
    reaches(&modem, "missed", |s| s.last_error.as_deref().is_some_and(|e| e.contains("plugged in"))).await;
    assert!(!missing.exists());
    std::fs::write(&missing, b"").unwrap();
    reaches(&modem, "refused", |s| s.last_error.as_deref().is_some_and(|e| e.contains("not a serial port")))
        .await;
    timeout(LIMIT, modem.stop(Duration::ZERO)).await.expect("an absent modem stops");
}
