//! What a modem answers to a message: what an error is about, and what a reference without its OK counts.

use std::time::Duration;

use super::field::{Blamed, OK, answer, blamed, each, result, seconds};
use super::text_mode::text_only;
use super::{Bench, Fake, accepted};
use crate::at::LineEnd;
use crate::session::Closing;
use crate::snapshot::{Outcome, State};

/// The outcome of a message that is answered with this, before or after its prompt.
fn outcome_of(mut bench: Bench, said: &str, early: bool) -> Outcome {
    let said = result(said);
    if early {
        bench.modem.prompt.clone_from(&said);
    } else {
        bench.modem.result(&said);
    }
    bench.send();
    bench.within(seconds(2), |b| !b.outcomes.is_empty());
    assert_eq!(bench.outcomes.len(), 1, "{said:?}");
    let outcome = bench.outcomes[0].clone();
    // Nothing of the message remains.
    bench.modem.prompt = String::from("\r\n> ");
    bench.modem.result("\r\n+CMGS: 99\r\n\r\nOK\r\n");
    assert!(bench.within(seconds(5), |b| b.state() == State::Ready), "{said:?}: {:?}", bench.fault());
    bench.send();
    bench.within(seconds(1), |b| b.outcomes.len() == 2);
    assert_eq!(bench.outcomes.last(), Some(&accepted(&[99])), "{said:?}");
    outcome
}

fn of_maker(maker: &str) -> Bench {
    let mut modem = Fake::new();
    modem.on("AT+CGMI", &answer(maker));
    Bench::ready(modem)
}

/// gammu#1221: the numbers from 512 on are the makers' own, and so are those of u-blox from 350 on.
#[test]
fn a_number_of_the_makers_own_ends_no_message() {
    let all: &[u16] = &[512, 513, 514, 515, 516, 517, 518, 519, 520, 532, 549, 553, 600, 999];
    // These are defined by the makers, and end no message either.
    let defined: &[u16] = &[515, 600, 999];
    each(
        [
            ("WAVECOM MODEM", defined),
            ("Telit", defined),
            ("SIMCOM_Ltd", defined),
            ("Quectel", defined),
            ("Motorola", defined),
            ("Acme", all),
            ("huawei", all),
            ("ZTE INCORPORATED", all),
        ],
        |(maker, codes)| {
            for code in codes {
                for early in [true, false] {
                    let outcome = outcome_of(of_maker(maker), &format!("+CMS ERROR: {code}"), early);
                    let blamed = blamed(&outcome);
                    assert!(
                        blamed.is_some_and(|blamed| blamed != Blamed::Message),
                        "{maker} {code}: {outcome:?}"
                    );
                }
            }
        },
    );
    each(["u-blox", "Acme"], |maker| {
        for code in [351, 352, 360, 373] {
            let outcome = outcome_of(of_maker(maker), &format!("+CMS ERROR: {code}"), false);
            assert!(blamed(&outcome) != Some(Blamed::Message), "{maker} {code}: {outcome:?}");
        }
    });
}

/// This is Siemens' own table.
#[test]
fn a_bad_character_is_the_messages_where_the_maker_says_so() {
    each([("SIEMENS", 515), ("Cinterion", 517), ("Cinterion", 549)], |(maker, code)| {
        let outcome = outcome_of(of_maker(maker), &format!("+CMS ERROR: {code}"), false);
        assert_eq!(blamed(&outcome), Some(Blamed::Message), "{maker} {code}: {outcome:?}");
    });
}

/// An octet of the line or of the length was lost, the modem is in text mode, or it is confused
/// (gogsmmodem#2, the Quectel M08R): the codec is this program's.
#[test]
fn a_bad_parameter_is_the_modems() {
    each(
        [
            "+CMS ERROR: 304",
            "+CMS ERROR: 305",
            "+CMS ERROR: invalid PDU mode parameter",
            "+CMS ERROR: Invalid text mode parameter",
        ],
        |said| {
            for early in [true, false] {
                let outcome = outcome_of(Bench::ready(Fake::new()), said, early);
                assert_eq!(blamed(&outcome), Some(Blamed::Modem), "{said}: {outcome:?}");
            }
        },
    );
}

#[test]
fn after_a_bad_parameter_the_format_is_set_again_and_the_pdu_waits_behind_the_prompt() {
    each([304, 305], |code| {
        let mut bench = Bench::ready(Fake::new());
        bench.modem.results =
            [result(&format!("+CMS ERROR: {code}")), String::from("\r\n+CMGS: 8\r\n\r\nOK\r\n")].into();
        bench.send();
        bench.within(seconds(1), |b| b.state() == State::Ready);
        bench.send();
        assert_eq!(bench.modem.pdus.len(), 1, "modems lose octets within 10 ms of the prompt");
        bench.live(Duration::from_millis(150), |_| {});
        assert_eq!(bench.modem.pdus.len(), 2);
        assert_eq!(bench.outcomes.last(), Some(&accepted(&[8])));
        let sends: Vec<_> = bench
            .modem
            .heard
            .iter()
            .filter(|heard| ["AT+CMGS=15", "AT+CMGF=0"].contains(&heard.as_str()))
            .collect();
        assert_eq!(sends, ["AT+CMGS=15", "AT+CMGF=0", "AT+CMGS=15"], "{code}");
    });
}

/// A modem that hung and answered again just when it was called with CR and LF needs no LF: it takes the LF for the
/// first octet of each PDU.
#[test]
fn after_a_bad_parameter_a_line_end_that_was_found_out_is_given_up() {
    for code in [304, 305] {
        let mut bench = Bench::ready(Fake::new());
        bench.session.dialogue.settings_mut().line_end = LineEnd::CrLf;
        bench.modem.results = [result(&format!("+CMS ERROR: {code}"))].into();
        bench.send();
        assert!(bench.within(seconds(1), |b| b.state() == State::Ready));
        assert_eq!(bench.session.dialogue.settings_mut().line_end, LineEnd::Cr, "{code}");
    }
}

#[test]
fn a_modem_that_answers_so_to_everything_never_blames_a_message() {
    each([304, 305], |code| {
        let mut bench = Bench::ready(Fake::new());
        bench.modem.result(&result(&format!("+CMS ERROR: {code}")));
        for sent in 1..=12 {
            bench.send();
            bench.within(seconds(1), |b| b.outcomes.len() == sent);
            bench.within(seconds(5), |b| b.state() == State::Ready);
        }
        assert!(bench.outcomes.iter().all(|outcome| blamed(outcome) == Some(Blamed::Modem)), "{code}");
    });
}

#[test]
fn a_bad_parameter_in_text_mode_is_the_modems_too() {
    each([304, 305], |code| {
        let mut bench = Bench::ready(text_only());
        bench.modem.result(&result(&format!("+CMS ERROR: {code}")));
        bench.send();
        bench.within(seconds(2), |b| !b.outcomes.is_empty());
        assert_eq!(blamed(&bench.outcomes[0]), Some(Blamed::Modem), "{code}");
        bench.modem.result("\r\n+CMGS: 8\r\n\r\nOK\r\n");
        bench.within(seconds(5), |b| b.state() == State::Ready);
        bench.send();
        bench.within(seconds(1), |b| b.outcomes.len() == 2);
        assert_eq!(bench.outcomes.last(), Some(&accepted(&[8])));
    });
}

/// A message is on the air, and the modem has answered nothing yet.
fn on_the_air(parts: usize) -> Bench {
    let mut bench = Bench::ready(Fake::new());
    bench.modem.result("");
    bench.submit(parts);
    bench.gate(true);
    assert_eq!(bench.modem.pdus.len(), 1);
    bench
}

/// 27.005 clause 3.5.1: a reference comes on success alone. python-gsmmodem#65: the OK was lost in noise.
#[test]
fn a_reference_counts_after_three_quiet_seconds() {
    each(
        [
            "",
            "\r\n",
            "\r\nOK",
            "\r\nO",
            "\r\nK\r\n",
            "\r\nOJ\r\n",
            "\r\nO\u{7f}K\r\n",
            "\r\n\0\0\r\n",
            "\r\nO\u{fffd}\r\n",
            "\r\n\r\n\r\n",
        ],
        |rest| {
            let mut bench = on_the_air(1);
            bench.say(&format!("\r\n+CMGS: 41\r\n{rest}"));
            bench.live(Duration::from_millis(2_900), |_| {});
            assert_eq!(bench.outcomes, [], "{rest:?}");
            assert_eq!(bench.modem.heard.len(), 1, "nothing is written meanwhile: {:?}", bench.modem.heard);
            bench.live(Duration::from_millis(700), |_| {});
            assert_eq!(bench.outcomes, [accepted(&[41])], "{rest:?}");
            // The dialogue is resynchronised before anything else is written.
            bench.modem.result("\r\n+CMGS: 99\r\n\r\nOK\r\n");
            assert!(bench.within(seconds(5), |b| b.state() == State::Ready), "{rest:?}");
            bench.send();
            bench.within(seconds(1), |b| b.outcomes.len() == 2);
            assert_eq!(bench.outcomes.last(), Some(&accepted(&[99])), "{rest:?}");
            let (first, called) = (bench.first_heard("AT+CMGS=15"), bench.first_heard("AT"));
            assert!(first < called && called < bench.last_heard("AT+CMGS=15"), "{:?}", bench.modem.heard);
            assert_eq!(bench.modem.pdus.len(), 2, "sent once each");
        },
    );
}

/// Some modems send a code every second or two for ever (`^BOOT` on an E1752).
#[test]
fn a_modem_that_talks_all_the_time_is_not_waited_for() {
    each(
        ["\r\n^BOOT:35323129,0,0,0,26\r\n", "\r\n^RSSI:17\r\n", "\r\n+CREG: 1\r\n", "\r\n+NEW: 1\r\n"],
        |code| {
            let mut bench = on_the_air(1);
            bench.say("\r\n+CMGS: 41\r\n");
            for _ in 0..10 {
                bench.live(seconds(1), |_| {});
                bench.say(code);
            }
            assert_eq!(bench.outcomes, [accepted(&[41])], "{code:?}");
            bench.assert_works();
        },
    );
}

#[test]
fn an_ok_that_comes_late_is_taken_at_once_or_harms_nothing() {
    each([(500, true), (2_500, true), (3_050, false), (3_500, false), (6_000, false)], |(late, taken)| {
        let mut bench = on_the_air(1);
        bench.say("\r\n+CMGS: 41\r\n");
        bench.live(Duration::from_millis(late), |_| {});
        assert_eq!(bench.outcomes.is_empty(), taken, "{late}");
        bench.say(OK);
        assert_eq!(bench.outcomes, [accepted(&[41])], "{late}");
        bench.assert_works();
        assert_eq!(bench.outcomes.len(), 2);
    });
}

/// Each part is treated separately.
#[test]
fn a_part_whose_ok_is_lost_is_followed_by_the_next() {
    for lost in 0..3 {
        let mut bench = on_the_air(3);
        for part in 0..3_u8 {
            let ok = if part == lost { "" } else { OK };
            bench.say(&format!("\r\n+CMGS: {}\r\n{ok}", 41 + part));
            bench.live(seconds(5), |_| {});
        }
        assert_eq!(bench.outcomes, [accepted(&[41, 42, 43])], "{lost}");
        assert_eq!(bench.modem.pdus.len(), 3);
        bench.assert_works();
    }
}

/// The end of the dialogue does not cancel a reference that was given.
#[test]
fn a_reference_counts_when_the_modem_goes() {
    each(["lost", "stop", "\r\nRDY\r\n", "\r\n^SYSSTART\r\n"], |end| {
        let mut bench = on_the_air(1);
        bench.say("\r\n+CMGS: 41\r\n");
        match end {
            "lost" => bench.goes(),
            "stop" => bench.stops(seconds(20)),
            said => bench.say(said),
        }
        bench.turn();
        bench.within(seconds(25), |b| !b.outcomes.is_empty());
        assert_eq!(bench.outcomes, [accepted(&[41])], "{end:?}");
        if end == "stop" {
            assert!(bench.within(seconds(25), |b| b.closings == [Closing::Stop]));
        }
    });
}

/// An error after a reference leaves the outcome open, and an invalid reference does not count.
#[test]
fn what_is_no_success_is_not_taken_for_one() {
    each(
        [
            "\r\n+CMGS: 41\r\n\r\n+CMS ERROR: 38\r\n",
            "\r\n+CMGS: 41\r\n\r\nERROR\r\n",
            "\r\n+CMGS: \r\n",
            "\r\n+CMGS: 300\r\n",
            "\r\n+CMGS: x\r\n",
            "\r\n+CMGS:",
            "\r\nOK\r\n",
        ],
        |said| {
            let mut bench = on_the_air(1);
            bench.say(said);
            bench.live(seconds(200), |_| {});
            assert!(
                matches!(bench.outcomes[..], [Outcome::Unknown { .. }]),
                "{said:?}: {:?}",
                bench.outcomes
            );
            bench.assert_works();
        },
    );
}
