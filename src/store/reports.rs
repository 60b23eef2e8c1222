//! The records of delivery reports: those that a message waits for, found by the reference under which a part went
//! out, and those that came before their message was known. All of them expire.

use super::engine::Order;
use super::keys::{Key, hash};
use super::records::Records;
use super::tables::{AWAITED, EXPECTED, HELD};
use super::{StoreError, Tx, names};
use crate::clock::Steady;
use crate::id::MessageId;
use crate::inbox::Tag;
use crate::outbox::{Awaited, Report};

/// Names a report that was kept: when it came, and a tag.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HeldKey(Vec<u8>);

impl Key for HeldKey {
    fn write(&self, key: &mut Vec<u8>) {
        self.0.write(key);
    }

    fn take(rest: &mut &[u8]) -> Option<Self> {
        Key::take(rest).map(Self)
    }
}

/// Reading what reports are about.
pub trait ReportRecords: Records {
    /// The reports that a message waits for.
    fn awaited(&self, id: MessageId) -> Result<Option<Awaited>, StoreError> {
        Ok(AWAITED.get(self, &id)?.map(|(parts, _)| Awaited { message: id, parts }))
    }

    /// The messages of which a part went out on this line, a SIM or a modem, under this reference, oldest first;
    /// without a reference, those of which that is in doubt.
    fn expected(&self, line: &str, reference: Option<u8>) -> Result<Vec<MessageId>, StoreError> {
        self.expected_on(&hash(&[line]), reference)
    }

    /// The same for a SIM, by any of its names.
    fn expected_of_sim(&self, sim: &str, reference: u8) -> Result<Vec<MessageId>, StoreError> {
        let mut found = Vec::new();
        for line in names::hashes_of(self, sim)? {
            found.extend(self.expected_on(&line, Some(reference))?);
        }
        Ok(found)
    }

    #[doc(hidden)]
    fn expected_on(&self, line: &[u8; 16], reference: Option<u8>) -> Result<Vec<MessageId>, StoreError> {
        let range = EXPECTED.under(&(*line, reference));
        let found = EXPECTED.keys(self, range, Order::Ascending, usize::MAX)?;
        Ok(found.into_iter().map(|(_, _, id)| id).collect())
    }

    /// The reports that wait for their message, oldest first.
    fn held(&self) -> Result<Vec<(HeldKey, Report)>, StoreError> {
        let found = HELD.list(self, HELD.all(), usize::MAX)?;
        Ok(found.into_iter().map(|(key, (report, _))| (key, report)).collect())
    }
}

impl<T: Records> ReportRecords for T {}

impl Tx<'_> {
    /// Writes the reports that a message waits for, until then.
    pub fn put_awaited(&mut self, awaited: &Awaited, until: Steady) -> Result<(), StoreError> {
        AWAITED.put(self, &awaited.message, &(awaited.parts.clone(), until))
    }

    /// Lets the message be found by a line and a reference, until then; without a reference, by the line alone.
    pub fn put_expected(
        &mut self,
        line: &str,
        reference: Option<u8>,
        id: MessageId,
        until: Steady,
    ) -> Result<(), StoreError> {
        EXPECTED.put(self, &(hash(&[line]), reference, id), &until)
    }

    /// Keeps a report whose message is not known yet, until then.
    pub fn put_held(&mut self, report: &Report, tag: &Tag, until: Steady) -> Result<(), StoreError> {
        let mut key = HeldKey(Vec::new());
        (report.came_at, *tag).write(&mut key.0);
        HELD.put(self, &key, &(report.clone(), until))
    }

    /// Forgets a report that was kept.
    pub fn delete_held(&mut self, key: &HeldKey) -> Result<(), StoreError> {
        HELD.delete(self, key)
    }
}
