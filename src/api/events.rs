//! `GET /v1/events`: Server-Sent Events (WHATWG HTML section 9.2), resumed by `Last-Event-ID` or `?since=`; the look at
//! the whole trail; and waiting for a verification or message to change, which the same events wake.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::http::StatusCode;
use axum::response::IntoResponse as _;
use axum::response::sse::{self, KeepAlive, Sse};
use futures_util::stream;
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::watch;

use super::app::{Answer, App};
use super::problem::Problem;
use super::reply::{encoded, json};
use super::request::{Authorised, Reply};
use super::wire;
use crate::gateway::{Caller, EventKind, Gap, GatewayError, Numbered};
use crate::hex;
use crate::trail::{self, About, Hash};

/// Events that a follower has at hand.
const PAGE: usize = 64;

/// `GET /v1/events`.
pub(super) fn follow(request: Authorised) -> Reply {
    let since = request.read("since", "the id of an event, or 0", |text| text.parse().ok())?;
    // A browser that connects again repeats the address, and says in the header how far it came.
    let after = match request.header("last-event-id").map(str::trim) {
        None | Some("") => since,
        Some(id) => {
            Some(id.parse().map_err(|_| Problem::malformed("Last-Event-ID must be the id of an event"))?)
        }
    };
    let heartbeat = request.app.limits.heartbeat;
    let follower = Follower {
        tail: Tail::new(&request.app, after),
        app: request.app,
        caller: request.caller,
        greeted: false,
    };
    let events = stream::unfold(follower, |mut follower| async move {
        let event = follower.next().await?;
        Some((Ok::<_, Infallible>(event), follower))
    });
    Ok(Sse::new(events).keep_alive(KeepAlive::new().interval(heartbeat).text("alive")).into_response())
}

/// `GET /v1/events/verify`.
pub(super) async fn verify(request: Authorised) -> Reply {
    let read = |text: &str| {
        let (id, hash) = text.split_once(':')?;
        let mut octets = Hash::default();
        hex::decode(hash.as_bytes(), &mut octets).ok()?;
        Some((id.parse().ok()?, octets))
    };
    let anchor = request.read("anchor", "an event's id, a colon and its hash", read)?;
    let found = request.app.service.verify_events(anchor).await?;
    Ok(json(StatusCode::OK, &wire::Trail::from(&found)))
}

struct Follower {
    app: Arc<App>,
    caller: Caller,
    tail: Tail,
    greeted: bool,
}

impl Follower {
    async fn next(&mut self) -> Option<sse::Event> {
        if !std::mem::replace(&mut self.greeted, true) {
            // This comment tells the client, through all buffers on the way, that no event is missed from here on; the
            // id, that it stands here though no event has come yet.
            let greeting = sse::Event::default().comment("subscribed").retry(Duration::from_secs(2));
            return Some(greeting.id(self.tail.known.to_string()));
        }
        loop {
            let next = tokio::select! {
                biased;
                () = self.app.stopped() => return None,
                next = self.tail.next(&self.app) => next?,
            };
            match next {
                Ok((id, event)) if may_see(&self.caller, &event) => {
                    let told = wire::Event::from((id, &*event));
                    let data = sse::Event::default().id(id.to_string()).data(encoded(&told));
                    return Some(data.event(told.r#type));
                }
                Ok(_) => {}
                Err(gap) => {
                    // A gap has no id: a client that disconnects here resumes where it was, and is told of the gap
                    // again.
                    let gap = wire::Gap::from(gap);
                    return Some(sse::Event::default().data(encoded(&gap)).event(gap.r#type));
                }
            }
        }
    }
}

/// A client hears of the verifications and messages that exist for it, and of what was refused only what concerns itself
/// unless it sees what others made.
fn may_see(caller: &Caller, event: &trail::Event) -> bool {
    match &event.about {
        About::Verification(v) => caller.may_see(v),
        About::Message(m) => caller.may_see(m),
        About::Audit(_) => caller.hears_of(event.by.as_deref()),
        About::Modem(_) | About::Recovered(..) | About::Inbox(_) => true,
    }
}

/// A place in the trail, from which it is read in order: a page at a time, and a new one when there is more.
struct Tail {
    page: VecDeque<Numbered>,
    newest: watch::Receiver<u64>,
    /// Everything up to this event was given to the client, is in the page, or is known to be missing.
    known: u64,
    /// Whether `known` is an event that there is: a client may name any.
    looked: bool,
}

impl Tail {
    fn new(app: &App, after: Option<u64>) -> Self {
        let newest = app.service.newest_event();
        let known = after.unwrap_or(*newest.borrow());
        Self { page: VecDeque::new(), newest, known, looked: after.is_none() }
    }

    /// The next event, or the gap in its place.
    async fn next(&mut self, app: &App) -> Option<Result<Numbered, Gap>> {
        loop {
            if let Some(event) = self.page.pop_front() {
                return Some(Ok(event));
            }
            // A page may have reached further than was told so far.
            if self.looked && self.known >= *self.newest.borrow_and_update() {
                self.newest.changed().await.ok()?;
                continue;
            }
            self.looked = true;
            match app.service.events(self.known, PAGE).await {
                Ok(page) => {
                    self.known = page.upto;
                    self.page = page.events.into();
                    if let Some(gap) = page.gap {
                        return Some(Err(gap));
                    }
                }
                Err(e) => {
                    tracing::debug!(error = %e, "a follower of events cannot be given more");
                    return None;
                }
            }
        }
    }
}

/// Looks at a verification or message and answers with it: at once or, with a span, when it is over or the
/// span ends. It is looked at again after each event that concerns it.
pub(super) async fn wait_until<'a, T>(
    app: &'a App,
    span: Option<Duration>,
    look: impl Fn() -> Answer<'a, T>,
    over: impl Fn(&T) -> bool,
    concerns: impl Fn(&T, &EventKind) -> bool,
) -> Result<T, GatewayError> {
    let Some(span) = span else {
        return look().await;
    };
    let end = async {
        tokio::select! {
            () = tokio::time::sleep(span) => {}
            () = app.stopped() => {}
        }
    };
    tokio::pin!(end);
    // The subscription begins before the first look, so that no event is missed in between.
    let mut live = app.service.live();
    loop {
        let thing = look().await?;
        if over(&thing) {
            return Ok(thing);
        }
        let woken = async {
            loop {
                match live.recv().await {
                    Ok(event) if !concerns(&thing, &event.kind) => {}
                    Ok(_) | Err(RecvError::Lagged(_)) => return true,
                    Err(RecvError::Closed) => return false,
                }
            }
        };
        let look_again = tokio::select! {
            again = woken => again,
            () = &mut end => false,
        };
        if !look_again {
            return look().await;
        }
    }
}
