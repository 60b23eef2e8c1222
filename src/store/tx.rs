//! A move's view of the store: what is committed, under what the group wrote so far, under its own writes.

use std::sync::Arc;

use super::StoreError;
use super::engine::{Engine, Order, Overlay, Visit, scan_under};
use super::records::Records;

/// A running move.
pub struct Tx<'a> {
    engine: &'a dyn Engine,
    group: &'a Overlay,
    own: &'a mut Overlay,
}

/// What is committed.
pub struct View(Arc<dyn Engine>);

impl View {
    pub(super) fn new(engine: Arc<dyn Engine>) -> Self {
        Self(engine)
    }
}

impl<'a> Tx<'a> {
    pub(super) fn new(engine: &'a dyn Engine, group: &'a Overlay, own: &'a mut Overlay) -> Self {
        Self { engine, group, own }
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
        self.0.load(key)
    }

    fn scan(
        &self,
        (from, to): (Vec<u8>, Vec<u8>),
        order: Order,
        visit: &mut Visit<'_>,
    ) -> Result<(), StoreError> {
        self.0.scan(&from, &to, order, visit)
    }
}

impl Records for Tx<'_> {
    fn load(&self, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        match self.own.get(key).or_else(|| self.group.get(key)) {
            Some(value) => Ok(value.clone()),
            None => self.engine.load(key),
        }
    }

    fn scan(
        &self,
        (from, to): (Vec<u8>, Vec<u8>),
        order: Order,
        visit: &mut Visit<'_>,
    ) -> Result<(), StoreError> {
        let mut fresh: Overlay =
            self.group.range(from.clone()..to.clone()).map(|(k, v)| (k.clone(), v.clone())).collect();
        fresh.extend(self.own.range(from.clone()..to.clone()).map(|(k, v)| (k.clone(), v.clone())));
        scan_under(fresh.into_iter().collect(), order, visit, |visit| {
            self.engine.scan(&from, &to, order, visit)
        })
    }
}
