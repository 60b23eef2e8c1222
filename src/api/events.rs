//! `GET /v1/events`: Server-Sent Events (WHATWG HTML section 9.2), resumed by `Last-Event-ID`; and waiting for
//! one thing to change, which the same events wake.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::response::sse::{self, KeepAlive, Sse};
use axum::response::{IntoResponse as _, Response};
use futures_util::stream;
use tokio::sync::broadcast::{self, error::RecvError};

use super::problem::Problem;
use super::request::Authorised;
use super::routes::App;
use super::service::Answer;
use super::wire;
use crate::gateway::{Caller, Event, EventKind, Gap, GatewayError, Subscription};

/// `GET /v1/events`.
pub(super) fn follow(app: Arc<App>, request: &Authorised) -> Result<Response, Problem> {
    request.query([])?;
    let after = match request.header("last-event-id").map(str::trim) {
        None | Some("") => None,
        Some(id) => {
            Some(id.parse().map_err(|_| Problem::malformed("Last-Event-ID must be the id of an event"))?)
        }
    };
    let heartbeat = app.limits.heartbeat;
    let follower =
        Follower { tail: Tail::new(&app, after), app, caller: request.caller.clone(), greeted: false };
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
            // Tells the client, and whatever buffers between, that it missed nothing from here on.
            return Some(sse::Event::default().comment("subscribed").retry(Duration::from_secs(2)));
        }
        loop {
            let next = tokio::select! {
                biased;
                () = self.app.stopped() => return None,
                next = self.tail.next(&self.app) => next?,
            };
            let event = match next {
                Next::Event(event) => *event,
                Next::Gap(gap) => {
                    // Without an id: who breaks off here resumes where it was, and is told again.
                    let gap = wire::Gap::from(gap);
                    let data = serde_json::to_string(&gap).expect("wire types serialize");
                    return Some(sse::Event::default().event(gap.r#type).data(data));
                }
            };
            if !may_see(&self.caller, &event.kind) {
                continue;
            }
            let event = wire::Event::from(&event);
            let data = serde_json::to_string(&event).expect("wire types serialize");
            return Some(sse::Event::default().id(event.id.to_string()).event(event.r#type).data(data));
        }
    }
}

/// A client that is bound to services hears nothing of the verifications of others, nor of their messages.
fn may_see(caller: &Caller, kind: &EventKind) -> bool {
    match kind {
        EventKind::Verification(_, v) => caller.may_use(&v.service),
        EventKind::Message(m) => caller.may_see(m.otp, m.service.as_deref()),
        EventKind::Modem(_) | EventKind::Recovered(..) | EventKind::Inbox(_) => true,
    }
}

/// A subscription read in order. One that was too slow for the live events goes back to the remembered ones, and
/// learns what is missing.
struct Tail {
    gap: Option<Gap>,
    backlog: VecDeque<Event>,
    live: broadcast::Receiver<Event>,
    /// Everything up to this event was given or is known to be missing.
    known: u64,
}

/// What a follower is told.
enum Next {
    Event(Box<Event>),
    Gap(Gap),
}

impl Tail {
    fn new(app: &App, after: Option<u64>) -> Self {
        let Subscription { gap, backlog, newest, live } = app.service.subscribe(after);
        let known = backlog.first().map_or(newest, |event| event.id.saturating_sub(1));
        Self { gap, backlog: backlog.into(), live, known }
    }

    async fn next(&mut self, app: &App) -> Option<Next> {
        loop {
            if let Some(gap) = self.gap.take() {
                return Some(Next::Gap(gap));
            }
            if let Some(event) = self.backlog.pop_front() {
                self.known = event.id;
                return Some(Next::Event(Box::new(event)));
            }
            match self.live.recv().await {
                Ok(event) => {
                    self.known = event.id;
                    return Some(Next::Event(Box::new(event)));
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

/// What a wait has to do with the thing as it is.
pub(super) enum Until {
    /// It is over: answer it.
    Over,
    /// Look again after an event of this kind.
    Changed(Box<dyn Fn(&EventKind) -> bool + Send + Sync>),
}

/// Looks at a thing until it is over or the span ends, and answers it as it is then. Woken by events alone.
pub(super) async fn wait_until<'a, T>(
    app: &'a App,
    span: Duration,
    look: impl Fn() -> Answer<'a, T>,
    judge: impl Fn(&T) -> Until,
) -> Result<T, GatewayError> {
    let end = tokio::time::sleep(span);
    tokio::pin!(end);
    // Before the first look, so that no event falls between.
    let mut live = app.service.subscribe(None).live;
    loop {
        let thing = look().await?;
        let Until::Changed(concerns) = judge(&thing) else {
            return Ok(thing);
        };
        let woken = async {
            loop {
                match live.recv().await {
                    Ok(event) if !concerns(&event.kind) => {}
                    Ok(_) | Err(RecvError::Lagged(_)) => return true,
                    Err(RecvError::Closed) => return false,
                }
            }
        };
        let look_again = tokio::select! {
            again = woken => again,
            () = &mut end => false,
            () = app.stopped() => false,
        };
        if !look_again {
            return look().await;
        }
    }
}
