//! The engine of the daemon: a commit goes to the journal and, in memory, on top of sled. When a journal file is
//! full, a second thread carries what is in it over to sled, while commits go on in the other file.
//!
//! From the newest: `active` (in the journal file being written), `frozen` (in the other one, being carried
//! over), sled. Both hold only durable commits. A frozen layer goes when sled has it, synced.

use std::fs::File;
use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, RwLock, mpsc};
use std::thread::JoinHandle;

use super::StoreError;
use super::engine::{Engine, Order, Overlay, Pair};
use super::health::Health;
use super::journal::Journal;
use super::layered;
use super::records::Records as _;
use super::tree::Tree;

/// Journal over sled.
pub(super) struct Disk {
    /// First, so that sled closes while the lock is held.
    shared: Arc<Shared>,
    writer: Mutex<Writer>,
    _lock: File,
}

struct Shared {
    tree: Tree,
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
    failed: Option<StoreError>,
}

struct Writer {
    journal: Journal,
    /// To the carrying thread; gone when the engine is finished.
    loads: Option<mpsc::Sender<(Arc<Overlay>, u64)>>,
    thread: Option<JoinHandle<()>>,
}

impl Disk {
    /// Starts on a tree that has everything the journal has.
    pub(super) fn start(
        tree: Tree,
        journal: Journal,
        lock: File,
        health: Arc<Health>,
    ) -> std::io::Result<Self> {
        let shared = Arc::new(Shared {
            tree,
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
        let writer = Writer { journal, loads: Some(loads), thread: Some(thread) };
        Ok(Self { shared, writer: Mutex::new(writer), _lock: lock })
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
        let load = (frozen, writer.journal.last());
        if writer.loads.as_ref().is_none_or(|loads| loads.send(load).is_err()) {
            return Err(StoreError::Closed);
        }
        carrier.busy = true;
        writer.journal.turn();
        Ok(())
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

    fn commit(&self, changes: Overlay) -> Result<(), StoreError> {
        let mut writer = self.writer();
        if writer.journal.is_full() {
            self.turn(&mut writer)?;
        }
        writer.journal.append(&changes)?;
        let mut layers = self.shared.layers.write().unwrap_or_else(PoisonError::into_inner);
        layers.active.extend(changes);
        Ok(())
    }

    fn finish(&self) -> Result<(), StoreError> {
        let mut writer = self.writer();
        self.turn(&mut writer)?;
        drop(self.shared.wait()?);
        writer.loads = None;
        if let Some(thread) = writer.thread.take() {
            // A panic was caught and reported where it happened.
            let _ = thread.join();
        }
        writer.journal.finish()
    }
}

impl Shared {
    /// Waits until sled has every frozen change.
    fn wait(&self) -> Result<MutexGuard<'_, Carrier>, StoreError> {
        let carrier = self.carrier.lock().unwrap_or_else(PoisonError::into_inner);
        let carrier = self
            .carried
            .wait_while(carrier, |c| c.busy && c.failed.is_none())
            .unwrap_or_else(PoisonError::into_inner);
        match &carrier.failed {
            Some(error) => Err(error.clone()),
            None => Ok(carrier),
        }
    }

    fn carry(&self, work: &mpsc::Receiver<(Arc<Overlay>, u64)>, health: &Health) {
        for (changes, last) in work {
            // sled panics on some damage.
            let outcome = catch_unwind(AssertUnwindSafe(|| self.tree.absorb(&changes, last)))
                .unwrap_or_else(|_| Err(StoreError::Failed("sled panicked".to_owned())));
            if outcome.is_ok() {
                self.layers.write().unwrap_or_else(PoisonError::into_inner).frozen = Arc::default();
            }
            let mut carrier = self.carrier.lock().unwrap_or_else(PoisonError::into_inner);
            carrier.busy = false;
            carrier.failed = outcome.err().map(|error| health.fail(error));
            self.carried.notify_all();
            if carrier.failed.is_some() {
                return;
            }
        }
    }
}
