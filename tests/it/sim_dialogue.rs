//! The simulated modem's dialogue over a real pty: framing, settings, sending, SIM, registration, memories.

use std::sync::Arc;
use std::time::{Duration, Instant};

use gsm_modem::profiles::{Identity, Profile};
use gsm_sim::{Options, Script, Sim};

use crate::sim_wire::{HELLO, HELLO_LENGTH, LONG, Named, Wire, one};

#[test]
fn echo_and_framing() {
    let sim = Sim::start(Options::default()).unwrap();
    let mut wire = Wire::open(&sim.port(0));
    assert_eq!(wire.ask("AT"), "AT\r\r\nOK\r\n");
    assert_eq!(wire.ask("ATE0+CMEE=1;+CREG=2"), "ATE0+CMEE=1;+CREG=2\r\r\nOK\r\n");
    assert_eq!(wire.ask("AT+CGMI"), "\r\nSimulated\r\n\r\nOK\r\n");
    assert_eq!(wire.ask("AT+CREG?"), "\r\n+CREG: 2,1,\"04CA\",\"081DE445\"\r\n\r\nOK\r\n");
    wire.write("ATV0\r");
    assert_eq!(wire.until("\r"), "0\r");
    wire.write("AT+NONSENSE\r");
    assert_eq!(wire.until("\r"), "4\r");
    wire.write("AT+CSQ;V1\r");
    assert_eq!(wire.until("OK\r\n"), "+CSQ: 20,99\r\n\r\nOK\r\n");
    let seen: Vec<_> = sim.commands(0).into_iter().map(|seen| seen.line).collect();
    assert_eq!(seen[..2], ["AT", "ATE0+CMEE=1;+CREG=2"]);
}

#[test]
fn every_question_of_a_bring_up_is_answered() {
    let (_sim, mut wire) = one("");
    for command in [
        "ATZ",
        "ATE0",
        "ATV1",
        "ATI",
        "AT+CMEE=1",
        "AT+CGMI",
        "AT+CGMM",
        "AT+CGMR",
        "AT+CGSN",
        "AT+CPIN?",
        "AT+CIMI",
        "AT+CCID",
        "AT+CNUM",
        "AT+CMGF=?",
        "AT+CMGF=0",
        "AT+CMGF?",
        "AT+CSCA?",
        "AT+CSMS?",
        "AT+CSMS=0",
        "AT+CSMP?",
        "AT+CNMI=?",
        "AT+CNMI=2,1,0,1,0",
        "AT+CNMI?",
        "AT+CPMS=?",
        "AT+CPMS?",
        "AT+CPMS=\"SM\",\"SM\",\"SM\"",
        "AT+CREG=1",
        "AT+CREG?",
        "AT+CEREG=1",
        "AT+CEREG?",
        "AT+CGREG?",
        "AT+COPS?",
        "AT+CSQ",
        "AT+CMMS=2",
        "AT+CMGL=4",
        "AT+CFUN?",
        "AT+CLCK=\"SC\",2",
        "AT+CSCS?",
        "AT+GCAP",
    ] {
        let answer = wire.ask(command);
        assert!(!answer.contains("ERROR"), "{command}: {answer}");
    }
    assert_eq!(wire.ask("AT+CNMI?"), "\r\n+CNMI: 2,1,0,1,0\r\n\r\nOK\r\n");
    for (command, refusal) in [
        ("AT+CNMI=9", "+CMS ERROR: 303"),
        ("AT+CNMA", "+CMS ERROR: 340"),
        ("AT+CPMS=\"XX\"", "+CMS ERROR: 302"),
        ("AT+CMGR=99", "+CMS ERROR: 321"),
        ("AT+CMGS=3", "+CMS ERROR: 304"),
        ("AT+CPIN=\"1234\"", "+CME ERROR: 3"),
        ("AT^UNKNOWN", "ERROR"),
    ] {
        wire.write(&format!("{command}\r"));
        assert_eq!(wire.until(&format!("{refusal}\r\n")), format!("\r\n{refusal}\r\n"), "{command}");
    }
}

#[test]
fn a_message_reaches_its_phone() {
    let (sim, mut wire) = one("");
    let mut listener = sim.listen();
    wire.ask("AT+CMGF=0");
    assert_eq!(wire.prompt(), "\r\n> ");
    wire.write(&format!("{HELLO}\u{1a}"));
    assert_eq!(wire.until("OK\r\n"), "\r\n+CMGS: 1\r\n\r\nOK\r\n");
    assert_eq!(wire.hello("OK\r\n"), "\r\n+CMGS: 2\r\n\r\nOK\r\n");
    assert!(sim.wait_for(2, LONG));
    let inbox = sim.inbox();
    assert_eq!((inbox[0].to.as_str(), inbox[0].text.as_str()), ("+41791234567", "Hello"));
    assert_eq!((inbox[0].parts[0].answered, inbox[1].parts[0].answered), (1, 2));
    assert_eq!(listener.blocking_recv().unwrap(), inbox[0]);
    assert!(!format!("{inbox:?}").contains("Hello"), "a Debug shows no text");
}

#[test]
fn the_body_is_echoed_and_escape_gives_up() {
    let sim = Sim::start(Options::default()).unwrap();
    let mut wire = Wire::open(&sim.port(0));
    assert_eq!(wire.prompt(), format!("AT+CMGS={HELLO_LENGTH}\r\r\n> "));
    wire.write(HELLO);
    wire.write("\u{1a}");
    assert_eq!(wire.until("OK\r\n"), format!("{HELLO}\u{1a}\r\n+CMGS: 1\r\n\r\nOK\r\n"));
    wire.prompt();
    wire.write("0001\u{1b}");
    assert_eq!(wire.until("OK\r\n"), "0001\r\nOK\r\n");
    assert_eq!(sim.received(), 1);
}

#[test]
fn a_wrong_length_and_a_wrong_pdu_are_refused() {
    let (sim, mut wire) = one("");
    for (length, pdu) in
        [(17, HELLO), (HELLO_LENGTH, "00zz"), (HELLO_LENGTH, ""), (HELLO_LENGTH, &HELLO[1..])]
    {
        wire.write(&format!("AT+CMGS={length}\r"));
        wire.until("> ");
        wire.write(&format!("{pdu}\u{1a}"));
        assert_eq!(wire.until("304\r\n"), "\r\n+CMS ERROR: 304\r\n");
    }
    // A LF after the command's CR becomes part of the message.
    wire.write(&format!("AT+CMGS={HELLO_LENGTH}\r\n"));
    wire.until("> ");
    wire.write(&format!("{HELLO}\u{1a}"));
    wire.until("+CMS ERROR: 304\r\n");
    assert_eq!(sim.received(), 0);
}

#[test]
fn parts_are_put_together_in_the_order_of_the_text() {
    let (sim, mut wire) = one("");
    // UCS2 parts 2 and 1 of 2, reference 2A, to +41791234567: "b" and "a".
    for (place, text) in [(2, "0062"), (1, "0061")] {
        let pdu = format!("0045{place:02}0B911497214365F7000808050003 2A02{place:02}{text}").replace(' ', "");
        wire.write(&format!("AT+CMGS={}\r", pdu.len() / 2 - 1));
        wire.until("> ");
        wire.write(&format!("{pdu}\u{1a}"));
        wire.until("OK\r\n");
    }
    let inbox = sim.inbox();
    assert_eq!(inbox.len(), 1);
    assert_eq!((inbox[0].text.as_str(), inbox[0].parts.len()), ("ab", 2));
    assert_eq!((inbox[0].reference, inbox[0].reject_duplicates), (1, true));
}

#[test]
fn air_time_passes_before_the_result_and_commands_wait() {
    let (sim, mut wire) = one("");
    let air = Duration::from_millis(120);
    sim.set_air_time(0, air);
    wire.prompt();
    let sent = Instant::now();
    wire.write(&format!("{HELLO}\u{1a}AT+CSQ\r"));
    assert_eq!(wire.until("+CMGS: 1\r\n"), "\r\n+CMGS: 1\r\n");
    assert!(sent.elapsed() >= air);
    assert_eq!(wire.until("99\r\n"), "\r\nOK\r\n\r\n+CSQ: 20,99\r\n");
}

#[test]
fn other_commands_on_air_can_be_refused() {
    let (sim, mut wire) = one("[sending]\nmeanwhile = \"refuse\"\n[timing]\nair_ms = 100");
    wire.prompt();
    wire.write(&format!("{HELLO}\u{1a}AT+CSQ\r"));
    assert_eq!(wire.until("OK\r\n"), "\r\n+CMS ERROR: 302\r\n\r\n+CMGS: 1\r\n\r\nOK\r\n");
    assert_eq!(sim.received(), 1);
}

#[test]
fn delivery_reports_come_as_two_lines_or_are_stored() {
    let (_sim, mut wire) = one("[timing]\nreport_ms = 1");
    let wanted = HELLO.replacen("0001", "0021", 1);
    let send = |wire: &mut Wire| {
        wire.prompt();
        wire.write(&format!("{wanted}\u{1a}"));
        wire.until("OK\r\n");
    };
    wire.ask("AT+CNMI=2,1,0,1,0");
    send(&mut wire);
    let head = wire.until("+CDS: 25\r\n");
    assert_eq!(head, "\r\n+CDS: 25\r\n");
    let report = wire.until("\r\n");
    assert!(report.starts_with("07911497949900F006010B911497214365F7"), "{report}");
    wire.ask("AT+CNMI=2,1,0,2,0");
    send(&mut wire);
    assert_eq!(wire.until("\"SR\",1\r\n"), "\r\n+CDSI: \"SR\",1\r\n");
    wire.ask("AT+CPMS=\"SR\"");
    assert!(wire.ask("AT+CMGR=1").starts_with("\r\n+CMGR: 0,,25\r\n07911497949900F00602"));
    wire.ask("AT+CMGD=1");
    assert_eq!(wire.ask("AT+CMGR=1"), "\r\nOK\r\n");
}

#[test]
fn messages_arrive() {
    let (sim, mut wire) = one("");
    wire.ask("AT+CSMS=1");
    wire.ask("AT+CNMI=2,1,0,0,0");
    sim.deliver(0, "+41765432100", "Grüezi");
    assert_eq!(wire.until("\"SM\",1\r\n"), "\r\n+CMTI: \"SM\",1\r\n");
    let listed = wire.ask("AT+CMGL=4");
    assert!(listed.starts_with("\r\n+CMGL: 1,0,,31\r\n07911497949900F0040B911467452301F00008"), "{listed}");
    assert!(wire.ask("AT+CMGL=0").starts_with("\r\nOK"), "listing makes a message read");
    wire.ask("AT+CNMI=2,2,0,0,0");
    sim.deliver(0, "12345", &"long ".repeat(30));
    wire.until("+CMT: ,");
    wire.until("+CMT: ,");
    wire.until("+CMT: ,");
    wire.until("\r\n");
    wire.until("\r\n");
    wire.ask("AT+CNMA");
    wire.write("AT+CNMA\r");
    wire.until("+CMS ERROR: 340\r\n");
}

#[test]
fn a_locked_sim_asks_for_its_pin() {
    let (sim, mut wire) = one("[card]\nstate = \"pin\"\nbusy_ms = 300");
    wire.ask("AT+CMEE=1");
    assert_eq!(wire.ask("AT+CPIN?"), "\r\n+CPIN: SIM PIN\r\n\r\nOK\r\n");
    wire.write("AT+CMGS=18\r");
    wire.until("+CMS ERROR: 311\r\n");
    wire.write("AT+CPIN=\"0000\"\r");
    wire.until("+CME ERROR: 16\r\n");
    wire.ask("AT+CPIN=\"1234\"");
    wire.write("AT+CIMI\r");
    wire.until("+CME ERROR: 14\r\n");
    let deadline = Instant::now() + LONG;
    loop {
        wire.write("AT+CPIN?\r");
        let answer = wire.until("\r\n") + &wire.until("\r\n");
        if answer.contains("READY") {
            break;
        }
        assert!(Instant::now() < deadline);
    }
    wire.until("OK\r\n");
    wire.hello("OK\r\n");
    assert_eq!(sim.received(), 1);
}

#[test]
fn registration_takes_its_steps() {
    let (sim, mut wire) =
        one("[[network.registration]]\nstatus = 2\n[[network.registration]]\nstatus = 5\nafter_ms = 100");
    wire.ask("AT+CREG=1");
    sim.set_registration(0, 0);
    wire.until("+CREG: 0\r\n");
    assert_eq!(wire.hello("331\r\n"), "\r\n+CMS ERROR: 331\r\n");
    wire.ask("AT+CFUN=4");
    wire.write("AT+CFUN=1\r");
    wire.until("+CREG: 2\r\n");
    assert!(wire.until("+CREG: 5\r\n").ends_with("\r\n+CREG: 5\r\n"));
    wire.hello("+CMGS: 1");
}

#[test]
fn ussd_is_answered_after_its_ok() {
    let (_sim, mut wire) = one("[timing]\nussd_ms = 1");
    wire.ask("AT+CUSD=1,\"*100#\",15");
    assert_eq!(wire.until(",15\r\n"), "\r\n+CUSD: 0,\"Your credit is 12.50\",15\r\n");
    wire.ask("AT+CUSD=1,\"*999#\",15");
    assert_eq!(wire.until("4\r\n"), "\r\n+CUSD: 4\r\n");
}

#[test]
fn each_modem_is_itself() {
    let sim = Sim::start(Options { modems: 3, ..Options::default() }).unwrap();
    let mut imeis: Vec<_> = (0..sim.modems())
        .map(|modem| {
            let mut wire = Wire::open(&sim.port(modem));
            wire.ask("ATE0");
            wire.ask("AT+CGSN")
        })
        .collect();
    imeis.dedup();
    assert_eq!(imeis.len(), 3);
}

/// The family of the modem that a script is.
fn family(script: &Script) -> Arc<Profile> {
    let said = &script.identity;
    let modem =
        Identity { maker: &said.manufacturer, model: &said.model, firmware: &said.firmware, usb: None };
    smsotpd::config::profiles().of(&modem)
}

#[test]
fn every_built_in_script_carries_a_message() {
    for (name, _) in Script::BUILT_IN {
        let _named = Named(name);
        let script = Script::built_in(name).unwrap();
        let family = family(&script);
        let sim = Sim::start(Options { script, ..Options::default() }).unwrap();
        sim.set_air_time(0, Duration::ZERO);
        let mut wire = Wire::open(&sim.port(0));
        let deadline = Instant::now() + LONG;
        loop {
            wire.write("AT+CREG?\r");
            let answer = wire.until("OK\r\n");
            if answer.contains(",1") || answer.contains(",5") {
                break;
            }
            assert!(Instant::now() < deadline, "{answer}");
        }
        for command in &family.init {
            wire.ask(command);
        }
        let sent = if wire.ask("AT+CMGF=?").contains('0') {
            wire.ask("AT+CMGF=0");
            wire.hello("OK\r\n")
        } else {
            wire.ask("AT+CMGF=1");
            wire.prompt_of("AT+CMGS=\"+41791234567\",145");
            wire.body("Hello", "OK\r\n")
        };
        assert!(sent.contains("+CMGS: "), "{sent}");
        assert_eq!(sim.inbox()[0].text, "Hello");
    }
}

#[test]
fn text_mode_says_what_is_stored_in_the_alphabet_that_is_asked_for() {
    let script = Script::built_in("text-mode-only").unwrap();
    let sim = Sim::start(Options { script, ..Options::default() }).unwrap();
    let mut wire = Wire::open(&sim.port(0));
    wire.ask("ATE0");
    wire.write("AT+CMGF=0\r");
    wire.until("ERROR\r\n");
    assert!(wire.ask("AT+CMGF=?").contains("+CMGF: (1)"));
    wire.ask("AT+CNMI=2,1,0,1,0");
    sim.deliver(0, "+41791234567", "Grüße");
    wire.until("+CMTI: \"SM\",1\r\n");
    let plain = wire.ask("AT+CMGL=\"ALL\"");
    assert!(plain.contains("+CMGL: 1,\"REC UNREAD\",\"+41791234567\",,\""), "{plain}");
    assert!(plain.contains("\r\nGr??e\r\n"), "{plain}");
    wire.ask("AT+CSCS=\"UCS2\"");
    let digits = wire.ask("AT+CMGR=1");
    assert!(digits.contains("+CMGR: \"REC READ\",\"002B00340031"), "{digits}");
    assert!(digits.contains("\r\n0047007200FC00DF0065\r\n"), "{digits}");
}
