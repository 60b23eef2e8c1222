//! A move's view of the store: what is committed, under what the group wrote so far, under its own writes.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::StoreError;
use super::engine::{Engine, Order};
use super::records::Records;

/// Writes that are not yet committed; none removes the key.
pub(super) type Overlay = BTreeMap<Vec<u8>, Option<Vec<u8>>>;

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
        visit: &mut dyn FnMut(&[u8], &[u8]) -> bool,
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
        visit: &mut dyn FnMut(&[u8], &[u8]) -> bool,
    ) -> Result<(), StoreError> {
        let mut fresh: Overlay =
            self.group.range(from.clone()..to.clone()).map(|(k, v)| (k.clone(), v.clone())).collect();
        fresh.extend(self.own.range(from.clone()..to.clone()).map(|(k, v)| (k.clone(), v.clone())));
        let mut fresh: Vec<_> = fresh.into_iter().collect();
        // The one that comes first in the wanted order stands last, to be popped.
        if order == Order::Ascending {
            fresh.reverse();
        }
        let before = |a: &[u8], b: &[u8]| if order == Order::Ascending { a < b } else { a > b };
        let mut going = true;
        self.engine.scan(&from, &to, order, &mut |key, value| {
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
}
