//! A thread that joins one modem to its pty: it waits for octets, orders and due times, and writes each
//! answer in one piece unless the script wants pieces.

use std::io::{self, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::sync::mpsc::{Receiver, Sender, SyncSender, channel, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Instant;

use rustix::event::{PollFd, PollFlags, Timespec, poll};

use super::log::{CommandLog, LoggedCommand};
use super::modem::Modem;
use super::pty::{Link, Pty};
use super::slot::{Controlled, Order, PENDING_LIMIT, Slot, Socket};
use crate::clock::monotonic;

struct Request {
    order: Order,
    done: SyncSender<io::Result<()>>,
}

/// The device of a port that is plugged in.
type Device = Arc<Mutex<Option<PathBuf>>>;

/// The handle to a modem's thread. Dropping the handle unplugs the modem and ends the thread.
pub(super) struct Handle {
    orders: Sender<Request>,
    waker: UnixStream,
    device: Device,
    log: Arc<CommandLog>,
    thread: Option<JoinHandle<()>>,
}

impl Handle {
    /// Opens the port, switches the modem on and starts its thread.
    pub(super) fn start(modem: Modem, name: String, link: PathBuf, log: Arc<CommandLog>) -> io::Result<Self> {
        let (orders, inbox) = channel();
        let (waker, wakened) = UnixStream::pair()?;
        wakened.set_nonblocking(true)?;
        let device = Device::default();
        let tty = Tty { link, plugged: None, device: Arc::clone(&device), pending: Vec::new() };
        let mut port = Port { slot: Slot::new(modem, tty), orders: inbox, wakened };
        port.slot.plug(monotonic())?;
        let thread = std::thread::Builder::new().name(name).spawn(move || port.run())?;
        Ok(Self { orders, waker, device, log, thread: Some(thread) })
    }

    /// The pty's path while the modem is plugged in.
    pub(super) fn device(&self) -> Option<PathBuf> {
        self.device.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Controlled for Handle {
    fn order(&self, order: Order) -> io::Result<()> {
        let (done, finished) = sync_channel(1);
        let gone = || io::Error::other("the modem's thread has ended");
        self.orders.send(Request { order, done }).map_err(|_| gone())?;
        (&self.waker).write_all(&[0])?;
        finished.recv().map_err(|_| gone())?
    }

    fn commands(&self) -> Vec<LoggedCommand> {
        self.log.all()
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        let _ = self.order(Order::Stop);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// A modem on a pty.
struct Port {
    slot: Slot<Tty>,
    orders: Receiver<Request>,
    wakened: UnixStream,
}

/// A pty with its link.
struct Tty {
    link: PathBuf,
    /// The link is removed before the port that it points to.
    plugged: Option<(Link, Pty)>,
    device: Device,
    pending: Vec<u8>,
}

impl Port {
    fn run(mut self) {
        let mut buffer = [0; 4096];
        loop {
            let Ok(heard) = self.wait() else { return };
            if !self.take_orders() {
                return;
            }
            let now = monotonic();
            if heard.contains(PollFlags::HUP) {
                self.closed();
            } else if heard.contains(PollFlags::IN) {
                self.read(&mut buffer, now);
            }
            self.slot.work(now);
        }
    }

    /// Waits for an order, a due time or the port, and returns what the port reported.
    fn wait(&self) -> io::Result<PollFlags> {
        let left = self.slot.next_due().map(|due| due.saturating_duration_since(monotonic()));
        // A wait that is too long for the type is a wait without end.
        let timeout = left.and_then(|left| Timespec::try_from(left).ok());
        let mut fds = Vec::with_capacity(2);
        fds.push(PollFd::new(&self.wakened, PollFlags::IN));
        if let Some((_, pty)) = &self.slot.socket.plugged {
            let mut wanted = PollFlags::IN;
            wanted.set(PollFlags::OUT, !self.slot.socket.pending.is_empty());
            fds.push(PollFd::new(pty, wanted));
        }
        match poll(&mut fds, timeout.as_ref()) {
            Ok(_) => Ok(fds.get(1).map_or(PollFlags::empty(), PollFd::revents)),
            Err(rustix::io::Errno::INTR) => Ok(PollFlags::empty()),
            Err(e) => Err(e.into()),
        }
    }

    /// Carries out the orders that have come. Returns false when the simulation ends.
    fn take_orders(&mut self) -> bool {
        let mut wakes = [0; 64];
        while matches!((&self.wakened).read(&mut wakes), Ok(count) if count == wakes.len()) {}
        while let Ok(Request { order, done }) = self.orders.try_recv() {
            let stop = matches!(order, Order::Stop);
            let _ = done.send(self.slot.carry_out(order, monotonic()));
            if stop {
                return false;
            }
        }
        true
    }

    /// No program has the port open any more.
    fn closed(&mut self) {
        if let Some((_, pty)) = &mut self.slot.socket.plugged {
            // An error says that a program has the port open again, which is as well.
            let _ = pty.hold_slave();
        }
        self.slot.modem.unhang();
    }

    fn read(&mut self, buffer: &mut [u8], now: Instant) {
        let Some((_, pty)) = &self.slot.socket.plugged else { return };
        match pty.read(buffer) {
            Ok(Some(count)) => self.slot.modem.receive(&buffer[..count], now),
            Ok(None) => {}
            // The simulator holds the slave open, so this is not an ordinary hang-up.
            Err(_) => self.slot.unplug(),
        }
    }
}

impl Socket for Tty {
    fn plugged(&self) -> bool {
        self.plugged.is_some()
    }

    fn plug(&mut self) -> io::Result<()> {
        let pty = Pty::open()?;
        let link = Link::place(&self.link, pty.path())?;
        *self.device.lock().unwrap_or_else(PoisonError::into_inner) = Some(pty.path().to_owned());
        self.plugged = Some((link, pty));
        self.pending.clear();
        Ok(())
    }

    fn unplug(&mut self) {
        *self.device.lock().unwrap_or_else(PoisonError::into_inner) = None;
        self.plugged = None;
        self.pending.clear();
    }

    fn write(&mut self, said: Vec<u8>, modem: &mut Modem, _now: Instant) {
        let Some((_, pty)) = &self.plugged else { return };
        if self.pending.len() + said.len() <= PENDING_LIMIT {
            self.pending.extend(said);
        }
        while !self.pending.is_empty() {
            let piece = modem.piece().min(self.pending.len());
            match pty.write(&self.pending[..piece]) {
                Ok(0) => return,
                Ok(count) => self.pending.drain(..count),
                Err(_) => return self.pending.clear(),
            };
            // A wire is slow for both ends: the modem does nothing else during the pause.
            if let Some(gap) = modem.piece_gap() {
                std::thread::sleep(gap);
            }
        }
    }

    /// The modem has to see that the port is closed.
    fn await_close(&mut self, _modem: &mut Modem) {
        if let Some((_, pty)) = &mut self.plugged {
            pty.release_slave();
        }
    }
}
