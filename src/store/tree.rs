//! One sled tree, and the only file that names sled 0.34.
//!
//! Its `flush` writes but does not sync, so each is followed by `fdatasync` on an own descriptor of sled's file.
//! Nothing is written through `apply_batch`: the journal makes commits atomic, and what lies between two syncs
//! here stays far below one log segment (512 KiB), so that sled never reuses a segment before the copies that
//! freed it are durable.

use std::fs::File;
use std::io;
use std::ops::Range;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::content::{self, Content, Passed, Sum};
use super::engine::{Order, Overlay, Pair};
use super::records::Records;
use super::{StoreError, keys, room};

/// Changes, and octets of them, between two syncs.
const STRIDE: (usize, usize) = (256, 64 * 1024);
/// Octets that are reserved behind sled's log before each stride: more segments than a stride can begin.
const RESERVED: u64 = 4 * 1024 * 1024;

/// The open tree.
pub(super) struct Tree {
    db: sled::Db,
    file: File,
    /// sled met a full disk: it writes nothing any more until it is opened anew.
    stuck: AtomicBool,
    /// Held while changes are carried over, and for each step of the look.
    passed: Mutex<Passed>,
}

/// Why sled did not open.
pub(super) enum TreeError {
    InUse,
    Corrupt(String),
    Io(io::Error),
}

impl Tree {
    /// Opens or makes the tree in `dir`. Waits up to `patience` for sled's own lock: it lingers after a close.
    pub(super) fn open(dir: &Path, cache_octets: u64, patience: Duration) -> Result<Self, TreeError> {
        // Never its own flusher: that one syncs behind the committer's back and only logs errors.
        let config = sled::Config::new().path(dir).cache_capacity(cache_octets).flush_every_ms(None);
        let db = patiently(patience, is_locked, || config.open()).map_err(|e| match e {
            e if is_locked(&e) => TreeError::InUse,
            sled::Error::Io(e) => TreeError::Io(e),
            e => TreeError::Corrupt(e.to_string()),
        })?;
        let file = File::options().read(true).write(true).open(dir.join("db")).map_err(TreeError::Io)?;
        Ok(Self { db, file, stuck: AtomicBool::new(false), passed: Mutex::default() })
    }

    /// Carries changes over, then notes that everything up to commit `last` is here. A crash in between, or a full
    /// disk, leaves some of them and the old note: the journal has them all and they are made again.
    pub(super) fn absorb(&self, changes: &Overlay, last: u64) -> Result<(), StoreError> {
        let mut passed = self.passed();
        self.reserve()?;
        self.intend(changes, last)?;
        passed.torn = true;
        let (mut count, mut octets) = (0, 0);
        for (key, value) in changes {
            let old = self.put(key, value.as_deref())?;
            passed.changed(key, old.as_deref(), value.as_deref());
            count += 1;
            octets += key.len() + value.as_ref().map_or(0, Vec::len);
            if count >= STRIDE.0 || octets >= STRIDE.1 {
                self.sync()?;
                self.reserve()?;
                (count, octets) = (0, 0);
            }
        }
        self.sync()?;
        self.put(keys::SEQUENCE, Some(&last.to_be_bytes()))?;
        self.sync()?;
        passed.torn = false;
        Ok(())
    }

    /// What the look at all records has passed. No changes are carried over meanwhile.
    pub(super) fn passed(&self) -> MutexGuard<'_, Passed> {
        self.passed.lock().unwrap_or_else(PoisonError::into_inner)
    }

    #[cfg(test)]
    pub(super) fn lose(&self, key: &[u8]) {
        self.put(key, None).unwrap();
    }

    /// Notes the sum that these changes lead to, unless a stop interrupted them after that.
    fn intend(&self, changes: &Overlay, last: u64) -> Result<(), StoreError> {
        // An older store has no sum until it was looked through.
        let Some(content) = self.content()? else { return Ok(()) };
        if content.after.last == last {
            return Ok(());
        }
        let before = self.sum(&content)?;
        let mut weights = before.weights;
        for (key, value) in changes {
            if let Some(old) = self.load(key)? {
                weights = weights.wrapping_sub(content::weight(key, &old));
            }
            if let Some(new) = value {
                weights = weights.wrapping_add(content::weight(key, new));
            }
        }
        self.put(keys::CONTENT, Some(&Content { before, after: Sum { last, weights } }.to_bytes()))?;
        self.sync()
    }

    fn content(&self) -> Result<Option<Content>, StoreError> {
        let Some(value) = self.load(keys::CONTENT)? else { return Ok(None) };
        let content = Content::parse(&value);
        content.map(Some).ok_or_else(|| StoreError::Failed("its sum is none".to_owned()))
    }

    /// The sum of what is wholly here.
    fn sum(&self, content: &Content) -> Result<Sum, StoreError> {
        let lost = || StoreError::Failed("sled has lost what was carried over to it".to_owned());
        content.at(self.last()?).ok_or_else(lost)
    }

    /// The last commit of the carrying over that was begun last.
    pub(super) fn begun(&self) -> Result<u64, StoreError> {
        match self.content()? {
            Some(content) => self.sum(&content).map(|_| content.after.last),
            None => self.last(),
        }
    }

    /// Compares what a look at everything summed up with what must be here; an older store is taken as it is.
    pub(super) fn compare(&self, weights: u64) -> Result<(), StoreError> {
        match self.content()? {
            Some(content) if self.sum(&content)?.weights == weights => Ok(()),
            Some(_) => {
                Err(StoreError::Failed("sled does not have all that was carried over to it".to_owned()))
            }
            None => {
                let sum = Sum { last: self.last()?, weights };
                self.put(keys::CONTENT, Some(&Content { before: sum, after: sum }.to_bytes()))?;
                self.sync()
            }
        }
    }

    /// The last commit that is wholly here.
    pub(super) fn last(&self) -> Result<u64, StoreError> {
        let value = self.load(keys::SEQUENCE)?.unwrap_or_else(|| vec![0; 8]);
        let octets =
            value.try_into().map_err(|_| StoreError::Failed("its last commit has no number".to_owned()))?;
        Ok(u64::from_be_bytes(octets))
    }

    /// The schema, when there is one already.
    pub(super) fn schema(&self) -> Result<Option<u32>, StoreError> {
        let Some(value) = self.load(keys::SCHEMA)? else { return Ok(None) };
        let octets =
            value.try_into().map_err(|_| StoreError::Failed("its schema has no number".to_owned()))?;
        Ok(Some(u32::from_be_bytes(octets)))
    }

    /// Whether nothing was ever put.
    pub(super) fn is_empty(&self) -> bool {
        self.db.is_empty()
    }

    /// Writes the schema.
    pub(super) fn set_schema(&self, schema: u32) -> Result<(), StoreError> {
        self.put(keys::SCHEMA, Some(&schema.to_be_bytes()))?;
        self.sync()
    }

    /// Reserves room behind sled's log, so that sled does not meet a full disk: after that error it writes nothing until
    /// it is opened anew. A file system that cannot reserve leaves it at the floor.
    fn reserve(&self) -> Result<(), StoreError> {
        let end = self.file.metadata().map_err(|e| failed("cannot look at", e))?.len();
        let flags = rustix::fs::FallocateFlags::KEEP_SIZE;
        match rustix::io::retry_on_intr(|| rustix::fs::fallocate(&self.file, flags, end, RESERVED)) {
            Err(e) if room::is_full(&e.into()) => Err(StoreError::NoRoom),
            _ => Ok(()),
        }
    }

    /// Whether only opening it anew helps.
    pub(super) fn is_stuck(&self) -> bool {
        self.stuck.load(Ordering::Relaxed)
    }

    fn fault(&self, doing: &str, error: sled::Error) -> StoreError {
        match error {
            sled::Error::Io(e) if room::is_full(&e) => {
                self.stuck.store(true, Ordering::Relaxed);
                StoreError::NoRoom
            }
            error => failed(doing, error),
        }
    }

    /// Answers what was there before.
    fn put(&self, key: &[u8], value: Option<&[u8]>) -> Result<Option<sled::IVec>, StoreError> {
        match value {
            Some(value) => self.db.insert(key, value),
            None => self.db.remove(key),
        }
        .map_err(|e| self.fault("cannot change", e))
    }

    fn sync(&self) -> Result<(), StoreError> {
        self.db.flush().map_err(|e| self.fault("cannot flush", e))?;
        self.file.sync_data().map_err(|e| failed("cannot sync", e))
    }
}

impl Records for Tree {
    fn load(&self, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        let value = self.db.get(key).map_err(|e| self.fault("cannot read", e))?;
        Ok(value.map(|v| v.to_vec()))
    }

    fn chunk(&self, range: Range<&[u8]>, order: Order, limit: usize) -> Result<Vec<Pair>, StoreError> {
        if range.start >= range.end {
            return Ok(Vec::new());
        }
        let pairs = self.db.range(range);
        let collect = |pairs: &mut dyn Iterator<Item = sled::Result<(sled::IVec, sled::IVec)>>| {
            pairs
                .take(limit)
                .map(|pair| pair.map(|(k, v)| (k.to_vec(), v.to_vec())))
                .collect::<Result<Vec<_>, _>>()
                .map_err(|e| self.fault("cannot scan", e))
        };
        match order {
            Order::Ascending => collect(&mut { pairs }),
            Order::Descending => collect(&mut pairs.rev()),
        }
    }
}

/// Tries again until somebody else lets go of what is tried, for as long as there is patience.
pub(super) fn patiently<T, E>(
    patience: Duration,
    is_held: impl Fn(&E) -> bool,
    mut attempt: impl FnMut() -> Result<T, E>,
) -> Result<T, E> {
    let pause = Duration::from_millis(20);
    let mut waited = Duration::ZERO;
    loop {
        match attempt() {
            Err(e) if is_held(&e) && waited < patience => {
                std::thread::sleep(pause);
                waited += pause;
            }
            outcome => return outcome,
        }
    }
}

fn failed(doing: &str, why: impl std::fmt::Display) -> StoreError {
    StoreError::Failed(format!("{doing} sled: {why}"))
}

/// sled says it only in words: "could not acquire lock on …".
fn is_locked(error: &sled::Error) -> bool {
    matches!(error, sled::Error::Io(e) if e.to_string().contains("could not acquire lock"))
}
