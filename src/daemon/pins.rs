//! PINs that were tried, kept in the store as keyed hashes of SIM and PIN, so that none is tried twice.

use std::fmt;

use futures_util::future::BoxFuture;
use gsm_modem::Pins;

use crate::secret::{Key, Secret};
use crate::store::{Records as _, Store, StoreError, Tx};

const HASH: usize = 32;
/// PINs that are remembered for a SIM: it locks itself long before it has seen so many.
const REMEMBERED: usize = 64;

/// The store, seen as a memory for PINs.
pub(super) struct TriedPins {
    store: Store,
    key: Key,
}

impl TriedPins {
    pub(super) fn new(store: Store, key: Key) -> Self {
        Self { store, key }
    }

    fn record(&self, owner: &str, pin: &Secret<String>) -> (String, [u8; HASH]) {
        let hash = self.key.hash(&[b"pin", owner.as_bytes(), pin.expose().as_bytes()]);
        (format!("pin {owner}"), hash)
    }
}

impl fmt::Debug for TriedPins {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[tried PINs]")
    }
}

impl Pins for TriedPins {
    fn tries(&self, owner: String, pin: Secret<String>) -> BoxFuture<'static, Result<bool, String>> {
        let (name, hash) = self.record(&owner, &pin);
        let store = self.store.clone();
        Box::pin(async move {
            let noted = store.transact(move |tx| note(tx, &name, hash)).await;
            noted.and_then(|inner| inner).map_err(|e| e.to_string())
        })
    }

    fn accepted(&self, owner: String, pin: Secret<String>) -> BoxFuture<'static, ()> {
        let (name, hash) = self.record(&owner, &pin);
        let store = self.store.clone();
        Box::pin(async move {
            let forgotten = store.transact(move |tx| forget(tx, &name, hash)).await;
            if let Err(e) = forgotten.and_then(|inner| inner) {
                tracing::error!("the SIM took its PIN, which could not be noted: {e}");
            }
        })
    }
}

fn note(tx: &mut Tx<'_>, name: &str, hash: [u8; HASH]) -> Result<bool, StoreError> {
    let mut hashes = hashes(tx, name)?;
    if hashes.contains(&hash) {
        return Ok(false);
    }
    if hashes.len() >= REMEMBERED {
        hashes.remove(0);
    }
    hashes.push(hash);
    tx.put_meta(name, hashes.as_flattened());
    Ok(true)
}

fn forget(tx: &mut Tx<'_>, name: &str, hash: [u8; HASH]) -> Result<(), StoreError> {
    let mut hashes = hashes(tx, name)?;
    hashes.retain(|known| *known != hash);
    tx.put_meta(name, hashes.as_flattened());
    Ok(())
}

fn hashes(tx: &Tx<'_>, name: &str) -> Result<Vec<[u8; HASH]>, StoreError> {
    Ok(tx.meta(name)?.map(|value| value.as_chunks().0.to_vec()).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_pin_is_tried_once_unless_it_was_right() {
        let key = Key::from_bytes([3; 32]);
        let store = Store::in_memory();
        let pins = TriedPins::new(store.clone(), key.clone());
        let pin = |digits: &str| Secret::new(digits.to_owned());
        let owner = || String::from("iccid 8941030000000000001");
        assert_eq!(pins.tries(owner(), pin("1111")).await, Ok(true));
        assert_eq!(pins.tries(owner(), pin("1111")).await, Ok(false));
        assert_eq!(pins.tries(owner(), pin("2222")).await, Ok(true), "another PIN in the file");
        assert_eq!(pins.tries(String::from("imei 356938035643809"), pin("1111")).await, Ok(true));
        // A new daemon over the same store.
        let pins = TriedPins::new(store.clone(), key);
        assert_eq!(pins.tries(owner(), pin("1111")).await, Ok(false));
        pins.accepted(owner(), pin("2222")).await;
        assert_eq!(pins.tries(owner(), pin("2222")).await, Ok(true));
        assert_eq!(pins.tries(owner(), pin("1111")).await, Ok(false));
        store.close().await;
        assert!(pins.tries(owner(), pin("3333")).await.is_err(), "what cannot be noted is not tried");
        assert_eq!(format!("{pins:?}"), "[tried PINs]");
    }
}
