//! What the committer needs of a key-value engine: ordered keys, an atomic and durable batch. sled is in
//! `disk`; the engine here keeps everything in memory, for tests of other rooms.

use std::collections::BTreeMap;
use std::sync::{PoisonError, RwLock};

use super::StoreError;

/// A key and its new value, or none to remove it.
pub(super) type Op = (Vec<u8>, Option<Vec<u8>>);

/// Which end of a range comes first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Order {
    /// Smallest key first.
    Ascending,
    /// Largest key first.
    Descending,
}

/// Writes that lie over an engine; none removes the key.
pub(super) type Overlay = BTreeMap<Vec<u8>, Option<Vec<u8>>>;

/// What a scan calls for each key and value; false ends it.
pub(super) type Visit<'a> = dyn FnMut(&[u8], &[u8]) -> bool + 'a;

/// An ordered map on disk.
pub(super) trait Engine: Send + Sync {
    /// A key's value.
    fn load(&self, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError>;
    /// Calls `visit` for the keys from `from` up to, not including, `to`, until it answers false.
    fn scan(&self, from: &[u8], to: &[u8], order: Order, visit: &mut Visit<'_>) -> Result<(), StoreError>;
    /// How many commits there were, over all starts.
    fn sequence(&self) -> u64;
    /// Writes all of the commit with this number or nothing; durable on return.
    fn commit(&self, sequence: u64, ops: Vec<Op>) -> Result<(), StoreError>;
    /// The last words before the files close.
    fn finish(&self) -> Result<(), StoreError>;
}

/// Scans `below` as it looks under the writes `fresh`, which stand in ascending order.
pub(super) fn scan_under(
    mut fresh: Vec<Op>,
    order: Order,
    visit: &mut Visit<'_>,
    below: impl FnOnce(&mut Visit<'_>) -> Result<(), StoreError>,
) -> Result<(), StoreError> {
    // The one that comes first in the wanted order stands last, to be popped.
    if order == Order::Ascending {
        fresh.reverse();
    }
    let before = |a: &[u8], b: &[u8]| if order == Order::Ascending { a < b } else { a > b };
    let mut going = true;
    below(&mut |key, value| {
        while going && fresh.last().is_some_and(|(k, _)| before(k, key)) {
            if let Some((k, Some(v))) = fresh.pop() {
                going = visit(&k, &v);
            }
        }
        if going {
            going = match fresh.pop_if(|(k, _)| k == key) {
                Some((k, Some(v))) => visit(&k, &v),
                Some((_, None)) => true,
                None => visit(key, value),
            };
        }
        going
    })?;
    while going && let Some((k, v)) = fresh.pop() {
        if let Some(v) = v {
            going = visit(&k, &v);
        }
    }
    Ok(())
}

/// Everything in memory.
#[derive(Debug, Default)]
pub(super) struct Memory(RwLock<BTreeMap<Vec<u8>, Vec<u8>>>);

impl Engine for Memory {
    fn load(&self, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        Ok(self.0.read().unwrap_or_else(PoisonError::into_inner).get(key).cloned())
    }

    fn scan(&self, from: &[u8], to: &[u8], order: Order, visit: &mut Visit<'_>) -> Result<(), StoreError> {
        let map = self.0.read().unwrap_or_else(PoisonError::into_inner);
        let mut range = map.range(from.to_vec()..to.to_vec());
        while let Some((k, v)) = if order == Order::Ascending { range.next() } else { range.next_back() } {
            if !visit(k, v) {
                break;
            }
        }
        Ok(())
    }

    fn sequence(&self) -> u64 {
        0
    }

    fn commit(&self, _: u64, ops: Vec<Op>) -> Result<(), StoreError> {
        let mut map = self.0.write().unwrap_or_else(PoisonError::into_inner);
        for (key, value) in ops {
            match value {
                Some(value) => map.insert(key, value),
                None => map.remove(&key),
            };
        }
        Ok(())
    }

    fn finish(&self) -> Result<(), StoreError> {
        Ok(())
    }
}
