//! The look at every record when the store opens: each is whole, and each index entry has its record.

use super::engine::{Engine, Order};
use super::records::{corrupt, id_in, read, split_expiry};
use super::{StoreError, keys, record};
use crate::id::{MessageId, VerificationId};
use crate::otp::{Verification, VerificationStatus};
use crate::outbox::Message;

/// Reads everything once; the first fault ends it.
pub(super) fn records(engine: &dyn Engine) -> Result<(), StoreError> {
    each(engine, keys::VERIFICATION, |key, value| {
        let v: Verification = read::<record::Verification, _>("verification", key, value)?;
        let indexed = engine.load(&keys::expiry(v.expires_at, v.id))?.is_some();
        if indexed == (v.status == VerificationStatus::Pending) {
            Ok(())
        } else {
            Err(corrupt("verification", key, "its place among those that expire does not fit"))
        }
    })?;
    each(engine, keys::MESSAGE, |key, value| {
        let m: Message = read::<record::Message, _>("message", key, value)?;
        let listed = engine.load(&keys::live(m.id))?.is_some();
        if listed == m.status.is_over() {
            Err(corrupt("message", key, "its place among the live ones does not fit"))
        } else {
            Ok(())
        }
    })?;
    each(engine, keys::LIVE, |key, _| {
        let id = id_in(key).map(MessageId::from_bytes);
        has(engine, id.map(keys::message), "live message", key)
    })?;
    each(engine, keys::EXPIRY, |key, _| {
        let id = split_expiry(key).map(|(_, id)| id);
        has(engine, id.map(keys::verification), "expiry", key)
    })?;
    each(engine, keys::NEWEST, |key, value| {
        let id = value.try_into().ok().map(VerificationId::from_bytes);
        has(engine, id.map(keys::verification), "newest verification", key)
    })?;
    whole::<record::Idempotency>(engine, keys::IDEMPOTENCY, "idempotency")?;
    whole::<record::Window>(engine, keys::WINDOW, "limit")?;
    whole::<record::Ledger>(engine, keys::LEDGER, "ledger")
}

fn each(
    engine: &dyn Engine,
    kind: u8,
    mut look: impl FnMut(&[u8], &[u8]) -> Result<(), StoreError>,
) -> Result<(), StoreError> {
    let (from, to) = keys::all(kind);
    let mut seen = Ok(());
    engine.scan(&from, &to, Order::Ascending, &mut |key, value| {
        seen = look(key, value);
        seen.is_ok()
    })?;
    seen
}

fn has(
    engine: &dyn Engine,
    target: Option<Vec<u8>>,
    kind: &'static str,
    key: &[u8],
) -> Result<(), StoreError> {
    let found = match target {
        Some(target) => engine.load(&target)?.is_some(),
        None => false,
    };
    if found { Ok(()) } else { Err(corrupt(kind, key, "what it points to is not there")) }
}

fn whole<R: serde::de::DeserializeOwned>(
    engine: &dyn Engine,
    kind: u8,
    name: &'static str,
) -> Result<(), StoreError> {
    each(engine, kind, |key, value| {
        record::decode::<R>(value).map(drop).map_err(|why| corrupt(name, key, why))
    })
}
