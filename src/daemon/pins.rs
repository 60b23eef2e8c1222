//! PINs that were tried, kept in the store so that no PIN is tried twice with a SIM, whichever of its names are known
//! at a time.
//!
//! A try is noted under every name that the SIM and its device have at that time, and is found under any of
//! them. The try counts for every SIM except one that has another ICCID, or another IMSI where an ICCID is
//! missing: that is another SIM in the same stick, with a try of its own. Everything is kept as keyed hashes.

use std::fmt;
use std::fmt::Write as _;

use futures_util::future::BoxFuture;

use crate::secret::{Key, Secret};
use crate::store::{NameRecords as _, Records as _, Store, StoreError, Tx};
use gsm_modem::{Owners, Pins};

/// How many tries are remembered under a name: a SIM is locked long before it has seen so many. More would
/// not fit in one record.
const REMEMBERED: usize = 48;

/// A keyed hash, cut to 16 octets; all zeros stand for an unknown name.
type Tag = [u8; 16];
const UNKNOWN: Tag = [0; 16];

/// The store as a memory for PINs.
pub(super) struct TriedPins {
    store: Store,
    key: Key,
}

impl TriedPins {
    pub(super) fn new(store: Store, key: Key) -> Self {
        Self { store, key }
    }
}

impl fmt::Debug for TriedPins {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[tried PINs]")
    }
}

impl Pins for TriedPins {
    fn tries(&self, owners: Owners, pin: Secret<String>) -> BoxFuture<'static, Result<bool, String>> {
        let (store, key) = (self.store.clone(), self.key.clone());
        Box::pin(async move {
            let noted = store.transact(move |tx| note(tx, &key, &owners, &pin)).await;
            noted.and_then(|inner| inner).map_err(|e| e.to_string())
        })
    }

    fn accepted(&self, owners: Owners, pin: Secret<String>) -> BoxFuture<'static, ()> {
        let (store, key) = (self.store.clone(), self.key.clone());
        Box::pin(async move {
            let forgotten = store.transact(move |tx| forget(tx, &key, &owners, &pin)).await;
            if let Err(e) = forgotten.and_then(|inner| inner) {
                tracing::error!("the SIM took its PIN, which could not be noted: {e}");
            }
        })
    }
}

/// Notes a try. Returns false when the PIN may have been tried before with this SIM.
fn note(tx: &mut Tx<'_>, key: &Key, owners: &Owners, pin: &Secret<String>) -> Result<bool, StoreError> {
    let sim = Sim::of(tx, key, owners)?;
    let known = !sim.tries(tx, key, pin)?.is_empty() || noted_before(tx, key, owners, pin)?;
    // This happens also when the try is refused: a try that was noted under another name is found under the
    // present ones from now on.
    let note = Try::new(key, &sim.names, pin);
    for name in note.names.known() {
        let mut tries = tries(tx, name)?;
        if !tries.contains(&note) {
            tries.drain(..(tries.len() + 1).saturating_sub(REMEMBERED));
            tries.push(note);
            put(tx, name, &tries);
        }
    }
    Ok(!known)
}

fn forget(tx: &mut Tx<'_>, key: &Key, owners: &Owners, pin: &Secret<String>) -> Result<(), StoreError> {
    let sim = Sim::of(tx, key, owners)?;
    for made in sim.tries(tx, key, pin)? {
        if made.names.card != UNKNOWN && sim.names.card == UNKNOWN {
            // The try may belong to another SIM that was in the same stick.
            continue;
        }
        for name in made.names.known() {
            let mut tries = tries(tx, name)?;
            tries.retain(|known| *known != made);
            put(tx, name, &tries);
        }
    }
    Ok(())
}

/// Whether an earlier version, which knew only one name of a SIM, noted the try: by the ICCID, else the IMEI, else
/// the modem.
fn noted_before(tx: &Tx<'_>, key: &Key, owners: &Owners, pin: &Secret<String>) -> Result<bool, StoreError> {
    let iccid = owners.iccid.as_deref().map(|iccid| format!("iccid {iccid}"));
    let imei = owners.imei.as_deref().map(|imei| format!("imei {imei}"));
    for owner in [iccid, imei, Some(format!("modem {}", owners.modem))].into_iter().flatten() {
        let hash = key.hash(&[b"pin", owner.as_bytes(), pin.expose().as_bytes()]);
        let noted = tx.meta(&format!("pin {owner}"))?.unwrap_or_default();
        if noted.as_chunks().0.contains(&hash) {
            return Ok(true);
        }
    }
    Ok(false)
}

/// The names of a SIM and its device.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Names {
    /// The ICCID.
    card: Tag,
    /// The IMSI.
    subscription: Tag,
    /// The IMEI, the modem's name and its port.
    device: [Tag; 3],
}

impl Names {
    fn known(&self) -> impl Iterator<Item = Tag> {
        let [device, modem, port] = self.device;
        [self.card, self.subscription, device, modem, port].into_iter().filter(|name| *name != UNKNOWN)
    }
}

fn tag(key: &Key, kind: &[u8], name: &str) -> Tag {
    let mut tag = UNKNOWN;
    if !name.is_empty() {
        tag.copy_from_slice(&key.hash(&[b"owner of a PIN", kind, name.as_bytes()])[..16]);
    }
    tag
}

/// The SIM whose PIN is tried now.
struct Sim {
    names: Names,
    /// Further names under which the store knows the SIM.
    further: Vec<Tag>,
}

impl Sim {
    fn of(tx: &Tx<'_>, key: &Key, owners: &Owners) -> Result<Self, StoreError> {
        let (card, subscription): (&[u8], &[u8]) = (b"iccid", b"imsi");
        let known = |kind: &[u8], name: &Option<String>| tag(key, kind, name.as_deref().unwrap_or_default());
        let names = Names {
            card: known(card, &owners.iccid),
            subscription: known(subscription, &owners.imsi),
            device: [
                known(b"imei", &owners.imei),
                tag(key, b"modem", &owners.modem),
                tag(key, b"port", &owners.port),
            ],
        };
        let mut further = Vec::new();
        for name in [&owners.iccid, &owners.imsi].into_iter().flatten() {
            let sim = tx.sim_called(key, name)?;
            further.push(tag(key, card, &sim.identity));
            further.extend(sim.former.iter().map(|imsi| tag(key, subscription, imsi)));
        }
        Ok(Self { names, further })
    }

    /// The noted tries of this PIN that may belong to this SIM.
    fn tries(&self, tx: &Tx<'_>, key: &Key, pin: &Secret<String>) -> Result<Vec<Try>, StoreError> {
        let mut found = Vec::new();
        for name in self.names.known().chain(self.further.iter().copied()) {
            let of_it = |made: &Try| *made == Try::new(key, &made.names, pin) && self.may_be(&made.names);
            found.extend(tries(tx, name)?.into_iter().filter(of_it));
        }
        Ok(found)
    }

    /// Whether this may be the SIM that had these names.
    fn may_be(&self, then: &Names) -> bool {
        let now = &self.names;
        let both = |now: Tag, then: Tag| (now != UNKNOWN && then != UNKNOWN).then_some(now == then);
        if let Some(same) = both(now.card, then.card).or(both(now.subscription, then.subscription)) {
            return same;
        }
        let known = |then: Tag| then != UNKNOWN && self.further.contains(&then);
        let same_device =
            now.device.iter().zip(&then.device).any(|(now, then)| both(*now, *then) == Some(true));
        known(then.card) || known(then.subscription) || same_device
    }
}

/// A try as it is stored.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Try {
    /// A hash of the names and the PIN, so that two notes do not show that their PINs are the same.
    pin: Tag,
    names: Names,
}

/// How many octets a try has.
const TRY: usize = 6 * 16;

impl Try {
    fn new(key: &Key, names: &Names, pin: &Secret<String>) -> Self {
        let owner: Vec<u8> =
            [names.card, names.subscription].into_iter().chain(names.device).flatten().collect();
        let mut tag = UNKNOWN;
        tag.copy_from_slice(&key.hash(&[b"tried PIN", &owner, pin.expose().as_bytes()])[..16]);
        Self { pin: tag, names: *names }
    }

    fn octets(&self) -> [u8; TRY] {
        let Names { card, subscription, device: [imei, modem, port] } = self.names;
        let mut octets = [0; TRY];
        octets.as_chunks_mut().0.copy_from_slice(&[self.pin, card, subscription, imei, modem, port]);
        octets
    }

    fn from_octets(octets: &[u8; TRY]) -> Option<Self> {
        let &[pin, card, subscription, imei, modem, port] = octets.as_chunks().0 else { return None };
        Some(Self { pin, names: Names { card, subscription, device: [imei, modem, port] } })
    }
}

/// The tries that are noted under a name.
fn tries(tx: &Tx<'_>, name: Tag) -> Result<Vec<Try>, StoreError> {
    let octets = tx.meta(&place(name))?.unwrap_or_default();
    Ok(octets.as_chunks().0.iter().filter_map(Try::from_octets).collect())
}

fn put(tx: &mut Tx<'_>, name: Tag, tries: &[Try]) {
    let octets: Vec<u8> = tries.iter().flat_map(Try::octets).collect();
    tx.put_meta(&place(name), &octets);
}

/// The key of the tries under a name.
fn place(name: Tag) -> String {
    let mut place = String::from("tried ");
    for octet in name {
        // Writing into a String cannot fail.
        let _ = write!(place, "{octet:02x}");
    }
    place
}

#[cfg(test)]
mod tests;
