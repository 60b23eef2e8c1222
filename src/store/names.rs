//! The names of SIMs, and which of them are one SIM.
//!
//! A SIM's identity is its ICCID, once that is known: it names the card. An IMSI alone stands for the card that it was
//! last seen with; before it was seen with any, it is an identity of its own, and so is the name of a modem whose SIM
//! told no name. When an ICCID and an IMSI are told together, what was known by the IMSI alone is the card's: the
//! counts move, since one SIM has one ledger; all else stays where it lies and is looked up under every name of the
//! SIM, since much of it stands under keyed hashes that nobody can list, and the rest may be 100,000 recipients.
//! The counts move when the SIM's ledger is asked for, because until then somebody may count on under the old name.
//!
//! An IMSI that comes with another ICCID is a subscription on a new card. The card is another SIM: what was received
//! on the old one stays that one's. The contract is the same, so that a card which was never seen before begins with
//! the counts and recipients of the old one, lest its limits are passed.
//!
//! A name that is in no record here is its own identity: so a store of before names were joined keeps its counts.

use std::collections::HashSet;

use serde::{Deserialize, Serialize};

use super::check::{each, has};
use super::records::{Records, corrupt};
use super::table::Table;
use super::{StoreError, Tx, keys, record};
use crate::outbox::{Ledger, SimNames};

/// Former names that are kept of a SIM, the latest ones: a card may have a few subscriptions, and no modem may make
/// this grow without end.
const KEPT: usize = 16;

/// A SIM as the store knows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KnownSim {
    /// Under this name stands its ledger, and whatever is written anew.
    pub identity: String,
    /// What else it was known by, as an identity: something of it may lie under these names.
    pub former: Vec<String>,
    /// Those of the former names that this very move found to be its.
    pub joined: Vec<String>,
    /// Those whose counts are not added to its own yet.
    uncounted: Vec<String>,
    /// The card that its subscription was on before.
    predecessor: Option<String>,
}

impl KnownSim {
    /// Every name under which something of it may lie, its identity first.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        std::iter::once(self.identity.as_str()).chain(self.former.iter().map(String::as_str))
    }

    fn from(r: NameRecord) -> Self {
        let NameRecord { identity, former, uncounted, predecessor } = r;
        Self { identity, former, joined: Vec::new(), uncounted, predecessor }
    }

    fn record(&self) -> NameRecord {
        NameRecord {
            identity: self.identity.clone(),
            former: self.former.clone(),
            uncounted: self.uncounted.clone(),
            predecessor: self.predecessor.clone(),
        }
    }
}

/// Reading which names are one SIM.
pub trait NameRecords: Records {
    /// The SIM that a name stands for.
    fn sim_called(&self, name: &str) -> Result<KnownSim, StoreError> {
        let mut r = sim_name(self, name)?.unwrap_or_else(|| NameRecord::of(name));
        if r.identity != name {
            r = sim_name(self, &r.identity)?.unwrap_or_else(|| NameRecord::of(&r.identity));
        }
        Ok(KnownSim::from(r))
    }

    /// The recipients that a SIM, under any of its names, served in a month, as keyed hashes; those of its
    /// subscription's card before are among them.
    fn recipients_of(&self, sim: &KnownSim, month: u64) -> Result<HashSet<u64>, StoreError> {
        let mut found = HashSet::new();
        let before = sim.predecessor.as_deref().map(|name| self.sim_called(name)).transpose()?;
        for name in sim.names().chain(before.iter().flat_map(KnownSim::names)) {
            found.extend(self.recipients(name, month)?);
        }
        Ok(found)
    }
}

impl<T: Records> NameRecords for T {}

impl Tx<'_> {
    /// Which SIM it is that told these names in that modem; names that turn out to be one SIM are joined. What a SIM
    /// sent before it told a name counts for the first one that tells a name in the same modem.
    pub fn join_sim(&mut self, modem: &str, names: &SimNames) -> Result<KnownSim, StoreError> {
        let Some(name) = names.iccid.as_deref().or(names.imsi.as_deref()) else {
            return self.nameless_sim(modem);
        };
        let mut sim = self.sim_called(name)?;
        let before = sim.record();
        if let Some(imsi) = names.imsi.as_deref().filter(|imsi| *imsi != sim.identity) {
            let known = self.sim_called(imsi)?;
            if known.identity == imsi {
                sim.joined.extend(known.former);
                sim.uncounted.extend(known.uncounted);
                sim.joined.push(imsi.to_owned());
            } else if known.identity != sim.identity {
                self.take_over(&mut sim, &known)?;
            }
            if known.identity != sim.identity {
                self.put_sim_name(imsi, &NameRecord::of(&sim.identity))?;
            }
        }
        if modem != sim.identity && sim_name(self, modem)?.is_some_and(|r| r.identity == modem) {
            sim.joined.push(modem.to_owned());
            self.remove(keys::sim_name(modem));
        }
        for names in [&mut sim.former, &mut sim.uncounted] {
            names.retain(|name| !sim.joined.contains(name));
            names.extend(sim.joined.iter().cloned());
            names.drain(..names.len().saturating_sub(KEPT));
        }
        if sim.record() != before {
            self.put_sim_name(&sim.identity, &sim.record())?;
        }
        Ok(sim)
    }

    /// What the SIM sent under all of its names, from now on under its identity.
    pub fn join_ledgers(&mut self, sim: &KnownSim) -> Result<Ledger, StoreError> {
        let mut ledger = self.ledger(&sim.identity)?;
        for name in &sim.uncounted {
            ledger = ledger.joined(self.ledger(name)?);
            self.remove(keys::ledger(name));
        }
        if !sim.uncounted.is_empty() {
            self.put_ledger(&sim.identity, &ledger)?;
            self.put_sim_name(&sim.identity, &NameRecord { uncounted: Vec::new(), ..sim.record() })?;
        }
        Ok(ledger)
    }

    /// A SIM that tells no name is known by its modem's.
    fn nameless_sim(&mut self, modem: &str) -> Result<KnownSim, StoreError> {
        if sim_name(self, modem)?.is_none() {
            self.put_sim_name(modem, &NameRecord::of(modem))?;
        }
        self.sim_called(modem)
    }

    /// A card that was never seen before goes on with the counts of the one that its subscription was on.
    fn take_over(&mut self, sim: &mut KnownSim, from: &KnownSim) -> Result<(), StoreError> {
        let known = sim_name(self, &sim.identity)?.is_some();
        if known || self.load(&keys::ledger(&sim.identity))?.is_some() {
            return Ok(());
        }
        let Ledger { minute, day, month, .. } = self.ledger(&from.identity)?;
        self.put_ledger(&sim.identity, &Ledger { minute, day, month, ..Ledger::default() })?;
        sim.predecessor = Some(from.identity.clone());
        Ok(())
    }

    fn put_sim_name(&mut self, name: &str, r: &NameRecord) -> Result<(), StoreError> {
        // Whoever stands for another has that one's record beside it.
        if r.identity != name && sim_name(self, &r.identity)?.is_none() {
            self.put_record(keys::sim_name(&r.identity), &NameRecord::of(&r.identity))?;
        }
        self.put_record(keys::sim_name(name), r)
    }
}

fn sim_name<S: Records + ?Sized>(source: &S, name: &str) -> Result<Option<NameRecord>, StoreError> {
    let key = keys::sim_name(name);
    let value = source.load(&key)?;
    source.note(value.map(|v| record::decode(&v).map_err(|why| corrupt("SIM name", &key, why))).transpose())
}

/// The look at these records when the store opens.
pub(super) fn check(table: &Table) -> Result<(), StoreError> {
    each(table, keys::SIM_NAME, |key, value| {
        let r: NameRecord = record::decode(value).map_err(|why| corrupt("SIM name", key, why))?;
        has(table, Some(keys::sim_name(&r.identity)), "SIM name", key)
    })
}

#[derive(PartialEq, Serialize, Deserialize)]
struct NameRecord {
    identity: String,
    /// Of an identity alone, as the rest.
    former: Vec<String>,
    uncounted: Vec<String>,
    predecessor: Option<String>,
}

impl NameRecord {
    fn of(identity: &str) -> Self {
        let identity = identity.to_owned();
        Self { identity, former: Vec::new(), uncounted: Vec::new(), predecessor: None }
    }
}
