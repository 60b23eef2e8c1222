//! The records of delivery reports: those that a message waits for, found by the reference under which a part went
//! out, and those that came before their message was known. All of them expire.

use serde::{Deserialize, Serialize};

use super::check::whole;
use super::engine::Order;
use super::records::{Records, corrupt, read};
use super::table::Table;
use super::{StoreError, Tx, keys, names, record};
use crate::clock::Timestamp;
use crate::id::MessageId;
use crate::inbox::Tag;
use crate::outbox::{Awaited, PartReport, PartState, Report};

/// Names a report that was kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HeldKey(Vec<u8>);

/// Reading what reports are about.
pub trait ReportRecords: Records {
    /// The reports that a message waits for.
    fn awaited(&self, id: MessageId) -> Result<Option<Awaited>, StoreError> {
        let key = keys::awaited(id);
        let value = self.load(&key)?;
        let r =
            value.map(|v| record::decode::<AwaitedRecord>(&v).map_err(|why| corrupt("report", &key, why)));
        Ok(self
            .note(r.transpose())?
            .map(|r| Awaited { message: id, parts: r.parts.into_iter().map(PartReport::from).collect() }))
    }

    /// The messages of which a part went out on this line, a SIM or a modem, under this reference, oldest first;
    /// without a reference, those of which that is in doubt.
    fn expected(&self, line: &str, reference: Option<u8>) -> Result<Vec<MessageId>, StoreError> {
        self.expected_on(&keys::name(line), reference)
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
        let start = keys::expected(line, reference);
        let mut end = start.clone();
        end.extend([0xff; 17]);
        let mut found = Vec::new();
        let prefix = start.len();
        self.scan(start..end, Order::Ascending, &mut |key, _| {
            let id = key.get(prefix..).and_then(|id| id.try_into().ok());
            found.extend(id.map(MessageId::from_bytes));
            true
        })?;
        Ok(found)
    }

    /// The reports that wait for their message, oldest first.
    fn held(&self) -> Result<Vec<(HeldKey, Report)>, StoreError> {
        let mut found = Vec::new();
        let mut fault = None;
        self.scan(keys::all(keys::HELD), Order::Ascending, &mut |key, value| {
            match read::<HeldRecord, Report>("held report", key, value) {
                Ok(report) => found.push((HeldKey(key.to_vec()), report)),
                Err(e) => fault = Some(e),
            }
            fault.is_none()
        })?;
        self.note(fault.map_or(Ok(found), Err))
    }
}

impl<T: Records> ReportRecords for T {}

impl Tx<'_> {
    /// Writes the reports that a message waits for, until then.
    pub fn put_awaited(&mut self, awaited: &Awaited, until: Timestamp) -> Result<(), StoreError> {
        let parts = awaited.parts.iter().map(PartRecord::from).collect();
        let r = AwaitedRecord { parts, expires_at: until.as_millis() };
        self.put_expiring(keys::awaited(awaited.message), "report", &r, |r| r.expires_at)
    }

    /// Lets the message be found by a line and a reference, until then; without a reference, by the line alone.
    pub fn put_expected(
        &mut self,
        line: &str,
        reference: Option<u8>,
        id: MessageId,
        until: Timestamp,
    ) -> Result<(), StoreError> {
        let mut key = keys::expected(&keys::name(line), reference);
        key.extend_from_slice(&id.to_bytes());
        let r = ExpectedRecord { expires_at: until.as_millis() };
        self.put_expiring(key, "expected report", &r, |r| r.expires_at)
    }

    /// Keeps a report whose message is not known yet, until then.
    pub fn put_held(&mut self, report: &Report, tag: &Tag, until: Timestamp) -> Result<(), StoreError> {
        let r = HeldRecord {
            modem: report.modem.clone(),
            sim: report.sim.clone(),
            reference: report.reference,
            recipient: report.recipient.clone(),
            sent_at: report.sent_at.map(Timestamp::as_millis),
            ended_at: report.ended_at.map(Timestamp::as_millis),
            came_at: report.came_at.as_millis(),
            state: StateRecord::from(report.state),
            expires_at: until.as_millis(),
        };
        self.put_expiring(keys::held(report.came_at, tag), "held report", &r, |r| r.expires_at)
    }

    /// Forgets a report that was kept.
    pub fn delete_held(&mut self, key: &HeldKey) -> Result<(), StoreError> {
        self.remove_expiring(&key.0, "held report", |r: &HeldRecord| r.expires_at)
    }
}

/// The look at these records when the store opens.
pub(super) fn check(table: &Table) -> Result<(), StoreError> {
    whole(table, keys::AWAITED, "report", |r: AwaitedRecord| Some(r.expires_at))?;
    whole(table, keys::EXPECTED, "expected report", |r: ExpectedRecord| Some(r.expires_at))?;
    whole(table, keys::HELD, "held report", |r: HeldRecord| Some(r.expires_at))
}

#[derive(Serialize, Deserialize)]
struct AwaitedRecord {
    parts: Vec<PartRecord>,
    expires_at: u64,
}

#[derive(Serialize, Deserialize)]
struct PartRecord {
    part: u8,
    reference: u8,
    certain: bool,
    state: StateRecord,
}

#[derive(Clone, Copy, Serialize, Deserialize)]
enum StateRecord {
    Open,
    Delivered,
    Failed(u8),
}

#[derive(Serialize, Deserialize)]
struct ExpectedRecord {
    expires_at: u64,
}

#[derive(Serialize, Deserialize)]
struct HeldRecord {
    modem: String,
    sim: String,
    reference: u8,
    recipient: String,
    sent_at: Option<u64>,
    ended_at: Option<u64>,
    came_at: u64,
    state: StateRecord,
    expires_at: u64,
}

impl From<PartState> for StateRecord {
    fn from(state: PartState) -> Self {
        match state {
            PartState::Open => Self::Open,
            PartState::Delivered => Self::Delivered,
            PartState::Failed(status) => Self::Failed(status),
        }
    }
}

impl From<StateRecord> for PartState {
    fn from(state: StateRecord) -> Self {
        match state {
            StateRecord::Open => Self::Open,
            StateRecord::Delivered => Self::Delivered,
            StateRecord::Failed(status) => Self::Failed(status),
        }
    }
}

impl From<&PartReport> for PartRecord {
    fn from(p: &PartReport) -> Self {
        Self { part: p.part, reference: p.reference, certain: p.certain, state: p.state.into() }
    }
}

impl From<PartRecord> for PartReport {
    fn from(r: PartRecord) -> Self {
        Self { part: r.part, reference: r.reference, certain: r.certain, state: r.state.into() }
    }
}

impl TryFrom<HeldRecord> for Report {
    type Error = &'static str;

    fn try_from(r: HeldRecord) -> Result<Self, &'static str> {
        Ok(Self {
            modem: r.modem,
            sim: r.sim,
            reference: r.reference,
            recipient: r.recipient,
            sent_at: r.sent_at.map(Timestamp::from_millis),
            ended_at: r.ended_at.map(Timestamp::from_millis),
            came_at: Timestamp::from_millis(r.came_at),
            state: r.state.into(),
        })
    }
}
