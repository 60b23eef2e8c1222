//! The first answers of a modem: whatever it answers, it is there; what it refuses while its SIM is locked is
//! asked again afterwards; and its radio is switched on patiently.

use super::field::{OK, READY, answer, each, minutes, result, seconds};
use super::{Bench, Fake, settings};
use crate::at::Registration;
use crate::snapshot::State;
use crate::{Secret, Settings};

fn with_pin(modem: Fake) -> Bench {
    let pin = Some(Secret::new(String::from("1234")));
    Bench::with(modem, Settings { pin, ..settings() })
}

/// Answers every command that the modem knows with `said`, except those in `but`.
fn answers_all_with(modem: &mut Fake, said: &str, but: &[&str]) {
    for (command, answers) in &mut modem.answers {
        if !but.contains(&command.as_str()) {
            *answers = [said.to_owned()].into();
        }
    }
}

/// A telephone simulator, locked K3565-Z and M6280, Wavecoms that are busy: `ModemManager` accepts any final
/// result as an answer.
#[test]
fn a_modem_that_refuses_the_call_is_there() {
    each(
        [
            "\r\nERROR\r\n",
            "\r\n+CME ERROR: 4\r\n",
            "\r\n+CME ERROR: 10\r\n",
            "\r\n+CME ERROR: 11\r\n",
            "\r\n+CME ERROR: 14\r\n",
            "\r\n+CME ERROR: 515\r\n",
            "\r\n+CME ERROR: SIM PIN required\r\n",
            "\r\n+CME ERROR: \r\n",
            "\r\n+CMS ERROR: 500\r\n",
            "\r\nCOMMAND NOT SUPPORT\r\n",
            "\r\nMODEM ERROR: 5\r\n",
            "ERROR\r\n",
            "4\r",
        ],
        |said| {
            let mut modem = Fake::new();
            modem.on("AT", said);
            modem.on("ATQ0V1", said);
            modem.on("AT+CFUN=1,1", OK);
            let mut bench = Bench::new(modem);
            assert!(bench.within(seconds(30), |b| b.state() == State::Ready), "{said:?}: {}", bench.fault());
            assert!(bench.stays_ready(minutes(10)), "{said:?}: {}", bench.fault());
            assert_eq!(
                (bench.heard("AT+CFUN=1,1"), bench.session.snapshot().counters.reopens),
                (0, 0),
                "{said:?}"
            );
            bench.assert_works();
        },
    );
}

/// The answer to one call may be the late answer to an earlier command.
#[test]
fn one_refusal_and_a_good_answer_are_as_good() {
    each([["\r\nERROR\r\n", OK], ["\r\n+CME ERROR: 515\r\n", OK], ["", "\r\nERROR\r\n"]], |answers| {
        let mut modem = Fake::new();
        modem.in_turn("AT", &answers);
        let mut bench = Bench::new(modem);
        assert!(bench.within(seconds(15), |b| b.state() == State::Ready), "{answers:?}");
        bench.assert_works();
    });
}

/// After `AT+CFUN=1` a Wavecom asks to wait, some for most of a minute: nothing is switched off for that, and
/// the port is not opened again.
#[test]
fn a_modem_that_is_busy_at_first_is_waited_for_and_then_known() {
    each(["\r\n+CME ERROR: 515\r\n", "\r\n+CME ERROR: 14\r\n", "\r\n+CME ERROR: SIM busy\r\n"], |busy| {
        for span in [5, 12, 25, 40] {
            let mut modem = Fake::new();
            answers_all_with(&mut modem, busy, &[]);
            modem.echo = true;
            modem.when("ATE0", |modem| modem.echo = modem.answers["ATE0"][0] != OK);
            modem.on("AT+CFUN=1,1", OK);
            let mut bench = Bench::new(modem);
            bench.live(seconds(span), |_| {});
            bench.modem.answers = Fake::new().answers;
            bench.modem.on("AT+CFUN=1,1", OK);
            assert!(
                bench.within(seconds(20), |b| b.state() == State::Ready),
                "{busy:?} {span}: {}",
                bench.fault()
            );
            let seen = bench.session.snapshot().clone();
            assert_eq!((seen.counters.reopens, bench.heard("AT+CFUN=1,1")), (0, 0), "{busy:?} {span}");
            assert_eq!(
                (seen.equipment.manufacturer.as_str(), seen.equipment.model.as_str()),
                ("Acme", "Rocket 1"),
                "{busy:?} {span}"
            );
            assert_eq!(seen.sim.iccid.as_deref(), Some("8941030000000000001"), "{busy:?} {span}");
            assert!(!bench.modem.echo, "{busy:?} {span}: the echo is off");
            bench.assert_works();
        }
    });
}

/// Before its PIN a locked modem refuses everything but `AT+CPIN`: afterwards everything that was refused is asked
/// again.
fn locked(refusal: &str) -> Fake {
    let mut modem = Fake::new();
    answers_all_with(&mut modem, refusal, &["AT"]);
    modem.on("AT+CPIN?", &answer("+CPIN: SIM PIN"));
    modem.on("AT+CPIN=\"1234\"", OK);
    modem.echo = true;
    modem.when("ATE0", |modem| modem.echo = modem.answers["ATE0"][0] != OK);
    modem.when("AT+CPIN=\"1234\"", unlock);
    modem
}

fn unlock(modem: &mut Fake) {
    modem.answers = Fake::new().answers;
    modem.on("AT+CPIN=\"1234\"", OK);
    modem.on("AT+CGMI", &answer("huawei"));
    modem.on("AT+CGMM", &answer("E1752"));
    modem.in_turn("AT+CFUN?", &[&answer("+CFUN: 4"), &answer("+CFUN: 1")]);
    modem.on("AT+CFUN=1", OK);
    modem.in_turn("AT+CREG?", &[&answer("+CREG: 1,2"), &answer("+CREG: 1,1")]);
}

#[track_caller]
fn assert_known(bench: &mut Bench) {
    assert!(bench.within(seconds(30), |b| b.state() == State::Ready), "{}", bench.fault());
    let seen = bench.session.snapshot().clone();
    assert_eq!((seen.equipment.manufacturer.as_str(), seen.equipment.model.as_str()), ("huawei", "E1752"));
    assert_eq!(seen.equipment.imei, "356938035643809");
    assert!(bench.heard("AT+CFUN=1") > 0, "the radio was off: {:?}", bench.modem.heard);
    assert!(bench.heard("AT^CURC=0") > 0, "its family is known: {:?}", bench.modem.heard);
    assert!(!bench.modem.echo, "the echo is off");
    assert!(bench.heard("AT+CMEE=1") > 1, "its errors are numbers: {:?}", bench.modem.heard);
    bench.assert_works();
}

#[test]
fn after_the_pin_everything_is_asked_that_was_refused_before() {
    for refusal in [
        "\r\n+CME ERROR: 11\r\n",
        "\r\nERROR\r\n",
        "\r\n+CME ERROR: SIM PIN required\r\n",
        "\r\n+CMS ERROR: 311\r\n",
    ] {
        // AT itself is refused in one case, and answered in the other.
        for call in [OK, refusal] {
            let mut modem = locked(refusal);
            modem.on("AT", call);
            let mut bench = with_pin(modem);
            assert_known(&mut bench);
            assert_eq!(bench.heard("AT+CPIN=\"1234\""), 1, "{refusal:?}");
        }
    }
}

/// The PIN is entered in a telephone, or by another program.
#[test]
fn after_a_person_unlocked_it_everything_is_asked_that_was_refused_before() {
    each([true, false], |told| {
        let mut bench = Bench::new(locked("\r\n+CME ERROR: 11\r\n"));
        assert!(bench.within(seconds(30), |b| b.state() == State::Blocked), "{}", bench.fault());
        unlock(&mut bench.modem);
        if told {
            bench.say("\r\n+CPIN: READY\r\n");
        }
        bench.within(seconds(70), |b| b.state() != State::Blocked);
        assert_known(&mut bench);
    });
}

/// The same for a modem without a SIM.
#[test]
fn after_a_sim_was_put_in_everything_is_asked_that_was_refused_before() {
    let mut modem = locked("\r\n+CME ERROR: 10\r\n");
    modem.on("AT+CPIN?", "\r\n+CME ERROR: 10\r\n");
    let mut bench = Bench::new(modem);
    bench.live(seconds(8), |_| {});
    unlock(&mut bench.modem);
    bench.modem.on("AT+CPIN?", READY);
    bench.say("\r\n+CPIN: READY\r\n");
    assert_known(&mut bench);
}

/// gammu#395: a radio that is off accepts `AT+CFUN=1` the third time.
#[test]
fn the_radio_is_asked_for_until_it_is_on() {
    let error = result("ERROR");
    each(
        [
            vec![error.as_str(), "\r\n+CME ERROR: 100\r\n"],
            vec!["\r\n+CME ERROR: SIM busy\r\n"; 3],
            vec!["\r\n+CME ERROR: 3\r\n"; 9],
            vec!["\r\n+CME ERROR: 53\r\n", ""],
            vec!["\r\nCOMMAND NOT SUPPORT\r\n", error.as_str()],
        ],
        |refusals| {
            for off in ["+CFUN: 4", "+CFUN: 0", "+CFUN: 4,0", "+CFUN: 7"] {
                let mut modem = Fake::new();
                modem.on("AT+CFUN?", &answer(off));
                modem.on("AT+CREG?", &answer("+CREG: 1,0"));
                let mut answers = refusals.clone();
                answers.extend([OK, OK]);
                modem.in_turn("AT+CFUN=1", &answers);
                modem.when("AT+CFUN=1", |modem| {
                    if modem.answers["AT+CFUN=1"].len() == 1 {
                        modem.on("AT+CFUN?", &answer("+CFUN: 1"));
                        modem.on("AT+CREG?", &answer("+CREG: 1,1"));
                    }
                });
                let mut bench = Bench::new(modem);
                let patience = seconds(60);
                assert!(
                    bench.within(patience, |b| b.state() == State::Ready),
                    "{refusals:?}: {}",
                    bench.fault()
                );
                assert!(bench.heard("AT+CFUN=1") > refusals.len(), "{refusals:?}");
                assert_eq!(bench.session.snapshot().registration, Registration::Home);
                assert!(!bench.fault().contains("radio"), "it is on: {}", bench.fault());
                bench.assert_works();
            }
        },
    );
}

/// The cause that was found first is shown.
#[test]
fn a_radio_that_stays_off_is_not_called_a_bad_antenna() {
    each(["+CREG: 1,0", "+CREG: 1,2"], |off| {
        let mut modem = Fake::new();
        modem.on("AT+CFUN?", &answer("+CFUN: 4"));
        modem.on("AT+CFUN=1", "\r\n+CME ERROR: 100\r\n");
        modem.on("AT+CREG?", &answer(off));
        let mut bench = Bench::new(modem);
        bench.live(seconds(12), |_| {});
        let asked = bench.heard("AT+CFUN=1");
        assert!((9..=12).contains(&asked), "ten times at a second: {asked}");
        bench.live(minutes(3), |_| {});
        assert!(!bench.session.snapshot().ready);
        assert!(bench.fault().contains("radio"), "{off}: {}", bench.fault());
    });
}
