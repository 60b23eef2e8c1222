//! The PIN: how many tries are left, what is on disk before the PIN is written, and that it is written once.

use std::time::Duration;

use super::{Bench, Fake, settings};
use crate::snapshot::State;
use crate::{Owners, Secret, Settings};

fn configured(pin: &str) -> Settings {
    Settings { pin: Some(Secret::new(pin.into())), ..settings() }
}

fn locked(maker: &str) -> Fake {
    let mut modem = Fake::new();
    modem.on("AT+CGMI", &format!("\r\n{maker}\r\n\r\nOK\r\n"));
    modem.in_turn("AT+CPIN?", &["\r\n+CPIN: SIM PIN\r\n\r\nOK\r\n", "\r\n+CPIN: READY\r\n\r\nOK\r\n"]);
    modem.on("AT+CPIN=\"1234\"", "\r\nOK\r\n");
    modem
}

#[test]
fn a_sim_with_one_try_left_is_not_put_at_risk() {
    for (maker, question, answer) in [
        ("Acme", "AT+CPINR=\"SIM PIN\"", "+CPINR: SIM PIN,{},3"),
        ("huawei", "AT^CPIN?", "^CPIN: SIM PIN,{},10,{},10,3"),
        ("Quectel", "AT+QPINC?", "+QPINC: \"SC\",{},10\r\n+QPINC: \"P2\",3,10"),
        ("SIMCOM_Ltd", "AT+SPIC", "+SPIC: {},10,0,10"),
        ("u-blox", "AT+UPINCNT", "+UPINCNT: {},3,10,10"),
        ("Telit", "AT#PCT", "#PCT: {}"),
        ("Cinterion", "AT^SPIC=\"SC\"", "^SPIC: {}"),
        ("ZTE", "AT+ZPINPUK=?", "+ZPINPUK: {},10"),
        // A maker's own command that this model lacks.
        ("Quectel", "AT+CPINR=\"SIM PIN\"", "+CPINR: \"SIM PIN\",{},3"),
    ] {
        for left in 0..=3 {
            let mut modem = locked(maker);
            let said = answer.replace("{}", &left.to_string());
            modem.on(question, &format!("\r\n{said}\r\n\r\nOK\r\n"));
            let mut bench = Bench::with(modem, configured("1234"));
            let end = if left < 2 { State::Blocked } else { State::Ready };
            bench.until(|b| b.state() == end);
            assert_eq!(bench.heard("AT+CPIN=\"1234\""), usize::from(left >= 2), "{maker} {left}");
            if left < 2 {
                let told =
                    if left == 1 { String::from("(1 try left)") } else { format!("({left} tries left)") };
                assert!(bench.fault().contains(&told), "{}", bench.fault());
                assert_eq!(bench.tried, [], "there is nothing to remember");
            }
        }
    }
}

#[test]
fn the_try_is_noted_before_the_pin_leaves_and_forgotten_when_it_was_right() {
    for (ccid, iccid) in [
        ("\r\n+CCID: 8941030000000000001\r\n\r\nOK\r\n", Some("8941030000000000001")),
        ("\r\n+CME ERROR: 11\r\n", None),
    ] {
        let owners = Owners {
            iccid: iccid.map(str::to_owned),
            imsi: None,
            imei: Some("356938035643809".into()),
            modem: "m".into(),
            port: "/dev/ttyTEST".into(),
        };
        let mut modem = locked("Acme");
        modem.in_turn("AT+CCID", &[ccid]);
        modem.on("AT+CPIN=\"1234\"", "");
        let mut bench = Bench::with(modem, configured("1234"));
        bench.until(|b| b.heard("AT+CPIN=\"1234\"") == 1);
        assert_eq!(bench.tried, [owners]);
        bench.say("\r\nOK\r\n");
        bench.until(|b| b.state() == State::Ready);
        assert_eq!(bench.tried, []);
    }
}

#[test]
fn a_pin_that_was_tried_before_the_daemon_started_is_not_tried() {
    for (noted, sentence) in
        [(Ok(false), "not tried again"), (Err(String::from("the disk is full")), "the disk is full")]
    {
        let mut modem = locked("Acme");
        modem.on("AT+CPIN?", "\r\n+CPIN: SIM PIN\r\n\r\nOK\r\n");
        let mut bench = Bench::with(modem, configured("1234"));
        bench.noted = noted;
        bench.until(|b| b.state() == State::Blocked);
        bench.pass(Duration::from_secs(3_600));
        bench.say("\r\nRDY\r\n");
        bench.pass(Duration::from_secs(3_600));
        assert_eq!(bench.heard("AT+CPIN=\"1234\""), 0);
        assert!(bench.fault().contains(sentence), "{}", bench.fault());
        assert!(!bench.fault().contains("1234"));
        // A person unlocks it.
        bench.modem.on("AT+CPIN?", "\r\n+CPIN: READY\r\n\r\nOK\r\n");
        bench.assert_works();
    }
}
