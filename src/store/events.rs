//! The trail of events: one record for each event, and one that says where the chain begins and ends.
//!
//! A move writes its events in the transaction of what they tell of, so that after a crash both are there or neither.
//! An event stands on disk as its format octet, its hash, its fields and a checksum; the hash is over the number, the
//! hash before it, the format octet and the fields, as they are on disk, so that an event stays what it was when a
//! later version gives events other fields.

use serde::{Deserialize, Serialize};

use super::engine::Order;
use super::record::{self, Stored, record};
use super::records::Records;
use super::tables::{EVENT_ENDS, EVENTS};
use super::{StoreError, Tx};
use crate::clock::Timestamp;
use crate::secret::Key;
use crate::trail::{
    About, Audit, Ends, Event, Hash, Inbox, Linked, Message, Modem, Recovery, SealedEnds, Verification,
};

/// The format of an event's fields.
const FORMAT: u8 = 1;

/// Reading: the events.
pub trait EventRecords: Records {
    /// Where the chain begins and ends, as it stands; nothing before there was any event.
    fn event_ends(&self) -> Result<Option<SealedEnds>, StoreError> {
        EVENT_ENDS.get(self, &[])
    }

    /// At most `limit` events behind this one, in order.
    fn events_after(&self, after: u64, limit: usize) -> Result<Vec<(u64, Linked<Event>)>, StoreError> {
        EVENTS.list(self, EVENTS.behind(&after), limit)
    }

    /// The last of at most `limit` events, the oldest, that happened before `cutoff`.
    fn last_event_before(&self, cutoff: Timestamp, limit: usize) -> Result<Option<u64>, StoreError> {
        let (mut last, mut seen) = (None, 0);
        EVENTS.scan(self, EVENTS.all(), Order::Ascending, |key, found| {
            let older = found.event.since < cutoff;
            if older {
                last = EVENTS.key_in(key).or(last);
            }
            seen += 1;
            Ok(older && seen < limit)
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
        let mut ends = self.known_ends(key)?;
        let first = ends.last + 1;
        for event in events {
            let octets = self.note(record::framed(FORMAT, event))?;
            let link = ends.append(key, &octets);
            let record = self.note(linked(&octets, &link.hash))?;
            self.put(EVENTS.key(&link.id), record);
        }
        EVENT_ENDS.put(self, &[], &ends.seal(key))?;
        Ok(first)
    }

    /// Forgets all events up to this one. The chain then begins behind it. Answers how many are forgotten.
    pub fn cut_events(&mut self, key: &Key, upto: u64) -> Result<u64, StoreError> {
        let mut ends = self.known_ends(key)?;
        let Some(gone) = EVENTS.get(self, &upto)?.filter(|_| (ends.first..=ends.last).contains(&upto)) else {
            return Ok(0);
        };
        let count = upto + 1 - ends.first;
        for id in ends.first..=upto {
            EVENTS.delete(self, &id)?;
        }
        ends.cut(upto, gone.hash);
        EVENT_ENDS.put(self, &[], &ends.seal(key))?;
        Ok(count)
    }

    /// The ends that this daemon wrote. Ends that somebody else changed are taken over with a break in the chain, so
    /// that nothing that is written from now on makes the change look as if it had been the daemon's.
    fn known_ends(&self, key: &Key) -> Result<Ends, StoreError> {
        Ok(match self.event_ends()? {
            None => self.lost_ends(key)?,
            Some(sealed) if sealed.is_genuine(key) => sealed.ends,
            Some(sealed) => sealed.ends.broken(key),
        })
    }

    /// The ends where no record says any: there was no event yet, or the record is lost. Then no number is given twice,
    /// and the chain has a break.
    fn lost_ends(&self, key: &Key) -> Result<Ends, StoreError> {
        let end = |order| Ok(EVENTS.keys(self, EVENTS.all(), order, 1)?.pop());
        match (end(Order::Ascending)?, end(Order::Descending)?) {
            (Some(first), Some(last)) => Ok(Ends { first, last, ..Ends::default() }.broken(key)),
            _ => Ok(Ends::default()),
        }
    }
}

pub(super) fn encode(event: &Linked<Event>) -> Result<Vec<u8>, StoreError> {
    linked(&event.octets, &event.hash)
}

/// The record of an event: its hash stands behind the format octet.
fn linked(octets: &[u8], hash: &Hash) -> Result<Vec<u8>, StoreError> {
    let (format, fields) =
        octets.split_at_checked(1).ok_or(StoreError::Aborted("an event without octets"))?;
    record::checked([format, hash, fields].concat())
}

pub(super) fn decode(bytes: &[u8]) -> Result<Linked<Event>, &'static str> {
    let (format, body) = record::unframed(bytes)?;
    let (hash, fields) = body.split_first_chunk::<{ size_of::<Hash>() }>().ok_or("it is too short")?;
    if format != FORMAT {
        return Err(record::NEWER);
    }
    let event = record::fields(fields)?;
    Ok(Linked { event, octets: [&[format], fields].concat(), hash: *hash })
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
