//! A connection that breaks in the middle of a commit, before or after the server has done it.

use std::time::Instant;

use super::super::Rehearsed;
use super::postgres::server::Server;
use super::postgres::{Host, host, key, note, until};
use super::*;

#[allow(dead_code, reason = "the tests of the daemon use the rest")]
#[path = "../../../tests/it/postgres_line.rs"]
mod line;

use line::{Line, Next};

/// A host whose commits may be cut, and another one.
struct Two {
    url: String,
    line: Arc<Line>,
    one: Host,
    other: Host,
}

fn two(server: &Server) -> Two {
    let url = server.database();
    let (line, through) = Line::new(&url);
    let (one, other) = (host(&through, "one"), host(&url, "other"));
    one.engine.commit(note("a", "0")).unwrap();
    one.engine.prepare().unwrap();
    Two { url, line, one, other }
}

#[test]
fn a_commit_whose_connection_breaks_is_made_once() {
    let Some(server) = Server::shared() else { return };
    for loss in [Next::IsLost, Next::IsUnanswered] {
        let Two { url, line, one, other } = two(server);
        line.lose(loss);
        one.engine.commit(note("a", "1")).unwrap();
        assert!(line.has_lost(), "it was cut");
        assert_eq!(server.sql(&url, "SELECT number FROM smsotp_turn"), "2");
        assert_eq!(other.engine.load(&key("a")), Ok(Some(b"1".to_vec())));
        one.engine.prepare().unwrap();
        assert_eq!(one.engine.load_in_turn(&key("a")), Ok(Some(b"1".to_vec())));
        one.engine.commit(note("a", "2")).unwrap();
        until("the other one hears", || other.told().len() >= 3);
        assert_eq!(other.told().last(), Some(&note("a", "2")));
        assert_eq!((one.told(), other.told().len()), (vec![], 3));
    }
}

#[test]
fn a_commit_of_which_nobody_knows_is_told_when_it_is_found() {
    let Some(server) = Server::shared() else { return };
    for (loss, told) in [(Next::IsLost, vec![]), (Next::IsUnanswered, vec![note("a", "1")])] {
        let Two { line, one, .. } = two(server);
        line.lose(loss);
        line.refuse(true);
        let began = Instant::now();
        let outcome = one.engine.commit(note("a", "1"));
        assert!(matches!(outcome, Err(StoreError::Away(_))), "{outcome:?}");
        assert!(began.elapsed() < Duration::from_secs(5));
        let began = Instant::now();
        assert!(matches!(one.engine.prepare(), Err(StoreError::Away(_))));
        assert!(began.elapsed() < Duration::from_millis(500), "it is known to be away");
        assert!(matches!(one.engine.room(), Err(StoreError::Away(_))));
        line.refuse(false);
        until("it is back", || one.engine.prepare().is_ok());
        assert_eq!(one.told(), told);
        let now = if told.is_empty() { "0" } else { "1" };
        assert_eq!(one.engine.load_in_turn(&key("a")), Ok(Some(now.as_bytes().to_vec())));
        one.engine.commit(note("a", "2")).unwrap();
        assert_eq!(one.told(), told, "once");
        assert_eq!((one.health.check(), one.engine.room()), (Ok(()), Ok(())));
    }
}

#[test]
fn a_commit_that_another_host_came_before_is_not_made_again() {
    let Some(server) = Server::shared() else { return };
    let Two { line, one, other, .. } = two(server);
    line.lose(Next::IsLost);
    line.refuse(true);
    let outcome = std::thread::scope(|scope| {
        let commit = scope.spawn(|| one.engine.commit(note("a", "1")));
        other.engine.commit(note("a", "2")).unwrap();
        line.refuse(false);
        commit.join().unwrap()
    });
    assert!(matches!(outcome, Err(StoreError::Away(_))), "{outcome:?}");
    one.engine.prepare().unwrap();
    assert_eq!(one.told(), [note("a", "2")]);
    assert_eq!(one.engine.load_in_turn(&key("a")), Ok(Some(b"2".to_vec())));
}

#[test]
fn a_database_that_does_not_answer_is_away_after_a_few_seconds() {
    let Some(server) = Server::shared() else { return };
    let Two { line, one, .. } = two(server);
    assert_eq!(one.engine.load(&key("a")), Ok(Some(b"0".to_vec())));
    line.stall(true);
    let began = Instant::now();
    std::thread::scope(|scope| {
        let commit = scope.spawn(|| one.engine.commit(note("a", "1")));
        for _ in 0..3 {
            assert!(matches!(one.engine.load(&key("a")), Err(StoreError::Away(_))));
        }
        assert!(matches!(commit.join().unwrap(), Err(StoreError::Away(_))));
    });
    assert!(began.elapsed() < Duration::from_secs(20), "{:?}", began.elapsed());
    line.stall(false);
    until("it is back", || one.engine.prepare().is_ok());
    // The octets of the commit came through late, or their session ended before.
    let now = one.engine.load_in_turn(&key("a")).unwrap();
    assert_eq!(one.told().len(), usize::from(now == Some(b"1".to_vec())));
    one.engine.commit(note("a", "2")).unwrap();
    assert_eq!(one.health.check(), Ok(()));
}

#[test]
fn what_is_read_ahead_is_not_asked_for_again() {
    let Some(server) = Server::shared() else { return };
    let url = server.database();
    let (line, through) = Line::new(&url);
    let other = host(&url, "other");
    other.engine.commit(note("a", "1")).unwrap();
    other.engine.commit(note("b", "2")).unwrap();
    let one = host(&through, "one");
    let keys = ["a", "b", "none"].map(key);
    let ahead = Rehearsed::of(None, |tx| keys.iter().for_each(|key| assert_eq!(tx.load(key), Ok(None))));
    one.engine.prepare().unwrap();
    one.engine.read_ahead(&ahead);
    line.stall(true);
    let began = Instant::now();
    let values = keys.map(|key| one.engine.load_in_turn(&key).unwrap());
    assert_eq!(values, [Some(b"1".to_vec()), Some(b"2".to_vec()), None]);
    assert!(began.elapsed() < Duration::from_secs(1), "{:?}", began.elapsed());
    line.stall(false);
    one.engine.commit(note("a", "3")).unwrap();
    assert_eq!(other.engine.load(&key("a")), Ok(Some(b"3".to_vec())));
}
