//! What the committer and the readers rely on, whatever the engine. Every engine goes through all of it: a further one
//! is a line in [`each`].

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use rand::rngs::SmallRng;
use rand::{RngExt as _, SeedableRng as _};

use super::super::engine::after;
use super::super::health::Health;
use super::super::{Engine, Memory, open};
use super::*;

/// Where an engine keeps what it has: it can be opened, finished and opened again.
enum Place {
    Memory(Arc<Memory>),
    Disk(PathBuf),
    Postgres(String),
}

impl Place {
    fn open(&self) -> Arc<dyn Engine> {
        match self {
            Self::Memory(memory) => Arc::<Memory>::clone(memory),
            Self::Disk(dir) => {
                Arc::new(open::disk(dir, &Options::default(), &Arc::new(Health::new())).unwrap())
            }
            Self::Postgres(url) => Arc::new(postgres::open(url, "host").unwrap()),
        }
    }
}

/// Runs the same for every engine, on a new place of it.
fn each(run: impl Fn(&Place)) {
    let dir = tempfile::tempdir().unwrap();
    let server = postgres::server::Server::shared();
    let database = server.map(|server| Place::Postgres(server.database()));
    for place in
        [Place::Memory(Arc::default()), Place::Disk(dir.path().to_owned())].into_iter().chain(database)
    {
        run(&place);
    }
}

/// Keys of a table of octets, where any value is sound.
fn key(name: impl AsRef<[u8]>) -> Vec<u8> {
    [b"Z_", name.as_ref()].concat()
}

fn everything() -> Range<Vec<u8>> {
    key("")..b"Z`".to_vec()
}

fn put<const N: usize>(changes: [(&str, Option<&[u8]>); N]) -> Overlay {
    changes.into_iter().map(|(name, value)| (key(name), value.map(<[u8]>::to_vec))).collect()
}

fn all(engine: &dyn Engine, order: Order) -> Vec<Pair> {
    let Range { start, end } = everything();
    engine.chunk(&start..&end, order, usize::MAX).unwrap()
}

#[test]
fn a_commit_puts_and_deletes_what_it_says() {
    each(|place| {
        let engine = place.open();
        assert_eq!(all(&*engine, Order::Ascending), []);
        assert_eq!(engine.load(&key("a")), Ok(None));
        engine.commit(put([("a", Some(b"1")), ("b", Some(b"")), ("c", Some(b"3"))])).unwrap();
        assert_eq!(engine.load(&key("b")), Ok(Some(Vec::new())), "an empty value is one");
        engine.commit(put([("a", None), ("c", Some(b"4")), ("never there", None)])).unwrap();
        engine.commit(Overlay::new()).unwrap();
        let expected = vec![(key("b"), Vec::new()), (key("c"), b"4".to_vec())];
        assert_eq!(all(&*engine, Order::Ascending), expected);
        engine.finish().unwrap();
        drop(engine);
        assert_eq!(all(&*place.open(), Order::Ascending), expected, "it is there after a start");
    });
}

#[test]
fn a_range_begins_with_its_start_and_ends_before_its_end() {
    each(|place| {
        let engine = place.open();
        // As octets sort, and not as text or with the shorter ones first.
        let names: [&[u8]; 7] = [b"", b"\0", b"\0\0", b"\x01", b"a", b"a\0", b"\xff\xff"];
        engine.commit(names.iter().map(|name| (key(name), Some(name.to_vec()))).collect()).unwrap();
        let found = |start: &[u8], end: &[u8], order, limit| -> Vec<Vec<u8>> {
            let pairs = engine.chunk(start..end, order, limit).unwrap();
            pairs.into_iter().map(|(_, value)| value).collect()
        };
        let Range { start, end } = everything();
        let mut backward = names;
        backward.reverse();
        assert_eq!(found(&start, &end, Order::Ascending, 99), names);
        assert_eq!(found(&start, &end, Order::Descending, 99), backward);
        for limit in 0..names.len() {
            assert_eq!(found(&start, &end, Order::Ascending, limit), names[..limit]);
            assert_eq!(found(&start, &end, Order::Descending, limit), backward[..limit]);
        }
        assert_eq!(found(&key(b"\0"), &key(b"a"), Order::Ascending, 99), names[1..4]);
        assert_eq!(found(&key(b"\0"), &key(b"a"), Order::Descending, 1), names[3..4]);
        assert_eq!(found(&after(&key(b"a")), &end, Order::Ascending, 1), names[5..6]);
        for (start, end) in [(key("a"), key("a")), (key("b"), key("a")), (key("b"), key("c"))] {
            assert!(found(&start, &end, Order::Ascending, 99).is_empty());
            assert!(found(&start, &end, Order::Descending, 99).is_empty());
        }
    });
}

/// More than any buffer between two files holds, opened again and again, beside a sorted map.
#[test]
fn it_is_a_sorted_map_over_starts() {
    each(|place| {
        let mut random = SmallRng::seed_from_u64(7);
        let mut engine = place.open();
        let mut model = BTreeMap::<Vec<u8>, Vec<u8>>::new();
        for round in 1..=240_u32 {
            let mut changes = Overlay::new();
            for _ in 0..random.random_range(0..40) {
                let at = key(random.random_range(0..300_u16).to_be_bytes());
                let value =
                    random.random_bool(0.7).then(|| vec![random.random(); random.random_range(0..3000)]);
                changes.insert(at, value);
            }
            for (at, value) in &changes {
                match value {
                    Some(value) => model.insert(at.clone(), value.clone()),
                    None => model.remove(at),
                };
            }
            engine.prepare().unwrap();
            engine.commit(changes).unwrap();
            if round % 40 == 0 {
                if random.random() {
                    engine.finish().unwrap();
                }
                drop(engine);
                engine = place.open();
            }
            let (one, other) = (random.random_range(0..300_u16), random.random_range(0..300_u16));
            let (start, end) = (key(one.min(other).to_be_bytes()), key(one.max(other).to_be_bytes()));
            let limit = random.random_range(1..100);
            let inside = model.range(start.clone()..end.clone()).map(|(k, v)| (k.clone(), v.clone()));
            let expected: Vec<_> = inside.clone().take(limit).collect();
            assert_eq!(engine.chunk(&start..&end, Order::Ascending, limit).unwrap(), expected);
            let expected: Vec<_> = inside.rev().take(limit).collect();
            assert_eq!(engine.chunk(&start..&end, Order::Descending, limit).unwrap(), expected);
            assert_eq!(engine.load(&start).unwrap().as_ref(), model.get(&start));
        }
        assert_eq!(all(&*engine, Order::Ascending), model.into_iter().collect::<Vec<_>>());
    });
}

/// The readers take no turn with the committer: they see each commit wholly or not at all.
#[test]
fn nobody_sees_a_part_of_a_commit() {
    each(|place| {
        let engine = place.open();
        let (ended, seen) = (AtomicBool::new(false), AtomicU32::new(0));
        std::thread::scope(|scope| {
            let reader = scope.spawn(|| {
                let mut last = Vec::new();
                while !ended.load(Ordering::SeqCst) {
                    let pairs = all(&*engine, Order::Ascending);
                    assert!(pairs.len() == 3 || pairs.is_empty(), "{}", pairs.len());
                    assert!(pairs.windows(2).all(|two| two[0].1 == two[1].1), "of two commits");
                    let now = pairs.into_iter().next().map(|(_, value)| value).unwrap_or_default();
                    assert!(now >= last, "back to an earlier commit");
                    seen.fetch_add(u32::from(now != last), Ordering::SeqCst);
                    last = now;
                }
            });
            for n in 0..u32::MAX {
                if reader.is_finished() || n >= 400 && seen.load(Ordering::SeqCst) >= 10 {
                    break;
                }
                let value = [&n.to_be_bytes()[..], &[0; 2000]].concat();
                engine.commit(put([("a", Some(&value)), ("m", Some(&value)), ("z", Some(&value))])).unwrap();
            }
            ended.store(true, Ordering::SeqCst);
            reader.join().unwrap();
        });
    });
}

#[test]
fn the_largest_move_is_one_commit() {
    each(|place| {
        let engine = place.open();
        let value = vec![7; 3800];
        let changes: Overlay = (0..250_u16).map(|n| (key(n.to_be_bytes()), Some(value.clone()))).collect();
        engine.commit(changes).unwrap();
        engine.finish().unwrap();
        drop(engine);
        let kept = all(&*place.open(), Order::Descending);
        assert_eq!(kept.len(), 250);
        assert!(kept.iter().all(|(_, kept)| *kept == value));
    });
}
