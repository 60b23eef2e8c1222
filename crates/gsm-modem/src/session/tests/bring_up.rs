//! From an answering modem to one that can send, and what stops it.

use std::time::Duration;

use super::{Bench, Fake, settings};
use crate::Secret;
use crate::at::Registration;
use crate::session::Closing;
use crate::snapshot::State;

const HOUR: Duration = Duration::from_secs(3_600);

fn with_pin(modem: Fake, pin: &str) -> Bench {
    let mut settings = settings();
    settings.pin = Some(Secret::new(pin.into()));
    Bench::with(modem, settings)
}

fn locked() -> Fake {
    let mut modem = Fake::new();
    modem.on("AT+CPIN?", "\r\n+CPIN: SIM PIN\r\n\r\nOK\r\n");
    modem
}

#[test]
fn a_modem_that_follows_the_standards() {
    let bench = Bench::ready(Fake::new());
    let seen = bench.session.snapshot();
    assert_eq!(seen.equipment.manufacturer, "Acme");
    assert_eq!(seen.equipment.model, "Rocket 1");
    assert_eq!(seen.equipment.firmware, "1.0");
    assert_eq!(seen.equipment.imei, "356938035643809");
    assert_eq!(seen.sim.imsi.as_deref(), Some("228011234567890"));
    assert_eq!(seen.sim.iccid.as_deref(), Some("8941030000000000001"));
    assert_eq!(seen.operator.as_deref(), Some("Swisscom"));
    assert_eq!((seen.registration, seen.signal_dbm), (Registration::Home, Some(-73)));
    assert_eq!((seen.ready, seen.last_error.as_deref()), (true, None));
    assert_eq!((seen.counters.resyncs, seen.counters.late_lines, seen.counters.dropped_lines), (0, 0, 0));
    assert_eq!(bench.notices, []);
}

#[test]
fn the_order_that_modems_want() {
    let bench = Bench::new(Fake::new());
    assert_eq!(bench.modem.heard, ["ESC"], "a prompt left open by somebody else is left first");
    let mut bench = bench;
    bench.until(|b| b.state() == State::Ready);
    let place = |command: &str| bench.modem.heard.iter().position(|heard| heard == command).expect(command);
    let order =
        ["AT", "ATE0", "AT+CMEE=1", "AT+CGMI", "AT+CPIN?", "AT+CIMI", "AT+CMGF=0", "AT+CSCA?", "AT+CREG?"];
    assert!(order.windows(2).all(|pair| place(pair[0]) < place(pair[1])), "{:?}", bench.modem.heard);
}

#[test]
fn a_modem_that_refuses_nearly_every_command() {
    for no in
        ["\r\nERROR\r\n", "\r\nCOMMAND NOT SUPPORT\r\n", "\r\n+CME ERROR: 4\r\n", "\r\n+CMS ERROR: 303\r\n"]
    {
        for piece in [1, usize::MAX] {
            let mut modem = Fake::new();
            for command in modem.answers.values_mut() {
                *command = [no.to_owned()].into();
            }
            modem.on("AT", "\r\nOK\r\n");
            modem.on("AT+CMGF=0", "\r\nOK\r\n");
            (modem.echo, modem.piece) = (true, piece);
            let mut bench = Bench::ready(modem);
            assert_eq!(bench.session.snapshot().registration, Registration::Unknown);
            bench.assert_works();
        }
    }
}

#[test]
fn a_modem_that_talks_all_the_time() {
    for code in [
        "\r\n^BOOT:35323129,0,0,0,26\r\n",
        "\r\n+ZUSIMR:2\r\n",
        "\r\n+CMT: ,3\r\n000102\r\n",
        "\r\n+NEW: 1\r\n",
    ] {
        let mut modem = Fake::new();
        code.clone_into(&mut modem.before);
        (modem.echo, modem.piece) = (true, 2);
        let mut bench = Bench::ready(modem);
        assert_eq!(bench.session.snapshot().equipment.manufacturer, "Acme", "{code:?}");
        assert_eq!(bench.session.snapshot().equipment.firmware, "1.0");
        bench.assert_works();
    }
}

#[test]
fn numbers_for_results_are_understood_until_words_are_asked_for() {
    let mut modem = Fake::new();
    modem.in_turn("AT", &["0\r"]);
    modem.on("ATE0", "0\r\r\nOK\r\n");
    let mut bench = Bench::ready(modem);
    assert_eq!(bench.heard("ATV1"), 0, "cleared by ready()");
    bench.assert_works();
}

#[test]
fn silence_opens_the_port_again() {
    let mut modem = Fake::new();
    modem.on("AT", "");
    modem.on("ATQ0V1", "");
    let mut bench = Bench::new(modem);
    bench.until(|b| !b.closings.is_empty());
    assert_eq!(bench.closings, [Closing::Reopen]);
    assert_eq!(bench.heard("AT"), 9);
    assert_eq!(bench.heard("ATQ0V1"), 1);
    assert!(bench.heard("ESC") >= 9);
    assert!(bench.fault().contains("nothing answers AT"), "{}", bench.fault());
    bench.modem.on("AT", "\r\nOK\r\n");
    bench.open();
    bench.assert_works();
    assert!(bench.fault().contains("opening its port again brought it back"), "{}", bench.fault());
}

#[test]
fn answers_to_several_calls_are_waited_for() {
    let mut modem = Fake::new();
    modem.on("AT", "");
    let mut bench = Bench::new(modem);
    bench.until(|b| b.heard("AT") == 2);
    // The answer to the first call comes after its time, the answer to the second a second later.
    bench.say("\r\nOK\r\n");
    bench.pass(Duration::from_millis(900));
    assert_eq!(bench.heard("ATE0"), 0);
    bench.say("\r\nOK\r\n");
    assert_eq!(bench.session.snapshot().counters.late_lines, 1);
    bench.modem.on("AT", "\r\nOK\r\n");
    bench.assert_works();
    assert_eq!(bench.session.snapshot().equipment.model, "Rocket 1");
}

#[test]
fn a_prompt_left_open_by_another_program() {
    let mut modem = Fake::new();
    modem.in_prompt = true;
    let mut bench = Bench::new(modem);
    bench.assert_works();
    assert_eq!(bench.modem.pdus.len(), 1);
}

#[test]
fn commands_without_an_answer_are_passed_by() {
    let mut modem = Fake::new();
    // How often each is asked. The SIM's number is worth three more tries; the network's name is asked for twice, to learn
    // first who chose the network.
    let asked = [("AT+CCID", 4), ("AT+CSCS=\"GSM\"", 1), ("AT+COPS?", 2), ("AT+CSQ", 1)];
    for (command, _) in asked {
        modem.on(command, "");
    }
    let mut bench = Bench::new(modem);
    bench.until(|b| b.state() == State::Ready);
    for (command, times) in asked {
        assert_eq!(bench.heard(command), times, "how often {command} is asked without an answer");
    }
    let silences = asked.iter().map(|(_, times)| *times as u64).sum();
    assert_eq!(
        bench.session.snapshot().counters.resyncs,
        silences,
        "one for each question without an answer"
    );
    assert_eq!(bench.session.snapshot().equipment.model, "Rocket 1");
    bench.assert_works();
}

#[test]
fn the_right_pin_is_given_once() {
    let mut modem = Fake::new();
    modem.in_turn(
        "AT+CPIN?",
        &["\r\n+CPIN: SIM PIN\r\n\r\nOK\r\n", "\r\n+CME ERROR: 14\r\n", "\r\n+CPIN: READY\r\n\r\nOK\r\n"],
    );
    modem.on("AT+CPIN=\"1234\"", "\r\nOK\r\n");
    let mut bench = with_pin(modem, "1234");
    bench.until(|b| b.state() == State::Ready);
    assert_eq!(bench.heard("AT+CPIN=\"1234\""), 1);

    // The modem loses power and asks again: the accepted PIN is entered again.
    bench.modem.in_turn("AT+CPIN?", &["\r\n+CPIN: SIM PIN\r\n\r\nOK\r\n", "\r\n+CPIN: READY\r\n\r\nOK\r\n"]);
    bench.say("\r\nRDY\r\n");
    bench.assert_works();
    assert_eq!(bench.heard("AT+CPIN=\"1234\""), 2);
}

#[test]
fn a_wrong_pin_is_given_once_whatever_happens() {
    for answer in ["\r\n+CME ERROR: 16\r\n", "\r\nERROR\r\n", "\r\n+CME ERROR: incorrect password\r\n", ""] {
        let mut modem = locked();
        modem.on("AT+CPIN=\"9999\"", answer);
        let mut bench = with_pin(modem, "9999");
        bench.until(|b| b.state() == State::Blocked);
        bench.pass(HOUR);
        bench.say("\r\nRDY\r\n");
        bench.pass(HOUR);
        bench.say("\r\n+CPIN: SIM PIN\r\n");
        bench.session.restart_asked(bench.now);
        bench.turn();
        bench.until(|b| !b.closings.is_empty());
        bench.open();
        bench.pass(HOUR);
        bench.session.lost("gone");
        bench.turn();
        bench.open();
        bench.pass(HOUR);
        assert_eq!(bench.heard("AT+CPIN=\"9999\""), 1, "{answer:?}");
        assert_eq!(bench.state(), State::Blocked);
        assert!(bench.fault().contains("not tried again"), "{}", bench.fault());
        assert!(!bench.fault().contains("9999"));
        // A person unlocks it.
        bench.modem.on("AT+CPIN?", "\r\n+CPIN: READY\r\n\r\nOK\r\n");
        bench.assert_works();
    }
}

#[test]
fn a_pin_that_a_hang_up_cut_off_is_spent() {
    let mut modem = locked();
    modem.on("AT+CPIN=\"1234\"", "");
    let mut bench = with_pin(modem, "1234");
    bench.until(|b| b.heard("AT+CPIN=\"1234\"") == 1);
    bench.session.lost("gone");
    bench.turn();
    bench.open();
    bench.until(|b| b.state() == State::Blocked);
    assert_eq!(bench.heard("AT+CPIN=\"1234\""), 1);
}

#[test]
fn what_needs_a_person_blocks_until_a_person_came() {
    for (answer, sentence) in [
        ("\r\n+CPIN: SIM PIN\r\n\r\nOK\r\n", "set pin_file"),
        ("\r\n+CME ERROR: 11\r\n", "set pin_file"),
        ("\r\n+CPIN: SIM PUK\r\n\r\nOK\r\n", "PUK"),
        ("\r\n+CME ERROR: SIM PUK required\r\n", "PUK"),
        ("\r\n+CPIN: PH-NET PIN\r\n\r\nOK\r\n", "unlocking code"),
    ] {
        let mut modem = Fake::new();
        modem.on("AT+CPIN?", answer);
        let mut bench = Bench::new(modem);
        bench.until(|b| b.state() == State::Blocked);
        assert!(bench.fault().contains(sentence), "{answer:?}: {}", bench.fault());
        assert!(!bench.session.snapshot().ready);
        let asked = bench.heard("AT+CPIN?");
        bench.pass(Duration::from_secs(59));
        assert_eq!(bench.heard("AT+CPIN?"), asked, "it is not asked in a hurry");
        bench.pass(Duration::from_secs(2));
        assert_eq!(bench.heard("AT+CPIN?"), asked + 1);
        // Without a SIM one restart may help; nothing else would.
        let restarts = usize::from(sentence == "no usable SIM");
        assert_eq!((bench.heard("AT+CFUN=1,1"), bench.closings.len()), (restarts, restarts), "{answer:?}");
        if restarts > 0 {
            bench.open();
            bench.until(|b| b.state() == State::Blocked);
            assert!(bench.fault().contains(sentence), "{answer:?}: {}", bench.fault());
            bench.pass(HOUR / 2);
            assert_eq!(bench.heard("AT+CFUN=1,1"), 1, "rarely");
        }
        bench.modem.on("AT+CPIN?", "\r\n+CPIN: READY\r\n\r\nOK\r\n");
        bench.say("\r\n+CPIN: READY\r\n");
        bench.assert_works();
        // A fault that a restart may have removed is shown for a while.
        assert_eq!(bench.session.snapshot().last_error.is_none(), restarts == 0);
    }
}

#[test]
fn a_pin_of_the_wrong_shape_is_never_tried() {
    for pin in ["12", "123456789", "12a4", "1234\",\"5678"] {
        let mut bench = with_pin(locked(), pin);
        bench.until(|b| b.state() == State::Blocked);
        assert!(!bench.modem.heard.iter().any(|heard| heard.starts_with("AT+CPIN=")));
        assert!(!bench.fault().contains(pin));
    }
}

#[test]
fn a_busy_sim_is_waited_for() {
    let mut modem = Fake::new();
    let busy = "\r\n+CME ERROR: SIM busy \r\n";
    modem.in_turn("AT+CPIN?", &[busy, "\r\n+CME ERROR: 515\r\n", busy, "\r\n+CPIN: READY\r\n\r\nOK\r\n"]);
    modem.in_turn("AT+CIMI", &[busy, "\r\n228011234567890\r\n\r\nOK\r\n"]);
    modem.in_turn("AT+CSCA?", &[busy, busy, "\r\n+CSCA: \"+41794999000\",145\r\n\r\nOK\r\n"]);
    modem.in_turn("AT+CMGF=0", &[busy, "\r\nERROR\r\n", "\r\nOK\r\n"]);
    modem.in_turn("AT+CNMI=2,1,2,1,0", &[busy, "\r\nOK\r\n"]);
    let mut bench = Bench::new(modem);
    let start = bench.now;
    bench.until(|b| b.state() == State::Ready);
    assert!(bench.now - start >= Duration::from_secs(8));
    assert_eq!(bench.session.snapshot().sim.imsi.as_deref(), Some("228011234567890"));
    assert_eq!(bench.session.snapshot().last_error, None);
}

#[test]
fn what_a_sim_does_not_tell_is_not_what_another_one_told() {
    let mut bench = Bench::ready(Fake::new());
    bench.session.lost("gone");
    bench.turn();
    bench.modem.on("AT+CCID", "\r\n+CME ERROR: 14\r\n");
    bench.modem.on("AT+CIMI", "\r\n228019876543210\r\n\r\nOK\r\n");
    bench.open();
    bench.until(|b| b.state() == State::Ready);
    let seen = bench.session.snapshot();
    assert_eq!((seen.sim.iccid.as_deref(), seen.sim.imsi.as_deref()), (None, Some("228019876543210")));
}

#[test]
fn an_answer_without_its_ok() {
    let mut modem = Fake::new();
    modem.on("AT+CPIN?", "\r\n+CPIN: READY\r\n");
    let mut bench = Bench::ready(modem);
    assert_eq!(bench.session.snapshot().sim.imsi.as_deref(), Some("228011234567890"));
    bench.assert_works();
}

#[test]
fn pdu_mode_is_asked_for_ten_times() {
    let mut modem = Fake::new();
    modem.on("AT+CMGF=0", "\r\nERROR\r\n");
    let mut bench = Bench::new(modem);
    bench.until(|b| !b.closings.is_empty());
    assert_eq!(bench.heard("AT+CMGF=0"), 10);
    assert!(bench.fault().contains("PDU mode"), "{}", bench.fault());
    assert!(!bench.session.snapshot().ready);

    let mut modem = Fake::new();
    modem.on("AT+CMGF=0", "");
    let mut bench = Bench::new(modem);
    bench.until(|b| !b.closings.is_empty());
    assert!(bench.heard("AT+CMGF=0") <= 10);
}

#[test]
fn a_modem_that_hangs_on_the_question_for_its_formats_has_pdu_mode_asked_again() {
    let mut modem = Fake::new();
    modem.in_turn("AT+CMGF=0", &["\r\nERROR\r\n", "\r\nERROR\r\n", "\r\nOK\r\n"]);
    modem.on("AT+CMGF=?", "");
    let mut bench = Bench::new(modem);
    bench.until(|b| b.state() == State::Ready);
    assert_eq!((bench.heard("AT+CMGF=0"), bench.heard("AT+CMGF=?")), (3, 1));
    bench.assert_works();
}

#[test]
fn the_first_way_of_new_messages_that_is_taken() {
    for good in ["AT+CNMI=2,1,0,1,0", "AT+CNMI=1,1,0,1,0", "AT+CNMI=2,1,0,0,0", "AT+CNMI=1,1,0,0,1", "none"] {
        let mut modem = Fake::new();
        modem.on("AT+CNMI=2,1,2,1,0", "\r\n+CMS ERROR: 303\r\n");
        modem.on(good, "\r\nOK\r\n");
        let mut bench = Bench::new(modem);
        bench.until(|b| b.state() == State::Ready);
        let ways: Vec<_> = bench.modem.heard.iter().filter(|heard| heard.starts_with("AT+CNMI=")).collect();
        if good == "none" {
            assert_eq!(ways.len(), 9);
        } else {
            assert_eq!(ways.last().map(|way| way.as_str()), Some(good));
        }
        bench.assert_works();
    }
}

#[test]
fn registration_is_waited_for() {
    let mut modem = Fake::new();
    modem.in_turn(
        "AT+CREG?",
        &["\r\n+CREG: 1,2\r\n\r\nOK\r\n", "\r\n+CREG: 1,2\r\n\r\nOK\r\n", "\r\n+CREG: 1,5\r\n\r\nOK\r\n"],
    );
    let mut bench = Bench::new(modem);
    bench.until(|b| b.heard("AT+CREG?") == 1);
    assert_eq!(
        (bench.state(), bench.session.snapshot().registration),
        (State::Starting, Registration::Searching)
    );
    assert!(bench.fault().contains("looks for a network"), "{}", bench.fault());
    bench.until(|b| b.state() == State::Ready);
    assert_eq!(bench.session.snapshot().registration, Registration::Roaming);
    assert_eq!(bench.heard("AT+CEREG?"), 2, "all domains are asked while none has it");
}

#[test]
fn a_report_of_registration_ends_the_wait() {
    let mut modem = Fake::new();
    modem.on("AT+CREG?", "\r\n+CREG: 1,2\r\n\r\nOK\r\n");
    let mut bench = Bench::new(modem);
    bench.until(|b| b.heard("AT+CREG?") == 1);
    bench.modem.on("AT+CREG?", "\r\n+CREG: 1,1\r\n\r\nOK\r\n");
    let before = bench.now;
    bench.say("\r\n+CREG: 1\r\n");
    assert_eq!(bench.state(), State::Ready);
    assert_eq!(bench.now, before);
}

#[test]
fn the_packet_domains_may_know_better() {
    for (creg, cereg, cgreg, expected) in [
        ("+CREG: 0,0", "+CEREG: 0,1", "+CGREG: 0,0", Some(Registration::Home)),
        ("+CREG: 0,3", "+CEREG: 0,5", "+CGREG: 0,0", Some(Registration::Roaming)),
        ("", "+CEREG: 0,1", "", Some(Registration::Home)),
        ("+CREG: 0,0", "", "+CGREG: 0,1,\"00C3\",\"2B27\"", Some(Registration::Home)),
        ("+CREG: 0,6", "", "", Some(Registration::Home)),
        ("+CREG: 0,2", "+CEREG: 0,1", "", Some(Registration::Home)),
        ("+CREG: 0,2", "+CEREG: 0,2", "", None),
        ("", "+CEREG: 0,11", "", None),
        ("+CREG: 0,3", "+CEREG: 0,3", "+CGREG: 0,3", None),
        ("", "", "", Some(Registration::Unknown)),
    ] {
        let mut modem = Fake::new();
        for (command, line) in [("AT+CREG?", creg), ("AT+CEREG?", cereg), ("AT+CGREG?", cgreg)] {
            let answer = if line.is_empty() {
                String::from("\r\nERROR\r\n")
            } else {
                format!("\r\n{line}\r\n\r\nOK\r\n")
            };
            modem.on(command, &answer);
        }
        let mut bench = Bench::new(modem);
        bench.pass(Duration::from_secs(30));
        if let Some(registration) = expected {
            assert_eq!(bench.session.snapshot().registration, registration, "{creg} {cereg} {cgreg}");
            bench.assert_works();
        } else {
            assert_eq!(bench.state(), State::Starting, "{creg} {cereg} {cgreg}");
            assert!(!bench.fault().is_empty());
        }
    }
}

#[test]
fn a_modem_that_looks_for_nothing_is_told_to_look() {
    let mut modem = Fake::new();
    modem.on("AT+CREG?", "\r\n+CREG: 1,0\r\n\r\nOK\r\n");
    modem.on("AT+COPS=0", "\r\nOK\r\n");
    let mut bench = Bench::new(modem);
    bench.pass(Duration::from_secs(60));
    assert_eq!(bench.heard("AT+COPS=0"), 1);
    assert_eq!(bench.state(), State::Starting);
}

#[test]
fn a_radio_that_is_off_is_switched_on() {
    let mut modem = Fake::new();
    modem.on("AT+CFUN?", "\r\n+CFUN: 4\r\n\r\nOK\r\n");
    modem.on("AT+CFUN=1", "\r\nOK\r\n");
    let mut bench = Bench::new(modem);
    bench.until(|b| b.state() == State::Ready);
    assert_eq!(bench.heard("AT+CFUN=1"), 1);
    // An answer of the form for a test is not an answer to a question.
    let mut modem = Fake::new();
    modem.on("AT+CFUN?", "\r\n+CFUN: (0-1,4-7),(0-1)\r\n\r\nOK\r\n");
    let mut bench = Bench::new(modem);
    bench.until(|b| b.state() == State::Ready);
    assert_eq!(bench.heard("AT+CFUN=1"), 0);
}

#[test]
fn the_service_centre() {
    let set = "AT+CSCA=\"+41794999000\",145";
    let mut configured = settings();
    configured.smsc = Some("+41794999000".into());

    let mut modem = Fake::new();
    modem.in_turn(set, &["\r\n+CME ERROR: 14\r\n", "\r\nOK\r\n"]);
    let mut bench = Bench::with(modem, configured.clone());
    bench.until(|b| b.state() == State::Ready);
    assert_eq!((bench.heard(set), bench.session.snapshot().last_error.as_deref()), (2, None));

    let mut bench = Bench::with(Fake::new(), configured);
    bench.until(|b| b.state() == State::Ready);
    assert!(bench.fault().contains("refused"), "{}", bench.fault());
    assert!(!bench.fault().contains("794999"));

    for empty in ["+CSCA: \"\",129", "+CSCA: ,", "+CSCA: \"\""] {
        let mut modem = Fake::new();
        modem.on("AT+CSCA?", &format!("\r\n{empty}\r\n\r\nOK\r\n"));
        let mut bench = Bench::ready(modem);
        assert!(bench.fault().contains("set smsc"), "{empty}: {}", bench.fault());
        bench.assert_works();
    }
}

#[test]
fn reports_are_acknowledged_only_where_they_must_be() {
    let report = "\r\n+CDS: 2\r\n000102\r\n";
    for (plain, acknowledged) in [("\r\nOK\r\n", 0), ("\r\nERROR\r\n", 1)] {
        let mut modem = Fake::new();
        modem.on("AT+CSMS?", "\r\n+CSMS: 1,1,1,1\r\n\r\nOK\r\n");
        modem.on("AT+CSMS=0", plain);
        modem.on("AT+CNMA", "\r\n+CMS ERROR: 340\r\n");
        modem.result(&format!("\r\n+CMGS: 7\r\n{report}\r\nOK\r\n"));
        let mut bench = Bench::ready(modem);
        bench.send();
        assert_eq!(bench.heard("AT+CNMA"), acknowledged);
        bench.assert_works();
    }
}

#[test]
fn a_part_that_becomes_ready_ends_a_wait() {
    let mut modem = Fake::new();
    modem.in_turn("AT+CMGF=0", &["\r\n+CMS ERROR: 500\r\n", "\r\nOK\r\n"]);
    let mut bench = Bench::new(modem);
    bench.until(|b| b.heard("AT+CMGF=0") == 1);
    let before = bench.now;
    bench.say("\r\nSMS DONE\r\n");
    assert_eq!(bench.heard("AT+CMGF=0"), 2);
    assert_eq!(bench.now, before);
    assert_eq!(bench.state(), State::Ready);
}

#[test]
fn a_restart_while_it_is_brought_up_begins_anew() {
    let mut modem = Fake::new();
    modem.in_turn("AT+CMGF=0", &["\r\nERROR\r\n", "\r\nOK\r\n"]);
    let mut bench = Bench::new(modem);
    bench.until(|b| b.heard("AT+CMGF=0") == 1);
    bench.say("\r\nRDY\r\n");
    bench.until(|b| b.state() == State::Ready);
    assert_eq!(bench.heard("ATE0"), 2);
    bench.assert_works();
}
