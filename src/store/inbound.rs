//! The records of received messages: those that are whole, those that still lack parts, what was seen before, and
//! the numbers that opted out.

use std::ops::Range;

use serde::{Deserialize, Serialize};

use super::check::{each, has, whole};
use super::engine::Order;
use super::records::{Records, corrupt, id_in, read};
use super::table::Table;
use super::{StoreError, Tx, keys, record};
use crate::clock::Timestamp;
use crate::id::InboxId;
use crate::inbox::{Assembly, Content, Entry, OptOut, Sender, Tag};
use crate::phone::PhoneNumber;
use crate::secret::Sealed;

/// Octets of a body in one record: a record has 6 KiB at most.
const CHUNK: usize = 4096;

/// Reading what came in.
pub trait InboxRecords: Records {
    /// A received message.
    fn inbox_entry(&self, id: InboxId) -> Result<Option<Entry>, StoreError> {
        let key = keys::inbox(id);
        let Some(value) = self.load(&key)? else { return Ok(None) };
        let r = self.note(record::decode(&value).map_err(|why| corrupt("inbox", &key, why)))?;
        match join(self, &key, r) {
            // Outside a move, the message may have been forgotten since its record was read.
            Err(_) if self.load(&key)?.is_none() => Ok(None),
            joined => joined.map(Some),
        }
    }

    /// At most `limit` received messages, newest first, older than `before`.
    fn inbox(&self, limit: usize, before: Option<InboxId>) -> Result<Vec<Entry>, StoreError> {
        let mut range = keys::all(keys::INBOX);
        if let Some(id) = before {
            range.end = keys::inbox(id);
        }
        let ids = self.inbox_ids(range, Order::Descending, limit)?;
        let mut found = Vec::with_capacity(ids.len());
        for id in ids {
            found.extend(self.inbox_entry(id)?);
        }
        Ok(found)
    }

    /// At most `limit` messages that were received before `cutoff`.
    fn inbox_before(&self, cutoff: Timestamp, limit: usize) -> Result<Vec<InboxId>, StoreError> {
        // Ids sort by time, to the millisecond.
        let end = keys::inbox(InboxId::first_at(cutoff));
        self.inbox_ids(keys::all(keys::INBOX).start..end, Order::Ascending, limit)
    }

    #[doc(hidden)]
    fn inbox_ids(
        &self,
        range: Range<Vec<u8>>,
        order: Order,
        limit: usize,
    ) -> Result<Vec<InboxId>, StoreError> {
        let mut ids = Vec::new();
        if limit > 0 {
            self.scan(range, order, &mut |key, _| {
                ids.extend(id_in(key).map(InboxId::from_bytes));
                ids.len() < limit
            })?;
        }
        Ok(ids)
    }

    /// Whether this came before, as far as that is remembered at `now`.
    fn seen(&self, tag: &Tag, now: Timestamp) -> Result<bool, StoreError> {
        let key = keys::tagged(keys::SEEN, tag);
        let value = self.load(&key)?;
        let r = value.map(|v| record::decode::<SeenRecord>(&v).map_err(|why| corrupt("seen", &key, why)));
        Ok(self.note(r.transpose())?.is_some_and(|r| r.expires_at > now.as_millis()))
    }

    /// The message that another one of this tag takes the place of.
    fn replaceable(&self, tag: &Tag) -> Result<Option<InboxId>, StoreError> {
        let id = self.load(&keys::tagged(keys::REPLACEABLE, tag))?;
        Ok(id.and_then(|id| id.try_into().ok()).map(InboxId::from_bytes))
    }

    /// A message that lacks parts.
    fn assembly(&self, tag: &Tag) -> Result<Option<Assembly>, StoreError> {
        let key = keys::tagged(keys::ASSEMBLY, tag);
        let value = self.load(&key)?;
        self.note(value.map(|v| read::<AssemblyRecord, _>("assembly", &key, &v)).transpose())
    }

    /// All messages that lack parts.
    fn assemblies(&self) -> Result<Vec<(Tag, Assembly)>, StoreError> {
        let mut found = Vec::new();
        let mut fault = None;
        self.scan(keys::all(keys::ASSEMBLY), Order::Ascending, &mut |key, value| {
            match (id_in(key), read::<AssemblyRecord, Assembly>("assembly", key, value)) {
                (Some(tag), Ok(assembly)) => found.push((tag, assembly)),
                (None, _) => fault = Some(corrupt("assembly", key, "its key is too short")),
                (_, Err(e)) => fault = Some(e),
            }
            fault.is_none()
        })?;
        self.note(fault.map_or(Ok(found), Err))
    }

    /// The sealed PDU of a part.
    fn part(&self, assembly: &Tag, sequence: u8) -> Result<Option<Sealed>, StoreError> {
        let key = keys::part(assembly, sequence);
        let value = self.load(&key)?;
        let octets = value
            .map(|v| record::decode::<Vec<u8>>(&v).map_err(|why| corrupt("part", &key, why)))
            .transpose();
        Ok(self.note(octets)?.map(Sealed::from_bytes))
    }

    /// Whether a number opted out.
    fn opt_out(&self, phone: &PhoneNumber) -> Result<Option<OptOut>, StoreError> {
        let key = keys::opt_out(phone);
        let value = self.load(&key)?;
        self.note(value.map(|v| read::<OptOutRecord, _>("opt-out", &key, &v)).transpose())
    }

    /// At most `limit` numbers that opted out, in the order of their keys, behind the key `after`.
    fn opt_outs(&self, limit: usize, after: Option<Tag>) -> Result<Vec<(Tag, OptOut)>, StoreError> {
        let mut range = keys::all(keys::OPT_OUT);
        if let Some(tag) = after {
            range.start = keys::tagged(keys::OPT_OUT, &tag);
            range.start.push(0);
        }
        let mut found = Vec::new();
        let mut fault = None;
        self.scan(range, Order::Ascending, &mut |key, value| {
            match (id_in(key), read::<OptOutRecord, OptOut>("opt-out", key, value)) {
                (Some(tag), Ok(entry)) => found.push((tag, entry)),
                (None, _) => fault = Some(corrupt("opt-out", key, "its key is too short")),
                (_, Err(e)) => fault = Some(e),
            }
            found.len() < limit && fault.is_none()
        })?;
        self.note(fault.map_or(Ok(found), Err))
    }
}

impl<T: Records> InboxRecords for T {}

/// A message from its record and those that hold the rest of its body.
fn join<S: Records + ?Sized>(source: &S, key: &[u8], mut r: InboxRecord) -> Result<Entry, StoreError> {
    for place in 0..r.rest {
        let rest = keys::inbox_rest(InboxId::from_bytes(r.id), place);
        let value = source.load(&rest)?;
        let chunk = value.ok_or_else(|| corrupt("inbox", key, "a part of its body is not there"));
        let octets = chunk
            .and_then(|chunk| record::decode::<Vec<u8>>(&chunk).map_err(|why| corrupt("inbox", &rest, why)));
        r.body.extend(source.note(octets)?);
    }
    Ok(Entry::from(r))
}

impl Tx<'_> {
    /// Writes a received message; one that it takes the place of is forgotten.
    pub fn put_inbox(&mut self, entry: &Entry) -> Result<(), StoreError> {
        if let Some(tag) = &entry.replaced_by {
            if let Some(older) = self.replaceable(tag)? {
                self.delete_inbox(older)?;
            }
            self.put(keys::tagged(keys::REPLACEABLE, tag), entry.id.to_bytes().to_vec());
        }
        let mut chunks = entry.body.as_bytes().chunks(CHUNK);
        let first = chunks.next().unwrap_or_default();
        let mut rest = 0;
        for chunk in chunks {
            self.put_record(keys::inbox_rest(entry.id, rest), &chunk.to_vec())?;
            rest = self.note(rest.checked_add(1).ok_or(StoreError::Aborted("a body is too large")))?;
        }
        self.put_record(keys::inbox(entry.id), &InboxRecord::new(entry, first, rest))
    }

    /// Forgets a received message.
    pub fn delete_inbox(&mut self, id: InboxId) -> Result<Option<Entry>, StoreError> {
        let Some(entry) = self.inbox_entry(id)? else { return Ok(None) };
        if let Some(tag) = &entry.replaced_by
            && self.replaceable(tag)? == Some(id)
        {
            self.remove(keys::tagged(keys::REPLACEABLE, tag));
        }
        let chunks = entry.body.as_bytes().len().div_ceil(CHUNK);
        for place in 0..u8::try_from(chunks.saturating_sub(1)).unwrap_or(u8::MAX) {
            self.remove(keys::inbox_rest(id, place));
        }
        self.remove(keys::inbox(id));
        Ok(Some(entry))
    }

    /// Remembers that this came, until then.
    pub fn put_seen(&mut self, tag: &Tag, until: Timestamp) -> Result<(), StoreError> {
        let r = SeenRecord { expires_at: until.as_millis() };
        self.put_expiring(keys::tagged(keys::SEEN, tag), "seen", &r, |r| r.expires_at)
    }

    /// Writes what is known of a message that lacks parts.
    pub fn put_assembly(&mut self, tag: &Tag, assembly: &Assembly) -> Result<(), StoreError> {
        let r = AssemblyRecord {
            modem: assembly.modem.clone(),
            since: assembly.since.as_millis(),
            total: assembly.total,
            have: assembly.have.clone(),
        };
        self.put_record(keys::tagged(keys::ASSEMBLY, tag), &r)
    }

    /// Writes a part of such a message.
    pub fn put_part(&mut self, assembly: &Tag, sequence: u8, pdu: &Sealed) -> Result<(), StoreError> {
        self.put_record(keys::part(assembly, sequence), &pdu.as_bytes().to_vec())
    }

    /// Forgets a message that lacked parts, and the parts that it had.
    pub fn delete_assembly(&mut self, tag: &Tag) -> Result<(), StoreError> {
        if let Some(assembly) = self.assembly(tag)? {
            for sequence in assembly.have {
                self.remove(keys::part(tag, sequence));
            }
            self.remove(keys::tagged(keys::ASSEMBLY, tag));
        }
        Ok(())
    }

    /// Puts a number on the list of those that opted out.
    pub fn put_opt_out(&mut self, phone: &PhoneNumber, value: &OptOut) -> Result<(), StoreError> {
        let r = OptOutRecord {
            phone: value.phone.as_bytes().to_vec(),
            since: value.since.as_millis(),
            message: value.message.map(InboxId::to_bytes),
        };
        self.put_record(keys::opt_out(phone), &r)
    }

    /// Takes a number off that list; tells whether it was on it.
    pub fn delete_opt_out(&mut self, phone: &PhoneNumber) -> Result<bool, StoreError> {
        let was = self.opt_out(phone)?.is_some();
        if was {
            self.remove(keys::opt_out(phone));
        }
        Ok(was)
    }
}

/// The look at these records when the store opens.
pub(super) fn check(table: &Table) -> Result<(), StoreError> {
    each(table, keys::INBOX, |key, value| {
        let r: InboxRecord = record::decode(value).map_err(|why| corrupt("inbox", key, why))?;
        (0..r.rest).try_for_each(|place| {
            has(table, Some(keys::inbox_rest(InboxId::from_bytes(r.id), place)), "inbox", key)
        })
    })?;
    whole(table, keys::INBOX_REST, "inbox", |_: Vec<u8>| None)?;
    each(table, keys::REPLACEABLE, |key, value| {
        let id = value.try_into().ok().map(InboxId::from_bytes);
        has(table, id.map(keys::inbox), "replaceable", key)
    })?;
    each(table, keys::ASSEMBLY, |key, value| {
        let assembly: Assembly = read::<AssemblyRecord, _>("assembly", key, value)?;
        let tag = id_in(key);
        assembly
            .have
            .iter()
            .try_for_each(|sequence| has(table, tag.map(|tag| keys::part(&tag, *sequence)), "assembly", key))
    })?;
    each(table, keys::PART, |key, value| {
        record::decode::<Vec<u8>>(value).map_err(|why| corrupt("part", key, why))?;
        let assembly = key.get(1..17).and_then(|tag| tag.try_into().ok());
        has(table, assembly.map(|tag: Tag| keys::tagged(keys::ASSEMBLY, &tag)), "part", key)
    })?;
    whole(table, keys::SEEN, "seen", |r: SeenRecord| Some(r.expires_at))?;
    whole(table, keys::OPT_OUT, "opt-out", |_: OptOutRecord| None)
}

#[derive(Serialize, Deserialize)]
struct InboxRecord {
    id: [u8; 16],
    from: String,
    modem: String,
    received_at: u64,
    sent_at: Option<u64>,
    parts: u8,
    missing: Vec<u8>,
    content: ContentRecord,
    class: Option<u8>,
    ports: Option<(u16, u16)>,
    replaced_by: Option<Tag>,
    /// The first octets of the body; `rest` further records have the others.
    body: Vec<u8>,
    rest: u8,
}

#[derive(Serialize, Deserialize)]
enum ContentRecord {
    Text,
    Data,
    Unreadable(String),
}

impl InboxRecord {
    fn new(e: &Entry, body: &[u8], rest: u8) -> Self {
        Self {
            id: e.id.to_bytes(),
            from: e.from.as_str().to_owned(),
            modem: e.modem.clone(),
            received_at: e.received_at.as_millis(),
            sent_at: e.sent_at.map(Timestamp::as_millis),
            parts: e.parts,
            missing: e.missing.clone(),
            content: match &e.content {
                Content::Text => ContentRecord::Text,
                Content::Data => ContentRecord::Data,
                Content::Unreadable(why) => ContentRecord::Unreadable(why.clone()),
            },
            class: e.class,
            ports: e.ports,
            replaced_by: e.replaced_by,
            body: body.to_vec(),
            rest,
        }
    }
}

impl From<InboxRecord> for Entry {
    fn from(r: InboxRecord) -> Self {
        Self {
            id: InboxId::from_bytes(r.id),
            from: Sender::new(r.from),
            modem: r.modem,
            received_at: Timestamp::from_millis(r.received_at),
            sent_at: r.sent_at.map(Timestamp::from_millis),
            parts: r.parts,
            missing: r.missing,
            content: match r.content {
                ContentRecord::Text => Content::Text,
                ContentRecord::Data => Content::Data,
                ContentRecord::Unreadable(why) => Content::Unreadable(why),
            },
            class: r.class,
            ports: r.ports,
            replaced_by: r.replaced_by,
            body: Sealed::from_bytes(r.body),
        }
    }
}

#[derive(Serialize, Deserialize)]
struct SeenRecord {
    expires_at: u64,
}

#[derive(Serialize, Deserialize)]
struct AssemblyRecord {
    modem: String,
    since: u64,
    total: u8,
    have: Vec<u8>,
}

impl TryFrom<AssemblyRecord> for Assembly {
    type Error = &'static str;

    fn try_from(r: AssemblyRecord) -> Result<Self, &'static str> {
        Ok(Self { modem: r.modem, since: Timestamp::from_millis(r.since), total: r.total, have: r.have })
    }
}

#[derive(Serialize, Deserialize)]
struct OptOutRecord {
    phone: Vec<u8>,
    since: u64,
    message: Option<[u8; 16]>,
}

impl TryFrom<OptOutRecord> for OptOut {
    type Error = &'static str;

    fn try_from(r: OptOutRecord) -> Result<Self, &'static str> {
        Ok(Self {
            phone: Sealed::from_bytes(r.phone),
            since: Timestamp::from_millis(r.since),
            message: r.message.map(InboxId::from_bytes),
        })
    }
}
