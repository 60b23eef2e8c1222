//! The names of a SIM and its device: a try of the PIN is noted under all names that are known, and a message
//! that was read carries the SIM that it was read from.

use super::field::{OK, READY, answer, each, entry, minutes, seconds, storing};
use super::{Bench, Fake, settings};
use crate::snapshot::Notice;
use crate::{Secret, Settings, SimNames};

const ICCID: &str = "8941030000000000001";
const IMSI: &str = "228011234567890";
const IMEI: &str = "356938035643809";

fn with_pin(modem: Fake) -> Bench {
    let pin = Some(Secret::new(String::from("1234")));
    Bench::with(modem, Settings { pin, ..settings() })
}

fn locked() -> Fake {
    let mut modem = Fake::new();
    modem.on("AT+CPIN?", &answer("+CPIN: SIM PIN"));
    modem.on("AT+CPIN=\"1234\"", "");
    modem
}

#[test]
fn a_try_is_noted_under_every_name() {
    let busy = "\r\n+CME ERROR: 14\r\n";
    each(
        [
            // The answers of the SIM and the device to the questions for their numbers, and which names are
            // known afterwards.
            (vec![], vec![], (true, true)),
            (vec![busy; 3], vec![], (true, true)),
            (vec![busy; 60], vec![], (false, true)),
            (vec!["\r\nERROR\r\n"; 60], vec![], (false, true)),
            (vec![], vec![busy; 60], (true, false)),
            (vec![busy; 60], vec!["\r\n+CME ERROR: 11\r\n"; 60], (false, false)),
        ],
        |(ccid, cgsn, (card, device))| {
            let mut modem = locked();
            for (command, mut answers) in [("AT+CCID", ccid), ("AT+CGSN", cgsn)] {
                let good = modem.answers[command][0].clone();
                answers.push(&good);
                modem.in_turn(command, &answers);
            }
            let mut bench = with_pin(modem);
            assert!(bench.within(minutes(2), |b| b.heard("AT+CPIN=\"1234\"") == 1), "{}", bench.fault());
            let owners = bench.tried.last().unwrap();
            assert_eq!(owners.iccid.as_deref(), card.then_some(ICCID));
            assert_eq!(owners.imei.as_deref(), device.then_some(IMEI));
            assert_eq!((owners.modem.as_str(), owners.port.as_str()), ("m", "/dev/ttyTEST"));
        },
    );
}

/// Three starts, in which different names are known: the wrong PIN is entered once.
#[test]
fn a_wrong_pin_is_given_once_whatever_is_known_at_which_start() {
    let busy = "\r\n+CME ERROR: 14\r\n";
    for starts in [[true, false, true], [false, true, false], [true, true, false], [false, false, true]] {
        let (mut given, mut noted): (usize, Vec<crate::Owners>) = (0, Vec::new());
        for (start, known) in starts.into_iter().enumerate() {
            let mut modem = locked();
            modem.on("AT+CPIN=\"1234\"", "\r\n+CME ERROR: 16\r\n");
            if !known {
                modem.on("AT+CCID", busy);
            }
            if start == 1 {
                modem.on("AT+CGSN", "\r\n+CME ERROR: 11\r\n");
            }
            let mut bench = with_pin(modem);
            // The keeper of the notes refuses a PIN that was tried under any of the names.
            bench.noted = Ok(noted.is_empty());
            bench.live(minutes(5), |_| {});
            given += bench.heard("AT+CPIN=\"1234\"");
            noted.extend(bench.tried.iter().cloned());
            assert!(noted.iter().all(|owners| owners.modem == "m"), "one name is always known");
        }
        assert_eq!(given, 1, "{starts:?}");
    }
}

fn sims(bench: &Bench) -> Vec<SimNames> {
    let sim = |notice: &Notice| match notice {
        Notice::Delivered { sim, .. } | Notice::Report { sim, .. } => Some(sim.clone()),
        _ => None,
    };
    bench.notices.iter().filter_map(sim).collect()
}

fn names(iccid: Option<&str>, imsi: Option<&str>) -> SimNames {
    SimNames { iccid: iccid.map(str::to_owned), imsi: imsi.map(str::to_owned) }
}

#[test]
fn what_was_read_carries_its_sim() {
    let busy = "\r\n+CME ERROR: 14\r\n";
    each(
        [
            (vec![], vec![], names(Some(ICCID), Some(IMSI))),
            (vec![busy; 4], vec![], names(Some(ICCID), Some(IMSI))),
            (vec![], vec![busy; 4], names(Some(ICCID), Some(IMSI))),
            (vec!["\r\nERROR\r\n"; 99], vec![], names(None, Some(IMSI))),
            (vec![], vec!["\r\nERROR\r\n"; 99], names(Some(ICCID), None)),
        ],
        |(ccid, cimi, expected)| {
            let mut modem = storing(1, &entry(1, 7));
            for (command, mut answers) in [("AT+CCID", ccid), ("AT+CIMI", cimi)] {
                let good = modem.answers[command][0].clone();
                answers.push(&good);
                modem.in_turn(command, &answers);
            }
            let mut bench = Bench::new(modem);
            bench.until(|b| b.heard("AT+CPIN?") > 0);
            // These are handed over before the SIM is known.
            bench.say("\r\n+CMT: ,2\r\n000102\r\n\r\n+CDS: 2\r\n000203\r\n");
            bench.live(minutes(1), |_| {});
            assert_eq!(bench.session.snapshot().sim, expected);
            let sims = sims(&bench);
            assert_eq!(sims.len(), 3, "{:?}", bench.notices);
            assert!(sims.iter().all(|sim| *sim == expected), "{sims:?}");
        },
    );
}

#[test]
fn another_sim_has_other_names() {
    let mut bench = Bench::ready(storing(1, &entry(1, 7)));
    bench.live(seconds(30), |_| {});
    bench.modem.in_turn("AT+CPIN?", &["\r\n+CME ERROR: 10\r\n", READY]);
    bench.modem.on("AT+CCID", &answer("+CCID: 8941030000000000019"));
    bench.modem.on("AT+CIMI", &answer("228011234567899"));
    bench.modem.on("AT+CMGL=4", &format!("{}{OK}", entry(1, 8)));
    bench.say("\r\n+CPIN: NOT READY\r\n");
    bench.live(minutes(1), |_| {});
    let other = names(Some("8941030000000000019"), Some("228011234567899"));
    assert_eq!(sims(&bench), [names(Some(ICCID), Some(IMSI)), other]);
}
