//! A message whose answer is late: that is reported once, nothing is written in the meantime, and the modem is given
//! up after a time that follows from its earlier answers. An answer that comes after all is credited.

use std::time::Duration;

use super::field::{OK, answer, begins_anew, each, minutes, seconds};
use super::{Bench, Fake, accepted, settings};
use crate::Settings;
use crate::at::Verdict;
use crate::session::Input;
use crate::snapshot::{Notice, Outcome, State};

/// A modem that took this long from Ctrl-Z to its answer, this many times.
fn taught(count: usize, took: Duration) -> Bench {
    let mut bench = Bench::ready(Fake::new());
    teach(&mut bench, count, took);
    bench
}

fn teach(bench: &mut Bench, count: usize, took: Duration) {
    bench.modem.result("");
    for _ in 0..count {
        assert!(bench.within(minutes(1), |b| b.state() == State::Ready));
        bench.send();
        bench.live(took, |_| {});
        bench.say("\r\n+CMGS: 1\r\n\r\nOK\r\n");
    }
    assert!(bench.within(minutes(1), |b| b.state() == State::Ready));
    assert!(bench.outcomes.iter().all(|outcome| *outcome == accepted(&[1])), "{:?}", bench.outcomes);
    bench.outcomes.clear();
    bench.notices.clear();
    bench.modem.heard.clear();
    bench.modem.pdus.clear();
}

/// Its first message was given up, and may still be answered.
fn owing() -> Bench {
    let mut bench = taught(20, seconds(1));
    bench.modem.result("");
    bench.send();
    bench.within(seconds(31), |b| !b.outcomes.is_empty());
    assert!(bench.within(seconds(5), |b| b.state() == State::Ready));
    bench.outcomes.clear();
    bench
}

fn overdue(bench: &Bench) -> usize {
    bench.notices.iter().filter(|notice| **notice == Notice::Overdue).count()
}

fn late(bench: &Bench) -> Vec<u8> {
    let late = |notice: &Notice| match notice {
        Notice::LateAccepted { reference } => Some(*reference),
        _ => None,
    };
    bench.notices.iter().filter_map(late).collect()
}

/// The number of answers and how slow they were, then the seconds of patience, and after how many the modem
/// is given up.
const LEARNED: &[(usize, u64, u64, u64)] = &[
    // Without earlier answers: thirty seconds, and the whole time-out.
    (0, 0, 30, 180),
    // Four times and eight times the slowest answer, at least 8 s and 30 s, and never more than the time-out.
    (20, 0, 8, 30),
    (20, 1, 8, 30),
    (20, 2, 8, 30),
    (20, 3, 12, 30),
    (20, 5, 20, 40),
    (20, 10, 40, 80),
    (20, 20, 80, 160),
    (20, 40, 160, 180),
    (20, 60, 180, 180),
    (3, 1, 8, 30),
];

#[test]
fn patience_is_learned() {
    each(LEARNED, |&(count, slow, patience, given_up)| {
        let mut bench = taught(count, seconds(slow));
        bench.send();
        let short = Duration::from_millis(200);
        if patience < given_up {
            bench.live(seconds(patience).saturating_sub(short), |_| {});
            assert_eq!(overdue(&bench), 0, "too early");
            bench.live(short * 2, |_| {});
            assert_eq!(overdue(&bench), 1, "after {patience} s");
            bench.live(seconds(given_up - patience).saturating_sub(short * 2), |_| {});
        } else {
            bench.live(seconds(given_up).saturating_sub(short), |_| {});
        }
        assert_eq!(bench.outcomes, [], "the order goes on");
        assert_eq!(
            bench.modem.heard.iter().filter(|heard| *heard != "AT+CMGF=0").count(),
            1,
            "{:?}",
            bench.modem.heard
        );
        bench.live(short * 2, |_| {});
        assert!(
            matches!(bench.outcomes[..], [Outcome::Unknown { .. }]),
            "after {given_up} s: {:?}",
            bench.outcomes
        );
        assert!(overdue(&bench) <= 1, "reported once");
        bench.assert_works();
        assert!(overdue(&bench) <= 1, "reported once");
    });
}

/// The last twenty answers count: a slow one before them is forgotten, and a single slow one among them counts.
#[test]
fn the_slowest_of_the_last_twenty_counts() {
    let mut bench = taught(1, seconds(20));
    teach(&mut bench, 19, seconds(1));
    bench.send();
    bench.live(seconds(79), |_| {});
    assert_eq!(overdue(&bench), 0);
    bench.say("\r\n+CMGS: 1\r\n\r\nOK\r\n");
    bench.outcomes.clear();
    teach(&mut bench, 20, seconds(1));
    bench.send();
    bench.live(Duration::from_millis(8_200), |_| {});
    assert_eq!(overdue(&bench), 1);
}

#[test]
fn patience_can_be_set() {
    for (set, told) in [(3, Some(3)), (60, Some(60)), (170, Some(170)), (600, None)] {
        let settings = Settings { patience: Some(seconds(set)), ..settings() };
        let mut bench = Bench::ready_with(Fake::new(), settings);
        bench.modem.result("");
        bench.send();
        if let Some(told) = told {
            bench.live(seconds(told).saturating_sub(Duration::from_millis(200)), |_| {});
            assert_eq!(overdue(&bench), 0, "{set}");
            bench.live(Duration::from_millis(400), |_| {});
            assert_eq!(overdue(&bench), 1, "{set}");
        }
        bench.live(seconds(185), |_| {});
        assert!(
            matches!(bench.outcomes[..], [Outcome::Unknown { .. }]),
            "never longer than the time-out: {set}"
        );
    }
}

/// The limit that a maker documents is the longest wait here too.
#[test]
fn a_makers_limit_is_the_last_word() {
    let mut modem = Fake::new();
    modem.on("AT+CGMI", &answer("u-blox"));
    let mut bench = Bench::ready(modem);
    bench.modem.result("");
    bench.send();
    bench.live(seconds(189), |_| {});
    assert_eq!(bench.outcomes, []);
    bench.live(seconds(2), |_| {});
    assert!(matches!(bench.outcomes[..], [Outcome::Unknown { .. }]));
}

/// A G510 and a Telit abort a message at any character.
#[test]
fn nothing_is_written_while_an_answer_is_due() {
    let mut bench = taught(20, seconds(1));
    bench.modem.on("AT+CFUN=1,1", OK);
    bench.send();
    let before = bench.modem.heard.len();
    for second in 0..29 {
        bench.live(seconds(1), |_| {});
        match second {
            3 => bench.say("\r\n+CMTI: \"SM\",3\r\n"),
            5 => bench.say("\r\n+CDS: 2\r\n000102\r\n"),
            9 => bench.resets(),
            11 => bench.ask("*100#"),
            13 => bench.say("\r\n+CREG: 2\r\n"),
            15 => bench.say("\r\n+CPIN: READY\r\n"),
            17 => bench.say("\r\n^SMMEMFULL: \"SM\"\r\n"),
            19 => bench.say("\r\n+CMT: \"+41790000001\",,\"25/01/01,10:00:00+04\"\r\nHello\r\n"),
            _ => {}
        }
        bench.turn();
        assert_eq!(bench.modem.heard.len(), before, "second {second}: {:?}", bench.modem.heard);
    }
    assert_eq!((overdue(&bench), bench.outcomes.len()), (1, 0));
}

#[test]
fn an_answer_after_the_patience_is_an_answer() {
    for (said, expected) in [("\r\n+CMGS: 41\r\n\r\nOK\r\n", true), ("\r\n+CMS ERROR: 38\r\n", false)] {
        let mut bench = taught(20, seconds(1));
        bench.send();
        bench.live(seconds(20), |_| {});
        assert_eq!(overdue(&bench), 1);
        bench.say(said);
        match &bench.outcomes[..] {
            [outcome] if expected => assert_eq!(*outcome, accepted(&[41])),
            outcomes => assert!(!expected && matches!(outcomes, [Outcome::Rejected { .. }]), "{outcomes:?}"),
        }
        bench.assert_works();
        assert_eq!((overdue(&bench), late(&bench).len()), (1, 0));
    }
}

/// A message that was given up after half a minute is still credited: at once, while the modem is called,
/// while it is ready, and before the next message's prompt.
#[test]
fn an_answer_after_the_modem_was_given_up_is_credited() {
    for after in [0, 50, 150, 1_000, 5_000, 60_000, 200_000] {
        let mut bench = taught(20, seconds(1));
        bench.modem.in_turn("AT", &["", OK]);
        bench.send();
        assert!(bench.within(seconds(31), |b| !b.outcomes.is_empty()));
        bench.live(Duration::from_millis(after), |_| {});
        bench.say("\r\n+CMGS: 41\r\n\r\nOK\r\n");
        assert_eq!(late(&bench), [41], "after {after} ms");
        bench.assert_works();
        assert_eq!(late(&bench), [41]);
    }
    let mut bench = taught(20, seconds(1));
    bench.send();
    bench.within(seconds(31), |b| !b.outcomes.is_empty());
    assert!(bench.within(seconds(5), |b| b.state() == State::Ready), "it sends again after 35 s at most");
    bench.modem.prompt = String::from("\r\n+CMGS: 41\r\n\r\nOK\r\n\r\n> ");
    bench.modem.result("\r\n+CMGS: 42\r\n\r\nOK\r\n");
    bench.send();
    assert_eq!((late(&bench), bench.outcomes.last()), (vec![41], Some(&accepted(&[42]))));
}

/// After the next message's body, the late answer is not taken for that message's.
#[test]
fn a_late_answer_is_not_that_of_the_next_message() {
    let (reference, error) = ("\r\n+CMGS: 41\r\n\r\nOK\r\n", "\r\n+CMS ERROR: 1\r\n");
    let (own, refused) = ("\r\n+CMGS: 42\r\n\r\nOK\r\n", "\r\n+CMS ERROR: 38\r\n");
    each([(reference, own), (reference, refused), (error, own), (error, refused)], |(first, second)| {
        let mut bench = owing();
        bench.send();
        bench.live(Duration::from_millis(500), |_| {});
        bench.say(first);
        bench.live(Duration::from_millis(1_500), |_| {});
        assert!(bench.outcomes.is_empty());
        bench.say(second);
        // A modem need not answer in order: one result of each kind does not say which message it accepted.
        let credited = match &bench.outcomes[..] {
            [outcome] if (first, second) == (reference, own) => {
                assert_eq!(*outcome, accepted(&[42]));
                vec![41]
            }
            [Outcome::Rejected { error: failure, .. }] if (first, second) == (error, refused) => {
                assert_eq!(failure.code, Some(38));
                vec![]
            }
            [Outcome::Unknown { reason, .. }] if reason.contains("does not say which") => vec![],
            other => panic!("{first:?} {second:?}: {other:?}"),
        };
        assert_eq!(late(&bench), credited);
        bench.assert_works();
    });
}

/// An earlier message is accepted half a second after the next one was written; its own refusal comes so much later.
fn is_in_doubt(mut bench: Bench, own_after: Duration) {
    bench.outcomes.clear();
    bench.modem.result("");
    bench.send();
    bench.live(Duration::from_millis(500), |_| {});
    bench.say("\r\n+CMGS: 41\r\n\r\nOK\r\n");
    bench.live(own_after, |_| {});
    assert!(bench.outcomes.is_empty(), "the message is still on the air: {:?}", bench.outcomes);
    bench.say("\r\n+CMS ERROR: 1\r\n");
    assert!(matches!(&bench.outcomes[..], [Outcome::Unknown { .. }]), "{:?}", bench.outcomes);
    bench.assert_works();
}

/// The program was stopped and started again while a message was on the air.
#[test]
fn a_late_answer_to_a_message_of_an_earlier_run_is_not_that_of_the_next_one() {
    let mut bench = Bench::ready(Fake::new());
    bench.session.handle(Input::ExpectLate, bench.now);
    is_in_doubt(bench, seconds(1));
}

/// The modem refuses the messages after the one that was given up, and then accepts that one.
#[test]
fn a_late_answer_is_not_that_of_a_message_after_one_that_was_refused() {
    let mut bench = Bench::ready(Fake::new());
    bench.session.handle(Input::ExpectLate, bench.now);
    for refused in 1..=2 {
        bench.modem.result("\r\n+CMS ERROR: 38\r\n");
        bench.send();
        assert!(bench.within(seconds(5), |b| b.outcomes.len() == refused && b.state() == State::Ready));
    }
    is_in_doubt(bench, seconds(1));
}

/// A slow modem's own answer is awaited as long as its answers take.
#[test]
fn a_late_answer_is_not_that_of_the_next_message_of_a_slow_modem() {
    let mut bench = taught(20, seconds(6));
    bench.modem.result("");
    bench.send();
    assert!(bench.within(seconds(49), |b| !b.outcomes.is_empty()), "the first is given up");
    assert!(bench.within(seconds(5), |b| b.state() == State::Ready));
    is_in_doubt(bench, Duration::from_millis(5_500));
}

/// `OK` alone belongs to an earlier command, and what follows belongs to the message.
#[test]
fn an_error_behind_ok_alone_is_the_messages_own() {
    let mut bench = taught(20, seconds(1));
    bench.modem.result("\r\nOK\r\n");
    bench.send();
    bench.live(Duration::from_millis(500), |_| {});
    bench.say("\r\n+CMS ERROR: 1\r\n");
    match &bench.outcomes[..] {
        [Outcome::Rejected { error, .. }] => {
            assert_eq!((error.code, error.verdict), (Some(1), Verdict::Refused));
        }
        other => panic!("{other:?}"),
    }
}

/// When nothing else comes, the result was the message's own. An error that may belong to another message ends no
/// message for good.
#[test]
fn what_may_be_a_late_answer_counts_when_it_comes_alone() {
    each(["\r\n+CMGS: 42\r\n\r\nOK\r\n", "\r\n+CMS ERROR: 1\r\n"], |alone| {
        let mut bench = owing();
        bench.modem.result(alone);
        bench.send();
        assert!(bench.within(seconds(3), |b| !b.outcomes.is_empty()));
        match &bench.outcomes[..] {
            [Outcome::Accepted { references }] => assert_eq!(*references, [42]),
            [Outcome::Rejected { error, .. }] => assert_eq!(error.verdict, Verdict::Later),
            other => panic!("{other:?}"),
        }
        bench.assert_works();
        assert_eq!(bench.outcomes.len(), 2, "no other message is doubted because of it");
    });
}

/// The modem restarts without a word behind an answer that may be a late one: nobody knows whether it took the message.
#[test]
fn what_may_be_a_late_answer_does_not_count_when_the_modem_restarts_behind_it() {
    for restarts in [false, true] {
        let mut bench = owing();
        bench.modem.result("");
        bench.send();
        bench.live(Duration::from_millis(500), |_| {});
        bench.say("\r\n+CMGS: 41\r\n\r\nOK\r\n");
        if restarts {
            begins_anew(&mut bench.modem);
        }
        assert!(bench.within(seconds(60), |b| !b.outcomes.is_empty()), "restarts {restarts}");
        match &bench.outcomes[..] {
            [Outcome::Accepted { .. }] if !restarts => {}
            [Outcome::Unknown { .. }] if restarts => {}
            other => panic!("restarts {restarts}: {other:?}"),
        }
        bench.assert_works();
    }
}

/// The message's own refusal comes while the modem is called again, and not before.
#[test]
fn what_may_be_a_late_answer_does_not_count_when_a_refusal_comes_to_the_call() {
    let mut bench = owing();
    bench.modem.result("");
    bench.send();
    bench.live(Duration::from_millis(500), |_| {});
    bench.say("\r\n+CMGS: 41\r\n\r\nOK\r\n");
    let called = bench.heard("AT");
    bench.modem.in_turn("AT", &["", OK]);
    assert!(bench.within(seconds(4), |b| b.heard("AT") > called));
    bench.say("\r\n+CMS ERROR: 50\r\n");
    assert!(bench.within(seconds(30), |b| !b.outcomes.is_empty()));
    assert!(matches!(bench.outcomes[..], [Outcome::Unknown { .. }]), "{:?}", bench.outcomes);
    bench.assert_works();
}

/// The late acceptance comes behind that of the next message, while a third one is on the air: its reference tells that it
/// is not the third one's.
#[test]
fn an_old_reference_is_not_that_of_a_newer_message() {
    each([Some("\r\n+CMS ERROR: 50\r\n"), Some("\r\n+CMGS: 43\r\n\r\nOK\r\n"), None], |own| {
        let mut bench = owing();
        bench.modem.result("\r\n+CMGS: 42\r\n\r\nOK\r\n");
        bench.send();
        assert!(bench.within(seconds(4), |b| b.outcomes.len() == 1));
        assert_eq!(bench.outcomes[0], accepted(&[42]));
        bench.assert_ready();
        bench.modem.result("");
        bench.send();
        bench.live(Duration::from_millis(500), |_| {});
        bench.say("\r\n+CMGS: 41\r\n\r\nOK\r\n");
        if let Some(own) = own {
            bench.say(own);
        }
        assert!(bench.within(seconds(4), |b| b.outcomes.len() == 2), "{own:?}");
        match &bench.outcomes[1] {
            Outcome::Accepted { references } if own.is_some_and(|own| own.contains("43")) => {
                assert_eq!(*references, [43]);
            }
            Outcome::Unknown { .. } => {}
            other => panic!("{own:?}: {other:?}"),
        }
        bench.assert_works();
    });
}

/// Two messages were given up, and the answer to the second one comes first.
#[test]
fn of_two_late_answers_the_older_one_is_not_that_of_a_newer_message() {
    let mut bench = taught(20, seconds(1));
    for given_up in [1, 2] {
        bench.modem.result("");
        bench.send();
        assert!(bench.within(seconds(31), |b| b.outcomes.len() == given_up));
        assert!(bench.within(seconds(5), |b| b.state() == State::Ready));
    }
    bench.say("\r\n+CMGS: 42\r\n\r\nOK\r\n");
    assert_eq!(late(&bench), [42]);
    bench.assert_ready();
    bench.modem.result("\r\n+CMGS: 41\r\n\r\nOK\r\n");
    bench.send();
    // As slow as that one was, its own answer may be too.
    assert!(bench.within(seconds(120), |b| b.outcomes.len() == 3));
    assert!(matches!(bench.outcomes[2], Outcome::Unknown { .. }), "{:?}", bench.outcomes);
    bench.assert_works();
}

/// A port that is lost under a message may bring its answer when it is back, unless another modem is.
#[test]
fn a_message_that_a_port_was_lost_under_may_be_answered_when_it_is_back() {
    for (question, answer, another) in [
        ("AT+CGSN", "490154203237518", true),
        ("AT+CGSN", "356938035643809", false),
        // One whose firmware was read wrongly before, or was replaced, is the same.
        ("AT+CGMR", "1.1", false),
    ] {
        let mut bench = taught(20, seconds(1));
        bench.modem.result("");
        bench.send();
        bench.session.handle(Input::Lost("unplugged".to_owned()), bench.now);
        bench.turn();
        assert!(matches!(bench.outcomes[..], [Outcome::Unknown { .. }]));
        bench.modem.on(question, &format!("\r\n{answer}\r\n\r\nOK\r\n"));
        bench.open();
        bench.assert_ready();
        bench.modem.result("\r\n+CMGS: 41\r\n\r\nOK\r\n\r\n+CMS ERROR: 50\r\n");
        bench.send();
        bench.within(seconds(4), |b| b.outcomes.len() == 2);
        match &bench.outcomes[1] {
            Outcome::Unknown { .. } if !another => {}
            Outcome::Accepted { .. } if another => {}
            other => panic!("{question} {answer}: {other:?}"),
        }
    }
}

/// A reference without its OK is not a late one.
#[test]
fn a_reference_ends_the_wait() {
    let mut bench = taught(20, seconds(1));
    bench.send();
    bench.live(seconds(7), |_| {});
    bench.say("\r\n+CMGS: 41\r\n");
    bench.live(seconds(5), |_| {});
    assert_eq!((overdue(&bench), &bench.outcomes[..]), (0, &[accepted(&[41])][..]));
}

#[test]
fn an_order_of_several_parts_is_overdue_once() {
    let mut bench = taught(20, seconds(1));
    bench.submit(3);
    bench.gate(true);
    for reference in [41, 42, 43] {
        bench.live(seconds(15), |_| {});
        bench.say(&format!("\r\n+CMGS: {reference}\r\n\r\nOK\r\n"));
    }
    assert_eq!((overdue(&bench), &bench.outcomes[..]), (1, &[accepted(&[41, 42, 43])][..]));
}
