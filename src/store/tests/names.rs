//! Names of SIMs: in whatever order they become known, one SIM has one identity, one ledger and all its recipients.

use proptest::prelude::*;

use super::*;
use crate::outbox::{Periods, SimNames};

const CARD: &str = "8941030000000000001";
const OTHER_CARD: &str = "8941030000000000002";
const NUMBER: &str = "228011234567890";
const OTHER_NUMBER: &str = "228019876543210";

fn key() -> Key {
    Key::from_bytes([5; 32])
}

fn told(iccid: Option<&str>, imsi: Option<&str>) -> SimNames {
    SimNames::new(iccid.map(str::to_owned), imsi.map(str::to_owned))
}

/// One move of the store.
async fn done<R: Send + 'static>(
    store: &Store,
    work: impl FnOnce(&mut Tx<'_>) -> Result<R, StoreError> + Send + 'static,
) -> R {
    store.transact(work).await.unwrap().unwrap()
}

async fn met(store: &Store, modem: &'static str, names: SimNames) -> KnownSim {
    done(store, move |tx| {
        let sim = tx.join_sim(&key(), modem, &names)?;
        tx.join_ledgers(&key(), &sim)?;
        Ok(sim)
    })
    .await
}

/// A start of the daemon with that SIM in modem `m0`: what it is, after it sent a part to a recipient.
async fn sends(store: &Store, names: SimNames, recipient: u64) -> KnownSim {
    done(store, move |tx| {
        let sim = tx.join_sim(&key(), "m0", &names)?;
        tx.join_ledgers(&key(), &sim)?;
        count(tx, &sim.identity, recipient)?;
        Ok(sim)
    })
    .await
}

/// What a send writes down, under one name.
fn count(tx: &mut Tx<'_>, name: &str, recipient: u64) -> Result<(), StoreError> {
    let t = Periods::of(Now::agreed(START));
    let mut ledger = tx.ledger(name)?;
    ledger.record(1, &t);
    tx.put_ledger(name, &ledger)?;
    tx.put_recipient(name, t.month, recipient);
    Ok(())
}

/// Parts of today, and the recipients of the month.
async fn standing(store: &Store, sim: KnownSim) -> (u32, Vec<u64>) {
    let t = Periods::of(Now::agreed(START));
    let read = store.read(move |view| {
        let mut recipients: Vec<u64> =
            view.recipients_of(&key(), &sim, t.month).unwrap().into_iter().collect();
        recipients.sort_unstable();
        (view.ledger(&sim.identity).unwrap().sent(&t).0, recipients)
    });
    read.await.unwrap()
}

#[tokio::test]
async fn an_imsi_alone_is_the_sim_until_its_card_is_known() {
    for (store, _dir) in stores() {
        assert_eq!(sends(&store, told(None, Some(NUMBER)), 1).await.identity, NUMBER);
        let card = sends(&store, told(Some(CARD), None), 2).await;
        assert_eq!((card.identity.as_str(), card.former.len()), (NUMBER, 0), "the one that was there last");
        let sim = met(&store, "m0", told(Some(CARD), Some(NUMBER))).await;
        let names = [NUMBER.to_owned()];
        assert_eq!((sim.identity.as_str(), &sim.former[..], &sim.joined[..]), (CARD, &names[..], &names[..]));
        assert_eq!(standing(&store, sim).await, (2, vec![1, 2]));
        for names in [told(None, Some(NUMBER)), told(Some(CARD), None), told(Some(CARD), Some(NUMBER))] {
            let sim = met(&store, "m0", names).await;
            assert_eq!((sim.identity.as_str(), sim.joined.len()), (CARD, 0));
            assert_eq!(standing(&store, sim).await, (2, vec![1, 2]), "joined once");
        }
        let called = store.read(|view| view.sim_called(&key(), NUMBER)).await.unwrap().unwrap();
        assert_eq!(called.names().collect::<Vec<_>>(), [CARD, NUMBER]);
    }
}

#[tokio::test]
async fn what_holds_back_its_names_is_the_sim_that_was_there_last() {
    let all = [told(Some(CARD), Some(NUMBER)), told(None, Some(NUMBER)), told(Some(CARD), None)];
    for (store, _dir) in stores() {
        for (first, then) in all.iter().flat_map(|first| all.iter().map(move |then| (first, then))) {
            let (modem, n) = ("m0", standing(&store, met(&store, "m0", first.clone()).await).await.0);
            sends(&store, first.clone(), 1).await;
            sends(&store, then.clone(), 1).await;
            sends(&store, told(None, None), 1).await;
            assert_eq!(standing(&store, met(&store, modem, then.clone()).await).await.0, n + 3);
        }
        let whole = met(&store, "m0", told(Some(CARD), Some(NUMBER))).await;
        assert_eq!(standing(&store, whole).await.0, 27, "nothing was counted for another");
        // One that tells another name of the same sort is another one, and so is one in another modem.
        let other = met(&store, "m0", told(Some(OTHER_CARD), None)).await;
        assert_eq!((other.identity.as_str(), standing(&store, other.clone()).await.0), (OTHER_CARD, 0));
        let other = met(&store, "m1", told(None, Some(OTHER_NUMBER))).await;
        assert_eq!((other.identity.as_str(), standing(&store, other.clone()).await.0), (OTHER_NUMBER, 0));
        // Its own record is believed before the seat.
        assert_eq!(met(&store, "m1", told(Some(CARD), None)).await.identity, CARD);
    }
}

#[tokio::test]
async fn what_is_counted_under_the_old_name_until_the_ledger_is_asked_for_is_added() {
    for (store, _dir) in stores() {
        sends(&store, told(None, Some(NUMBER)), 1).await;
        let received = |tx: &mut Tx<'_>| tx.join_sim(&key(), "m0", &told(Some(CARD), Some(NUMBER)));
        assert_eq!(done(&store, received).await.joined, [NUMBER]);
        // A worker that does not know yet.
        done(&store, |tx| count(tx, NUMBER, 2)).await;
        assert!(done(&store, received).await.joined.is_empty());
        for _ in 0..2 {
            let sim = met(&store, "m0", told(Some(CARD), None)).await;
            assert_eq!(standing(&store, sim).await, (2, vec![1, 2]));
        }
    }
}

#[tokio::test]
async fn a_store_of_before_keeps_its_counts_and_opens_again() {
    let dir = tempfile::tempdir().unwrap();
    let store = opened(dir.path());
    // As it was: under whichever name was known, and no record of names.
    done(&store, |tx| {
        count(tx, CARD, 1)?;
        count(tx, NUMBER, 2)?;
        count(tx, NUMBER, 3)
    })
    .await;
    let alone = met(&store, "m0", told(None, Some(NUMBER))).await;
    assert_eq!(standing(&store, alone).await, (2, vec![2, 3]));
    let sim = met(&store, "m0", told(Some(CARD), Some(NUMBER))).await;
    assert_eq!(standing(&store, sim.clone()).await, (3, vec![1, 2, 3]));
    store.close().await;
    drop(store);
    let store = opened(dir.path());
    let again = met(&store, "m0", told(None, Some(NUMBER))).await;
    assert_eq!((again.identity, again.former, again.joined), (sim.identity, sim.former, vec![]));
    store.close().await;
    drop(store);
    tamper(dir.path(), |db| {
        db.remove(tables::SIM_NAMES.key(&keys::hash(&[CARD]))).unwrap();
    });
    let refused = Store::open(dir.path(), &Options::default()).err().expect("a refusal").to_string();
    assert!(refused.contains("SIM name") && refused.contains("not there"), "{refused}");
}

#[tokio::test]
async fn a_subscription_on_a_new_card_goes_on_with_its_counts() {
    for (store, _dir) in stores() {
        sends(&store, told(Some(CARD), Some(NUMBER)), 1).await;
        sends(&store, told(Some(CARD), Some(NUMBER)), 2).await;
        let new = sends(&store, told(Some(OTHER_CARD), Some(NUMBER)), 3).await;
        assert_eq!((new.identity.as_str(), &new.former, &new.joined), (OTHER_CARD, &vec![], &vec![]));
        assert_eq!(standing(&store, new).await, (3, vec![1, 2, 3]), "the contract's limits hold on");
        let alone = met(&store, "m0", told(None, Some(NUMBER))).await;
        assert_eq!(alone.identity, OTHER_CARD, "the card that it was last seen with");
        let old = met(&store, "m1", told(Some(CARD), None)).await;
        assert_eq!(standing(&store, old).await, (2, vec![1, 2]));
        // Both cards go on telling it: nothing is added again.
        for card in [CARD, OTHER_CARD, CARD, OTHER_CARD] {
            met(&store, "m0", told(Some(card), Some(NUMBER))).await;
        }
        let cards = [CARD, OTHER_CARD].map(|card| told(Some(card), None));
        let [old, new] =
            [met(&store, "m0", cards[0].clone()).await, met(&store, "m0", cards[1].clone()).await];
        assert_eq!((standing(&store, old).await.0, standing(&store, new).await.0), (2, 3));
    }
}

#[tokio::test]
async fn a_card_that_sent_before_takes_over_nothing() {
    for (store, _dir) in stores() {
        sends(&store, told(Some(OTHER_CARD), None), 9).await;
        sends(&store, told(Some(CARD), Some(NUMBER)), 1).await;
        let known = met(&store, "m0", told(Some(OTHER_CARD), Some(NUMBER))).await;
        assert_eq!(standing(&store, known).await, (1, vec![9]));
    }
}

#[tokio::test]
async fn a_card_of_several_subscriptions_is_one_sim() {
    for (store, _dir) in stores() {
        sends(&store, told(None, Some(OTHER_NUMBER)), 1).await;
        sends(&store, told(Some(CARD), Some(NUMBER)), 2).await;
        let sim = sends(&store, told(Some(CARD), Some(OTHER_NUMBER)), 3).await;
        assert_eq!(sim.names().collect::<Vec<_>>(), [CARD, NUMBER, OTHER_NUMBER]);
        assert_eq!(standing(&store, sim).await, (3, vec![1, 2, 3]));
        for n in 0..100 {
            let imsi = format!("22801{n:010}");
            let sim = met(&store, "m0", told(Some(CARD), Some(&imsi))).await;
            assert!(sim.former.len() <= 16 && sim.former.contains(&imsi));
        }
    }
}

#[tokio::test]
async fn what_a_nameless_sim_sent_counts_for_the_one_that_tells_its_name_there() {
    for (store, _dir) in stores() {
        assert_eq!(sends(&store, told(None, None), 1).await.identity, "m0");
        assert_eq!(sends(&store, told(Some(""), Some("")), 2).await.identity, "m0");
        assert!(met(&store, "m1", told(None, Some(OTHER_NUMBER))).await.joined.is_empty());
        let sim = sends(&store, told(None, Some(NUMBER)), 3).await;
        assert_eq!(sim.names().collect::<Vec<_>>(), [NUMBER, "m0"]);
        assert_eq!(standing(&store, sim).await, (3, vec![1, 2, 3]));
        let sim = met(&store, "m0", told(Some(CARD), Some(NUMBER))).await;
        assert_eq!(sim.names().collect::<Vec<_>>(), [CARD, "m0", NUMBER]);
        assert_eq!(standing(&store, sim).await, (3, vec![1, 2, 3]));
        let next = met(&store, "m0", told(None, None)).await;
        assert_eq!(standing(&store, next).await.0, 0, "it is not charged to the next one");
    }
}

#[tokio::test]
async fn names_are_sealed_and_another_key_knows_none() {
    for (store, _dir) in stores() {
        let sim = sends(&store, told(Some(CARD), Some(NUMBER)), 1).await;
        let read = store.read(|view| {
            view.scan(tables::SIM_NAMES.all(), Order::Ascending, &mut |_, value| {
                let shown = String::from_utf8_lossy(value);
                assert!(!shown.contains("8941") && !shown.contains("2280"));
                true
            })
            .unwrap();
            view.sim_called(&Key::from_bytes([6; 32]), NUMBER).unwrap()
        });
        let stranger = read.await.unwrap();
        assert_eq!(stranger.names().collect::<Vec<_>>(), [NUMBER]);
        let other = |tx: &mut Tx<'_>| {
            let sim = tx.join_sim(&Key::from_bytes([6; 32]), "m0", &told(Some(CARD), Some(NUMBER)))?;
            tx.join_ledgers(&Key::from_bytes([6; 32]), &sim)?;
            Ok(sim)
        };
        assert_eq!(standing(&store, done(&store, other).await).await.0, standing(&store, sim).await.0);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Whichever names answer at which start: when both did at last, every part and every recipient is there, once.
    #[test]
    fn any_order_of_discovery_gives_the_same_counts(starts in prop::collection::vec((any::<bool>(), any::<bool>()), 1..12)) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            let store = Store::in_memory();
            for (n, &(iccid, imsi)) in starts.iter().enumerate() {
                let names = told(iccid.then_some(CARD), imsi.then_some(NUMBER));
                sends(&store, names, n as u64).await;
            }
            let sim = met(&store, "m0", told(Some(CARD), Some(NUMBER))).await;
            prop_assert_eq!(sim.identity.as_str(), CARD);
            let (parts, recipients) = standing(&store, sim).await;
            prop_assert_eq!(parts as usize, starts.len());
            prop_assert_eq!(recipients, (0..starts.len() as u64).collect::<Vec<_>>());
            // From then on one name is enough.
            for names in [told(None, Some(NUMBER)), told(Some(CARD), None)] {
                let sim = sends(&store, names, 0).await;
                prop_assert_eq!(sim.identity, CARD);
            }
            let sim = met(&store, "m0", told(None, Some(NUMBER))).await;
            prop_assert_eq!(standing(&store, sim).await.0 as usize, starts.len() + 2);
            Ok(())
        })?;
    }
}
