//! What hyper does not distinguish on a connection: a client that waits and one that stalls in a request's
//! head, a client that reads nothing of its answer and one that is slow, and a client that has disconnected
//! and one that has only closed its own side. And what hyper says by itself of a head that it cannot read: the
//! status of an error without the problem that says more.

use std::io;
use std::os::fd::AsFd as _;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use hyper::rt::{Sleep, Timer};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite, Interest, ReadBuf};
use tokio::net::UnixStream;

use super::app::Limits;

/// How long what a client sent before it disconnected is still read.
const READ_AFTER_CLOSE: Duration = Duration::from_millis(250);

/// A second descriptor of a connection: its readiness is not that of the first, and it is open after hyper closed that.
#[derive(Debug)]
pub(super) struct End(UnixStream);

impl End {
    pub(super) fn of(stream: &UnixStream) -> io::Result<Self> {
        UnixStream::from_std(stream.as_fd().try_clone_to_owned()?.into()).map(Self)
    }

    /// Completes when the other end is closed in both directions. hyper's half-close does not see that while a request is
    /// answered, and without half-close hyper takes a client that closes only its own side for one that has disconnected.
    pub(super) async fn gone(&self) {
        // The readiness is cleared after each event but the end.
        while self.0.ready(Interest::WRITABLE).await.is_ok_and(|ready| !ready.is_write_closed()) {
            let nothing = || Err::<(), _>(io::ErrorKind::WouldBlock.into());
            let _ = self.0.try_io(Interest::WRITABLE, nothing);
        }
        tokio::time::sleep(READ_AFTER_CLOSE).await;
    }

    /// The connection, for one who reads and writes: with the readiness that [`End::gone`] cleared.
    pub(super) fn into_stream(self) -> io::Result<UnixStream> {
        UnixStream::from_std(self.0.into_std()?)
    }
}

/// A stream for hyper, the timer for the heads of its requests, and what is known of the head that hyper waits for.
pub(super) fn watched(stream: UnixStream, limits: Limits) -> (TokioIo<Watched>, HeadTimer, Arc<Head>) {
    let head = Arc::new(Head::default());
    let timer = HeadTimer { limit: limits.head, head: Arc::clone(&head) };
    let limit = limits.blocked;
    let watched = Watched { stream, head: Arc::clone(&head), limit, blocked: None, silenced: false };
    (TokioIo::new(watched), timer, head)
}

/// What is known of the head of a request.
#[derive(Debug, Default)]
pub(super) struct Head {
    /// hyper waits for it, or has read some of it.
    awaited: AtomicBool,
    /// Octets came since hyper waits for it.
    begun: AtomicBool,
    /// How many of them are of the request line.
    line: AtomicUsize,
    /// That line came whole.
    line_ended: AtomicBool,
    /// It ended with another version of HTTP.
    other_version: AtomicBool,
    /// A head was read before.
    followed: AtomicBool,
}

impl Head {
    /// hyper waits for a head. Octets that came before now belong to the previous request.
    fn await_next(&self) {
        self.awaited.store(true, Ordering::Relaxed);
        self.begun.store(false, Ordering::Relaxed);
        self.line.store(0, Ordering::Relaxed);
        self.line_ended.store(false, Ordering::Relaxed);
        self.other_version.store(false, Ordering::Relaxed);
    }

    fn came(&self, octets: &[u8]) {
        if octets.is_empty() || !self.is_awaited() {
            return;
        }
        self.begun.store(true, Ordering::Relaxed);
        if !self.line_ended.load(Ordering::Relaxed) {
            let end = octets.iter().position(|&octet| octet == b'\n');
            let line = &octets[..end.unwrap_or(octets.len())];
            self.line.fetch_add(line.len(), Ordering::Relaxed);
            self.line_ended.store(end.is_some(), Ordering::Relaxed);
            self.other_version.store(end.is_some() && ends_with_other_version(line), Ordering::Relaxed);
        }
    }

    /// The head was read, and its request is answered.
    pub(super) fn done(&self) {
        self.awaited.store(false, Ordering::Relaxed);
        self.followed.store(true, Ordering::Relaxed);
    }

    /// Whether nothing came on the connection yet.
    pub(super) fn is_fresh(&self) -> bool {
        !self.has_begun() && !self.followed.load(Ordering::Relaxed)
    }

    /// Whether hyper waits for it, or gave up on it.
    pub(super) fn is_awaited(&self) -> bool {
        self.awaited.load(Ordering::Relaxed)
    }

    /// Whether some of it came.
    pub(super) fn has_begun(&self) -> bool {
        self.begun.load(Ordering::Relaxed)
    }

    /// How many octets of its request line came.
    pub(super) fn line_octets(&self) -> usize {
        self.line.load(Ordering::Relaxed)
    }

    /// Whether its request line ended with a version of HTTP that hyper does not know.
    pub(super) fn has_other_version(&self) -> bool {
        self.other_version.load(Ordering::Relaxed)
    }
}

/// Whether a request line ends with a version of HTTP (RFC 9112 section 2.3) that hyper does not know.
fn ends_with_other_version(line: &[u8]) -> bool {
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    match line.last_chunk() {
        Some(b" HTTP/1.0" | b" HTTP/1.1") => false,
        Some([b' ', b'H', b'T', b'T', b'P', b'/', major, b'.', minor]) => {
            major.is_ascii_digit() && minor.is_ascii_digit()
        }
        _ => false,
    }
}

/// A timer for hyper's one limit on the wait for a request and on its head: the limit becomes that of a head
/// when the first octet comes.
#[derive(Debug)]
pub(super) struct HeadTimer {
    limit: Duration,
    head: Arc<Head>,
}

impl Timer for HeadTimer {
    fn sleep(&self, duration: Duration) -> Pin<Box<dyn Sleep>> {
        self.head.await_next();
        let sleep = Box::pin(tokio::time::sleep(duration));
        Box::pin(HeadSleep { sleep, limit: Some(self.limit), head: Arc::clone(&self.head) })
    }

    fn sleep_until(&self, deadline: Instant) -> Pin<Box<dyn Sleep>> {
        self.sleep(deadline.saturating_duration_since(self.now()))
    }
}

struct HeadSleep {
    sleep: Pin<Box<tokio::time::Sleep>>,
    /// The time for the head, until its first octet came.
    limit: Option<Duration>,
    head: Arc<Head>,
}

impl Sleep for HeadSleep {}

impl Future for HeadSleep {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        if self.head.has_begun()
            && let Some(limit) = self.limit.take()
        {
            self.sleep = Box::pin(tokio::time::sleep(limit));
        }
        self.sleep.as_mut().poll(cx)
    }
}

/// A stream that notes when octets came, and that fails when the client reads nothing of what is written to
/// it for too long. What hyper says of a head that it cannot read is not written: whoever has the [`End`] answers
/// in its place.
#[derive(Debug)]
pub(super) struct Watched {
    stream: UnixStream,
    head: Arc<Head>,
    limit: Duration,
    blocked: Option<Pin<Box<tokio::time::Sleep>>>,
    /// hyper gave up on a head: it writes no more, and another answer follows.
    silenced: bool,
}

/// How much of what hyper writes comes before its own answer to a head that it cannot read, which is the last thing that
/// it writes. Every answer of the API has a body, or is one to HEAD and tells the length of the body.
fn before_its_own(octets: &[u8]) -> usize {
    const EMPTY: &[u8] = b"\r\ncontent-length: 0\r\n";
    let Some(at) = octets.windows(7).rposition(|start| start == b"HTTP/1.") else { return octets.len() };
    let last = &octets[at..];
    let is_its_own = last.ends_with(b"\r\n\r\n") && last.windows(EMPTY.len()).any(|line| line == EMPTY);
    if is_its_own { at } else { octets.len() }
}

impl AsyncRead for Watched {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        let poll = Pin::new(&mut self.stream).poll_read(cx, buf);
        self.head.came(&buf.filled()[before..]);
        poll
    }
}

impl AsyncWrite for Watched {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let written = if self.head.is_awaited() { before_its_own(buf) } else { buf.len() };
        if written == 0 {
            self.silenced |= !buf.is_empty();
            return Poll::Ready(Ok(buf.len()));
        }
        let buf = &buf[..written];
        let poll = Pin::new(&mut self.stream).poll_write(cx, buf);
        if poll.is_ready() {
            self.blocked = None;
            return poll;
        }
        let limit = self.limit;
        let blocked = self.blocked.get_or_insert_with(|| Box::pin(tokio::time::sleep(limit)));
        ready!(blocked.as_mut().poll(cx));
        Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.silenced {
            return Poll::Ready(Ok(()));
        }
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
