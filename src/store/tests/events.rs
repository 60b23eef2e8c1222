//! The trail on disk: numbered without gaps, in the transaction of what it tells of, and with each change seen.

use super::super::events::{Block, Place};
use super::super::tables::{EVENT_ENDS, EVENTS};
use super::*;
use crate::trail::{About, Audit, Ends, Event, Walk, WalkFault};

fn key() -> Key {
    Key::from_bytes([5; 32])
}

fn event(n: u64) -> Event {
    let audit = Audit { action: "refused".to_owned(), to: None, detail: format!("n {n}"), count: 1 };
    let at = START.plus(Duration::from_secs(n));
    Event { at, since: at.steady(), by: Some("web".to_owned()), about: About::Audit(audit) }
}

/// A store with five events.
async fn five() -> Store {
    let store = Store::in_memory();
    for n in 1..=5 {
        let first = store.transact(move |tx| tx.put_events(&key(), &[event(n)])).await.unwrap().unwrap();
        assert_eq!(first, n);
    }
    store
}

fn walked(view: &View) -> Result<Ends, WalkFault> {
    let sealed = view.event_ends().unwrap().unwrap();
    if !sealed.is_genuine(&key()) {
        return Err(WalkFault::Ends);
    }
    let mut walk = Walk::from(&sealed.ends);
    for (id, found) in view.events_after(0, 100).unwrap() {
        walk.step(&key(), id, &found)?;
    }
    walk.end(&sealed.ends).map(|()| sealed.ends)
}

async fn after(store: Store, change: impl FnOnce(&mut Tx<'_>) + Send + 'static) -> Result<Ends, WalkFault> {
    store.transact(change).await.unwrap();
    store.read(walked).await.unwrap()
}

#[tokio::test]
async fn a_move_that_fails_leaves_no_event_and_no_hole() {
    let store = five().await;
    let failed = store
        .transact(|tx| {
            tx.put_events(&key(), &[event(6)]).unwrap();
            let _ = tx.note(Err::<(), _>(StoreError::Aborted("a test")));
        })
        .await;
    assert!(failed.is_err());
    let first = store.transact(|tx| tx.put_events(&key(), &[event(6), event(7)])).await.unwrap().unwrap();
    assert_eq!(first, 6);
    let ends = store.read(walked).await.unwrap().unwrap();
    assert_eq!((ends.first, ends.last), (1, 7));
}

#[tokio::test]
async fn the_head_is_cut_and_the_rest_verifies() {
    let store = Store::in_memory();
    for n in 1..=50 {
        // Several in a move, so that a block ends in the middle of one.
        let events = [event(2 * n - 1), event(2 * n)];
        store.transact(move |tx| tx.put_events(&key(), &events)).await.unwrap().unwrap();
    }
    let ends = async || store.read(walked).await.unwrap().map(|ends| (ends.first, ends.last));
    assert_eq!(ends().await, Ok((1, 100)));
    let page = async |after, limit| {
        let found = store.read(move |view| view.events_after(after, limit)).await.unwrap().unwrap();
        assert!(found.iter().all(|(id, found)| found.event == event(*id)));
        found.into_iter().map(|(id, _)| id).collect::<Vec<_>>()
    };
    for after in [0, 1, 31, 32, 33, 63, 64, 99] {
        assert_eq!(page(after, 5).await, (after + 1..=(after + 5).min(100)).collect::<Vec<_>>());
    }
    assert_eq!((page(100, 5).await, page(u64::MAX, 5).await), (vec![], vec![]));
    let old = START.plus(Duration::from_secs(70));
    let last = async |limit| {
        store.read(move |view| view.last_event_before(old.steady(), limit)).await.unwrap().unwrap()
    };
    assert_eq!((last(1000).await, last(20).await), (Some(69), Some(32)));
    let cut = async |upto| store.transact(move |tx| tx.cut_events(&key(), upto)).await.unwrap();
    assert_eq!((cut(31).await, cut(69).await, cut(69).await), (Ok(31), Ok(38), Ok(0)));
    assert_eq!((ends().await, page(0, 2).await), (Ok((70, 100)), vec![70, 71]));
    assert_eq!((cut(98).await, ends().await, page(0, 9).await), (Ok(29), Ok((99, 100)), vec![99, 100]));
    store.transact(|tx| tx.put_events(&key(), &[event(101)])).await.unwrap().unwrap();
    assert_eq!((ends().await, page(0, 9).await), (Ok((99, 101)), vec![99, 100, 101]));
    store.transact(|tx| tx.cut_events(&key(), 99)).await.unwrap().unwrap();
    assert_eq!((cut(101).await, ends().await), (Ok(2), Ok((102, 101))));
    assert_eq!(store.transact(|tx| tx.put_events(&key(), &[event(102)])).await.unwrap(), Ok(102));
    assert_eq!((ends().await, page(0, 2).await), (Ok((102, 102)), vec![102]));
}

/// Changes the events of the only block.
fn change(tx: &mut Tx<'_>, how: impl FnOnce(&mut Block)) {
    let mut block = EVENTS.get(tx, &1).unwrap().unwrap();
    how(&mut block);
    EVENTS.put(tx, &1, &block).unwrap();
}

#[tokio::test]
async fn who_writes_files_without_the_key_is_seen() {
    // A change of the fields, with a checksum that fits.
    let changed = after(five().await, |tx| change(tx, |block| *block[2].octets.last_mut().unwrap() = 9));
    assert_eq!(changed.await, Err(WalkFault::Changed(3)));
    let swapped = after(five().await, |tx| change(tx, |block| block.swap(1, 2)));
    assert_eq!(swapped.await, Err(WalkFault::Changed(2)));
    let cut = after(five().await, |tx| change(tx, |block| drop(block.pop())));
    assert_eq!(cut.await, Err(WalkFault::Missing(5)));
    // Without the ends no number is given twice, and the loss stays to be seen.
    let lost = after(five().await, |tx| {
        EVENT_ENDS.delete(tx, &[]).unwrap();
        assert_eq!(tx.put_events(&key(), &[event(6)]), Ok(6));
    });
    assert_eq!(lost.await, Err(WalkFault::Changed(6)));
    // A cut of the tail with ends to match, which are sealed with another key; and the daemon goes on behind it.
    let store = five().await;
    let forged = after(store.clone(), |tx| {
        change(tx, |block| drop(block.pop()));
        let Place { sealed, tail } = EVENT_ENDS.get(tx, &[]).unwrap().unwrap();
        let mut ends = sealed.ends;
        (ends.last, ends.hash) = (4, EVENTS.get(tx, &1).unwrap().unwrap()[3].hash);
        let sealed = ends.seal(&Key::from_bytes([6; 32]));
        EVENT_ENDS.put(tx, &[], &Place { sealed, tail }).unwrap();
    });
    assert_eq!(forged.await, Err(WalkFault::Ends));
    let later = after(store.clone(), |tx| assert!(tx.put_events(&key(), &[event(9)]).is_ok()));
    assert_eq!(later.await, Err(WalkFault::Changed(5)), "the daemon does not make the cut its own");
}
