//! sled on a disk, behind the journal: opened with care, written so that what is answered survives a power cut.

use std::fs::File;
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::sync::{Mutex, PoisonError, RwLock};
use std::time::Duration;

use super::engine::{Engine, Op, Order, Overlay, Visit, scan_under};
use super::journal::{Journal, Replay};
use super::{StoreError, check, keys, repair};

/// sled's segment: a page of more than a quarter of it would go to a file of its own, which sled never syncs.
const SEGMENT: u64 = 512 * 1024;

/// The layout that this version reads and writes.
const SCHEMA: u32 = 1;

/// How the store is opened.
#[derive(Debug, Clone)]
pub struct Options {
    /// Octets of sled's page cache.
    pub cache: u64,
    /// How long opening may take: sled reads its log since the last start.
    pub open_within: Duration,
    /// How long another process may take to let go of the files.
    pub lock_within: Duration,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            cache: 4 * 1024 * 1024,
            open_within: Duration::from_secs(120),
            lock_within: Duration::from_secs(3),
        }
    }
}

/// Why the store does not open.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Another process has it.
    #[error("the store {path} is in use by another process; is another smsotpd running?")]
    InUse {
        /// The folder.
        path: PathBuf,
    },
    /// What it holds is not what was written.
    #[error(
        "the store {path} is damaged: {why}; nothing was changed. Restore a backup, or move the folder away to \
         start empty: codes and messages that it held are then forgotten"
    )]
    Corrupt {
        /// The folder.
        path: PathBuf,
        /// What is wrong.
        why: String,
    },
    /// A later version wrote it.
    #[error("the store {path} has layout {found}; this version knows {SCHEMA}: install the newer smsotpd")]
    TooNew {
        /// The folder.
        path: PathBuf,
        /// Its layout.
        found: u32,
    },
    /// The file system.
    #[error("the store {path}: {source}")]
    Io {
        /// The folder or file.
        path: PathBuf,
        /// The cause.
        source: io::Error,
    },
}

/// The commits of a store that must be there, beside the store itself.
const HIGH_WATER: &str = "acknowledged";

pub(super) struct Disk {
    dir: PathBuf,
    /// First, so that sled closes while the lock is held.
    db: sled::Db,
    tree: sled::Tree,
    /// sled's log, for what sled does not do itself.
    log: File,
    journal: Mutex<Journal>,
    /// What the journal holds and sled does not.
    recent: RwLock<Overlay>,
    _lock: File,
}

impl Disk {
    pub(super) fn open(dir: &Path, options: &Options) -> Result<Self, OpenError> {
        let io = |path: &Path| {
            let path = path.to_owned();
            move |source| OpenError::Io { path, source }
        };
        std::fs::DirBuilder::new().recursive(true).mode(0o700).create(dir).map_err(io(dir))?;
        let lock = lock(dir, options.lock_within)?;
        let db_dir = dir.join("sled");
        repair::snapshots(&db_dir).map_err(io(&db_dir))?;
        let db = open_sled(dir, db_dir.clone(), options)?;
        let tree = (*db).clone();
        sync_all(&db_dir).and_then(|()| File::open(dir)?.sync_all()).map_err(io(&db_dir))?;
        let log = File::open(db_dir.join("db")).map_err(io(&db_dir))?;
        let corrupt = |why: String| OpenError::Corrupt { path: dir.to_owned(), why };
        let journal_path = dir.join("journal");
        let (journal, replay) = Journal::open(&journal_path).map_err(|e| match e.kind() {
            io::ErrorKind::InvalidData => corrupt(format!("the journal: {e}")),
            _ => io(&journal_path)(e),
        })?;
        let (journal, recent) = (Mutex::new(journal), RwLock::default());
        let disk = Self { dir: dir.to_owned(), db, tree, log, journal, recent, _lock: lock };
        disk.replay(replay).map_err(|e| corrupt(e.to_string()))?;
        disk.check_schema()?;
        check::records(&disk).map_err(|e| corrupt(e.to_string()))?;
        disk.check_completeness().map_err(corrupt)?;
        Ok(disk)
    }

    /// Takes up the commits that sled does not have, in their order.
    fn replay(&self, replay: Vec<Replay>) -> Result<(), StoreError> {
        let held = self.sequence();
        let mut recent = self.recent.write().unwrap_or_else(PoisonError::into_inner);
        for (sequence, ops) in replay.into_iter().filter(|&(sequence, _)| sequence > held) {
            recent.extend(ops);
            recent.insert(keys::SEQUENCE.to_vec(), Some(sequence.to_be_bytes().to_vec()));
        }
        drop(recent);
        self.checkpoint(Vec::new())
    }

    /// Hands everything to sled, with `more`, and empties the journal when sled has it for certain.
    fn checkpoint(&self, more: Vec<Op>) -> Result<(), StoreError> {
        let mut journal = self.journal.lock().unwrap_or_else(PoisonError::into_inner);
        let mut recent = self.recent.write().unwrap_or_else(PoisonError::into_inner);
        recent.extend(more);
        if recent.is_empty() {
            return Ok(());
        }
        let mut batch = sled::Batch::default();
        for (key, value) in &*recent {
            match value {
                Some(value) => batch.insert(&key[..], &value[..]),
                None => batch.remove(&key[..]),
            }
        }
        self.tree.apply_batch(batch).map_err(failed)?;
        // sled's `flush` writes but does not sync on Linux; the `fdatasync` behind it makes the batch durable.
        self.db.flush().map_err(failed)?;
        self.log.sync_data().map_err(|e| self.broken(&e))?;
        journal.clear().map_err(|e| self.broken(&e))?;
        recent.clear();
        Ok(())
    }

    fn broken(&self, e: &io::Error) -> StoreError {
        StoreError::Failed(format!("the store {}: {e}", self.dir.display()))
    }

    fn check_schema(&self) -> Result<(), OpenError> {
        let corrupt = |why: String| OpenError::Corrupt { path: self.dir.clone(), why };
        match self.load(keys::SCHEMA).map_err(|e| corrupt(e.to_string()))? {
            Some(version) => {
                let found = version.try_into().map(u32::from_be_bytes);
                let found = found.map_err(|_| corrupt("its layout number is none".to_owned()))?;
                if found > SCHEMA {
                    return Err(OpenError::TooNew { path: self.dir.clone(), found });
                }
                Ok(())
            }
            None if self.tree.is_empty() => self
                .checkpoint(vec![(keys::SCHEMA.to_vec(), Some(SCHEMA.to_be_bytes().to_vec()))])
                .map_err(|e| corrupt(e.to_string())),
            None => Err(corrupt("it has records but no layout number".to_owned())),
        }
    }

    /// An older state than one that was closed in order means that acknowledged commits are gone.
    fn check_completeness(&self) -> Result<(), String> {
        let path = self.dir.join(HIGH_WATER);
        let text = match std::fs::read_to_string(&path) {
            Ok(text) => text,
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(()),
            Err(e) => return Err(e.to_string()),
        };
        let acknowledged: u64 =
            text.trim().parse().map_err(|_| format!("{} holds no number", path.display()))?;
        let found = self.sequence();
        if found < acknowledged {
            return Err(format!("{acknowledged} commits were acknowledged and only {found} are there"));
        }
        Ok(())
    }
}

impl Engine for Disk {
    fn load(&self, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        if let Some(value) = self.recent.read().unwrap_or_else(PoisonError::into_inner).get(key) {
            return Ok(value.clone());
        }
        Ok(self.tree.get(key).map_err(failed)?.map(|v| v.to_vec()))
    }

    fn scan(&self, from: &[u8], to: &[u8], order: Order, visit: &mut Visit<'_>) -> Result<(), StoreError> {
        let recent = self.recent.read().unwrap_or_else(PoisonError::into_inner);
        let fresh = recent.range(from.to_vec()..to.to_vec()).map(|(k, v)| (k.clone(), v.clone())).collect();
        // Held over the scan: a checkpoint between the two would show a key twice or never.
        let scanned = scan_under(fresh, order, visit, |visit| {
            let mut range = self.tree.range(from..to);
            while let Some(entry) = if order == Order::Ascending { range.next() } else { range.next_back() } {
                let (key, value) = entry.map_err(failed)?;
                if !visit(&key, &value) {
                    break;
                }
            }
            Ok(())
        });
        drop(recent);
        scanned
    }

    fn sequence(&self) -> u64 {
        let value = self.load(keys::SEQUENCE).ok().flatten();
        value.and_then(|v| v.try_into().ok()).map_or(0, u64::from_be_bytes)
    }

    fn commit(&self, sequence: u64, mut ops: Vec<Op>) -> Result<(), StoreError> {
        let appended = {
            let mut journal = self.journal.lock().unwrap_or_else(PoisonError::into_inner);
            journal.append(sequence, &ops).map_err(|e| self.broken(&e))?
        };
        ops.push((keys::SEQUENCE.to_vec(), Some(sequence.to_be_bytes().to_vec())));
        if appended {
            self.recent.write().unwrap_or_else(PoisonError::into_inner).extend(ops);
            Ok(())
        } else {
            self.checkpoint(ops)
        }
    }

    fn finish(&self) -> Result<(), StoreError> {
        self.checkpoint(Vec::new())?;
        write_whole(&self.dir.join(HIGH_WATER), self.sequence().to_string().as_bytes())
            .map_err(|e| self.broken(&e))
    }
}

#[allow(clippy::needless_pass_by_value, reason = "for map_err")]
fn failed(e: sled::Error) -> StoreError {
    StoreError::Failed(format!("the store: {e}"))
}

fn lock(dir: &Path, within: Duration) -> Result<File, OpenError> {
    let path = dir.join("LOCK");
    let io = |source| OpenError::Io { path: path.clone(), source };
    let file =
        File::options().write(true).create(true).truncate(false).mode(0o600).open(&path).map_err(io)?;
    let pause = Duration::from_millis(20);
    let mut waited = Duration::ZERO;
    loop {
        match file.try_lock() {
            Ok(()) => return Ok(file),
            Err(std::fs::TryLockError::WouldBlock) if waited < within => {
                std::thread::sleep(pause);
                waited += pause;
            }
            Err(std::fs::TryLockError::WouldBlock) => return Err(OpenError::InUse { path: dir.to_owned() }),
            Err(std::fs::TryLockError::Error(e)) => return Err(io(e)),
        }
    }
}

/// sled panics on some damage and, rarely, never returns: it opens on a thread of its own.
fn open_sled(dir: &Path, db_dir: PathBuf, options: &Options) -> Result<sled::Db, OpenError> {
    let (sender, opened) = channel();
    let config = sled::Config::new()
        .path(db_dir)
        .cache_capacity(options.cache)
        .flush_every_ms(None)
        .segment_size(usize::try_from(SEGMENT).unwrap_or(usize::MAX))
        .use_compression(false);
    let pause = Duration::from_millis(50);
    let mut tries = options.lock_within.as_millis() / pause.as_millis() + 1;
    std::thread::Builder::new()
        .name("opening".to_owned())
        .spawn(move || {
            loop {
                // sled lets go of its own lock a moment after its last handle is dropped.
                match catch_unwind(AssertUnwindSafe(|| config.open())) {
                    Ok(Err(sled::Error::Io(e))) if tries > 1 && e.to_string().contains("acquire lock") => {
                        tries -= 1;
                        std::thread::sleep(pause);
                    }
                    // The opener may have given up waiting.
                    result => return drop(sender.send(result)),
                }
            }
        })
        .map_err(|source| OpenError::Io { path: dir.to_owned(), source })?;
    let corrupt = |why: String| OpenError::Corrupt { path: dir.to_owned(), why };
    match opened.recv_timeout(options.open_within) {
        Ok(Ok(Ok(db))) => Ok(db),
        Ok(Ok(Err(sled::Error::Io(e)))) if e.to_string().contains("acquire lock") => {
            Err(OpenError::InUse { path: dir.to_owned() })
        }
        Ok(Ok(Err(sled::Error::Io(source)))) => Err(OpenError::Io { path: dir.to_owned(), source }),
        Ok(Ok(Err(e))) => Err(corrupt(e.to_string())),
        Ok(Err(_)) => Err(corrupt("its log cannot be read".to_owned())),
        Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => {
            Err(corrupt(format!("it did not open within {:?}", options.open_within)))
        }
    }
}

/// Every file of the folder, the folder, and the folder that holds it.
fn sync_all(dir: &Path) -> io::Result<()> {
    for entry in std::fs::read_dir(dir)? {
        File::open(entry?.path())?.sync_all()?;
    }
    File::open(dir)?.sync_all()?;
    File::open(dir.parent().unwrap_or(Path::new(".")))?.sync_all()
}

/// Writes a file whole or not at all.
fn write_whole(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let fresh = path.with_extension("new");
    std::fs::write(&fresh, bytes)?;
    File::open(&fresh)?.sync_all()?;
    std::fs::rename(&fresh, path)?;
    File::open(path.parent().unwrap_or(Path::new(".")))?.sync_all()
}
