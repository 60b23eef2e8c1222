//! Between messages: keep-alive, lost network, lost SIM, reset, USSD requests, noise.

use std::time::Duration;

use proptest::prelude::*;

use super::{Bench, Fake};
use crate::at::Registration;
use crate::session::Closing;
use crate::snapshot::{Outcome, State};

const MINUTE: Duration = Duration::from_secs(60);

#[test]
fn an_idle_modem_is_asked_once_a_minute_and_left_alone_else() {
    let mut bench = Bench::ready(Fake::new());
    // The modem is asked for messages first, whatever it says about its storages.
    bench.pass(Duration::from_secs(1));
    bench.modem.heard.clear();
    bench.pass(Duration::from_millis(58_900));
    assert!(bench.modem.heard.is_empty(), "{:?}", bench.modem.heard);
    bench.modem.on("AT+CSQ", "\r\n+CSQ: 5,99\r\n\r\nOK\r\n");
    bench.pass(Duration::from_millis(200));
    assert_eq!(
        bench.modem.heard,
        ["AT", "AT+CSQ", "AT+CREG?"],
        "the keep-alive asks these; a new question of Check::keep_alive belongs here"
    );
    assert_eq!(bench.session.snapshot().signal_dbm, Some(-103));
    assert_eq!(bench.state(), State::Ready);
    bench.pass(MINUTE * 10);
    assert!((10..=11).contains(&bench.heard("AT")), "{}", bench.heard("AT"));
}

/// A modem that hangs answers no question at all: one that it leaves unanswered alone is one that it does not know.
#[test]
fn a_question_that_gets_no_answer_is_no_hang_and_is_dropped() {
    let mut bench = Bench::ready(Fake::new());
    bench.modem.on("AT+CSQ", "");
    bench.modem.heard.clear();
    let seen = bench.session.snapshot().counters;
    let (since, mut states) = (bench.now, Vec::new());
    while bench.now - since < MINUTE * 10 {
        bench.jump();
        states.push(bench.state());
    }
    assert!(states.iter().all(|state| *state == State::Ready), "{states:?}");
    assert_eq!((bench.heard("AT+CSQ"), bench.fault()), (2, ""));
    assert!(bench.heard("AT+CREG?") >= 9, "the questions behind it are asked: {}", bench.heard("AT+CREG?"));
    assert_eq!(bench.session.snapshot().counters.resyncs, seen.resyncs + 2);
    assert!(bench.closings.is_empty());
    bench.assert_works();
    // The modem may know the question after a restart.
    bench.modem.on("AT+CSQ", "\r\n+CSQ: 5,99\r\n\r\nOK\r\n");
    bench.say("\r\nRDY\r\n");
    bench.assert_ready();
    bench.modem.heard.clear();
    bench.pass(MINUTE * 3);
    assert!(bench.heard("AT+CSQ") >= 2, "{:?}", bench.modem.heard);
}

#[test]
fn an_answer_that_was_lost_once_in_a_while_drops_no_question() {
    let mut bench = Bench::ready(Fake::new());
    let answer = "\r\n+CSQ: 5,99\r\n\r\nOK\r\n";
    // The last one leaves out the OK.
    bench.modem.in_turn("AT+CSQ", &["", answer, "", answer, "", "\r\n+CSQ: 6,99\r\n"]);
    bench.modem.heard.clear();
    bench.pass(MINUTE * 12);
    assert!(bench.heard("AT+CSQ") >= 10, "{}", bench.heard("AT+CSQ"));
    assert_eq!((bench.session.snapshot().signal_dbm, bench.state()), (Some(-101), State::Ready));
    assert_eq!(bench.fault(), "");
}

#[test]
fn a_modem_that_hangs_at_a_question_is_called() {
    let mut bench = Bench::ready(Fake::new());
    bench.modem.on("AT+CSQ", "");
    bench.modem.when("AT+CSQ", |modem| {
        for command in ["AT", "ATQ0V1"] {
            modem.on(command, "");
        }
    });
    bench.until(|b| !b.closings.is_empty());
    assert_eq!((bench.closings[0], bench.state()), (Closing::Reopen, State::Recovering));
}

#[test]
fn an_idle_modem_that_fell_silent_is_called_then_reopened() {
    let mut modem = Fake::new();
    modem.on("ATQ0V1", "");
    let mut bench = Bench::ready(modem);
    bench.modem.in_turn("AT", &["", "", "", "\r\nOK\r\n"]);
    bench.pass(MINUTE + Duration::from_secs(6));
    assert_eq!(bench.state(), State::Recovering);
    assert!(!bench.fault().is_empty());
    bench.assert_works();
    assert!(bench.closings.is_empty());

    bench.modem.on("AT", "");
    bench.until(|b| !b.closings.is_empty());
    assert_eq!(bench.closings, [Closing::Reopen]);
    assert_eq!(bench.state(), State::Recovering);
}

#[test]
fn the_time_of_a_fault_that_comes_again_is_told() {
    let mut modem = Fake::new();
    modem.result("\r\n+CMS ERROR: 38\r\n");
    let mut bench = Bench::ready(modem);
    bench.send();
    bench.pass(Duration::from_secs(1));
    bench.session.take_dirty();
    let now = bench.now;
    bench.session.known.set_fault(bench.session.known.view.fault.clone().unwrap(), now);
    assert!(bench.session.take_dirty(), "who looks is told");
    assert_eq!(bench.session.snapshot().last_error_at, Some(now));
}

#[test]
fn a_pause_is_told_while_the_modem_is_away_and_holds_when_it_is_back() {
    let mut bench = Bench::ready(Fake::new());
    bench.modem.on("AT+CREG?", "\r\n+CREG: 1,2\r\n\r\nOK\r\n");
    bench.say("\r\n+CREG: 2\r\n");
    bench.session.take_dirty();
    bench.session.pause();
    assert_eq!((bench.state(), bench.session.snapshot().paused), (State::Recovering, true));
    assert!(bench.session.take_dirty(), "who looks is told");
    bench.modem.on("AT+CREG?", "\r\n+CREG: 1,1\r\n\r\nOK\r\n");
    bench.say("\r\n+CREG: 1\r\n");
    assert_eq!(bench.state(), State::Paused);
    bench.session.resume();
    assert_eq!((bench.state(), bench.session.snapshot().paused), (State::Ready, false));
}

#[test]
fn a_lost_network_stops_the_orders_until_it_is_back() {
    let mut bench = Bench::ready(Fake::new());
    bench.modem.on("AT+CREG?", "\r\n+CREG: 1,2\r\n\r\nOK\r\n");
    bench.say("\r\n+CREG: 2\r\n");
    assert_eq!(bench.state(), State::Recovering);
    assert!(!bench.session.snapshot().ready);
    assert_eq!(bench.session.snapshot().registration, Registration::Searching);
    bench.pass(MINUTE);
    assert_eq!(bench.state(), State::Recovering);
    bench.modem.on("AT+CREG?", "\r\n+CREG: 1,1\r\n\r\nOK\r\n");
    bench.say("\r\n+CREG: 1\r\n");
    assert_eq!(bench.state(), State::Ready);
    assert_eq!(bench.session.snapshot().last_error, None);
    bench.assert_works();
}

#[test]
fn the_keep_alive_repeats_no_step_whose_answer_is_due() {
    let mut bench = Bench::ready(Fake::new());
    bench.pass(Duration::from_millis(59_900));
    bench.modem.on("AT+CREG?", "");
    bench.say("\r\n+CREG: 2\r\n");
    bench.pass(Duration::from_secs(1));
    assert_eq!(bench.heard("AT+CREG?"), 1);
    bench.modem.on("AT+CREG?", "\r\n+CREG: 1,1\r\n\r\nOK\r\n");
    bench.say("\r\n+CREG: 1,1\r\n\r\nOK\r\n");
    assert_eq!((bench.state(), bench.session.snapshot().counters.late_lines), (State::Ready, 0));
}

#[test]
fn a_report_of_another_domain_changes_nothing() {
    let mut bench = Bench::ready(Fake::new());
    bench.say("\r\n+CGREG: 0\r\n\r\n+CEREG: 3\r\n");
    assert_eq!((bench.state(), bench.session.snapshot().registration), (State::Ready, Registration::Home));
}

#[test]
fn a_sim_that_is_pulled_blocks() {
    let mut bench = Bench::ready(Fake::new());
    bench.modem.on("AT+CPIN?", "\r\n+CME ERROR: 10\r\n");
    bench.say("\r\n+CPIN: NOT READY\r\n");
    bench.until(|b| b.state() == State::Blocked);
    bench.modem.on("AT+CPIN?", "\r\n+CPIN: READY\r\n\r\nOK\r\n");
    bench.assert_works();
}

#[test]
fn a_modem_that_becomes_ready_at_every_setting_is_not_set_up_for_ever() {
    let mut modem = Fake::new();
    modem.on("AT+COPS?", "\r\n+COPS: 0\r\n\r\nOK\r\n\r\nSMS Ready\r\n");
    let mut bench = Bench::new(modem);
    bench.pass(Duration::from_secs(30));
    assert_eq!(bench.heard("AT+CMGF=0"), 4);
    bench.assert_works();
}

#[test]
fn a_reset_waits_for_the_message_on_the_air() {
    let mut modem = Fake::new();
    modem.result("");
    modem.on("AT+CFUN=1,1", "\r\nOK\r\n");
    let mut bench = Bench::ready(modem);
    bench.send();
    bench.session.restart_asked(bench.now);
    bench.turn();
    assert_eq!(bench.heard("AT+CFUN=1,1"), 0);
    bench.say("\r\n+CMGS: 7\r\n\r\nOK\r\n");
    assert_eq!(bench.heard("AT+CFUN=1,1"), 1);
    assert_eq!(bench.closings, [Closing::Reopen]);
    bench.open();
    bench.assert_works();
}

/// While the dialogue is being resynchronised no command can be asked, whatever is heard or wanted.
#[test]
fn a_second_reset_waits_until_the_dialogue_is_found() {
    let mut modem = Fake::new();
    modem.on("AT+CFUN=1,1", "\r\nOK\r\n");
    let mut bench = Bench::ready(modem);
    bench.session.restart_asked(bench.now);
    bench.session.restart_asked(bench.now);
    bench.turn();
    assert_eq!(bench.closings, [Closing::Reopen]);
    bench.open();
    bench.say("\r\n+CMTI: \"SM\",1\r\n");
    bench.until(|b| b.closings.len() == 2 || b.state() == State::Ready);
    if bench.closings.len() == 2 {
        bench.open();
    }
    bench.assert_works();
}

#[test]
fn a_reset_cures_a_modem_that_answers_nothing() {
    let mut bench = Bench::ready(Fake::new());
    bench.modem.on("AT+CFUN=1,1", "");
    bench.session.restart_asked(bench.now);
    bench.turn();
    bench.until(|b| !b.closings.is_empty());
    assert_eq!(bench.closings, [Closing::Reopen]);
}

#[test]
fn late_lines_while_idle_are_counted_and_harm_nothing() {
    let mut bench = Bench::ready(Fake::new());
    bench.say("\r\nOK\r\n\r\nERROR\r\n\r\n+CMGS: 3\r\n\r\n+CMS ERROR: 38\r\n\r\nwhat\r\n");
    let counters = bench.session.snapshot().counters;
    assert_eq!((counters.late_lines, counters.dropped_lines), (4, 1));
    bench.assert_works();
}

#[test]
fn a_question_to_the_network() {
    let timeout = Duration::from_secs(20);
    let ask = "AT+CUSD=1,\"*100#\",15";
    for answer in [
        "\r\nOK\r\n\r\n+CUSD: 0,\"Credit: 5, thanks\",15\r\n",
        "\r\n+CUSD: 0,\"Credit: 5, thanks\",15\r\n\r\nOK\r\n",
        "\r\n+CUSD: 3\r\nOK\r\n\r\nInitiating Release\r\n\r\n+CUSD: 0,\"Credit: 5, thanks\",15\r\n",
    ] {
        let mut modem = Fake::new();
        modem.on(ask, answer);
        let mut bench = Bench::ready(modem);
        bench.session.ask_network(Some("*100#"), timeout, bench.now);
        bench.turn();
        assert_eq!(bench.answers, [Ok(String::from("Credit: 5, thanks"))], "{answer:?}");
        assert_eq!(bench.state(), State::Ready);
        bench.assert_works();
    }
    for (answer, error) in [
        ("\r\nERROR\r\n", "ERROR"),
        ("\r\n+CME ERROR: 132\r\n", "132"),
        ("\r\nOK\r\n", "in time"),
        ("", "in time"),
        ("\r\nOK\r\n\r\n+CUSD: 4\r\n", "not support"),
    ] {
        let mut modem = Fake::new();
        modem.on(ask, answer);
        let mut bench = Bench::ready(modem);
        bench.session.ask_network(Some("*100#"), timeout, bench.now);
        bench.turn();
        bench.pass(Duration::from_secs(21));
        assert_eq!(bench.answers.len(), 1, "{answer:?}");
        assert!(
            bench.answers[0].as_ref().is_err_and(|e| e.contains(error)),
            "{answer:?}: {:?}",
            bench.answers
        );
        bench.assert_works();
    }
}

#[test]
fn a_question_waits_for_the_message_and_never_smuggles_a_command() {
    let timeout = Duration::from_secs(20);
    let mut modem = Fake::new();
    modem.on("AT+CUSD=1,\"*100#\",15", "\r\nOK\r\n\r\n+CUSD: 0,\"Hi\",15\r\n");
    let mut bench = Bench::ready(modem);
    bench.submit(1);
    bench.session.ask_network(Some("*100#"), timeout, bench.now);
    bench.turn();
    assert!(bench.answers.is_empty());
    bench.gate(true);
    assert_eq!(bench.answers, [Ok(String::from("Hi"))]);
    for code in ["", "*100#\",15\rAT+CMGD=1,4\r", "hello", "*1\x1a"] {
        bench.session.ask_network(Some(code), timeout, bench.now);
        bench.turn();
        assert!(bench.answers.pop().unwrap().is_err());
    }
    bench.session.ask_network(Some("*100#"), timeout, bench.now);
    bench.session.lost("gone");
    bench.turn();
    assert_eq!(bench.answers.len(), 2, "one answer for each question: {:?}", bench.answers);
}

proptest! {
    /// Whatever a modem writes, at any time: no panic, at most one outcome for an order, and no acceptance
    /// without `+CMGS`.
    #[test]
    fn noise_breaks_nothing(
        before in proptest::collection::vec(piece(), 0..6),
        during in proptest::collection::vec(piece(), 0..12),
        cut in 1usize..9,
    ) {
        let mut modem = Fake::new();
        modem.piece = cut;
        let said: Vec<u8> = during.concat();
        modem.result("");
        let mut bench = Bench::ready(modem);
        for octets in &before {
            bench.session.octets(octets, bench.now);
            bench.turn();
        }
        bench.pass(MINUTE);
        let orders = bench.outcomes.len();
        bench.send();
        for octets in said.chunks(cut) {
            bench.session.octets(octets, bench.now);
            bench.turn();
        }
        bench.pass(MINUTE * 5);
        prop_assert!(bench.outcomes.len() <= orders + 1);
        if let Some(Outcome::Accepted { .. }) = bench.outcomes.last() {
            let text = String::from_utf8_lossy(&said).into_owned();
            prop_assert!(text.contains("+CMGS:"), "{text:?}");
        }
    }
}

fn piece() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        Just(b"\r\n+CMGS: 5\r\n".to_vec()),
        Just(b"\r\nOK\r\n".to_vec()),
        Just(b"\r\n> ".to_vec()),
        Just(b"\r\n+CMT: ,3\r\n".to_vec()),
        Just(b"\r\nRDY\r\n".to_vec()),
        Just(b"\r\nSMS Ready\r\n".to_vec()),
        Just(b"\r\n+CPIN: SIM PIN\r\n".to_vec()),
        Just(b"\r\n+CREG: 0\r\n".to_vec()),
        Just(b"\r\n+CMS ERROR: 38\r\n".to_vec()),
        Just(b"\r\n+CUSD: 0,\"x\"\r\n".to_vec()),
        Just(b"000102\r\n".to_vec()),
        proptest::collection::vec(any::<u8>(), 0..20),
    ]
}
