//! Several hosts on one database, with a real server that is also killed.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::sleep;
use std::time::Instant;

use super::super::health::Health;
use super::super::postgres::{DatabaseUrl, Postgres};
use super::super::{Engine, OpenError};
use super::*;

#[allow(dead_code, reason = "the tests of the daemon use the rest")]
#[path = "../../../tests/it/postgres_server.rs"]
pub(super) mod server;

use server::Server;

/// A host, and what it was told, commit by commit.
pub(super) struct Host {
    pub(super) engine: Postgres,
    pub(super) health: Arc<Health>,
    told: Arc<Mutex<Vec<Overlay>>>,
}

fn parse(url: &str) -> DatabaseUrl {
    DatabaseUrl::parse(url).unwrap()
}

/// Opens the engine of a host, which has no name of another's to wait for.
pub(super) fn open(url: &str, name: &str) -> Result<Postgres, OpenError> {
    Postgres::open_within(&parse(url), name, Arc::new(Health::new()), Duration::from_secs(15))
}

pub(super) fn host(url: &str, name: &str) -> Host {
    let health = Arc::new(Health::new());
    let patience = Duration::from_secs(15);
    let engine = Postgres::open_within(&parse(url), name, Arc::clone(&health), patience).unwrap();
    let told = Arc::<Mutex<Vec<_>>>::default();
    let hears = Arc::clone(&told);
    engine.follow(Box::new(move |changes| hears.lock().unwrap().push(changes.clone())));
    Host { engine, health, told }
}

impl Host {
    pub(super) fn told(&self) -> Vec<Overlay> {
        self.told.lock().unwrap().clone()
    }
}

pub(super) fn note(name: &str, value: &str) -> Overlay {
    Overlay::from([(key(name), Some(value.as_bytes().to_vec()))])
}

pub(super) fn key(name: &str) -> Vec<u8> {
    [b"Z_", name.as_bytes()].concat()
}

pub(super) fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let began = Instant::now();
    while !is_so() {
        assert!(began.elapsed() < Duration::from_secs(30), "{what}");
        sleep(Duration::from_millis(2));
    }
}

#[test]
fn each_host_hears_every_commit_of_the_other_once_and_in_order() {
    let Some(server) = Server::shared() else { return };
    let url = server.database();
    let (one, other) = (host(&url, "one"), host(&url, "other"));
    let run = |host: &Host, name: &str| {
        for n in 0..100 {
            host.engine.prepare().unwrap();
            let count = host
                .engine
                .load_in_turn(&key("count"))
                .unwrap()
                .map_or(0, |value| String::from_utf8(value).unwrap().parse::<u32>().unwrap());
            if n % 10 == 9 {
                host.engine.release();
                continue;
            }
            let mut changes = note(name, &n.to_string());
            changes.extend(note("count", &(count + 1).to_string()));
            host.engine.commit(changes).unwrap();
        }
    };
    std::thread::scope(|scope| {
        scope.spawn(|| run(&one, "one"));
        scope.spawn(|| run(&other, "other"));
    });
    assert_eq!(one.engine.load(&key("count")), Ok(Some(b"180".to_vec())), "no turn saw an older count");
    for (host, name) in [(&one, "other"), (&other, "one")] {
        until("all is told", || host.told().len() >= 90);
        let expected: Vec<_> =
            (0..100).filter(|n| n % 10 != 9).map(|n| Some(n.to_string().into_bytes())).collect();
        let told: Vec<_> = host.told().iter().map(|changes| changes[&key(name)].clone()).collect();
        assert_eq!(told, expected);
    }
}

#[test]
fn what_another_host_commits_is_told_without_a_turn_and_read_at_once() {
    let Some(server) = Server::shared() else { return };
    let url = server.database();
    let (one, other) = (host(&url, "one"), host(&url, "other"));
    let began = Instant::now();
    for n in 1..=20 {
        one.engine.commit(note("a", &n.to_string())).unwrap();
        assert_eq!(other.engine.load(&key("a")), Ok(Some(n.to_string().into_bytes())));
        until("it is told", || other.told().len() == n);
    }
    assert!(began.elapsed() < Duration::from_secs(20), "by notifications, and not when it is looked again");
    assert_eq!(one.told(), []);
}

#[test]
fn a_group_that_was_never_committed_does_not_keep_the_turn() {
    let Some(server) = Server::shared() else { return };
    let url = server.database();
    let (one, other) = (host(&url, "one"), host(&url, "other"));
    for _ in 0..3 {
        one.engine.prepare().unwrap();
    }
    one.engine.commit(note("a", "1")).unwrap();
    one.engine.prepare().unwrap();
    one.engine.release();
    one.engine.release();
    other.engine.commit(note("a", "2")).unwrap();
    one.engine.prepare().unwrap();
    assert_eq!(one.engine.load_in_turn(&key("a")), Ok(Some(b"2".to_vec())));
    one.engine.commit(Overlay::new()).unwrap();
    other.engine.commit(note("a", "3")).unwrap();
}

/// As a machine that sleeps while it has the turn.
#[test]
fn a_turn_that_is_held_for_too_long_is_taken_from_its_host() {
    let Some(server) = Server::shared() else { return };
    let url = server.database();
    let (one, other) = (host(&url, "one"), host(&url, "other"));
    one.engine.commit(note("a", "0")).unwrap();
    one.engine.prepare().unwrap();
    let began = Instant::now();
    other.engine.commit(note("a", "1")).unwrap();
    assert!(began.elapsed() > Duration::from_secs(1) && began.elapsed() < Duration::from_secs(10));
    let late = one.engine.commit(note("a", "2"));
    assert!(matches!(late, Err(StoreError::Away(_))), "{late:?}");
    // Without anybody else's commit in between what it saw is still so, and it is made.
    one.engine.prepare().unwrap();
    assert_eq!(one.engine.load_in_turn(&key("a")), Ok(Some(b"1".to_vec())));
    until("the server ends the session", || {
        server.sql(&url, "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND state = 'idle in transaction'") == "0"
    });
    one.engine.commit(note("a", "3")).unwrap();
    assert_eq!(other.engine.load(&key("a")), Ok(Some(b"3".to_vec())));
    assert_eq!(one.health.check(), Ok(()));
    // What ran in a turn that ended is not written in another one.
    one.engine.prepare().unwrap();
    other.engine.commit(note("a", "4")).unwrap();
    assert!(matches!(one.engine.load_in_turn(&key("b")), Err(StoreError::Away(_))));
    assert!(matches!(one.engine.commit(note("a", "5")), Err(StoreError::Away(_))));
    one.engine.prepare().unwrap();
    assert_eq!(one.engine.load_in_turn(&key("a")), Ok(Some(b"4".to_vec())));
}

#[test]
fn one_daemon_at_most_has_a_name() {
    let Some(server) = Server::shared() else { return };
    let url = server.database();
    let first = host(&url, "attic");
    let again =
        Postgres::open_within(&parse(&url), "attic", Arc::new(Health::new()), Duration::from_millis(100));
    let Err(OpenError::Taken(why)) = again else { panic!("it opened") };
    assert!(why.starts_with("host attic is up already"), "{why}");
    // A lost connection is no lost name: the session that the server still has is the engine's own.
    for _ in 0..3 {
        server.sql(
            &url,
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND application_name LIKE 'smsotpd %'",
        );
        first.engine.prepare().unwrap();
        first.engine.commit(note("a", "1")).unwrap();
    }
    drop(first);
    host(&url, "attic").engine.commit(note("a", "2")).unwrap();
}

#[test]
fn a_name_that_another_daemon_took_meanwhile_ends_this_one() {
    let Some(server) = Server::new() else { return };
    let url = server.database();
    let first = host(&url, "attic");
    first.engine.commit(note("a", "1")).unwrap();
    server.kill();
    // Its sessions outlive it for a moment.
    until("it is away", || matches!(first.engine.prepare(), Err(StoreError::Away(_))));
    server.start();
    let second = loop {
        match Postgres::open_within(&parse(&url), "attic", Arc::new(Health::new()), Duration::from_secs(1)) {
            Ok(second) => break second,
            Err(OpenError::Taken(_)) => panic!("the first one asks for its name before it has work"),
            Err(_) => sleep(Duration::from_millis(20)),
        }
    };
    let mut outcome = first.engine.prepare();
    while matches!(outcome, Err(StoreError::Away(_))) {
        outcome = first.engine.prepare();
    }
    let Err(StoreError::Taken(why)) = outcome else { panic!("{outcome:?}") };
    assert!(why.starts_with("host attic is up already"), "{why}");
    second.commit(note("a", "2")).unwrap();
}

#[test]
fn a_layout_of_later_and_a_role_without_rights_are_refused() {
    let Some(server) = Server::shared() else { return };
    let url = server.database();
    drop(host(&url, "one"));
    server.sql(&url, "UPDATE smsotp_turn SET layout = 2");
    let refused = open(&url, "one").err().unwrap();
    assert!(matches!(refused, OpenError::TooNew { found: 2, .. }), "{refused}");
    assert!(refused.to_string().contains("layout 2"), "{refused}");
    let fresh = server.database();
    server.sql(&fresh, "DROP ROLE IF EXISTS stranger; CREATE ROLE stranger LOGIN");
    let stranger = fresh.replace("user=smsotpd", "user=stranger&password=hush");
    let refused = open(&stranger, "one").err().unwrap();
    assert!(matches!(refused, OpenError::Refused { .. }), "{refused}");
    assert!(!refused.to_string().contains("hush"), "{refused}");
    let nowhere = url.replace("postgres:///d", "postgres:///none");
    assert!(matches!(open(&nowhere, "one"), Err(OpenError::Refused { .. })));
    let nobody = "postgres:///smsotp?host=/nowhere&user=smsotpd";
    assert!(matches!(open(nobody, "one"), Err(OpenError::Away { .. })));
}

#[test]
fn a_value_that_is_not_the_one_that_was_written_is_told() {
    let Some(server) = Server::shared() else { return };
    let url = server.database();
    let one = host(&url, "one");
    let mut changes = note("a", "1");
    changes.extend(note("b", "2"));
    one.engine.commit(changes).unwrap();
    server.sql(&url, "UPDATE smsotp_records SET value = set_byte(value, 0, 50) WHERE key = 'Z_a'");
    let found = one.engine.load(&key("a")).unwrap_err();
    assert!(matches!(found, StoreError::Corrupt { .. }), "{found}");
    assert_eq!(one.engine.load(&key("b")), Ok(Some(b"2".to_vec())));
    // A value under another key is none of that key.
    server
        .sql(&url, "UPDATE smsotp_records SET value = (SELECT value FROM smsotp_records WHERE key = 'Z_b')");
    assert!(matches!(one.engine.load(&key("a")), Err(StoreError::Corrupt { .. })));
}

#[test]
fn a_host_that_missed_too_much_starts_anew() {
    let Some(server) = Server::shared() else { return };
    let url = server.database();
    let one = host(&url, "one");
    one.engine.commit(note("a", "1")).unwrap();
    // As another host does, of whose commits nothing is kept.
    server.sql(&url, "UPDATE smsotp_turn SET number = number + 2");
    let outcome = one.engine.prepare();
    assert!(matches!(outcome, Err(StoreError::Behind(_))), "{outcome:?}");
    until("the ear notices as well", || matches!(one.health.check(), Err(StoreError::Behind(_))));
    drop(one);
    let one = host(&url, "one");
    one.engine.commit(note("a", "2")).unwrap();
    server.sql(&url, "UPDATE smsotp_turn SET number = 1");
    let outcome = one.engine.prepare();
    assert!(matches!(outcome, Err(StoreError::Away(_))), "it may be an old answer: {outcome:?}");
    until("the ear asks anew", || matches!(one.health.check(), Err(StoreError::Damaged(_))));
}

#[test]
fn old_commits_are_forgotten() {
    let Some(server) = Server::shared() else { return };
    let url = server.database();
    let one = host(&url, "one");
    for n in 0..120 {
        one.engine.commit(note("a", &n.to_string())).unwrap();
    }
    server.sql(&url, "UPDATE smsotp_commits SET at = at - interval '1 hour' WHERE number <= 100");
    for n in 0..10 {
        one.engine.commit(note("a", &n.to_string())).unwrap();
    }
    assert_eq!(server.sql(&url, "SELECT min(number), max(number) FROM smsotp_commits"), "101|130");
}

#[test]
fn the_clock_of_the_database_is_read() {
    let Some(server) = Server::shared() else { return };
    let one = host(&server.database(), "one");
    let clock = crate::clock::Clock::of_database(one.engine.clock().unwrap());
    let apart = clock.now().as_millis().abs_diff(crate::clock::Clock::system().now().as_millis());
    assert!(apart < 100, "the server is on this machine: {apart} ms");
    assert_eq!(clock.boot(), "database");
}

/// A database that is killed between commits and in the middle of them: what was acknowledged is there, what was not is
/// there or told to have been made, and both hosts go on by themselves.
#[test]
fn a_killed_database_loses_nothing_and_is_waited_for() {
    let Some(server) = Server::new() else { return };
    let url = server.database();
    let (one, other) = (host(&url, "one"), host(&url, "other"));
    let ended = AtomicBool::new(false);
    let work = |host: &Host, name: &str| {
        let (mut acknowledged, mut tried) = (BTreeSet::new(), 0_u32);
        while !ended.load(Ordering::SeqCst) {
            let at = format!("{name}{tried}");
            let made = host.engine.prepare().and_then(|()| {
                tried += 1;
                host.engine.commit(note(&at, &at))
            });
            match made {
                Ok(()) => drop(acknowledged.insert(key(&at))),
                Err(StoreError::Away(_)) => sleep(Duration::from_millis(5)),
                Err(other) => panic!("{other}"),
            }
        }
        acknowledged
    };
    let (of_one, of_other) = std::thread::scope(|scope| {
        let works = [scope.spawn(|| work(&one, "one")), scope.spawn(|| work(&other, "other"))];
        for round in 0..6_u64 {
            sleep(Duration::from_millis(200 + 37 * round));
            server.kill();
            let began = Instant::now();
            until("it is away", || matches!(one.engine.load(&key("a")), Err(StoreError::Away(_))));
            assert!(began.elapsed() < Duration::from_secs(10), "it is told at once");
            // Some outages are longer than a commit is asked for.
            sleep(Duration::from_millis(if round % 3 == 2 { 2500 } else { 50 }));
            server.start();
            until("it is back", || {
                one.engine.load(&key("a")).is_ok() && other.engine.load(&key("a")).is_ok()
            });
        }
        ended.store(true, Ordering::SeqCst);
        let [one, other] = works.map(|work| work.join().unwrap());
        (one, other)
    });
    for host in [&one, &other] {
        assert_eq!(host.health.check(), Ok(()));
        assert_eq!(host.engine.room(), Ok(()));
        host.engine.prepare().unwrap();
        host.engine.release();
    }
    let there: BTreeSet<_> = one
        .engine
        .chunk(b"Z_"..b"Z`", Order::Ascending, 1 << 20)
        .unwrap()
        .into_iter()
        .map(|(key, _)| key)
        .collect();
    assert!(of_one.len() > 20 && of_other.len() > 20, "{} and {}", of_one.len(), of_other.len());
    for (host, own) in [(&one, &of_one), (&other, &of_other)] {
        let told: Vec<_> = host.told().into_iter().flatten().map(|(key, _)| key).collect();
        let heard: BTreeSet<_> = told.iter().cloned().collect();
        assert_eq!(heard.len(), told.len(), "each once");
        assert!(heard.is_disjoint(own), "what was acknowledged is not told");
        assert_eq!(&heard | own, there, "all that is there is known");
    }
}
