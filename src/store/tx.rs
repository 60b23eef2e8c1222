//! A move's view of the store: what is committed, under what the group wrote so far, under its own writes.

use std::cell::RefCell;
use std::ops::Range;
use std::sync::Arc;

use super::StoreError;
use super::engine::{Engine, Order, Overlay, Pair};
use super::layered;
use super::listed::Listed;
use super::records::Records;
use crate::secret::Key;

/// A running move. Once one of its calls failed it writes nothing at all, whatever it does with the error.
pub struct Tx<'a> {
    engine: &'a dyn Engine,
    group: &'a Overlay,
    key: Option<&'a Key>,
    own: Overlay,
    /// What it read of the engine, which stays the same while it runs.
    seen: RefCell<Overlay>,
    fault: RefCell<Option<StoreError>>,
}

/// What is committed. Each call sees whole commits; two calls may see different ones.
pub struct View {
    engine: Arc<dyn Engine>,
    listed: Arc<Listed>,
    key: Option<Key>,
}

impl View {
    pub(super) const fn new(engine: Arc<dyn Engine>, listed: Arc<Listed>, key: Option<Key>) -> Self {
        Self { engine, listed, key }
    }

    /// The same, for another view.
    #[cfg(test)]
    pub(super) fn shared(&self) -> Arc<Listed> {
        Arc::clone(&self.listed)
    }

    /// Everything as it is now, where a scan needs that.
    pub(super) fn snapshot(&self) -> Result<Option<Arc<dyn Engine>>, StoreError> {
        self.engine.snapshot()
    }

    /// What listings pass over.
    pub(super) fn listed(&self) -> &Listed {
        &self.listed
    }
}

impl<'a> Tx<'a> {
    pub(super) fn new(engine: &'a dyn Engine, group: &'a Overlay, key: Option<&'a Key>) -> Self {
        Self { engine, group, key, own: Overlay::new(), seen: RefCell::default(), fault: RefCell::default() }
    }

    /// What it wrote, or why none of it counts.
    pub(super) fn finish(self) -> Result<Overlay, StoreError> {
        self.fault.into_inner().map_or(Ok(self.own), Err)
    }

    /// What the engine has: it is asked once for each key, since it may have to ask the disk.
    fn read(&self, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        if let Some(value) = self.seen.borrow().get(key) {
            return Ok(value.clone());
        }
        let value = self.note(self.engine.load_in_turn(key))?;
        self.seen.borrow_mut().insert(key.to_vec(), value.clone());
        Ok(value)
    }

    pub(super) fn put(&mut self, key: Vec<u8>, value: Vec<u8>) {
        self.own.insert(key, Some(value));
    }

    pub(super) fn remove(&mut self, key: Vec<u8>) {
        self.own.insert(key, None);
    }
}

impl Records for View {
    fn load(&self, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        self.engine.load(key)
    }

    fn chunk(&self, range: Range<&[u8]>, order: Order, limit: usize) -> Result<Vec<Pair>, StoreError> {
        self.engine.chunk(range, order, limit)
    }

    fn key(&self) -> Option<&Key> {
        self.key.as_ref()
    }
}

impl Records for Tx<'_> {
    fn load(&self, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        match self.own.get(key).or_else(|| self.group.get(key)) {
            Some(value) => Ok(value.clone()),
            None => self.read(key),
        }
    }

    fn chunk(&self, range: Range<&[u8]>, order: Order, limit: usize) -> Result<Vec<Pair>, StoreError> {
        self.note(layered::scan(&self.own, range, order, limit, |range, limit| {
            layered::scan(self.group, range, order, limit, |range, limit| {
                self.engine.chunk(range, order, limit)
            })
        }))
    }

    fn key(&self) -> Option<&Key> {
        self.key
    }

    fn note<T>(&self, outcome: Result<T, StoreError>) -> Result<T, StoreError> {
        outcome.inspect_err(|error| {
            self.fault.borrow_mut().get_or_insert_with(|| error.clone());
        })
    }
}
