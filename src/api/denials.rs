//! Who was denied what: what the trail has of each denial, and its lines in the log.
//!
//! Whoever may open the socket can be denied without end, and must not fill the log: the first denial of a kind is
//! logged at once, those of the next ten minutes are counted, and the count is logged when they are over.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use super::access::Grant;
use super::peer::Peer;
use crate::trail::Audit;

/// How long denials of a kind are counted after one was logged.
const SPAN: Duration = Duration::from_secs(600);
/// How many kinds are told apart at a time; whatever is beyond them counts as one kind.
const MOST: usize = 64;

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

    fn kind(&self) -> Kind {
        let client = self.client.map(str::to_owned);
        Kind { uid: self.peer.uid, client, method: self.method, route: self.route, status: self.status }
    }
}

/// What is one and the same in a log. A process is not in it: each of an attacker's may be new.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Kind {
    uid: u32,
    client: Option<String>,
    method: &'static str,
    route: &'static str,
    status: u16,
}

/// The denials of late.
#[derive(Debug, Clone, Default)]
pub(super) struct Denials(Arc<Mutex<Book>>);

impl Denials {
    /// Every denial is told here, once.
    pub(super) fn tell(&self, denial: &Denial<'_>) {
        let Some(place) = self.book(|book| book.note(denial.kind())) else { return };
        let Denial { peer, client, method, route, status } = denial;
        tracing::warn!(
            uid = peer.uid,
            pid = peer.pid,
            program = %peer.program,
            client,
            method,
            route,
            status,
            "a request was denied: {status} to {method} {route} of uid {}, {}",
            peer.uid,
            peer.program
        );
        let denials = self.clone();
        tokio::spawn(async move {
            tokio::time::sleep(SPAN).await;
            let more = denials.book(|book| book.close(&place));
            match place {
                _ if more == 0 => {}
                Some(Kind { uid, client, method, route, status }) => {
                    tracing::warn!(
                        uid,
                        client,
                        method,
                        route,
                        status,
                        more,
                        "{more} more requests were denied: {status} to {method} {route} of uid {uid}"
                    );
                }
                None => tracing::warn!(more, "{more} more requests of many kinds were denied"),
            }
        });
    }

    fn book<T>(&self, with: impl FnOnce(&mut Book) -> T) -> T {
        with(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// A kind, or all those for which there was no room.
type Place = Option<Kind>;

/// How many denials of each kind came after the one that was logged.
#[derive(Debug, Default)]
struct Book {
    open: BTreeMap<Place, u64>,
}

impl Book {
    /// Notes one. The first of a kind is to be logged, and its place to be closed when its span is over.
    fn note(&mut self, kind: Kind) -> Option<Place> {
        let kind = Some(kind);
        let place = if self.open.len() < MOST || self.open.contains_key(&kind) { kind } else { None };
        if let Some(more) = self.open.get_mut(&place) {
            *more += 1;
            return None;
        }
        self.open.insert(place.clone(), 0);
        Some(place)
    }

    /// How many more there were; the next one is the first again.
    fn close(&mut self, place: &Place) -> u64 {
        self.open.remove(place).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::access::{Program, Right};
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

    #[tokio::test(start_paused = true)]
    async fn a_flood_is_a_line_and_its_count() {
        let lines = Lines::default();
        let writer = lines.clone();
        let log = tracing_subscriber::fmt().with_ansi(false).with_writer(move || writer.clone()).finish();
        let _log = tracing::subscriber::set_default(log);
        let peer = Peer { uid: 33, gids: vec![33], pid: Some(7), program: Program::Gone };
        let caller = Caller { client: Some("web".to_owned()), ..Caller::default() };
        let grant = Grant { peer, caller, may: vec![Right::Issue] };
        let denials = Denials::default();
        for _ in 0..1000 {
            denials.tell(&Denial::new(&grant, "GET", "/v1/messages/{id}", 404));
        }
        tokio::time::sleep(2 * SPAN).await;
        let text = String::from_utf8(lines.0.lock().unwrap().clone()).unwrap();
        let said: Vec<_> = text.lines().map(|line| line.split_once("denials: ").unwrap().1).collect();
        let what = r#"client="web" method="GET" route="/v1/messages/{id}" status=404"#;
        let of = "denied: 404 to GET /v1/messages/{id} of uid 33";
        assert_eq!(
            said,
            [
                format!("a request was {of}, gone uid=33 pid=7 program=gone {what}"),
                format!("999 more requests were {of} uid=33 {what} more=999"),
            ]
        );
    }

    fn kind(uid: u32, route: &'static str) -> Kind {
        Kind { uid, client: None, method: "GET", route, status: 403 }
    }

    #[test]
    fn the_first_of_a_kind_is_logged_and_the_rest_of_its_span_is_counted() {
        let mut book = Book::default();
        let (web, shop) = (kind(33, "/v1/status"), kind(34, "/v1/status"));
        let place = book.note(web.clone()).expect("a line");
        for _ in 0..1000 {
            assert_eq!(book.note(web.clone()), None);
        }
        assert_eq!(book.note(shop.clone()), Some(Some(shop.clone())), "another kind has a line of its own");
        assert_eq!(book.close(&place), 1000);
        assert_eq!(book.close(&Some(shop)), 0);
        assert_eq!(book.note(web.clone()), Some(Some(web)), "the next span begins with a line");
        assert_eq!(book.open.len(), 1);
    }

    #[test]
    fn many_kinds_fill_neither_the_memory_nor_the_log() {
        let mut book = Book::default();
        let logged = (0..10_000).filter_map(|uid| book.note(kind(uid, "/v1/inbox"))).collect::<Vec<_>>();
        assert_eq!((logged.len(), book.open.len()), (MOST + 1, MOST + 1));
        assert_eq!(book.note(kind(3, "/v1/inbox")), None, "who was there before keeps its count");
        let counts = logged.iter().map(|place| book.close(place)).collect::<Vec<_>>();
        assert_eq!(counts.iter().sum::<u64>(), 10_001 - (MOST as u64 + 1), "each is logged or counted");
        assert!(book.open.is_empty());
    }
}
