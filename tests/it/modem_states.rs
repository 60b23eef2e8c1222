//! The states of a modem, over the simulator's pty: each with a sentence that tells a person what to do.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::io::{BufRead as _, BufReader};
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use gsm_modem::dialogue::DialogueSettings;
use gsm_modem::{Modem, Notice, Outcome, Part, Reopen, Roaming, Settings, Snapshot, State, Timing};
use gsm_sim::{Options, Script, Sim};
use tokio::sync::{mpsc, oneshot};
use tokio::time::timeout;

use smsotpd::secret::Secret;

use crate::daemon_support::{Rig, get};
use crate::sim_wire::Named;

/// Longer than anything here takes; a test that reaches this limit has failed.
const LIMIT: Duration = Duration::from_secs(30);

fn sim(script: &str) -> Sim {
    let script = Script::parse("states", script).unwrap();
    Sim::start(Options { script, ..Options::default() }).unwrap()
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
                quiet: Duration::from_millis(20),
                attention: Duration::from_millis(100),
                attention_tries: 3,
                ..DialogueSettings::default()
            },
            busy_retry: Duration::from_millis(20),
            blocked_retry: Duration::from_millis(100),
            registration_poll: Duration::from_millis(50),
            reopen: Reopen { first: Duration::from_millis(20), max: Duration::from_millis(100) },
            ..Timing::default()
        },
    }
}

fn start(settings: Settings) -> (Modem, mpsc::Receiver<Notice>) {
    let (notices, heard) = mpsc::channel(256);
    (Modem::start(settings, notices), heard)
}

async fn reaches(modem: &Modem, what: &str, done: impl FnMut(&Snapshot) -> bool) -> Snapshot {
    let mut snapshot = modem.snapshot();
    let reached = timeout(LIMIT, snapshot.wait_for(done)).await.is_ok_and(|seen| seen.is_ok());
    let seen = modem.snapshot().borrow().clone();
    assert!(reached, "never {what}: {seen:?}");
    seen
}

/// Waits for the state and its sentence.
async fn stands(modem: &Modem, state: State, sentence: &str) -> Snapshot {
    let told = |s: &Snapshot| s.last_error.as_deref().is_some_and(|e| e.contains(sentence));
    let seen = reaches(modem, sentence, |s| s.state == state && told(s)).await;
    assert!(!seen.ready, "{seen:?}");
    seen
}

async fn ready(modem: &Modem) -> Snapshot {
    reaches(modem, "ready", |s| s.state == State::Ready).await
}

async fn send(modem: &Modem) -> Outcome {
    let (open, gate) = oneshot::channel();
    let pdu = vec![
        0x00, 0x01, 0x00, 0x0b, 0x91, 0x14, 0x97, 0x21, 0x43, 0x65, 0xf7, 0x00, 0x00, 0x05, 0xc8, 0x32, 0x9b,
        0xfd, 0x06,
    ];
    let sending = modem.submit(vec![Part { length: pdu.len() - 1, pdu: Secret::new(pdu) }], gate);
    // An order that is refused at once has dropped its gate.
    let _ = open.send(());
    timeout(LIMIT, sending).await.expect("an outcome in time")
}

async fn works(modem: &Modem) {
    ready(modem).await;
    let outcome = send(modem).await;
    assert!(matches!(outcome, Outcome::Accepted { .. }), "{outcome:?}");
}

/// A memory of ten places, all occupied: messages, reports and messages that the modem stored itself.
fn full(memory: &str) -> String {
    let mut script = String::new();
    for n in 0..10 {
        let (status, pdu) = match n {
            0..7 => (1, format!("00040B911497214365F{n}0000521110100000400{n}C8329BFD06")),
            7..9 => (0, format!("0006{n:02X}0B911497214365F7521110100000405211101000004000")),
            _ => (3, String::from("0001000B911497214365F7000005C8329BFD06")),
        };
        // The number of septets is the same for all.
        let pdu = pdu.replace(&format!("400{n}C8"), "4005C8");
        let _ = write!(
            script,
            "[[storage.message]]\nmemory = \"{memory}\"\nstatus = {status}\npdu = \"{pdu}\"\n"
        );
    }
    script
}

/// Takes this many messages and reports and discards each of them.
async fn take(modem: &Modem, notices: &mut mpsc::Receiver<Notice>, count: usize) -> BTreeSet<Vec<u8>> {
    let mut taken = BTreeSet::new();
    while taken.len() < count {
        let notice = timeout(LIMIT, notices.recv()).await;
        let notice = notice.unwrap_or_else(|_| panic!("{} of {count}", taken.len())).expect("a session");
        let (Notice::Delivered { pdu, storage, .. } | Notice::Report { pdu, storage, .. }) = notice else {
            continue;
        };
        assert!(taken.insert(pdu.expose().clone()), "announced twice");
        modem.discard(storage.expect("it lies in the modem")).await;
    }
    taken
}

/// Waits until the modem got this command that many times.
async fn told(sim: &Sim, command: &str, count: usize) {
    let heard = async {
        while sim.commands(0).iter().filter(|seen| seen.line.starts_with(command)).count() < count {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    };
    let heard = timeout(LIMIT, heard).await;
    let lines: Vec<_> = sim.commands(0).into_iter().rev().take(50).map(|seen| seen.line).collect();
    assert!(heard.is_ok(), "never {count} times {command}: {lines:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_storage_full_of_old_messages_empties_itself() {
    for (family, _) in Script::BUILT_IN {
        let _named = Named(family);
        let mut script = Script::built_in(family).unwrap();
        let memory = script.storage.memories[0].clone();
        let stored = Script::parse("full", &full(&memory)).unwrap().storage.messages;
        (script.storage.capacity, script.storage.messages) = (10, stored);
        let sim = Sim::start(Options { script, ..Options::default() }).unwrap();
        let (modem, mut notices) = start(settings(sim.port(0)));
        ready(&modem).await;
        assert_eq!(take(&modem, &mut notices, 9).await.len(), 9);
        // The messages that the modem stored itself were in the way, and are deleted as well.
        told(&sim, "AT+CMGD=", 10).await;
        works(&modem).await;
        assert_eq!(sim.received(), 1);
        // There is room again, and a new message is read and discarded at once.
        sim.deliver(0, "+41791234567", "new");
        take(&modem, &mut notices, 1).await;
        told(&sim, "AT+CMGD=", 11).await;
        assert_eq!(modem.snapshot().borrow().counters.lost_notices, 0);
        modem.stop(Duration::ZERO).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_storage_that_cannot_be_listed_empties_itself() {
    let refused =
        "[[answer]]\ncommand = \"AT+CMGL=4\"\nresult = \"+CMS ERROR: 303\"\n[storage]\ncapacity = 10\n";
    let sim = sim(&format!("{refused}{}", full("SM")));
    let (modem, mut notices) = start(settings(sim.port(0)));
    ready(&modem).await;
    // Messages are sent in between all the time.
    let sending = async {
        for _ in 0..5 {
            works(&modem).await;
        }
    };
    let (taken, ()) = tokio::join!(take(&modem, &mut notices, 9), sending);
    assert_eq!((taken.len(), sim.received()), (9, 5));
    told(&sim, "AT+CMGD=", 10).await;
    modem.stop(Duration::ZERO).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_message_that_no_code_tells_of_is_found() {
    let sim = sim("[sending]\ncnmi = [[0, 1, 2], [0], [0], [0], [0]]\n");
    let mut quick = settings(sim.port(0));
    quick.timing.listing = Duration::from_millis(200);
    let (modem, mut notices) = start(quick);
    ready(&modem).await;
    told(&sim, "AT+CPMS=\"SM\"", 2).await;
    sim.deliver(0, "+41791234567", "unheard of");
    take(&modem, &mut notices, 1).await;
    told(&sim, "AT+CMGD=1", 1).await;
    modem.stop(Duration::ZERO).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_pin_that_is_right() {
    let sim = sim("[card]\nstate = \"pin\"\npin = \"4711\"\nbusy_ms = 100\n");
    let pin = Some(Secret::new(String::from("4711")));
    let (modem, _notices) = start(Settings { pin, ..settings(sim.port(0)) });
    works(&modem).await;
    assert_eq!(modem.snapshot().borrow().last_error, None);
    modem.stop(Duration::ZERO).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_person_has_to_do_at_the_sim() {
    for (script, pin, sentence) in [
        ("[card]\nstate = \"pin\"\n", None, "set pin_file in this modem's configuration"),
        ("[card]\nstate = \"pin\"\n", Some("9999"), "put the right one in pin_file"),
        ("[card]\nstate = \"pin\"\ntries = 1\n", Some("1234"), "(1 try left)"),
        ("[card]\nstate = \"puk\"\n", Some("1234"), "unlock it in a telephone"),
        ("[card]\nstate = \"absent\"\n", Some("1234"), "insert one, or reseat it"),
    ] {
        let sim = sim(script);
        let pin = pin.map(|digits| Secret::new(String::from(digits)));
        let (modem, _notices) = start(Settings { pin, ..settings(sim.port(0)) });
        stands(&modem, State::Blocked, sentence).await;
        // The state is checked again, and no PIN is tried again.
        let before = sim.commands(0).iter().filter(|seen| seen.line == "AT+CPIN?").count();
        told(&sim, "AT+CPIN?", before + 3).await;
        let tried = sim.commands(0).iter().filter(|seen| seen.line.starts_with("AT+CPIN=")).count();
        assert_eq!(tried, usize::from(sentence.contains("right one in pin_file")), "{sentence}");
        let outcome = send(&modem).await;
        assert!(
            // A modem without a SIM is restarted in the meantime, and may have no port for a moment.
            matches!(&outcome, Outcome::NotStarted { reason, .. }
                if reason.contains(sentence) || script.contains("absent")),
            "{sentence}: {outcome:?}"
        );
        modem.stop(Duration::ZERO).await;
    }
}

const NOTHING: &str = "wrong port of the modem, wrong baud, or the modem hangs";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_wrong_baud() {
    // Octets that are read at another speed than they were written at: they make no result, and now and then a
    // line's end.
    let sim = sim(
        "[line]\nafter = \"\\u00e1x\\n\"\n[[unsolicited]]\nat = \"every\"\nevery_ms = 10\nlines = [\"\\u00e9~ \\u00f8\"]\n",
    );
    sim.hang(0);
    let (modem, _notices) = start(settings(sim.port(0)));
    let seen = stands(&modem, State::Recovering, NOTHING).await;
    assert!(seen.last_error.as_ref().unwrap().contains("at 115200 baud"));
    assert!(seen.counters.dropped_lines > 0, "{seen:?}");
    modem.stop(Duration::ZERO).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_device_that_answers_nothing() {
    let sim = sim("");
    sim.hang(0);
    let (modem, _notices) = start(settings(sim.port(0)));
    stands(&modem, State::Recovering, NOTHING).await;
    assert!(matches!(send(&modem).await, Outcome::NotStarted { .. }));
    // The modem works again.
    sim.unhang(0);
    works(&modem).await;
    let told = modem.snapshot().borrow().last_error.clone().unwrap_or_default();
    assert!(told.contains("brought it back after"), "{told}");
    modem.stop(Duration::ZERO).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_echo_that_stays_and_errors_without_numbers() {
    for script in ["[line]\necho_stays = true\n", "refused = [\"E\"]\n", "refused = [\"+CMEE\"]\n"] {
        let sim = sim(script);
        let (modem, mut notices) = start(settings(sim.port(0)));
        works(&modem).await;
        sim.deliver(0, "+41791234567", "hello");
        take(&modem, &mut notices, 1).await;
        let seen = ready(&modem).await;
        assert_eq!((seen.last_error, seen.counters.resyncs), (None, 0), "{script}");
        modem.stop(Duration::ZERO).await;
    }
    // Without numbers a missing SIM is an ERROR like any other; the consequence is reported.
    let sim =
        sim("refused = [\"+CMEE\"]\n[card]\nstate = \"absent\"\n[[network.registration]]\nstatus = 0\n");
    let (modem, _notices) = start(settings(sim.port(0)));
    stands(&modem, State::Starting, "check antenna, SIM").await;
    modem.stop(Duration::ZERO).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_port_that_another_process_holds() {
    let sim = sim("");
    let mut holder = LockingProcess::start(&sim.port(0));
    let (modem, _notices) = start(settings(sim.port(0)));
    let seen = stands(&modem, State::Absent, "is held by").await;
    let said = seen.last_error.unwrap();
    assert!(said.contains(&format!("(process {})", holder.0.id())), "{said}");
    assert!(sim.commands(0).is_empty(), "nothing is written into another program's dialogue");
    holder.end();
    works(&modem).await;
    modem.stop(Duration::ZERO).await;
}

/// Another process with the port open and locked.
struct LockingProcess(Child);

impl LockingProcess {
    fn start(port: &std::path::Path) -> Self {
        let hold = format!("exec 3<>'{}' && flock 3 && echo held && read -r end", port.display());
        let mut child = Command::new("sh")
            .args(["-c", &hold])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("a shell");
        let mut said = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut said).unwrap();
        assert_eq!(said, "held\n");
        Self(child)
    }

    fn end(&mut self) {
        drop(self.0.stdin.take());
        self.0.wait().unwrap();
    }
}

impl Drop for LockingProcess {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A daemon with a SIM that has a PIN.
fn rig(script: &str, pin: &str) -> Rig {
    let rig = Rig::prepare(1, Script::parse("pin", script).unwrap(), "");
    put_pin(&rig, pin);
    rig
}

fn put_pin(rig: &Rig, pin: &str) {
    let path = rig.dir.path().join("pin");
    std::fs::write(&path, format!("{pin}\n")).unwrap();
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600)).unwrap();
}

fn tried(rig: &Rig) -> Vec<String> {
    let seen = rig.sim.commands(0).into_iter().map(|seen| seen.line);
    seen.filter(|line| line.starts_with("AT+CPIN=")).collect()
}

async fn blocked(rig: &Rig, sentence: &str) {
    rig.modems_are("blocked").await;
    let modems = get(&rig.client(), "/v1/modems").await;
    let said = modems["modems"][0]["last_error"].as_str().unwrap().to_owned();
    assert!(said.contains(sentence), "{said}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_wrong_pin_is_tried_once_whatever_restarts() {
    let mut rig = rig("[card]\nstate = \"pin\"\npin = \"4711\"\n", "9512");
    let extra = format!("pin_file = \"{}\"\n", rig.dir.path().join("pin").display());
    rig.rewrite(&extra);
    for _ in 0..3 {
        rig.launch();
        blocked(&rig, "not tried again").await;
        assert_eq!(tried(&rig), ["AT+CPIN=\"9512\""]);
        rig.kill();
    }
    // Another PIN in the file is another try; the first one is not forgotten because of it.
    for (pin, count) in [("8623", 2), ("9512", 2)] {
        put_pin(&rig, pin);
        rig.launch();
        blocked(&rig, "").await;
        assert_eq!(tried(&rig).len(), count, "{pin}");
        rig.kill();
    }
    // The SIM has one try left by now: a person resets the tries.
    rig.sim.unplug(0);
    put_pin(&rig, "4711");
    rig.launch();
    rig.modems_are("absent").await;
    rig.kill();
    for (path, octets) in crate::daemon_support::files(&rig.dir.path().join("state")) {
        for pin in [&b"9512"[..], b"8623", b"4711"] {
            // Four digits may occur anywhere by chance; with the head of the note before them they do not.
            let beside = octets.windows(64).any(|w| w.starts_with(b"tried ") && has(&w[38..], pin));
            assert!(!beside, "{}", path.display());
        }
    }
    let logs = rig.logs();
    assert!(logs.contains("CPIN="), "the trace shows the try");
    for pin in ["\"9512\"", "\"8623\"", "\"4711\""] {
        assert!(!logs.contains(pin), "a PIN in the log");
    }
}

fn has(octets: &[u8], part: &[u8]) -> bool {
    octets.windows(part.len()).any(|w| w == part)
}

/// A SIM whose name is answered at one start and not at the next is the same SIM.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_wrong_pin_is_tried_once_whichever_name_answers() {
    let silent = |command: &str, mark: &str| {
        format!("[[answer]]\ncommand = \"{command}\"\nresult = \"ERROR\"\n{mark}\n")
    };
    // Each answer changes when a start is over: the first PIN is being tried then.
    let [first, later] = ["unless = \"tried\"", "times = 1"];
    for script in [
        silent("AT+CCID", first),
        silent("AT+CCID", first) + &silent("AT+CGSN", later),
        silent("AT+CGSN", first) + &silent("AT+CCID", "times = 2"),
    ] {
        let given = "[[answer]]\ncommand = \"AT+CPIN=*\"\nusual = true\nset = { mark = \"tried\" }\n";
        let card = "[card]\nstate = \"pin\"\npin = \"4711\"\n";
        let mut rig = rig(&format!("{card}{given}{script}"), "9512");
        let extra = format!("pin_file = \"{}\"\n", rig.dir.path().join("pin").display());
        rig.rewrite(&extra);
        for _ in 0..3 {
            rig.launch();
            blocked(&rig, "not tried again").await;
            assert_eq!(tried(&rig), ["AT+CPIN=\"9512\""], "{script}");
            rig.kill();
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_crash_while_a_pin_is_tried_tries_it_not_again() {
    let silent =
        "[card]\nstate = \"pin\"\npin = \"4711\"\n[[answer]]\ncommand = 'AT+CPIN=\"4711\"'\nresult = \"\"\n";
    let mut rig = rig(silent, "4711");
    let extra = format!("pin_file = \"{}\"\n", rig.dir.path().join("pin").display());
    rig.rewrite(&extra);
    rig.launch();
    told(&rig.sim, "AT+CPIN=", 1).await;
    rig.kill();
    rig.launch();
    blocked(&rig, "not tried again").await;
    assert_eq!(tried(&rig).len(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_right_pin_is_given_at_every_start() {
    let mut rig = rig("[card]\nstate = \"pin\"\npin = \"4711\"\n", "4711");
    let extra = format!("pin_file = \"{}\"\n", rig.dir.path().join("pin").display());
    rig.rewrite(&extra);
    for start in 1..=2 {
        rig.launch();
        rig.modems_are("ready").await;
        rig.kill();
        assert_eq!(tried(&rig).len(), start);
        // The SIM is locked again after it had no power.
        rig.sim.unplug(0);
        rig.sim.plug(0).unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_arrives_is_in_no_log() {
    let stored = "[[storage.message]]\nmemory = \"SM\"\npdu = \"00040B911497214365F7000052111010000040\
                  05C8329BFD06\"\n";
    let rig = Rig::start(1, Script::parse("inbound", stored).unwrap(), "");
    rig.modems_are("ready").await;
    told(&rig.sim, "AT+CMGL=4", 1).await;
    rig.sim.deliver(0, "+41797654321", "Quetzalcoatl 918273");
    let read = async {
        loop {
            let logs = rig.logs();
            // The message's own line follows the line before it, without a character of the message.
            if logs.split_once("< +CMGR: ").is_some_and(|(_, rest)| rest.contains("characters]")) {
                return logs;
            }
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    };
    let logs = timeout(LIMIT, read).await.expect("the trace shows the reading");
    assert!(logs.contains("< +CMGL: 1,0,,"), "the trace shows the listing too");
    let ucs2 = "00510075006500740007A";
    let hidden = ["C8329BFD06", "1497214365F7", &ucs2[..16], "1497674523F1", "Quetzal", "918273", "797654"];
    for part in hidden {
        assert!(!logs.contains(part), "{part} in the log");
    }
}
