//! The engine of the daemon: a commit goes to the journal and, in memory, on top of sled. When a journal file is
//! full, a second thread carries what is in it over to sled, while commits go on in the other file.
//!
//! While the disk is full, the carrying waits, and commits go on until the journal is full as well.
//!
//! From the newest: `active` (in the journal file being written), `frozen` (in the other one, being carried
//! over), sled. Both hold only durable commits. A frozen layer goes when sled has it, synced.
//!
//! What of a large store was not looked at before it opened is looked at by a third thread.

use std::fs::File;
use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, RwLock, Weak, mpsc};
use std::thread::JoinHandle;
use std::time::Duration;

use super::StoreError;
use super::engine::{Engine, Order, Overlay, Pair};
use super::health::Health;
use super::journal::Journal;
use super::records::Records as _;
use super::room::Room;
use super::tree::Tree;
use super::{layered, look};
use crate::clock::Clock;

/// How often to look whether a full disk has room again.
const LOOK: Duration = Duration::from_millis(500);

/// The look at the records pauses so many times as long as it looked, so that it takes a quarter of a core; at the least
/// and at the most.
const PAUSE: u32 = 3;
const PAUSES: (Duration, Duration) = (Duration::from_millis(1), Duration::from_millis(50));

/// Journal over sled.
pub(super) struct Disk {
    /// First, so that sled closes while the lock is held.
    shared: Arc<Shared>,
    writer: Mutex<Writer>,
    _lock: File,
}

struct Shared {
    tree: Tree,
    room: Room,
    closing: AtomicBool,
    layers: RwLock<Layers>,
    carrier: Mutex<Carrier>,
    carried: Condvar,
}

#[derive(Default)]
struct Layers {
    active: Overlay,
    frozen: Arc<Overlay>,
}

#[derive(Default)]
struct Carrier {
    busy: bool,
    /// It waits for room.
    starved: bool,
    /// Nobody waits for it any more.
    ending: bool,
    failed: Option<StoreError>,
}

/// Work for the carrying thread.
enum Load {
    /// Give sled these changes, all up to this commit.
    Changes(Arc<Overlay>, u64),
    /// Look until there is room.
    Room,
}

struct Writer {
    journal: Journal,
    /// To the carrying thread; gone when the engine is finished.
    loads: Option<mpsc::Sender<Load>>,
    thread: Option<JoinHandle<()>>,
    /// The thread that looks at the records.
    looking: Option<JoinHandle<()>>,
}

impl Disk {
    /// Starts on a tree that has everything the journal has.
    pub(super) fn start(
        tree: Tree,
        journal: Journal,
        room: Room,
        lock: File,
        health: Arc<Health>,
    ) -> std::io::Result<Self> {
        let shared = Arc::new(Shared {
            tree,
            room,
            closing: AtomicBool::new(false),
            layers: RwLock::default(),
            carrier: Mutex::default(),
            carried: Condvar::new(),
        });
        let (loads, work) = mpsc::channel();
        let carry = {
            let shared = Arc::clone(&shared);
            move || shared.carry(&work, &health)
        };
        let thread = std::thread::Builder::new().name("carrier".to_owned()).spawn(carry)?;
        let writer = Writer { journal, loads: Some(loads), thread: Some(thread), looking: None };
        Ok(Self { shared, writer: Mutex::new(writer), _lock: lock })
    }

    /// Looks at the records that were not looked at before the store opened, on a thread of its own. Damage ends the
    /// store; `told` puts it into words.
    pub(super) fn look_on(
        &self,
        health: Arc<Health>,
        told: impl FnOnce(&StoreError) -> String + Send + 'static,
    ) -> std::io::Result<()> {
        let shared = Arc::downgrade(&self.shared);
        let look = move || match look(&shared) {
            Ok(true) => health.set_looked(),
            Ok(false) => {}
            Err(why) => drop(health.fail(StoreError::Damaged(told(&why)))),
        };
        self.writer().looking = Some(std::thread::Builder::new().name("looking".to_owned()).spawn(look)?);
        Ok(())
    }

    fn writer(&self) -> MutexGuard<'_, Writer> {
        self.writer.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Freezes the active layer and goes on in the other journal file, as soon as sled has that one's commits.
    fn turn(&self, writer: &mut Writer) -> Result<(), StoreError> {
        let mut carrier = self.shared.wait()?;
        let frozen = {
            let mut layers = self.shared.layers.write().unwrap_or_else(PoisonError::into_inner);
            layers.frozen = Arc::new(std::mem::take(&mut layers.active));
            Arc::clone(&layers.frozen)
        };
        writer.hand_over(Load::Changes(frozen, writer.journal.last()))?;
        carrier.busy = true;
        writer.journal.turn();
        Ok(())
    }
}

impl Writer {
    fn hand_over(&self, load: Load) -> Result<(), StoreError> {
        let loads = self.loads.as_ref().ok_or(StoreError::Closed)?;
        loads.send(load).map_err(|_| StoreError::Closed)
    }
}

impl Engine for Disk {
    fn load(&self, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        let layers = self.shared.layers.read().unwrap_or_else(PoisonError::into_inner);
        match layers.active.get(key).or_else(|| layers.frozen.get(key)) {
            Some(change) => Ok(change.clone()),
            None => self.shared.tree.load(key),
        }
    }

    fn chunk(&self, range: Range<&[u8]>, order: Order, limit: usize) -> Result<Vec<Pair>, StoreError> {
        let layers = self.shared.layers.read().unwrap_or_else(PoisonError::into_inner);
        layered::scan(&layers.active, range, order, limit, |range, limit| {
            layered::scan(&layers.frozen, range, order, limit, |range, limit| {
                self.shared.tree.chunk(range, order, limit)
            })
        })
    }

    fn prepare(&self) -> Result<(), StoreError> {
        let mut writer = self.writer();
        if self.shared.room.last().is_ok() && self.shared.room.look().is_err() {
            writer.hand_over(Load::Room)?;
        }
        if writer.journal.is_full() { self.turn(&mut writer) } else { Ok(()) }
    }

    fn room(&self) -> Result<(), StoreError> {
        self.shared.room.last()
    }

    fn commit(&self, changes: Overlay) -> Result<(), StoreError> {
        let mut writer = self.writer();
        if writer.journal.is_full() {
            self.turn(&mut writer)?;
        }
        // What the moves of this commit wrote may be told to nobody, nor taken back: where even the journal's own octets
        // need room, as in a file system that never writes in place, the commit waits.
        while let Err(error) = writer.journal.append(&changes) {
            if error != StoreError::NoRoom {
                return Err(error);
            }
            self.shared.room.met_the_end();
            std::thread::sleep(LOOK);
        }
        let mut layers = self.shared.layers.write().unwrap_or_else(PoisonError::into_inner);
        layers.active.extend(changes);
        Ok(())
    }

    fn finish(&self) -> Result<(), StoreError> {
        let mut writer = self.writer();
        self.shared.closing.store(true, Ordering::Relaxed);
        if let Some(thread) = writer.looking.take() {
            // What it met it has reported.
            let _ = thread.join();
        }
        let carried = self.turn(&mut writer).and_then(|()| self.shared.wait().map(drop));
        writer.loads = None;
        self.shared.end();
        if let Some(thread) = writer.thread.take() {
            // A panic was caught and reported where it happened.
            let _ = thread.join();
        }
        match carried {
            Ok(()) => writer.journal.finish(),
            // The journal keeps what sled has no room for, as after a kill.
            Err(StoreError::NoRoom) => Ok(()),
            Err(error) => Err(error),
        }
    }
}

/// Looks at all records, with pauses. False: the store closed before that was done.
fn look(shared: &Weak<Shared>) -> Result<bool, StoreError> {
    let clock = Clock::system();
    while let Some(shared) = shared.upgrade().filter(|shared| !shared.closing.load(Ordering::Relaxed)) {
        let began = clock.monotonic();
        // sled panics on some damage.
        let looked = catch_unwind(AssertUnwindSafe(|| look::look_on(&shared.tree)))
            .unwrap_or_else(|_| Err(StoreError::Failed("sled panicked while it was read".to_owned())))?;
        drop(shared);
        if looked {
            tracing::info!("every record of the store was looked at: nothing is damaged");
            return Ok(true);
        }
        let took = clock.monotonic().saturating_duration_since(began);
        std::thread::sleep((took * PAUSE).clamp(PAUSES.0, PAUSES.1));
    }
    Ok(false)
}

impl Shared {
    fn carrier(&self) -> MutexGuard<'_, Carrier> {
        self.carrier.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until sled has every frozen change, or has no room for them.
    fn wait(&self) -> Result<MutexGuard<'_, Carrier>, StoreError> {
        let carrier = self
            .carried
            .wait_while(self.carrier(), |c| c.busy && !c.starved && c.failed.is_none())
            .unwrap_or_else(PoisonError::into_inner);
        match &carrier.failed {
            Some(error) => Err(error.clone()),
            None if carrier.busy => Err(StoreError::NoRoom),
            None => Ok(carrier),
        }
    }

    /// Nobody waits for the carrying any more.
    fn end(&self) {
        self.carrier().ending = true;
        self.carried.notify_all();
    }

    /// Waits a moment for room. Answers whether anybody still waits for what needs it.
    fn pause(&self) -> bool {
        let mut carrier = self.carrier();
        carrier.starved = carrier.busy;
        self.carried.notify_all();
        let waited = self.carried.wait_timeout_while(carrier, LOOK, |c| !c.ending);
        !waited.unwrap_or_else(PoisonError::into_inner).0.ending
    }

    /// Waits until the disk has room; false when nobody waits for that any more.
    fn await_room(&self) -> bool {
        while self.room.look().is_err() {
            if !self.pause() {
                return false;
            }
        }
        true
    }

    /// Gives sled changes as soon as the disk has room for them; nothing when nobody waits for that any more.
    fn carry_over(&self, changes: &Overlay, last: u64) -> Option<Result<(), StoreError>> {
        let mut awaited = self.await_room();
        while awaited {
            // sled panics on some damage.
            let outcome = catch_unwind(AssertUnwindSafe(|| self.tree.absorb(changes, last)))
                .unwrap_or_else(|_| Err(StoreError::Failed("sled panicked".to_owned())));
            if outcome != Err(StoreError::NoRoom) || self.tree.is_stuck() {
                return Some(outcome);
            }
            // A quota, or somebody was faster: the free space says nothing of this, only another attempt does.
            self.room.met_the_end();
            awaited = self.pause();
        }
        None
    }

    fn carry(&self, work: &mpsc::Receiver<Load>, health: &Health) {
        for load in work {
            let Load::Changes(changes, last) = load else {
                self.await_room();
                continue;
            };
            let Some(outcome) = self.carry_over(&changes, last) else { return };
            // Notes the end of what only an attempt could tell.
            let _ = self.room.look();
            if outcome.is_ok() {
                self.layers.write().unwrap_or_else(PoisonError::into_inner).frozen = Arc::default();
            }
            let mut carrier = self.carrier();
            (carrier.busy, carrier.starved) = (false, false);
            carrier.failed = outcome.err().map(|error| health.fail(error));
            self.carried.notify_all();
            if carrier.failed.is_some() {
                return;
            }
        }
    }
}
