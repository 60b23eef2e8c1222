//! The machine that the daemon runs on: a disk that keeps what was committed, ports with simulated modems, and the end
//! of a life. A life ends at a commit, before it or behind it, or at an octet to a modem: nothing else that a daemon does
//! can be told from outside, so a crash between any two steps is one of these.

use std::fmt;
use std::io;
use std::ops::Range;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use std::time::Duration;

use futures_util::future::BoxFuture;
use gsm_modem::ladder::Rung;
use gsm_modem::{Find, Host, LastSeen, Line, NoPort, Opened, RecoveryTarget, Settings};
use gsm_sim::{Rack, RackPort};
use smsotpd::store::{Engine, Order, Overlay, Pair, StoreError};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::sync::Notify;

/// One life of the daemon, from its start to its crash.
#[derive(Debug, Default)]
pub(crate) struct Life {
    over: AtomicBool,
    /// Commits and writes to a modem until it ends; none while it is not positive.
    left: AtomicI64,
    /// The commit that ends it is made still.
    behind: AtomicBool,
    ended: Notify,
}

impl Life {
    pub(crate) fn is_over(&self) -> bool {
        self.over.load(Ordering::SeqCst)
    }

    /// Returns when it is over.
    pub(crate) async fn ended(&self) {
        until(&self.ended, || self.is_over().then_some(())).await;
    }

    /// Has it end after `steps` steps.
    pub(crate) fn end_after(&self, steps: i64, behind: bool) {
        self.behind.store(behind, Ordering::SeqCst);
        self.left.store(steps, Ordering::SeqCst);
    }

    /// Has it go on.
    pub(crate) fn end_never(&self) {
        self.left.store(0, Ordering::SeqCst);
    }

    /// Ends it at once.
    pub(crate) fn end(&self) {
        self.over.store(true, Ordering::SeqCst);
        self.ended.notify_waiters();
    }

    /// Whether this step is the last one.
    fn step(&self) -> bool {
        if self.left.load(Ordering::SeqCst) <= 0 || self.left.fetch_sub(1, Ordering::SeqCst) != 1 {
            return false;
        }
        self.end();
        true
    }
}

/// What `look` sees, as soon as it sees something; it looks again at each notice.
pub(crate) async fn until<T>(notices: &Notify, mut look: impl FnMut() -> Option<T>) -> T {
    loop {
        let mut notice = std::pin::pin!(notices.notified());
        notice.as_mut().enable();
        if let Some(seen) = look() {
            return seen;
        }
        notice.await;
    }
}

/// The disk, as one life sees it.
pub(crate) struct Disk {
    pub(crate) kept: Arc<dyn Engine>,
    pub(crate) life: Arc<Life>,
    /// There is no room.
    pub(crate) full: Arc<AtomicBool>,
}

impl Engine for Disk {
    fn load(&self, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        self.kept.load(key)
    }

    fn load_in_turn(&self, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        self.kept.load_in_turn(key)
    }

    fn prepare(&self) -> Result<(), StoreError> {
        self.kept.prepare()
    }

    fn release(&self) {
        self.kept.release();
    }

    fn chunk(&self, range: Range<&[u8]>, order: Order, limit: usize) -> Result<Vec<Pair>, StoreError> {
        self.kept.chunk(range, order, limit)
    }

    fn commit(&self, changes: Overlay) -> Result<(), StoreError> {
        if self.life.is_over() {
            return Err(StoreError::Closed);
        }
        if self.full.load(Ordering::SeqCst) {
            // The daemon ends when its disk fails, and systemd starts it again.
            self.life.end();
            return Err(StoreError::Failed("the store cannot write: no space left on device".to_owned()));
        }
        if self.life.step() {
            if self.life.behind.load(Ordering::SeqCst) {
                self.kept.commit(changes)?;
            }
            return Err(StoreError::Closed);
        }
        self.kept.commit(changes)
    }

    fn finish(&self) -> Result<(), StoreError> {
        Ok(())
    }
}

/// The ports, as one life sees them.
pub(crate) struct Ports {
    pub(crate) rack: Arc<Rack>,
    pub(crate) place: usize,
    pub(crate) life: Arc<Life>,
    /// How often a port was opened on this machine: the kernel gives each another name.
    pub(crate) opened: Arc<AtomicU64>,
}

impl fmt::Debug for Ports {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "[the port of modem {}]", self.place)
    }
}

impl Host for Ports {
    fn change(&self, _: &Find) -> Option<BoxFuture<'static, ()>> {
        None
    }

    fn open(&self, _: &Settings, _: Option<LastSeen>) -> BoxFuture<'static, Result<Opened, NoPort>> {
        let opened = if self.life.is_over() {
            Err(NoPort::Unopened("this life is over".to_owned()))
        } else {
            let path = format!("/dev/ttyUSB{}", self.opened.fetch_add(1, Ordering::SeqCst)).into();
            let line = |port| Box::new(Wire { port: Mutex::new(port), life: Arc::clone(&self.life) });
            match self.rack.open(self.place) {
                Ok(port) => Ok(Opened { path, line: line(port), device: None, usb: None }),
                Err(e) => Err(NoPort::Away(e.to_string())),
            }
        };
        Box::pin(std::future::ready(opened))
    }

    fn climb(
        &self,
        rung: Rung,
        _: RecoveryTarget,
        _: Duration,
    ) -> BoxFuture<'static, Result<(), Option<String>>> {
        let (rack, place) = (Arc::clone(&self.rack), self.place);
        let does = rung == Rung::PowerCycle && !self.life.is_over();
        Box::pin(async move {
            if !does || !rack.plugged(place) {
                return Err(None);
            }
            rack.unplug(place);
            tokio::time::sleep(Duration::from_secs(2)).await;
            rack.plug(place).map_err(|e| Some(e.to_string()))
        })
    }
}

/// An open port, until the life ends.
struct Wire {
    port: Mutex<RackPort>,
    life: Arc<Life>,
}

impl Line for Wire {}

impl AsyncRead for Wire {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, into: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        if self.life.is_over() {
            return Poll::Ready(Ok(()));
        }
        Pin::new(&mut *self.port.lock().unwrap()).poll_read(cx, into)
    }
}

impl AsyncWrite for Wire {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, octets: &[u8]) -> Poll<io::Result<usize>> {
        if self.life.is_over() || self.life.step() {
            return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()));
        }
        Pin::new(&mut *self.port.lock().unwrap()).poll_write(cx, octets)
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}
