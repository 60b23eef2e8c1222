//! What the committer needs of an engine: ordered keys, an atomic and durable commit. No type of sled leaks
//! through it. The daemon's engine is in `disk`; the one in `memory` is for tests and simulations.
//!
//! Several hosts may work on one engine's records. Then a group of moves runs in a turn, from `prepare` to `commit` or
//! `release`, in which nobody else commits; and what others committed is told.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::AtomicI64;

use super::StoreError;
use super::ahead::Rehearsed;

/// Changes by key: a value to put, or nothing to delete the key.
pub type Overlay = BTreeMap<Vec<u8>, Option<Vec<u8>>>;

/// A key and its value.
pub type Pair = (Vec<u8>, Vec<u8>);

/// Which end of a range comes first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Order {
    /// Smallest key first.
    Ascending,
    /// Largest key first.
    Descending,
}

/// What a scan calls for each key and value; false ends it.
pub(super) type Visit<'a> = dyn FnMut(&[u8], &[u8]) -> bool + 'a;

/// Hears what others committed.
pub type Told = Box<dyn Fn(&Overlay) + Send + Sync>;

/// Ordered keys and values. One thread commits, any thread reads.
pub trait Engine: Send + Sync {
    /// A key's value, as of the last commit.
    fn load(&self, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError>;
    /// The same for a move of the group that `prepare` began: nobody else commits meanwhile.
    fn load_in_turn(&self, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        self.load(key)
    }
    /// At most `limit` pairs of a range. Owned and bounded: no lock outlives the call, so that a long listing
    /// does not hold up a commit.
    fn chunk(&self, range: Range<&[u8]>, order: Order, limit: usize) -> Result<Vec<Pair>, StoreError>;
    /// Begins a group of moves: whether a commit can follow, and where there are others, the turn. What passes by itself
    /// ([`StoreError::passes`]) may be asked for again; after another error no commit may follow.
    fn prepare(&self) -> Result<(), StoreError> {
        Ok(())
    }
    /// Whether a key that was not read lately takes a way to another machine, so that reading many at once pays.
    fn is_far(&self) -> bool {
        false
    }
    /// Reads at once what the moves of the group that `prepare` began are expected to ask for.
    fn read_ahead(&self, _keys: &Rehearsed) {}
    /// Whether the disk has room for new work, as far as is known.
    fn room(&self) -> Result<(), StoreError> {
        Ok(())
    }
    /// Makes all the changes or none; durable on return. After an error nobody knows what the disk holds, and no
    /// other commit may follow, unless it passes by itself.
    fn commit(&self, changes: Overlay) -> Result<(), StoreError>;
    /// The group that `prepare` began wrote nothing.
    fn release(&self) {}
    /// Has `told` called with what others commit from now on, each commit once and in order, before the next `prepare`
    /// of this engine returns; with a commit of this engine as well whose outcome was not known before.
    fn follow(&self, _told: Told) {}
    /// Everything as it is now, for as long as it takes to read: where others commit as well, nobody here knows in which order
    /// to make their commits again over what a scan saw.
    fn snapshot(&self) -> Result<Option<Arc<dyn Engine>>, StoreError> {
        Ok(None)
    }
    /// How many milliseconds the clock of all hosts is ahead of this machine's time since boot, where there is one.
    fn clock(&self) -> Option<Arc<AtomicI64>> {
        None
    }
    /// The last words before the files close.
    fn finish(&self) -> Result<(), StoreError>;
}

/// Pairs fetched at once: few enough that a listing's first page costs little, many enough for a walk.
const CHUNK: usize = 64;

/// Shows each pair of a range to `visit` until it answers false.
pub(super) fn walk(
    range: Range<Vec<u8>>,
    order: Order,
    visit: &mut Visit<'_>,
    chunk: impl Fn(Range<&[u8]>, usize) -> Result<Vec<Pair>, StoreError>,
) -> Result<(), StoreError> {
    let Range { mut start, mut end } = range;
    while start < end {
        let pairs = chunk(&start..&end, CHUNK)?;
        if !pairs.iter().all(|(key, value)| visit(key, value)) || pairs.len() < CHUNK {
            break;
        }
        if let Some((last, _)) = pairs.into_iter().next_back() {
            match order {
                Order::Ascending => start = after(&last),
                Order::Descending => end = last,
            }
        }
    }
    Ok(())
}

/// The smallest key after `key`.
pub(super) fn after(key: &[u8]) -> Vec<u8> {
    [key, &[0]].concat()
}
