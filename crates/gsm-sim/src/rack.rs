//! Simulated modems without ptys and threads: each line is a pair of queues in memory and each clock is the
//! runtime's, so that under a paused clock the seed decides a whole run.

use std::collections::VecDeque;
use std::io;
use std::ops::Deref;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::sync::Notify;
use tokio::task::JoinHandle;
use tokio::time::timeout_at;

use super::controls::Controls;
use super::log::{CommandLog, LoggedCommand};
use super::modem::Modem;
use super::phone::{Network, Submitted};
use super::script::{Identity, Script};
use super::slot::{Controlled, Order, PENDING_LIMIT, Slot, Socket};
use crate::clock::monotonic;

/// What the wall clock of a new rack shows: 2026-01-01T00:00:00Z.
const START: Duration = Duration::from_secs(1_767_225_600);

/// Places with a modem each, one network and one inbox, all in memory.
///
/// A modem is counted by its place. What belongs to the modem moves with it when it changes places: its
/// memories, faults and times, and the log of its commands. [`Controls`] has what may be done to the modems.
/// All calls are made inside the runtime in which the rack was made; dropping the rack unplugs its modems.
///
/// ```
/// # tokio::runtime::Builder::new_current_thread().enable_time().build()?.block_on(async {
/// use gsm_sim::{Rack, Script};
/// use tokio::io::{AsyncReadExt, AsyncWriteExt};
///
/// let rack = Rack::new(vec![Script::default(); 2], 7);
/// let mut port = rack.open(1)?;
/// port.write_all(b"ATE0\r").await?;
/// let mut answer = [0; 11];
/// port.read_exact(&mut answer).await?;
/// assert_eq!(&answer, b"ATE0\r\r\nOK\r\n");
/// # std::io::Result::Ok(()) })?;
/// # std::io::Result::Ok(())
/// ```
pub struct Rack {
    controls: Controls,
    places: Vec<Arc<Place>>,
    clocks: Vec<JoinHandle<()>>,
}

impl Deref for Rack {
    type Target = Controls;

    fn deref(&self) -> &Controls {
        &self.controls
    }
}

impl Rack {
    /// A rack with a plugged-in modem for each script. Panics outside a runtime.
    pub fn new(scripts: Vec<Script>, seed: u64) -> Self {
        let network = Arc::new(Network::observed(UNIX_EPOCH + START));
        let places: Vec<_> = scripts
            .into_iter()
            .enumerate()
            .map(|(index, script)| {
                let log = Arc::new(CommandLog::default());
                let modem = Modem::new(Arc::new(script), index, seed, Arc::clone(&network), log);
                Arc::new(Place {
                    slot: Mutex::new(Slot::new(modem, Line::default())),
                    changed: Notify::new(),
                })
            })
            .collect();
        for place in &places {
            // Plugging in cannot fail: there is always room for a line in memory.
            let _ = place.order(Order::Plug);
        }
        let clocks = places.iter().map(|place| tokio::spawn(Arc::clone(place).run())).collect();
        let modems = places.iter().map(|place| Arc::clone(place) as Arc<dyn Controlled>).collect();
        Self { controls: Controls::new(modems, network), places, clocks }
    }

    /// Opens the port of a place. A program that had it open is hung up. What the modem wrote while no
    /// program read is still there. While no modem is plugged in, this is an error of the kind `NotFound`.
    pub fn open(&self, modem: usize) -> io::Result<RackPort> {
        let place = &self.places[modem];
        place.change(|slot, now| {
            if !slot.socket.plugged {
                return Err(io::ErrorKind::NotFound.into());
            }
            slot.socket.close();
            // A modem that hangs until the port is closed notices that it was.
            slot.work(now);
            slot.socket.opened += 1;
            slot.socket.open = Some(slot.socket.opened);
            Ok(RackPort { place: Arc::clone(place), end: slot.socket.opened })
        })
    }

    /// Whether a modem is plugged in.
    pub fn plugged(&self, modem: usize) -> bool {
        self.places[modem].change(|slot, _| slot.socket.plugged)
    }

    /// The identity of the modem at a place and of its SIM.
    pub fn identity(&self, modem: usize) -> Identity {
        self.places[modem].slot().modem.identity.clone()
    }

    /// Two modems change places, each with its SIM, as sticks do that are pulled and put back in the other
    /// order: both ports hang up, and a place that was empty is still empty.
    pub fn swap(&self, a: usize, b: usize) {
        if a == b {
            return;
        }
        let now = monotonic();
        {
            let (mut first, mut second) = (self.places[a].slot(), self.places[b].slot());
            let occupied = [&mut first, &mut second].map(|slot| {
                slot.work(now);
                let occupied = slot.occupied();
                // Pulling a plug cannot fail.
                let _ = slot.carry_out(Order::Unplug, now);
                occupied
            });
            std::mem::swap(&mut first.modem, &mut second.modem);
            std::mem::swap(&mut first.modem.index, &mut second.modem.index);
            for (slot, occupied) in [&mut first, &mut second].into_iter().zip(occupied) {
                if occupied {
                    let _ = slot.plug(now);
                }
            }
        }
        for place in [a, b] {
            self.places[place].changed.notify_one();
        }
    }

    /// Every submission that reached the network, in order: messages, parts that never became a whole
    /// message, and those that the network dropped.
    pub fn submitted(&self) -> Vec<Submitted> {
        self.controls.network().submitted()
    }

    /// Every submission, as above; the record is empty afterwards.
    pub fn take_submitted(&self) -> Vec<Submitted> {
        self.controls.network().take_submitted()
    }

    /// Sets the wall clock of the service centre, which from then on follows the runtime's clock. A new rack
    /// shows 2026-01-01T00:00:00Z.
    pub fn set_wall(&self, now: SystemTime) {
        self.controls.network().set_wall(now);
    }
}

impl Drop for Rack {
    fn drop(&mut self) {
        for clock in &self.clocks {
            clock.abort();
        }
        for place in &self.places {
            let _ = place.order(Order::Unplug);
        }
    }
}

/// A modem and its line.
struct Place {
    slot: Mutex<Slot<Line>>,
    /// Notified when something else may be due next.
    changed: Notify,
}

impl Place {
    /// Carries out what is due when it is due.
    async fn run(self: Arc<Self>) {
        loop {
            let due = {
                let mut slot = self.slot();
                let now = monotonic();
                slot.work(now);
                slot.socket.wake(now);
                [slot.next_due(), slot.socket.next_due()].into_iter().flatten().min()
            };
            match due {
                // What is due and what has changed are both looked at in the next round.
                Some(due) => drop(timeout_at(due.into(), self.changed.notified()).await),
                None => self.changed.notified().await,
            }
        }
    }

    /// Makes a change after everything that is due by now, so that the order within one instant is fixed, and
    /// then carries out what is due.
    fn change<T>(&self, change: impl FnOnce(&mut Slot<Line>, Instant) -> T) -> T {
        let mut slot = self.slot();
        let now = monotonic();
        slot.work(now);
        let outcome = change(&mut slot, now);
        slot.work(now);
        slot.socket.wake(now);
        drop(slot);
        self.changed.notify_one();
        outcome
    }

    /// A panic of a caller under this lock, as for a modem that does not exist, leaves nothing half changed.
    fn slot(&self) -> MutexGuard<'_, Slot<Line>> {
        self.slot.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Controlled for Place {
    fn order(&self, order: Order) -> io::Result<()> {
        self.change(|slot, now| slot.carry_out(order, now))
    }

    fn commands(&self) -> Vec<LoggedCommand> {
        self.slot().modem.log.all()
    }
}

/// A line in memory from the modem to the program that has the port open. The other direction takes no time.
#[derive(Default)]
struct Line {
    plugged: bool,
    /// How often the port was opened.
    opened: u64,
    /// Which of these openings is still open.
    open: Option<u64>,
    /// What was written and not read yet, each piece with the instant of its arrival.
    pieces: VecDeque<(Instant, VecDeque<u8>)>,
    /// When the last piece has left the modem.
    free_at: Option<Instant>,
    reader: Option<Waker>,
}

impl Line {
    /// The instant at which a piece arrives that a reader waits for.
    fn next_due(&self) -> Option<Instant> {
        let (arrives, _) = self.pieces.front()?;
        self.reader.is_some().then_some(*arrives)
    }

    fn wake(&mut self, now: Instant) {
        if self.next_due().is_some_and(|arrives| arrives <= now) {
            self.wake_reader();
        }
    }

    fn wake_reader(&mut self) {
        if let Some(reader) = self.reader.take() {
            reader.wake();
        }
    }

    /// No program has the port open any more.
    fn close(&mut self) {
        self.open = None;
        self.wake_reader();
    }

    /// Reads at most one piece, so that a reader sees where the output was cut.
    fn read(&mut self, into: &mut ReadBuf<'_>, now: Instant) -> bool {
        let Some((_, piece)) = self.pieces.front_mut().filter(|(arrives, _)| *arrives <= now) else {
            return false;
        };
        let count = piece.len().min(into.remaining());
        for octet in piece.drain(..count) {
            into.put_slice(&[octet]);
        }
        if piece.is_empty() {
            self.pieces.pop_front();
        }
        true
    }
}

impl Socket for Line {
    fn plugged(&self) -> bool {
        self.plugged
    }

    fn plug(&mut self) -> io::Result<()> {
        self.plugged = true;
        Ok(())
    }

    fn unplug(&mut self) {
        self.plugged = false;
        self.close();
        self.pieces.clear();
        self.free_at = None;
    }

    fn write(&mut self, said: Vec<u8>, modem: &mut Modem, now: Instant) {
        let unread: usize = self.pieces.iter().map(|(_, piece)| piece.len()).sum();
        if unread + said.len() > PENDING_LIMIT {
            return;
        }
        let mut rest = VecDeque::from(said);
        while !rest.is_empty() {
            let after = rest.split_off(modem.piece().min(rest.len()));
            let arrives = self.free_at.map_or(now, |free| free.max(now));
            self.pieces.push_back((arrives, std::mem::replace(&mut rest, after)));
            self.free_at = Some(arrives + modem.piece_gap().unwrap_or_default());
        }
    }

    fn await_close(&mut self, modem: &mut Modem) {
        if self.open.is_none() {
            modem.unhang();
        }
    }
}

/// An open port of a [`Rack`]. Dropping it closes the port.
///
/// When the plug is pulled, or the port is opened again, reads return the end of the file and writes fail, as
/// on a tty that hung up. A read gives at most one piece of what the modem wrote.
pub struct RackPort {
    place: Arc<Place>,
    end: u64,
}

impl AsyncRead for RackPort {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, into: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let mut slot = self.place.slot();
        let line = &mut slot.socket;
        if line.open != Some(self.end) || line.read(into, monotonic()) {
            return Poll::Ready(Ok(()));
        }
        line.reader = Some(cx.waker().clone());
        if line.next_due().is_some() {
            self.place.changed.notify_one();
        }
        Poll::Pending
    }
}

impl AsyncWrite for RackPort {
    fn poll_write(self: Pin<&mut Self>, _cx: &mut Context<'_>, octets: &[u8]) -> Poll<io::Result<usize>> {
        Poll::Ready(self.place.change(|slot, now| {
            if slot.socket.open != Some(self.end) {
                return Err(rustix::io::Errno::IO.into());
            }
            slot.modem.receive(octets, now);
            Ok(octets.len())
        }))
    }

    fn poll_flush(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

impl Drop for RackPort {
    fn drop(&mut self) {
        self.place.change(|slot, _| {
            if slot.socket.open == Some(self.end) {
                slot.socket.close();
            }
        });
    }
}
