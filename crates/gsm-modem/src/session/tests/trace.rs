//! The flight recorder: what it shows of a dialogue, and that it shows no secrets, in whatever form they came.

use std::time::Duration;

use super::{Bench, Fake, settings};
use crate::Secret;
use crate::Settings;
use crate::dialogue::Direction;
use crate::snapshot::State;

fn told(bench: &Bench) -> String {
    let lines: Vec<_> = bench.session.trace(bench.now).iter().map(ToString::to_string).collect();
    lines.join("\n") + "\n"
}

#[test]
fn a_message_can_be_followed() {
    let mut bench = Bench::ready(Fake::new());
    bench.send();
    bench.now += Duration::from_secs(3);
    let trace = bench.session.trace(bench.now);
    let last: Vec<_> = trace.iter().rev().take(5).rev().map(|l| (l.direction, l.text.as_str())).collect();
    assert_eq!(
        last,
        [
            (Direction::Out, "AT+CMGS=15"),
            (Direction::In, ">"),
            (Direction::Out, "[32 characters] SUB"),
            (Direction::In, "+CMGS: 7"),
            (Direction::In, "OK"),
        ]
    );
    assert_eq!(trace.last().unwrap().ago, Duration::from_secs(3));
    assert!(told(&bench).contains("= ready"));
    // A hang-up is noted, and the recorder outlives it.
    bench.session.lost("gone");
    assert!(told(&bench).ends_with("= absent\n"));
}

/// Every way in which personal data passes the port, in both directions.
#[test]
fn no_secret_is_in_it() {
    let secrets = [
        ("PIN", "7391"),
        ("number", "41791234567"),
        ("masked number", "12345"),
        ("centre", "41794999000"),
        ("IMSI", "228011234567890"),
        ("ICCID", "8941030000000000001"),
        ("IMEI", "356938035643809"),
        ("PDU", "0B91"),
        ("delivered PDU", "07911497"),
        ("text", "bonjour"),
        ("text of several lines", "Madame"),
        ("code", "480151"),
        ("USSD request", "*147"),
        ("USSD answer", "Solde"),
        ("packed answer", "C8329BFD"),
        ("cell", "81DE445"),
        ("operator", "Swisscom"),
        ("caller", "0790000000"),
    ];
    for echo in [false, true] {
        let mut modem = Fake::new();
        modem.echo = echo;
        modem.in_turn("AT+CPIN?", &["\r\n+CPIN: SIM PIN\r\n\r\nOK\r\n", "\r\n+CPIN: READY\r\n\r\nOK\r\n"]);
        modem.on("AT+CPIN=\"7391\"", "\r\nOK\r\n");
        modem.on("AT+CSCA=\"+41794999000\",145", "\r\nOK\r\n");
        modem.on("AT+CUSD=1,\"*147#\",15", "\r\nOK\r\n+CUSD: 1,\"Solde 480151\r\nMadame\r\nbonjour\",15\r\n");
        modem.on("AT+CUSD=1,\"480151\",15", "\r\nOK\r\n+CUSD: 0, C8329BFD06\r\n");
        let settings = Settings {
            pin: Some(Secret::new("7391".to_owned())),
            smsc: Some("+41794999000".to_owned()),
            ..settings()
        };
        let mut bench = Bench::with(modem, settings);
        bench.until(|b| b.state() == State::Ready);
        for line in [
            "+CMT: ,24\r\n07911497941900F8040B911497214365F70000620112000000800548656C6C6F",
            "+CMT: \"+41791234567\",,\"06/05/28,18:15:41+80\"\r\nbonjour Madame, votre code 480151",
            "bonjour Madame",
            "480151 est votre code",
            "+CDS: 25\r\n07911497941900F80BAB",
            "+CLIP: \"0790000000\",145",
            "+CREG: 2,1,\"4CA\",\"81DE445\"",
            "^FOO: 480151,\"bonjour\",Madame",
            "+CMGL: 1,1,\"Madame\",24",
            "\"480151",
            "AT+CPIN=\"7391\"",
            "PIN=7391 41791234567",
            "NOTE 41791234567",
        ] {
            bench.say(&format!("\r\n{line}\r\n"));
        }
        bench.until(|b| b.state() == State::Ready);
        for request in ["*147#", "480151"] {
            bench.session.ask_network(Some(request), Duration::from_secs(30), bench.now);
            bench.turn();
        }
        bench.modem.result("\r\n+CMS ERROR: votre code 480151\r\n");
        bench.send();
        bench.session.ask_network(None, Duration::from_secs(30), bench.now);
        bench.turn();
        let told = told(&bench);
        assert!(told.lines().count() > 50, "{told}");
        for (what, secret) in secrets {
            assert!(!told.contains(secret), "{what} with echo {echo}:\n{told}");
        }
        assert!(!format!("{:?}", bench.session).contains("bonjour"));
    }
}
