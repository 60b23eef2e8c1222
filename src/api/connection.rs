//! One connection: what it is doing, watched from outside, so that a client that stalls is let go.
//!
//! hyper's own header time-out begins with the wait for a request, not with its first octet; this watch tells an
//! idle connection from a stalled head.

use std::io;
use std::os::fd::AsFd;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::{Body, Bytes, HttpBody};
use hyper::body::{Frame, Incoming, SizeHint};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::sync::watch;
use tokio::time::Instant;

use super::serve::Limits;
use crate::clock;

/// What a connection is doing, and since when.
#[derive(Debug, Clone, Copy)]
enum Phase {
    /// Connected; not an octet came yet.
    Fresh(Instant),
    /// Between requests.
    Idle(Instant),
    /// In the head of a request.
    Head(Instant),
    /// A request is being answered; how long that takes is for its route to bound.
    Request,
    /// The same, and its body was read: the client has said all of it.
    Answer,
}

#[derive(Debug, Clone, Copy)]
struct State {
    phase: Phase,
    /// Since when the client takes nothing of what is written to it.
    blocked: Option<Instant>,
}

/// Shared by the parts of one connection.
#[derive(Debug, Clone)]
pub(super) struct Activity(Arc<watch::Sender<State>>);

impl Activity {
    /// A connection that was just accepted.
    pub(super) fn new() -> Self {
        let state = State { phase: Phase::Fresh(now()), blocked: None };
        Self(Arc::new(watch::Sender::new(state)))
    }

    /// A request's head is complete. The guard marks the end of its answer.
    pub(super) fn begin(&self) -> Answering {
        self.0.send_modify(|state| state.phase = Phase::Request);
        Answering(self.clone())
    }

    /// The body of that request, whose end is noted.
    pub(super) fn until_read(&self, body: Incoming) -> Body {
        let body = Said { body, activity: self.clone() };
        body.note_end();
        Body::new(body)
    }

    /// Whether the end of the client's side is kept back while it listens: it waits for an answer. While its request
    /// is still being read that is known `again`, a moment later: octets that came with the end may not be taken yet.
    fn holds_end(&self, again: bool) -> bool {
        match self.0.borrow().phase {
            Phase::Answer => true,
            Phase::Request => !again,
            Phase::Fresh(_) | Phase::Idle(_) | Phase::Head(_) => false,
        }
    }

    fn octets_came(&self) {
        self.0.send_if_modified(|state| {
            let first = matches!(state.phase, Phase::Fresh(_) | Phase::Idle(_));
            if first {
                state.phase = Phase::Head(now());
            }
            first
        });
    }

    fn write_blocked(&self, blocked: bool) {
        self.0.send_if_modified(|state| {
            let changed = state.blocked.is_some() != blocked;
            if changed {
                state.blocked = blocked.then(now);
            }
            changed
        });
    }

    /// Returns when the client has stalled for longer than the limits allow, or when the daemon stops and there
    /// was no request yet.
    pub(super) async fn stalled(&self, limits: Limits, mut stopping: watch::Receiver<bool>) {
        let mut changes = self.0.subscribe();
        let mut stop = *stopping.borrow_and_update();
        loop {
            let state = *changes.borrow_and_update();
            let phase_ends = match state.phase {
                Phase::Fresh(_) if stop => return,
                Phase::Fresh(since) | Phase::Idle(since) => Some(since + limits.idle),
                Phase::Head(since) => Some(since + limits.head),
                Phase::Request | Phase::Answer => None,
            };
            let block_ends = state.blocked.map(|since| since + limits.blocked);
            let end = phase_ends.into_iter().chain(block_ends).min();
            tokio::select! {
                // `self` holds the sender: this is no error.
                _ = changes.changed() => {}
                Ok(()) = stopping.changed(), if !stop => stop = *stopping.borrow_and_update(),
                () = sleep_until(end) => return,
            }
        }
    }
}

fn now() -> Instant {
    Instant::from_std(clock::Clock::system().monotonic())
}

async fn sleep_until(end: Option<Instant>) {
    match end {
        Some(end) => tokio::time::sleep_until(end).await,
        None => std::future::pending().await,
    }
}

/// Held by the answer to a request until its last octet is handed over.
#[derive(Debug)]
pub(super) struct Answering(Activity);

impl Answering {
    /// Ties the guard to a response's body.
    pub(super) fn until_the_end_of(self, body: Body) -> Body {
        Body::new(Guarded { body, _guard: self })
    }
}

impl Drop for Answering {
    fn drop(&mut self) {
        self.0.0.send_modify(|state| state.phase = Phase::Idle(now()));
    }
}

/// A request's body.
struct Said {
    body: Incoming,
    activity: Activity,
}

impl Said {
    fn note_end(&self) {
        if self.body.is_end_stream() {
            self.activity.0.send_modify(|state| state.phase = Phase::Answer);
        }
    }
}

impl HttpBody for Said {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        let poll = Pin::new(&mut self.body).poll_frame(cx);
        self.note_end();
        poll
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

struct Guarded {
    body: Body,
    _guard: Answering,
}

impl HttpBody for Guarded {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        Pin::new(&mut self.body).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// A client that only said that it says no more is looked at so often, whether it still listens.
const LISTENS: Duration = Duration::from_millis(250);

/// A stream whose traffic is noted. Its end is told while a request is answered only when nobody listens any more: a
/// client may close its own side and wait for the answer.
#[derive(Debug)]
pub(super) struct Watched<S> {
    stream: S,
    activity: Activity,
    /// The client's side is closed; it is looked at again then.
    closed: Option<Pin<Box<tokio::time::Sleep>>>,
}

impl<S> Watched<S> {
    /// Notes the traffic of `stream` in `activity`.
    pub(super) fn new(stream: S, activity: Activity) -> Self {
        Self { stream, activity, closed: None }
    }

    fn wrote<T>(&self, poll: Poll<T>) -> Poll<T> {
        self.activity.write_blocked(poll.is_pending());
        poll
    }
}

impl<S: AsyncRead + AsFd + Unpin> AsyncRead for Watched<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        loop {
            let waits = self.activity.holds_end(false);
            if let Some(closed) = self.closed.as_mut().filter(|_| waits) {
                std::task::ready!(closed.as_mut().poll(cx));
            }
            let again = self.closed.take().is_some();
            let before = buf.filled().len();
            let poll = Pin::new(&mut self.stream).poll_read(cx, buf);
            if buf.filled().len() > before {
                self.activity.octets_came();
            } else if matches!(poll, Poll::Ready(Ok(())))
                && self.activity.holds_end(again)
                && !hung_up(&self.stream)
            {
                self.closed = Some(Box::pin(tokio::time::sleep(LISTENS)));
                continue;
            }
            return poll;
        }
    }
}

/// Whether the other end is closed in both directions.
fn hung_up(stream: &impl AsFd) -> bool {
    let mut fds = [PollFd::new(stream, PollFlags::empty())];
    // Neither error nor signal is possible without a wait, and then it counts as gone.
    poll(&mut fds, Some(&Timespec::default())).is_err() || fds[0].revents().contains(PollFlags::HUP)
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Watched<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let poll = Pin::new(&mut self.stream).poll_write(cx, buf);
        self.wrote(poll)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let poll = Pin::new(&mut self.stream).poll_write_vectored(cx, bufs);
        self.wrote(poll)
    }
}
