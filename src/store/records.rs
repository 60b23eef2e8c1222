//! The records by name: what may be read of them anywhere, and what a move may write. A write keeps the indexes
//! with its record.

use std::collections::HashSet;
use std::ops::Range;

use super::engine::{Order, Pair, Visit, walk};
use super::keys::{Key, hash, keyed};
use super::table::{AGES, Table, hour};
use super::tables::{
    ANSWERS, EXPIRIES, IDEMPOTENCY, INBOUND, LEDGERS, LIVE, MESSAGES, META, NEWEST, RECIPIENTS, VERIFICATIONS,
};
use super::{StoreError, Tx};
use crate::clock::{Steady, Timestamp};
use crate::id::{MessageId, VerificationId};
use crate::otp::{Verification, VerificationStatus};
use crate::outbox::{Ledger, Message, MessageStatus};
use crate::phone::PhoneNumber;
use crate::secret::Key as Sealer;

/// What an idempotency key stands for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Idempotency {
    /// Of the request that came with it.
    pub digest: [u8; 32],
    /// The id of what was made.
    pub subject: String,
    /// When the key is free again.
    pub expires_at: Steady,
}

/// What a check or a resend with an idempotency key answered: what of the verification may have changed since.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answered {
    /// Of the request that came with the key.
    pub digest: [u8; 32],
    /// The verification.
    pub id: VerificationId,
    /// Whether that request approved it.
    pub approved: bool,
    /// Its status then.
    pub status: VerificationStatus,
    /// How many checks it had left.
    pub attempts_left: u32,
    /// The earliest moment of a resend, as it was then.
    pub resend_at: Timestamp,
    /// Its newest message then.
    pub message: MessageId,
    /// The status of that message then.
    pub message_status: MessageStatus,
    /// When the key is free again.
    pub expires_at: Steady,
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

    /// What opens the personal parts of records; nothing before the store has it.
    #[doc(hidden)]
    fn key(&self) -> Option<&Sealer> {
        None
    }

    /// Where something has its place that is found by these names.
    #[doc(hidden)]
    fn place(&self, names: &[&str]) -> Result<[u8; 16], StoreError> {
        let key = self.key().ok_or(StoreError::Aborted("the store has no key yet"));
        self.note(key.map(|key| keyed(key, &hash(names))))
    }

    /// A verification.
    fn verification(&self, id: VerificationId) -> Result<Option<Verification>, StoreError> {
        VERIFICATIONS.get(self, &id)
    }

    /// The newest verification that a client made for a number and service; without a client, the newest of those that
    /// no client of a name made.
    fn newest_verification(
        &self,
        to: &PhoneNumber,
        service: &str,
        client: Option<&str>,
    ) -> Result<Option<VerificationId>, StoreError> {
        // Before clients had places of their own, the newest of all of them stood in the place without a client.
        for place in [client, None] {
            if let Some(id) = NEWEST.pointer(self, &newest_key(self, to, service, place)?)?
                && self.verification(id)?.is_some_and(|v| v.client.as_deref() == client)
            {
                return Ok(Some(id));
            }
        }
        Ok(None)
    }

    /// When at most `limit` pending verifications end behind this place, soonest first.
    fn pending_verifications(
        &self,
        after: (Steady, VerificationId),
        limit: usize,
    ) -> Result<Vec<(Steady, VerificationId)>, StoreError> {
        EXPIRIES.keys(self, EXPIRIES.behind(&after), Order::Ascending, limit)
    }

    /// At most `limit` inbound verifications of a number that are pending, newest first.
    fn inbound_verifications(
        &self,
        to: &PhoneNumber,
        limit: usize,
    ) -> Result<Vec<VerificationId>, StoreError> {
        let range = INBOUND.under(&self.place(&[to.as_str()])?);
        let found = INBOUND.keys(self, range, Order::Descending, limit)?;
        Ok(found.into_iter().map(|(_, id)| id).collect())
    }

    /// A message.
    fn message(&self, id: MessageId) -> Result<Option<Message>, StoreError> {
        MESSAGES.get(self, &id)
    }

    /// The messages that are queued or on the air, oldest first.
    fn live_messages(&self) -> Result<Vec<Message>, StoreError> {
        Ok(self.some_live_messages(None, usize::MAX)?.0)
    }

    /// At most `limit` of them that are newer than `after`; and the id of the last one, when there may be more.
    fn some_live_messages(
        &self,
        after: Option<MessageId>,
        limit: usize,
    ) -> Result<(Vec<Message>, Option<MessageId>), StoreError> {
        let (ids, last) = self.some_live_ids(after, limit)?;
        let found = ids.into_iter().filter_map(|id| self.message(id).transpose());
        Ok((found.collect::<Result<_, _>>()?, last))
    }

    /// The ids of those, alone.
    fn some_live_ids(
        &self,
        after: Option<MessageId>,
        limit: usize,
    ) -> Result<(Vec<MessageId>, Option<MessageId>), StoreError> {
        let range = after.map_or_else(|| LIVE.all(), |last| LIVE.behind(&last));
        let ids = LIVE.keys(self, range, Order::Ascending, limit)?;
        let last = ids.last().copied().filter(|_| ids.len() >= limit);
        Ok((ids, last))
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
        newest_first(self, &MESSAGES, limit, before, wanted)
    }

    /// At most `limit` verifications that `wanted` takes, newest first, older than `before`.
    fn verifications(
        &self,
        limit: usize,
        before: Option<VerificationId>,
        wanted: impl Fn(&Verification) -> bool,
    ) -> Result<Vec<Verification>, StoreError>
    where
        Self: Sized,
    {
        newest_first(self, &VERIFICATIONS, limit, before, wanted)
    }

    /// At most `limit` ended verifications that were issued before `cutoff` and that `wanted` takes.
    fn ended_verifications_before(
        &self,
        cutoff: Steady,
        limit: usize,
        wanted: impl Fn(&Verification) -> bool,
    ) -> Result<Vec<VerificationId>, StoreError>
    where
        Self: Sized,
    {
        let (mut found, first) = (Vec::new(), VerificationId::first_at(cutoff));
        VERIFICATIONS.scan(self, VERIFICATIONS.all(), Order::Ascending, |_, v| {
            // Ids sort by time: nothing behind this one is older.
            let older = v.id < first;
            if older && v.status != VerificationStatus::Pending && wanted(&v) {
                found.push(v.id);
            }
            Ok(older && found.len() < limit)
        })?;
        Ok(found)
    }

    /// At most `limit` messages that are over, were accepted before `cutoff` and that `wanted` takes.
    fn over_messages_before(
        &self,
        cutoff: Steady,
        limit: usize,
        wanted: impl Fn(&Message) -> bool,
    ) -> Result<Vec<MessageId>, StoreError>
    where
        Self: Sized,
    {
        let (mut found, first) = (Vec::new(), MessageId::first_at(cutoff));
        MESSAGES.scan(self, MESSAGES.all(), Order::Ascending, |_, m| {
            let older = m.id < first;
            if older && m.status.is_over() && wanted(&m) {
                found.push(m.id);
            }
            Ok(older && found.len() < limit)
        })?;
        Ok(found)
    }

    /// What a client's idempotency key stands for.
    fn idempotency(&self, client: &str, key: &str) -> Result<Option<Idempotency>, StoreError> {
        IDEMPOTENCY.get(self, &self.place(&[client, key])?)
    }

    /// What a check or a resend with a client's idempotency key answered.
    fn answered(&self, client: &str, key: &str) -> Result<Option<Answered>, StoreError> {
        ANSWERS.get(self, &self.place(&[client, key])?)
    }

    /// What the idempotency keys that are not free yet stand for.
    fn keyed_subjects(&self, now: Steady) -> Result<HashSet<String>, StoreError> {
        let mut found = HashSet::new();
        IDEMPOTENCY.scan(self, IDEMPOTENCY.all(), Order::Ascending, |_, value| {
            found.extend((value.expires_at > now).then_some(value.subject));
            Ok(true)
        })?;
        ANSWERS.scan(self, ANSWERS.all(), Order::Ascending, |_, value| {
            found.extend((value.expires_at > now).then(|| value.id.to_string()));
            Ok(true)
        })?;
        Ok(found)
    }

    /// A SIM's ledger; an empty one for a new SIM.
    fn ledger(&self, sim: &str) -> Result<Ledger, StoreError> {
        Ok(LEDGERS.get(self, &hash(&[sim]))?.unwrap_or_default())
    }

    /// The recipients that a SIM served in a month, as keyed hashes.
    fn recipients(&self, sim: &str, month: u64) -> Result<Vec<u64>, StoreError> {
        let range = RECIPIENTS.under(&(month, hash(&[sim])));
        let found = RECIPIENTS.keys(self, range, Order::Ascending, usize::MAX)?;
        Ok(found.into_iter().map(|(_, _, recipient)| recipient).collect())
    }

    /// A named value of the store itself.
    fn meta(&self, name: &str) -> Result<Option<Vec<u8>>, StoreError> {
        META.get(self, &name.into())
    }
}

/// At most `limit` records that `wanted` takes, in the reverse order of their ids, which sort by time.
fn newest_first<K: Key, V>(
    from: &impl Records,
    table: &Table<K, V>,
    limit: usize,
    before: Option<K>,
    wanted: impl Fn(&V) -> bool,
) -> Result<Vec<V>, StoreError> {
    let range = before.map_or_else(|| table.all(), |id| table.before(&id));
    let mut found = Vec::new();
    table.scan(from, range, Order::Descending, |_, value| {
        found.extend(Some(value).filter(&wanted));
        Ok(found.len() < limit)
    })?;
    Ok(found)
}

/// Where the newest verification of a number, a service and a client has its place.
fn newest_key(
    of: &(impl Records + ?Sized),
    to: &PhoneNumber,
    service: &str,
    client: Option<&str>,
) -> Result<[u8; 16], StoreError> {
    match client {
        Some(client) => of.place(&[to.as_str(), service, client]),
        None => of.place(&[to.as_str(), service]),
    }
}

/// Where an inbound verification has its place.
fn inbound_key(of: &impl Records, v: &Verification) -> Result<([u8; 16], VerificationId), StoreError> {
    Ok((of.place(&[v.to.as_str()])?, v.id))
}

impl Tx<'_> {
    /// Writes a verification, its places among those that expire and among the inbound ones, and that it is the newest
    /// of its number, service and client.
    pub fn put_verification(&mut self, v: &Verification) -> Result<(), StoreError> {
        let expiry = (v.life.place(), v.id);
        if v.status != VerificationStatus::Pending {
            EXPIRIES.delete(self, &expiry)?;
            if v.inbound {
                let place = inbound_key(self, v)?;
                INBOUND.delete(self, &place)?;
            }
        } else if self.verification(v.id)?.is_none() {
            EXPIRIES.mark(self, &expiry);
            if v.inbound {
                let place = inbound_key(self, v)?;
                INBOUND.mark(self, &place);
            }
            let place = newest_key(self, &v.to, &v.service, v.client.as_deref())?;
            NEWEST.put(self, &place, &v.id.to_bytes().into())?;
        }
        VERIFICATIONS.put(self, &v.id, v)
    }

    /// Forgets a verification.
    pub fn delete_verification(&mut self, id: VerificationId) -> Result<(), StoreError> {
        let Some(v) = self.verification(id)? else { return Ok(()) };
        EXPIRIES.delete(self, &(v.life.place(), id))?;
        if v.inbound {
            let place = inbound_key(self, &v)?;
            INBOUND.delete(self, &place)?;
        }
        for client in [v.client.as_deref(), None] {
            let place = newest_key(self, &v.to, &v.service, client)?;
            if NEWEST.pointer(self, &place)? == Some(id) {
                NEWEST.delete(self, &place)?;
            }
        }
        VERIFICATIONS.delete(self, &id)
    }

    /// Writes a message and whether it is still live.
    pub fn put_message(&mut self, m: &Message) -> Result<(), StoreError> {
        if m.status.is_over() {
            LIVE.delete(self, &m.id)?;
        } else if m.attempts == 0 {
            LIVE.mark(self, &m.id);
        }
        MESSAGES.put(self, &m.id, m)
    }

    /// Forgets a message.
    pub fn delete_message(&mut self, id: MessageId) -> Result<(), StoreError> {
        LIVE.delete(self, &id)?;
        MESSAGES.delete(self, &id)
    }

    /// Remembers what an idempotency key stands for.
    pub fn put_idempotency(
        &mut self,
        client: &str,
        key: &str,
        value: &Idempotency,
    ) -> Result<(), StoreError> {
        let place = self.place(&[client, key])?;
        IDEMPOTENCY.put(self, &place, value)
    }

    /// Remembers what a check or a resend with an idempotency key answered.
    pub fn put_answered(&mut self, client: &str, key: &str, value: &Answered) -> Result<(), StoreError> {
        let place = self.place(&[client, key])?;
        ANSWERS.put(self, &place, value)
    }

    /// Writes a SIM's ledger.
    pub fn put_ledger(&mut self, sim: &str, ledger: &Ledger) -> Result<(), StoreError> {
        LEDGERS.put(self, &hash(&[sim]), ledger)
    }

    /// Notes that a SIM served a recipient, a keyed hash, in a month.
    pub fn put_recipient(&mut self, sim: &str, month: u64, recipient: u64) {
        RECIPIENTS.mark(self, &(month, hash(&[sim]), recipient));
    }

    /// Forgets at most `limit` recipients of months before this one; answers how many.
    pub fn sweep_recipients(&mut self, month: u64, limit: usize) -> Result<usize, StoreError> {
        let gone = RECIPIENTS.keys(self, RECIPIENTS.before(&month), Order::Ascending, limit)?;
        gone.iter().try_for_each(|key| RECIPIENTS.delete(self, key))?;
        Ok(gone.len())
    }

    /// Writes a named value of the store itself.
    pub fn put_meta(&mut self, name: &str, value: &[u8]) {
        self.put(META.key(&name.into()), value.to_vec());
    }

    /// Forgets at most `limit` values of any table whose time was over before this hour; answers how many.
    pub fn sweep_expired(&mut self, now: Steady, limit: usize) -> Result<usize, StoreError> {
        let gone = AGES.keys(self, AGES.before(&hour(now)), Order::Ascending, limit)?;
        for age in &gone {
            self.remove(age.1.clone());
            AGES.delete(self, age)?;
        }
        Ok(gone.len())
    }
}
