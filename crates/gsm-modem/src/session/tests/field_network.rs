//! The network: a registration in any domain is enough, an answer that is not understood is not the home
//! network, and recovery steps are tried now and then for a modem that is denied or finds no network.

use super::field::{OK, answer, each, minutes, seconds};
use super::{Bench, Fake, settings};
use crate::Roaming;
use crate::Settings;
use crate::at::Registration;
use crate::snapshot::State;

const QUESTIONS: [&str; 4] = ["AT+CREG?", "AT+CEREG?", "AT+CGREG?", "AT+C5GREG?"];

/// Sets the answers of the domains, in the order of [`QUESTIONS`]; an empty one is refused.
fn registered(modem: &mut Fake, said: [&str; 4]) {
    for (question, line) in QUESTIONS.into_iter().zip(said) {
        let head = question.trim_start_matches("AT").trim_end_matches('?');
        let said = match line {
            "" => String::from("\r\nERROR\r\n"),
            line if line.starts_with(['+', '\r']) => answer(line),
            line => answer(&format!("{head}: {line}")),
        };
        modem.on(question, &said);
        modem.on(&format!("AT{head}=1"), if line.is_empty() { "\r\nERROR\r\n" } else { OK });
    }
}

fn modem(said: [&str; 4]) -> Fake {
    let mut modem = Fake::new();
    registered(&mut modem, said);
    modem.on("AT+CFUN=4", OK);
    modem.on("AT+CFUN=1", OK);
    modem.on("AT+CFUN=1,1", OK);
    modem.on("AT+COPS=0", OK);
    modem
}

fn with(said: [&str; 4], roaming: Roaming) -> Bench {
    Bench::with(modem(said), Settings { roaming, ..settings() })
}

/// TinyGSM#467, botletics/SIM7000-LTE-Shield#50 and #150: +CREG stays at 0, 2 or 3 for ever on BG96 and SIM7000. The
/// last line is a 5G modem's (`+COPS: 0,0,"CHINA MOBILE",11`).
const REGISTERED: &[([&str; 4], Registration)] = &[
    (["0,2", "0,1", "", ""], Registration::Home),
    (["0,2", "0,1", "0,0", ""], Registration::Home),
    (["0,2", "0,5", "0,0", ""], Registration::Roaming),
    (["0,0", "0,1", "0,1", ""], Registration::Home),
    (["0,0", "0,4", "0,5", ""], Registration::Roaming),
    (["0,3", "0,4", "0,5", ""], Registration::Roaming),
    (["0,3", "0,1", "0,3", ""], Registration::Home),
    (["0,2", "", "0,1", ""], Registration::Home),
    (["0,2", "0,2", "0,1", ""], Registration::Home),
    (["", "", "0,1", ""], Registration::Home),
    (["", "0,5", "", ""], Registration::Roaming),
    (["0,1", "0,2", "0,0", "0,0"], Registration::Home),
    (["0,1", "0,3", "0,3", ""], Registration::Home),
    (["0,2", "0,2", "0,2", "0,1"], Registration::Home),
    (["", "", "", "0,5"], Registration::Roaming),
    (["0,8", "0,1", "", ""], Registration::Home),
    (["0,11", "0,11", "0,11", "0,1"], Registration::Home),
    // For short messages alone, and with CSFB not preferred.
    (["0,6", "0,2", "0,2", ""], Registration::Home),
    (["0,2", "0,6", "", ""], Registration::Home),
    (["0,2", "0,7", "", ""], Registration::Roaming),
    (["0,7", "", "", ""], Registration::Roaming),
    (["0,2", "0,9", "", ""], Registration::Home),
    (["0,2", "0,10", "", ""], Registration::Roaming),
    (["2,2", "2,1,\"8d83\",\"671f98a\",7", "2,0", ""], Registration::Home),
    (["2,0,00,0", "2,1, 1F00, 20 ,79D903 ,7", "", ""], Registration::Home),
    (["2,2", "", "", "2,1,1F00,79D903,11,6,ABCDEF"], Registration::Home),
    (["0,0", "0,0", "0,0", "0,1"], Registration::Home),
];

#[test]
fn any_domain_that_has_the_modem_is_enough() {
    each(REGISTERED, |(said, registration)| {
        let mut bench = with(*said, Roaming::Allowed);
        assert!(bench.within(seconds(10), |b| b.state() == State::Ready), "{said:?}: {}", bench.fault());
        assert_eq!(bench.session.snapshot().registration, *registration, "{said:?}");
        assert_eq!(bench.session.snapshot().last_error, None, "{said:?}");
        bench.assert_works();
        // And it stays so: a working radio is not switched off.
        assert!(bench.stays_ready(minutes(70)), "{said:?}: {}", bench.fault());
        for cure in ["AT+CFUN=4", "AT+CFUN=1,1", "AT+COPS=0"] {
            assert_eq!(bench.heard(cure), 0, "{said:?}: {cure}");
        }
        bench.assert_works();
    });
}

#[test]
fn no_domain_that_has_the_modem_is_not_enough() {
    each(
        [
            ["0,2", "0,2", "0,2", "0,2"],
            ["0,2", "0,0", "", ""],
            ["0,0", "0,3", "", ""],
            ["0,3", "0,3", "0,3", ""],
            ["0,11", "0,11", "0,0", ""],
            ["0,8", "", "", ""],
            ["", "0,2", "", ""],
            ["", "", "", "0,2"],
        ],
        |said| {
            let mut bench = with(said, Roaming::Allowed);
            let mut ready = false;
            bench.live(minutes(2), |b| ready |= b.session.snapshot().ready);
            assert!(!ready, "{said:?}");
            assert!(!bench.fault().is_empty(), "{said:?}");
            registered(&mut bench.modem, ["0,2", "0,1", "", ""]);
            assert!(bench.within(seconds(10), |b| b.state() == State::Ready), "{said:?}: {}", bench.fault());
        },
    );
}

#[test]
fn a_domain_that_is_lost_while_another_has_the_modem_changes_nothing() {
    each(
        [
            (["1,1", "1,1", "", ""], "\r\n+CREG: 2\r\n", ["1,2", "1,1", "", ""]),
            (["1,1", "1,1", "1,1", ""], "\r\n+CREG: 0\r\n\r\n+CGREG: 0\r\n", ["1,0", "1,1", "1,0", ""]),
            (["1,1", "1,1", "", ""], "\r\n+CEREG: 0\r\n", ["1,1", "1,0", "", ""]),
            (["1,1", "", "", "1,1"], "\r\n+CREG: 3\r\n", ["1,3", "", "", "1,1"]),
            (["1,2", "1,1", "1,1", ""], "\r\n+CEREG: 2\r\n", ["1,2", "1,2", "1,1", ""]),
            // No code said that the network was lost.
            (["1,1", "1,1", "", ""], "", ["1,2", "1,1", "", ""]),
            (["1,2", "1,1", "1,1", ""], "", ["1,2", "1,3", "1,1", ""]),
        ],
        |(before, lost, after)| {
            let mut bench = with(before, Roaming::Allowed);
            bench.until(|b| b.state() == State::Ready);
            bench.live(seconds(5), |_| {});
            registered(&mut bench.modem, after);
            bench.say(lost);
            assert!(
                bench.within(seconds(3), |b| b.state() == State::Ready),
                "{before:?} {lost:?}: {}",
                bench.fault()
            );
            bench.live(seconds(3), |_| {});
            assert!(bench.stays_ready(minutes(15)), "{before:?} {lost:?}: {}", bench.fault());
            assert_eq!(bench.heard("AT+CFUN=4"), 0);
            bench.assert_works();
        },
    );
}

#[test]
fn a_modem_that_no_domain_has_any_more_waits_for_any_of_them() {
    each(
        [
            ("\r\n+CEREG: 1\r\n", ["1,2", "1,1", "1,0", "1,0"]),
            ("\r\n+CREG: 1\r\n", ["1,1", "1,2", "1,0", "1,0"]),
            ("\r\n+CGREG: 5\r\n", ["1,2", "1,2", "1,5", "1,0"]),
            ("\r\n+C5GREG: 1\r\n", ["1,0", "1,0", "1,0", "1,1"]),
            ("\r\n+CEREG: 1, 1F00, 79D903 ,7\r\n", ["2,2", "2,1, 1F00, 79D903 ,7", "1,0", "1,0"]),
            ("", ["1,2", "1,6", "1,0", "1,0"]),
        ],
        |(back, after)| {
            let mut bench = with(["1,1", "1,1", "1,1", "1,0"], Roaming::Allowed);
            bench.until(|b| b.state() == State::Ready);
            bench.live(seconds(5), |_| {});
            registered(&mut bench.modem, ["1,2", "1,2", "1,0", "1,0"]);
            bench.say("\r\n+CREG: 2\r\n\r\n+CEREG: 2\r\n\r\n+CGREG: 0\r\n");
            assert!(bench.within(seconds(70), |b| !b.session.snapshot().ready), "{:?}", bench.modem.heard);
            bench.live(seconds(30), |_| {});
            assert!(!bench.session.snapshot().ready);
            registered(&mut bench.modem, after);
            bench.say(back);
            assert!(bench.within(seconds(5), |b| b.state() == State::Ready), "{back:?}: {}", bench.fault());
            assert_eq!(bench.session.snapshot().last_error, None, "{back:?}");
            bench.assert_works();
        },
    );
}

/// What stands after `+CREG:` in answers to the question, from the tests of `ModemManager` and gammu.
const SOLICITED: &[(&str, Option<Registration>)] = &[
    ("+CREG:002,001,\"18d8\",\"ffff\"", Some(Registration::Home)),
    ("+CREG:002,005,\"18d8\",\"ffff\"", Some(Registration::Roaming)),
    ("+CREG:002,001,\"0001\",\"0010\"", Some(Registration::Home)),
    ("+CREG:2,1,0001,0010", Some(Registration::Home)),
    ("+CREG:2,5,0001,0010", Some(Registration::Roaming)),
    ("+CREG: 2,1,\"5E25\"", Some(Registration::Home)),
    ("+CREG: 2,5,\"5E25\"", Some(Registration::Roaming)),
    ("+CREG: 2,5,\"5E25", Some(Registration::Roaming)),
    ("+CREG: 2,5,", Some(Registration::Roaming)),
    ("+CREG: 1,5", Some(Registration::Roaming)),
    ("+CREG: 2, 5, \"0426\", \"F00F\"", Some(Registration::Roaming)),
    ("+CREG: 2,5,\"2AF5\",\"0B88E350\",2", Some(Registration::Roaming)),
    ("+CREG: 2,5,  0 5, 2715", Some(Registration::Roaming)),
    ("+CREG: 2,5,000B,2816, B, C2816", Some(Registration::Roaming)),
    ("+CREG: 2,1,8BE3,2BAF", Some(Registration::Home)),
    ("+CREG: 1,5,\"01\",\"9\",7", Some(Registration::Roaming)),
    ("+CREG: \"2\",\"5\"", Some(Registration::Roaming)),
    ("+CREG: 2,11,003F,8FE3, B, C2816", Some(Registration::NotRegistered)),
    ("+CREG:002,0011,\"0f0d\",\"14c3\"", Some(Registration::NotRegistered)),
    ("+CREG:002,002,\"0000\",\"0000\"", Some(Registration::Searching)),
    ("+CREG: 2,2,\"0000\"", Some(Registration::Searching)),
    ("+CREG: 2,0,00,0", Some(Registration::NotRegistered)),
    ("+CREG: 2,3,\"5E25\"", Some(Registration::Denied)),
    // These are not understood: they are neither the home network nor one to send from despite `roaming = false`.
    ("+CREG: ", None),
    ("+CREG: x", None),
    ("+CREG: 0,15", None),
    ("+CREG: (0-2),(1)", None),
    ("+CREG: (0-2)", None),
    ("+CREG: \"18d8\",\"ffff\"", None),
    ("", None),
];

#[test]
fn the_question_decides_how_an_answer_is_read() {
    each(SOLICITED, |(said, registration)| {
        let whole = if said.is_empty() { OK.to_owned() } else { answer(said) };
        for roaming in [Roaming::Forbidden, Roaming::Allowed] {
            let mut modem = modem(["", "", "", ""]);
            modem.on("AT+CREG?", &whole);
            let mut bench = Bench::with(modem, Settings { roaming, ..settings() });
            let ready = bench.within(seconds(20), |b| b.state() == State::Ready);
            let may = match registration {
                Some(Registration::Home) => true,
                Some(Registration::Roaming) | None => roaming == Roaming::Allowed,
                Some(_) => false,
            };
            assert_eq!(ready, may, "{said:?} {roaming:?}: {}", bench.fault());
            let seen = bench.session.snapshot().registration;
            assert_eq!(seen, registration.unwrap_or(Registration::Unknown), "{said:?} {roaming:?}");
            if may {
                bench.assert_works();
                assert!(bench.stays_ready(minutes(5)), "{said:?}: {}", bench.fault());
            }
        }
    });
}

/// Every domain refuses to answer: the first message will show it, unless sending while roaming is forbidden.
#[test]
fn an_unknown_registration_is_not_the_home_network() {
    each([["", "", "", ""], ["x", "", "", ""], ["0,15", "(0-2),(1)", "", ""]], |said| {
        let mut bench = with(said, Roaming::Allowed);
        assert!(bench.within(seconds(20), |b| b.state() == State::Ready), "{said:?}: {}", bench.fault());
        assert_eq!(bench.session.snapshot().registration, Registration::Unknown);
        bench.assert_works();
        let mut bench = with(said, Roaming::Forbidden);
        let mut ready = false;
        bench.live(minutes(3), |b| ready |= b.session.snapshot().ready);
        assert!(!ready, "{said:?}");
        assert!(bench.fault().contains("roam"), "a person is told why: {}", bench.fault());
        registered(&mut bench.modem, ["0,1", "", "", ""]);
        assert!(bench.within(seconds(10), |b| b.state() == State::Ready), "{said:?}: {}", bench.fault());
    });
}

#[test]
fn a_guest_that_may_not_send_does_not() {
    each(
        [
            ["0,5", "", "", ""],
            ["0,2", "0,5", "", ""],
            ["0,5", "0,2", "0,0", ""],
            ["0,2", "0,7", "", ""],
            ["0,2", "0,10", "", ""],
            ["0,0", "0,0", "0,0", "0,5"],
            ["0,5", "0,4", "", ""],
        ],
        |said| {
            let mut bench = with(said, Roaming::Forbidden);
            let mut ready = false;
            bench.live(minutes(2), |b| ready |= b.session.snapshot().ready);
            assert!(!ready, "{said:?}");
            assert!(bench.fault().contains("roaming"), "{said:?}: {}", bench.fault());
            registered(&mut bench.modem, ["0,1", "", "", ""]);
            bench.say("\r\n+CREG: 1\r\n");
            assert!(bench.within(seconds(10), |b| b.state() == State::Ready), "{said:?}: {}", bench.fault());
        },
    );
}

/// gammu#91: the `GenPro` answers the question with OK and gives its registration afterwards.
#[test]
fn an_answer_that_comes_behind_its_ok_is_believed() {
    for (said, registration) in
        [("5,\"25FF\",\"825E", Registration::Roaming), ("1,\"25FF\",\"825E\"", Registration::Home)]
    {
        for roaming in [Roaming::Forbidden, Roaming::Allowed] {
            let mut modem = modem(["", "", "", ""]);
            modem.on("AT+CREG?", &format!("\r\nOK\r\n\r\n+CREG: {said}\r\n"));
            let mut bench = Bench::with(modem, Settings { roaming, ..settings() });
            bench.live(seconds(30), |_| {});
            let may = registration == Registration::Home || roaming == Roaming::Allowed;
            assert_eq!(bench.session.snapshot().ready, may, "{said} {roaming:?}: {}", bench.fault());
            assert_eq!(bench.session.snapshot().registration, registration, "{said} {roaming:?}");
        }
    }
}

/// A report between the question and its answer is still a report.
#[test]
fn a_report_before_the_answer_decides_nothing() {
    each(
        [
            "+CREG: 1",
            "+CREG: 1,\"18d8\",\"ffff\"",
            "+CREG: 1,0001,0010,0",
            "+CREG: 001,\"0001\",\"0010\",000",
        ],
        |report| {
            let mut modem = modem(["", "", "", ""]);
            modem.on("AT+CREG?", &format!("\r\n{report}\r\n\r\n+CREG: 2,5,\"5E25\",\"605F\"\r\n\r\nOK\r\n"));
            let mut bench = Bench::with(modem, Settings { roaming: Roaming::Forbidden, ..settings() });
            bench.live(seconds(30), |_| {});
            assert!(!bench.session.snapshot().ready, "{report}");
            assert_eq!(bench.session.snapshot().registration, Registration::Roaming, "{report}");
        },
    );
}

/// LilyGo-Modem-Series#474: denied until the radio is switched off and on, or the power is. The steps are
/// rare and limited.
#[test]
fn a_modem_that_is_denied_begins_anew_with_its_radio_and_then_with_itself() {
    each(
        [
            (["0,3", "", "", ""], "denies"),
            (["0,3", "0,3", "0,3", ""], "denies"),
            (["", "0,3", "", ""], "denies"),
            (["0,2", "0,3", "", ""], ""),
            (["0,0", "0,0", "0,3", ""], ""),
        ],
        |(said, told)| {
            let mut bench = with(said, Roaming::Allowed);
            bench.live(minutes(4), |_| {});
            assert_eq!((bench.heard("AT+CFUN=4"), bench.heard("AT+CFUN=1,1")), (0, 0), "{said:?}");
            bench.live(minutes(3), |_| {});
            assert_eq!((bench.heard("AT+CFUN=4"), bench.heard("AT+CFUN=1")), (1, 1), "{said:?}");
            bench.live(minutes(40), |_| {});
            assert_eq!((bench.heard("AT+CFUN=4"), bench.heard("AT+CFUN=1,1")), (1, 1), "{said:?}");
            assert!(bench.fault().contains(told), "{said:?}: {}", bench.fault());
            bench.live(minutes(180), |_| {});
            let cures = (bench.heard("AT+CFUN=4"), bench.heard("AT+CFUN=1,1"));
            assert!(
                (2..=4).contains(&cures.0) && (2..=4).contains(&cures.1),
                "{said:?}: {cures:?} in four hours"
            );
        },
    );
}

#[test]
fn a_radio_that_was_off_and_on_ends_a_denial() {
    each(["AT+CFUN=1", "AT+CFUN=1,1"], |cure| {
        let mut modem = modem(["0,3", "0,3", "", ""]);
        modem.when(cure, |modem| registered(modem, ["0,1", "0,1", "", ""]));
        let mut bench = Bench::new(modem);
        bench.live(minutes(30), |_| {});
        assert_eq!(bench.state(), State::Ready, "{cure}: {}", bench.fault());
        bench.assert_works();
    });
}

/// gammu#395 again, in the middle of a recovery step: a radio that was switched off is switched on.
#[test]
fn a_cure_leaves_no_radio_off() {
    each(
        [vec!["\r\nERROR\r\n"; 2], vec!["\r\n+CME ERROR: 515\r\n"; 5], vec!["", "\r\nERROR\r\n"]],
        |refusals| {
            let mut modem = modem(["0,2", "0,2", "", ""]);
            modem.when("AT+CFUN=4", |modem| modem.on("AT+CFUN?", &answer("+CFUN: 4")));
            let mut answers = refusals.clone();
            answers.extend([OK, OK]);
            modem.in_turn("AT+CFUN=1", &answers);
            modem.when("AT+CFUN=1", |modem| {
                if modem.answers["AT+CFUN=1"].len() == 1 {
                    modem.on("AT+CFUN?", &answer("+CFUN: 1"));
                    registered(modem, ["0,1", "0,1", "", ""]);
                }
            });
            let mut bench = Bench::new(modem);
            bench.live(minutes(9), |_| {});
            assert_eq!(
                bench.state(),
                State::Ready,
                "{refusals:?}: {} {:?}",
                bench.fault(),
                bench.modem.heard
            );
            bench.assert_works();
        },
    );
}
