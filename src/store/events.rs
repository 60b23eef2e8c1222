//! The trail of events: blocks of events in order, and one record that says where the chain begins and ends.
//!
//! A move writes its events in the transaction of what they tell of, so that after a crash both are there or neither.
//! Most moves add an event or two: as a record each they would cost the engine more than what they tell of. A block
//! stands under the number of its first event, and grows until it is full; of the moves of one commit only its last
//! state is written.
//!
//! On disk a block is its format octet, how many events it has, each event as its length, its hash and its fields, and a
//! checksum. The hash is over the number, the hash before it, the format octet and the fields, as they are on disk, so
//! that an event stays what it was when a later version gives events other fields.

use serde::{Deserialize, Serialize};

use super::engine::Order;
use super::record::{self, Stored, record};
use super::records::Records;
use super::tables::{EVENT_ENDS, EVENTS};
use super::{StoreError, Tx};
use crate::clock::Steady;
use crate::secret::Key;
use crate::trail::{
    About, Audit, Ends, Event, Hash, Inbox, Linked, Message, Modem, Recovery, SealedEnds, Verification,
};

/// The format of a block, and of the fields of its events.
const FORMAT: u8 = 1;
/// A block gets no more events than these, and no further one when it is as large as that.
const MOST: u8 = 32;
const FULL: usize = 3 * 1024;

/// The events of a block.
pub(super) type Block = Vec<Linked<Event>>;

/// Where the chain begins and ends, and the block to which events are added.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) sealed: SealedEnds,
    /// The number of its first event.
    pub(super) tail: u64,
}

/// Reading: the events.
pub trait EventRecords: Records {
    /// Where the chain begins and ends, as it stands; nothing before there was any event.
    fn event_ends(&self) -> Result<Option<SealedEnds>, StoreError> {
        Ok(EVENT_ENDS.get(self, &[])?.map(|place| place.sealed))
    }

    /// At most `limit` events behind this one, in order.
    fn events_after(&self, after: u64, limit: usize) -> Result<Vec<(u64, Linked<Event>)>, StoreError> {
        let next = after.saturating_add(1);
        // The block that has the next event begins before it, or with it.
        let before = EVENTS.all().start..EVENTS.behind(&next).start;
        let first = EVENTS.keys(self, before, Order::Descending, 1)?.pop().unwrap_or(next);
        let mut found = Vec::new();
        EVENTS.scan(self, EVENTS.key(&first)..EVENTS.all().end, Order::Ascending, |key, block| {
            let first = EVENTS.key_in(key).ok_or_else(|| EVENTS.damaged(key, "its key is too short"))?;
            found.extend((first..).zip(block).filter(|(id, _)| *id >= next));
            Ok(found.len() < limit)
        })?;
        found.truncate(limit);
        Ok(found)
    }

    /// The last of at most `limit` events or some more, the oldest, that happened before `cutoff`.
    fn last_event_before(&self, cutoff: Steady, limit: usize) -> Result<Option<u64>, StoreError> {
        let (mut last, mut seen) = (None, 0);
        EVENTS.scan(self, EVENTS.all(), Order::Ascending, |key, block| {
            let older = block.iter().take_while(|found| found.event.since < cutoff).count();
            if let Some(first) = EVENTS.key_in(key).filter(|_| older > 0) {
                last = Some(first + older as u64 - 1);
            }
            seen += block.len();
            Ok(older == block.len() && seen < limit)
        })?;
        Ok(last)
    }
}

impl<T: Records + ?Sized> EventRecords for T {}

impl Tx<'_> {
    /// Writes events behind those that are there. Answers the number of the first one.
    pub fn put_events<'e>(
        &mut self,
        key: &Key,
        events: impl IntoIterator<Item = &'e Event>,
    ) -> Result<u64, StoreError> {
        let (mut ends, mut tail) = self.known_ends(key)?;
        let first = ends.last + 1;
        let mut block = self.open_block(tail, first)?;
        for event in events {
            let octets = self.note(record::framed(FORMAT, event))?;
            let link = ends.append(key, &octets);
            if block.as_ref().is_some_and(|block| block[1] >= MOST || block.len() >= FULL) {
                self.put_block(tail, block.take())?;
            }
            if block.is_none() {
                tail = link.id;
            }
            let added = add(block.get_or_insert_with(|| vec![FORMAT, 0]), &link.hash, &octets[1..]);
            self.note(added)?;
        }
        self.put_block(tail, block)?;
        EVENT_ENDS.put(self, &[], &Place { sealed: ends.seal(key), tail })?;
        Ok(first)
    }

    /// Forgets all events up to this one. The chain then begins behind it. Answers how many are forgotten.
    pub fn cut_events(&mut self, key: &Key, upto: u64) -> Result<u64, StoreError> {
        let (mut ends, mut tail) = self.known_ends(key)?;
        if !(ends.first..=ends.last).contains(&upto) {
            return Ok(0);
        }
        let next = upto + 1;
        let blocks = EVENTS.keys(self, EVENTS.before(&next), Order::Ascending, usize::MAX)?;
        let Some(&last) = blocks.last() else { return Ok(0) };
        let mut gone = EVENTS.get(self, &last)?.unwrap_or_default();
        let rest = gone.split_off(gone.len().min(usize::try_from(next - last).unwrap_or(usize::MAX)));
        for block in blocks {
            EVENTS.delete(self, &block)?;
        }
        if !rest.is_empty() {
            EVENTS.put(self, &next, &rest)?;
            tail = if tail == last { next } else { tail };
        }
        let count = next - ends.first;
        ends.cut(upto, gone.last().map(|event| event.hash).unwrap_or_default());
        EVENT_ENDS.put(self, &[], &Place { sealed: ends.seal(key), tail })?;
        Ok(count)
    }

    /// The number that the next event will have.
    pub(super) fn next_event(&self, key: &Key) -> Result<u64, StoreError> {
        Ok(self.known_ends(key)?.0.last + 1)
    }

    /// The trail goes on under other keys.
    pub(super) fn hand_over_events(&mut self, from: &Key, to: &Key) -> Result<(), StoreError> {
        let (ends, tail) = self.known_ends(from)?;
        EVENT_ENDS.put(self, &[], &Place { sealed: ends.seal(to), tail })
    }

    /// The ends that this daemon wrote, and the block to which events are added. Ends that somebody else changed are
    /// taken over with a break in the chain, so that nothing that is written from now on makes the change look as if it
    /// had been the daemon's.
    fn known_ends(&self, key: &Key) -> Result<(Ends, u64), StoreError> {
        Ok(match EVENT_ENDS.get(self, &[])? {
            None => (self.lost_ends(key)?, 0),
            Some(Place { sealed, tail }) if sealed.is_genuine(key) => (sealed.ends, tail),
            Some(Place { sealed, .. }) => (sealed.ends.broken(key), 0),
        })
    }

    /// The ends where no record says any: there was no event yet, or the record is lost. Then no number is given twice,
    /// and the chain has a break.
    fn lost_ends(&self, key: &Key) -> Result<Ends, StoreError> {
        let end = |order| Ok(EVENTS.keys(self, EVENTS.all(), order, 1)?.pop());
        let (Some(first), Some(tail)) = (end(Order::Ascending)?, end(Order::Descending)?) else {
            return Ok(Ends::default());
        };
        let count = EVENTS.get(self, &tail)?.map_or(0, |block| block.len() as u64);
        Ok(Ends { first, last: (tail + count).saturating_sub(1), ..Ends::default() }.broken(key))
    }

    /// The octets of the block that ends right before the event `next`, without their checksum.
    fn open_block(&self, tail: u64, next: u64) -> Result<Option<Vec<u8>>, StoreError> {
        let Some(mut octets) = self.load(&EVENTS.key(&tail))? else { return Ok(None) };
        let fits = record::unframed(&octets).is_ok_and(|(format, body)| {
            format == FORMAT && tail + u64::from(body.first().copied().unwrap_or(0)) == next
        });
        octets.truncate(octets.len().saturating_sub(size_of::<u32>()));
        Ok(Some(octets).filter(|_| fits))
    }

    fn put_block(&mut self, first: u64, block: Option<Vec<u8>>) -> Result<(), StoreError> {
        if let Some(block) = block {
            let record = self.note(record::checked(block))?;
            self.put(EVENTS.key(&first), record);
        }
        Ok(())
    }
}

/// Adds an event to the octets of a block.
fn add(block: &mut Vec<u8>, hash: &Hash, fields: &[u8]) -> Result<(), StoreError> {
    let length = u16::try_from(fields.len()).map_err(|_| StoreError::Aborted("an event is too large"))?;
    block[1] += 1;
    block.extend_from_slice(&length.to_be_bytes());
    block.extend_from_slice(hash);
    block.extend_from_slice(fields);
    Ok(())
}

pub(super) fn encode(block: &Block) -> Result<Vec<u8>, StoreError> {
    let mut octets = vec![FORMAT, 0];
    for event in block {
        add(&mut octets, &event.hash, event.octets.get(1..).unwrap_or_default())?;
    }
    record::checked(octets)
}

pub(super) fn decode(bytes: &[u8]) -> Result<Block, &'static str> {
    const SHORT: &str = "it is too short";
    let (format, body) = record::unframed(bytes)?;
    if format != FORMAT {
        return Err(record::NEWER);
    }
    let (count, mut rest) = body.split_first().ok_or(SHORT)?;
    let mut block = Vec::with_capacity(usize::from(*count));
    for _ in 0..*count {
        let (length, behind) = rest.split_first_chunk::<2>().ok_or(SHORT)?;
        let (hash, behind) = behind.split_first_chunk::<{ size_of::<Hash>() }>().ok_or(SHORT)?;
        let length = usize::from(u16::from_be_bytes(*length));
        let (fields, behind) = behind.split_at_checked(length).ok_or(SHORT)?;
        let event = record::fields(fields)?;
        block.push(Linked { event, octets: [&[format], fields].concat(), hash: *hash });
        rest = behind;
    }
    if rest.is_empty() { Ok(block) } else { Err("something follows its last event") }
}

record! { EventRecord of Event { at: u64, since: u64, by: Option<String>, about: AboutRecord } }

record! {
    VerificationRecord of Verification {
        what: String, id: [u8; 16], owner: Option<String>, service: String, to: String, status: u8,
        attempts_left: u32, created_at: u64, expires_at: u64, resend_at: u64, message: [u8; 16], message_status: u8,
    }
}

record! {
    MessageRecord of Message {
        id: [u8; 16], owner: Option<String>, otp: bool, service: Option<String>, to: String, status: u8, parts: u8,
        encoding: bool, modem: Option<String>, attempts: u32, created_at: u64, sent_at: Option<u64>,
        delivered_at: Option<u64>, error: Option<String>,
    }
}

record! {
    ModemRecord of Modem {
        name: String, state: String, paused: bool, port: String, manufacturer: String, model: String,
        firmware: String, imei: String, operator: Option<String>, registration: String, signal_dbm: Option<i32>,
        pin_tries: Option<u8>, queue: u64, sent_total: u64, failed_total: u64, parts_today: u32,
        parts_this_month: u32, recipients_this_month: u64, health: u8, breaker: String, last_error: Option<String>,
        last_error_at: Option<u64>, counters: Vec<u64>,
    }
}

record! { RecoveryRecord of Recovery { rung: String, took_ms: u64 } }

record! {
    InboxRecord of Inbox {
        id: [u8; 16], from: String, modem: String, received_at: u64, sent_at: Option<u64>, parts: u8,
        missing: Vec<u8>, content: record::ContentRecord, class: Option<u8>, ports: Option<(u16, u16)>,
    }
}

record! { AuditRecord of Audit { action: String, to: Option<String>, detail: String, count: u32 } }

record! { EndsRecord of Ends { first: u64, before: [u8; 16], last: u64, hash: [u8; 16] } }
record! { SealedEndsRecord of SealedEnds { ends: EndsRecord, seal: [u8; 16] } }
record! { PlaceRecord of Place { sealed: SealedEndsRecord, tail: u64 } }

/// In the order of the disk, which only ever grows at the end.
#[derive(Serialize, Deserialize)]
pub(super) enum AboutRecord {
    Verification(VerificationRecord),
    Message(MessageRecord),
    Modem(ModemRecord),
    Recovered(ModemRecord, RecoveryRecord),
    Inbox(InboxRecord),
    Audit(AuditRecord),
}

impl Stored for About {
    type Record = AboutRecord;

    fn stored(&self) -> AboutRecord {
        match self {
            Self::Verification(v) => AboutRecord::Verification(v.stored()),
            Self::Message(m) => AboutRecord::Message(m.stored()),
            Self::Modem(m) => AboutRecord::Modem(m.stored()),
            Self::Recovered(m, r) => AboutRecord::Recovered(m.stored(), r.stored()),
            Self::Inbox(m) => AboutRecord::Inbox(m.stored()),
            Self::Audit(a) => AboutRecord::Audit(a.stored()),
        }
    }

    fn restored(record: AboutRecord) -> Result<Self, &'static str> {
        Ok(match record {
            AboutRecord::Verification(v) => Self::Verification(Stored::restored(v)?),
            AboutRecord::Message(m) => Self::Message(Stored::restored(m)?),
            AboutRecord::Modem(m) => Self::Modem(Stored::restored(m)?),
            AboutRecord::Recovered(m, r) => Self::Recovered(Stored::restored(m)?, Stored::restored(r)?),
            AboutRecord::Inbox(m) => Self::Inbox(Stored::restored(m)?),
            AboutRecord::Audit(a) => Self::Audit(Stored::restored(a)?),
        })
    }
}
