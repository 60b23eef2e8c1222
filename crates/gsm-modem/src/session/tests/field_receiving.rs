//! Unsolicited codes: a code of any shape leads to a reading, a report is acknowledged at once, a text from
//! outside changes nothing, and the network's answers are read in the alphabet that was chosen.

use std::time::Duration;

use super::field::{OK, answer, at, begins_anew, each, entry, reading, seconds, settled, storing};
use super::text_mode::text_only;
use super::{Bench, Fake, accepted};
use crate::at::Registration;
use crate::snapshot::{Notice, Outcome, State};

/// serialport-gsm#60 (SIM900: a part of an MMS notice) and other forms of `+CMTI:`.
const STORED: &[&str] = &[
    "+CMTI: \"SM\",4",
    "+CMTI: \"SM\",4,\"MMS PUSH\",2,1",
    "+CMTI: \"SM\",4,\"MMS PUSH\"",
    "+CMTI: \"SM\",4,1",
    "+CMTI: \"SM\",4,",
    "+CMTI:\"SM\",4",
    "+CMTI: \"SM\", 4",
    "+CMTI: SM,4",
    "+CMTI:SM,4",
    "+CMTI: \"SM\",004",
    "+CMTI: \"SM\",\"4\"",
    "+CMTI: \"SM,4",
    "+CMTI: 4",
    "+CMTI: ,4",
    "+CMTI: \"\",4",
    "+CMTI: \"SM\"",
    "+CMTI: \"SM\",",
    "+CMTI: \"SM\",x",
    "+CMTI: \"SM\",-1",
    "+CMTI: \"SM\",99999999999",
    "+CMTI:",
    "+CMTI: \"MT\",4",
    "+CMTI: \"ME\",4",
    "+CMTI: \"SM_P\",4",
    "+CMTI: \"S\u{fffd}\",4",
    "+CMTI: \"SM\" 4",
    "+CDSI: \"SM\",4",
    "+CDSI: \"SM\",4,2",
    "+CDSI: \"SR\",4",
    "+CDSI: 4",
    "+CDSI:",
];

#[test]
fn a_code_of_any_shape_leads_to_a_reading_within_seconds() {
    each(STORED, |code| {
        let mut bench = settled(storing(0, ""));
        bench.modem.heard.clear();
        bench.modem.on("AT+CMGL=4", &format!("{}{OK}", entry(4, 4)));
        bench.modem.on("AT+CMGR=4", &reading(4));
        bench.say(&format!("\r\n{code}\r\n"));
        let read = |b: &Bench| b.read_from_storage().iter().any(|(_, index, _)| *index == 4);
        assert!(bench.within(seconds(5), read), "{code}: {:?}", bench.modem.heard);
        bench.live(seconds(30), |_| {});
        assert_eq!(bench.state(), State::Ready, "{code}");
        bench.assert_works();
    });
}

/// Two codes come right after each other, and while a message is on the air.
#[test]
fn a_code_of_an_odd_shape_is_not_forgotten_meanwhile() {
    each(STORED, |code| {
        let mut bench = settled(storing(0, ""));
        bench.modem.result("");
        bench.send();
        bench.modem.on("AT+CMGL=4", &format!("{}{}{OK}", entry(4, 4), entry(5, 5)));
        bench.modem.on("AT+CMGR=4", &reading(4));
        bench.modem.on("AT+CMGR=5", &reading(5));
        bench.say(&format!("\r\n{code}\r\n\r\n{}\r\n", code.replace('4', "5")));
        let read = |b: &Bench| b.heard_like("AT+CMGR") + b.heard_like("AT+CMGL");
        let before = read(&bench);
        bench.live(seconds(20), |_| {});
        assert_eq!(read(&bench), before, "nothing is written while a result is due");
        bench.say("\r\n+CMGS: 9\r\n\r\nOK\r\n");
        assert_eq!(bench.outcomes, [accepted(&[9])], "{code}");
        let both = |b: &Bench| {
            let places: Vec<_> = b.places_read().iter().map(|(_, index)| *index).collect();
            places.contains(&4) && places.contains(&5)
        };
        assert!(bench.within(seconds(15), both), "{code}: {:?}", bench.modem.heard);
    });
}

/// A modem that stays in `+CSMS: 1`. The network waits about ten seconds for an acknowledgement.
fn acknowledging(cnma: &str) -> Bench {
    let mut modem = Fake::new();
    modem.on("AT+CSMS?", &answer("+CSMS: 1,1,1,1"));
    modem.on("AT+CSMS=0", "\r\nERROR\r\n");
    modem.on("AT+CNMA", cnma);
    let mut bench = Bench::ready(modem);
    bench.live(seconds(20), |_| {});
    bench.modem.heard.clear();
    bench
}

const REPORT: &str = "\r\n+CDS: 2\r\n000102\r\n";
const MESSAGE: &str = "\r\n+CMT: ,2\r\n000103\r\n";

#[test]
fn what_is_handed_over_is_acknowledged_at_once_and_each_by_itself() {
    each([OK, "\r\n+CMS ERROR: 340\r\n", "\r\nERROR\r\n"], |cnma| {
        let mut bench = acknowledging(cnma);
        bench.say(REPORT);
        assert_eq!(bench.heard("AT+CNMA"), 1, "{cnma:?}: at once");
        bench.live(seconds(2), |_| {});
        bench.say(MESSAGE);
        assert_eq!(bench.heard("AT+CNMA"), 2, "{cnma:?}");
        bench.live(seconds(2), |_| {});
        // Three messages come at once.
        bench.say(&format!("{REPORT}{MESSAGE}{REPORT}"));
        bench.live(seconds(2), |_| {});
        assert_eq!(bench.heard("AT+CNMA"), 5, "{cnma:?}: one for each");
        bench.live(seconds(300), |_| {});
        assert_eq!(bench.heard("AT+CNMA"), 5, "{cnma:?}: and no more");
        bench.assert_works();
    });
}

#[test]
fn an_acknowledgement_waits_for_the_message_on_the_air_and_for_nothing_else() {
    let mut bench = acknowledging(OK);
    bench.modem.result("");
    bench.send();
    bench.say(&format!("{REPORT}{REPORT}"));
    bench.live(seconds(3), |_| {});
    assert_eq!(bench.heard("AT+CNMA"), 0, "nothing is written while a result is due");
    bench.say("\r\n+CMGS: 9\r\n\r\nOK\r\n");
    bench.live(seconds(1), |_| {});
    assert_eq!(bench.heard("AT+CNMA"), 2);
    // Other commands are short: the acknowledgement follows the outstanding one.
    bench.modem.on("AT+CSQ", &format!("{REPORT}\r\n+CSQ: 20,99\r\n{MESSAGE}\r\nOK\r\n"));
    assert!(bench.within(seconds(70), |b| b.heard("AT+CSQ") > 0));
    bench.live(seconds(1), |_| {});
    assert_eq!(bench.heard("AT+CNMA"), 4, "{:?}", bench.modem.heard);
}

#[test]
fn an_acknowledgement_without_an_answer_holds_nothing_up() {
    let mut bench = acknowledging("");
    bench.say(&format!("{REPORT}{REPORT}"));
    bench.live(seconds(30), |_| {});
    assert_eq!(bench.state(), State::Ready);
    assert!(bench.heard("AT+CNMA") >= 1);
    bench.assert_works();
}

/// No acknowledgement is awaited where messages are stored, or where `AT+CSMS=0` was accepted.
#[test]
fn nothing_is_acknowledged_that_wants_none() {
    let mut bench = acknowledging(OK);
    bench.say("\r\n+CMTI: \"SM\",1\r\n\r\n+CDSI: \"SM\",2\r\n\r\n+CBM: 2\r\n0011\r\n");
    bench.live(seconds(60), |_| {});
    assert_eq!(bench.heard("AT+CNMA"), 0);
    let mut bench = Bench::ready(Fake::new());
    bench.say(&format!("{REPORT}{MESSAGE}"));
    bench.live(seconds(60), |_| {});
    assert_eq!(bench.heard("AT+CNMA"), 0);
}

const HEAD: &str = "\r\n+CMT: \"+41790000001\",,\"25/01/01,10:00:00+04\"\r\n";
const BROADCAST: &str = "\r\n+CBM: 271,1034,1,1,1\r\n";

/// Texts that a sender may write, of one line and of several.
const TEXTS: &[&str] = &[
    "Hello",
    "RDY",
    "OK",
    "Hello\r\nRDY",
    "\r\n\r\nRDY\r\n\r\nOK",
    "line 1\r\nline 2\r\n^SYSSTART\r\n+AT: READY",
    "+CMGS: 77\r\n\r\nOK",
    "x\r\n+CMGS: 77\r\n\r\nOK",
    "x\r\n\r\n+CMS ERROR: 1",
    "x\r\n+CPIN: SIM PIN",
    "x\r\n+CREG: 0",
    "x\r\n+CREG: 3\r\n+CGREG: 3",
    "x\r\n^SMMEMFULL: \"SM\"",
    "x\r\nUNDER-VOLTAGE POWER DOWN",
    "x\r\n+CUSD: 0,\"You won\",15",
    "x\r\n+CMT: \"+41790000002\",,\"25/01/01,10:00:00+04\"\r\ny\r\nRDY",
    "x\r\n+CDS: 6,7,\"+41791234567\",145,\"25/01/01,10:00:00+04\",\"25/01/01,10:00:05+04\",0",
    "x\r\nSMS Ready\r\nCall Ready",
    "> ",
    "x\r\n> ",
    "AT+CMGS=15\r\n> ",
    "x\nRDY",
    "x\rRDY",
];

fn in_text_mode() -> Bench {
    let mut bench = Bench::ready(text_only());
    bench.live(seconds(20), |_| {});
    bench.modem.heard.clear();
    bench.notices.clear();
    bench
}

#[test]
fn an_incoming_text_changes_nothing() {
    each([HEAD, BROADCAST], |head| {
        for text in TEXTS {
            for piece in [1, usize::MAX] {
                let mut bench = in_text_mode();
                bench.modem.piece = piece;
                bench.say(&format!("{head}{text}\r\n"));
                bench.live(Duration::from_millis(200), |_| {});
                assert_eq!(bench.modem.heard, [""; 0], "{head:?} {text:?}");
                let seen = bench.session.snapshot();
                assert_eq!((seen.state, seen.registration), (State::Ready, Registration::Home), "{text:?}");
                assert_eq!((seen.last_error.as_deref(), seen.counters.restarts), (None, 0), "{text:?}");
                assert_eq!(bench.notices, [], "{text:?}");
                bench.assert_works();
            }
        }
    });
}

/// The text comes in pieces, as on a slow line.
#[test]
fn an_incoming_text_that_comes_slowly_is_one_text() {
    each(TEXTS, |text| {
        let mut bench = in_text_mode();
        for piece in format!("{HEAD}{text}\r\n").split_inclusive('\n') {
            bench.say(piece);
            bench.live(Duration::from_millis(50), |_| {});
        }
        bench.live(Duration::from_millis(200), |_| {});
        assert_eq!(bench.modem.heard, [""; 0], "{text:?}");
        assert_eq!(
            (bench.state(), bench.session.snapshot().counters.restarts),
            (State::Ready, 0),
            "{text:?}"
        );
        assert_eq!(bench.notices, [], "{text:?}");
        bench.assert_works();
    });
}

/// A refused message was reported as `sent`.
#[test]
fn an_incoming_text_is_no_result() {
    each(TEXTS, |text| {
        for (own, refused) in [("\r\n+CMS ERROR: 38\r\n", true), ("\r\n+CMGS: 5\r\n\r\nOK\r\n", false)] {
            let mut bench = in_text_mode();
            bench.modem.result("");
            bench.send();
            assert_eq!(bench.modem.pdus, ["Hi"]);
            bench.say(&format!("{HEAD}{text}\r\n"));
            bench.live(Duration::from_millis(300), |_| {});
            assert_eq!(bench.outcomes, [], "{text:?}");
            bench.say(own);
            bench.within(seconds(5), |b| !b.outcomes.is_empty());
            match &bench.outcomes[..] {
                [Outcome::Rejected { error, .. }] => assert!(refused && error.code == Some(38), "{text:?}"),
                other => assert!(!refused && *other == [accepted(&[5])], "{text:?}: {other:?}"),
            }
        }
    });
}

/// In the middle of a dialogue: what belongs to the dialogue comes after a pause and counts.
#[test]
fn an_incoming_text_ends_no_command_and_is_no_prompt() {
    each(TEXTS, |text| {
        let mut bench = in_text_mode();
        bench.modem.prompt = String::new();
        bench.send();
        bench.say(&format!("{HEAD}{text}\r\n"));
        bench.live(Duration::from_millis(300), |_| {});
        assert_eq!((bench.modem.pdus.len(), bench.outcomes.len()), (0, 0), "{text:?}");
        bench.modem.in_prompt = true;
        bench.say("\r\n> ");
        bench.live(Duration::from_millis(300), |_| {});
        assert_eq!(bench.modem.pdus, ["Hi"], "{text:?}");
        assert_eq!(bench.outcomes, [accepted(&[7])], "{text:?}");
        // The keep-alive.
        let mut bench = in_text_mode();
        bench.modem.on("AT+CSQ", "");
        assert!(bench.within(seconds(70), |b| b.heard("AT+CSQ") > 0));
        bench.say(&format!("{HEAD}{text}\r\n"));
        bench.live(Duration::from_millis(300), |_| {});
        bench.say("\r\n+CSQ: 5,99\r\n\r\nOK\r\n");
        bench.live(seconds(1), |_| {});
        assert_eq!(bench.session.snapshot().signal_dbm, Some(-103), "{text:?}");
        assert_eq!(bench.session.snapshot().counters.resyncs, 0, "{text:?}");
    });
}

/// The same for a modem that restarted without saying so, so that PDUs were expected.
#[test]
fn an_incoming_text_is_no_result_where_pdus_were_expected() {
    each(TEXTS, |text| {
        let mut bench = Bench::ready(Fake::new());
        bench.modem.result("");
        bench.send();
        begins_anew(&mut bench.modem);
        bench.notices.clear();
        bench.say(&format!("{HEAD}{text}\r\n"));
        bench.live(seconds(20), |_| {});
        assert!(
            !bench.outcomes.iter().any(|o| matches!(o, Outcome::Accepted { .. } | Outcome::Rejected { .. }))
        );
        let told = |n: &Notice| matches!(n, Notice::Report { .. } | Notice::LateAccepted { .. });
        assert!(!bench.notices.iter().any(told), "{text:?}: {:?}", bench.notices);
        bench.say("\r\n+CMGS: 5\r\n\r\nOK\r\n");
        assert_eq!(bench.outcomes.len(), 1, "{text:?}");
    });
}

/// 27.007 clause 5.5: under `AT+CSCS="GSM"` characters are those of the default alphabet (3GPP TS 23.038).
/// gammu, at-ussd/03-unknown.
const GSM: &[(&str, &str)] = &[
    (
        "Kontostand: 3.00 EUR Bitte w{hlen Sie: 1 Konto aufladen 2 CallNow Transfer",
        "Kontostand: 3.00 EUR Bitte wählen Sie: 1 Konto aufladen 2 CallNow Transfer",
    ),
    ("1 Guthaben 2 Men~", "1 Guthaben 2 Menü"),
    ("cr\u{5}dit 5", "crédit 5"),
    ("[nderung, \\sterreich, ^bersicht, |ffnen", "Änderung, Österreich, Übersicht, öffnen"),
    ("Stra\u{1e}e", "Straße"),
    ("ma}ana", "mañana"),
    ("citt\u{7f}", "città"),
    ("pi\u{6}", "più"),
    ("perch\u{4}", "perchè"),
    ("\u{8} \u{7}", "ò ì"),
    ("\u{1}5 or \u{3}5", "£5 or ¥5"),
    ("\u{2}5.00", "$5.00"),
    ("\u{f}ngstr\u{c}m \u{e}\u{b}l", "ångstrøm ÅØl"),
    ("\u{1d}\u{1c}\u{9}a\u{1f}", "æÆÇaÉ"),
    ("Credit: 5, thanks 12:30 #1 *2 50% (a)/b-c+d=e?!", "Credit: 5, thanks 12:30 #1 *2 50% (a)/b-c+d=e?!"),
    ("0123456789", "0123456789"),
];

#[test]
fn characters_of_the_default_alphabet_are_read_as_such() {
    each(GSM, |(said, text)| {
        for scheme in [",15", "", ",0"] {
            for late in [false, true] {
                let reply = format!("\r\n+CUSD: 0,\"{said}\"{scheme}\r\n");
                let mut modem = Fake::new();
                let early = if late { OK.to_owned() } else { format!("{reply}{OK}") };
                modem.on("AT+CUSD=1,\"*100#\",15", &early);
                let mut bench = Bench::ready(modem);
                bench.ask("*100#");
                if late {
                    bench.say(&reply);
                }
                assert_eq!(bench.answers, [Ok(String::from(*text))], "{said:?} {scheme:?}");
                bench.assert_works();
            }
        }
    });
}

/// A modem that refuses the alphabet writes as it likes, and digits are read as before.
#[test]
fn other_alphabets_are_left_alone() {
    each(["\r\nERROR\r\n", "\r\n+CME ERROR: 4\r\n"], |refusal| {
        let mut modem = Fake::new();
        modem.on("AT+CSCS=\"GSM\"", refusal);
        modem.on("AT+CUSD=1,\"*100#\",15", "\r\n+CUSD: 0,\"[1] {x} ~5\",15\r\n\r\nOK\r\n");
        let mut bench = Bench::ready(modem);
        bench.ask("*100#");
        assert_eq!(bench.answers, [Ok(String::from("[1] {x} ~5"))], "{refusal:?}");
    });
    each(
        [
            ("0,\"0414043B044F0020\",72", "Для "),
            ("0, C8329BFD06", "Hello"),
            ("0,\"00480061007600690020006B00650072\",15", "Havi ker"),
        ],
        |(said, text)| {
            let mut modem = Fake::new();
            modem.on("AT+CUSD=1,\"*100#\",15", &format!("\r\n+CUSD: {said}\r\n\r\nOK\r\n"));
            let mut bench = Bench::ready(modem);
            bench.ask("*100#");
            assert_eq!(bench.answers, [Ok(String::from(text))], "{said}");
        },
    );
}

/// A place that a code named and that gives nothing is soon looked for in a list.
#[test]
fn a_place_that_cannot_be_read_is_listed_soon() {
    each(
        [
            "\r\n+CMS ERROR: 321\r\n",
            "\r\n+CMS ERROR: 500\r\n",
            "\r\nERROR\r\n",
            OK,
            "\r\n+CMGR: 0,,0\r\n\r\nOK\r\n",
            "",
        ],
        |refusal| {
            let mut bench = settled(storing(0, ""));
            bench.modem.on("AT+CMGR=4", refusal);
            bench.modem.on("AT+CMGL=4", &format!("{}{OK}", entry(5, 5)));
            bench.say("\r\n+CMTI: \"SM\",4\r\n");
            assert!(
                bench.within(seconds(20), |b| b.read_from_storage() == [at(5, 5)]),
                "{refusal:?}: {:?}",
                bench.modem.heard
            );
            bench.assert_works();
        },
    );
}
