//! The SIM: after an error that names it the SIM is checked, one that fails at boot is awaited, one that
//! stays absent leads to a recovery step now and then, and nothing is read before its number is known.

use super::field::{Blamed, OK, READY, answer, blamed, each, entry, minutes, result, seconds, storing};
use super::{Bench, Fake, accepted, settings};
use crate::snapshot::{Notice, State};
use crate::{Secret, Settings};

/// Every way in which modems report that there is no usable SIM.
const ABSENT: &[&str] = &[
    "\r\n+CME ERROR: 10\r\n",
    "\r\n+CME ERROR: 13\r\n",
    "\r\n+CME ERROR: 15\r\n",
    "\r\n+CME ERROR: SIM failure\r\n",
    "\r\n+CME ERROR: SIM not inserted\r\n",
    "\r\n+CMS ERROR: 310\r\n",
    "\r\n+CMS ERROR: 313\r\n",
    "\r\n+CPIN: NOT INSERTED\r\n\r\nOK\r\n",
    "\r\n+CPIN: NOT READY\r\n\r\nOK\r\n",
    "\r\n+CPIN: SIM REMOVED\r\n\r\nOK\r\n",
];

fn with_pin(modem: Fake) -> Bench {
    let pin = Some(Secret::new(String::from("1234")));
    Bench::with(modem, Settings { pin, ..settings() })
}

/// gammu#345: a SIM loses contact. A restart without a word locks it.
#[test]
fn an_error_that_names_the_sim_has_it_looked_at_and_blames_no_message() {
    each(
        [
            "+CMS ERROR: 310",
            "+CMS ERROR: 311",
            "+CMS ERROR: 313",
            "+CMS ERROR: 314",
            "+CMS ERROR: 315",
            "+CMS ERROR: 316",
            "+CMS ERROR: 317",
            "+CME ERROR: 10",
            "+CME ERROR: 11",
            "+CME ERROR: 13",
            "+CME ERROR: 14",
            "+CME ERROR: 15",
            "+CMS ERROR: SIM not inserted",
            "+CME ERROR: SIM failure",
        ],
        |said| {
            for early in [true, false] {
                let mut bench = Bench::ready(Fake::new());
                if early {
                    bench.modem.prompt = result(said);
                } else {
                    bench.modem.result(&result(said));
                }
                let busy = "\r\n+CME ERROR: 14\r\n";
                bench
                    .modem
                    .in_turn("AT+CPIN?", &["\r\n+CME ERROR: 10\r\n", busy, "\r\n+CME ERROR: 13\r\n", READY]);
                bench.send();
                assert_eq!(blamed(&bench.outcomes[0]), Some(Blamed::Sim), "{said}: {:?}", bench.outcomes);
                assert!(
                    bench.within(seconds(1), |b| b.heard("AT+CPIN?") > 0),
                    "{said}: {:?}",
                    bench.modem.heard
                );
                assert!(!bench.session.snapshot().ready, "{said}: messages wait");
                let mut blocked = false;
                bench.live(seconds(10), |b| blocked |= b.state() == State::Blocked);
                assert!(!blocked, "{said}");
                bench.modem.prompt = String::from("\r\n> ");
                bench.assert_works();
                assert!(bench.heard("AT+CMGF=0") > 0, "{said}: {:?}", bench.modem.heard);
            }
        },
    );
}

/// The SIM works whatever the answers say: it is checked once for each error, and the modem goes on.
#[test]
fn a_sim_that_is_well_is_looked_at_once_for_each_error() {
    each(["+CMS ERROR: 310", "+CMS ERROR: 313", "+CME ERROR: 15"], |said| {
        let mut bench = Bench::ready(Fake::new());
        bench.modem.result(&result(said));
        for sent in 1..=6 {
            bench.send();
            assert_eq!(bench.outcomes.len(), sent);
            assert!(bench.within(seconds(10), |b| b.state() == State::Ready), "{said}: {}", bench.fault());
            assert_eq!(bench.heard("AT+CPIN?"), sent, "{said}");
        }
        assert!(bench.outcomes.iter().all(|outcome| blamed(outcome) == Some(Blamed::Sim)), "{said}");
    });
}

/// The PIN that was accepted is entered again at once.
#[test]
fn a_sim_that_is_locked_again_is_unlocked_at_once() {
    each(
        [("+CMS ERROR: 311", true), ("+CMS ERROR: 311", false), ("+CME ERROR: 11", true)],
        |(said, early)| {
            let mut modem = Fake::new();
            modem.in_turn("AT+CPIN?", &[&answer("+CPIN: SIM PIN"), READY]);
            modem.on("AT+CPIN=\"1234\"", OK);
            let mut bench = with_pin(modem);
            bench.until(|b| b.state() == State::Ready);
            bench.modem.in_turn("AT+CPIN?", &[&answer("+CPIN: SIM PIN"), READY]);
            if early {
                bench.modem.prompt = result(said);
            } else {
                bench.modem.result(&result(said));
            }
            bench.send();
            assert!(
                bench.within(seconds(5), |b| b.heard("AT+CPIN=\"1234\"") == 2),
                "{said}: {}",
                bench.fault()
            );
            bench.modem.prompt = String::from("\r\n> ");
            bench.assert_works();
        },
    );
    // Without a PIN a person is called.
    let mut bench = Bench::ready(Fake::new());
    bench.modem.on("AT+CPIN?", &answer("+CPIN: SIM PIN"));
    bench.modem.result(&result("+CMS ERROR: 311"));
    bench.send();
    assert!(bench.within(seconds(20), |b| b.state() == State::Blocked), "{}", bench.fault());
    assert!(bench.fault().contains("set pin_file"), "{}", bench.fault());
}

/// A PIN that was refused stays refused, whatever a message is answered.
#[test]
fn a_wrong_pin_is_not_given_again_because_a_message_names_the_sim() {
    let mut modem = Fake::new();
    modem.in_turn("AT+CPIN?", &[&answer("+CPIN: SIM PIN")]);
    modem.on("AT+CPIN=\"1234\"", "\r\n+CME ERROR: 16\r\n");
    let mut bench = with_pin(modem);
    assert!(bench.within(seconds(30), |b| b.state() == State::Blocked));
    // A person unlocks it, and it is locked again.
    bench.modem.on("AT+CPIN?", READY);
    bench.assert_ready();
    bench.modem.on("AT+CPIN?", &answer("+CPIN: SIM PIN"));
    bench.modem.result(&result("+CMS ERROR: 311"));
    bench.send();
    bench.live(minutes(10), |_| {});
    assert_eq!(bench.heard("AT+CPIN=\"1234\""), 1);
    assert!(!bench.session.snapshot().ready);
}

/// The same words as the answer to another command.
#[test]
fn an_error_that_names_the_sim_while_messages_are_read_has_it_looked_at() {
    each(["\r\n+CMS ERROR: 310\r\n", "\r\n+CMS ERROR: 311\r\n", "\r\n+CME ERROR: 10\r\n"], |said| {
        let mut bench = Bench::ready(storing(0, ""));
        bench.live(seconds(30), |_| {});
        bench.modem.heard.clear();
        bench.modem.in_turn("AT+CPIN?", &["\r\n+CME ERROR: 10\r\n", "\r\n+CME ERROR: 10\r\n", READY]);
        bench.modem.on("AT+CMGR=3", said);
        bench.say("\r\n+CMTI: \"SM\",3\r\n");
        assert!(bench.within(seconds(5), |b| b.heard("AT+CPIN?") > 0), "{said:?}: {:?}", bench.modem.heard);
        bench.modem.on("AT+CMGR=3", OK);
        bench.assert_works();
    });
}

/// LilyGo-Modem-Series#79, MKRGSM#103: a SIM fails for some seconds at boot.
#[test]
fn a_sim_that_fails_at_boot_is_waited_for() {
    each(ABSENT, |said| {
        for span in [1, 4, 8, 12] {
            for told in [true, false] {
                let mut modem = Fake::new();
                modem.on("AT+CPIN?", said);
                modem.on("AT+CFUN=1,1", OK);
                let mut bench = Bench::new(modem);
                let mut blocked = false;
                bench.live(seconds(span), |b| blocked |= b.state() == State::Blocked);
                assert!(!blocked, "{said:?} for {span} s: {}", bench.fault());
                bench.modem.on("AT+CPIN?", READY);
                if told {
                    bench.say("\r\n+CPIN: READY\r\n\r\nSMS DONE\r\n\r\nPB DONE\r\n");
                }
                assert!(
                    bench.within(seconds(5), |b| b.state() == State::Ready),
                    "{said:?}: {}",
                    bench.fault()
                );
                assert_eq!(bench.heard("AT+CFUN=1,1"), 0);
                assert_eq!(bench.session.snapshot().last_error, None);
                bench.assert_works();
            }
        }
    });
}

/// TinyGSM#374: the modem restarts while it is asked.
#[test]
fn a_boot_as_it_was_recorded() {
    let mut modem = Fake::new();
    modem.in_turn(
        "AT+CPIN?",
        &[
            "\r\n+CME ERROR: SIM failure\r\n",
            "\r\nRDY\r\n\r\n+CFUN: 1\r\n\r\n+CME ERROR: SIM not inserted\r\n",
            "\r\n+CPIN: NOT READY\r\n",
            "\r\n+CPIN: READY\r\n\r\nCall Ready\r\n\r\n+CPIN: READY\r\n\r\nOK\r\n",
        ],
    );
    modem.in_turn(
        "AT+CREG?",
        &["\r\nSMS Ready\r\n\r\n+CREG: 0,2\r\n\r\nOK\r\n", "\r\n+CREG: 0,1\r\n\r\nOK\r\n"],
    );
    let mut bench = Bench::new(modem);
    let mut blocked = false;
    bench.live(seconds(20), |b| blocked |= b.state() == State::Blocked);
    assert!(!blocked);
    assert!(bench.within(seconds(10), |b| b.state() == State::Ready), "{}", bench.fault());
    bench.assert_works();
}

/// kura#2820: `CME 10` until the device is reset again. A person is called when it lasts, and one restart is tried.
#[test]
fn a_sim_that_stays_away_is_asked_for_told_and_restarted_for() {
    each(ABSENT, |said| {
        let mut modem = Fake::new();
        modem.on("AT+CPIN?", said);
        modem.on("AT+CFUN=1,1", OK);
        let mut bench = Bench::new(modem);
        let mut blocked = false;
        bench.live(seconds(13), |b| blocked |= b.state() == State::Blocked);
        assert!(!blocked, "{said:?}");
        assert!((10..=16).contains(&bench.heard("AT+CPIN?")), "{said:?}: {}", bench.heard("AT+CPIN?"));
        assert!(bench.within(seconds(10), |b| b.state() == State::Blocked), "{said:?}");
        let mut other = None;
        let look = |b: &Bench| {
            let fault = b.fault();
            (!fault.contains("no usable SIM")).then(|| fault.to_owned())
        };
        bench.live(seconds(40), |b| other = other.take().or_else(|| look(b)));
        assert_eq!(bench.heard("AT+CFUN=1,1"), 0, "{said:?}: not in a hurry");
        bench.live(minutes(3), |b| other = other.take().or_else(|| look(b)));
        assert_eq!(bench.heard("AT+CFUN=1,1"), 1, "{said:?}");
        bench.live(minutes(50), |b| other = other.take().or_else(|| look(b)));
        assert_eq!(bench.heard("AT+CFUN=1,1"), 1, "{said:?}: at most once an hour");
        bench.live(minutes(120), |b| other = other.take().or_else(|| look(b)));
        let restarts = bench.heard("AT+CFUN=1,1");
        assert!((2..=3).contains(&restarts), "{said:?}: {restarts}");
        assert_eq!(other, None, "{said:?}: the cause stays told");
        assert_eq!(bench.state(), State::Blocked, "{said:?}");
    });
}

#[test]
fn a_restart_that_brings_the_sim_back_ends_it() {
    each(ABSENT, |said| {
        let mut modem = Fake::new();
        modem.on("AT+CPIN?", said);
        modem.on("AT+CFUN=1,1", OK);
        modem.when("AT+CFUN=1,1", |modem| modem.on("AT+CPIN?", READY));
        let mut bench = Bench::new(modem);
        bench.live(minutes(4), |_| {});
        assert_eq!(
            (bench.state(), bench.heard("AT+CFUN=1,1")),
            (State::Ready, 1),
            "{said:?}: {}",
            bench.fault()
        );
        assert!(!bench.fault().contains("antenna"), "{}", bench.fault());
        bench.assert_works();
    });
}

/// A SIM that is removed or loses contact while the modem works.
#[test]
fn a_sim_that_is_lost_is_asked_for_told_and_restarted_for() {
    each(
        ["\r\n+CPIN: NOT READY\r\n", "\r\n+CPIN: NOT INSERTED\r\n", "\r\n+CPIN: SIM REMOVED\r\n", "send"],
        |code| {
            let mut bench = Bench::ready(Fake::new());
            bench.modem.on("AT+CFUN=1,1", OK);
            bench.modem.on("AT+CPIN?", "\r\n+CME ERROR: 10\r\n");
            if code == "send" {
                bench.modem.result(&result("+CMS ERROR: 310"));
                bench.send();
            } else {
                bench.say(code);
            }
            let mut blocked = false;
            bench.live(seconds(12), |b| blocked |= b.state() == State::Blocked);
            assert!(!blocked, "{code:?}");
            assert!(!bench.session.snapshot().ready);
            bench.live(minutes(3), |_| {});
            assert_eq!((bench.heard("AT+CFUN=1,1"), bench.state()), (1, State::Blocked), "{code:?}");
            assert!(bench.fault().contains("no usable SIM"), "{code:?}: {}", bench.fault());
            bench.modem.on("AT+CPIN?", READY);
            bench.live(minutes(2), |_| {});
            assert_eq!(bench.state(), State::Ready, "{code:?}");
            bench.assert_works();
        },
    );
}

/// A fault that only a person can end leads to no restart.
#[test]
fn a_sim_that_wants_a_person_is_not_restarted_for() {
    each(["+CPIN: SIM PIN", "+CPIN: SIM PUK", "+CPIN: PH-NET PIN", "+CPIN: PH-SIM PIN"], |said| {
        let mut modem = Fake::new();
        modem.on("AT+CPIN?", &answer(said));
        modem.on("AT+CFUN=1,1", OK);
        modem.on("AT+CFUN=4", OK);
        let mut bench = Bench::new(modem);
        assert!(bench.within(seconds(5), |b| b.state() == State::Blocked), "{said}");
        bench.live(minutes(180), |_| {});
        assert_eq!((bench.heard("AT+CFUN=1,1"), bench.heard("AT+CFUN=4")), (0, 0), "{said}");
        assert_eq!(bench.state(), State::Blocked);
    });
}

/// LilyGo-Modem-Series#496: `+CPIN: SIM CRASH`. An answer that is not understood does not come from a SIM that works.
#[test]
fn a_state_of_the_sim_that_nobody_knows_is_not_well() {
    let mut modem = Fake::new();
    modem.on("AT+CPIN?", &answer("+CPIN: SIM CRASH"));
    let mut bench = Bench::new(modem);
    let mut ready = false;
    bench.live(seconds(30), |b| ready |= b.session.snapshot().ready);
    assert!(!ready);
    assert!(bench.fault().contains("SIM"), "{}", bench.fault());
    bench.modem.on("AT+CPIN?", READY);
    bench.live(seconds(70), |_| {});
    bench.assert_works();
}

/// A wrong PIN was tried twice, once under each name: a busy SIM is asked again before the PIN is tried.
#[test]
fn a_sim_that_is_busy_is_asked_for_its_number_again_before_its_pin_is_tried() {
    each(["\r\n+CME ERROR: 14\r\n", "\r\n+CME ERROR: SIM busy\r\n", "\r\n+CME ERROR: 515\r\n"], |busy| {
        for times in [1, 3] {
            let mut modem = Fake::new();
            modem.on("AT+CPIN?", &answer("+CPIN: SIM PIN"));
            modem.on("AT+CPIN=\"1234\"", "");
            let mut answers = vec![busy; times];
            let number = answer("+CCID: 8941030000000000001");
            answers.push(&number);
            modem.in_turn("AT+CCID", &answers);
            let mut bench = with_pin(modem);
            assert!(bench.within(seconds(30), |b| b.heard("AT+CPIN=\"1234\"") == 1), "{}", bench.fault());
            let known =
                bench.tried.iter().any(|owners| owners.iccid.as_deref() == Some("8941030000000000001"));
            assert!(known, "{busy:?} {times}: {:?}", bench.tried);
        }
    });
}

/// A SIM or a device whose numbers are refused for good gets its PIN all the same.
#[test]
fn numbers_that_stay_refused_keep_no_pin_back() {
    each(["\r\n+CME ERROR: 14\r\n", "\r\n+CME ERROR: 11\r\n", "\r\nERROR\r\n"], |refusal| {
        let mut modem = Fake::new();
        modem.in_turn("AT+CPIN?", &[&answer("+CPIN: SIM PIN"), READY]);
        for command in ["AT+CCID", "AT+CGSN", "AT+CIMI"] {
            modem.on(command, refusal);
        }
        modem.on("AT+CPIN=\"1234\"", OK);
        let mut bench = with_pin(modem);
        assert!(bench.within(minutes(2), |b| b.state() == State::Ready), "{refusal:?}: {}", bench.fault());
        assert_eq!(bench.heard("AT+CPIN=\"1234\""), 1);
        bench.assert_works();
    });
}

/// A message carries the SIM that it was read from: nothing is read before the SIM is known, or known to be
/// unknowable.
#[test]
fn nothing_is_read_before_the_sims_number_is_known() {
    each(["\r\n+CME ERROR: 14\r\n", "\r\n+CMS ERROR: 314\r\n", "\r\n+CME ERROR: 515\r\n", ""], |busy| {
        for command in ["AT+CCID", "AT+CIMI"] {
            let mut modem = storing(1, &entry(1, 7));
            let number = modem.answers[command][0].clone();
            modem.in_turn(command, &[busy, busy, busy, &number]);
            let mut bench = Bench::new(modem);
            bench.until(|b| b.heard(command) > 0);
            bench.say("\r\n+CMTI: \"SM\",1\r\n");
            assert!(bench.within(minutes(1), |b| b.heard("AT+CMGL=4") > 0), "{:?}", bench.modem.heard);
            let seen = bench.session.snapshot().clone();
            assert_eq!(seen.sim.iccid.as_deref(), Some("8941030000000000001"), "{command} {busy:?}");
            assert_eq!(seen.sim.imsi.as_deref(), Some("228011234567890"), "{command} {busy:?}");
            let known = bench.last_heard(command);
            let read =
                bench.first_heard("AT+CMGL=4").min(bench.first_heard("AT+CMGR=1").or(Some(usize::MAX)));
            assert!(known < read, "{command} {busy:?}: {:?}", bench.modem.heard);
            bench.live(seconds(10), |_| {});
            assert_eq!(bench.places_read(), [("SM".into(), 1)]);
        }
    });
    each(["\r\nERROR\r\n", "\r\n+CME ERROR: 4\r\n", "\r\n+CME ERROR: 14\r\n"], |refusal| {
        let mut modem = storing(1, &entry(1, 7));
        modem.on("AT+CCID", refusal);
        let mut bench = Bench::new(modem);
        assert!(
            bench.within(minutes(1), |b| !b.places_read().is_empty()),
            "{refusal:?}: {:?}",
            bench.modem.heard
        );
        bench.assert_works();
    });
}

/// Another SIM behind the same open port holds other messages.
#[test]
fn what_was_read_from_one_sim_is_not_deleted_from_the_next() {
    let mut bench = Bench::ready(storing(1, &entry(1, 7)));
    bench.live(seconds(30), |_| {});
    assert_eq!(bench.places_read(), [("SM".into(), 1)]);
    bench.modem.in_turn("AT+CPIN?", &["\r\n+CME ERROR: 10\r\n", "\r\n+CME ERROR: 10\r\n", READY]);
    bench.modem.on("AT+CCID", &answer("+CCID: 8941030000000000019"));
    bench.modem.on("AT+CIMI", &answer("228011234567899"));
    bench.modem.on("AT+CMGL=4", OK);
    bench.say("\r\n+CPIN: NOT READY\r\n");
    bench.discard("SM", 1);
    assert!(bench.within(seconds(30), |b| b.state() == State::Ready), "{}", bench.fault());
    bench.live(seconds(30), |_| {});
    assert_eq!(bench.heard("AT+CMGD=1"), 0, "{:?}", bench.modem.heard);
    assert_eq!(bench.session.snapshot().sim.iccid.as_deref(), Some("8941030000000000019"));
}

/// A message that is handed over in the meantime is not lost while the SIM's number is asked for.
#[test]
fn what_is_handed_over_before_the_number_is_known_is_not_lost() {
    let mut modem = Fake::new();
    let number = answer("+CCID: 8941030000000000001");
    let busy = "\r\n+CME ERROR: 14\r\n";
    modem.in_turn("AT+CCID", &[busy, busy, &number]);
    let mut bench = Bench::new(modem);
    bench.until(|b| b.heard("AT+CCID") > 0);
    bench.say("\r\n+CMT: ,2\r\n000102\r\n\r\n+CDS: 2\r\n000203\r\n");
    bench.until(|b| b.state() == State::Ready);
    let (messages, reports) = bench.notices.iter().fold((0, 0), |(messages, reports), notice| match notice {
        Notice::Delivered { .. } => (messages + 1, reports),
        Notice::Report { .. } => (messages, reports + 1),
        _ => (messages, reports),
    });
    assert_eq!((messages, reports), (1, 1));
    bench.send();
    assert_eq!(bench.outcomes, [accepted(&[7])]);
}
