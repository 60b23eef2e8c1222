//! Octets that are lost while messages are read: a message that does not have its announced length is read again, a
//! header inside a line ends the wait, and a place is deleted only for the message that its own header announced.

use super::Bench;
use super::field::{
    LENGTH, OK, at, digits, each, entry, message, minutes, reading, reading_of, seconds, settled, storing,
    usage,
};
use crate::snapshot::State;

/// The digits of a message as a bad line changes them.
fn hurt(mark: u8) -> Vec<String> {
    let whole = digits(&message(mark));
    let without = |from: usize, count: usize| format!("{}{}", &whole[..from], &whole[from + count..]);
    vec![
        // Octets are lost at the beginning, in the middle and at the end; half octets, and many.
        without(0, 2),
        without(10, 2),
        without(whole.len() - 2, 2),
        without(9, 1),
        without(0, 1),
        without(whole.len() - 1, 1),
        without(8, 16),
        without(2, whole.len() - 2),
        // Too many octets, and characters that are not digits.
        format!("{whole}00"),
        format!("{whole}{whole}"),
        format!("{}?{}", &whole[..7], &whole[8..]),
        format!("{} {}", &whole[..8], &whole[8..]),
        whole.replacen("04", "0G", 1),
        String::new(),
    ]
}

/// Answers to `AT+CMGR` that differ from what the modem holds.
fn hurt_readings(mark: u8) -> Vec<String> {
    let mut readings: Vec<_> = hurt(mark).iter().map(|digits| reading_of(digits)).collect();
    let whole = digits(&message(mark));
    // A digit of the length is lost, and the head is damaged.
    for head in ["+CMGR: 1,,1", "+CMGR: 1,,2", "+CMGR: 1,,", "+CGR: 1,,12", "+CMGR 1,,12", "CMGR: 1,,12"] {
        readings.push(format!("\r\n{head}\r\n{whole}\r\n\r\nOK\r\n"));
    }
    readings
}

fn told_of(bench: &mut Bench, index: u32) {
    bench.say(&format!("\r\n+CMTI: \"SM\",{index}\r\n"));
}

/// genode-allwinner#30: `+CMGR: 0,,<n>` with fewer octets than n. 12 of 30 messages were lost for good.
#[test]
fn what_does_not_fit_its_length_is_read_again() {
    each(hurt_readings(7), |hurt| {
        let mut bench = settled(storing(0, ""));
        bench.modem.in_turn("AT+CMGR=3", &[&hurt, &reading(7)]);
        // When the head is damaged, a list is good enough as well.
        bench.modem.on("AT+CMGL=4", &format!("{}{OK}", entry(3, 7)));
        told_of(&mut bench, 3);
        assert!(
            bench.within(seconds(30), |b| !b.read_from_storage().is_empty()),
            "{hurt:?}: {:?}",
            bench.modem.heard
        );
        assert_eq!(bench.read_from_storage(), [at(3, 7)], "{hurt:?}");
        bench.live(seconds(30), |_| {});
        assert_eq!(bench.read_from_storage(), [at(3, 7)], "{hurt:?}: once");
        bench.discard("SM", 3);
        bench.live(seconds(1), |_| {});
        assert_eq!(bench.heard("AT+CMGD=3"), 1);
        bench.assert_works();
    });
}

#[test]
fn an_entry_of_a_list_that_does_not_fit_its_length_is_read_again_by_itself() {
    each(hurt(8), |hurt| {
        for place in 0..3 {
            let mut listing = String::new();
            for index in 1..=3_u32 {
                let whole = entry(index, u8::try_from(index).unwrap());
                let hurt = format!("\r\n+CMGL: {index},1,,{LENGTH}\r\n{hurt}\r\n");
                listing += if index == place + 1 { &hurt } else { &whole };
            }
            let mut modem = storing(3, &listing);
            modem.on(&format!("AT+CMGR={}", place + 1), &reading(8));
            let bench = settled(modem);
            let mut read = bench.read_from_storage();
            read.sort();
            let expected: Vec<_> = (1..=3_u32)
                .map(|index| at(index, if index == place + 1 { 8 } else { u8::try_from(index).unwrap() }))
                .collect();
            assert_eq!(read, expected, "{hurt:?} at {place}: {:?}", bench.modem.heard);
            assert_eq!(bench.heard_like("AT+CMGD="), 0);
        }
    });
}

/// The reports of a ZTE, and modems that count the service centre's octets as well: this is what the modem holds.
#[test]
fn what_comes_twice_the_same_is_what_the_modem_holds() {
    let whole = digits(&message(7));
    each([(15, whole.clone()), (11, whole.clone()), (LENGTH, whole[..24].to_owned())], |(length, digits)| {
        let answer = format!("\r\n+CMGR: 1,,{length}\r\n{digits}\r\n\r\nOK\r\n");
        let mut bench = settled(storing(0, ""));
        bench.modem.on("AT+CMGR=3", &answer);
        told_of(&mut bench, 3);
        bench.live(seconds(20), |_| {});
        let read = bench.read_from_storage();
        assert_eq!(read.len(), 1, "{answer:?}: {:?}", bench.modem.heard);
        assert_eq!(super::field::digits(&read[0].2), digits);
        assert!(bench.heard("AT+CMGR=3") >= 2, "the place was read twice");
        bench.discard("SM", 3);
        bench.live(seconds(1), |_| {});
        assert_eq!(bench.heard("AT+CMGD=3"), 1);

        // The same octets come in a list and in a reading of the place.
        let listing = format!("\r\n+CMGL: 3,1,,{length}\r\n{digits}\r\n");
        let mut modem = storing(1, &listing);
        modem.on("AT+CMGR=3", &answer);
        let bench = settled(modem);
        assert_eq!(bench.read_from_storage().len(), 1, "{listing:?}: {:?}", bench.modem.heard);
    });
}

/// With another fault each time nothing is accepted or deleted, and the good copy is read when the line works again.
#[test]
fn what_is_hurt_otherwise_each_time_is_neither_believed_nor_deleted() {
    let readings: Vec<_> = hurt(7).iter().map(|digits| reading_of(digits)).collect();
    let readings: Vec<_> = readings.iter().map(String::as_str).collect();
    let whole = digits(&message(7));
    let mut bench = settled(storing(0, ""));
    bench.modem.in_turn("AT+CMGR=3", &readings);
    bench.modem.on("AT+CMGL=4", &format!("\r\n+CMGL: 3,1,,{LENGTH}\r\n{}\r\n{OK}", &whole[3..]));
    told_of(&mut bench, 3);
    // The place is not read without a pause either, since others wait for the port.
    let read = |b: &Bench| b.heard("AT+CMGR=3");
    bench.live(seconds(10), |_| {});
    assert!((2..=readings.len()).contains(&read(&bench)), "{}", read(&bench));
    assert_eq!(bench.read_from_storage(), []);
    assert_eq!(bench.state(), State::Ready);
    bench.send();
    assert_eq!(bench.outcomes.len(), 1);
    bench.discard("SM", 3);
    bench.live(seconds(10), |_| {});
    assert_eq!(bench.heard_like("AT+CMGD="), 0);
    // The line works again.
    bench.modem.on("AT+CMGR=3", &reading(7));
    bench.modem.on("AT+CMGL=4", &format!("{}{OK}", entry(3, 7)));
    bench.live(minutes(11), |_| {});
    assert_eq!(bench.read_from_storage().first(), Some(&at(3, 7)), "{:?}", bench.modem.heard);
    bench.discard("SM", 3);
    bench.live(seconds(5), |_| {});
    assert_eq!(bench.heard("AT+CMGD=3"), 1);
}

/// gammu b9bd902a0: the end of a line is lost before `+CMGL:`. Message 2 was assigned to place 1, and place 1 was
/// deleted unread.
#[test]
fn a_header_behind_the_digits_begins_the_next_entry() {
    let [one, two, three] = [1, 2, 3].map(|mark| digits(&message(mark)));
    let head = |index: u32| format!("+CMGL: {index},1,,{LENGTH}\r\n");
    each(
        [
            // The end is lost between each two of three messages, and between all of them.
            format!("\r\n{}{one}{}{two}\r\n\r\n{}{three}\r\n", head(1), head(2), head(3)),
            format!("\r\n{}{one}\r\n\r\n{}{two}{}{three}\r\n", head(1), head(2), head(3)),
            format!("\r\n{}{one}{}{two}{}{three}\r\n", head(1), head(2), head(3)),
            // With a blank, without the one in the header, and with the status of an unread one.
            format!("\r\n{}{one} {}{two}\r\n{}{three}\r\n", head(1), head(2), head(3)),
            format!("\r\n{}{one}+CMGL:2,0,,{LENGTH}\r\n{two}\r\n{}{three}\r\n", head(1), head(3)),
            format!("\r\n{}{one}+CMGL: 2,0,\"\",{LENGTH}\r\n{two}\r\n{}{three}\r\n", head(1), head(3)),
        ],
        |listing| {
            let mut bench = settled(storing(3, &listing));
            let mut read = bench.read_from_storage();
            read.sort();
            assert_eq!(read, [at(1, 1), at(2, 2), at(3, 3)], "{listing:?}: {:?}", bench.modem.heard);
            bench.discard("SM", 1);
            bench.live(seconds(1), |_| {});
            assert_eq!((bench.heard_like("AT+CMGD="), bench.heard("AT+CMGD=1")), (1, 1));
            bench.assert_works();
        },
    );
}

/// More is lost than the end of a line: each message is assigned to the place where it lies, and to no other.
#[test]
fn no_message_is_credited_to_a_place_that_did_not_announce_it() {
    let [one, two, three] = [1, 2, 3].map(|mark| digits(&message(mark)));
    let head = |index: u32| format!("+CMGL: {index},1,,{LENGTH}\r\n");
    each(
        [
            // The digits of one message are lost, or some of them along with the line's end.
            format!("\r\n{}\r\n{}{two}\r\n{}{three}\r\n", head(1), head(2), head(3)),
            format!("\r\n{}{}{}{two}\r\n{}{three}\r\n", head(1), &one[..20], head(2), head(3)),
            format!("\r\n{}{one}\r\n{}{}\r\n{}{three}\r\n", head(1), head(2), &two[..21], head(3)),
            // A header is lost, or damaged.
            format!("\r\n{}{one}\r\n{two}\r\n{}{three}\r\n", head(1), head(3)),
            format!("\r\n{}{one}\r\n+CGL: 2,1,,{LENGTH}\r\n{two}\r\n{}{three}\r\n", head(1), head(3)),
            format!("\r\n{}{one}\r\n+CMGL: ,1,,{LENGTH}\r\n{two}\r\n{}{three}\r\n", head(1), head(3)),
            format!("\r\n{}{one}+CMG: 2,1,,{LENGTH}\r\n{two}\r\n{}{three}\r\n", head(1), head(3)),
            // A header and an end are lost, so that two messages stand on one line; and all of one message.
            format!("\r\n{}{one}{two}\r\n{}{three}\r\n", head(1), head(3)),
            format!("\r\n{}{one}\r\n{}{three}\r\n", head(1), head(3)),
            format!("\r\n{}{three}\r\n", head(3)),
        ],
        |listing| {
            let mut modem = storing(3, &listing);
            for mark in 1..=3 {
                modem.on(&format!("AT+CMGR={mark}"), &reading(mark));
            }
            let mut bench = settled(modem);
            bench.live(seconds(30), |_| {});
            let mut read = bench.read_from_storage();
            read.sort();
            assert_eq!(read, [at(1, 1), at(2, 2), at(3, 3)], "{listing:?}: {:?}", bench.modem.heard);
            assert_eq!(bench.heard_like("AT+CMGD="), 0, "{listing:?}");
            bench.assert_works();
        },
    );
}

#[test]
fn a_code_behind_the_digits_is_a_code() {
    let one = digits(&message(1));
    each(
        [("+CMTI: \"SM\",5", true), ("^RSSI:17", false), ("+CREG: 1", false), ("+CMTI: \"SM\",5,0", true)],
        |(code, read)| {
            let mut modem = storing(1, &format!("\r\n+CMGL: 1,1,,{LENGTH}\r\n{one}{code}\r\n"));
            modem.on("AT+CMGR=1", &reading(1));
            modem.on("AT+CMGR=5", &reading(5));
            let mut bench = settled(modem);
            if read {
                bench.modem.on("AT+CMGL=4", &format!("{}{}{OK}", entry(1, 1), entry(5, 5)));
            }
            bench.live(seconds(30), |_| {});
            let mut seen = bench.read_from_storage();
            seen.sort();
            let expected = if read { vec![at(1, 1), at(5, 5)] } else { vec![at(1, 1)] };
            assert_eq!(seen, expected, "{code}: {:?}", bench.modem.heard);
            bench.assert_works();
        },
    );
}

/// The end of the last line before the result is lost.
#[test]
fn a_result_behind_the_digits_costs_no_message() {
    let [one, two] = [1, 2].map(|mark| digits(&message(mark)));
    let listing = format!("\r\n+CMGL: 1,1,,{LENGTH}\r\n{one}\r\n+CMGL: 2,1,,{LENGTH}\r\n{two}OK\r\n");
    let mut modem = storing(2, "");
    modem.in_turn("AT+CMGL=4", &[&listing, &format!("{}{}{OK}", entry(1, 1), entry(2, 2))]);
    modem.on("AT+CMGR=2", &reading(2));
    let mut bench = settled(modem);
    bench.live(minutes(2), |_| {});
    let mut read = bench.read_from_storage();
    read.sort();
    read.dedup();
    assert_eq!(read, [at(1, 1), at(2, 2)], "{:?}", bench.modem.heard);
    bench.assert_works();

    let mut bench = settled(storing(0, ""));
    bench.modem.in_turn("AT+CMGR=3", &[&format!("\r\n+CMGR: 1,,{LENGTH}\r\n{one}OK\r\n"), &reading(1)]);
    told_of(&mut bench, 3);
    bench.live(minutes(1), |_| {});
    assert_eq!(bench.read_from_storage(), [at(3, 1)], "{:?}", bench.modem.heard);
    bench.assert_works();
}

/// An unsolicited code between the header and the digits stays a code, and the count of octets stays right.
#[test]
fn a_count_that_is_met_has_nothing_read_twice() {
    let mut modem = storing(2, &format!("{}{}", entry(1, 1), entry(2, 2)));
    modem.on("AT+CPMS?", &usage(2));
    let bench = settled(modem);
    assert_eq!(bench.read_from_storage(), [at(1, 1), at(2, 2)]);
    assert_eq!(bench.heard_like("AT+CMGR="), 0, "{:?}", bench.modem.heard);
}
