//! Asking a port what it is: every family of the simulator, and ports that do not answer as they should.

use std::fs::{File, OpenOptions};
use std::io::{Read as _, Write as _};
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::time::Duration;

use gsm_modem::at::{Domain, Registration};
use gsm_modem::ports::{self, Answers, AskError, Obstacle, ProbeTiming, Root, SimState};
use gsm_sim::{Fault, FaultKind, Options, Point, Script, Sim};
use rustix::termios::{OptionalActions, tcgetattr, tcsetattr};

use crate::sim_wire::{Named, Wire, pty};

fn patience() -> ProbeTiming {
    ProbeTiming {
        attention: Duration::from_secs(2),
        command: Duration::from_secs(5),
        again: Duration::from_millis(20),
        ..ProbeTiming::usb()
    }
}

/// Asks from a runtime of its own.
fn ask(port: &Path, patience: &ProbeTiming) -> Result<Answers, AskError> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(ports::ask(&Root::system(), port, patience))
}

fn start(script: &str) -> Sim {
    let script = Script::parse("test", script).unwrap();
    Sim::start(Options { script, ..Options::default() }).unwrap()
}

#[test]
fn every_family_is_known_and_nothing_is_changed() {
    for (family, _) in Script::BUILT_IN {
        let _named = Named(family);
        let script = Script::built_in(family).unwrap();
        let identity = script.identity.clone();
        let domains = script.network.domains.len();
        let memories = script.storage.memories.clone();
        let sim = Sim::start(Options { script, ..Options::default() }).unwrap();
        let answers = ask(&sim.port(0), &patience()).unwrap_or_else(|e| panic!("{e}"));
        assert_eq!(answers.baud, 115_200);
        assert_eq!(answers.manufacturer, identity.manufacturer);
        assert_eq!(answers.model, identity.model);
        assert_eq!(answers.firmware, identity.firmware);
        assert_eq!(answers.imei.as_deref(), Some(identity.imei.as_str()));
        assert_eq!(answers.sim, SimState::Ready);
        assert_eq!(answers.imsi.as_deref(), Some(identity.imsi.as_str()));
        // The K3565-Z has no command for the number.
        let iccid = (family != "zte").then_some(identity.iccid.as_str());
        assert_eq!(answers.iccid.as_deref(), iccid);
        assert_eq!(answers.registrations.len(), domains);
        assert!(answers.signal_dbm.is_some_and(|dbm| (-113..=-51).contains(&dbm)));
        let pdu_mode = family != "text-mode-only";
        assert_eq!((answers.messaging.pdu_mode, answers.messaging.text_mode), (Some(pdu_mode), Some(true)));
        assert_eq!(answers.messaging.storages, memories);
        assert!(answers.messaging.new_messages.is_some());
        assert_eq!(answers.messaging.service_centre.as_deref(), Some(identity.smsc.as_str()));
        assert_eq!(answers.stopped_at, None);

        let sent: Vec<_> = sim.commands(0).into_iter().map(|seen| seen.line).collect();
        let changes =
            |line: &str| line.contains('=') && !line.ends_with("=?") && !line.starts_with("AT+CMEE=");
        assert!(!sent.iter().any(|line| changes(line)), "{sent:?}");
        assert!(!sent.iter().any(|line| line.contains("ATE") || line.contains("+CFUN")), "{sent:?}");
        assert_eq!(sent.last().map(String::as_str), Some("AT+CMEE=0"), "errors are set back");
    }
}

#[test]
fn a_registered_modem_tells_its_network() {
    let sim = start("[network]\noperator = \"Freie Welle\"\ncsq = 20\ndomains = [\"CREG\", \"CEREG\"]\n");
    sim.set_registration(0, 5);
    let answers = ask(&sim.port(0), &patience()).unwrap();
    assert_eq!(
        answers.registrations,
        [(Domain::Cs, Registration::Roaming), (Domain::Eps, Registration::Roaming)]
    );
    assert_eq!(answers.registration(), Registration::Roaming);
    assert_eq!((answers.operator.as_deref(), answers.signal_dbm), (Some("Freie Welle"), Some(-73)));
}

#[test]
fn a_modem_in_5g_alone_is_registered() {
    let sim =
        start("[network]\ndomains = []\n[[answer]]\ncommand = \"AT+C5GREG?\"\nlines = [\"+C5GREG: 0,1\"]\n");
    let answers = ask(&sim.port(0), &patience()).unwrap();
    assert_eq!(answers.registrations, [(Domain::FiveG, Registration::Home)]);
}

#[test]
fn results_as_numbers_and_no_results_are_understood() {
    let numbers = start("");
    let mut wire = Wire::open(&numbers.port(0));
    wire.write("ATV0\r");
    wire.until("0\r");
    drop(wire);
    let answers = ask(&numbers.port(0), &patience()).unwrap();
    assert_eq!((answers.model.as_str(), answers.stopped_at), ("SIM-27005", None));
    let sent: Vec<_> = numbers.commands(0).into_iter().map(|seen| seen.line).collect();
    assert_eq!(sent.last().map(String::as_str), Some("ATV0"), "results are numbers again: {sent:?}");

    let quiet = start("");
    let mut wire = Wire::open(&quiet.port(0));
    wire.write("ATQ1\rAT+CGMM\r");
    wire.until("SIM-27005");
    drop(wire);
    let answers = ask(&quiet.port(0), &patience()).unwrap();
    assert_eq!((answers.model.as_str(), answers.stopped_at), ("SIM-27005", None));
}

#[test]
fn sims_that_want_something_are_left_alone() {
    for (state, wanted) in [("pin", SimState::Pin), ("puk", SimState::Puk), ("absent", SimState::Absent)] {
        let sim = start(&format!("[card]\nstate = \"{state}\"\n"));
        let answers = ask(&sim.port(0), &patience()).unwrap();
        assert_eq!(answers.sim, wanted, "{state}");
        assert!(!sim.commands(0).iter().any(|seen| seen.line.starts_with("AT+CPIN=")), "{state}");
        assert!(answers.imei.is_some(), "{state}");
    }
    let sim = start("[[answer]]\ncommand = \"AT+CPIN?\"\ntimes = 3\nresult = \"+CME ERROR: 14\"\n");
    assert_eq!(ask(&sim.port(0), &patience()).unwrap().sim, SimState::Ready, "a busy SIM is waited for");
}

#[test]
fn a_sim_without_service_centre_and_one_unanswered_question() {
    let sim = start(
        "[identity]\nsmsc = \"\"\n[[answer]]\ncommand = \"AT+CIMI\"\nresult = \"\"\n\
         [[unsolicited]]\nat = \"before-answer\"\nlines = [\"+CMT: ,23\", \"0791\"]\n",
    );
    let quick = ProbeTiming { command: Duration::from_millis(700), ..patience() };
    let answers = ask(&sim.port(0), &quick).unwrap();
    assert_eq!(answers.imsi, None);
    assert_eq!(answers.messaging.service_centre.as_deref(), Some(""));
    assert_eq!(answers.stopped_at, None);
    assert_eq!(answers.model, "SIM-27005", "a message that arrives is not an answer");
}

#[test]
fn a_modem_left_in_a_prompt_is_freed() {
    let sim = start("");
    let mut wire = Wire::open(&sim.port(0));
    wire.write("AT+CMGS=18\r");
    wire.until("> ");
    drop(wire);
    assert_eq!(ask(&sim.port(0), &patience()).unwrap().model, "SIM-27005");
    assert_eq!(sim.received(), 0);
}

#[test]
fn silence_noise_and_hang_up_are_three_things() {
    let quick = ProbeTiming { attention: Duration::from_millis(300), ..patience() };
    let sim = start("");
    sim.hang(0);
    let silent = |noise| Err(AskError::Silent { bauds: vec![115_200], noise });
    assert_eq!(ask(&sim.port(0), &quick), silent(false));
    sim.inject(0, "$GPGSV,1,1,00*79\r\n");
    assert_eq!(ask(&sim.port(0), &quick), silent(true));
    let said = AskError::Silent { bauds: vec![115_200, 9600], noise: true }.to_string();
    assert!(said.contains("115200, 9600 baud") && said.contains("another port"), "{said}");

    let sim = start("");
    sim.fault(0, Fault::new(FaultKind::HangUp(None)).at(Point::Command).times(1));
    assert!(matches!(ask(&sim.port(0), &quick), Err(AskError::Lost(_))));

    let sim = start("[[fault]]\nkind = \"hang\"\nat = \"command\"\nevery = 8\n");
    let quick = ProbeTiming { command: Duration::from_millis(300), ..quick };
    let answers = ask(&sim.port(0), &quick).unwrap();
    assert!(answers.stopped_at.is_some() && !answers.manufacturer.is_empty(), "{answers:?}");
}

#[test]
fn what_is_no_port_is_refused_unopened() {
    let file = tempfile::NamedTempFile::new().unwrap();
    let not_a_port = AskError::InTheWay(Obstacle::NotAPort { port: file.path().to_owned() });
    assert_eq!(ask(file.path(), &patience()), Err(not_a_port));
    let absent = file.path().with_extension("absent");
    assert_eq!(ask(&absent, &patience()), Err(AskError::InTheWay(Obstacle::Absent { port: absent.clone() })));
    assert!(!absent.exists(), "a port is never made");
}

#[test]
fn a_port_that_somebody_holds_is_refused_with_the_name() {
    let sim = start("");
    let port = sim.port(0);
    let held = OpenOptions::new().read(true).write(true).open(&port).unwrap();
    held.try_lock().unwrap();
    let Err(AskError::Unopened(said)) = ask(&port, &patience()) else { panic!("it was opened") };
    assert!(said.contains(&format!("(process {})", std::process::id())), "{said}");
    assert!(sim.commands(0).is_empty(), "nothing was written");
    drop(held);
    assert!(ask(&port, &patience()).is_ok());
}

/// The modem's side of a line, and the port's.
struct Line {
    master: OwnedFd,
    slave: File,
    path: PathBuf,
}

fn line() -> Line {
    let (master, path) = pty();
    let slave = OpenOptions::new().read(true).write(true).open(&path).unwrap();
    let mut settings = tcgetattr(&slave).unwrap();
    settings.make_raw();
    tcsetattr(&slave, OptionalActions::Now, &settings).unwrap();
    Line { master, slave, path }
}

/// A modem that writes what `answer` returns for each line, without the line's end, for as long as the port is open.
fn modem(master: OwnedFd, end: u8, mut answer: impl FnMut(&[u8]) -> Vec<u8> + Send + 'static) {
    std::thread::spawn(move || {
        let mut master = File::from(master);
        let mut octets = [0; 256];
        let mut line = Vec::new();
        while let Ok(count @ 1..) = master.read(&mut octets) {
            for &octet in &octets[..count] {
                if octet == end {
                    let said = answer(&line);
                    line.clear();
                    // The asking side may be gone.
                    let _ = master.write_all(&said);
                } else {
                    line.push(octet);
                }
            }
        }
    });
}

#[test]
fn a_modem_that_waits_for_a_line_feed_is_found() {
    let Line { master, slave, path } = line();
    modem(master, b'\n', |line| {
        let known = line.ends_with(b"AT+CGMM\r");
        if known { b"\r\nRocket\r\n\r\nOK\r\n".to_vec() } else { b"\r\nOK\r\n".to_vec() }
    });
    assert_eq!(ask(&path, &patience()).unwrap().model, "Rocket");
    drop(slave);
}

#[test]
fn a_question_that_was_lost_is_asked_again() {
    let Line { master, slave, path } = line();
    // The modem loses the first command that is not a plain call.
    let mut lost = false;
    modem(master, b'\r', move |line| match line.trim_ascii() {
        b"AT+CGMM" => b"\r\nRocket\r\n\r\nOK\r\n".to_vec(),
        [b'A', b'T', b'+', ..] if !std::mem::replace(&mut lost, true) => Vec::new(),
        _ => b"\r\nERROR\r\n".to_vec(),
    });
    let quick = ProbeTiming { command: Duration::from_millis(500), ..patience() };
    assert_eq!(ask(&path, &quick).unwrap().model, "Rocket");
    drop(slave);
}

#[test]
fn a_serial_line_is_tried_at_other_speeds() {
    let Line { master, slave, path } = line();
    let watched = slave.try_clone().unwrap();
    let modem = std::thread::spawn(move || {
        let mut master = File::from(master);
        let mut octets = [0; 256];
        let mut line = Vec::new();
        // The loop ends when no program has the port open any more.
        while let Ok(count @ 1..) = master.read(&mut octets) {
            for &octet in &octets[..count] {
                line.push(octet);
                if octet == b'\r' {
                    let speed = tcgetattr(&watched).unwrap().output_speed();
                    let answer: &[u8] = if speed == 9600 { b"\r\nOK\r\n" } else { b"\xf0\x80" };
                    master.write_all(answer).unwrap();
                    // The last question: the modem answers no AT+CMEE?, so nothing is set back.
                    if line.starts_with(b"AT+CSCA?") {
                        return master;
                    }
                    line.clear();
                }
            }
        }
        master
    });
    let patience = ProbeTiming {
        attention: Duration::from_millis(400),
        bauds: vec![115_200, 57_600, 9600, 19_200],
        ..patience()
    };
    let answers = ask(&path, &patience).unwrap();
    assert_eq!((answers.baud, answers.manufacturer.as_str()), (9600, ""));
    drop((modem.join().unwrap(), slave));
}

#[test]
fn a_line_with_nobody_behind_it_is_silent_at_every_speed() {
    let Line { master, slave, path } = line();
    let patience =
        ProbeTiming { attention: Duration::from_millis(100), bauds: vec![115_200, 9600], ..patience() };
    assert_eq!(ask(&path, &patience), Err(AskError::Silent { bauds: vec![115_200, 9600], noise: false }));
    assert_eq!(ProbeTiming::of(&path, &[]), ProbeTiming::usb(), "a pty has no speed");
    assert!(ProbeTiming::uart().bauds.starts_with(&[115_200, 9600, 19_200, 57_600, 460_800]));
    drop((master, slave));
}
