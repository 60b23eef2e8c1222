//! The engine without a disk, for tests and simulations: the same semantics, gone when it is dropped.

use std::collections::BTreeMap;
use std::ops::{Bound, Range};
use std::sync::{PoisonError, RwLock};

use super::StoreError;
use super::engine::{Engine, Order, Overlay, Pair};

/// A sorted map.
#[derive(Debug, Default)]
pub struct Memory(RwLock<BTreeMap<Vec<u8>, Vec<u8>>>);

impl Engine for Memory {
    fn load(&self, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        Ok(self.0.read().unwrap_or_else(PoisonError::into_inner).get(key).cloned())
    }

    fn chunk(&self, range: Range<&[u8]>, order: Order, limit: usize) -> Result<Vec<Pair>, StoreError> {
        if range.start >= range.end {
            return Ok(Vec::new());
        }
        let map = self.0.read().unwrap_or_else(PoisonError::into_inner);
        let pairs = map
            .range::<[u8], _>((Bound::Included(range.start), Bound::Excluded(range.end)))
            .map(|(k, v)| (k.clone(), v.clone()));
        Ok(match order {
            Order::Ascending => pairs.take(limit).collect(),
            Order::Descending => pairs.rev().take(limit).collect(),
        })
    }

    fn commit(&self, changes: Overlay) -> Result<(), StoreError> {
        let mut map = self.0.write().unwrap_or_else(PoisonError::into_inner);
        for (key, value) in changes {
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
