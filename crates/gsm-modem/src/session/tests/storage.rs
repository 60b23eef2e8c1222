//! Messages that are stored in the modem: found, read, handed over, deleted; between messages to be sent,
//! whatever else the modem writes in the meantime.

use std::fmt::Write as _;
use std::time::Duration;

use proptest::prelude::*;

use super::{Bench, Fake, accepted, settings, sim};
use crate::Secret;
use crate::snapshot::{Notice, State};

/// SMS-DELIVER, SMS-STATUS-REPORT and SMS-SUBMIT as they are in a storage, distinguished by their last octet.
fn pdu(first: u8, mark: u8) -> Vec<u8> {
    vec![0x02, 0x91, 0x14, first, 0x0b, 0x91, mark]
}

fn digits(pdu: &[u8]) -> String {
    let mut digits = String::new();
    for octet in pdu {
        write!(digits, "{octet:02X}").unwrap();
    }
    digits
}

fn listed(index: u32, status: u8, first: u8) -> String {
    let mark = u8::try_from(index).unwrap();
    format!("\r\n+CMGL: {index},{status},,4\r\n{}\r\n", digits(&pdu(first, mark)))
}

fn read(index: u32, first: u8) -> String {
    let mark = u8::try_from(index).unwrap();
    format!("\r\n+CMGR: 1,,4\r\n{}\r\n\r\nOK\r\n", digits(&pdu(first, mark)))
}

fn with_storages() -> Fake {
    let mut modem = Fake::new();
    modem.on("AT+CPMS?", "\r\n+CPMS: \"SM\",2,10,\"SM\",2,10,\"SM\",2,10\r\n\r\nOK\r\n");
    modem.on("AT+CPMS=?", "\r\n+CPMS: (\"SM\"),(\"SM\"),(\"SM\")\r\n\r\nOK\r\n");
    modem.on("AT+CMGL=4", &format!("{}{}\r\nOK\r\n", listed(1, 0, 0x04), listed(2, 1, 0x06)));
    modem.on("AT+CMGD=1", "\r\nOK\r\n");
    modem.on("AT+CMGD=2", "\r\nOK\r\n");
    modem
}

fn delivered(index: u32) -> Notice {
    let pdu = Secret::new(pdu(0x04, u8::try_from(index).unwrap()));
    Notice::Delivered { pdu, storage: Some(("SM".into(), index)), sim: sim() }
}

fn reported(index: u32) -> Notice {
    let pdu = Secret::new(pdu(0x06, u8::try_from(index).unwrap()));
    Notice::Report { pdu, storage: Some(("SM".into(), index)), sim: sim() }
}

/// The messages that were handed over.
fn messages(bench: &Bench) -> Vec<Notice> {
    let message = |notice: &&Notice| matches!(notice, Notice::Delivered { .. } | Notice::Report { .. });
    bench.notices.iter().filter(message).cloned().collect()
}

fn settled(modem: Fake) -> Bench {
    let mut bench = Bench::new(modem);
    bench.until(|b| b.state() == State::Ready);
    bench.pass(Duration::from_secs(5));
    bench
}

fn discard(bench: &mut Bench, storage: &str, index: u32) {
    bench.session.discard((storage.into(), index), bench.now);
    bench.turn();
}

#[test]
fn what_lies_there_at_the_start_is_handed_over_and_discarded() {
    let mut bench = settled(with_storages());
    assert_eq!(messages(&bench), [delivered(1), reported(2)]);
    assert_eq!(bench.heard("AT+CMGL=4"), 1);
    bench.pass(Duration::from_secs(60));
    assert_eq!(messages(&bench).len(), 2, "it does not come again while the subscriber holds it");
    discard(&mut bench, "SM", 1);
    discard(&mut bench, "SM", 2);
    discard(&mut bench, "SM", 3);
    discard(&mut bench, "ME", 1);
    bench.pass(Duration::from_secs(1));
    assert_eq!((bench.heard("AT+CMGD=1"), bench.heard("AT+CMGD=2")), (1, 1));
    assert_eq!(bench.heard("AT+CMGD=3"), 0, "what was not announced is not deleted");
    discard(&mut bench, "SM", 1);
    bench.pass(Duration::from_secs(1));
    assert_eq!(bench.heard("AT+CMGD=1"), 1, "another message may lie there by now");
    assert_eq!((bench.state(), bench.session.snapshot().counters.dropped_lines), (State::Ready, 0));
    bench.assert_works();
}

#[test]
fn what_is_not_discarded_comes_again() {
    let mut bench = settled(with_storages());
    bench.pass(Duration::from_secs(620));
    assert_eq!(bench.heard("AT+CMGL=4"), 2, "every ten minutes");
    assert_eq!(messages(&bench), [delivered(1), reported(2), delivered(1), reported(2)]);
}

const CODES: &[&str] = &[
    "\r\n+CREG: 1\r\n",
    "\r\n^RSSI: 17\r\n",
    "\r\n+CMT: ,6\r\n00FFFE00FFFE00\r\n",
    "\r\n+CDS: 6\r\n0002FE00FFFE00\r\n",
    "\r\n+CUSD: 0,\"Hello\",15\r\n",
    "\r\nRING\r\n",
    "\r\n+CMS FOO\r\n",
];

#[test]
fn a_code_at_every_place_of_a_listing_and_of_a_reading() {
    let listing = format!("{}{}\r\nOK\r\n", listed(1, 0, 0x04), listed(2, 1, 0x06));
    let reading = read(1, 0x04);
    let deleting = String::from("\r\nOK\r\n");
    for code in CODES {
        for piece in [1, 7, usize::MAX] {
            for (command, answer) in
                [("AT+CMGL=4", &listing), ("AT+CMGR=1", &reading), ("AT+CMGD=1", &deleting)]
            {
                // Codes come between lines, never within one.
                for at in 0..=answer.len() {
                    let (head, tail) = answer.split_at(at);
                    if !(head.is_empty() || head.ends_with('\n')) {
                        continue;
                    }
                    let mut modem = with_storages();
                    modem.piece = piece;
                    modem.on("AT+CMGR=1", &reading);
                    modem.on(command, &format!("{head}{code}{tail}"));
                    let mut bench = settled(modem);
                    let ours = |b: &Bench| {
                        let ours = |notice: &Notice| {
                            matches!(notice, Notice::Delivered { storage: Some(_), .. })
                                || matches!(notice, Notice::Report { storage: Some(_), .. })
                        };
                        messages(b).into_iter().filter(ours).collect::<Vec<_>>()
                    };
                    let place = format!("{code:?} in {command} at {at} by {piece}");
                    assert_eq!(ours(&bench), [delivered(1), reported(2)], "{place}");
                    bench.say("\r\n+CMTI: \"SM\",1\r\n");
                    bench.pass(Duration::from_secs(1));
                    assert_eq!(ours(&bench)[2..], [delivered(1)], "{place}");
                    discard(&mut bench, "SM", 1);
                    bench.pass(Duration::from_secs(1));
                    assert_eq!(bench.heard("AT+CMGD=1"), 1, "{place}");
                    let two = code.contains("+CMT:") || code.contains("+CDS:");
                    assert_eq!(messages(&bench).len(), 3 + usize::from(two), "{place}");
                    assert_eq!(bench.session.snapshot().counters.resyncs, 0, "{place}");
                    bench.assert_works();
                }
            }
        }
    }
}

#[test]
fn a_storage_without_a_list_is_read_place_by_place() {
    for refusal in ["\r\n+CMS ERROR: 303\r\n", "\r\nERROR\r\n", ""] {
        let mut modem = with_storages();
        modem.on("AT+CMGL=4", refusal);
        modem.on("AT+CMGR=0", "\r\n+CMS ERROR: 321\r\n");
        modem.on("AT+CMGR=1", "\r\nOK\r\n");
        modem.on("AT+CMGR=2", "\r\n+CMGR: 0,,0\r\n\r\nOK\r\n");
        modem.on("AT+CMGR=3", &read(3, 0x04));
        modem.on("AT+CMGR=4", "\r\n+CMS ERROR: 500\r\n");
        modem.on("AT+CMGR=5", &read(5, 0x06));
        let mut bench = settled(modem);
        bench.pass(Duration::from_secs(40));
        assert_eq!(messages(&bench), [delivered(3), reported(5)], "{refusal:?}");
        assert_eq!(bench.heard("AT+CMGR=6"), 0, "both that it holds were found");
        bench.pass(Duration::from_secs(650));
        assert!(bench.heard("AT+CMGL=4") <= 2, "{refusal:?}");
        assert_eq!(messages(&bench).len(), 4);
        bench.assert_works();
    }
}

#[test]
fn a_waiting_order_comes_between_two_errands() {
    let mut modem = with_storages();
    modem.on("AT+CMGL=4", "\r\nERROR\r\n");
    let mut bench = Bench::ready(modem);
    // First the usage, then the list, which is refused, then place by place; after each the session takes orders.
    for sent in 1..=8 {
        bench.jump();
        assert!(bench.session.takes_orders());
        bench.send();
        assert_eq!(bench.outcomes.len(), sent);
    }
    assert!(bench.outcomes.iter().all(|outcome| *outcome == accepted(&[7])));
    let heard = bench.modem.heard.join(" ");
    assert!(
        heard.contains("AT+CMGS=15 AT+CMGR=0 AT+CMGS=15 AT+CMGR=1 AT+CMGS=15 AT+CMGR=2 AT+CMGS=15"),
        "{heard}"
    );
}

#[test]
fn nothing_is_read_or_deleted_while_a_message_is_on_its_way() {
    let mut bench = settled(with_storages());
    bench.modem.results = [String::new()].into();
    bench.modem.heard.clear();
    bench.send();
    discard(&mut bench, "SM", 1);
    bench.say("\r\n+CMTI: \"SM\",4\r\n^SMMEMFULL: \"SM\"\r\n");
    bench.pass(Duration::from_secs(100));
    assert_eq!(bench.modem.heard, ["AT+CMGF=0", "AT+CMGS=15"]);
    assert!(bench.fault().contains("is full"), "{}", bench.fault());
    bench.say("\r\n+CMGS: 9\r\n\r\nOK\r\n");
    bench.pass(Duration::from_secs(5));
    for command in ["AT+CMGR=4", "AT+CMGD=1", "AT+CMGL=4"] {
        assert_eq!(bench.heard(command), 1, "{command}");
    }
}

#[test]
fn a_report_in_another_storage() {
    let mut modem = with_storages();
    modem.on("AT+CPMS=?", "\r\n+CPMS: (\"SM\",\"SR\"),(\"SM\"),(\"SM\")\r\n\r\nOK\r\n");
    modem.on("AT+CPMS=\"SR\"", "\r\n+CMS ERROR: 302\r\n");
    modem.on("AT+CPMS=\"SR\",\"SM\",\"SM\"", "\r\n+CPMS: 0,5,2,10,2,10\r\n\r\nOK\r\n");
    modem.when("AT+CPMS=\"SR\",\"SM\",\"SM\"", |modem| modem.on("AT+CMGL=4", "\r\nOK\r\n"));
    modem.on("AT+CPMS=\"SM\",\"SM\",\"SM\"", "\r\n+CPMS: 2,10,2,10,2,10\r\n\r\nOK\r\n");
    modem.on("AT+CMGR=3", &read(3, 0x06));
    modem.on("AT+CMGD=3", "\r\nOK\r\n");
    let whole = format!("{}{}\r\nOK\r\n", listed(1, 0, 0x04), listed(2, 1, 0x06));
    modem.in_turn("AT+CMGL=4", &[&whole, "\r\nOK\r\n"]);
    let mut bench = settled(modem);
    assert_eq!(bench.heard("AT+CMGL=4"), 2, "a count of none may be wrong");
    bench.say("\r\n+CDSI: \"SR\",3\r\n");
    bench.pass(Duration::from_secs(1));
    let pdu = Secret::new(pdu(0x06, 3));
    assert_eq!(messages(&bench)[2], Notice::Report { pdu, storage: Some(("SR".into(), 3)), sim: sim() });
    // The storage that is in use now is read first.
    discard(&mut bench, "SM", 1);
    discard(&mut bench, "SR", 3);
    bench.pass(Duration::from_secs(1));
    let heard = bench.modem.heard.iter().rev().take(3).map(String::as_str).collect::<Vec<_>>();
    assert_eq!(heard, ["AT+CMGD=1", "AT+CPMS=\"SM\",\"SM\",\"SM\"", "AT+CMGD=3"]);
}

#[test]
fn a_code_that_names_the_wrong_storage_has_all_of_them_listed() {
    // An EC25 names SM and 0, while the report is in SR.
    let mut modem = with_storages();
    modem.on("AT+CPMS=?", "\r\n+CPMS: (\"SM\",\"SR\"),(\"SM\"),(\"SM\")\r\n\r\nOK\r\n");
    modem.in_turn(
        "AT+CPMS=\"SR\"",
        &["\r\n+CPMS: 0,5,2,10,2,10\r\n\r\nOK\r\n", "\r\n+CPMS: 1,5,2,10,2,10\r\n\r\nOK\r\n"],
    );
    modem.on("AT+CPMS=\"SM\"", "\r\n+CPMS: 0,10,2,10,2,10\r\n\r\nOK\r\n");
    modem.on("AT+CMGR=0", "\r\nOK\r\n");
    let mut bench = settled(modem);
    bench.modem.on("AT+CMGL=4", &format!("{}\r\nOK\r\n", listed(7, 0, 0x06)));
    bench.pass(Duration::from_secs(20));
    bench.say("\r\n+CDSI: \"SM\",0\r\n");
    bench.pass(Duration::from_secs(5));
    let pdu = Secret::new(pdu(0x06, 7));
    assert_eq!(
        messages(&bench).last(),
        Some(&Notice::Report { pdu, storage: Some(("SR".into(), 7)), sim: sim() })
    );
}

#[test]
fn what_the_modem_stored_itself_goes_when_it_is_in_the_way() {
    for (used, deleted) in [(5, 0), (9, 1)] {
        let mut modem = with_storages();
        modem.on("AT+CPMS?", &format!("\r\n+CPMS: \"SM\",{used},10,\"SM\",2,10,\"SM\",2,10\r\n\r\nOK\r\n"));
        let dummy = "\r\n+CMGL: 8,1,,159\r\n00FFFFFFFFFFFF\r\n";
        let own = format!(
            "{}{}{dummy}{}\r\n+CMGL: 9,1,,0\r\n\r\nOK\r\n",
            listed(1, 1, 0x04),
            listed(5, 2, 0x11),
            listed(6, 3, 0x11)
        );
        modem.on("AT+CMGL=4", &own);
        let bench = settled(modem);
        assert_eq!(messages(&bench), [delivered(1)]);
        for index in [5, 6, 8, 9] {
            assert_eq!(bench.heard(&format!("AT+CMGD={index}")), deleted, "{index} with {used} of 10");
        }
    }
}

#[test]
fn a_full_storage_is_emptied_at_once() {
    // An unsolicited code, or the result of a message: the standard's numbers, and one of two makers.
    let full = ["208", "211", "322", "531"].map(|code| format!("\r\n+CMS ERROR: {code}\r\n"));
    let by_itself = String::from("\r\n^SMMEMFULL: \"SM\"\r\n");
    for trigger in full.into_iter().chain([by_itself]) {
        let mut modem = with_storages();
        modem.on("AT+CGMI", "\r\nQuectel\r\n\r\nOK\r\n");
        let mut bench = settled(modem);
        bench.pass(Duration::from_secs(20));
        bench.modem.heard.clear();
        if trigger.contains("+CMS ERROR") {
            bench.modem.result(&trigger);
            bench.send();
        } else {
            bench.say(&trigger);
        }
        let word = if trigger.contains("211") { "capacity exceeded" } else { "full" };
        assert!(bench.fault().contains(word), "{}", bench.fault());
        bench.pass(Duration::from_secs(1));
        assert_eq!(bench.heard("AT+CMGL=4"), 1, "{trigger:?}");
    }
}

#[test]
fn more_than_a_subscriber_holds_comes_in_turns() {
    let mut modem = with_storages();
    let listing: String = (1..=100).map(|index| listed(index, 1, 0x04)).collect();
    modem.on("AT+CPMS?", "\r\n+CPMS: \"SM\",99,100,\"SM\",2,10,\"SM\",2,10\r\n\r\nOK\r\n");
    modem.on("AT+CMGL=4", &format!("{listing}\r\nOK\r\n"));
    for index in 1..=100 {
        modem.on(&format!("AT+CMGD={index}"), "\r\nOK\r\n");
    }
    let mut bench = settled(modem);
    let first = messages(&bench).len();
    assert!((1..100).contains(&first), "{first}");
    let rest: String = (1 + u32::try_from(first).unwrap()..=100).map(|i| listed(i, 1, 0x04)).collect();
    bench.modem.on("AT+CMGL=4", &format!("{rest}\r\nOK\r\n"));
    for index in 1..=u32::try_from(first).unwrap() {
        discard(&mut bench, "SM", index);
    }
    bench.pass(Duration::from_secs(5));
    assert_eq!(messages(&bench).len(), 100);
}

#[test]
fn text_mode_is_left_again() {
    let mut modem = with_storages();
    modem.on(
        "AT+CMGL=4",
        "\r\n+CMGL: 1,\"REC READ\",\"+41790000000\",,\"\"\r\nYour code is 123456\r\n\r\nOK\r\n",
    );
    let mut bench = settled(modem);
    bench.pass(Duration::from_secs(3_600));
    assert_eq!(bench.heard("AT+CMGF=0"), 3, "a modem that knows nothing else is left alone");
    assert_eq!(messages(&bench), []);
    bench.assert_works();
}

#[test]
fn a_busy_sim_and_a_silent_one_are_asked_again() {
    let busy = "\r\n+CMS ERROR: 314\r\n";
    let mut modem = with_storages();
    let whole = format!("{}\r\nOK\r\n", listed(1, 1, 0x04));
    modem.in_turn("AT+CMGL=4", &[busy, busy, &whole]);
    modem.in_turn("AT+CMGD=1", &[busy, "\r\nOK\r\n"]);
    let mut bench = settled(modem);
    assert_eq!(messages(&bench), [delivered(1)]);
    discard(&mut bench, "SM", 1);
    bench.pass(Duration::from_secs(5));
    assert_eq!(bench.heard("AT+CMGD=1"), 2);
    // When there is no answer at all, the dialogue is resynchronised, and the place is announced again later.
    bench.modem.on("AT+CMGR=4", "");
    bench.say("\r\n+CMTI: \"SM\",4\r\n");
    bench.pass(Duration::from_secs(30));
    assert_eq!(bench.session.snapshot().counters.resyncs, 1);
    bench.assert_works();
}

#[test]
fn another_sim_holds_other_messages() {
    let mut bench = settled(with_storages());
    bench.session.lost("gone");
    bench.turn();
    bench.modem.on("AT+CCID", "\r\n+CCID: 8941030000000000019\r\n\r\nOK\r\n");
    bench.modem.on("AT+CMGL=4", "\r\nOK\r\n");
    bench.modem.heard.clear();
    bench.open();
    bench.until(|b| b.state() == State::Ready);
    discard(&mut bench, "SM", 1);
    bench.pass(Duration::from_secs(5));
    assert_eq!(bench.heard("AT+CMGD=1"), 0);

    // The same SIM, after a hang-up: a late discard still deletes the message.
    let mut bench = settled(with_storages());
    bench.session.lost("gone");
    bench.turn();
    bench.session.discard(("SM".into(), 1), bench.now);
    bench.open();
    bench.until(|b| b.heard("AT+CMGD=1") == 1);
    assert_eq!(messages(&bench).len(), 2);
}

#[test]
fn names_and_places_are_not_shown() {
    let mut settings = settings();
    settings.name = "m".into();
    let mut bench = Bench::with(with_storages(), settings);
    bench.until(|b| b.state() == State::Ready);
    bench.jump();
    bench.jump();
    let shown = format!("{:?} {:?}", bench.session, messages(&bench));
    assert!(!shown.contains(&digits(&pdu(0x04, 1))), "{shown}");
    assert!(!shown.contains("[2, 145, 20"), "{shown}");
    assert_eq!(bench.session.poll(), None);
}

#[test]
fn codes_that_a_full_storage_refused_are_asked_for_again() {
    let mut modem = with_storages();
    modem.on("AT+CPMS?", "\r\n+CPMS: \"SM\",10,10,\"SM\",10,10,\"SM\",10,10\r\n\r\nOK\r\n");
    modem.in_turn("AT+CNMI=2,1,2,1,0", &["\r\n+CMS ERROR: 322\r\n", "\r\nOK\r\n"]);
    let mut bench = settled(modem);
    assert!(bench.heard("AT+CNMI=2,1,0,1,0") > 0);
    discard(&mut bench, "SM", 1);
    discard(&mut bench, "SM", 2);
    bench.until(|b| b.heard("AT+CNMI=2,1,2,1,0") == 2);
    bench.assert_works();
    bench.pass(Duration::from_secs(60));
    assert_eq!(bench.heard("ATE0"), 2, "once");
}

#[test]
fn a_full_storage_is_told_until_there_is_room() {
    let mut bench = settled(with_storages());
    bench.say("\r\n^SMMEMFULL: \"SM\"\r\n");
    assert!(bench.fault().contains("is full"), "{}", bench.fault());
    discard(&mut bench, "SM", 1);
    bench.pass(Duration::from_secs(1));
    assert_eq!(bench.fault(), "");

    let mut modem = with_storages();
    modem.on("AT+CPMS?", "\r\n+CPMS: \"SM\",10,10,\"SM\",10,10,\"SM\",10,10\r\n\r\nOK\r\n");
    modem.on("AT+CMGL=4", "\r\nOK\r\n");
    let bench = settled(modem);
    assert!(bench.fault().contains("by hand"), "{}", bench.fault());
}

proptest! {
    /// Whatever comes between the lines of a listing and of what follows: no panic, nothing is deleted that
    /// was not announced and discarded, and the next message is sent.
    #[test]
    fn noise_deletes_nothing(
        noise in proptest::collection::vec(piece(), 0..8),
        cut in 1usize..9,
    ) {
        let noise = noise.concat();
        let noise = String::from_utf8_lossy(&noise);
        let mut modem = with_storages();
        modem.piece = cut;
        let first = listed(1, 0, 0x04);
        modem.on("AT+CMGL=4", &format!("{noise}{first}{noise}{}\r\nOK\r\n", listed(2, 1, 0x06)));
        modem.on("AT+CMGR=3", &format!("{noise}{}", read(3, 0x04)));
        let mut bench = settled(modem);
        bench.say("\r\n+CMTI: \"SM\",3\r\n");
        bench.pass(Duration::from_secs(60));
        let announced: Vec<_> = messages(&bench)
            .into_iter()
            .filter_map(|notice| match notice {
                Notice::Delivered { storage, .. } | Notice::Report { storage, .. } => storage,
                _ => None,
            })
            .collect();
        for (storage, index) in announced.iter().filter(|(_, index)| index % 2 == 1) {
            discard(&mut bench, storage, *index);
        }
        bench.pass(Duration::from_secs(60));
        for heard in bench.modem.heard.iter().filter_map(|heard| heard.strip_prefix("AT+CMGD=")) {
            let index: u32 = heard.parse().unwrap();
            prop_assert!(index % 2 == 1 && announced.contains(&("SM".into(), index)), "{heard}");
        }
        bench.modem.on("AT+CMGL=4", "\r\nOK\r\n");
        bench.modem.on("AT+CMGR=3", "\r\nOK\r\n");
        bench.modem.on("AT+CMGF=0", "\r\nOK\r\n");
        bench.until(|b| b.state() == State::Ready);
        bench.modem.result("\r\n+CMGS: 99\r\n\r\nOK\r\n");
        bench.send();
        prop_assert_eq!(bench.outcomes.last(), Some(&accepted(&[99])));
    }
}

fn piece() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        Just(b"\r\n+CMGL: 5,1,,4\r\n".to_vec()),
        Just(b"\r\n+CMGR: 1,,4\r\n".to_vec()),
        Just(b"\r\n+CMT: ,4\r\n".to_vec()),
        Just(b"029114040B9105\r\n".to_vec()),
        Just(b"\r\n+CMTI: \"SM\",7\r\n".to_vec()),
        Just(b"\r\n+CDSI: \"XX\",9\r\n".to_vec()),
        Just(b"\r\n+CPMS: 0,0,0\r\n".to_vec()),
        Just(b"\r\n+CMGL: 1,\"REC READ\",\"x\"\r\nsome text\r\n".to_vec()),
        Just(b"\r\n^SMMEMFULL: \"SM\"\r\n".to_vec()),
        Just(b"\r\nOK\r\n".to_vec()),
        Just(b"\r\n+CMS ERROR: 314\r\n".to_vec()),
        proptest::collection::vec(32u8..127, 0..20),
    ]
}
