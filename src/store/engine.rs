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

/// An ordered map on disk.
pub(super) trait Engine: Send + Sync {
    /// A key's value.
    fn load(&self, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError>;
    /// Calls `visit` for the keys from `from` up to, not including, `to`, until it answers false.
    fn scan(
        &self,
        from: &[u8],
        to: &[u8],
        order: Order,
        visit: &mut dyn FnMut(&[u8], &[u8]) -> bool,
    ) -> Result<(), StoreError>;
    /// Writes all of it or nothing; durable on return.
    fn commit(&self, ops: Vec<Op>) -> Result<(), StoreError>;
    /// The last words before the files close.
    fn finish(&self) -> Result<(), StoreError>;
}

/// Everything in memory.
#[derive(Debug, Default)]
pub(super) struct Memory(RwLock<BTreeMap<Vec<u8>, Vec<u8>>>);

impl Engine for Memory {
    fn load(&self, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        Ok(self.0.read().unwrap_or_else(PoisonError::into_inner).get(key).cloned())
    }

    fn scan(
        &self,
        from: &[u8],
        to: &[u8],
        order: Order,
        visit: &mut dyn FnMut(&[u8], &[u8]) -> bool,
    ) -> Result<(), StoreError> {
        let map = self.0.read().unwrap_or_else(PoisonError::into_inner);
        let mut range = map.range(from.to_vec()..to.to_vec());
        while let Some((k, v)) = if order == Order::Ascending { range.next() } else { range.next_back() } {
            if !visit(k, v) {
                break;
            }
        }
        Ok(())
    }

    fn commit(&self, ops: Vec<Op>) -> Result<(), StoreError> {
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
