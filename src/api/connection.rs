//! What hyper does not distinguish on a connection: a client that waits and one that stalls in a request's
//! head, a client that reads nothing of its answer and one that is slow, and a client that has disconnected
//! and one that has only closed its own side.

use std::io;
use std::os::fd::AsFd as _;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use hyper::rt::{Sleep, Timer};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite, Interest, ReadBuf};
use tokio::net::UnixStream;

use super::app::Limits;

/// How long what a client sent before it disconnected is still read.
const READ_AFTER_CLOSE: Duration = Duration::from_millis(250);

/// Completes when the other end is closed in both directions. hyper's half-close does not see that while a request is
/// answered, and without half-close hyper takes a client that closes only its own side for one that has disconnected.
pub(super) fn gone(stream: &UnixStream) -> io::Result<impl Future<Output = ()> + use<>> {
    // hyper does not use the readiness of this second descriptor, which is cleared after each event but the end.
    let end = UnixStream::from_std(stream.as_fd().try_clone_to_owned()?.into())?;
    Ok(async move {
        while end.ready(Interest::WRITABLE).await.is_ok_and(|ready| !ready.is_write_closed()) {
            let nothing = || Err::<(), _>(io::ErrorKind::WouldBlock.into());
            let _ = end.try_io(Interest::WRITABLE, nothing);
        }
        tokio::time::sleep(READ_AFTER_CLOSE).await;
    })
}

/// A stream for hyper, and the timer for the heads of its requests.
pub(super) fn watched(stream: UnixStream, limits: Limits) -> (TokioIo<Watched>, HeadTimer) {
    let came = Arc::new(AtomicBool::new(false));
    let timer = HeadTimer { head: limits.head, came: Arc::clone(&came) };
    (TokioIo::new(Watched { stream, came, limit: limits.blocked, blocked: None }), timer)
}

/// A timer for hyper's one limit on the wait for a request and on its head: the limit becomes that of a head
/// when the first octet comes.
#[derive(Debug)]
pub(super) struct HeadTimer {
    head: Duration,
    came: Arc<AtomicBool>,
}

impl Timer for HeadTimer {
    fn sleep(&self, duration: Duration) -> Pin<Box<dyn Sleep>> {
        // Octets that came before now belong to the previous request.
        self.came.store(false, Ordering::Relaxed);
        let sleep = Box::pin(tokio::time::sleep(duration));
        Box::pin(HeadSleep { sleep, head: Some(self.head), came: Arc::clone(&self.came) })
    }

    fn sleep_until(&self, deadline: Instant) -> Pin<Box<dyn Sleep>> {
        self.sleep(deadline.saturating_duration_since(self.now()))
    }
}

struct HeadSleep {
    sleep: Pin<Box<tokio::time::Sleep>>,
    /// The time for the head, until its first octet came.
    head: Option<Duration>,
    came: Arc<AtomicBool>,
}

impl Sleep for HeadSleep {}

impl Future for HeadSleep {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        if self.came.load(Ordering::Relaxed)
            && let Some(head) = self.head.take()
        {
            self.sleep = Box::pin(tokio::time::sleep(head));
        }
        self.sleep.as_mut().poll(cx)
    }
}

/// A stream that notes when octets came, and that fails when the client reads nothing of what is written to
/// it for too long.
#[derive(Debug)]
pub(super) struct Watched {
    stream: UnixStream,
    came: Arc<AtomicBool>,
    limit: Duration,
    blocked: Option<Pin<Box<tokio::time::Sleep>>>,
}

impl AsyncRead for Watched {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        let poll = Pin::new(&mut self.stream).poll_read(cx, buf);
        if buf.filled().len() > before {
            self.came.store(true, Ordering::Relaxed);
        }
        poll
    }
}

impl AsyncWrite for Watched {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
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
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
