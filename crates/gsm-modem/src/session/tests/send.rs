//! One message and its four outcomes, with everything that a modem writes in between.

use std::time::Duration;

use super::{Bench, Fake, accepted, part, sim};
use crate::Secret;
use crate::at::{Subject, Verdict};
use crate::session::Closing;
use crate::snapshot::{Notice, Outcome, State};

fn only(bench: &Bench) -> &Outcome {
    assert_eq!(bench.outcomes.len(), 1, "{:?}", bench.outcomes);
    &bench.outcomes[0]
}

fn unknown(bench: &Bench) -> &str {
    match only(bench) {
        Outcome::Unknown { reason, .. } => reason,
        other => panic!("{other:?}"),
    }
}

fn not_started(bench: &Bench) -> &str {
    match only(bench) {
        Outcome::NotStarted { reason, .. } => reason,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_message_is_taken() {
    let mut bench = Bench::ready(Fake::new());
    bench.send();
    assert_eq!(bench.modem.heard, ["AT+CMGS=15"]);
    assert_eq!(bench.modem.pdus, ["0021000B911497214365F7000002C834"]);
    assert_eq!(only(&bench), &accepted(&[7]));
    assert_eq!(bench.state(), State::Ready);
}

#[test]
fn every_way_of_saying_it() {
    for prompt in ["\r\n> ", "\r\n>", "\n> ", "> ", "\r\r\n> ", "\r\n> \r\n"] {
        for result in [
            "\r\n+CMGS: 7\r\n\r\nOK\r\n",
            "+CMGS: 7\r\nOK\r\n",
            "\r\r\n+CMGS: 7\r\r\n\r\r\nOK\r\r\n",
            "\n+CMGS:7\n\nOK\n",
            "\r\n+CMGS: 7,\"0791\"\r\n\r\nOK\r\n",
        ] {
            for echo in [false, true] {
                for piece in [1, 2, 3, 7, usize::MAX] {
                    let mut modem = Fake::new();
                    prompt.clone_into(&mut modem.prompt);
                    modem.result(result);
                    (modem.echo, modem.piece) = (echo, piece);
                    if !prompt.contains("> ") {
                        modem.prompt.push(' ');
                    }
                    let mut bench = Bench::ready(modem);
                    bench.send();
                    assert_eq!(only(&bench), &accepted(&[7]), "{prompt:?} {result:?} {echo} {piece}");
                    bench.assert_works();
                }
            }
        }
    }
}

const CODES: &[&str] = &[
    "\r\n+CMTI: \"SM\",1\r\n",
    "\r\n^RSSI:10\r\n",
    "\r\n+CREG: 1\r\n",
    "\r\n+CUSD: 2,\"OK\",15\r\n",
    "\r\nRING\r\n",
    "\r\nNO CARRIER\r\n",
    "\r\n+CDS: 25\r\n079119890400202306400C91197909913764511090718384225110907183252200\r\n",
    "\r\n+CMT: ,24\r\n\r\n07917248014000F506B70AA18092020000317071518590803170715185418000\r\n",
    "\r\n+CBM: 2\r\n0011\r\n",
    "\r\n+NEVER: heard of, 1\r\n",
    "\r\n%%% noise OK ERROR > \r\n",
    "\r\nERRORS: 0\r\n",
];

#[test]
fn an_unsolicited_code_at_every_place_of_a_send() {
    for code in CODES {
        for echo in [false, true] {
            for piece in [1, 3, usize::MAX] {
                let mut modem = Fake::new();
                (modem.echo, modem.piece) = (echo, piece);
                modem.before = (*code).to_owned();
                modem.prompt = format!("{code}\r\n> ");
                modem.result(&format!("{code}\r\n+CMGS: 7\r\n{code}\r\nOK\r\n{code}"));
                let mut bench = Bench::ready(modem);
                bench.send();
                assert_eq!(only(&bench), &accepted(&[7]), "{code:?} echo {echo} piece {piece}");
                bench.until(|b| b.state() == State::Ready);
                bench.send();
                assert_eq!(bench.outcomes[1], accepted(&[7]), "{code:?} echo {echo} piece {piece}");
            }
        }
    }
}

#[test]
fn a_handed_over_message_is_one_event() {
    let mut bench = Bench::ready(Fake::new());
    bench.notices.clear();
    bench.submit(1);
    bench.say(
        "\r\n+CDS: 2\r\n000102\r\n\r\n+CMT: ,2\r\n000103\r\n\r\n+CDSI: \"SR\",0\r\n\r\n+CMT: ,2 000104\r\n",
    );
    bench.gate(true);
    let pdu = |last| Secret::new(vec![0, 1, last]);
    assert_eq!(
        bench.notices,
        [
            Notice::Report { pdu: pdu(2), storage: None, sim: sim() },
            Notice::Delivered { pdu: pdu(3), storage: None, sim: sim() },
            Notice::Delivered { pdu: pdu(4), storage: None, sim: sim() },
        ]
    );
    assert_eq!(only(&bench), &accepted(&[7]));
    bench.jump();
    assert_eq!(bench.heard("AT+CMGR=0"), 1, "what was stored is read afterwards");
}

#[test]
fn a_head_without_its_pdu_swallows_no_answer() {
    let mut modem = Fake::new();
    modem.result("\r\n+CDS: 25\r\n\r\n+CMGS: 7\r\n\r\nOK\r\n");
    let mut bench = Bench::ready(modem);
    bench.send();
    assert_eq!(only(&bench), &accepted(&[7]));
    assert_eq!(bench.session.snapshot().counters.dropped_lines, 1);
}

#[test]
fn the_gate_holds_the_pdu_back() {
    let mut bench = Bench::ready(Fake::new());
    bench.submit(1);
    assert_eq!(bench.modem.heard, ["AT+CMGS=15"], "the dialogue is opened at once");
    bench.pass(Duration::from_secs(9));
    assert!(bench.modem.pdus.is_empty());
    bench.gate(true);
    assert_eq!(only(&bench), &accepted(&[7]));
}

#[test]
fn a_gate_that_never_opens_withdraws_the_message() {
    for dropped in [true, false] {
        let mut bench = Bench::ready(Fake::new());
        bench.submit(1);
        if dropped {
            bench.gate(false);
        } else {
            bench.jump();
        }
        not_started(&bench);
        assert_eq!(bench.heard("ESC"), 1);
        assert!(bench.modem.pdus.is_empty());
        bench.assert_works();
    }
}

#[test]
fn a_gate_dropped_before_the_prompt_leaves_the_prompt_when_it_comes() {
    for answer in ["\r\n> ", "\r\nERROR\r\n", ""] {
        let mut modem = Fake::new();
        modem.prompt = String::new();
        let mut bench = Bench::ready(modem);
        bench.submit(1);
        bench.gate(false);
        not_started(&bench);
        assert_eq!(bench.heard("ESC"), 0);
        bench.modem.in_prompt = answer.contains('>');
        bench.say(answer);
        bench.modem.prompt = String::from("\r\n> ");
        bench.assert_works();
        assert_eq!(bench.modem.pdus.len(), 1, "{answer:?}");
    }
}

#[test]
fn a_reference_and_quiet_is_an_acceptance() {
    let mut modem = Fake::new();
    modem.result("\r\n+CMGS: 7\r\n");
    let mut bench = Bench::ready(modem);
    bench.send();
    bench.pass(Duration::from_millis(2_900));
    assert!(bench.outcomes.is_empty());
    bench.pass(Duration::from_millis(200));
    assert_eq!(only(&bench), &accepted(&[7]));
    // The OK that comes in the end belongs to no command.
    bench.say("\r\nOK\r\n");
    bench.assert_works();

    let mut modem = Fake::new();
    modem.result("\r\n+CMGS: 7\r\n\r\n+CMS ERROR: 38\r\n");
    let mut bench = Bench::ready(modem);
    bench.send();
    unknown(&bench);
}

#[test]
fn errors_by_what_they_are_about() {
    for (result, subject, code) in [
        ("+CMS ERROR: 38", Subject::Network, Some(38)),
        ("+CMS ERROR: 1", Subject::Recipient, Some(1)),
        ("+CMS ERROR: 310", Subject::Sim, Some(310)),
        ("+CME ERROR: 14", Subject::Sim, Some(14)),
        ("+CMS ERROR: bananas", Subject::Network, None),
        ("+CMS ERROR:", Subject::Network, None),
        ("ERROR", Subject::Network, None),
        ("COMMAND NOT SUPPORT", Subject::Modem, None),
    ] {
        // The error comes before the prompt, and after the PDU.
        for early in [true, false] {
            let mut modem = Fake::new();
            let answer = format!("\r\n{result}\r\n");
            if early {
                modem.prompt = answer;
            } else {
                modem.result(&answer);
            }
            let mut bench = Bench::ready(modem);
            bench.send();
            match only(&bench) {
                Outcome::Rejected { error, references } => {
                    assert_eq!((error.subject, error.code), (subject, code), "{result}");
                    assert!(references.is_empty());
                }
                other => panic!("{result}: {other:?}"),
            }
            assert!(!bench.fault().is_empty());
            bench.modem.prompt = String::from("\r\n> ");
            bench.assert_works();
        }
    }
}

#[test]
fn errors_that_leave_the_outcome_open() {
    for code in [127, 332] {
        let mut modem = Fake::new();
        modem.result(&format!("\r\n+CMS ERROR: {code}\r\n"));
        let mut bench = Bench::ready(modem);
        bench.send();
        unknown(&bench);
        bench.assert_works();

        let mut modem = Fake::new();
        modem.prompt = format!("\r\n+CMS ERROR: {code}\r\n");
        let mut bench = Bench::ready(modem);
        bench.send();
        assert!(matches!(only(&bench), Outcome::Rejected { error, .. } if error.verdict == Verdict::Later));
    }
}

#[test]
fn a_prompt_that_never_comes() {
    let mut modem = Fake::new();
    modem.prompt = String::new();
    let mut bench = Bench::ready(modem);
    bench.send();
    bench.pass(Duration::from_millis(9_900));
    assert!(bench.outcomes.is_empty());
    bench.pass(Duration::from_millis(200));
    match only(&bench) {
        Outcome::Rejected { error, .. } => {
            assert_eq!((error.subject, error.verdict), (Subject::Modem, Verdict::Later));
            assert!(error.sentence.contains("prompt"), "{}", error.sentence);
        }
        other => panic!("{other:?}"),
    }
    assert_eq!(bench.heard("ESC"), 1);
    bench.modem.prompt = String::from("\r\n> ");
    bench.assert_works();
}

#[test]
fn an_ok_before_the_prompt_ends_nothing() {
    let mut modem = Fake::new();
    modem.prompt = String::from("\r\nOK\r\n\r\n> ");
    let mut bench = Bench::ready(modem);
    bench.send();
    assert_eq!(only(&bench), &accepted(&[7]));
    assert_eq!(bench.session.snapshot().counters.late_lines, 1);
}

#[test]
fn a_prompt_nobody_asked_for_is_left() {
    let mut bench = Bench::ready(Fake::new());
    bench.modem.in_prompt = true;
    bench.say("\r\n> ");
    bench.assert_works();
    assert_eq!(bench.modem.pdus.len(), 1);
}

#[test]
fn silence_after_the_pdu_is_unknown_and_a_late_answer_finishes_nothing() {
    let mut modem = Fake::new();
    modem.result("");
    // While the modem is busy with the message, it does not answer AT at first.
    let mut bench = Bench::ready(modem);
    bench.modem.in_turn("AT", &["", "", "\r\nOK\r\n"]);
    bench.send();
    bench.pass(Duration::from_secs(181));
    unknown(&bench);
    assert_eq!(bench.state(), State::Recovering);
    assert!(!bench.session.snapshot().ready);
    bench.notices.clear();
    bench.say("\r\n+CMGS: 41\r\n\r\nOK\r\n");
    assert_eq!(bench.notices, [Notice::LateAccepted { reference: 41 }]);
    bench.assert_works();
    assert_eq!(bench.notices.iter().filter(|n| matches!(n, Notice::LateAccepted { .. })).count(), 1);
    assert!(bench.session.snapshot().counters.late_lines >= 1);
}

#[test]
fn a_late_answer_at_any_moment_after_the_time_out() {
    for steps in 0..8 {
        let mut modem = Fake::new();
        modem.result("");
        let mut bench = Bench::ready(modem);
        bench.modem.in_turn("AT", &["", "\r\nOK\r\n"]);
        bench.send();
        bench.until_settled();
        unknown(&bench);
        for _ in 0..steps {
            if bench.state() != State::Ready {
                bench.jump();
            }
        }
        bench.say("\r\n+CMGS: 41\r\n\r\nOK\r\n");
        let late =
            |b: &Bench| b.notices.iter().filter(|n| **n == Notice::LateAccepted { reference: 41 }).count();
        assert_eq!(late(&bench), 1, "after {steps} steps");
        bench.assert_works();
        assert_eq!(late(&bench), 1);
    }
}

#[test]
fn a_late_answer_between_command_and_prompt_of_the_next() {
    let mut modem = Fake::new();
    modem.result("");
    let mut bench = Bench::ready(modem);
    bench.send();
    bench.until_settled();
    bench.until(|b| b.state() == State::Ready);
    bench.modem.prompt = String::from("\r\n+CMGS: 41\r\n\r\nOK\r\n\r\n> ");
    bench.modem.result("\r\n+CMGS: 42\r\n\r\nOK\r\n");
    bench.send();
    assert!(bench.notices.contains(&Notice::LateAccepted { reference: 41 }));
    assert_eq!(bench.outcomes[1], accepted(&[42]));
}

#[test]
fn a_late_answer_too_late_is_only_counted() {
    let mut modem = Fake::new();
    modem.result("");
    let mut bench = Bench::ready(modem);
    bench.send();
    bench.until_settled();
    bench.pass(Duration::from_secs(301));
    bench.say("\r\n+CMGS: 41\r\n\r\nOK\r\n");
    assert!(!bench.notices.iter().any(|n| matches!(n, Notice::LateAccepted { .. })));
    bench.assert_works();
}

#[test]
fn hang_up_before_and_after_the_pdu() {
    let mut bench = Bench::ready(Fake::new());
    bench.submit(1);
    bench.session.lost("gone");
    bench.turn();
    not_started(&bench);
    assert_eq!(bench.state(), State::Absent);

    let mut modem = Fake::new();
    modem.result("");
    let mut bench = Bench::ready(modem);
    bench.send();
    bench.session.lost("gone");
    bench.turn();
    unknown(&bench);
    bench.open();
    bench.assert_works();
    assert_eq!(bench.session.snapshot().counters.reopens, 1);
}

#[test]
fn a_body_that_could_not_be_written_did_not_start() {
    let mut modem = Fake::new();
    modem.result("");
    let mut bench = Bench::ready(modem);
    bench.send();
    bench.session.body_unsent();
    bench.session.lost("gone");
    bench.turn();
    not_started(&bench);
}

#[test]
fn a_restart_in_the_middle() {
    for restart in ["\r\nRDY\r\n", "\r\n^SYSSTART\r\n", "\r\n+AT: READY\r\n", "\r\n*ATREADY: 1\r\n"] {
        let mut bench = Bench::ready(Fake::new());
        bench.submit(1);
        bench.modem.in_prompt = false;
        bench.say(restart);
        not_started(&bench);
        bench.assert_works();
        assert_eq!(bench.heard("AT+CMGF=0"), 1, "the settings are made again");

        let mut modem = Fake::new();
        modem.result(restart);
        let mut bench = Bench::ready(modem);
        bench.send();
        unknown(&bench);
        bench.assert_works();
        assert_eq!(bench.heard("AT+CMGF=0"), 1);
        assert_eq!(bench.session.snapshot().counters.restarts, 1);
    }
}

#[test]
fn a_part_that_became_ready_late_waits_for_the_message() {
    let mut modem = Fake::new();
    modem.result("\r\nSMS Ready\r\n\r\n+CMGS: 7\r\n\r\nOK\r\n");
    let mut bench = Bench::ready(modem);
    bench.send();
    assert_eq!(only(&bench), &accepted(&[7]));
    bench.assert_works();
    assert_eq!(bench.heard("AT+CMGF=0"), 1);
}

#[test]
fn parts_in_order_with_the_link_kept_open() {
    let mut modem = Fake::new();
    modem.results =
        ["\r\n+CMGS: 7\r\n\r\nOK\r\n", "\r\n+CMGS: 8\r\n\r\nOK\r\n", "\r\n+CMGS: 9\r\n\r\nOK\r\n"]
            .map(String::from)
            .into();
    let mut bench = Bench::ready(modem);
    bench.submit(3);
    bench.gate(true);
    assert_eq!(bench.modem.heard, ["AT+CMMS=2", "AT+CMGS=15", "AT+CMGS=15", "AT+CMGS=15"]);
    assert_eq!(
        bench.modem.pdus,
        [
            "0021000B911497214365F7000002C834",
            "0021010B911497214365F7000002C834",
            "0021020B911497214365F7000002C834"
        ]
    );
    assert_eq!(only(&bench), &accepted(&[7, 8, 9]));
}

#[test]
fn a_refused_link_is_remembered() {
    let mut modem = Fake::new();
    modem.on("AT+CMMS=2", "\r\n+CMS ERROR: 500\r\n");
    let mut bench = Bench::ready(modem);
    for _ in 0..3 {
        bench.submit(2);
        bench.gate(true);
    }
    assert_eq!(bench.heard("AT+CMMS=2"), 1);
    assert_eq!(bench.outcomes, vec![accepted(&[7, 7]); 3]);
}

#[test]
fn what_ends_between_two_parts_leaves_the_second_unstarted() {
    let mut modem = Fake::new();
    // The OK after the first reference is lost, and the dialogue is resynchronised before the next part.
    modem.result("\r\n+CMGS: 7\r\n");
    let mut bench = Bench::ready(modem);
    bench.modem.on("AT", "");
    bench.submit(3);
    bench.gate(true);
    bench.until(|b| b.heard("AT") > 0);
    assert!(bench.outcomes.is_empty());
    bench.goes();
    let Outcome::NotStarted { references, .. } = only(&bench) else { panic!("{:?}", bench.outcomes) };
    assert_eq!(*references, [7], "{:?}", bench.modem.heard);
    assert_eq!(bench.modem.pdus.len(), 1);
}

#[test]
fn references_of_the_parts_before_a_fault() {
    for (second, expected) in [
        ("\r\n+CMS ERROR: 38\r\n", "Rejected"),
        ("\r\nOK\r\n", "Unknown"),
        ("\r\n+CMS ERROR: 332\r\n", "Unknown"),
    ] {
        let mut modem = Fake::new();
        modem.results = ["\r\n+CMGS: 7\r\n\r\nOK\r\n", second].map(String::from).into();
        let mut bench = Bench::ready(modem);
        bench.submit(3);
        bench.gate(true);
        bench.pass(Duration::from_millis(3_100));
        let (name, references) = match only(&bench) {
            Outcome::Rejected { references, .. } => ("Rejected", references),
            Outcome::Unknown { references, .. } => ("Unknown", references),
            other => panic!("{other:?}"),
        };
        assert_eq!((name, &references[..]), (expected, &[7][..]));
        assert_eq!(bench.modem.pdus.len(), 2);
    }
}

#[test]
fn orders_that_cannot_be_carried_out_are_turned_away() {
    let mut bench = Bench::new(Fake::new());
    bench.submit(1);
    not_started(&bench);
    let mut bench = Bench::ready(Fake::new());
    bench.session.submit_parts(Vec::new(), bench.now);
    bench.turn();
    not_started(&bench);
    let mut bench = Bench::ready(Fake::new());
    bench.session.pause();
    assert_eq!((bench.state(), bench.session.snapshot().ready), (State::Paused, false));
    bench.submit(1);
    assert!(not_started(&bench).contains("paused"));
    bench.session.resume();
    bench.assert_works();
}

#[test]
fn a_pause_lets_the_message_end() {
    let mut bench = Bench::ready(Fake::new());
    bench.submit(1);
    bench.session.pause();
    assert_eq!(bench.state(), State::Busy);
    assert!(!bench.session.snapshot().ready);
    bench.gate(true);
    assert_eq!(only(&bench), &accepted(&[7]));
    assert_eq!(bench.state(), State::Paused);
}

#[test]
fn stopping_finishes_the_message_within_its_grace() {
    let grace = Duration::from_secs(20);
    let mut modem = Fake::new();
    modem.result("");
    let mut bench = Bench::ready(modem);
    bench.send();
    bench.session.stop(grace, bench.now);
    bench.turn();
    assert!(bench.closings.is_empty());
    bench.say("\r\n+CMGS: 7\r\n\r\nOK\r\n");
    assert_eq!(only(&bench), &accepted(&[7]));
    assert_eq!(bench.closings, [Closing::Stop]);

    let mut modem = Fake::new();
    modem.result("");
    let mut bench = Bench::ready(modem);
    bench.send();
    bench.session.stop(grace, bench.now);
    bench.jump();
    unknown(&bench);
    assert_eq!(bench.closings, [Closing::Stop]);

    let mut bench = Bench::ready(Fake::new());
    bench.submit(1);
    bench.session.stop(Duration::ZERO, bench.now);
    bench.jump();
    not_started(&bench);
    assert_eq!(bench.heard("ESC"), 1, "no prompt stays open");

    let mut bench = Bench::ready(Fake::new());
    bench.session.stop(grace, bench.now);
    bench.turn();
    assert_eq!(bench.closings, [Closing::Stop]);
}

#[test]
fn nothing_shows_a_pdu() {
    let mut bench = Bench::ready(Fake::new());
    bench.session.submit_parts(vec![part(0xee)], bench.now);
    assert!(!format!("{:?}", bench.session).to_lowercase().contains("0xee, "));
    assert!(format!("{:?}", bench.session).contains("[secret]"));
}
