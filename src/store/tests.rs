//! The same rules on every engine, and what only a disk can show.

use std::ops::Range;
use std::time::Duration;

use super::engine::{Order, Pair};
use super::*;
use crate::clock::{Life, Now, Steady, Timestamp};
use crate::id::{MessageId, VerificationId};
use crate::otp::{self, Bucket, Code, Policy, Verification, Window};
use crate::outbox::{Encoding, Kind, Ledger, Message, MessageStatus};
use crate::secret::{Key, Sealed};

mod conformance;
mod cut;
mod events;
mod inbound;
mod names;
mod octets;
mod personal;
mod postgres;
mod tls;

const START: Timestamp = Timestamp::from_millis(1_780_000_000_000);

/// Before the end of every verification.
fn before_all() -> (Steady, VerificationId) {
    (Steady::default(), VerificationId::first_at(Steady::default()))
}

pub(super) fn message(at: Timestamp) -> Message {
    Message {
        client: Some("web".to_owned()),
        priority: 3,
        parts: 2,
        encoding: Encoding::Ucs2,
        flash: true,
        report: true,
        wanted_modem: Some("a".to_owned()),
        deadline: Some(Life::of(Duration::from_secs(60), Now::agreed(at))),
        error: Some("why".to_owned()),
        body: Some(Sealed::from_bytes(vec![1, 2, 3])),
        reference: 200,
        parts_done: 1,
        uncertain: true,
        modem_references: vec![5],
        ..Message::queued(
            MessageId::first_at(at.steady()),
            "+41791234567".parse().unwrap(),
            Kind::Text,
            Now::agreed(at),
        )
    }
}

fn verification(at: Timestamp, message: MessageId) -> Verification {
    let key = Key::from_bytes([1; 32]);
    let (id, to) = (VerificationId::first_at(at.steady()), "+41791234567".parse().unwrap());
    let hash = Code::restored("123456".to_owned()).hash(&key, id, "login", &to);
    let sealed = key.seal(b"x", b"y");
    Verification::new(
        id,
        "login".to_owned(),
        to,
        None,
        &Policy::default(),
        Now::agreed(at),
        hash,
        sealed,
        message,
    )
}

/// A store on disk that has its key.
fn opened(dir: &Path) -> Store {
    let store = Store::open(dir, &Options::default()).unwrap();
    store.set_key(Key::from_bytes([1; 32]));
    store
}

/// Both engines; the folder lives as long as the store.
fn stores() -> Vec<(Store, Option<tempfile::TempDir>)> {
    let dir = tempfile::tempdir().unwrap();
    let disk = opened(dir.path());
    vec![(Store::in_memory(), None), (disk, Some(dir))]
}

#[tokio::test]
async fn records_come_back_as_they_were() {
    for (store, _dir) in stores() {
        let m = message(START);
        let v = verification(START, m.id);
        let window =
            Window { buckets: [Bucket { first: START.steady(), last: START.steady(), count: 7 }].into() };
        let ledger = Ledger { minute: (1, 2), day: (3, 4), month: (5, 6), ..Ledger::default() };
        let once = Idempotency { digest: [7; 32], subject: v.id.to_string(), expires_at: START.steady() };
        let (m2, v2, w2, o2) = (m.clone(), v.clone(), window.clone(), once.clone());
        store
            .transact(move |tx| {
                tx.put_message(&m2)?;
                tx.put_verification(&v2)?;
                tx.put_window("number", Duration::ZERO, &w2, START.steady())?;
                tx.put_ledger("sim", &ledger)?;
                tx.put_idempotency("web", "key", &o2)
            })
            .await
            .unwrap()
            .unwrap();
        store
            .read(move |view| {
                assert_eq!(view.message(m.id).unwrap().as_ref(), Some(&m));
                assert_eq!(view.verification(v.id).unwrap().as_ref(), Some(&v));
                assert_eq!(view.newest_verification(&v.to, "login", None).unwrap(), Some(v.id));
                assert_eq!(view.newest_verification(&v.to, "pay", None).unwrap(), None);
                assert_eq!(
                    view.pending_verifications(before_all(), usize::MAX).unwrap(),
                    [(v.life.place(), v.id)]
                );
                assert_eq!(view.live_messages().unwrap(), [m]);
                assert_eq!(view.window("number", Duration::ZERO).unwrap(), window);
                assert_eq!(view.window("other", Duration::ZERO).unwrap(), Window::default());
                assert_eq!(view.ledger("sim").unwrap(), ledger);
                assert_eq!(view.idempotency("web", "key").unwrap(), Some(once));
                assert_eq!(view.idempotency("app", "key").unwrap(), None);
            })
            .await
            .unwrap();
    }
}

#[tokio::test]
async fn the_newest_verification_is_that_of_its_client() {
    for (store, _dir) in stores() {
        let issued = |n: u8, client: Option<&str>| Verification {
            id: VerificationId::from_bytes([n; 16]),
            client: client.map(str::to_owned),
            ..verification(START, MessageId::first_at(START.steady()))
        };
        let made = [issued(1, Some("web")), issued(2, Some("shop")), issued(3, None), issued(4, Some("web"))];
        let to = made[0].to.clone();
        let all = made.clone();
        let put = store.transact(move |tx| all.iter().try_for_each(|v| tx.put_verification(v)));
        put.await.unwrap().unwrap();
        let newest = async || {
            let to = to.clone();
            let of = move |view: &View| {
                [Some("web"), Some("shop"), None, Some("other")]
                    .map(|client| view.newest_verification(&to, "login", client).unwrap())
            };
            store.read(of).await.unwrap()
        };
        assert_eq!(newest().await, [Some(made[3].id), Some(made[1].id), Some(made[2].id), None]);
        let (first, last) = (made[0].id, made[3].id);
        store.transact(move |tx| tx.delete_verification(first)).await.unwrap().unwrap();
        assert_eq!(newest().await[0], Some(last));
        store.transact(move |tx| tx.delete_verification(last)).await.unwrap().unwrap();
        assert_eq!(newest().await, [None, Some(made[1].id), Some(made[2].id), None]);
    }
}

/// Before clients had places of their own, the place without a client had the newest verification of all of them.
#[tokio::test]
async fn a_store_from_before_clients_were_apart_is_read_and_left_whole() {
    let dir = tempfile::tempdir().unwrap();
    let store = opened(dir.path());
    let of_web = Some("web".to_owned());
    let v = Verification { client: of_web, ..verification(START, MessageId::first_at(START.steady())) };
    let (id, put, to) = (v.id, v.clone(), v.to.clone());
    let change = move |tx: &mut Tx<'_>| {
        tx.put_verification(&put)?;
        let (its, all) =
            (tx.place(&[put.to.as_str(), "login", "web"])?, tx.place(&[put.to.as_str(), "login"])?);
        tables::NEWEST.delete(tx, &its)?;
        tables::NEWEST.put(tx, &all, &put.id.to_bytes().into())
    };
    store.transact(change).await.unwrap().unwrap();
    let newest = async |store: &Store| {
        let to = to.clone();
        let of = move |view: &View| {
            [Some("web"), Some("shop"), None].map(|c| view.newest_verification(&to, "login", c).unwrap())
        };
        store.read(of).await.unwrap()
    };
    assert_eq!(newest(&store).await, [Some(id), None, None]);
    store.close().await;
    let store = opened(dir.path());
    store.transact(move |tx| tx.delete_verification(id)).await.unwrap().unwrap();
    assert_eq!(newest(&store).await, [None; 3]);
    store.close().await;
    let store = Store::open(dir.path(), &Options::default()).expect("nothing points to what is forgotten");
    store.close().await;
}

#[tokio::test]
async fn recipients_belong_to_a_sim_and_a_month() {
    for (store, _dir) in stores() {
        let gone = store
            .transact(|tx| {
                for (sim, month, recipient) in
                    [("a", 5, 1), ("a", 5, u64::MAX), ("a", 5, 1), ("a", 6, 0), ("a", 6, 7), ("b", 6, 8)]
                {
                    tx.put_recipient(sim, month, recipient);
                }
                assert_eq!(tx.recipients("a", 5)?, [1, u64::MAX]);
                assert_eq!(tx.sweep_recipients(5, 10)?, 0);
                assert_eq!(tx.sweep_recipients(6, 1)?, 1);
                tx.sweep_recipients(6, 10)
            })
            .await
            .unwrap()
            .unwrap();
        assert_eq!(gone, 1);
        let left = |view: &View, sim, month| view.recipients(sim, month).unwrap();
        store
            .read(move |view| {
                assert!(left(view, "a", 5).is_empty());
                assert_eq!(left(view, "a", 6), [0, 7]);
                assert_eq!(left(view, "b", 6), [8]);
            })
            .await
            .unwrap();
    }
}

#[tokio::test]
async fn indexes_follow_their_records() {
    for (store, _dir) in stores() {
        let m = message(START);
        let v = verification(START, m.id);
        let (id, ver) = (m.id, v.id);
        store
            .transact(move |tx| {
                tx.put_message(&m)?;
                tx.put_verification(&v)?;
                let m = Message { status: MessageStatus::Sent, body: None, ..m };
                tx.put_message(&m)?;
                let v = otp::step(v, otp::Event::Cancel, Now::agreed(START)).unwrap();
                tx.put_verification(&v)
            })
            .await
            .unwrap()
            .unwrap();
        store
            .transact(move |tx| {
                assert!(
                    tx.live_messages()?.is_empty()
                        && tx.pending_verifications(before_all(), usize::MAX)?.is_empty()
                );
                let later = START.plus(Duration::from_secs(1));
                assert_eq!(tx.over_messages_before(later.steady(), 10, |_| true)?, [id]);
                assert_eq!(tx.over_messages_before(START.steady(), 10, |_| true)?, []);
                assert_eq!(tx.ended_verifications_before(later.steady(), 10, |_| true)?, [ver]);
                tx.delete_message(id)?;
                tx.delete_verification(ver)?;
                assert!(tx.message(id)?.is_none() && tx.verification(ver)?.is_none());
                Ok::<(), StoreError>(())
            })
            .await
            .unwrap()
            .unwrap();
    }
}

#[tokio::test]
async fn a_listing_is_newest_first_and_sees_what_is_not_yet_committed() {
    for (store, _dir) in stores() {
        let made: Vec<Message> = (0..10).map(|i| message(START.plus(Duration::from_millis(i)))).collect();
        let ids: Vec<_> = made.iter().map(|m| m.id).collect();
        let (first, second) = (made[..5].to_vec(), made[5..].to_vec());
        store.transact(move |tx| first.iter().try_for_each(|m| tx.put_message(m))).await.unwrap().unwrap();
        store
            .transact(move |tx| {
                second.iter().try_for_each(|m| tx.put_message(m))?;
                tx.delete_message(ids[3])?;
                let all: Vec<_> = tx.messages(100, None, |_| true)?.iter().map(|m| m.id).collect();
                let wanted: Vec<_> = ids.iter().rev().filter(|id| **id != ids[3]).copied().collect();
                assert_eq!(all, wanted);
                let page: Vec<_> = tx.messages(2, Some(ids[6]), |_| true)?.iter().map(|m| m.id).collect();
                assert_eq!(page, [ids[5], ids[4]]);
                let rest: Vec<_> = tx.live_messages()?.iter().map(|m| m.id).collect();
                assert_eq!(rest, wanted.into_iter().rev().collect::<Vec<_>>());
                Ok::<(), StoreError>(())
            })
            .await
            .unwrap()
            .unwrap();
    }
}

#[tokio::test]
async fn what_expired_is_swept() {
    for (store, _dir) in stores() {
        store
            .transact(|tx| {
                let start = START.steady();
                let once = |at| Idempotency { digest: [0; 32], subject: String::new(), expires_at: at };
                let later = start.plus(Duration::from_secs(3600));
                let window = Window { buckets: [Bucket { first: start, last: start, count: 1 }].into() };
                tx.put_idempotency("a", "old", &once(start))?;
                tx.put_idempotency("a", "new", &once(later))?;
                tx.put_window("old", Duration::ZERO, &window, start)?;
                tx.put_window("prolonged", Duration::ZERO, &window, start)?;
                tx.put_window("prolonged", Duration::ZERO, &window, later)?;
                assert_eq!(tx.sweep_expired(start, 10)?, 0);
                assert_eq!(tx.sweep_expired(later, 0)?, 0);
                assert_eq!((tx.sweep_expired(later, 1)?, tx.sweep_expired(later, 10)?), (1, 1));
                assert_eq!(tx.sweep_expired(later, 10)?, 0);
                assert!(tx.idempotency("a", "old")?.is_none() && tx.idempotency("a", "new")?.is_some());
                assert_eq!(
                    (tx.window("old", Duration::ZERO)?, tx.window("prolonged", Duration::ZERO)?),
                    (Window::default(), window)
                );
                Ok::<(), StoreError>(())
            })
            .await
            .unwrap()
            .unwrap();
    }
}

#[tokio::test]
async fn a_panic_in_a_move_writes_nothing_and_ends_nothing() {
    for (store, _dir) in stores() {
        let panicked = store
            .transact(|tx| {
                tx.put_meta("a", b"1");
                assert!(tx.meta("a").is_err(), "a panic on purpose");
            })
            .await;
        assert_eq!(panicked, Err(StoreError::Aborted("it panicked")));
        assert_eq!(store.transact(|tx| tx.meta("a")).await.unwrap().unwrap(), None);
    }
}

#[tokio::test]
async fn a_closed_store_refuses_and_opens_again_whole() {
    let dir = tempfile::tempdir().unwrap();
    let store = opened(dir.path());
    let m = message(START);
    let id = m.id;
    store.transact(move |tx| tx.put_message(&m)).await.unwrap().unwrap();
    store.close().await;
    assert_eq!(store.transact(|_| ()).await, Err(StoreError::Closed));
    assert!(matches!(store.read(|_| ()).await, Err(StoreError::Closed)));
    let again = opened(dir.path());
    assert!(again.read(move |view| view.message(id)).await.unwrap().unwrap().is_some());
}

#[tokio::test]
async fn a_second_daemon_is_told_who_has_the_store() {
    let dir = tempfile::tempdir().unwrap();
    let store = opened(dir.path());
    let options = Options { lock_within: Duration::from_millis(50), ..Options::default() };
    let refused = Store::open(dir.path(), &options).err().unwrap();
    assert!(matches!(refused, OpenError::InUse { .. }) && refused.to_string().contains("another smsotpd"));
    store.close().await;
}

/// Changes the raw store behind the daemon's back.
fn tamper(dir: &std::path::Path, change: impl FnOnce(&sled::Db)) {
    let config = sled::Config::new().path(dir.join("sled")).flush_every_ms(None);
    // The lock lingers after a close.
    let locked = |e: &sled::Error| matches!(e, sled::Error::Io(_));
    let db = tree::patiently(Duration::from_secs(10), locked, || config.open()).unwrap();
    change(&db);
    db.flush().unwrap();
}

async fn refused_after(change: impl FnOnce(&sled::Db, MessageId)) -> OpenError {
    let dir = tempfile::tempdir().unwrap();
    let store = opened(dir.path());
    let m = message(START);
    let id = m.id;
    store.transact(move |tx| tx.put_message(&m)).await.unwrap().unwrap();
    store.close().await;
    drop(store);
    tamper(dir.path(), |db| change(db, id));
    Store::open(dir.path(), &Options::default()).err().expect("a refusal")
}

#[tokio::test]
async fn damage_is_found_at_the_start_and_named() {
    let flipped = refused_after(|db, id| {
        let key = tables::MESSAGES.key(&id);
        let mut value = db.get(&key).unwrap().unwrap().to_vec();
        value[9] ^= 1;
        db.insert(key, value).unwrap();
    });
    assert!(flipped.await.to_string().contains("checksum"));
    let dangling = refused_after(|db, id| {
        db.remove(tables::MESSAGES.key(&id)).unwrap();
    });
    assert!(dangling.await.to_string().contains("not there"));
    let newer = refused_after(|db, _| {
        db.insert(keys::SCHEMA, &2_u32.to_be_bytes()).unwrap();
    });
    assert!(matches!(newer.await, OpenError::TooNew { found: 2, .. }));
}

#[tokio::test]
async fn a_move_that_met_a_fault_writes_nothing_even_when_it_goes_on() {
    for (store, _dir) in stores() {
        let before = store.begin(|tx| tx.put_meta("before", b"1"));
        let faulty = store
            .transact(|tx| {
                tx.put_meta("a", b"1");
                let mut m = message(START);
                m.body = Some(Sealed::from_bytes(vec![0; 10_000]));
                assert!(tx.put_message(&m).is_err());
            })
            .await;
        assert_eq!(faulty, Err(StoreError::TooLarge));
        before.split().1.await.unwrap();
        let read = store.transact(|tx| (tx.meta("before"), tx.meta("a"))).await.unwrap();
        assert_eq!(read, (Ok(Some(b"1".to_vec())), Ok(None)));
    }
}

#[tokio::test]
async fn every_move_sees_every_earlier_one_on_disk_or_not() {
    for (store, _dir) in stores() {
        let tickets: Vec<_> = (0..600_u32)
            .map(|n| {
                store.begin(move |tx| {
                    let before =
                        tx.meta("n").unwrap().map_or(0, |b| u32::from_le_bytes(b.try_into().unwrap()));
                    tx.put_meta("n", &(before + 1).to_le_bytes());
                    assert_eq!(before, n);
                })
            })
            .collect();
        for ticket in tickets {
            let (executed, durable) = ticket.split();
            executed.await.unwrap();
            durable.await.unwrap();
        }
        let last = store.read(|view| view.meta("n")).await.unwrap().unwrap();
        assert_eq!(last, Some(600_u32.to_le_bytes().to_vec()));
    }
}

/// An engine that fails as it is told.
struct Failing(fn() -> Result<(), StoreError>);

impl Engine for Failing {
    fn load(&self, _: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        Ok(None)
    }

    fn chunk(&self, _: Range<&[u8]>, _: Order, _: usize) -> Result<Vec<Pair>, StoreError> {
        Ok(Vec::new())
    }

    fn commit(&self, _: Overlay) -> Result<(), StoreError> {
        (self.0)()
    }

    fn finish(&self) -> Result<(), StoreError> {
        panic!("a failed engine is left alone")
    }
}

#[tokio::test]
async fn a_failed_write_stays_and_is_told() {
    let failures: [(fn() -> _, _); 2] = [
        (|| Err(StoreError::Failed("no space".to_owned())), "no space"),
        (|| panic!("an engine of a test"), "writing panicked"),
    ];
    for (commit, why) in failures {
        let failed = StoreError::Failed(why.to_owned());
        let store = Store::on_a_thread(Arc::new(Failing(commit)), Arc::new(Health::new()));
        assert_eq!(store.transact(|tx| tx.meta("a")).await, Ok(Ok(None)), "what writes nothing cannot fail");
        let (executed, durable) = store.begin(|tx| tx.put_meta("a", b"1")).split();
        assert_eq!((executed.await, durable.await), (Ok(()), Err(failed.clone())));
        assert_eq!(store.failed().await, failed);
        assert_eq!(store.transact(|_| ()).await, Err(failed));
        store.close().await;
    }
}

#[tokio::test]
async fn what_does_not_fit_the_backlog_is_refused_at_once() {
    let store = Store::in_memory();
    let (release, hold) = std::sync::mpsc::channel::<()>();
    let (entered, entering) = oneshot::channel();
    let first = store.begin(move |_| {
        entered.send(()).unwrap();
        hold.recv().unwrap();
    });
    entering.await.unwrap();
    let waiting: Vec<_> = (0..BACKLOG).map(|_| store.begin(|tx| tx.put_meta("a", b"1"))).collect();
    assert_eq!(store.transact(|_| ()).await, Err(StoreError::Full));
    release.send(()).unwrap();
    for ticket in waiting {
        ticket.split().1.await.unwrap();
    }
    first.split().1.await.unwrap();
    store.transact(|_| ()).await.unwrap();
}

/// Many turns of the journal: what is read never depends on how far the carrying is.
#[tokio::test]
async fn commits_go_on_while_sled_catches_up() {
    let dir = tempfile::tempdir().unwrap();
    let store = opened(dir.path());
    let mut ids = Vec::new();
    for round in 0..40_u64 {
        let made: Vec<Message> =
            (0..150).map(|i| message(START.plus(Duration::from_millis(round * 1000 + i)))).collect();
        ids.extend(made.iter().map(|m| m.id));
        let all = ids.clone();
        store.transact(move |tx| made.iter().try_for_each(|m| tx.put_message(m))).await.unwrap().unwrap();
        let (forward, backward) = store
            .read(|view| (view.live_messages().unwrap(), view.messages(usize::MAX, None, |_| true).unwrap()))
            .await
            .unwrap();
        assert_eq!(forward.iter().map(|m| m.id).collect::<Vec<_>>(), all);
        assert_eq!(backward.iter().rev().map(|m| m.id).collect::<Vec<_>>(), all);
    }
    // Not closed: the thread ends by itself when the last handle goes, and the next opening waits for it.
    drop(store);
    let store = opened(dir.path());
    let live = store.read(Records::live_messages).await.unwrap().unwrap();
    assert_eq!(live.into_iter().map(|m| m.id).collect::<Vec<_>>(), ids);
    store.close().await;
}

#[test]
fn the_first_format_stays_readable() {
    // As the first version wrote it: these octets may never fail to decode.
    let written = [1, 1, 2, 3, 4, 0xf4, 3, 6, 0, 0, 0, 0];
    let crc = crc32fast::hash(&written[..8]).to_be_bytes();
    let framed = [&written[..8], &crc].concat();
    let ledger = Ledger { minute: (1, 2), day: (3, 4), month: (500, 6), ..Ledger::default() };
    assert_eq!(record::decode_ledger(&framed), Ok(ledger));
    assert_eq!(record::decode_ledger(&written), Err("its checksum does not fit"));
    assert_eq!(record::decode_ledger(&framed[..3]), Err("it is too short"));
}
