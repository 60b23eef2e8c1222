//! The look at every record when the store opens: each is whole, and each index entry has its record.

use super::engine::{Order, walk};
use super::records::{corrupt, id_in, read, read_message, split_expiry};
use super::table::Table;
use super::{StoreError, inbound, keys, names, record, reports};
use crate::id::{MessageId, VerificationId};
use crate::otp::{Verification, VerificationStatus};

/// Reads everything once; the first fault ends it.
pub(super) fn records(table: &Table) -> Result<(), StoreError> {
    each(table, keys::VERIFICATION, |key, value| {
        let v: Verification = read::<record::Verification, _>("verification", key, value)?;
        let indexed = table.load(&keys::expiry(v.expires_at, v.id))?.is_some();
        if indexed == (v.status == VerificationStatus::Pending) {
            Ok(())
        } else {
            Err(corrupt("verification", key, "its place among those that expire does not fit"))
        }
    })?;
    each(table, keys::MESSAGE, |key, value| {
        let m = read_message(key, value)?;
        if table.load(&keys::live(m.id))?.is_some() == m.status.is_over() {
            Err(corrupt("message", key, "its place among the live ones does not fit"))
        } else {
            Ok(())
        }
    })?;
    each(table, keys::LIVE, |key, _| {
        let id = id_in(key).map(MessageId::from_bytes);
        has(table, id.map(keys::message), "live message", key)
    })?;
    each(table, keys::EXPIRY, |key, _| {
        let id = split_expiry(key).map(|(_, id)| id);
        has(table, id.map(keys::verification), "expiry", key)
    })?;
    each(table, keys::NEWEST, |key, value| {
        let id = value.try_into().ok().map(VerificationId::from_bytes);
        has(table, id.map(keys::verification), "newest verification", key)
    })?;
    each(table, keys::AGE, |age, _| has(table, Some(keys::aged(age).to_vec()), "age", age))?;
    whole(table, keys::IDEMPOTENCY, "idempotency", |r: record::Idempotency| Some(r.expires_at))?;
    whole(table, keys::WINDOW, "limit", |r: record::Window| Some(r.expires_at))?;
    each(table, keys::RECIPIENT, |key, value| {
        let whole = key.len() == keys::RECIPIENT_LEN && value.is_empty();
        whole.then_some(()).ok_or_else(|| corrupt("recipient", key, "it is none"))
    })?;
    each(table, keys::LEDGER, |key, value| {
        record::decode_ledger(value).map(drop).map_err(|why| corrupt("ledger", key, why))
    })?;
    names::check(table)?;
    inbound::check(table)?;
    reports::check(table)
}

pub(super) fn each(
    table: &Table,
    kind: u8,
    mut look: impl FnMut(&[u8], &[u8]) -> Result<(), StoreError>,
) -> Result<(), StoreError> {
    let mut seen = Ok(());
    let mut visit = |key: &[u8], value: &[u8]| {
        // A scan touches each page once, and sled evicts none before a shard of its cache counted 64 touches: without
        // this one for each record, all that was ever kept would stay in memory.
        seen = look(key, value).and_then(|()| table.load(key).map(drop));
        seen.is_ok()
    };
    walk(keys::all(kind), Order::Ascending, &mut visit, |range, limit| {
        table.chunk(range, Order::Ascending, limit)
    })?;
    seen
}

pub(super) fn has(
    table: &Table,
    target: Option<Vec<u8>>,
    kind: &'static str,
    key: &[u8],
) -> Result<(), StoreError> {
    let found = match target {
        Some(target) => table.load(&target)?.is_some(),
        None => false,
    };
    if found { Ok(()) } else { Err(corrupt(kind, key, "what it points to is not there")) }
}

pub(super) fn whole<R: serde::de::DeserializeOwned>(
    table: &Table,
    kind: u8,
    name: &'static str,
    expires_at: impl Fn(R) -> Option<u64>,
) -> Result<(), StoreError> {
    each(table, kind, |key, value| {
        let r = record::decode::<R>(value).map_err(|why| corrupt(name, key, why))?;
        match expires_at(r) {
            Some(at) if table.load(&keys::age(at, key))?.is_none() => {
                Err(corrupt(name, key, "its place among those that expire is not there"))
            }
            _ => Ok(()),
        }
    })
}
