//! Storages: they are listed whatever their count says, a question or choice that failed is repeated, and
//! everything that can be read is read.

use super::field::{
    OK, answer, at, each, entry, message, minutes, reading, seconds, settled, storing, usage,
};
use super::{Bench, Fake};
use crate::snapshot::State;

/// python-gsmmodem#119: a W880i reports 0 messages and lists some.
#[test]
fn a_storage_that_is_said_to_be_empty_is_listed_all_the_same() {
    each(
        [
            "+CPMS: \"SM\",0,10,\"SM\",0,10,\"SM\",0,10",
            "+CPMS: \"SM\",0,0,\"SM\",0,0,\"SM\",0,0",
            "+CPMS: \"SM\",1,10,\"SM\",1,10,\"SM\",1,10",
            "+CPMS: \"SM\", 0, 10, \"SM\", 0, 10, \"SM\", 0, 10",
            "+CPMS: \"SM\",0,10",
            "+CPMS: \"SM\",,,\"SM\",,,\"SM\",,",
        ],
        |used| {
            let mut modem = storing(0, &format!("{}{}", entry(1, 1), entry(2, 2)));
            modem.on("AT+CPMS?", &answer(used));
            let mut bench = settled(modem);
            assert_eq!(bench.read_from_storage(), [at(1, 1), at(2, 2)], "{used}: {:?}", bench.modem.heard);
            // The same happens later, when no code reported it.
            bench.discard("SM", 1);
            bench.discard("SM", 2);
            bench.modem.on("AT+CMGL=4", &format!("{}{OK}", entry(4, 4)));
            bench.live(minutes(11), |_| {});
            assert_eq!(bench.read_from_storage().last(), Some(&at(4, 4)), "{used}: {:?}", bench.modem.heard);
            bench.assert_works();
        },
    );
}

/// The other storages, whose count is the answer to their choice.
#[test]
fn another_storage_that_is_said_to_be_empty_is_listed_all_the_same() {
    each(
        ["+CPMS: 0,20,2,10,2,10", "+CPMS: 0,0,2,10,2,10", "+CPMS: \"ME\",0,20,\"SM\",2,10,\"SM\",2,10", ""],
        |chosen| {
            let mut modem = storing(0, "");
            modem.on("AT+CPMS=?", &answer("+CPMS: (\"SM\",\"ME\"),(\"SM\"),(\"SM\")"));
            modem.on("AT+CPMS=\"SM\"", OK);
            modem.on("AT+CPMS=\"ME\"", &if chosen.is_empty() { OK.to_owned() } else { answer(chosen) });
            modem.when("AT+CPMS=\"ME\"", |modem| modem.on("AT+CMGL=4", &format!("{}{OK}", entry(9, 9))));
            modem.when("AT+CPMS=\"SM\"", |modem| modem.on("AT+CMGL=4", OK));
            let bench = settled(modem);
            assert_eq!(
                bench.read_from_storage(),
                [(String::from("ME"), 9, message(9))],
                "{chosen:?}: {:?}",
                bench.modem.heard
            );
        },
    );
}

/// gammu 56126fb30: the list lacks messages that are counted.
#[test]
fn places_that_the_list_lacks_are_read_one_by_one() {
    each(
        [
            (format!("{}{}", entry(1, 1), entry(2, 2)), vec![7_u8]),
            (entry(2, 2), vec![1, 7]),
            (String::new(), vec![1, 2, 7]),
            (String::new(), vec![0, 10]),
        ],
        |(listing, lacking)| {
            let listed: Vec<u8> =
                [1_u8, 2].into_iter().filter(|&n| listing.contains(&format!("+CMGL: {n},"))).collect();
            let count = u32::try_from(listed.len() + lacking.len()).unwrap();
            let mut modem = storing(count, &listing);
            for index in 0..=10 {
                modem.on(&format!("AT+CMGR={index}"), "\r\n+CMS ERROR: 321\r\n");
            }
            for &index in &lacking {
                modem.on(&format!("AT+CMGR={index}"), &reading(index));
            }
            let mut bench = settled(modem);
            let mut read = bench.read_from_storage();
            read.sort();
            read.dedup();
            let mut expected: Vec<_> = listed.iter().chain(&lacking).map(|&n| at(n.into(), n)).collect();
            expected.sort();
            assert_eq!(read, expected, "{listing:?} {lacking:?}: {:?}", bench.modem.heard);
            bench.assert_works();
        },
    );
}

/// A list is refused once, whatever the count says.
#[test]
fn a_list_that_is_refused_once_is_asked_for_again() {
    each(
        [
            "\r\nERROR\r\n",
            "\r\n+CMS ERROR: 302\r\n",
            "\r\n+CMS ERROR: 303\r\n",
            "\r\n+CMS ERROR: 500\r\n",
            "",
        ],
        |refusal| {
            for used in [0, 2] {
                let mut modem = storing(used, "");
                modem.in_turn("AT+CMGL=4", &[refusal, &format!("{}{}{OK}", entry(1, 1), entry(2, 2))]);
                let mut bench = settled(modem);
                bench.live(minutes(11), |_| {});
                let mut read = bench.read_from_storage();
                read.sort();
                read.dedup();
                assert_eq!(read, [at(1, 1), at(2, 2)], "{refusal:?} {used}: {:?}", bench.modem.heard);
                assert!(bench.heard("AT+CMGL=4") > 1);
                bench.assert_works();
            }
        },
    );
}

/// A count that no place accounts for: the modem counts messages that it hides, and its places are not read
/// without end.
#[test]
fn a_count_that_nothing_accounts_for_is_no_reason_to_read_for_ever() {
    let mut bench = settled(storing(3, &entry(1, 1)));
    bench.live(minutes(60), |_| {});
    assert!(bench.heard("AT+CMGL=4") <= 10, "{}", bench.heard("AT+CMGL=4"));
    assert!(bench.heard_like("AT+CMGR=") <= 10 * 11, "{}", bench.heard_like("AT+CMGR="));
    assert_eq!(bench.state(), State::Ready);
}

const UNASKED: &[&str] = &[
    "",
    "\r\nERROR\r\n",
    "\r\nOK\r\n",
    "\r\n+CMS ERROR: 302\r\n",
    "\r\n+CMS ERROR: 310\r\n",
    "\r\n+CMS ERROR: 500\r\n",
    "\r\n+CMS ERROR: 314\r\n",
    "\r\n+CME ERROR: 3\r\n",
    "\r\n+CME ERROR: 100\r\n",
    "\r\n+CPMS: \r\n\r\nOK\r\n",
    "\r\n+CPMS: x\r\n\r\nOK\r\n",
    "\r\n+CPMS: \"SM\r\n\r\nOK\r\n",
];

/// A question that fails once: the list is read at once, and the storages are chosen when the question succeeds.
#[test]
fn a_question_for_the_storages_that_goes_wrong_once_switches_nothing_off() {
    each(UNASKED, |first| {
        let mut modem = storing(2, &format!("{}{}", entry(1, 1), entry(2, 2)));
        modem.in_turn("AT+CPMS?", &[first, &usage(2)]);
        let mut bench = Bench::new(modem);
        assert!(bench.within(seconds(30), |b| b.state() == State::Ready), "{first:?}: {}", bench.fault());
        assert!(
            bench.within(seconds(20), |b| b.places_read().len() == 2),
            "{first:?}: {:?}",
            bench.modem.heard
        );
        assert!(bench.within(minutes(11), |b| b.heard("AT+CPMS?") > 1), "{first:?}: {:?}", bench.modem.heard);
        // A message that a code names is read, with or without the storage's name.
        bench.modem.on("AT+CMGR=4", &reading(4));
        bench.say("\r\n+CMTI: \"SM\",4\r\n");
        assert!(bench.within(seconds(15), |b| b.places_read().contains(&("SM".into(), 4))), "{first:?}");
        bench.discard("SM", 4);
        bench.live(seconds(2), |_| {});
        assert_eq!(bench.heard("AT+CMGD=4"), 1, "{first:?}");
        bench.assert_works();
    });
}

/// Telephone simulators and an E3372: the question always fails.
#[test]
fn a_modem_that_never_says_which_storages_it_has_is_read_all_the_same() {
    each(UNASKED, |always| {
        let mut modem = storing(0, &format!("{}{}", entry(1, 1), entry(2, 2)));
        modem.on("AT+CPMS?", always);
        modem.on("AT+CPMS=?", "\r\nERROR\r\n");
        modem.on("AT+CPMS=\"SM\",\"SM\",\"SM\"", "\r\nERROR\r\n");
        let mut bench = Bench::new(modem);
        let places = |b: &Bench| b.places_read().iter().map(|(_, index)| *index).collect::<Vec<_>>();
        assert!(bench.within(minutes(1), |b| places(b) == [1, 2]), "{always:?}: {:?}", bench.modem.heard);
        bench.within(seconds(30), |b| b.state() == State::Ready);
        // On a code, and when the storage is full.
        bench.modem.on("AT+CMGR=4", &reading(4));
        bench.say("\r\n+CMTI: \"SM\",4\r\n");
        assert!(bench.within(seconds(15), |b| places(b) == [1, 2, 4]), "{always:?}: {:?}", bench.modem.heard);
        for (storage, index) in bench.places_read() {
            bench.discard(&storage, index);
        }
        bench.live(seconds(20), |_| {});
        for index in [1, 2, 4] {
            assert_eq!(bench.heard(&format!("AT+CMGD={index}")), 1, "{always:?}: {:?}", bench.modem.heard);
        }
        bench.notices.clear();
        bench.modem.on("AT+CMGL=4", &format!("{}{OK}", entry(5, 5)));
        bench.say("\r\n^SMMEMFULL: \"SM\"\r\n");
        assert!(bench.within(seconds(15), |b| places(b) == [5]), "{always:?}: {:?}", bench.modem.heard);
        // Without a cause, after a while.
        bench.modem.on("AT+CMGL=4", &format!("{}{OK}", entry(6, 6)));
        assert!(bench.within(minutes(11), |b| places(b).contains(&6)), "{always:?}: {:?}", bench.modem.heard);
        bench.assert_works();
    });
}

/// The same for a modem without storages: it is not asked without end.
#[test]
fn a_modem_without_storages_is_left_in_peace() {
    let mut bench = settled(Fake::new());
    bench.modem.heard.clear();
    bench.live(minutes(60), |_| {});
    each(["AT+CMGL", "AT+CPMS", "AT+CMGR"], |head| {
        assert!(bench.heard_like(head) <= 14, "{head}: {}", bench.heard_like(head));
    });
    assert_eq!((bench.state(), bench.session.snapshot().counters.resyncs), (State::Ready, 0));
    bench.assert_works();
}

/// A modem with this list of storages, each of which holds one message, named after the storage. Those in
/// `refused` cannot be read.
fn listing_modem(in_use: &str, offered: &str, refused: &[&str]) -> Fake {
    let mut modem = Fake::new();
    modem.on("AT+CPMS?", &answer(in_use));
    modem.on("AT+CPMS=?", &answer(offered));
    for name in NAMES {
        let good = answer("+CPMS: 1,10,1,10,1,10");
        let said = if refused.contains(&name) { "\r\n+CMS ERROR: 302\r\n" } else { &good };
        for rest in ["", "SM", "ME", "MT", "SM SM", "ME ME", "MT MT", "SM MT", "ME SM"] {
            let names: Vec<_> = [name].into_iter().chain(rest.split_whitespace()).collect();
            let command = format!("AT+CPMS=\"{}\"", names.join("\",\""));
            modem.on(&command, said);
            modem.when(&command, |modem| {
                let last = modem.heard.last().cloned().unwrap_or_default();
                let left = &modem.answers[&last];
                if left.len() == 1 && left[0].contains("+CPMS:") {
                    holds(modem, &last[9..11]);
                }
            });
        }
    }
    for index in 0..=10 {
        modem.on(&format!("AT+CMGD={index}"), OK);
    }
    holds(&mut modem, &in_use[8..10]);
    modem
}

const NAMES: [&str; 4] = ["SM", "ME", "MT", "SR"];

/// This storage is read from now on.
fn holds(modem: &mut Fake, name: &str) {
    let place = NAMES.iter().position(|known| *known == name).map_or(9, |at| at + 1);
    let mark = u8::try_from(place).unwrap();
    modem.on("AT+CMGL=4", &format!("{}{OK}", entry(mark.into(), mark)));
    for index in 0..=10_u8 {
        let there = if index == mark { reading(index) } else { OK.to_owned() };
        modem.on(&format!("AT+CMGR={index}"), &there);
    }
}

/// Cinterion (`ModemManager`'s test, gammu#1207), mixed brackets (`ModemManager`'s test), no brackets, and others.
#[test]
fn whatever_can_be_chosen_is_read() {
    each(
        [
            // SM cannot be read, but it is a part of MT.
            (
                "+CPMS: \"ME\",0,25,\"ME\",0,25,\"SM\",1,20",
                "+CPMS: (\"ME\",\"MT\"),(\"ME\",\"SM\",\"MT\"),(\"SM\",\"MT\")",
                vec!["SM"],
                vec!["ME", "MT"],
            ),
            (
                "+CPMS: \"ME\",0,25,\"ME\",0,25,\"SM\",0,20",
                "+CPMS: (\"ME\",\"SM\",\"MT\"),(\"ME\",\"SM\",\"MT\"),(\"SM\",\"MT\")",
                vec![],
                vec!["SM", "ME"],
            ),
            (
                "+CPMS: \"ME\",0,25,\"ME\",0,25,\"MT\",1,20",
                "+CPMS: (\"ME\",\"SM\"),(\"ME\",\"SM\"),(\"MT\")",
                vec![],
                vec!["SM", "ME"],
            ),
            (
                "+CPMS: \"ME\",0,25,\"ME\",0,25,\"SM\",1,20",
                "+CPMS: (\"ME\",\"MT\"),\"ME\",(\"SM\")",
                vec!["SM"],
                vec!["ME", "MT"],
            ),
            (
                "+CPMS: \"ME\",0,25,\"ME\",0,25,\"SM\",1,20",
                "+CPMS:     (  \"ME\"  ,  \"MT\"  )   ,  \"ME\" ,   (  \"SM\"  )",
                vec!["SM"],
                vec!["ME", "MT"],
            ),
            (
                "+CPMS: \"SM\",0,25,\"SM\",0,25,\"SM\",1,20",
                "+CPMS: \"SM\",(\"SM\",\"ME\"),\"SM\"",
                vec![],
                vec!["SM"],
            ),
            (
                "+CPMS: \"ME\",0,25,\"ME\",0,25,\"ME\",1,20",
                "+CPMS: (\"SM\",\"ME\"),\"SM\",(\"SM\",\"ME\")",
                vec![],
                vec!["SM", "ME"],
            ),
            ("+CPMS: \"SM\",0,25,\"SM\",0,25,\"SM\",1,20", "+CPMS: (),,(  )", vec![], vec!["SM"]),
            (
                "+CPMS: \"ME\",0,25,\"ME\",0,25,\"ME\",1,20",
                "+CPMS: (\"SM\",\"ME\"),(\"SM\",\"ME\"),(\"SM\",\"ME\")",
                vec!["SM"],
                vec!["ME"],
            ),
            (
                "+CPMS: \"SM\",0,25,\"SM\",0,25,\"SM\",1,20",
                "+CPMS: [\"SM\",\"ME\"],[\"SM\",\"ME\"],[\"SM\",\"ME\"]",
                vec!["ME"],
                vec!["SM"],
            ),
        ],
        |(in_use, offered, refused, read)| {
            let bench = settled(listing_modem(in_use, offered, &refused));
            let places = bench.places_read();
            for name in read {
                let index = NAMES.iter().position(|known| known == &name).unwrap() + 1;
                let index = u32::try_from(index).unwrap();
                // A message in a part of MT may be read from either.
                assert!(
                    places.iter().any(|(_, read)| *read == index),
                    "{offered}: no {name}: {:?}",
                    bench.modem.heard
                );
            }
            assert_eq!((bench.state(), bench.heard_like("AT+CMGD=")), (State::Ready, 0), "{offered}");
        },
    );
}

/// The first code of a modem whose lists differ.
#[test]
fn what_a_code_names_is_found_where_its_storage_cannot_be_chosen() {
    let offered = "+CPMS: (\"ME\",\"MT\"),(\"ME\",\"SM\",\"MT\"),(\"SM\",\"MT\")";
    let mut modem = listing_modem("+CPMS: \"ME\",0,25,\"ME\",0,25,\"SM\",0,20", offered, &["SM"]);
    modem.changes.clear();
    modem.on("AT+CMGL=4", OK);
    for index in 0..=10 {
        modem.on(&format!("AT+CMGR={index}"), OK);
    }
    let mut bench = settled(modem);
    bench.live(seconds(20), |_| {});
    bench.modem.on("AT+CMGL=4", &format!("{}{OK}", entry(3, 3)));
    bench.modem.on("AT+CMGR=3", &reading(3));
    bench.say("\r\n+CMTI: \"SM\",3\r\n");
    // It is in MT as well.
    assert!(
        bench.within(seconds(15), |b| b.places_read().iter().any(|(_, index)| *index == 3)),
        "{:?}",
        bench.modem.heard
    );
    bench.assert_works();
}

/// A choice that fails once: the place that a code named is read soon, and the storage is listed the next time.
#[test]
fn a_storage_that_could_not_be_chosen_once_is_tried_again() {
    each(
        [
            "\r\n+CMS ERROR: 302\r\n",
            "\r\n+CMS ERROR: 500\r\n",
            "\r\nERROR\r\n",
            "\r\n+CMS ERROR: 310\r\n",
            "",
        ],
        |refusal| {
            let all = "+CPMS: (\"SM\",\"ME\"),(\"SM\",\"ME\"),(\"SM\",\"ME\")";
            let mut bench = settled(listing_modem("+CPMS: \"SM\",0,25,\"SM\",0,25,\"SM\",1,20", all, &[]));
            for name in ["SM", "ME"] {
                bench.modem.on("AT+CMGL=4", OK);
                bench.discard(name, if name == "SM" { 1 } else { 2 });
            }
            bench.live(minutes(1), |_| {});
            bench.notices.clear();
            let good = answer("+CPMS: 1,10,1,10,1,10");
            for command in ["AT+CPMS=\"ME\"", "AT+CPMS=\"ME\",\"SM\",\"SM\"", "AT+CPMS=\"ME\",\"SM\""] {
                bench.modem.in_turn(command, &[refusal, &good, &good]);
            }
            bench.say("\r\n+CMTI: \"ME\",2\r\n");
            let found = |b: &Bench| b.places_read().contains(&("ME".into(), 2));
            assert!(bench.within(seconds(45), found), "{refusal:?}: {:?}", bench.modem.heard);
            bench.notices.clear();
            bench.live(minutes(25), |_| {});
            assert!(found(&bench), "{refusal:?}: listed again: {:?}", bench.modem.heard);
            bench.assert_works();
        },
    );
}

/// No choice is accepted during the bring-up; later one is.
#[test]
fn storages_that_could_not_be_chosen_at_the_start_are_chosen_at_the_next_listing() {
    each(["\r\n+CMS ERROR: 302\r\n", "\r\n+CMS ERROR: 500\r\n", "\r\nERROR\r\n"], |refusal| {
        let all = "+CPMS: (\"SM\",\"ME\"),(\"SM\",\"ME\"),(\"SM\",\"ME\")";
        let good = listing_modem("+CPMS: \"ME\",0,25,\"ME\",0,25,\"SM\",1,20", all, &[]);
        let mut modem = listing_modem("+CPMS: \"ME\",0,25,\"ME\",0,25,\"SM\",1,20", all, &["SM", "ME", "MT"]);
        for answers in modem.answers.values_mut() {
            for answer in answers {
                *answer = answer.replace("\r\n+CMS ERROR: 302\r\n", refusal);
            }
        }
        let mut bench = settled(modem);
        assert_eq!(bench.state(), State::Ready, "{refusal:?}: {}", bench.fault());
        for (command, answers) in good.answers {
            if command.starts_with("AT+CPMS=") {
                bench.modem.answers.insert(command, answers);
            }
        }
        bench.live(minutes(11), |_| {});
        let places = bench.places_read();
        assert!(places.contains(&("SM".into(), 1)), "{refusal:?}: {places:?} {:?}", bench.modem.heard);
        assert!(places.contains(&("ME".into(), 2)), "{refusal:?}: {places:?}");
        bench.assert_works();
    });
}
