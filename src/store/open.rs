//! Opening: the lock, the repair of what a stop left behind, sled on a watched thread, the rest of the journal,
//! and a look at every record. A store that is too large for that is served meanwhile; damage that is found then ends the
//! daemon, and is noted, so that the next start looks at everything first and tries what helps.

use std::fs::{File, TryLockError};
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::time::Duration;

use super::disk::Disk;
use super::engine::Overlay;
use super::health::Health;
use super::journal::{self, Found, JournalError};
use super::room::{self, Room};
use super::tree::{Tree, TreeError, patiently};
use super::{StoreError, anew, look, repair};
use crate::clock::Clock;

/// The layout that this version reads and writes.
pub(super) const SCHEMA: u32 = 1;

/// Notes that damage was found while the store was served.
const DAMAGED: &str = "damaged";

/// How the store is opened.
#[derive(Debug, Clone)]
pub struct Options {
    /// Octets of sled's page cache.
    pub cache: u64,
    /// How long opening may take: sled reads its log since the last start.
    pub open_within: Duration,
    /// How long another process may take to let go of the files.
    pub lock_within: Duration,
    /// Free octets below which the disk counts as full.
    pub floor: u64,
    /// How long the records are looked at before the store opens. Those of a larger store are looked at while it serves.
    pub look_within: Duration,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            cache: 8 * 1024 * 1024,
            open_within: Duration::from_secs(120),
            lock_within: Duration::from_secs(3),
            floor: room::FLOOR,
            look_within: Duration::from_secs(3),
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
        "the store {path} is damaged: {why}. Restore a backup, or move the folder away to \
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
    /// The disk has no room to open it.
    #[error(
        "the disk of the store {path} is full; free {} KiB or more on it. Nothing is damaged or lost", wanted / 1024
    )]
    Full {
        /// The folder.
        path: PathBuf,
        /// Octets that have to be free.
        wanted: u64,
    },
    /// The database cannot be reached.
    #[error("the database {database} cannot be reached: {why}")]
    Away {
        /// Which, without who logs in.
        database: String,
        /// What happened.
        why: String,
    },
    /// The database does not let the daemon in.
    #[error(
        "the database {database} refuses it: {why}; check url in [store], pg_hba.conf, and that the role may log in and \
         owns the database"
    )]
    Refused {
        /// Which, without who logs in.
        database: String,
        /// What it said.
        why: String,
    },
    /// The database is not as it has to be.
    #[error("the database {database}: {why}; restore a backup, or name another database")]
    Database {
        /// Which, without who logs in.
        database: String,
        /// What is wrong.
        why: String,
    },
    /// Another daemon has this host's name.
    #[error("{0}")]
    Taken(String),
    /// The file system.
    #[error("the store {path}: {source}; check the disk and the owner of the folder")]
    Io {
        /// The folder or file.
        path: PathBuf,
        /// The cause.
        source: io::Error,
    },
}

/// Opens or makes the store in a folder.
pub(super) fn disk(dir: &Path, options: &Options, health: &Arc<Health>) -> Result<Disk, OpenError> {
    let room = Room::new(dir.to_owned(), options.floor);
    open(At { dir, wanted: options.floor }, options, health, room).map_err(|error| match error {
        // What looks like damage while there is no room may be the want of it: sled does not tell them apart.
        OpenError::Corrupt { path, .. } if Room::new(path.clone(), options.floor).look().is_err() => {
            OpenError::Full { path, wanted: options.floor }
        }
        error => error,
    })
}

fn open(at: At<'_>, options: &Options, health: &Arc<Health>, room: Room) -> Result<Disk, OpenError> {
    let dir = at.dir;
    let sled_dir = dir.join("sled");
    let mut make = std::fs::DirBuilder::new();
    make.recursive(true).mode(0o700).create(dir).map_err(|e| at.io(e))?;
    let lock = lock(at, options.lock_within)?;
    room.look().map_err(|e| at.fault(&e))?;
    anew::take_up(dir, &sled_dir).map_err(|e| at.io(e))?;
    make.create(&sled_dir).map_err(|e| at.io(e))?;
    // The journal is made before sled is: a sled without one has lost it.
    if !sled_dir.join("db").exists() && is_unused(dir) {
        journal::create(dir, 1).map_err(|e| at.io(e))?;
    }
    let found = journal::load(dir).map_err(|e| match e {
        JournalError::Io(e) => at.io(e),
        JournalError::Damaged(why) => at.corrupt(&why),
        JournalError::TooNew(found) => at.too_new(found),
    })?;
    let noted = dir.join(DAMAGED);
    let suspect = noted.exists();
    let wholly = Options { look_within: Duration::MAX, ..options.clone() };
    let options = if suspect { &wholly } else { options };
    let opened = match open_sled(at, &sled_dir, options, &found) {
        Err(damage @ OpenError::Corrupt { .. }) => open_anew(at, &sled_dir, &wholly, &found, damage)?,
        opened => opened?,
    };
    anew::clean(dir).map_err(|e| at.io(e))?;
    if suspect {
        std::fs::remove_file(&noted).map_err(|e| at.io(e))?;
    }
    let journal = found.begin(opened.last).map_err(|e| at.io(e))?;
    let disk = Disk::start(opened.tree, journal, room, lock, Arc::clone(health)).map_err(|e| at.io(e))?;
    if opened.looked {
        health.set_looked();
    } else {
        let dir = dir.to_owned();
        let told = move |why: &StoreError| {
            // Without the note the next start serves for a while again, and finds it again.
            let _ = std::fs::write(&noted, "");
            At { dir: &dir, wanted: 0 }.fault(why).to_string()
        };
        disk.look_on(Arc::clone(health), told).map_err(|e| at.io(e))?;
    }
    Ok(disk)
}

/// sled with all commits.
struct Opened {
    tree: Tree,
    /// The number of the last one.
    last: u64,
    /// Whether every record was looked at.
    looked: bool,
}

/// Opens sled and brings it to the last commit.
fn open_sled(at: At<'_>, sled_dir: &Path, options: &Options, found: &Found) -> Result<Opened, OpenError> {
    repair::snapshots(sled_dir).map_err(|e| at.io(e))?;
    let tree = open_watched(at, sled_dir, options)?;
    sync_all(at.dir, sled_dir).map_err(|e| at.io(e))?;
    // sled panics on some damage when it is read, too.
    catch_unwind(AssertUnwindSafe(|| settle(at, tree, found, options.look_within)))
        .unwrap_or_else(|_| Err(at.corrupt("sled panicked while it was read")))
}

/// Opens what a copy of sled's log gives without the other files. Without success nothing is changed.
fn open_anew(
    at: At<'_>,
    sled_dir: &Path,
    options: &Options,
    found: &Found,
    damage: OpenError,
) -> Result<Opened, OpenError> {
    let io = |e| at.io(e);
    let Some(copy) = anew::copy(at.dir, sled_dir).map_err(io)? else { return Err(damage) };
    match open_sled(at, &copy, options, found) {
        Ok(opened) => drop(opened),
        Err(full @ OpenError::Full { .. }) => return Err(full),
        Err(_) => {
            anew::clean(at.dir).map_err(io)?;
            return Err(damage);
        }
    }
    anew::exchange(at.dir, sled_dir).map_err(io)?;
    tracing::warn!("{damage}: sled's log is whole, and its other files were made anew from it");
    open_sled(at, sled_dir, options, found)
}

/// Brings the tree to the last commit and looks at it, for so long.
fn settle(at: At<'_>, tree: Tree, found: &Found, look_within: Duration) -> Result<Opened, OpenError> {
    let corrupt = |e: StoreError| at.fault(&e);
    match tree.schema().map_err(corrupt)? {
        Some(schema) if schema > SCHEMA => return Err(at.too_new(schema)),
        Some(_) => {}
        None if tree.is_empty() => tree.set_schema(SCHEMA).map_err(corrupt)?,
        None => return Err(at.corrupt("it has records but no layout number")),
    }
    let known = tree.last().map_err(corrupt)?;
    let begun = tree.begun().map_err(corrupt)?;
    let mut last = known;
    // What a stop interrupted is carried over as it was begun, then the rest.
    let (mut interrupted, mut rest) = (Overlay::new(), Overlay::new());
    for (number, changes) in found.records.iter().filter(|&&(number, _)| number > known) {
        if *number != last + 1 {
            return Err(at.corrupt(&format!("commit {} is missing", last + 1)));
        }
        let to = if *number <= begun { &mut interrupted } else { &mut rest };
        to.extend(changes.clone());
        last = *number;
    }
    let acknowledged = found.acknowledged.max(found.stray).max(begun);
    if last < acknowledged {
        return Err(
            at.corrupt(&format!("{acknowledged} commits were acknowledged and only {last} are there"))
        );
    }
    if last > known {
        tracing::info!("carrying over to sled what only the journal has: {} commits", last - known);
        if known < begun {
            tree.absorb(&interrupted, begun).map_err(corrupt)?;
        }
        if begun < last {
            tree.absorb(&rest, last).map_err(corrupt)?;
        }
    }
    let (clock, mut looked) = (Clock::system(), false);
    let start = clock.monotonic();
    while !looked && clock.monotonic().saturating_duration_since(start) < look_within {
        looked = look::look_on(&tree).map_err(corrupt)?;
    }
    Ok(Opened { tree, last, looked })
}

/// Whether there is no journal yet, or one whose making was interrupted: nothing was ever answered from it.
fn is_unused(dir: &Path) -> bool {
    match journal::load(dir) {
        Ok(found) => found.acknowledged == 0 && found.records.is_empty(),
        Err(JournalError::Damaged(_)) => !journal::is_whole(dir),
        Err(_) => false,
    }
}

fn lock(at: At<'_>, within: Duration) -> Result<File, OpenError> {
    let path = at.dir.join("LOCK");
    let file = File::options().write(true).create(true).truncate(false).mode(0o600).open(path);
    let file = file.map_err(|e| at.io(e))?;
    let is_held = |e: &TryLockError| matches!(e, TryLockError::WouldBlock);
    match patiently(within, is_held, || file.try_lock()) {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(OpenError::InUse { path: at.dir.to_owned() }),
        Err(TryLockError::Error(e)) => Err(at.io(e)),
    }
}

/// sled panics on some damage and, rarely, never returns: it opens on a thread of its own.
fn open_watched(at: At<'_>, sled_dir: &Path, options: &Options) -> Result<Tree, OpenError> {
    let (sender, opened) = channel();
    let (dir, cache, within) = (sled_dir.to_owned(), options.cache, options.lock_within);
    std::thread::Builder::new()
        .name("opening".to_owned())
        .spawn(move || {
            let outcome = catch_unwind(AssertUnwindSafe(|| Tree::open(&dir, cache, within)));
            // The opener may have given up waiting.
            drop(sender.send(outcome));
        })
        .map_err(|e| at.io(e))?;
    match opened.recv_timeout(options.open_within) {
        Ok(Ok(Ok(tree))) => Ok(tree),
        Ok(Ok(Err(TreeError::InUse))) => Err(OpenError::InUse { path: at.dir.to_owned() }),
        Ok(Ok(Err(TreeError::Io(e)))) => Err(at.io(e)),
        Ok(Ok(Err(TreeError::Corrupt(why)))) => Err(at.corrupt(&why)),
        Ok(Err(_)) => Err(at.corrupt("sled's log cannot be read")),
        Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => {
            Err(at.corrupt(&format!("it did not open within {:?}", options.open_within)))
        }
    }
}

/// Every file of sled's folder and the folders above: sled syncs none of them when it makes them.
fn sync_all(dir: &Path, sled_dir: &Path) -> io::Result<()> {
    for entry in std::fs::read_dir(sled_dir)? {
        File::open(entry?.path())?.sync_all()?;
    }
    let above = dir.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
    for folder in [sled_dir, dir, above] {
        File::open(folder)?.sync_all()?;
    }
    Ok(())
}

/// The folder that an error is about.
#[derive(Clone, Copy)]
struct At<'a> {
    dir: &'a Path,
    /// Octets that have to be free.
    wanted: u64,
}

impl At<'_> {
    fn io(self, source: io::Error) -> OpenError {
        let path = self.dir.to_owned();
        if room::is_full(&source) {
            return OpenError::Full { path, wanted: self.wanted };
        }
        OpenError::Io { path, source }
    }

    fn fault(self, error: &StoreError) -> OpenError {
        match error {
            StoreError::NoRoom => OpenError::Full { path: self.dir.to_owned(), wanted: self.wanted },
            StoreError::Failed(why) => self.corrupt(why),
            error => self.corrupt(&error.to_string()),
        }
    }

    fn corrupt(self, why: &str) -> OpenError {
        OpenError::Corrupt { path: self.dir.to_owned(), why: why.to_owned() }
    }

    fn too_new(self, found: u32) -> OpenError {
        OpenError::TooNew { path: self.dir.to_owned(), found }
    }
}
