//! Who was denied what: what the trail has of each denial, and its lines in the log.
//!
//! Whoever may open the socket can be denied without end, and must not fill the log, nor hide what another is denied: each
//! user has places of its own. The first denial of a kind is logged at once, those of the next ten minutes are counted,
//! and the count is logged with the last of them when they are over.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use super::access::Grant;
use super::peer::Peer;
use crate::gateway::most_exact;
use crate::trail::Audit;

/// How long denials of a kind are counted after one was logged.
const SPAN: Duration = Duration::from_secs(600);
/// Users of one client that are told apart, and users that are no client; all others of them are one. A user of the system
/// may act under thousands of ids (subuid(5)).
const USERS: usize = 64;

/// A request that was denied. It has the route with its braces, and nothing that the client wrote.
#[derive(Debug)]
pub(super) struct Denial<'a> {
    /// Whose connection it was.
    pub(super) peer: &'a Peer,
    /// The client that the peer is, if it is one.
    pub(super) client: Option<&'a str>,
    /// The method of the route.
    pub(super) method: &'static str,
    /// The path of the route.
    pub(super) route: &'static str,
    /// What was answered: 403, or the 404 that hides what another client made.
    pub(super) status: u16,
}

impl<'a> Denial<'a> {
    /// A denial of a connection's peer.
    pub(super) fn new(grant: &'a Grant, method: &'static str, route: &'static str, status: u16) -> Self {
        Self { peer: &grant.peer, client: grant.caller.client.as_deref(), method, route, status }
    }

    /// What the trail has of it. `detail` is the answer's, which has nothing that the client wrote.
    pub(super) fn audit(&self, detail: &str) -> Audit {
        let Self { method, route, .. } = self;
        let why = detail.strip_prefix("this client ").unwrap_or("is about what another client made");
        Audit::denied(format!("{method} {route} {why}"))
    }

    fn line(&self) -> Line {
        let Self { peer, client, method, route, status } = *self;
        let (uid, pid, program) = (peer.uid, peer.pid, peer.program.to_string());
        Line { uid, pid, program, client: client.map(str::to_owned), method, route, status }
    }
}

/// A denial as the log has it.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Line {
    uid: u32,
    pid: Option<i32>,
    program: String,
    client: Option<String>,
    method: &'static str,
    route: &'static str,
    status: u16,
}

/// Whose places they are: those of a user of this client, or of one that is no client; without a user, of all those for
/// which there was no room.
type User = (Option<String>, Option<u32>);

/// The method, the path and the answer.
type What = (&'static str, &'static str, u16);

/// What is one and the same in a log, as exactly as there is room for: each of an attacker's processes may be new.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Kind {
    /// This, asked by one process.
    Exact(What, Option<i32>, String),
    /// This, whoever asked.
    What(What),
    /// Anything.
    Any,
}

type Kinds = BTreeMap<Kind, Held>;

impl Kind {
    fn of(line: &Line, kinds: &Kinds) -> Self {
        let what = (line.method, line.route, line.status);
        let exact = Self::Exact(what, line.pid, line.program.clone());
        most_exact(kinds, [exact, Self::What(what), Self::Any])
    }
}

/// How many came after the one that was logged, and the last of them.
#[derive(Debug)]
struct Held {
    more: u64,
    last: Line,
}

impl Held {
    /// Logs them, if there are any.
    fn log(self, (_, user): &User, kind: &Kind) {
        let Self { more, last: Line { uid, pid, program, client, method, route, status } } = self;
        let said = match (user, kind) {
            _ if more == 0 => return,
            (None, _) => "more requests of several users were denied, the last of them",
            (_, Kind::Exact(..)) => "more requests were denied",
            (_, Kind::What(_)) => "more requests of several processes were denied, the last of them",
            (_, Kind::Any) => "more requests of several kinds were denied, the last of them",
        };
        let what = format!("{status} to {method} {route} of uid {uid}, {program}");
        tracing::warn!(uid, pid, %program, client, method, route, status, more, "{more} {said}: {what}");
    }
}

/// The denials of late.
#[derive(Debug, Clone, Default)]
pub(super) struct Denials(Arc<Mutex<Book>>);

impl Denials {
    /// Every denial is told here, once.
    pub(super) fn tell(&self, denial: &Denial<'_>) {
        let line = denial.line();
        let Some((user, kind)) = with(&self.0, |book| book.note(&line)) else { return };
        let Line { uid, pid, program, client, method, route, status } = line;
        let what = format!("{status} to {method} {route} of uid {uid}, {program}");
        tracing::warn!(uid, pid, %program, client, method, route, status, "a request was denied: {what}");
        // Not held: when the server ends, the book tells what it has counted.
        let book = Arc::downgrade(&self.0);
        tokio::spawn(async move {
            tokio::time::sleep(SPAN).await;
            if let Some(book) = book.upgrade()
                && let Some(held) = with(&book, |book| book.close(&user, &kind))
            {
                held.log(&user, &kind);
            }
        });
    }
}

fn with<T>(book: &Mutex<Book>, change: impl FnOnce(&mut Book) -> T) -> T {
    change(&mut book.lock().unwrap_or_else(PoisonError::into_inner))
}

/// The denials of each user that are counted.
#[derive(Debug, Default)]
struct Book(BTreeMap<User, Kinds>);

impl Book {
    /// Notes one. The first of a kind is to be logged, and its place to be closed when its span is over.
    fn note(&mut self, line: &Line) -> Option<(User, Kind)> {
        let user = self.user(line);
        let kinds = self.0.entry(user.clone()).or_default();
        let kind = Kind::of(line, kinds);
        if let Some(held) = kinds.get_mut(&kind) {
            *held = Held { more: held.more + 1, last: line.clone() };
            return None;
        }
        kinds.insert(kind.clone(), Held { more: 0, last: line.clone() });
        Some((user, kind))
    }

    fn user(&self, line: &Line) -> User {
        let of = |uid| (line.client.clone(), uid);
        let user = of(Some(line.uid));
        let room = || self.0.range(of(None)..=of(Some(u32::MAX))).count() < USERS;
        if self.0.contains_key(&user) || room() { user } else { of(None) }
    }

    /// The count of a kind; the next one is the first again.
    fn close(&mut self, user: &User, kind: &Kind) -> Option<Held> {
        let kinds = self.0.get_mut(user)?;
        let held = kinds.remove(kind);
        if kinds.is_empty() {
            self.0.remove(user);
        }
        held
    }
}

impl Drop for Book {
    fn drop(&mut self) {
        for (user, kinds) in std::mem::take(&mut self.0) {
            for (kind, held) in kinds {
                held.log(&user, &kind);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::access::{Program, Right};
    use crate::gateway::APART;
    use crate::gateway::Caller;

    /// What a log writes.
    #[derive(Clone, Default)]
    struct Lines(Arc<Mutex<Vec<u8>>>);

    impl std::io::Write for Lines {
        fn write(&mut self, octets: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(octets);
            Ok(octets.len())
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    fn peer(uid: u32, pid: i32) -> Peer {
        Peer { uid, gids: vec![uid], pid: Some(pid), program: Program::Gone }
    }

    #[tokio::test(start_paused = true)]
    async fn a_flood_is_a_line_and_its_count() {
        let lines = Lines::default();
        let writer = lines.clone();
        let log = tracing_subscriber::fmt().with_ansi(false).with_writer(move || writer.clone()).finish();
        let _log = tracing::subscriber::set_default(log);
        let caller = Caller { client: Some("web".to_owned()), ..Caller::default() };
        let denials = Denials::default();
        let deny = |pid| {
            let grant = Grant { peer: peer(33, pid), caller: caller.clone(), may: vec![Right::Issue] };
            denials.tell(&Denial::new(&grant, "GET", "/v1/messages/{id}", 404));
        };
        for _ in 0..1000 {
            deny(7);
        }
        deny(8);
        tokio::time::sleep(2 * SPAN).await;
        deny(8);
        deny(8);
        drop(denials);
        let text = String::from_utf8(lines.0.lock().unwrap().clone()).unwrap();
        let said: Vec<_> = text.lines().map(|line| line.split_once("denials: ").unwrap().1).collect();
        let line = |said: &str, pid, more: &str| {
            format!(
                r#"{said}: 404 to GET /v1/messages/{{id}} of uid 33, gone uid=33 pid={pid} program=gone client="web" method="GET" route="/v1/messages/{{id}}" status=404{more}"#
            )
        };
        let one = "a request was denied";
        assert_eq!(
            said,
            [
                line(one, 7, ""),
                line(one, 8, ""),
                line("999 more requests were denied", 7, " more=999"),
                line(one, 8, ""),
                line("1 more requests were denied", 8, " more=1"),
            ]
        );
    }

    fn line(uid: u32, pid: i32, client: Option<&str>, route: &'static str) -> Line {
        let program = "/usr/bin/php".to_owned();
        let client = client.map(str::to_owned);
        Line { uid, pid: Some(pid), program, client, method: "GET", route, status: 403 }
    }

    #[test]
    fn the_first_of_a_kind_is_logged_and_the_rest_of_its_span_is_counted() {
        let mut book = Book::default();
        let web = line(33, 7, Some("web"), "/v1/status");
        let (user, kind) = book.note(&web).expect("a line");
        for _ in 0..1000 {
            assert_eq!(book.note(&web), None);
        }
        for other in [
            line(34, 7, Some("web"), "/v1/status"),
            line(33, 8, Some("web"), "/v1/status"),
            line(33, 7, None, "/v1/status"),
            line(33, 7, Some("web"), "/v1/inbox"),
        ] {
            let (user, kind) = book.note(&other).expect("another kind has a line of its own");
            assert_eq!(book.close(&user, &kind).unwrap().more, 0);
        }
        assert_eq!(book.close(&user, &kind).unwrap().more, 1000);
        assert!(book.0.is_empty());
        assert_eq!(book.note(&web), Some((user, kind)), "the next span begins with a line");
    }

    #[test]
    fn who_fills_its_places_takes_none_of_another() {
        let mut book = Book::default();
        let routes: Vec<_> = crate::api::ROUTES.iter().map(|route| route.path).collect();
        let mut places = Vec::new();
        for pid in 0..100 {
            places.extend(routes.iter().filter_map(|route| book.note(&line(2003, pid, Some("c"), route))));
        }
        assert_eq!(places.len(), book.0[&(Some("c".to_owned()), Some(2003))].len());
        assert!((APART..=2 * APART + 1).contains(&places.len()), "{}", places.len());
        for other in [line(2002, 1, Some("b"), "/v1/backup"), line(2002, 1, None, "/v1/backup")] {
            let (user, kind) = book.note(&other).expect("a line");
            assert_eq!(user.1, Some(2002));
            assert!(matches!(kind, Kind::Exact(..)));
        }
        let counted = places.iter().map(|(user, kind)| book.close(user, kind).unwrap());
        let counted: Vec<_> = counted.map(|held| (held.more, held.last)).collect();
        let all = counted.iter().map(|(more, _)| more).sum::<u64>() + places.len() as u64;
        assert_eq!(all, 100 * routes.len() as u64, "each is logged or counted");
        assert!(counted.iter().any(|(_, last)| last.pid == Some(99)), "the last process is told");
    }

    #[test]
    fn many_users_fill_neither_the_memory_nor_the_log() {
        let mut book = Book::default();
        let logged = (0..10_000).filter_map(|uid| book.note(&line(uid, 1, None, "/v1/inbox")));
        assert_eq!(logged.count(), USERS + 1);
        assert_eq!(book.note(&line(3, 1, None, "/v1/inbox")), None, "who was there before keeps its count");
        assert!(book.note(&line(9_999, 1, Some("web"), "/v1/inbox")).is_some(), "a client has its own");
        let others = &book.0[&(None, None)];
        let held = others.values().next().unwrap();
        assert_eq!((others.len(), held.more, held.last.uid), (1, 10_000 - USERS as u64 - 1, 9_999));
    }
}
