//! The engine without a disk, for tests and simulations: the same semantics, gone when it is dropped. Several hosts may
//! have the same records.

use std::collections::BTreeMap;
use std::ops::{Bound, Range};
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use super::StoreError;
use super::engine::{Engine, Order, Overlay, Pair, Told};

/// A sorted map.
#[derive(Default)]
pub struct Memory {
    records: Arc<Records>,
    /// Which of the hosts it is.
    place: usize,
}

#[derive(Default)]
struct Records {
    map: RwLock<BTreeMap<Vec<u8>, Vec<u8>>>,
    hosts: Mutex<Vec<Option<Told>>>,
}

impl Memory {
    /// The same records for one more host, which hears what the others commit. The hosts of one thread take turns by
    /// themselves, since no move waits within its group.
    #[must_use]
    pub fn beside(&self) -> Self {
        let mut hosts = self.records.hosts.lock().unwrap_or_else(PoisonError::into_inner);
        // The first one has no place until it follows.
        let place = hosts.len().max(1);
        hosts.resize_with(place + 1, || None);
        Self { records: Arc::clone(&self.records), place }
    }
}

impl Engine for Memory {
    fn load(&self, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        Ok(self.records.map.read().unwrap_or_else(PoisonError::into_inner).get(key).cloned())
    }

    fn chunk(&self, range: Range<&[u8]>, order: Order, limit: usize) -> Result<Vec<Pair>, StoreError> {
        if range.start >= range.end {
            return Ok(Vec::new());
        }
        let map = self.records.map.read().unwrap_or_else(PoisonError::into_inner);
        let pairs = map
            .range::<[u8], _>((Bound::Included(range.start), Bound::Excluded(range.end)))
            .map(|(k, v)| (k.clone(), v.clone()));
        Ok(match order {
            Order::Ascending => pairs.take(limit).collect(),
            Order::Descending => pairs.rev().take(limit).collect(),
        })
    }

    fn commit(&self, changes: Overlay) -> Result<(), StoreError> {
        {
            let mut map = self.records.map.write().unwrap_or_else(PoisonError::into_inner);
            for (key, value) in &changes {
                match value {
                    Some(value) => map.insert(key.clone(), value.clone()),
                    None => map.remove(key),
                };
            }
        }
        let hosts = self.records.hosts.lock().unwrap_or_else(PoisonError::into_inner);
        let others = hosts.iter().enumerate().filter(|(place, _)| *place != self.place);
        others.filter_map(|(_, told)| told.as_ref()).for_each(|told| told(&changes));
        Ok(())
    }

    fn finish(&self) -> Result<(), StoreError> {
        Ok(())
    }

    fn follow(&self, told: Told) {
        let mut hosts = self.records.hosts.lock().unwrap_or_else(PoisonError::into_inner);
        let places = hosts.len().max(self.place + 1);
        hosts.resize_with(places, || None);
        hosts[self.place] = Some(told);
    }
}
