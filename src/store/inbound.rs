//! The records of received messages: those that are whole, those that still lack parts, what was seen before, and
//! the numbers that opted out.

use super::engine::Order;
use super::records::Records;
use super::tables::{ASSEMBLIES, INBOX, INBOX_REST, OPT_OUTS, PARTS, REPLACEABLE, SEEN};
use super::{StoreError, Tx};
use crate::clock::Steady;
use crate::id::InboxId;
use crate::inbox::{Assembly, Entry, OptOut, Tag};
use crate::phone::PhoneNumber;
use crate::secret::Sealed;

/// Octets of a body in one record: a record has 6 KiB at most.
const CHUNK: usize = 4096;

/// Reading what came in.
pub trait InboxRecords: Records {
    /// A received message.
    fn inbox_entry(&self, id: InboxId) -> Result<Option<Entry>, StoreError> {
        entry(self, id)
    }

    /// At most `limit` received messages, newest first, older than `before`.
    fn inbox(&self, limit: usize, before: Option<InboxId>) -> Result<Vec<Entry>, StoreError> {
        let range = before.map_or_else(|| INBOX.all(), |id| INBOX.before(&id));
        let ids = INBOX.keys(self, range, Order::Descending, limit)?;
        ids.into_iter().filter_map(|id| self.inbox_entry(id).transpose()).collect()
    }

    /// At most `limit` messages that were received before `cutoff`.
    fn inbox_before(&self, cutoff: Steady, limit: usize) -> Result<Vec<InboxId>, StoreError> {
        // Ids sort by time, to the millisecond.
        INBOX.keys(self, INBOX.before(&InboxId::first_at(cutoff)), Order::Ascending, limit)
    }

    /// Whether this came before, as far as that is remembered at `now`.
    fn seen(&self, tag: &Tag, now: Steady) -> Result<bool, StoreError> {
        Ok(SEEN.get(self, tag)?.is_some_and(|until| until > now))
    }

    /// The message that another one of this tag takes the place of.
    fn replaceable(&self, tag: &Tag) -> Result<Option<InboxId>, StoreError> {
        REPLACEABLE.pointer(self, tag)
    }

    /// A message that lacks parts.
    fn assembly(&self, tag: &Tag) -> Result<Option<Assembly>, StoreError> {
        ASSEMBLIES.get(self, tag)
    }

    /// All messages that lack parts.
    fn assemblies(&self) -> Result<Vec<(Tag, Assembly)>, StoreError> {
        ASSEMBLIES.list(self, ASSEMBLIES.all(), usize::MAX)
    }

    /// The sealed PDU of a part.
    fn part(&self, assembly: &Tag, sequence: u8) -> Result<Option<Sealed>, StoreError> {
        PARTS.get(self, &(*assembly, sequence))
    }

    /// Whether a number opted out.
    fn opt_out(&self, phone: &PhoneNumber) -> Result<Option<OptOut>, StoreError> {
        OPT_OUTS.get(self, &self.place(&[phone.as_str()])?)
    }

    /// At most `limit` numbers that opted out, in the order of their keys, behind the key `after`.
    fn opt_outs(&self, limit: usize, after: Option<Tag>) -> Result<Vec<(Tag, OptOut)>, StoreError> {
        OPT_OUTS.list(self, after.map_or_else(|| OPT_OUTS.all(), |tag| OPT_OUTS.behind(&tag)), limit)
    }
}

impl<T: Records> InboxRecords for T {}

/// A received message.
pub(super) fn entry<S: Records + ?Sized>(source: &S, id: InboxId) -> Result<Option<Entry>, StoreError> {
    let Some((entry, rest)) = INBOX.get(source, &id)? else { return Ok(None) };
    match join(source, entry, rest) {
        // Outside a move, the message may have been forgotten since its record was read.
        Err(_) if !INBOX.has(source, &id)? => Ok(None),
        joined => joined.map(Some),
    }
}

/// A message from its record and those that hold the rest of its body.
fn join<S: Records + ?Sized>(source: &S, entry: Entry, rest: u8) -> Result<Entry, StoreError> {
    let mut body = entry.body.as_bytes().to_vec();
    for place in 0..rest {
        let lost = || INBOX.damaged(&INBOX.key(&entry.id), "a part of its body is not there");
        let chunk = INBOX_REST.get(source, &(entry.id, place))?;
        body.extend_from_slice(source.note(chunk.ok_or_else(lost))?.as_bytes());
    }
    Ok(Entry { body: Sealed::from_bytes(body), ..entry })
}

impl Tx<'_> {
    /// Writes a received message; one that it takes the place of is forgotten.
    pub fn put_inbox(&mut self, entry: &Entry) -> Result<(), StoreError> {
        if let Some(tag) = &entry.replaced_by {
            if let Some(older) = self.replaceable(tag)? {
                self.delete_inbox(older)?;
            }
            REPLACEABLE.put(self, tag, &entry.id.to_bytes().into())?;
        }
        self.put_entry(entry)
    }

    /// Writes the records of a received message alone.
    pub(super) fn put_entry(&mut self, entry: &Entry) -> Result<(), StoreError> {
        let mut chunks = entry.body.as_bytes().chunks(CHUNK).map(|chunk| Sealed::from_bytes(chunk.to_vec()));
        let body = chunks.next().unwrap_or_else(|| Sealed::from_bytes(Vec::new()));
        let mut rest = 0_u8;
        for chunk in chunks {
            INBOX_REST.put(self, &(entry.id, rest), &chunk)?;
            rest = self.note(rest.checked_add(1).ok_or(StoreError::Aborted("a body is too large")))?;
        }
        INBOX.put(self, &entry.id, &(Entry { body, ..entry.clone() }, rest))
    }

    /// Forgets a received message.
    pub fn delete_inbox(&mut self, id: InboxId) -> Result<Option<Entry>, StoreError> {
        let Some(entry) = self.inbox_entry(id)? else { return Ok(None) };
        if let Some(tag) = &entry.replaced_by
            && self.replaceable(tag)? == Some(id)
        {
            REPLACEABLE.delete(self, tag)?;
        }
        let chunks = entry.body.as_bytes().len().div_ceil(CHUNK);
        for place in 0..u8::try_from(chunks.saturating_sub(1)).unwrap_or(u8::MAX) {
            INBOX_REST.delete(self, &(id, place))?;
        }
        INBOX.delete(self, &id)?;
        Ok(Some(entry))
    }

    /// Remembers that this came, until then.
    pub fn put_seen(&mut self, tag: &Tag, until: Steady) -> Result<(), StoreError> {
        SEEN.put(self, tag, &until)
    }

    /// Writes what is known of a message that lacks parts.
    pub fn put_assembly(&mut self, tag: &Tag, assembly: &Assembly) -> Result<(), StoreError> {
        ASSEMBLIES.put(self, tag, assembly)
    }

    /// Writes a part of such a message.
    pub fn put_part(&mut self, assembly: &Tag, sequence: u8, pdu: &Sealed) -> Result<(), StoreError> {
        PARTS.put(self, &(*assembly, sequence), pdu)
    }

    /// Forgets a message that lacked parts, and the parts that it had.
    pub fn delete_assembly(&mut self, tag: &Tag) -> Result<(), StoreError> {
        let Some(assembly) = self.assembly(tag)? else { return Ok(()) };
        for sequence in assembly.have {
            PARTS.delete(self, &(*tag, sequence))?;
        }
        ASSEMBLIES.delete(self, tag)
    }

    /// Puts a number on the list of those that opted out.
    pub fn put_opt_out(&mut self, phone: &PhoneNumber, value: &OptOut) -> Result<(), StoreError> {
        let place = self.place(&[phone.as_str()])?;
        OPT_OUTS.put(self, &place, value)
    }

    /// Takes a number off that list; tells whether it was on it.
    pub fn delete_opt_out(&mut self, phone: &PhoneNumber) -> Result<bool, StoreError> {
        let was = self.opt_out(phone)?.is_some();
        if was {
            let place = self.place(&[phone.as_str()])?;
            OPT_OUTS.delete(self, &place)?;
        }
        Ok(was)
    }
}
