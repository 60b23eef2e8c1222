//! The network as configured, the radio, the service centre.

use std::time::Duration;

use super::{Bench, Fake, settings};
use crate::at::Registration;
use crate::snapshot::{Outcome, State};
use crate::{Roaming, Settings};

const ROAMING: &str = "\r\n+CREG: 1,5\r\n\r\nOK\r\n";
const HOME: &str = "\r\n+CREG: 1,1\r\n\r\nOK\r\n";

#[test]
fn a_guest_sends_only_where_that_is_allowed() {
    for (roaming, state) in [(Roaming::Allowed, State::Ready), (Roaming::Forbidden, State::Starting)] {
        let mut modem = Fake::new();
        modem.on("AT+CREG?", ROAMING);
        let mut bench = Bench::with(modem, Settings { roaming, ..settings() });
        bench.pass(Duration::from_secs(30));
        assert_eq!((bench.state(), bench.session.snapshot().registration), (state, Registration::Roaming));
        assert_eq!(bench.fault().contains("roaming = false"), state == State::Starting, "{}", bench.fault());
        bench.modem.on("AT+CREG?", HOME);
        bench.say("\r\n+CREG: 1\r\n");
        bench.assert_works();
        assert_eq!(bench.session.snapshot().registration, Registration::Home);

        // The modem crosses the border.
        bench.modem.on("AT+CREG?", ROAMING);
        bench.say("\r\n+CREG: 5\r\n");
        let after = if roaming == Roaming::Allowed { State::Ready } else { State::Recovering };
        assert_eq!(bench.state(), after);
        bench.pass(Duration::from_secs(30));
        assert_eq!((bench.state(), bench.session.snapshot().ready), (after, roaming == Roaming::Allowed));
        bench.modem.on("AT+CREG?", HOME);
        bench.assert_works();
    }
}

#[test]
fn the_network_is_the_configured_one() {
    let chosen = "AT+COPS=1,2,\"22801\"";
    for (operator, now, expected) in [
        (Some("22801"), "0,2,\"22802\",7", Some(chosen)),
        (Some("22801"), "0,2,\"22801\",7", Some(chosen)),
        (Some("22801"), "1,2,\"22801\",7", None),
        (Some("22801"), "0", Some(chosen)),
        (None, "0,2,\"22802\",7", None),
        (None, "1,2,\"22802\",7", Some("AT+COPS=0")),
        (None, "0", None),
    ] {
        let mut modem = Fake::new();
        modem.on("AT+COPS?", &format!("\r\n+COPS: {now}\r\n\r\nOK\r\n"));
        modem.on(chosen, "\r\nOK\r\n");
        modem.on("AT+COPS=0", "\r\nOK\r\n");
        let operator = operator.map(str::to_owned);
        let mut bench = Bench::with(modem, Settings { operator, ..settings() });
        bench.until(|b| b.state() == State::Ready);
        let heard: Vec<_> = bench.modem.heard.iter().filter(|h| h.starts_with("AT+COPS=")).collect();
        let choices: Vec<_> = heard.iter().filter(|h| !h.starts_with("AT+COPS=3,")).collect();
        assert_eq!(choices.first().map(|h| h.as_str()), expected, "{now}");
        assert_eq!(bench.fault(), "", "{now}");
        assert_eq!(bench.heard("AT+CTZU=1"), 1);
    }
}

#[test]
fn a_network_that_cannot_be_had_is_named() {
    let mut modem = Fake::new();
    modem.on("AT+COPS=1,2,\"22801\"", "\r\n+CME ERROR: 32\r\n");
    let operator = Some(String::from("22801"));
    let mut bench = Bench::with(modem, Settings { operator: operator.clone(), ..settings() });
    bench.until(|b| b.state() == State::Ready);
    assert!(bench.fault().contains("22801"), "{}", bench.fault());

    // Without any network the modem is not left to choose another.
    let mut modem = Fake::new();
    modem.on("AT+CREG?", "\r\n+CREG: 1,0\r\n\r\nOK\r\n");
    modem.on("AT+COPS=1,2,\"22801\"", "\r\nOK\r\n");
    let mut bench = Bench::with(modem, Settings { operator, ..settings() });
    bench.pass(Duration::from_secs(60));
    assert_eq!((bench.heard("AT+COPS=0"), bench.heard("AT+COPS=1,2,\"22801\"")), (0, 2));
    assert_eq!(bench.state(), State::Starting);
}

#[test]
fn the_choice_of_a_network_may_take_minutes() {
    let mut modem = Fake::new();
    modem.on("AT+COPS=1,2,\"22801\"", "");
    let operator = Some(String::from("22801"));
    let mut bench = Bench::with(modem, Settings { operator, ..settings() });
    bench.until(|b| b.heard("AT+COPS=1,2,\"22801\"") == 1);
    bench.pass(Duration::from_secs(170));
    assert_eq!(bench.session.snapshot().counters.resyncs, 0);
    bench.say("\r\nOK\r\n");
    bench.assert_works();
}

#[test]
fn a_radio_in_any_state_but_full_is_switched_on() {
    for (state, asked) in [("1", 0), ("0", 1), ("4", 1), ("5", 1), ("7", 1)] {
        let mut modem = Fake::new();
        modem.on("AT+CFUN?", &format!("\r\n+CFUN: {state}\r\n\r\nOK\r\n"));
        modem.on("AT+CFUN=1", "\r\nOK\r\n");
        let mut bench = Bench::with(modem, settings());
        bench.until(|b| b.state() == State::Ready);
        assert_eq!(bench.heard("AT+CFUN=1"), asked, "{state}");
    }
    let mut modem = Fake::new();
    modem.on("AT+CFUN?", "\r\n+CFUN: 4\r\n\r\nOK\r\n");
    let mut bench = Bench::with(modem, settings());
    bench.until(|b| b.state() == State::Ready);
    assert!(bench.fault().contains("radio is off"), "{}", bench.fault());
}

#[test]
fn a_service_centre_that_is_not_kept_is_told_and_one_that_is_lost_is_set_again() {
    let set = "AT+CSCA=\"+41794999001\",145";
    let configured = || Settings { smsc: Some("+41794999001".into()), ..settings() };
    for (read, told) in [("+41794999001", false), ("41794999001", false), ("+41794999000", true)] {
        let mut modem = Fake::new();
        modem.on(set, "\r\nOK\r\n");
        modem.on("AT+CSCA?", &format!("\r\n+CSCA: \"{read}\",145\r\n\r\nOK\r\n"));
        let bench = Bench::ready_with(modem, configured());
        assert_eq!(bench.fault().contains("does not keep"), told, "{read}: {}", bench.fault());
        assert!(!bench.fault().contains("794999"));
    }
    let mut modem = Fake::new();
    modem.on(set, "\r\nOK\r\n");
    modem.on("AT+CSCA?", "\r\n+CSCA: \"+41794999001\",145\r\n\r\nOK\r\n");
    let mut bench = Bench::ready_with(modem, configured());
    bench.modem.heard.clear();
    bench.modem.result("\r\n+CMS ERROR: 330\r\n");
    bench.send();
    assert!(
        matches!(&bench.outcomes[0], Outcome::Rejected { error, .. } if error.sentence.contains("set smsc"))
    );
    bench.until(|b| b.state() == State::Ready);
    assert_eq!(bench.heard(set), 1);
    bench.assert_works();
}
