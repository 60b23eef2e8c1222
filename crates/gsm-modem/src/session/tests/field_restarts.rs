//! A modem that restarted without saying so: its next lines show that, at the latest before the next message,
//! and nothing leaves before its format is known.

use std::time::Duration;

use super::field::{OK, begins_anew, each, minutes, obeys_formats, result, seconds};
use super::text_mode::text_only;
use super::{Bench, Fake, accepted, settings};
use crate::snapshot::{Notice, Outcome, State};

const TEXT_MODE_HEAD: &str = "\r\n+CMT: \"+41790000001\",,\"25/01/01,10:00:00+04\"\r\n";

fn ready() -> Bench {
    let mut bench = Bench::ready(Fake::new());
    bench.live(seconds(20), |_| {});
    bench.modem.heard.clear();
    bench.notices.clear();
    bench
}

/// The modem was set up again, and messages leave as PDUs.
#[track_caller]
fn assert_set_up_again(bench: &mut Bench) {
    assert!(bench.within(seconds(15), |b| b.state() == State::Ready), "{:?}", bench.modem.heard);
    for command in ["ATE0", "AT+CMEE=1", "AT+CMGF=0", "AT+CNMI=2,1,2,1,0"] {
        assert!(bench.heard(command) > 0, "no {command} in {:?}", bench.modem.heard);
    }
    bench.assert_works();
    assert_eq!(bench.modem.disclosed, [""; 0]);
    assert!(!bench.modem.echo);
}

/// arduino-sim808#23, TinyGSM#608: no RDY with an automatic baud rate. The echo comes back, and so does the
/// text mode of the saved profile; `AT+CMGS=15` then asks for a text to the number 15.
#[test]
fn an_echo_before_the_prompt_lets_nothing_leave() {
    each(["\r\n> ", "\n\r\n> ", "\n> "], |prompt| {
        for piece in [1, usize::MAX] {
            let mut bench = Bench::ready(Fake::new());
            prompt.clone_into(&mut bench.modem.prompt);
            bench.modem.piece = piece;
            // The modem was last heard a moment ago.
            begins_anew(&mut bench.modem);
            bench.send();
            bench.within(seconds(1), |b| !b.outcomes.is_empty());
            assert!(matches!(bench.outcomes[..], [Outcome::NotStarted { .. }]), "{:?}", bench.outcomes);
            assert_eq!(bench.modem.pdus, [""; 0], "{prompt:?} {piece}");
            assert!(bench.heard("ESC") > 0, "the prompt is left");
            assert_set_up_again(&mut bench);
        }
    });
}

/// However long the modem was left alone, its format is known before anything leaves.
#[test]
fn a_message_after_a_rest_goes_out_in_the_format_that_was_made_sure_of() {
    each([Duration::from_millis(150), seconds(1), seconds(30), minutes(5)], |rest| {
        for echo in [true, false] {
            let mut bench = ready();
            bench.live(rest, |_| {});
            bench.modem.heard.clear();
            begins_anew(&mut bench.modem);
            bench.modem.echo = echo;
            bench.send();
            bench.within(seconds(1), |b| !b.outcomes.is_empty());
            assert_eq!(bench.modem.disclosed, [""; 0], "{rest:?} echo {echo}");
            assert!(
                matches!(bench.outcomes[..], [Outcome::NotStarted { .. } | Outcome::Accepted { .. }]),
                "{:?}",
                bench.outcomes
            );
            if echo {
                assert_set_up_again(&mut bench);
            } else {
                bench.assert_works();
                assert_eq!(bench.modem.disclosed, [""; 0]);
            }
        }
    });
}

#[test]
fn a_restart_between_two_parts_lets_no_further_one_leave() {
    let mut bench = ready();
    bench.modem.result("");
    bench.submit(3);
    bench.gate(true);
    assert_eq!(bench.modem.pdus.len(), 1);
    begins_anew(&mut bench.modem);
    bench.say("\r\n+CMGS: 7\r\n\r\nOK\r\n");
    bench.within(seconds(1), |b| !b.outcomes.is_empty());
    assert_eq!(bench.modem.disclosed, [""; 0]);
    assert_eq!(bench.modem.pdus.len(), 1);
    assert!(
        matches!(&bench.outcomes[..], [Outcome::NotStarted { references, .. }] if *references == [7]),
        "{:?}",
        bench.outcomes
    );
    assert_set_up_again(&mut bench);
}

#[test]
fn an_echo_of_any_command_has_it_set_up_again() {
    each(["", "\r\n+CMTI: \"SM\",3\r\n", "\r\n+CDSI: \"SR\",4\r\n", "ussd"], |said| {
        let mut bench = ready();
        begins_anew(&mut bench.modem);
        if said == "ussd" {
            bench.ask("*100#");
        } else {
            bench.say(said);
        }
        // The keep-alive shows it after a minute at the latest.
        assert!(bench.within(seconds(100), |b| b.heard("ATE0") > 0), "{said:?}: {:?}", bench.modem.heard);
        assert_set_up_again(&mut bench);
        assert_eq!(bench.outcomes.len(), 1, "{said:?}");
    });
}

/// The first calls after a start teach the modem the baud rate, and get no answer or a broken one.
#[test]
fn a_call_that_is_echoed_after_a_time_out_has_it_set_up_again() {
    each(["", "\u{1}\u{2}", "\0\0\0"], |lost| {
        let mut bench = ready();
        begins_anew(&mut bench.modem);
        bench.modem.echo = false;
        bench.modem.in_turn("AT+CMGF=0", &[lost, OK]);
        bench.modem.in_turn("AT+CMGS=15", &[lost, "\r\n> "]);
        bench.modem.when("AT+CMGF=0", |modem| {
            match modem.heard.iter().filter(|heard| *heard == "AT+CMGF=0").count() {
                1 => modem.echo = true,
                _ => modem.in_text_mode = false,
            }
        });
        bench.modem.when("AT+CMGS=15", |modem| {
            modem.echo |= modem.in_text_mode;
        });
        bench.send();
        assert!(bench.within(seconds(60), |b| b.heard("ATE0") > 0), "{:?}", bench.modem.heard);
        let nothing_left =
            matches!(bench.outcomes[..], [Outcome::NotStarted { .. } | Outcome::Rejected { .. }]);
        bench.modem.answers.remove("AT+CMGS=15");
        assert!(nothing_left && bench.modem.pdus.is_empty(), "{:?}", bench.outcomes);
        assert_set_up_again(&mut bench);
    });
}

#[test]
fn a_message_in_the_words_of_text_mode_has_it_set_up_again() {
    each(
        [
            "\r\n+CMT: \"+41790000001\",,\"25/01/01,10:00:00+04\"\r\nHello\r\n",
            "\r\n+CMT: \"+41790000001\",\"Bob, at home\",\"25/01/01,10:00:00+04\",145,4,0,0,\"+41794999000\",145,5\r\nHello\r\n",
            "\r\n+CMT: \"Bank\",\"\",\"25/01/01,10:00:00+04\"\r\nfirst line\r\nRDY\r\nOK\r\n",
            "\r\n+CMT: \"002B0034\",,\"25/01/01,10:00:00+04\"\r\n00480065006C006C006F\r\n",
        ],
        |said| {
            let mut bench = ready();
            begins_anew(&mut bench.modem);
            bench.modem.echo = false;
            bench.say(said);
            assert!(bench.within(seconds(10), |b| b.heard("ATE0") > 0), "{said:?}: {:?}", bench.modem.heard);
            assert_set_up_again(&mut bench);
        },
    );
}

/// The text comes from outside, whatever it says.
#[test]
fn a_message_in_the_words_of_text_mode_lets_nothing_leave_and_ends_nothing() {
    each(["Hello", "RDY", "OK", "+CMGS: 77\r\n\r\nOK", "\r\n+CMS ERROR: 1", "> ", "x\r\n\r\n> "], |text| {
        let said = format!("{TEXT_MODE_HEAD}{text}\r\n");
        // Before the prompt, and while the gate is closed.
        for held in [false, true] {
            let mut bench = ready();
            begins_anew(&mut bench.modem);
            bench.modem.echo = false;
            // The modem accepted its format a moment ago, and restarted since.
            bench.modem.when("AT+CMGF=0", |_| {});
            bench.modem.in_turn("AT+CMGS=15", &[if held { "\r\n> " } else { "" }]);
            bench.submit(1);
            bench.modem.answers.remove("AT+CMGS=15");
            obeys_formats(&mut bench.modem);
            bench.say(&said);
            bench.gate(true);
            bench.live(Duration::from_millis(300), |_| {});
            if !held && bench.heard("AT+CMGS=15") > 0 && bench.outcomes.is_empty() {
                bench.modem.in_prompt = true;
                bench.say("\r\n> ");
            }
            bench.within(seconds(20), |b| !b.outcomes.is_empty());
            assert_eq!(bench.modem.disclosed, [""; 0], "{text:?} held {held}");
            assert!(matches!(bench.outcomes[..], [Outcome::NotStarted { .. }]), "{:?}", bench.outcomes);
            assert_set_up_again(&mut bench);
        }
        // While a message is on the air, its own result still comes.
        let mut bench = ready();
        bench.modem.result("");
        bench.send();
        bench.say(&said);
        bench.live(seconds(1), |_| {});
        assert_eq!(bench.outcomes, [], "{text:?}");
        bench.say("\r\n+CMGS: 5\r\n\r\nOK\r\n");
        bench.within(seconds(1), |b| !b.outcomes.is_empty());
        assert_eq!(bench.outcomes, [accepted(&[5])], "{text:?}");
        assert!(bench.within(seconds(10), |b| b.heard("ATE0") > 0), "{:?}", bench.modem.heard);
    });
}

/// `ATV0` is in the saved profile: results are numbers again.
#[test]
fn results_as_numbers_have_it_set_up_again() {
    let mut bench = ready();
    each(bench.modem.answers.values_mut(), |answers| {
        for answer in answers {
            *answer = answer.replace(OK, "0\r").replace("\r\nERROR\r\n", "4\r");
        }
    });
    bench.modem.result("\r\n+CMGS: 7\r\n0\r");
    bench.modem.when("ATV1", |modem| {
        modem.answers = Fake::new().answers;
        modem.result("\r\n+CMGS: 7\r\n\r\nOK\r\n");
    });
    bench.modem.on("ATV1", OK);
    assert!(bench.within(seconds(100), |b| b.heard("ATV1") > 0), "{:?}", bench.modem.heard);
    assert!(bench.within(seconds(15), |b| b.state() == State::Ready), "{:?}", bench.modem.heard);
    bench.assert_works();
}

/// SIMs and families that echo whatever `ATE0` says: nothing has restarted.
#[test]
fn a_modem_that_always_echoes_is_left_alone() {
    each([OK, "\r\nERROR\r\n", "\r\n+CME ERROR: 11\r\n", "\r\nCOMMAND NOT SUPPORT\r\n"], |echo_off| {
        for piece in [1, usize::MAX] {
            let mut modem = Fake::new();
            (modem.echo, modem.piece) = (true, piece);
            modem.on("ATE0", echo_off);
            let mut bench = Bench::ready(modem);
            for _ in 0..5 {
                bench.send();
                bench.live(seconds(90), |_| {});
            }
            assert_eq!(bench.outcomes.len(), 5);
            assert!(bench.outcomes.iter().all(|outcome| *outcome == accepted(&[7])), "{:?}", bench.outcomes);
            assert_eq!((bench.heard("ATE0"), bench.state()), (0, State::Ready), "{echo_off:?} {piece}");
        }
    });
}

/// A modem that has only text mode is not taken for one that restarted.
#[test]
fn text_mode_is_no_restart_where_it_is_wanted() {
    let mut bench = Bench::ready(text_only());
    bench.live(seconds(20), |_| {});
    bench.modem.heard.clear();
    bench.say(&format!("{TEXT_MODE_HEAD}Hello\r\n"));
    bench.live(seconds(20), |_| {});
    assert_eq!((bench.heard("ATE0"), bench.state()), (0, State::Ready), "{:?}", bench.modem.heard);
    bench.assert_ready();
}

/// A PIN that was accepted is entered again into a SIM that a restart locked.
#[test]
fn a_locked_sim_behind_the_restart_is_unlocked() {
    let pin = Some(crate::Secret::new(String::from("1234")));
    let mut modem = Fake::new();
    let (locked, ready) = ("\r\n+CPIN: SIM PIN\r\n\r\nOK\r\n", "\r\n+CPIN: READY\r\n\r\nOK\r\n");
    modem.in_turn("AT+CPIN?", &[locked, ready]);
    modem.on("AT+CPIN=\"1234\"", OK);
    let mut bench = Bench::ready_with(modem, crate::Settings { pin, ..settings() });
    bench.live(seconds(1), |_| {});
    begins_anew(&mut bench.modem);
    bench.modem.in_turn("AT+CPIN?", &[locked, ready]);
    bench.modem.on("AT+CMGS=15", "\r\n+CMS ERROR: 311\r\n");
    bench.modem.when("AT+CPIN=\"1234\"", |modem| {
        modem.answers.remove("AT+CMGS=15");
    });
    bench.send();
    assert!(bench.within(seconds(15), |b| b.heard("AT+CPIN=\"1234\"") == 2), "{:?}", bench.modem.heard);
    bench.assert_works();
    assert_eq!(bench.heard("AT+CPIN=\"1234\""), 2);
    assert!(!bench.notices.iter().any(|notice| matches!(notice, Notice::LateAccepted { .. })));
}

/// A modem that starts sends many unsolicited codes, before and after.
#[test]
fn what_it_says_by_itself_is_no_proof_that_it_did_not_begin_anew() {
    // After the last code the modem is asked something, and the one that answers has restarted.
    each(["^RSSI: 17", "+CREG: 1", "+CSQN: 12,99", "+CMTI: \"SM\",1"], |said| {
        let mut bench = ready();
        bench.pass(seconds(1));
        begins_anew(&mut bench.modem);
        bench.modem.echo = false;
        bench.say(&result(said));
        bench.live(Duration::from_millis(20), |_| {});
        assert_eq!(bench.heard_like("AT+CMG") > 0, said.starts_with("+CMTI"), "{:?}", bench.modem.heard);
        bench.send();
        assert_eq!(bench.modem.disclosed, Vec::<String>::new());
        assert_eq!(bench.outcomes.len(), 1);
        bench.assert_works();
    });
}

#[test]
fn one_that_says_without_end_that_it_restarted_works_all_the_same() {
    let mut bench = ready();
    for _ in 0..30 {
        bench.say("\r\nRDY\r\n");
        bench.pass(Duration::from_millis(300));
    }
    assert_eq!(bench.state(), State::Ready);
    assert!(bench.fault().contains("restarted"), "{}", bench.fault());
    bench.modem.in_text_mode = true;
    obeys_formats(&mut bench.modem);
    bench.say("\r\nRDY\r\n");
    bench.assert_works();
    assert_eq!(bench.modem.disclosed, Vec::<String>::new());
}
