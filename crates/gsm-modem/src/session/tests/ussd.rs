//! USSD: the codings of requests and answers, answers of several lines and out of order, dialogues and their end.

use std::time::Duration;

use super::{Bench, Fake, settings};
use crate::Settings;
use crate::profiles::{Profile, Profiles, Receiving, UssdCoding};
use crate::snapshot::State;

const LIMIT: Duration = Duration::from_secs(30);

fn coded(ussd: UssdCoding) -> Settings {
    let generic = Profile {
        name: "generic".to_owned(),
        ussd,
        receiving: Receiving { new_messages: vec![[2, 1, 2, 1, 0]], ..Receiving::default() },
        ..Profile::default()
    };
    Settings { profiles: Profiles::new(vec![generic]), ..settings() }
}

fn ready(modem: Fake, coding: UssdCoding) -> Bench {
    let mut bench = Bench::with(modem, coded(coding));
    bench.until(|b| b.state() == State::Ready);
    bench.modem.heard.clear();
    bench
}

fn ask(bench: &mut Bench, code: &str) {
    bench.session.ask_network(Some(code), LIMIT, bench.now);
    bench.turn();
}

#[test]
fn a_request_is_written_as_the_family_wants_it() {
    for (coding, command) in [
        (UssdCoding::Plain, "AT+CUSD=1,\"*100#\",15"),
        (UssdCoding::PackedHex, "AT+CUSD=1,\"AA180C3602\",15"),
        (UssdCoding::Ucs2Hex, "AT+CUSD=1,\"002A0031003000300023\",15"),
    ] {
        let mut modem = Fake::new();
        modem.on(command, "\r\nOK\r\n");
        let mut bench = ready(modem, coding);
        ask(&mut bench, "*100#");
        assert_eq!(bench.modem.heard, [command]);
        bench.session.lost("gone");
    }
}

/// An E1752 refuses characters, an E160 accepts only packed digits: the next form is tried, and kept.
#[test]
fn a_text_that_is_refused_is_written_otherwise() {
    let mut modem = Fake::new();
    modem.on("AT+CUSD=1,\"AA180C3602\",15", "\r\nOK\r\n+CUSD: 0, C8329BFD06\r\n");
    let mut bench = ready(modem, UssdCoding::Auto);
    for asked in [2, 3] {
        ask(&mut bench, "*100#");
        assert_eq!(bench.answers.last(), Some(&Ok("Hello".to_owned())));
        assert_eq!(bench.modem.heard.len(), asked, "{:?}", bench.modem.heard);
    }
    // A refusal of the request itself is the answer.
    bench.modem.on("AT+CUSD=1,\"AA180C3602\",15", "\r\n+CME ERROR: 30\r\n");
    ask(&mut bench, "*100#");
    assert!(bench.answers.last().unwrap().is_err());
    bench.assert_works();
}

#[test]
fn a_text_of_several_lines_is_one_answer() {
    // python-gsmmodem, test_modem.py: a menu as it was recorded.
    let menu = "+CUSD: 1,\"Bal:$100.00 *\r\nExp 01 Jan 2013\r\n1. Recharge\r\n2. Balance\r\n00. Home\r\n*charges can take \
                48hrs\",15\r\n";
    for late in [false, true] {
        let mut modem = Fake::new();
        let early = if late { "\r\nOK\r\n".to_owned() } else { format!("{menu}OK\r\n") };
        modem.on("AT+CUSD=1,\"*100#\",15", &early);
        let mut bench = ready(modem, UssdCoding::Auto);
        ask(&mut bench, "*100#");
        if late {
            bench.say(menu);
        }
        let text = bench.answers[0].clone().unwrap();
        assert!(text.starts_with("Bal:$100.00 *\nExp 01 Jan 2013\n1. Recharge\n"), "{text}");
        assert!(text.ends_with("\n*charges can take 48hrs"), "{text}");
        assert_eq!(bench.open, [true]);
        assert_eq!(bench.session.snapshot().counters.dropped_lines, 0);
        bench.assert_works();
    }
}

#[test]
fn a_quote_that_is_never_closed_ends_with_the_command() {
    let mut modem = Fake::new();
    modem.on("AT+CUSD=1,\"*100#\",15", "+CUSD: 0,\"one\r\ntwo\r\nOK\r\n");
    let mut bench = ready(modem, UssdCoding::Auto);
    ask(&mut bench, "*100#");
    assert_eq!(bench.answers, [Ok("one\ntwo".to_owned())]);
    bench.modem.on("AT+CUSD=1,\"*100#\",15", "\r\nOK\r\n+CUSD: 0,\"one\r\n");
    ask(&mut bench, "*100#");
    bench.pass(LIMIT + Duration::from_secs(1));
    assert_eq!(bench.answers[1], Ok("one".to_owned()), "an incomplete text is better than none");
    bench.assert_works();
}

/// Seen with python-gsmmodem: words of the modem, before or after the network's.
#[test]
fn words_about_the_dialogue_are_no_answer() {
    for answer in [
        "+CUSD: 2,\"Initiating Release\",15\r\n+CUSD: 0,\"Wrong order\",15\r\nOK\r\n",
        "OK\r\n+CUSD: 2,\"Initiating Release\",15\r\n+CUSD: 0,\"Wrong order\",15\r\n",
        "OK\r\n+CUSD: 3,\"Other local client responded\",15\r\n+CUSD: 0,\"Wrong order\",15\r\n",
        "OK\r\n+CUSD: 3\r\n+CUSD: 0,\"Wrong order\",15\r\n+CUSD: 2\r\n",
    ] {
        let mut modem = Fake::new();
        modem.on("AT+CUSD=1,\"*100#\",15", answer);
        let mut bench = ready(modem, UssdCoding::Auto);
        ask(&mut bench, "*100#");
        assert_eq!(bench.answers, [Ok("Wrong order".to_owned())], "{answer}");
        bench.assert_works();
    }
}

#[test]
fn a_status_without_text_is_told_in_words() {
    for (said, told) in
        [("2", "ended the dialogue"), ("4", "does not support"), ("5", "did not answer in time")]
    {
        let mut modem = Fake::new();
        modem.on("AT+CUSD=1,\"*100#\",15", &format!("\r\nOK\r\n\r\n+CUSD: {said}\r\n"));
        let mut bench = ready(modem, UssdCoding::Auto);
        ask(&mut bench, "*100#");
        assert!(bench.answers[0].as_ref().unwrap_err().contains(told), "{said}");
    }
}

fn menu() -> Bench {
    let mut modem = Fake::new();
    modem.on("AT+CUSD=1,\"*100#\",15", "\r\nOK\r\n\r\n+CUSD: 1,\"1 Balance 2 Offers\",15\r\n");
    modem.on("AT+CUSD=1,\"1\",15", "\r\nOK\r\n\r\n+CUSD: 2,\"5.00\",15\r\n");
    modem.on("AT+CUSD=2", "\r\nOK\r\n");
    let mut bench = ready(modem, UssdCoding::Auto);
    ask(&mut bench, "*100#");
    assert_eq!(bench.open, [true]);
    bench
}

#[test]
fn a_menu_is_answered_and_the_answer_ends_it() {
    let mut bench = menu();
    // Messages are sent in between.
    bench.assert_works();
    ask(&mut bench, "1");
    assert_eq!(bench.answers[1], Ok("5.00".to_owned()));
    assert_eq!(bench.open, [true, false]);
    assert_eq!(bench.heard("AT+CUSD=2"), 0);
    // No dialogue is open any more: words cannot be answers.
    ask(&mut bench, "yes");
    assert!(bench.answers[2].as_ref().unwrap_err().contains("no dialogue"));
    bench.session.ask_network(None, LIMIT, bench.now);
    bench.turn();
    assert!(bench.answers[3].as_ref().unwrap_err().contains("no dialogue"));
    bench.assert_works();
}

#[test]
fn a_new_code_ends_the_old_dialogue() {
    let mut bench = menu();
    ask(&mut bench, "*100#");
    assert_eq!(bench.modem.heard, ["AT+CUSD=1,\"*100#\",15", "AT+CUSD=2", "AT+CUSD=1,\"*100#\",15"]);
    assert_eq!(bench.answers.len(), 2);
    bench.session.ask_network(None, LIMIT, bench.now);
    bench.turn();
    assert_eq!((bench.heard("AT+CUSD=2"), bench.answers[2].clone()), (2, Ok(String::new())));
    bench.assert_works();
}

#[test]
fn a_dialogue_that_nobody_answers_is_ended() {
    let mut bench = menu();
    bench.pass(Duration::from_secs(300));
    assert_eq!(bench.heard("AT+CUSD=2"), 1);
    assert_eq!(bench.answers.len(), 1, "no request was made");
    ask(&mut bench, "yes");
    assert!(bench.answers[1].is_err());
    bench.assert_works();
    // A dialogue that the network ended is not open either.
    let mut bench = menu();
    bench.say("\r\n+CUSD: 2\r\n");
    bench.pass(Duration::from_secs(300));
    assert_eq!(bench.heard("AT+CUSD=2"), 0);
}
