//! What versions of before kept under hashes without a key, by which a number could be guessed: it is carried over to the
//! hashes with one when the store gets its key. A hash with the key is one over the former hash, so that nobody has to
//! know of what that was.

use super::keys::keyed;
use super::table::Table;
use super::tables::{
    ANSWERS, FORMER_ANSWERS, FORMER_IDEMPOTENCY, FORMER_INBOUND, FORMER_NEWEST, FORMER_OPT_OUTS,
    FORMER_WINDOWS, IDEMPOTENCY, INBOUND, NEWEST, OPT_OUTS, WINDOWS,
};
use super::{Store, StoreError, Tx, keys};
use crate::secret::Key;

/// What is carried over in one commit.
const AT_ONCE: usize = 500;

impl Store {
    /// Gives the store its key: it opens what names a person, and finds records by it. What a version of before kept under
    /// hashes without a key is carried over first, in steps.
    pub async fn unlock(&self, key: &Key) -> Result<(), StoreError> {
        self.set_key(key.clone());
        let mut all = 0;
        loop {
            let key = key.clone();
            let carried = self.transact(move |tx| tx.carry_over(&key, AT_ONCE)).await??;
            all += carried;
            if carried == 0 {
                break;
            }
        }
        if all > 0 {
            tracing::info!("what numbers are found by is hashed with the key now: {all} entries");
        }
        Ok(())
    }
}

impl Tx<'_> {
    /// Carries over at most `limit` entries; answers how many.
    pub(super) fn carry_over(&mut self, key: &Key, limit: usize) -> Result<usize, StoreError> {
        let hashed = |hash: [u8; 16]| keyed(key, &hash);
        let mut left = limit;
        self.carry(&FORMER_OPT_OUTS, &OPT_OUTS, hashed, &mut left)?;
        self.carry(&FORMER_INBOUND, &INBOUND, |(hash, id)| (hashed(hash), id), &mut left)?;
        self.carry(&FORMER_NEWEST, &NEWEST, hashed, &mut left)?;
        self.carry(&FORMER_WINDOWS, &WINDOWS, hashed, &mut left)?;
        self.carry(&FORMER_IDEMPOTENCY, &IDEMPOTENCY, hashed, &mut left)?;
        self.carry(&FORMER_ANSWERS, &ANSWERS, hashed, &mut left)?;
        Ok(limit - left)
    }

    fn carry<K: keys::Key + Copy, V>(
        &mut self,
        from: &Table<K, V>,
        to: &Table<K, V>,
        hashed: impl Fn(K) -> K,
        left: &mut usize,
    ) -> Result<(), StoreError> {
        if *left == 0 {
            return Ok(());
        }
        let found = from.list(self, from.all(), *left)?;
        *left -= found.len();
        for (key, value) in found {
            to.put(self, &hashed(key), &value)?;
            from.delete(self, &key)?;
        }
        Ok(())
    }
}
