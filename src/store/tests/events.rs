//! The trail on disk: numbered without gaps, in the transaction of what it tells of, and with each change seen.

use super::super::tables::{EVENT_ENDS, EVENTS};
use super::*;
use crate::trail::{About, Audit, Ends, Event, Walk, WalkFault};

fn key() -> Key {
    Key::from_bytes([5; 32])
}

fn event(n: u64) -> Event {
    let audit = Audit { action: "refused".to_owned(), to: None, detail: format!("n {n}"), count: 1 };
    let at = START.plus(Duration::from_secs(n));
    Event { at, since: at, by: Some("web".to_owned()), about: About::Audit(audit) }
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
    let store = five().await;
    let old = START.plus(Duration::from_secs(4));
    let last = store.read(move |view| view.last_event_before(old, 100)).await.unwrap().unwrap();
    assert_eq!(last, Some(3));
    assert_eq!(store.read(move |view| view.last_event_before(old, 2)).await.unwrap().unwrap(), Some(2));
    assert_eq!(store.transact(|tx| tx.cut_events(&key(), 3)).await.unwrap(), Ok(3));
    assert_eq!(store.transact(|tx| tx.cut_events(&key(), 3)).await.unwrap(), Ok(0));
    let ends = store.read(walked).await.unwrap().unwrap();
    assert_eq!((ends.first, ends.last), (4, 5));
    assert_eq!(store.transact(|tx| tx.cut_events(&key(), 5)).await.unwrap(), Ok(2));
    let ends = store.read(walked).await.unwrap().unwrap();
    assert_eq!((ends.first, ends.last), (6, 5));
    assert_eq!(store.transact(|tx| tx.put_events(&key(), &[event(6)])).await.unwrap(), Ok(6));
    assert!(store.read(walked).await.unwrap().is_ok());
}

#[tokio::test]
async fn who_writes_files_without_the_key_is_seen() {
    // A change of the fields, with a checksum that fits.
    let changed = after(five().await, |tx| {
        let mut found = EVENTS.get(tx, &3).unwrap().unwrap();
        *found.octets.last_mut().unwrap() = 9;
        EVENTS.put(tx, &3, &found).unwrap();
    });
    assert_eq!(changed.await, Err(WalkFault::Changed(3)));
    let swapped = after(five().await, |tx| {
        let (two, three) = (EVENTS.get(tx, &2).unwrap().unwrap(), EVENTS.get(tx, &3).unwrap().unwrap());
        EVENTS.put(tx, &2, &three).unwrap();
        EVENTS.put(tx, &3, &two).unwrap();
    });
    assert_eq!(swapped.await, Err(WalkFault::Changed(2)));
    let cut = after(five().await, |tx| EVENTS.delete(tx, &5).unwrap());
    assert_eq!(cut.await, Err(WalkFault::Missing(5)));
    // A cut of the tail with ends to match, which are sealed with another key; and the daemon goes on behind it.
    // Without the ends no number is given twice, and the loss stays to be seen.
    let lost = after(five().await, |tx| {
        EVENT_ENDS.delete(tx, &[]).unwrap();
        assert_eq!(tx.put_events(&key(), &[event(6)]), Ok(6));
    });
    assert_eq!(lost.await, Err(WalkFault::Changed(6)));
    let store = five().await;
    let forged = after(store.clone(), |tx| {
        EVENTS.delete(tx, &5).unwrap();
        let mut ends = EVENT_ENDS.get(tx, &[]).unwrap().unwrap().ends;
        (ends.last, ends.hash) = (4, EVENTS.get(tx, &4).unwrap().unwrap().hash);
        EVENT_ENDS.put(tx, &[], &ends.seal(&Key::from_bytes([6; 32]))).unwrap();
    });
    assert_eq!(forged.await, Err(WalkFault::Ends));
    let later = after(store.clone(), |tx| assert!(tx.put_events(&key(), &[event(9)]).is_ok()));
    assert_eq!(later.await, Err(WalkFault::Changed(5)), "the daemon does not make the cut its own");
}
