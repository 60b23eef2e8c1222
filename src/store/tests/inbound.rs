//! What came in: records as they were, nothing left behind by what is forgotten, and a check at the next start
//! that finds every index in its place.

use super::super::engine::Order;
use super::*;
use crate::id::Ids;
use crate::inbox::{Assembly, Content, Entry, OptOut, Sender};
use crate::outbox::{Awaited, PartState, Report};
use crate::random::Random;

/// In one millisecond too, each sorts behind the one before.
static IDS: std::sync::LazyLock<Ids> = std::sync::LazyLock::new(|| Ids::new(Random::system()));

fn entry(at: Timestamp, octets: usize) -> Entry {
    Entry {
        id: IDS.next(at.steady()),
        from: Sender::new("+41791234567".to_owned()),
        modem: "a".to_owned(),
        received_at: at,
        sent_at: Some(at),
        parts: 3,
        missing: vec![2],
        content: Content::Unreadable("why".to_owned()),
        class: Some(0),
        ports: Some((1, 2)),
        replaced_by: None,
        body: Sealed::from_bytes((0..octets).map(|n| u8::try_from(n % 251).unwrap()).collect()),
    }
}

fn report() -> Report {
    Report {
        modem: "a".to_owned(),
        sim: "sim".to_owned(),
        reference: 7,
        recipient: "0791234567".to_owned(),
        sent_at: Some(START),
        ended_at: None,
        came_at: START.steady(),
        state: PartState::Failed(0x46),
    }
}

/// How many keys of any kind there are.
fn keys_in(view: &View) -> usize {
    let mut count = 0;
    view.scan(vec![b'A']..vec![b'z'], Order::Ascending, &mut |key, _| {
        count += usize::from(key[0] != b'Z');
        true
    })
    .unwrap();
    count
}

#[tokio::test]
async fn what_came_in_is_there_again_after_a_start_and_leaves_nothing_behind() {
    let dir = tempfile::tempdir().unwrap();
    let store = opened(dir.path());
    let phone: crate::phone::PhoneNumber = "+41791234567".parse().unwrap();
    let entries: Vec<Entry> =
        [0, 1, 4096, 4097, 60_000].into_iter().map(|octets| entry(START, octets)).collect();
    let assembly = Assembly { modem: "a".to_owned(), since: START.steady(), total: 3, have: vec![1, 3] };
    let opted = OptOut { phone: Sealed::from_bytes(vec![9]), since: START, message: Some(entries[0].id) };
    let mut awaited = Awaited::new(MessageId::first_at(START.steady()));
    awaited.sent(0, 7);
    awaited.perhaps_sent(1, 8);
    let (later, tag) = (START.plus(Duration::from_hours(2)), [5; 16]);
    {
        let (entries, assembly, opted, awaited, phone) =
            (entries.clone(), assembly.clone(), opted.clone(), awaited.clone(), phone.clone());
        let written = store.transact(move |tx| {
            for entry in &entries {
                tx.put_inbox(entry)?;
            }
            tx.put_assembly(&tag, &assembly)?;
            tx.put_part(&tag, 1, &Sealed::from_bytes(vec![1; 200]))?;
            tx.put_part(&tag, 3, &Sealed::from_bytes(vec![3; 200]))?;
            tx.put_seen(&tag, later.steady())?;
            tx.put_opt_out(&phone, &opted)?;
            tx.put_awaited(&awaited, later.steady())?;
            tx.put_expected("sim", Some(7), awaited.message, later.steady())?;
            tx.put_expected("a", None, awaited.message, later.steady())?;
            tx.put_held(&report(), &tag, later.steady())
        });
        written.await.unwrap().unwrap();
    }
    store.close().await;
    // Opening looks at every record and every index.
    let store = opened(dir.path());
    let (wanted, number, id) = (entries.clone(), phone.clone(), awaited.message);
    store
        .read(move |view| {
            let newest: Vec<Entry> = wanted.iter().rev().cloned().collect();
            assert!(view.inbox(10, None).unwrap() == newest);
            assert!(view.inbox(1, Some(wanted[1].id)).unwrap() == [wanted[0].clone()]);
            assert_eq!(view.inbox_before(START.steady(), 10).unwrap(), []);
            assert_eq!(view.inbox_before(later.steady(), 2).unwrap(), [wanted[0].id, wanted[1].id]);
            assert_eq!(view.assemblies().unwrap(), [(tag, assembly)]);
            assert_eq!(view.part(&tag, 3).unwrap(), Some(Sealed::from_bytes(vec![3; 200])));
            assert!(view.seen(&tag, START.steady()).unwrap() && !view.seen(&tag, later.steady()).unwrap());
            assert_eq!(view.opt_out(&number).unwrap().as_ref(), Some(&opted));
            let (cursor, listed) = view.opt_outs(10, None).unwrap().remove(0);
            assert_eq!((listed, view.opt_outs(10, Some(cursor)).unwrap()), (opted, vec![]));
            assert_eq!(view.awaited(id).unwrap(), Some(awaited));
            assert_eq!(view.expected("sim", Some(7)).unwrap(), [id]);
            assert_eq!(view.expected("a", None).unwrap(), [id]);
            assert!(view.expected("sim", Some(8)).unwrap().is_empty());
            assert!(view.held().unwrap().into_iter().map(|(_, report)| report).eq([report()]));
        })
        .await
        .unwrap();
    let emptied = store.transact(move |tx| {
        for entry in entries {
            assert!(tx.delete_inbox(entry.id)?.as_ref() == Some(&entry));
        }
        tx.delete_assembly(&tag)?;
        assert!(tx.delete_opt_out(&phone)? && !tx.delete_opt_out(&phone)?);
        let (held, _) = tx.held()?.remove(0);
        tx.delete_held(&held)?;
        tx.sweep_expired(later.steady().plus(Duration::from_hours(2)), 100)
    });
    assert_eq!(emptied.await.unwrap().unwrap(), 4, "seen, awaited and two that were expected");
    assert_eq!(store.read(keys_in).await.unwrap(), 0);
    store.close().await;
    opened(dir.path());
}

#[tokio::test]
async fn a_later_message_takes_the_place_of_its_kind() {
    for (store, _dir) in stores() {
        let numbered = |octets, tag| Entry { replaced_by: Some([tag; 16]), ..entry(START, octets) };
        let (first, other, second) = (numbered(5000, 1), numbered(3, 2), numbered(4, 1));
        let ids = [other.id, second.id];
        let put = store.transact(move |tx| [first, other, second].iter().try_for_each(|e| tx.put_inbox(e)));
        put.await.unwrap().unwrap();
        let found = store.read(|view| view.inbox(10, None)).await.unwrap().unwrap();
        assert!(found.iter().rev().map(|e| e.id).eq(ids));
        store.transact(move |tx| tx.delete_inbox(ids[1])).await.unwrap().unwrap();
        assert_eq!(store.read(|view| view.replaceable(&[1; 16])).await.unwrap().unwrap(), None);
        assert_eq!(store.read(|view| view.replaceable(&[2; 16])).await.unwrap().unwrap(), Some(ids[0]));
    }
}
