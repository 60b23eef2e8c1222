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
//! A SIM that tells no name, or one that was never seen before while it holds back the other, is taken for the one that
//! was last seen in its modem, unless the two have a name of the same sort: to take one SIM for two would let it pass its
//! limits and hand over twice what it received. That is believed as long as nothing more is told, and written nowhere.
//!
//! A name that is in no record here is its own identity: so a store of before names were joined keeps its counts.
//!
//! A name stands in a key and in a list only as a hash, and in a record sealed.

use std::collections::HashSet;

use super::keys::hash;
use super::record::{self, SimName};
use super::records::Records;
use super::tables::{LEDGERS, SIM_NAMES};
use super::{StoreError, Tx};
use crate::outbox::{Ledger, SimNames};
use crate::secret::{Key, Sealed};

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

    fn alone(name: &str) -> Self {
        Self {
            identity: name.to_owned(),
            former: Vec::new(),
            joined: Vec::new(),
            uncounted: Vec::new(),
            predecessor: None,
        }
    }
}

/// Reading which names are one SIM. The key opens what is kept of them; a record that it does not open is damaged, and
/// taken for none.
pub trait NameRecords: Records {
    /// The SIM that a name stands for.
    fn sim_called(&self, key: &Key, name: &str) -> Result<KnownSim, StoreError> {
        Ok(known(self, key, name)?.unwrap_or_else(|| KnownSim::alone(name)))
    }

    /// The SIM that was last seen in a modem.
    fn last_sim(&self, key: &Key, modem: &str) -> Result<Option<KnownSim>, StoreError> {
        known(self, key, &seat(modem))
    }

    /// The recipients that a SIM, under any of its names, served in a month, as keyed hashes; those of its
    /// subscription's card before are among them.
    fn recipients_of(&self, key: &Key, sim: &KnownSim, month: u64) -> Result<HashSet<u64>, StoreError> {
        let mut found = HashSet::new();
        let before = sim.predecessor.as_deref().map(|name| self.sim_called(key, name)).transpose()?;
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
    pub fn join_sim(&mut self, key: &Key, modem: &str, names: &SimNames) -> Result<KnownSim, StoreError> {
        let Some(name) = names.iccid.as_deref().or(names.imsi.as_deref()) else {
            return self.nameless_sim(key, modem);
        };
        if let Some(sim) = self.sim_in_seat(key, modem, names)? {
            return Ok(sim);
        }
        let mut sim = self.sim_called(key, name)?;
        let before = sim.clone();
        if let Some(imsi) = names.imsi.as_deref().filter(|imsi| *imsi != sim.identity) {
            let known = self.sim_called(key, imsi)?;
            if known.identity == imsi {
                sim.joined.extend(known.former);
                sim.joined.push(imsi.to_owned());
                sim.uncounted.extend(known.uncounted);
            } else if known.identity != sim.identity {
                self.take_over(key, &mut sim, &known)?;
            }
            if known.identity != sim.identity {
                self.put_sim(key, &sim)?;
                self.put_name(imsi, &sim)?;
            }
        }
        if modem != sim.identity && known(self, key, modem)?.is_some_and(|known| known.identity == modem) {
            sim.joined.push(modem.to_owned());
            SIM_NAMES.delete(self, &hash(&[modem]))?;
        }
        for names in [&mut sim.former, &mut sim.uncounted] {
            names.retain(|name| !sim.joined.contains(name));
            names.extend(sim.joined.iter().cloned());
            names.drain(..names.len().saturating_sub(KEPT));
        }
        let seat = seat(modem);
        let seated = identity_of(self, &seat)?.is_some_and(|r| r.of == hash(&[&sim.identity]));
        let before = KnownSim { joined: sim.joined.clone(), ..before };
        if sim != before || !seated && known(self, key, &sim.identity)?.is_none() {
            self.put_sim(key, &sim)?;
        }
        if !seated {
            self.put_name(&seat, &sim)?;
        }
        Ok(sim)
    }

    /// The SIM that was last seen in the modem, where the one name that is told now was never seen and may be its.
    fn sim_in_seat(
        &mut self,
        key: &Key,
        modem: &str,
        names: &SimNames,
    ) -> Result<Option<KnownSim>, StoreError> {
        let (name, of_the_sort): (_, fn(&str) -> bool) = match (&names.iccid, &names.imsi) {
            (Some(iccid), None) => (iccid, |name| !is_imsi(name)),
            (None, Some(imsi)) => (imsi, is_imsi),
            _ => return Ok(None),
        };
        if identity_of(self, name)?.is_some() || LEDGERS.has(self, &hash(&[name]))? {
            return Ok(None);
        }
        let last = known(self, key, &seat(modem))?;
        Ok(last.filter(|sim| sim.names().all(|known| known == modem || !of_the_sort(known))))
    }

    /// What the SIM sent under all of its names, from now on under its identity.
    pub fn join_ledgers(&mut self, key: &Key, sim: &KnownSim) -> Result<Ledger, StoreError> {
        let mut ledger = self.ledger(&sim.identity)?;
        for name in &sim.uncounted {
            ledger = ledger.joined(self.ledger(name)?);
            LEDGERS.delete(self, &hash(&[name]))?;
        }
        if !sim.uncounted.is_empty() {
            self.put_ledger(&sim.identity, &ledger)?;
            self.put_sim(key, &KnownSim { uncounted: Vec::new(), ..sim.clone() })?;
        }
        Ok(ledger)
    }

    /// A SIM that tells no name is known by its modem's.
    fn nameless_sim(&mut self, key: &Key, modem: &str) -> Result<KnownSim, StoreError> {
        for name in [&seat(modem), modem] {
            if let Some(sim) = known(self, key, name)? {
                return Ok(sim);
            }
        }
        let sim = KnownSim::alone(modem);
        self.put_sim(key, &sim)?;
        Ok(sim)
    }

    /// A card that was never seen before goes on with the counts of the one that its subscription was on.
    fn take_over(&mut self, key: &Key, sim: &mut KnownSim, from: &KnownSim) -> Result<(), StoreError> {
        if known(self, key, &sim.identity)?.is_some() || LEDGERS.has(self, &hash(&[&sim.identity]))? {
            return Ok(());
        }
        let Ledger { minute, day, month, .. } = self.ledger(&from.identity)?;
        self.put_ledger(&sim.identity, &Ledger { minute, day, month, ..Ledger::default() })?;
        sim.predecessor = Some(from.identity.clone());
        Ok(())
    }

    fn put_sim(&mut self, key: &Key, sim: &KnownSim) -> Result<(), StoreError> {
        let plain = self.note(record::encode(sim))?;
        let of = hash(&[&sim.identity]);
        let former = sim.former.iter().map(|name| hash(&[name])).collect();
        let sealed = Some(key.seal(&of, &plain).as_bytes().to_vec());
        SIM_NAMES.put(self, &of, &SimName { of, former, sealed })
    }

    /// Lets another name stand for a SIM.
    fn put_name(&mut self, name: &str, sim: &KnownSim) -> Result<(), StoreError> {
        let stands = SimName { of: hash(&[&sim.identity]), former: Vec::new(), sealed: None };
        SIM_NAMES.put(self, &hash(&[name]), &stands)
    }
}

/// Every name of the SIM that a name stands for, as they stand in keys.
pub(super) fn hashes_of<S: Records + ?Sized>(source: &S, name: &str) -> Result<Vec<[u8; 16]>, StoreError> {
    let Some(r) = identity_of(source, name)? else { return Ok(vec![hash(&[name])]) };
    Ok([r.of].into_iter().chain(r.former).collect())
}

/// The SIM that a name stands for, when there is a record of it.
fn known<S: Records + ?Sized>(source: &S, key: &Key, name: &str) -> Result<Option<KnownSim>, StoreError> {
    let Some(SimName { of, sealed: Some(sealed), .. }) = identity_of(source, name)? else {
        return Ok(None);
    };
    let opened = key.unseal(&of, &Sealed::from_bytes(sealed));
    let Ok(plain) = opened.inspect_err(|e| tracing::error!("the names of a SIM: {e}")) else {
        return Ok(None);
    };
    let sim = record::decode(plain.expose());
    source.note(sim.map(Some).map_err(|why| SIM_NAMES.damaged(&SIM_NAMES.key(&of), why)))
}

/// The record of the identity that a name stands for.
fn identity_of<S: Records + ?Sized>(source: &S, name: &str) -> Result<Option<SimName>, StoreError> {
    let name = hash(&[name]);
    match SIM_NAMES.get(source, &name)? {
        Some(r) if r.of != name => SIM_NAMES.get(source, &r.of),
        found => Ok(found),
    }
}

/// What stands for the SIM that was last seen in a modem; no SIM and no modem is called so.
fn seat(modem: &str) -> String {
    format!("seat\0{modem}")
}

/// Whether a name is an IMSI (15 digits at most, 3GPP TS 23.003 clause 2.2), not an ICCID (18 at least, ITU-T E.118).
fn is_imsi(name: &str) -> bool {
    name.len() <= 15 && name.bytes().all(|c| c.is_ascii_digit())
}

record::record! {
    NamesRecord of KnownSim {
        identity: String, former: Vec<String>, uncounted: Vec<String>, predecessor: Option<String>,
    } and joined
}

#[cfg(test)]
mod tests {
    use super::*;

    fn framed(written: &[u8]) -> Vec<u8> {
        [written, &crc32fast::hash(written).to_be_bytes()].concat()
    }

    #[test]
    fn the_first_format_stays_readable() {
        // As the first version wrote them: these octets may never fail to decode.
        let names = framed(&[1, 1, b'a', 2, 1, b'b', 1, b'c', 1, 1, b'c', 1, 1, b'd']);
        let list = |names: &[&str]| names.iter().map(ToString::to_string).collect::<Vec<_>>();
        let wanted = KnownSim {
            identity: "a".to_owned(),
            former: list(&["b", "c"]),
            joined: Vec::new(),
            uncounted: list(&["c"]),
            predecessor: Some("d".to_owned()),
        };
        assert_eq!(record::decode(&names), Ok(wanted));
        let written = [&[1][..], &[6; 16], &[1], &[7; 16], &[1, 2, 8, 9]].concat();
        let r: SimName = record::decode(&framed(&written)).unwrap();
        assert_eq!((r.of, r.former, r.sealed), ([6; 16], vec![[7; 16]], Some(vec![8, 9])));
        let written = [&[1][..], &[6; 16], &[0, 0]].concat();
        let r: SimName = record::decode(&framed(&written)).unwrap();
        assert_eq!((r.of, r.former, r.sealed), ([6; 16], vec![], None));
    }
}
