//! A wrong PIN is tried once with a SIM, in whatever order its names answer.

use proptest::prelude::*;

use super::*;
use crate::outbox::SimNames;

fn key() -> Key {
    Key::from_bytes([3; 32])
}

fn pin(digits: &str) -> Secret<String> {
    Secret::new(digits.to_owned())
}

/// A stick that is called `modem` in the configuration, and a SIM that gives these numbers.
fn owners(modem: &str, iccid: Option<&str>, imsi: Option<&str>) -> Owners {
    Owners {
        iccid: iccid.map(str::to_owned),
        imsi: imsi.map(str::to_owned),
        imei: Some(format!("35693803564{modem}")),
        modem: modem.to_owned(),
        port: format!("/dev/serial/by-id/{modem}"),
    }
}

const CARD: Option<&str> = Some("8941030000000000001");
const OTHER_CARD: Option<&str> = Some("8941030000000000002");
const NUMBER: Option<&str> = Some("228011234567890");

#[tokio::test]
async fn a_pin_is_tried_once_unless_it_was_right() {
    let store = Store::in_memory();
    let pins = TriedPins::new(store.clone(), key());
    let owner = || owners("a", CARD, None);
    assert_eq!(pins.tries(owner(), pin("1111")).await, Ok(true));
    assert_eq!(pins.tries(owner(), pin("1111")).await, Ok(false));
    assert_eq!(pins.tries(owner(), pin("2222")).await, Ok(true), "another PIN in the file");
    // A new daemon over the same store.
    let pins = TriedPins::new(store.clone(), key());
    assert_eq!(pins.tries(owner(), pin("1111")).await, Ok(false));
    pins.accepted(owner(), pin("2222")).await;
    assert_eq!(pins.tries(owner(), pin("2222")).await, Ok(true));
    assert_eq!(pins.tries(owner(), pin("1111")).await, Ok(false));
    store.close().await;
    assert!(pins.tries(owner(), pin("3333")).await.is_err(), "a PIN whose try cannot be noted is not tried");
    assert_eq!(format!("{pins:?}"), "[tried PINs]");
}

#[tokio::test]
async fn a_try_is_found_under_any_of_its_names_and_another_sim_has_its_own() {
    let nameless = |modem: &str| Owners { imei: None, port: String::new(), ..owners(modem, None, None) };
    for (then, now, may_try) in [
        // The card answers later, or not any more.
        (owners("a", None, None), owners("a", CARD, None), false),
        (owners("a", CARD, None), owners("a", None, None), false),
        (owners("a", CARD, None), owners("a", None, NUMBER), false),
        (owners("a", None, NUMBER), owners("a", CARD, None), false),
        // Only one of the device's names is left.
        (owners("a", None, None), nameless("a"), false),
        (owners("a", None, None), Owners { modem: "b".into(), imei: None, ..owners("a", None, None) }, false),
        (
            owners("a", None, None),
            Owners { modem: "b".into(), port: "/dev/b".into(), ..owners("a", None, None) },
            false,
        ),
        // The SIM is in another stick.
        (owners("a", CARD, None), owners("b", CARD, None), false),
        (owners("a", None, NUMBER), owners("b", None, NUMBER), false),
        // Another SIM is in the stick.
        (owners("a", CARD, None), owners("a", OTHER_CARD, None), true),
        (owners("a", CARD, NUMBER), owners("a", OTHER_CARD, NUMBER), true),
        (owners("a", None, NUMBER), owners("a", None, Some("228019876543210")), true),
        // They have nothing in common; two unknown names are not equal.
        (owners("a", None, None), owners("b", None, None), true),
        (nameless("a"), nameless("b"), true),
    ] {
        let pins = TriedPins::new(Store::in_memory(), key());
        let what = format!("{then:?} {now:?}");
        assert_eq!(pins.tries(then, pin("1111")).await, Ok(true));
        assert_eq!(pins.tries(now.clone(), pin("1111")).await, Ok(may_try), "{what}");
        assert_eq!(pins.tries(now, pin("2222")).await, Ok(true), "{what}");
    }
}

#[tokio::test]
async fn what_was_refused_under_a_further_name_is_known_by_that_alone() {
    let pins = TriedPins::new(Store::in_memory(), key());
    assert_eq!(pins.tries(owners("a", None, None), pin("1111")).await, Ok(true));
    assert_eq!(pins.tries(owners("a", CARD, None), pin("1111")).await, Ok(false));
    assert_eq!(pins.tries(owners("b", CARD, None), pin("1111")).await, Ok(false));
    // The first try may have been made with the other card, and keeps counting.
    assert_eq!(pins.tries(owners("a", OTHER_CARD, None), pin("1111")).await, Ok(false));
}

#[tokio::test]
async fn a_pin_that_is_accepted_from_a_nameless_sim_is_not_forgotten_for_a_card() {
    let pins = TriedPins::new(Store::in_memory(), key());
    assert_eq!(pins.tries(owners("a", CARD, None), pin("1111")).await, Ok(true));
    pins.accepted(owners("a", None, None), pin("1111")).await;
    assert_eq!(pins.tries(owners("b", CARD, None), pin("1111")).await, Ok(false));
    // The card itself accepted the PIN: what was refused in another stick in the meantime is removed as well.
    pins.accepted(owners("a", CARD, NUMBER), pin("1111")).await;
    assert_eq!(pins.tries(owners("b", CARD, None), pin("1111")).await, Ok(true));
}

#[tokio::test]
async fn names_that_the_store_has_joined_find_each_others_tries() {
    let store = Store::in_memory();
    let told = |iccid: Option<&str>, imsi: Option<&str>| {
        SimNames::new(iccid.map(str::to_owned), imsi.map(str::to_owned))
    };
    let names = told(CARD, NUMBER);
    store.transact(move |tx| tx.join_sim(&key(), "a", &names)).await.unwrap().unwrap();
    let pins = TriedPins::new(store, key());
    assert_eq!(pins.tries(owners("a", CARD, None), pin("1111")).await, Ok(true));
    assert_eq!(pins.tries(owners("b", None, NUMBER), pin("1111")).await, Ok(false));
    assert_eq!(pins.tries(owners("c", None, NUMBER), pin("2222")).await, Ok(true));
    assert_eq!(pins.tries(owners("d", CARD, None), pin("2222")).await, Ok(false));
}

#[tokio::test]
async fn tries_that_an_older_version_noted_are_honoured() {
    for (owner, now) in [
        ("iccid 8941030000000000001", owners("b", CARD, None)),
        ("imei 35693803564a", owners("a", CARD, None)),
        ("modem a", Owners { imei: None, ..owners("a", CARD, NUMBER) }),
    ] {
        let store = Store::in_memory();
        let hash = |digits: &str| key().hash(&[b"pin", owner.as_bytes(), digits.as_bytes()]);
        let noted = [hash("9999"), hash("1111")];
        store.transact(move |tx| tx.put_meta(&format!("pin {owner}"), noted.as_flattened())).await.unwrap();
        let pins = TriedPins::new(store, key());
        assert_eq!(pins.tries(now.clone(), pin("1111")).await, Ok(false), "{owner}");
        assert_eq!(pins.tries(now, pin("2222")).await, Ok(true), "{owner}");
        // The try is found under the present names from now on.
        let moved =
            if owner.starts_with("modem") { owners("c", CARD, NUMBER) } else { owners("c", CARD, None) };
        assert_eq!(pins.tries(moved, pin("1111")).await, Ok(false), "{owner}");
    }
}

#[tokio::test]
async fn what_is_kept_is_bounded_and_shows_neither_pin_nor_name() {
    let store = Store::in_memory();
    let pins = TriedPins::new(store.clone(), key());
    for n in 0..200 {
        let pin = pin(&format!("{n:04}"));
        assert_eq!(pins.tries(owners("a", CARD, None), pin).await, Ok(true));
    }
    assert_eq!(pins.tries(owners("a", CARD, None), pin("0199")).await, Ok(false));
    assert_eq!(pins.tries(owners("a", CARD, None), pin("0152")).await, Ok(false));
    let place = place(tag(&key(), b"iccid", CARD.unwrap()));
    assert!(!place.contains("8941"));
    let kept = store.read(move |view| view.meta(&place)).await.unwrap().unwrap().unwrap();
    assert_eq!(kept.len(), REMEMBERED * TRY);
    assert!(kept.len() < 6 * 1024, "a larger value would not fit in its record");
}

/// A start of the daemon: which SIM is in which stick, and which names answer.
#[derive(Debug, Clone)]
struct Start {
    sim: usize,
    stick: usize,
    iccid: bool,
    imsi: bool,
    imei: bool,
    port: usize,
}

fn start() -> impl Strategy<Value = Start> {
    let answers = (any::<bool>(), any::<bool>(), any::<bool>());
    (0_usize..3, 0_usize..2, answers, 0_usize..3).prop_map(|(sim, stick, (iccid, imsi, imei), port)| Start {
        sim,
        stick,
        iccid,
        imsi,
        imei,
        port,
    })
}

impl Start {
    fn owners(&self) -> Owners {
        Owners {
            iccid: self.iccid.then(|| format!("894103000000000000{}", self.sim)),
            imsi: self.imsi.then(|| format!("22801123456789{}", self.sim)),
            imei: self.imei.then(|| format!("35693803564380{}", self.stick)),
            modem: format!("m{}", self.stick),
            port: format!("/dev/ttyUSB{}", self.port),
        }
    }
}

proptest! {
    /// Over any starts: a wrong PIN is tried once with a SIM in the same modem; in other modems, once with its ICCID.
    #[test]
    fn a_wrong_pin_is_tried_once_in_any_order_of_names(starts in prop::collection::vec(start(), 1..20)) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            let store = Store::in_memory();
            let mut tried: Vec<Start> = Vec::new();
            for start in starts {
                let pins = TriedPins::new(store.clone(), key());
                if pins.tries(start.owners(), pin("1111")).await.unwrap() {
                    let again = tried.iter().find(|before| {
                        before.sim == start.sim
                            && (before.stick == start.stick || before.iccid && start.iccid || before.imsi && start.imsi)
                    });
                    prop_assert!(again.is_none(), "{again:?} {start:?}");
                    tried.push(start);
                }
            }
            Ok(())
        })?;
    }

    /// A PIN that is right is entered at every start.
    #[test]
    fn a_right_pin_is_given_at_every_start(starts in prop::collection::vec(start(), 1..20)) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            let store = Store::in_memory();
            for start in starts {
                let pins = TriedPins::new(store.clone(), key());
                prop_assert_eq!(pins.tries(start.owners(), pin("1111")).await, Ok(true));
                pins.accepted(start.owners(), pin("1111")).await;
            }
            Ok(())
        })?;
    }
}
