//! A thread that joins one modem to its pty: waits for octets, orders and due times, and writes each answer in
//! one piece unless the script wants pieces.

use std::io::{self, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::sync::mpsc::{Receiver, Sender, SyncSender, channel, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};

use super::faults::Fault;
use super::hang::{Cure, Cut};
use super::log::{CommandLog, Seen};
use super::modem::Modem;
use super::pty::{Link, Pty};
use super::script::Delay;
use super::tpdu::Pdu;
use crate::clock::monotonic;

/// What a simulation tells one of its modems while it runs.
pub(super) enum Order {
    Unplug,
    Plug,
    Hang(Cure),
    Cut(Cut),
    Unhang,
    Inject(Vec<u8>),
    Air(Delay),
    Prompt(Delay),
    Fault(Fault),
    ClearFaults,
    Registration(u8),
    Signal(u8),
    DeliverText { from: String, text: String },
    DeliverPdu(Pdu),
    Stop,
}

struct Envelope {
    order: Order,
    done: SyncSender<io::Result<()>>,
}

/// The device of a plugged port.
type Device = Arc<Mutex<Option<PathBuf>>>;

/// The near end of a modem's thread. Dropping it unplugs the modem and ends the thread.
pub(super) struct Handle {
    orders: Sender<Envelope>,
    waker: UnixStream,
    device: Device,
    log: Arc<CommandLog>,
    thread: Option<JoinHandle<()>>,
}

impl Handle {
    /// Opens the port, switches the modem on and starts its thread.
    pub(super) fn start(
        modem: Modem,
        name: String,
        link: Option<PathBuf>,
        log: Arc<CommandLog>,
    ) -> io::Result<Self> {
        let (orders, inbox) = channel();
        let (waker, wakened) = UnixStream::pair()?;
        wakened.set_nonblocking(true)?;
        let device = Device::default();
        let mut port = Port {
            modem,
            link,
            plugged: None,
            back_at: None,
            cut_at: None,
            device: Arc::clone(&device),
            orders: inbox,
            wakened,
            pending: Vec::new(),
        };
        port.plug(monotonic())?;
        let thread = std::thread::Builder::new().name(name).spawn(move || port.run())?;
        Ok(Self { orders, waker, device, log, thread: Some(thread) })
    }

    /// Gives an order and returns when it is done.
    pub(super) fn order(&self, order: Order) -> io::Result<()> {
        let (done, finished) = sync_channel(1);
        let gone = || io::Error::other("the modem's thread has ended");
        self.orders.send(Envelope { order, done }).map_err(|_| gone())?;
        (&self.waker).write_all(&[0])?;
        finished.recv().map_err(|_| gone())?
    }

    /// The pty's path while the modem is plugged in.
    pub(super) fn device(&self) -> Option<PathBuf> {
        self.device.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(super) fn commands(&self) -> Vec<Seen> {
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

struct Port {
    modem: Modem,
    link: Option<PathBuf>,
    /// The link goes before the port it points to.
    plugged: Option<(Option<Link>, Pty)>,
    back_at: Option<Instant>,
    /// The plug is pulled then: what was written before is read first.
    cut_at: Option<Instant>,
    device: Device,
    orders: Receiver<Envelope>,
    wakened: UnixStream,
    pending: Vec<u8>,
}

/// For the other end to read what was written before the plug was pulled.
const READ_TIME: Duration = Duration::from_millis(20);

/// Output that nobody reads is kept up to here; the rest is lost, as on a wire.
const PENDING_LIMIT: usize = 64 * 1024;

impl Port {
    fn run(mut self) {
        let mut buffer = [0; 4096];
        loop {
            let Ok(heard) = self.wait() else { return };
            if !self.obey() {
                return;
            }
            let now = monotonic();
            if heard.contains(PollFlags::HUP) {
                self.closed();
            } else if heard.contains(PollFlags::IN) {
                self.read(&mut buffer, now);
            }
            if self.plugged.is_some() {
                self.modem.expire(now);
            } else if self.back_at.is_some_and(|at| at <= now) && self.plug(now).is_err() {
                // No pty is free now; try again rather than lose the modem.
                self.back_at = Some(now + Duration::from_millis(100));
            }
            self.flush();
            self.let_go();
            if self.cut_at.is_some_and(|at| at <= now) {
                self.unplug();
            }
            if let Some(leave) = self.modem.take_leave() {
                self.unplug();
                self.back_at = leave.back_after.map(|after| now + after);
            }
        }
    }

    /// Waits for an order, a due time, or the port; says what came from the port.
    fn wait(&self) -> io::Result<PollFlags> {
        let due = if self.plugged.is_some() { self.modem.next_due() } else { self.back_at };
        let due = [due, self.cut_at].into_iter().flatten().min();
        let left = due.map(|due| due.saturating_duration_since(monotonic()));
        // A wait too long for the type is a wait without end.
        let timeout = left.and_then(|left| Timespec::try_from(left).ok());
        let mut fds = Vec::with_capacity(2);
        fds.push(PollFd::new(&self.wakened, PollFlags::IN));
        if let Some((_, pty)) = &self.plugged {
            let mut wanted = PollFlags::IN;
            wanted.set(PollFlags::OUT, !self.pending.is_empty());
            fds.push(PollFd::new(pty, wanted));
        }
        match poll(&mut fds, timeout.as_ref()) {
            Ok(_) => Ok(fds.get(1).map_or(PollFlags::empty(), PollFd::revents)),
            Err(rustix::io::Errno::INTR) => Ok(PollFlags::empty()),
            Err(e) => Err(e.into()),
        }
    }

    /// Does the orders that have come; false when the simulation ends.
    fn obey(&mut self) -> bool {
        let mut wakes = [0; 64];
        while matches!((&self.wakened).read(&mut wakes), Ok(count) if count == wakes.len()) {}
        while let Ok(Envelope { order, done }) = self.orders.try_recv() {
            let stop = matches!(order, Order::Stop);
            let outcome = self.carry_out(order);
            self.flush();
            let _ = done.send(outcome);
            if stop {
                return false;
            }
        }
        true
    }

    fn carry_out(&mut self, order: Order) -> io::Result<()> {
        let now = monotonic();
        match order {
            Order::Unplug | Order::Stop => {
                self.back_at = None;
                self.unplug();
            }
            Order::Plug => return self.plug(now),
            Order::Hang(cure) => self.modem.hang(cure, None, now),
            Order::Cut(cut) => self.modem.cut = Some(cut),
            Order::Unhang => self.modem.unhang(),
            Order::Inject(octets) => self.modem.inject(&octets),
            Order::Air(air) => self.modem.set_air(air),
            Order::Prompt(prompt) => self.modem.set_prompt(prompt),
            Order::Fault(fault) => self.modem.fault(fault),
            Order::ClearFaults => self.modem.clear_faults(),
            Order::Registration(status) => self.modem.set_registration(status),
            Order::Signal(csq) => self.modem.csq = csq,
            Order::DeliverText { from, text } => self.modem.deliver_text(&from, &text),
            Order::DeliverPdu(pdu) => self.modem.deliver_pdu(pdu),
        }
        Ok(())
    }

    /// Opens a new pty and switches the modem on. A modem that is plugged in stays as it is.
    fn plug(&mut self, now: Instant) -> io::Result<()> {
        if self.plugged.is_some() {
            return Ok(());
        }
        let pty = Pty::open()?;
        let link = match &self.link {
            Some(path) => Some(Link::place(path, pty.path())?),
            None => None,
        };
        *self.device.lock().unwrap_or_else(PoisonError::into_inner) = Some(pty.path().to_owned());
        self.plugged = Some((link, pty));
        self.back_at = None;
        self.pending.clear();
        self.modem.power_on(now);
        self.flush();
        Ok(())
    }

    fn unplug(&mut self) {
        *self.device.lock().unwrap_or_else(PoisonError::into_inner) = None;
        self.plugged = None;
        self.cut_at = None;
        self.pending.clear();
        self.modem.power_off();
    }

    /// A modem that hangs until the port is closed has to see it closed.
    fn let_go(&mut self) {
        if let Some((_, pty)) = self.plugged.as_mut().filter(|_| self.modem.waits_for_close()) {
            pty.let_go();
        }
    }

    /// Nobody has the port open.
    fn closed(&mut self) {
        if let Some((_, pty)) = &mut self.plugged {
            // In use again already: then it is open.
            let _ = pty.take_hold();
        }
        self.modem.unhang();
    }

    fn read(&mut self, buffer: &mut [u8], now: Instant) {
        let Some((_, pty)) = &self.plugged else { return };
        match pty.read(buffer) {
            Ok(Some(count)) => self.modem.receive(&buffer[..count], now),
            Ok(None) => {}
            // The slave is held open here, so this is no ordinary hang-up.
            Err(_) => self.unplug(),
        }
    }

    fn flush(&mut self) {
        let output = self.modem.take_output();
        if self.modem.severed && self.cut_at.is_none() {
            self.cut_at = Some(monotonic() + READ_TIME);
        }
        let Some((_, pty)) = &self.plugged else { return };
        if self.pending.len() + output.len() <= PENDING_LIMIT {
            self.pending.extend(output);
        }
        while !self.pending.is_empty() {
            let piece = self.modem.piece().min(self.pending.len());
            match pty.write(&self.pending[..piece]) {
                Ok(0) => return,
                Ok(count) => self.pending.drain(..count),
                Err(_) => return self.pending.clear(),
            };
            // A wire is slow for both ends: the modem does nothing else meanwhile.
            if let Some(gap) = self.modem.piece_gap() {
                std::thread::sleep(gap);
            }
        }
    }
}
