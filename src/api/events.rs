//! `GET /v1/events`: Server-Sent Events (WHATWG HTML section 9.2), resumed by `Last-Event-ID`; and waiting
//! for a verification or message to change, which the same events wake.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::response::IntoResponse as _;
use axum::response::sse::{self, KeepAlive, Sse};
use futures_util::stream;
use tokio::sync::broadcast::{self, error::RecvError};

use super::app::{Answer, App};
use super::problem::Problem;
use super::reply::encoded;
use super::request::{Authorised, Reply};
use super::wire;
use crate::gateway::{Caller, Event, EventKind, Gap, GatewayError, Subscription};

/// `GET /v1/events`.
pub(super) fn follow(request: Authorised) -> Reply {
    let after = match request.header("last-event-id").map(str::trim) {
        None | Some("") => None,
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

struct Follower {
    app: Arc<App>,
    caller: Caller,
    tail: Tail,
    greeted: bool,
}

impl Follower {
    async fn next(&mut self) -> Option<sse::Event> {
        if !std::mem::replace(&mut self.greeted, true) {
            // This comment tells the client, through all buffers on the way, that no event is missed from here on.
            return Some(sse::Event::default().comment("subscribed").retry(Duration::from_secs(2)));
        }
        loop {
            let next = tokio::select! {
                biased;
                () = self.app.stopped() => return None,
                next = self.tail.next(&self.app) => next?,
            };
            match next {
                Ok(event) if may_see(&self.caller, &event.kind) => {
                    let event = wire::Event::from(&event);
                    let told = sse::Event::default().id(event.id.to_string()).data(encoded(&event));
                    return Some(told.event(event.r#type));
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

/// A client hears of the verifications and messages that exist for it.
fn may_see(caller: &Caller, kind: &EventKind) -> bool {
    match kind {
        EventKind::Verification(_, v) => caller.may_see(v),
        EventKind::Message(m) => caller.may_see(m),
        EventKind::Modem(_) | EventKind::Recovered(..) | EventKind::Inbox(_) => true,
    }
}

/// A subscription that is read in order. A reader that was too slow for the live events goes back to the
/// remembered ones, and learns what is missing.
struct Tail {
    gap: Option<Gap>,
    backlog: VecDeque<Event>,
    live: broadcast::Receiver<Event>,
    /// Everything up to this event was given to the client or is known to be missing.
    known: u64,
}

impl Tail {
    fn new(app: &App, after: Option<u64>) -> Self {
        let Subscription { gap, backlog, newest, live } = app.service.subscribe(after);
        let known = backlog.first().map_or(newest, |event| event.id.saturating_sub(1));
        Self { gap, backlog: backlog.into(), live, known }
    }

    /// The next event, or the gap in its place.
    async fn next(&mut self, app: &App) -> Option<Result<Event, Gap>> {
        loop {
            if let Some(gap) = self.gap.take() {
                return Some(Err(gap));
            }
            let next = match self.backlog.pop_front() {
                Some(event) => Ok(event),
                None => self.live.recv().await,
            };
            match next {
                Ok(event) => {
                    self.known = event.id;
                    return Some(Ok(event));
                }
                Err(RecvError::Closed) => return None,
                Err(RecvError::Lagged(missed)) => {
                    tracing::debug!(missed, "a follower of events was too slow");
                    *self = Self::new(app, Some(self.known));
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
    let mut live = app.service.subscribe(None).live;
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
