//! The records by name: what may be read of them anywhere, and what a move may write. A write keeps the indexes
//! with its record.

use std::collections::HashSet;
use std::ops::Range;

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::engine::{Order, Pair, Visit, walk};
use super::{StoreError, Tx, keys, record};
use crate::clock::Timestamp;
use crate::hex;
use crate::id::{MessageId, VerificationId};
use crate::otp::{Bucket, Verification, VerificationStatus, Window};
use crate::outbox::{Ledger, Message};
use crate::phone::PhoneNumber;

/// What an idempotency key stands for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Idempotency {
    /// Of the request that came with it.
    pub digest: [u8; 32],
    /// The id of what was made.
    pub subject: String,
    /// When the key is free again.
    pub expires_at: Timestamp,
}

/// Reading: of what is committed, or within a move.
pub trait Records {
    /// A key's value.
    #[doc(hidden)]
    fn load(&self, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError>;

    /// At most `limit` pairs of a range.
    #[doc(hidden)]
    fn chunk(&self, range: Range<&[u8]>, order: Order, limit: usize) -> Result<Vec<Pair>, StoreError>;

    /// Calls `visit` for the keys of a half-open range until it answers false.
    #[doc(hidden)]
    fn scan(&self, range: Range<Vec<u8>>, order: Order, visit: &mut Visit<'_>) -> Result<(), StoreError> {
        walk(range, order, visit, |range, limit| self.chunk(range, order, limit))
    }

    /// Notes a fault, so that a move that met one writes nothing.
    #[doc(hidden)]
    fn note<T>(&self, outcome: Result<T, StoreError>) -> Result<T, StoreError> {
        outcome
    }

    /// A verification.
    fn verification(&self, id: VerificationId) -> Result<Option<Verification>, StoreError> {
        let key = keys::verification(id);
        let value = self.load(&key)?;
        self.note(value.map(|v| read::<record::Verification, _>("verification", &key, &v)).transpose())
    }

    /// The newest verification of a number and service.
    fn newest_verification(
        &self,
        to: &PhoneNumber,
        service: &str,
    ) -> Result<Option<VerificationId>, StoreError> {
        let id = self.load(&keys::newest(to, service))?;
        Ok(id.and_then(|id| id.try_into().ok()).map(VerificationId::from_bytes))
    }

    /// When each pending verification ends, soonest first.
    fn pending_verifications(&self) -> Result<Vec<(Timestamp, VerificationId)>, StoreError> {
        let mut found = Vec::new();
        self.scan(keys::all(keys::EXPIRY), Order::Ascending, &mut |key, _| {
            found.extend(split_expiry(key));
            true
        })?;
        Ok(found)
    }

    /// A message.
    fn message(&self, id: MessageId) -> Result<Option<Message>, StoreError> {
        let key = keys::message(id);
        let value = self.load(&key)?;
        self.note(value.map(|v| read_message(&key, &v)).transpose())
    }

    /// The messages that are queued or on the air, oldest first.
    fn live_messages(&self) -> Result<Vec<Message>, StoreError> {
        let mut ids = Vec::new();
        self.scan(keys::all(keys::LIVE), Order::Ascending, &mut |key, _| {
            ids.extend(id_in(key).map(MessageId::from_bytes));
            true
        })?;
        let mut found = Vec::with_capacity(ids.len());
        for id in ids {
            found.extend(self.message(id)?);
        }
        Ok(found)
    }

    /// At most `limit` messages that `wanted` takes, newest first, older than `before`.
    fn messages(
        &self,
        limit: usize,
        before: Option<MessageId>,
        wanted: impl Fn(&Message) -> bool,
    ) -> Result<Vec<Message>, StoreError>
    where
        Self: Sized,
    {
        let mut range = keys::all(keys::MESSAGE);
        if let Some(id) = before {
            range.end = keys::message(id);
        }
        let mut found = Vec::new();
        let mut fault = None;
        self.scan(range, Order::Descending, &mut |key, value| {
            match read_message(key, value) {
                Ok(m) if wanted(&m) => found.push(m),
                Ok(_) => {}
                Err(e) => fault = Some(e),
            }
            found.len() < limit && fault.is_none()
        })?;
        self.note(fault.map_or(Ok(found), Err))
    }

    /// At most `limit` ended verifications that were issued before `cutoff` and that `wanted` takes.
    fn ended_verifications_before(
        &self,
        cutoff: Timestamp,
        limit: usize,
        wanted: impl Fn(&Verification) -> bool,
    ) -> Result<Vec<VerificationId>, StoreError>
    where
        Self: Sized,
    {
        let mut found = Vec::new();
        let mut fault = None;
        self.scan(keys::all(keys::VERIFICATION), Order::Ascending, &mut |key, value| {
            match read::<record::Verification, Verification>("verification", key, value) {
                // Ids sort by time: nothing behind this one is older.
                Ok(v) if v.created_at >= cutoff => return false,
                Ok(v) if v.status != VerificationStatus::Pending && wanted(&v) => found.push(v.id),
                Ok(_) => {}
                Err(e) => fault = Some(e),
            }
            found.len() < limit && fault.is_none()
        })?;
        self.note(fault.map_or(Ok(found), Err))
    }

    /// At most `limit` messages that are over, were accepted before `cutoff` and that `wanted` takes.
    fn over_messages_before(
        &self,
        cutoff: Timestamp,
        limit: usize,
        wanted: impl Fn(&Message) -> bool,
    ) -> Result<Vec<MessageId>, StoreError>
    where
        Self: Sized,
    {
        let mut found = Vec::new();
        let mut fault = None;
        self.scan(keys::all(keys::MESSAGE), Order::Ascending, &mut |key, value| {
            match read_message(key, value) {
                Ok(m) if m.created_at >= cutoff => return false,
                Ok(m) if m.status.is_over() && wanted(&m) => found.push(m.id),
                Ok(_) => {}
                Err(e) => fault = Some(e),
            }
            found.len() < limit && fault.is_none()
        })?;
        self.note(fault.map_or(Ok(found), Err))
    }

    /// What a client's idempotency key stands for.
    fn idempotency(&self, client: &str, key: &str) -> Result<Option<Idempotency>, StoreError> {
        let key = keys::idempotency(client, key);
        let Some(value) = self.load(&key)? else { return Ok(None) };
        let r: record::Idempotency =
            self.note(record::decode(&value).map_err(|why| corrupt("idempotency", &key, why)))?;
        Ok(Some(Idempotency {
            digest: r.digest,
            subject: r.subject,
            expires_at: Timestamp::from_millis(r.expires_at),
        }))
    }

    /// What the idempotency keys that are not free yet stand for.
    fn keyed_subjects(&self, now: Timestamp) -> Result<HashSet<String>, StoreError> {
        let mut found = HashSet::new();
        let mut fault = None;
        self.scan(keys::all(keys::IDEMPOTENCY), Order::Ascending, &mut |key, value| {
            match record::decode::<record::Idempotency>(value) {
                Ok(r) if r.expires_at > now.as_millis() => {
                    found.insert(r.subject);
                }
                Ok(_) => {}
                Err(why) => fault = Some(corrupt("idempotency", key, why)),
            }
            fault.is_none()
        })?;
        self.note(fault.map_or(Ok(found), Err))
    }

    /// A limit's window; an empty one when nothing was counted.
    fn window(&self, name: &str) -> Result<Window, StoreError> {
        let key = keys::window(name);
        let Some(value) = self.load(&key)? else { return Ok(Window::default()) };
        let r: record::Window =
            self.note(record::decode(&value).map_err(|why| corrupt("limit", &key, why)))?;
        let bucket = |(first, last, count)| Bucket {
            first: Timestamp::from_millis(first),
            last: Timestamp::from_millis(last),
            count,
        };
        Ok(Window { buckets: r.buckets.into_iter().map(bucket).collect() })
    }

    /// A SIM's ledger; an empty one for a new SIM.
    fn ledger(&self, sim: &str) -> Result<Ledger, StoreError> {
        let key = keys::ledger(sim);
        let Some(value) = self.load(&key)? else { return Ok(Ledger::default()) };
        self.note(record::decode_ledger(&value).map_err(|why| corrupt("ledger", &key, why)))
    }

    /// The recipients that a SIM served in a month, as keyed hashes.
    fn recipients(&self, sim: &str, month: u64) -> Result<Vec<u64>, StoreError> {
        let mut found = Vec::new();
        self.scan(keys::recipients(sim, month), Order::Ascending, &mut |key, _| {
            found.extend(key.last_chunk().map(|octets| u64::from_be_bytes(*octets)));
            true
        })?;
        Ok(found)
    }

    /// A named value of the store itself.
    fn meta(&self, name: &str) -> Result<Option<Vec<u8>>, StoreError> {
        self.load(&keys::meta(name))
    }
}

impl Tx<'_> {
    /// Writes a verification, its place among those that expire, and that it is the newest of its number.
    pub fn put_verification(&mut self, v: &Verification) -> Result<(), StoreError> {
        let expiry = keys::expiry(v.expires_at, v.id);
        if v.status == VerificationStatus::Pending {
            if self.verification(v.id)?.is_none() {
                self.put(expiry, Vec::new());
                self.put(keys::newest(&v.to, &v.service), v.id.to_bytes().to_vec());
            }
        } else {
            self.remove(expiry);
        }
        self.put_record(keys::verification(v.id), &record::Verification::from(v))?;
        Ok(())
    }

    /// Forgets a verification.
    pub fn delete_verification(&mut self, id: VerificationId) -> Result<(), StoreError> {
        if let Some(v) = self.verification(id)? {
            self.remove(keys::expiry(v.expires_at, id));
            if self.newest_verification(&v.to, &v.service)? == Some(id) {
                self.remove(keys::newest(&v.to, &v.service));
            }
            self.remove(keys::verification(id));
        }
        Ok(())
    }

    /// Writes a message and whether it is still live.
    pub fn put_message(&mut self, m: &Message) -> Result<(), StoreError> {
        let live = keys::live(m.id);
        if m.status.is_over() {
            self.remove(live);
        } else if m.attempts == 0 {
            self.put(live, Vec::new());
        }
        let value = self.note(record::encode_message(m))?;
        self.put(keys::message(m.id), value);
        Ok(())
    }

    /// Forgets a message.
    pub fn delete_message(&mut self, id: MessageId) -> Result<(), StoreError> {
        self.remove(keys::live(id));
        self.remove(keys::message(id));
        Ok(())
    }

    /// Remembers what an idempotency key stands for.
    pub fn put_idempotency(
        &mut self,
        client: &str,
        key: &str,
        value: &Idempotency,
    ) -> Result<(), StoreError> {
        let key = keys::idempotency(client, key);
        let old = self.load(&key)?;
        let old = self.note(aged::<record::Idempotency>("idempotency", &key, old.as_deref()))?;
        self.put_age(&key, old.map(|r| r.expires_at), value.expires_at.as_millis());
        let r = record::Idempotency {
            digest: value.digest,
            subject: value.subject.clone(),
            expires_at: value.expires_at.as_millis(),
        };
        self.put_record(key, &r)?;
        Ok(())
    }

    /// Writes a limit's window; `expires_at`: when nothing in it counts any more.
    pub fn put_window(
        &mut self,
        name: &str,
        window: &Window,
        expires_at: Timestamp,
    ) -> Result<(), StoreError> {
        let key = keys::window(name);
        let old = self.load(&key)?;
        let old = self.note(aged::<record::Window>("limit", &key, old.as_deref()))?;
        self.put_age(&key, old.map(|r| r.expires_at), expires_at.as_millis());
        let bucket = |b: &Bucket| (b.first.as_millis(), b.last.as_millis(), b.count);
        let r = record::Window {
            buckets: window.buckets.iter().map(bucket).collect(),
            expires_at: expires_at.as_millis(),
        };
        self.put_record(key, &r)?;
        Ok(())
    }

    /// Writes a SIM's ledger.
    pub fn put_ledger(&mut self, sim: &str, ledger: &Ledger) -> Result<(), StoreError> {
        let value = self.note(record::encode_ledger(ledger))?;
        self.put(keys::ledger(sim), value);
        Ok(())
    }

    /// Notes that a SIM served a recipient, a keyed hash, in a month.
    pub fn put_recipient(&mut self, sim: &str, month: u64, recipient: u64) {
        self.put(keys::recipient(sim, month, recipient), Vec::new());
    }

    /// Forgets at most `limit` recipients of months before this one; answers how many.
    pub fn sweep_recipients(&mut self, month: u64, limit: usize) -> Result<usize, StoreError> {
        let mut gone = Vec::new();
        if limit > 0 {
            self.scan(keys::recipients_before(month), Order::Ascending, &mut |key, _| {
                gone.push(key.to_vec());
                gone.len() < limit
            })?;
        }
        let count = gone.len();
        for key in gone {
            self.remove(key);
        }
        Ok(count)
    }

    /// Writes a named value of the store itself.
    pub fn put_meta(&mut self, name: &str, value: &[u8]) {
        self.put(keys::meta(name), value.to_vec());
    }

    pub(super) fn put_record(&mut self, key: Vec<u8>, record: &impl Serialize) -> Result<(), StoreError> {
        let value = self.note(record::encode(record))?;
        self.put(key, value);
        Ok(())
    }

    /// Forgets at most `limit` idempotency keys and windows whose time was over before this hour; answers how
    /// many.
    pub fn sweep_expired(&mut self, now: Timestamp, limit: usize) -> Result<usize, StoreError> {
        let start = keys::all(keys::AGE).start;
        let mut gone = Vec::new();
        if limit > 0 {
            self.scan(start..keys::age(now.as_millis(), &[]), Order::Ascending, &mut |age, _| {
                gone.push(age.to_vec());
                gone.len() < limit
            })?;
        }
        let count = gone.len();
        for age in gone {
            self.remove(keys::aged(&age).to_vec());
            self.remove(age);
        }
        Ok(count)
    }

    /// Writes a record and its place among those that expire.
    pub(super) fn put_expiring<R: Serialize + DeserializeOwned>(
        &mut self,
        key: Vec<u8>,
        kind: &'static str,
        record: &R,
        expires_at: impl Fn(&R) -> u64,
    ) -> Result<(), StoreError> {
        let old = self.load(&key)?;
        let old = self.note(aged::<R>(kind, &key, old.as_deref()))?;
        self.put_age(&key, old.map(|r| expires_at(&r)), expires_at(record));
        self.put_record(key, record)
    }

    /// Forgets a record and its place among those that expire.
    pub(super) fn remove_expiring<R: DeserializeOwned>(
        &mut self,
        key: &[u8],
        kind: &'static str,
        expires_at: impl Fn(&R) -> u64,
    ) -> Result<(), StoreError> {
        let old = self.load(key)?;
        if let Some(old) = self.note(aged::<R>(kind, key, old.as_deref()))? {
            self.remove(keys::age(expires_at(&old), key));
            self.remove(key.to_vec());
        }
        Ok(())
    }

    /// Moves a record among those that expire, which are sorted by the hour: most changes leave it in its place.
    fn put_age(&mut self, key: &[u8], old: Option<u64>, expires_at: u64) {
        let age = keys::age(expires_at, key);
        match old.map(|old| keys::age(old, key)) {
            Some(old) if old == age => return,
            Some(old) => self.remove(old),
            None => {}
        }
        self.put(age, Vec::new());
    }
}

fn aged<R: DeserializeOwned>(
    kind: &'static str,
    key: &[u8],
    value: Option<&[u8]>,
) -> Result<Option<R>, StoreError> {
    value.map(|v| record::decode(v).map_err(|why| corrupt(kind, key, why))).transpose()
}

/// Decodes a record into its domain value.
pub(super) fn read<R, T>(kind: &'static str, key: &[u8], value: &[u8]) -> Result<T, StoreError>
where
    R: DeserializeOwned,
    T: TryFrom<R, Error = &'static str>,
{
    record::decode::<R>(value).and_then(T::try_from).map_err(|why| corrupt(kind, key, why))
}

/// Decodes a message.
pub(super) fn read_message(key: &[u8], value: &[u8]) -> Result<Message, StoreError> {
    record::decode_message(value).map_err(|why| corrupt("message", key, why))
}

pub(super) fn corrupt(kind: &'static str, key: &[u8], why: &'static str) -> StoreError {
    StoreError::Corrupt { kind, key: hex::encode(key), why }
}

/// The id behind the kind octet.
pub(super) fn id_in(key: &[u8]) -> Option<[u8; 16]> {
    key.get(1..)?.try_into().ok()
}

/// The parts of a key of the expiry index.
pub(super) fn split_expiry(key: &[u8]) -> Option<(Timestamp, VerificationId)> {
    let at = key.get(1..9)?.try_into().ok()?;
    let id = key.get(9..)?.try_into().ok()?;
    Some((Timestamp::from_millis(u64::from_be_bytes(at)), VerificationId::from_bytes(id)))
}
