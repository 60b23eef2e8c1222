//! Whether the disk has room. A commit needs none: the journal's octets exist already. Carrying over to sled does.
//!
//! Below a floor new work is refused and nothing is carried over, so that what is left of the journal serves what is
//! under way. The floor alone proves nothing, since others write to the same disk: before sled writes, room is
//! reserved for its log (`tree`).

use std::io;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};

use super::StoreError;

/// Free octets below which the disk counts as full.
pub(super) const FLOOR: u64 = 16 * 1024 * 1024;

/// The file system of a folder.
pub(super) struct Room {
    dir: PathBuf,
    floor: u64,
    full: AtomicBool,
}

impl Room {
    pub(super) fn new(dir: PathBuf, floor: u64) -> Self {
        Self { dir, floor, full: AtomicBool::new(false) }
    }

    /// What the last look saw.
    pub(super) fn last(&self) -> Result<(), StoreError> {
        if self.full.load(Ordering::Relaxed) { Err(StoreError::NoRoom) } else { Ok(()) }
    }

    /// Looks; the log is told when it changed. A file system that does not tell counts as one with room.
    pub(super) fn look(&self) -> Result<(), StoreError> {
        let was = self.full.load(Ordering::Relaxed);
        // A quarter more ends it than began it, so that it does not flap.
        let wanted = if was { self.floor + self.floor / 4 } else { self.floor };
        let free = free(&self.dir).unwrap_or(u64::MAX);
        self.note(free < wanted, free);
        self.last()
    }

    /// A write met a full disk, whatever the figures say: there may be a quota.
    pub(super) fn met_the_end(&self) {
        self.note(true, free(&self.dir).unwrap_or(0));
    }

    fn note(&self, full: bool, free: u64) {
        if self.full.swap(full, Ordering::Relaxed) == full {
            return;
        }
        let path = self.dir.display();
        let (free, wanted) = (free / 1024, (self.floor + self.floor / 4) / 1024);
        if full {
            tracing::error!(
                "the disk of {path} is full ({free} KiB free): new work is refused. Free {wanted} KiB or more; it goes \
                 on by itself then, and nothing is lost"
            );
        } else {
            tracing::info!("the disk of {path} has room again ({free} KiB free): new work is taken");
        }
    }
}

/// Octets that an ordinary user may still write.
fn free(dir: &std::path::Path) -> io::Result<u64> {
    let disk = rustix::fs::statvfs(dir)?;
    Ok(disk.f_bavail.saturating_mul(disk.f_frsize))
}

/// Whether this is the error of a full disk or a used-up quota.
pub fn is_full(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
}
