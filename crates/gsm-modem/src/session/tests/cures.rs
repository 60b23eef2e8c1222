//! The session on its recovery ladder: a modem that is cured by each rung, and by none.

use std::time::Duration;

use super::{Bench, Fake, accepted};
use crate::ladder::Rung::{self, PowerCycle, Radio, Reauthorise, Reopen, Restart, Resync};
use crate::session::{Closing, Input};
use crate::snapshot::{Notice, Outcome, State};

const MINUTE: Duration = Duration::from_secs(60);
const OK: &str = "\r\nOK\r\n";

/// A modem that was brought up and then answers nothing.
fn silenced() -> Bench {
    let mut bench = Bench::ready(Fake::new());
    bench.notices.clear();
    for command in ["AT", "ATQ0V1", "AT+CFUN=1,1"] {
        bench.modem.on(command, "");
    }
    bench
}

fn revive(bench: &mut Bench) {
    bench.modem.on("AT", OK);
}

/// Acts as the task does, until the modem is ready or `seconds` are over. Returns the rungs that were
/// climbed. `cures` says whether a rung that needs no port works.
fn climb(bench: &mut Bench, seconds: u64, mut cures: impl FnMut(&mut Bench, Rung) -> bool) -> Vec<Rung> {
    let until = bench.now + Duration::from_secs(seconds);
    let mut rungs = Vec::new();
    while bench.state() != State::Ready && bench.now < until {
        let restarts = bench.heard("AT+CFUN=1,1");
        let closing = bench.closings.pop();
        match closing {
            Some(Closing::Cure(mut rung)) => loop {
                rungs.push(rung);
                let done = if cures(bench, rung) { Ok(()) } else { Err(None) };
                match bench.climbed(rung, done) {
                    Some(next) => rung = next,
                    None => break,
                }
            },
            Some(_) => rungs.push(Reopen),
            None => {
                bench.jump();
                if bench.heard("AT+CFUN=1,1") > restarts {
                    rungs.push(Restart);
                    cures(bench, Restart);
                }
                continue;
            }
        }
        bench.now += Duration::from_secs(2);
        bench.open();
        cures(bench, Reopen);
    }
    rungs.dedup();
    rungs
}

fn recovered(bench: &Bench) -> Vec<Rung> {
    let rung = |notice: &Notice| match notice {
        Notice::Recovered { rung, .. } => Some(*rung),
        _ => None,
    };
    bench.notices.iter().filter_map(rung).collect()
}

#[test]
fn each_rung_cures_what_it_should() {
    for (curing, climbed) in [
        (Reopen, vec![Reopen]),
        (Restart, vec![Reopen, Restart, Reopen]),
        (Reauthorise, vec![Reopen, Restart, Reopen, Restart, Reopen, Reauthorise]),
        (PowerCycle, vec![Reopen, Restart, Reopen, Restart, Reopen, Reauthorise, Reopen, PowerCycle]),
    ] {
        let mut bench = silenced();
        bench.pass(MINUTE + Duration::from_secs(6));
        assert_eq!(bench.state(), State::Recovering);
        let rungs = climb(&mut bench, 600, |bench, rung| {
            if rung == curing {
                revive(bench);
            }
            true
        });
        assert_eq!(rungs, climbed, "{curing:?}");
        assert_eq!(recovered(&bench), [curing]);
        let sentence = format!("{} brought it back", curing.words());
        assert!(bench.fault().contains("did not answer in time"), "{}", bench.fault());
        assert!(bench.fault().contains(&sentence), "{}", bench.fault());
        bench.assert_works();
        bench.until(|b| b.state() == State::Ready);
        assert_eq!(recovered(&bench), [curing], "reported once");
    }
}

#[test]
fn a_call_that_is_answered_is_the_lowest_rung() {
    let mut bench = Bench::ready(Fake::new());
    bench.notices.clear();
    bench.modem.in_turn("AT", &["", OK]);
    bench.pass(MINUTE + Duration::from_secs(10));
    assert_eq!((bench.state(), recovered(&bench)), (State::Ready, vec![Resync]));
    assert!(bench.closings.is_empty());
    assert!(bench.fault().contains("calling it again brought it back after 0."), "{}", bench.fault());
}

#[test]
fn what_nothing_cures_is_left_to_rest_and_asked_now_and_then() {
    let mut bench = silenced();
    bench.pass(MINUTE + Duration::from_secs(6));
    // There is no USB device and no command.
    let rungs = climb(&mut bench, 3600, |_, _| false);
    assert_eq!(rungs[..6], [Reopen, Restart, Reopen, Restart, Reopen, Reauthorise]);
    assert_eq!(rungs[6..8], [PowerCycle, Reopen], "at once after the other: neither was possible");
    assert_eq!(bench.state(), State::Recovering);
    for what in ["nothing answers AT", "tried: ", "opening its port again", "restarting it"] {
        assert!(bench.fault().contains(what), "{}", bench.fault());
    }
    let restarts = bench.heard("AT+CFUN=1,1");
    assert!((8..=16).contains(&restarts), "rests of 1, 2, 4, 8 and 16 minutes in an hour: {restarts}");
    assert!(bench.heard("AT") > 2 * restarts, "it is asked in between");
    // The modem answers by itself, long before the rest is over.
    let before = bench.now;
    revive(&mut bench);
    climb(&mut bench, 3600, |_, _| false);
    assert_eq!(bench.state(), State::Ready);
    assert!(bench.now - before <= MINUTE + Duration::from_secs(70), "{:?}", bench.now - before);
    bench.assert_works();
}

#[test]
fn one_that_is_plugged_anew_is_not_left_to_rest() {
    let mut bench = silenced();
    bench.pass(MINUTE + Duration::from_secs(6));
    climb(&mut bench, 400, |_, _| false);
    bench.pass(Duration::from_secs(20));
    bench.closings.clear();
    bench.session.lost("gone");
    revive(&mut bench);
    let back = bench.now;
    bench.open();
    bench.until(|b| b.state() == State::Ready);
    assert!(bench.now - back < Duration::from_secs(5));
}

#[test]
fn one_that_is_away_has_its_power_taken_now_and_then_and_is_brought_up_when_it_is_back() {
    let mut bench = Bench::ready(Fake::new());
    bench.session.lost("gone");
    let mut rungs = Vec::new();
    for _ in 0..3600 * 6 / 2 {
        bench.session.lost("no such device");
        let mut rung = bench.missing();
        while let Some(climbed) = rung {
            rungs.push(climbed);
            let done = if climbed == PowerCycle { Ok(()) } else { Err(None) };
            rung = bench.climbed(climbed, done);
        }
        bench.turn();
        assert_eq!(bench.state(), State::Absent);
        bench.now += Duration::from_secs(2);
    }
    let cycles = rungs.iter().filter(|rung| **rung == PowerCycle).count();
    assert!((10..=18).contains(&cycles), "in six hours: {cycles}");
    assert!(bench.fault().contains("no such device; tried: the power_cycle command"), "{}", bench.fault());
    let back = bench.now;
    bench.open();
    bench.until(|b| b.state() == State::Ready);
    assert!(bench.now - back < Duration::from_secs(5));
    bench.assert_works();
}

#[test]
fn a_restart_seen_at_rest_brings_it_up_at_once() {
    let mut bench = silenced();
    bench.pass(MINUTE + Duration::from_secs(6));
    climb(&mut bench, 400, |_, _| false);
    revive(&mut bench);
    let said = bench.now;
    bench.say("\r\nRDY\r\n");
    bench.until(|b| b.state() == State::Ready);
    assert!(bench.now - said < Duration::from_secs(5));
    bench.assert_works();
}

fn cure(bench: &mut Bench) {
    bench.session.handle(Input::Cure("all of them".to_owned()), bench.now);
    bench.turn();
}

#[test]
fn a_modem_whose_messages_fail_is_cured_once_an_hour() {
    let mut bench = Bench::ready(Fake::new());
    bench.modem.on("AT+CFUN=4", OK);
    bench.modem.on("AT+CFUN=1", OK);
    bench.modem.result("\r\n+CMS ERROR: 500\r\n");
    bench.notices.clear();
    let mut rungs = Vec::new();
    for _ in 0..40 {
        bench.send();
        cure(&mut bench);
        rungs.extend(climb(&mut bench, 600, |_, _| true));
        bench.assert_ready();
        bench.now += MINUTE;
    }
    assert_eq!(bench.heard("AT+CFUN=4"), 1);
    assert_eq!(bench.heard("AT+CFUN=1,1"), 1);
    assert!(rungs.contains(&Reauthorise) && rungs.contains(&PowerCycle), "{rungs:?}");
    assert_eq!(recovered(&bench), [], "nothing has helped");
    bench.pass(MINUTE * 30);
    bench.send();
    cure(&mut bench);
    bench.assert_ready();
    assert_eq!(bench.heard("AT+CFUN=4"), 2, "after an hour");
    bench.assert_works();
    assert_eq!(recovered(&bench), [Radio]);
    assert!(bench.fault().contains("messages through the modem fail: all of them"), "{}", bench.fault());
}

#[test]
fn a_cure_waits_for_the_message_on_the_air() {
    let mut bench = Bench::ready(Fake::new());
    bench.modem.on("AT+CFUN=4", OK);
    bench.modem.result("");
    bench.send();
    cure(&mut bench);
    assert_eq!(bench.heard("AT+CFUN=4"), 0);
    bench.say("\r\n+CMGS: 7\r\n\r\nOK\r\n");
    assert_eq!(bench.heard("AT+CFUN=4"), 1);
    bench.assert_works();
}

#[test]
fn errors_alone_cure_nothing() {
    for error in ["38", "42", "21", "330", "332", "500"] {
        let mut bench = Bench::ready(Fake::new());
        bench.modem.result(&format!("\r\n+CMS ERROR: {error}\r\n"));
        for _ in 0..20 {
            bench.send();
            bench.assert_ready();
        }
        assert_eq!(bench.heard("AT+CFUN=4"), 0, "{error}");
    }
}

#[test]
fn without_a_network_the_radio_and_then_the_device_begin_anew() {
    let mut modem = Fake::new();
    modem.on("AT+CREG?", "\r\n+CREG: 1,2\r\n\r\nOK\r\n");
    modem.on("AT+CFUN=4", OK);
    modem.on("AT+CFUN=1,1", OK);
    let mut bench = Bench::new(modem);
    bench.pass(MINUTE * 4);
    assert_eq!(bench.heard("AT+CFUN=4"), 0);
    let rungs = climb(&mut bench, 3000, |_, _| true);
    assert_eq!(rungs, [Restart, Reopen]);
    assert_eq!((bench.heard("AT+CFUN=4"), bench.heard("AT+CFUN=1,1")), (1, 1));
    bench.modem.on("AT+CREG?", "\r\n+CREG: 1,1\r\n\r\nOK\r\n");
    bench.until(|b| b.state() == State::Ready);
    // Some modems are denied until their radio was off (LilyGo-Modem-Series#474); this is rare all the same.
    let mut modem = Fake::new();
    modem.on("AT+CREG?", "\r\n+CREG: 1,3\r\n\r\nOK\r\n");
    modem.on("AT+CFUN=4", OK);
    let mut bench = Bench::new(modem);
    climb(&mut bench, 3500, |_, _| true);
    assert_eq!((bench.heard("AT+CFUN=4"), bench.heard("AT+CFUN=1,1")), (1, 1));
    assert!(bench.fault().contains("denies this SIM"), "{}", bench.fault());
}

#[test]
fn nothing_is_begun_anew_while_a_result_is_outstanding() {
    let mut bench = Bench::ready(Fake::new());
    bench.modem.on("AT+CFUN=4", OK);
    bench.modem.result("\r\n+CMS ERROR: 500\r\n");
    for _ in 0..4 {
        bench.send();
    }
    // The fifth message is on the air until it is given up, and nothing answers then.
    bench.modem.result("");
    for command in ["AT", "ATQ0V1", "AT+CFUN=1,1"] {
        bench.modem.on(command, "");
    }
    bench.modem.heard.clear();
    bench.send();
    bench.session.restart_asked(bench.now);
    bench.pass(Duration::from_secs(29));
    assert_eq!(bench.modem.heard.len(), 1, "AT+CMGS alone: {:?}", bench.modem.heard);
    assert_eq!(bench.outcomes.len(), 4);
    bench.pass(Duration::from_secs(2));
    assert!(matches!(bench.outcomes[4], Outcome::Unknown { .. }));
    let rungs = climb(&mut bench, 600, |bench, rung| {
        if rung == Restart {
            revive(bench);
        }
        true
    });
    assert!(rungs.contains(&Restart), "{rungs:?}");
    bench.assert_works();
}

#[test]
fn a_port_that_takes_nothing_is_climbed_for() {
    let mut bench = silenced();
    bench.submit(1);
    bench.session.body_unsent();
    let mut rungs = Vec::new();
    for _ in 0..200 {
        bench.session.stuck("the modem's port takes no octets", bench.now);
        bench.turn();
        match bench.closings.pop() {
            Some(Closing::Cure(rung)) => {
                rungs.push(rung);
                bench.climbed(rung, Ok(()));
            }
            Some(_) => {}
            None => {
                // The modem rests, or what was written to it was not accepted either.
                bench.now += Duration::from_secs(5);
                continue;
            }
        }
        bench.now += Duration::from_secs(7);
        bench.session.opened("/dev/ttyTEST".as_ref(), bench.now);
        bench.turn();
    }
    assert_eq!(rungs[..2], [Reauthorise, PowerCycle]);
    assert!(matches!(bench.outcomes[..], [Outcome::NotStarted { .. }]));
}

#[test]
fn a_family_has_its_own_restart() {
    let mut modem = Fake::new();
    modem.on("AT+CGMI", "\r\nhuawei\r\n\r\nOK\r\n");
    modem.on("AT^RESET", OK);
    let mut bench = Bench::ready(modem);
    bench.session.restart_asked(bench.now);
    bench.turn();
    assert_eq!((bench.heard("AT^RESET"), bench.heard("AT+CFUN=1,1")), (1, 0));
    bench.open();
    bench.until(|b| b.state() == State::Ready);
    bench.modem.on("AT^RESET", "\r\nERROR\r\n");
    bench.session.restart_asked(bench.now);
    bench.turn();
    assert_eq!((bench.heard("AT^RESET"), bench.heard("AT+CFUN=1,1")), (2, 1));
    bench.open();
    bench.assert_works();
    assert_eq!(bench.outcomes, [accepted(&[99])]);
}
