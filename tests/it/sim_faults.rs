//! The faults of the simulated modem, over a real pty.

use std::collections::BTreeSet;
use std::fs::File;
use std::time::{Duration, Instant};

use gsm_sim::{Fault, FaultKind, Options, Point, Script, ScriptError, Sim};

use crate::sim_wire::{HELLO, LONG, Wire, one};

#[test]
fn failures_and_lost_results() {
    let (sim, mut wire) = one("");
    sim.fail_next(0, 2, 38);
    for _ in 0..2 {
        assert_eq!(wire.hello("\r\n+CMS ERROR: 38\r\n"), "\r\n+CMS ERROR: 38\r\n");
    }
    assert_eq!(sim.received(), 0);
    sim.lose_ok(0, 1);
    assert_eq!(wire.hello("+CMGS: 1\r\n"), "\r\n+CMGS: 1\r\n");
    assert_eq!(wire.ask("AT+CSQ"), "\r\n+CSQ: 20,99\r\n\r\nOK\r\n", "no OK of the message comes late");
    sim.lose_result(0, 1);
    wire.prompt();
    wire.write(&format!("{HELLO}\u{1a}"));
    assert!(sim.wait_for(2, LONG));
    assert_eq!(wire.ask("AT"), "\r\nOK\r\n", "the next answer is the next command's");
    assert_eq!(wire.hello("OK\r\n"), "\r\n+CMGS: 3\r\n\r\nOK\r\n");
}

#[test]
fn bare_ok_with_and_without_a_message() {
    let (sim, mut wire) = one("");
    sim.fault(0, Fault::new(FaultKind::OkWithoutReference).times(1));
    assert_eq!(wire.hello("OK\r\n"), "\r\nOK\r\n");
    assert_eq!(sim.received(), 1);
    sim.fault(0, Fault::new(FaultKind::OkWithoutReference).at(Point::Body));
    assert_eq!(wire.hello("OK\r\n"), "\r\nOK\r\n");
    assert_eq!(sim.received(), 1);
    sim.clear_faults(0);
    assert_eq!(wire.hello("OK\r\n"), "\r\n+CMGS: 2\r\n\r\nOK\r\n");
}

#[test]
fn a_late_result_comes_between_other_answers() {
    let (sim, mut wire) = one("");
    sim.fault(0, Fault::new(FaultKind::LateResult(Duration::from_millis(150))));
    wire.prompt();
    wire.write(&format!("{HELLO}\u{1a}AT+CSQ\r"));
    assert_eq!(wire.until("OK\r\n"), "\r\n+CSQ: 20,99\r\n\r\nOK\r\n");
    assert_eq!(wire.until("OK\r\n"), "\r\n+CMGS: 1\r\n\r\nOK\r\n");
}

#[test]
fn commands_refused_unanswered_and_garbled() {
    let (sim, mut wire) = one("");
    sim.fault(0, Fault::new(FaultKind::Refuse("BUSY".to_owned())).times(1));
    wire.write("AT+CSQ\r");
    assert_eq!(wire.until("BUSY\r\n"), "\r\nBUSY\r\n");
    sim.fault(0, Fault::new(FaultKind::LoseOk).at(Point::Command).times(1));
    wire.write("AT+CSQ\r");
    assert_eq!(wire.until("99\r\n"), "\r\n+CSQ: 20,99\r\n");
    sim.fault(0, Fault::new(FaultKind::Garbage(b"~~".to_vec())).times(1));
    assert_eq!(wire.ask("AT"), "~~\r\nOK\r\n");
    sim.fault(0, Fault::new(FaultKind::NoPrompt).times(1));
    wire.write("AT+CMGS=18\rAT\r");
    assert_eq!(wire.until("OK\r\n"), "\r\nOK\r\n", "neither prompt nor error");
    // The answer is lost and the modem waits at a prompt that the program does not see.
    sim.fault(0, Fault::new(FaultKind::LoseResult).at(Point::Command).times(1));
    wire.write("AT+CMGS=18\rAT\rAT\r\u{1b}");
    assert_eq!(wire.until("OK\r\n"), "\r\nOK\r\n");
    wire.hello("OK\r\n");
    assert_eq!(sim.received(), 1);
}

#[test]
fn a_hang_ends_and_swallows_what_was_written() {
    let (sim, mut wire) = one("[[unsolicited]]\nat = \"every\"\nevery_ms = 5\nlines = [\"^RSSI:{csq}\"]");
    sim.hang(0);
    wire.write("AT+CGMI\r");
    // Unsolicited lines go on: the port works, commands do not.
    for _ in 0..3 {
        wire.until("^RSSI:20\r\n");
    }
    sim.unhang(0);
    let answer = wire.ask("AT+CGMM");
    assert!(answer.contains("SIM-27005") && !answer.contains("Simulated"), "{answer}");
    sim.fault(0, Fault::new(FaultKind::Hang(Some(Duration::from_millis(30)))).at(Point::Command).times(1));
    wire.write("AT\r");
    let deadline = Instant::now() + LONG;
    loop {
        wire.write("AT+CGMI\r");
        if wire.until("^RSSI:20\r\n").contains("OK") {
            break;
        }
        assert!(Instant::now() < deadline);
    }
}

#[test]
fn a_modem_is_pulled_out_and_plugged_in() {
    let dir = tempfile::tempdir().unwrap();
    let sim =
        Sim::start(Options { dir: Some(dir.path().to_owned()), modems: 2, ..Options::default() }).unwrap();
    let link = dir.path().join("modem1");
    assert_eq!(sim.port(1), link);
    assert_eq!(std::fs::read_link(&link).ok(), sim.device(1));
    let mut wire = Wire::open(&link);
    wire.ask("ATE0");
    sim.unplug(1);
    assert_eq!(wire.until_hang_up(), "");
    assert!(link.symlink_metadata().is_err());
    assert_eq!(sim.device(1), None);
    sim.plug(1).unwrap();
    sim.plug(1).unwrap();
    let mut wire = Wire::open(&link);
    assert_eq!(wire.ask("AT"), "AT\r\r\nOK\r\n", "the echo is on again");
    wire.hello("+CMGS: 1\r\n");
    drop(sim);
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0, "no link is left behind");
}

#[test]
fn a_port_is_never_that_of_another_modem() {
    let sim = Sim::start(Options::default()).unwrap();
    let port = sim.port(0);
    sim.unplug(0);
    // The kernel gives these ptys the numbers that are free now.
    let others = Sim::start(Options { modems: 3, ..Options::default() }).unwrap();
    assert!(File::open(&port).is_err(), "nothing is there before the modem is back");
    sim.plug(0).unwrap();
    assert_eq!(std::fs::canonicalize(&port).ok(), sim.device(0));
    let folder = port.parent().unwrap();
    drop((sim, others));
    assert!(!folder.exists(), "its own folder ends with it");
}

#[test]
fn a_port_taken_by_a_program_that_was_killed_is_free_again() {
    let sim = Sim::start(Options::default()).unwrap();
    for _ in 0..2 {
        let mut wire = Wire::open(&sim.port(0));
        // This state is left by SIGKILL. Root may open the port in spite of it, so the test can fail only for
        // other users.
        rustix::termios::ioctl_tiocexcl(wire.file()).unwrap();
        wire.ask("AT");
    }
}

#[test]
fn a_link_does_not_replace_a_file() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("modem0"), "mine").unwrap();
    let started = Sim::start(Options { dir: Some(dir.path().to_owned()), ..Options::default() });
    assert!(started.is_err());
    assert_eq!(std::fs::read_to_string(dir.path().join("modem0")).unwrap(), "mine");
}

#[test]
fn it_hangs_up_by_itself_and_comes_back() {
    let dir = tempfile::tempdir().unwrap();
    let script =
        Script::parse("test", "[[fault]]\nkind = \"hang-up\"\nat = \"accepted\"\nafter_ms = 20\ntimes = 1")
            .unwrap();
    let options = Options { dir: Some(dir.path().to_owned()), script, ..Options::default() };
    let sim = Sim::start(options).unwrap();
    let mut wire = Wire::open(&sim.port(0));
    wire.ask("ATE0");
    wire.prompt();
    wire.write(&format!("{HELLO}\u{1a}"));
    assert_eq!(wire.until_hang_up(), "", "the message was sent, and the modem does not report it");
    assert_eq!(sim.received(), 1);
    let deadline = Instant::now() + LONG;
    while sim.device(0).is_none() {
        assert!(Instant::now() < deadline);
        std::thread::yield_now();
    }
    Wire::open(&sim.port(0)).hello("+CMGS: 2\r\n");
}

#[test]
fn cfun_1_1_restarts_the_modem() {
    let ready = "[[unsolicited]]\nat = \"start\"\nlines = [\"RDY\"]\n[timing]\nrestart_ms = ";
    let start = |restart: &str| {
        let script = Script::parse("test", &format!("{ready}{restart}")).unwrap();
        let sim = Sim::start(Options { script, ..Options::default() }).unwrap();
        let mut wire = Wire::open(&sim.port(0));
        assert_eq!(wire.until("RDY\r\n"), "\r\nRDY\r\n");
        wire.ask("ATE0");
        wire.write("AT+CFUN=1,1\r");
        (sim, wire)
    };
    let (sim, mut wire) = start("10");
    wire.until_hang_up();
    let deadline = Instant::now() + LONG;
    while sim.device(0).is_none() {
        assert!(Instant::now() < deadline);
        std::thread::yield_now();
    }
    assert_eq!(Wire::open(&sim.port(0)).until("RDY\r\n"), "\r\nRDY\r\n");
    let (_sim, mut wire) = start("0");
    assert_eq!(wire.until("RDY\r\n"), "\r\nOK\r\n\r\nRDY\r\n");
    assert_eq!(wire.ask("AT"), "AT\r\r\nOK\r\n");
}

#[test]
fn unsolicited_lines_at_every_point() {
    let moments = ["before-echo", "before-answer", "before-prompt", "before-reference", "after-ok"];
    let entry = |at: &&str| format!("[[unsolicited]]\nat = \"{at}\"\nlines = [\"+URC: {at}\"]");
    let script = moments.iter().map(entry).collect::<Vec<_>>().join("\n");
    let (_sim, mut wire) = one(&script);
    wire.until("+URC: after-ok\r\n");
    wire.write("AT+CSQ\r");
    assert_eq!(
        wire.until("+URC: after-ok\r\n"),
        "\r\n+URC: before-echo\r\n\r\n+URC: before-answer\r\n\r\n+CSQ: 20,99\r\n\r\nOK\r\n\r\n+URC: after-ok\r\n"
    );
    wire.write("AT+CMGS=18\r");
    let prompted = wire.until("> ");
    assert!(prompted.ends_with("\r\n+URC: before-prompt\r\n\r\n> "), "{prompted:?}");
    wire.write(&format!("{HELLO}\u{1a}"));
    let sent = wire.until("OK\r\n");
    assert_eq!(sent, "\r\n+URC: before-reference\r\n\r\n+CMGS: 1\r\n\r\nOK\r\n");
    let (sim, mut wire) = one("");
    wire.write("AT+C");
    sim.inject(0, "\r\n+CREG: 1\r\n");
    assert_eq!(wire.until("+CREG: 1\r\n"), "\r\n+CREG: 1\r\n");
    wire.write("SQ\r");
    wire.until("+CSQ: 20,99\r\n");
}

#[test]
fn output_comes_in_pieces() {
    let (sim, mut wire) = one("[line]\npieces = [1, 3]\npiece_gap_us = 50");
    assert_eq!(wire.ask("AT+CGMI"), "\r\nSimulated\r\n\r\nOK\r\n");
    assert_eq!(wire.hello("OK\r\n"), "\r\n+CMGS: 1\r\n\r\nOK\r\n");
    assert_eq!(sim.received(), 1);
}

#[test]
fn framing_quirks() {
    let script = "[line]\nbefore = \"\"\nafter = \"\\r\\r\\n\"\necho_stays = true";
    let script = Script::parse("test", script).unwrap();
    let sim = Sim::start(Options { script, ..Options::default() }).unwrap();
    let mut wire = Wire::open(&sim.port(0));
    wire.write("ATE0\r");
    assert_eq!(wire.until("\n"), "ATE0\rOK\r\r\n");
    wire.write("AT+CGMI;+CSQ;E0\r");
    assert_eq!(wire.until("OK\r\r\n"), "AT+CGMI;+CSQ;E0\rSimulated\r\r\n+CSQ: 20,99\r\r\nOK\r\r\n");
}

#[test]
fn the_same_seed_gives_the_same_faults() {
    let script = "[[fault]]\nkind = \"cms-error\"\ncode = 42\nprobability = 0.5";
    let run = |seed| {
        let script = Script::parse("test", script).unwrap();
        let sim = Sim::start(Options { script, seed, ..Options::default() }).unwrap();
        let mut wire = Wire::open(&sim.port(0));
        wire.ask("ATE0");
        (0..40)
            .map(|_| {
                let answer = wire.hello("\r\n") + &wire.until("\r\n");
                if answer.contains("+CMGS") {
                    wire.until("OK\r\n");
                }
                answer.contains("ERROR")
            })
            .collect::<Vec<_>>()
    };
    let first = run(5);
    assert_eq!(first, run(5));
    assert_eq!(first.iter().collect::<BTreeSet<_>>().len(), 2, "some fail and some do not");
    assert_ne!(first, run(6));
}

#[test]
fn a_twin_is_dropped_where_the_network_does_that() {
    let (sim, mut wire) = one("[network]\nrejects_duplicates = true");
    let mut send = |pdu: &str, end: &str| {
        wire.prompt();
        wire.write(&format!("{pdu}\u{1a}"));
        wire.until(end)
    };
    let twin = HELLO.replacen("0001", "0005", 1);
    assert_eq!(send(&twin, "OK\r\n"), "\r\n+CMGS: 1\r\n\r\nOK\r\n");
    assert_eq!(send(&twin, "197\r\n"), "\r\n+CMS ERROR: 197\r\n");
    assert_eq!(sim.received(), 1);
}

#[test]
fn a_bad_script_says_where_and_what() {
    for (text, line, wanted) in [
        ("[identity]\nmodle = \"x\"", 2, "unknown field `modle`"),
        ("[timing]\nair_ms = [9, 1]", 2, "swap the two"),
        ("[timing]\nair_ms = \"long\"", 2, "expected milliseconds"),
        ("name = \"x\"\n\n[[fault]]\nkind = \"cms-error\"\n", 3, "needs code"),
        ("[[fault]]\nkind = \"no-prompt\"\nat = \"body\"", 1, "happens at prompt only"),
        ("[[fault]]\nkind = \"explode\"", 2, "unknown variant `explode`"),
        ("[[fault]]\nkind = \"lose-ok\"\nprobability = 2.0", 3, "from 0.0 to 1.0"),
        ("[[unsolicited]]\nat = \"every\"\nlines = []", 1, "needs every_ms"),
        ("name = ", 1, ""),
        ("[storage]\nmemories = []", 1, "memories needs at least one"),
    ] {
        match Script::parse("bad.toml", text) {
            Err(ScriptError::Invalid { file, line: at, reason, .. }) => {
                assert_eq!((file.as_str(), at), ("bad.toml", line), "{text}: {reason}");
                assert!(reason.contains(wanted), "{text}: {reason}");
            }
            other => panic!("{text}: {other:?}"),
        }
    }
    let missing = Script::read(std::path::Path::new("/nonexistent/script.toml")).unwrap_err();
    assert!(missing.to_string().starts_with("/nonexistent/script.toml: "), "{missing}");
}
