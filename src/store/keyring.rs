//! What the store keeps of its keys: the check value of the installation's key, by which it knows that key again, and
//! the ring of the keys that seal and hash, sealed under it. A store that never had another key keeps no ring: it
//! follows from the key.

use super::engine::Order;
use super::events::EventRecords as _;
use super::record::record;
use super::records::Records;
use super::sealed::Sort;
use super::tables::{EXPIRIES, KEYRING};
use super::{StoreError, Tx, keys};
use crate::clock::Steady;
use crate::secret::{CheckValue, Key, Master, Ring, Sealed, UnsealError};
use crate::trail::Event;

/// Things that are looked at together.
const AT_ONCE: usize = 64;

/// The check value of a key, and the ring that it opens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Keyring {
    check: CheckValue,
    ring: Option<Sealed>,
}

record! { KeyringRecord of Keyring { check: [u8; 16], ring: Option<Vec<u8>> } }

impl Keyring {
    /// That of a store that never had another key.
    pub fn first(master: &Master) -> Self {
        Self { check: master.check_value(), ring: None }
    }

    fn of(master: &Master, ring: &Ring, key: &Key) -> Self {
        Self { check: master.check_value(), ring: Some(master.seal(key.random(), ring)) }
    }

    /// Whether this is its key.
    pub fn is_of(&self, master: &Master) -> bool {
        self.check == master.check_value()
    }

    /// The ring.
    pub fn open(&self, master: &Master) -> Result<Ring, UnsealError> {
        self.ring.as_ref().map_or_else(|| Ok(Ring::first(master)), |sealed| master.unseal(sealed))
    }
}

/// Reading what the store knows of its keys.
pub trait KeyRecords: Records {
    /// What it keeps of them; nothing before its first start with this version.
    fn keyring(&self) -> Result<Option<Keyring>, StoreError> {
        KEYRING.get(self, &[])
    }

    /// Whether there is anything in it.
    fn has_records(&self) -> Result<bool, StoreError> {
        let mut found = false;
        self.scan(vec![1]..vec![u8::MAX], Order::Ascending, &mut |key, _| {
            found = !keys::is_own(key);
            !found
        })?;
        Ok(found)
    }

    /// Of a store without a check value: whether what is sealed in it, or the end of its trail, is of this key; also
    /// when there is neither.
    fn is_of(&self, key: &Key) -> Result<bool, StoreError> {
        let ends = self.event_ends()?;
        if ends.is_some_and(|ends| ends.is_genuine(key)) {
            return Ok(true);
        }
        let mut any = ends.is_some();
        for sort in Sort::ALL {
            let mut after = None;
            loop {
                let keys = sort.keys(self, after.as_deref(), AT_ONCE)?;
                for place in &keys {
                    let Some((owner, sealed)) = sort.read(self, place)? else { continue };
                    if key.unseal(&owner, &sealed).is_ok() {
                        return Ok(true);
                    }
                    any = true;
                }
                after = keys.into_iter().next_back();
                if after.is_none() {
                    break;
                }
            }
        }
        Ok(!any)
    }
}

impl<T: Records + ?Sized> KeyRecords for T {}

/// What a rotation wrote.
#[derive(Debug)]
pub struct Turned {
    /// The ring from now on.
    pub ring: Ring,
    /// The number of its event.
    pub id: u64,
    /// Its event.
    pub event: Event,
}

impl Tx<'_> {
    /// Writes what the store keeps of its keys.
    pub fn put_keyring(&mut self, keyring: &Keyring) -> Result<(), StoreError> {
        KEYRING.put(self, &[], keyring)
    }

    /// Puts new keys before those of `key`, under another key of the installation. The trail goes on with a key of its
    /// own, and the event of the rotation, which is given how many there were, is the first under it.
    pub fn turn_key(
        &mut self,
        key: &Key,
        master: &Master,
        event: impl FnOnce(u32) -> Event,
    ) -> Result<Turned, StoreError> {
        let ring = key.ring().turned(key.random(), self.next_event(key)?);
        let newer = Key::new(master.clone(), ring.clone()).with_random(key.random().clone());
        self.put_keyring(&Keyring::of(master, &ring, key))?;
        self.hand_over_events(key, &newer)?;
        let event = event(ring.epoch());
        let id = self.put_events(&newer, [&event])?;
        Ok(Turned { ring, id, event })
    }

    /// All is sealed with the newest key: the older ones go, and those for digests when the verifications that are
    /// pending now have ended. Answers the ring from now on.
    pub fn end_turn(&mut self, key: &Key) -> Result<Ring, StoreError> {
        let last = EXPIRIES.keys(self, EXPIRIES.all(), Order::Descending, 1)?.pop();
        let ring = key.ring().sealed_anew(last.map_or(0, |(at, _)| at.as_millis()));
        self.put_keyring(&Keyring::of(&key.master(), &ring, key))?;
        Ok(ring)
    }

    /// Forgets the keys under which nothing stands any more. Answers the ring from now on, when it is another.
    pub fn trim_keys(&mut self, key: &Key, now: Steady) -> Result<Option<Ring>, StoreError> {
        let ring = key.ring();
        let until = ring.digests_until().map(Steady::from_millis).filter(|until| *until <= now);
        let ended = match until {
            Some(until) => {
                let first = EXPIRIES.keys(self, EXPIRIES.all(), Order::Ascending, 1)?.pop();
                first.is_none_or(|(at, _)| at > until)
            }
            None => false,
        };
        let first_event = self.event_ends()?.map_or(0, |sealed| sealed.ends.first);
        let trimmed = ring.trimmed(ended, first_event);
        if trimmed == *ring {
            return Ok(None);
        }
        self.put_keyring(&Keyring::of(&key.master(), &trimmed, key))?;
        Ok(Some(trimmed))
    }
}

#[cfg(test)]
mod tests {
    use super::super::record;
    use super::*;

    #[test]
    fn the_first_format_stays_readable() {
        let framed = |written: &[u8]| [written, &crc32fast::hash(written).to_be_bytes()].concat();
        let master = Master::from_bytes([7; 32]);
        let check = master.check_value();
        // As the first version wrote them: these octets may never fail to decode.
        let first = framed(&[&[1], &check[..], &[0]].concat());
        assert_eq!(record::decode(&first), Ok(Keyring::first(&master)));
        let second = framed(&[&[1], &check[..], &[1, 3, 7, 8, 9]].concat());
        let keyring: Keyring = record::decode(&second).unwrap();
        assert_eq!(keyring, Keyring { check, ring: Some(Sealed::from_bytes(vec![7, 8, 9])) });
        assert_eq!(keyring.open(&master), Err(UnsealError));
    }
}
