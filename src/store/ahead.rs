//! Reading ahead. A move asks for one key after the other, and where the records are on another machine each that was not
//! read lately takes a way there. So whoever makes a move may have it rehearsed first, where nothing is found and what is
//! written goes nowhere: what it asked for then is read at once for all moves of a group. A rehearsal that misses a key, or
//! has one too many, costs time and nothing else.

use std::collections::BTreeSet;
use std::ops::Range;
use std::sync::{Mutex, PoisonError};

use super::engine::{Engine, Order, Overlay, Pair};
use super::{StoreError, Tx};
use crate::secret::Key;

/// The keys that moves are expected to ask for.
#[derive(Debug, Default)]
pub struct Rehearsed(BTreeSet<Vec<u8>>);

impl Rehearsed {
    /// Each key once.
    pub fn iter(&self) -> impl Iterator<Item = &[u8]> {
        self.0.iter().map(Vec::as_slice)
    }

    /// Takes in what another move is expected to ask for.
    pub(super) fn join(&mut self, mut other: Self) {
        self.0.append(&mut other.0);
    }

    /// What a move asks for that finds nothing.
    pub(super) fn of(key: Option<&Key>, f: impl FnOnce(&mut Tx<'_>)) -> Self {
        let (stage, nothing) = (Stage::default(), Overlay::new());
        f(&mut Tx::new(&stage, &nothing, key));
        Self(stage.0.into_inner().unwrap_or_else(PoisonError::into_inner))
    }
}

/// Records of which there are none; it notes which are asked for.
#[derive(Default)]
struct Stage(Mutex<BTreeSet<Vec<u8>>>);

impl Engine for Stage {
    fn load(&self, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(key.to_vec());
        Ok(None)
    }

    fn chunk(&self, _range: Range<&[u8]>, _order: Order, _limit: usize) -> Result<Vec<Pair>, StoreError> {
        Ok(Vec::new())
    }

    fn commit(&self, _changes: Overlay) -> Result<(), StoreError> {
        Err(StoreError::Aborted("it was rehearsed"))
    }

    fn finish(&self) -> Result<(), StoreError> {
        Ok(())
    }
}
