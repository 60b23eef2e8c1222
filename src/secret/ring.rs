//! The ring: the keys by which data are sealed and hashed. A rotation adds new ones; an old one goes when nothing stands
//! under it any more.
//!
//! - The newest of `seals` seals; the others open what is not sealed anew yet.
//! - The newest of `digests` hashes what lives shortly (a code, what it is for); the others are compared as well until
//!   all that was hashed by them has ended.
//! - Each of `trails` ties the events from its first one on into the chain.
//! - `index` finds again what cannot be computed anew, because it is kept as a hash alone: it is never replaced.

use std::fmt;

use zeroize::Zeroizing;

use super::master::Master;
use super::subkey::Subkey;
use crate::random::Random;

/// The format of the octets.
const FORMAT: u8 = 1;

/// A key for digests.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Digests {
    pub(super) key: Subkey,
    /// Until when something may live that was hashed by it, in milliseconds; of the newest one, and of one before
    /// everything is sealed anew, nobody knows.
    pub(super) until: Option<u64>,
}

/// The key of the trail from an event on.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Trail {
    pub(super) from: u64,
    pub(super) key: Subkey,
}

/// Keys by their use.
#[derive(Clone, PartialEq, Eq)]
pub struct Ring {
    /// How many rotations there were.
    pub(super) epoch: u32,
    pub(super) index: Subkey,
    /// The newest first.
    pub(super) seals: Vec<Subkey>,
    /// The newest first.
    pub(super) digests: Vec<Digests>,
    /// The newest first.
    pub(super) trails: Vec<Trail>,
}

impl Ring {
    /// Of each sort there are no more keys than this: a rotation is refused until older ones have gone.
    pub const MOST: usize = 16;

    /// The keys of an installation that never had another key.
    pub fn first(master: &Master) -> Self {
        let (seal, hash) = (master.first(b"smsotpd seal v1"), master.first(b"smsotpd hash v1"));
        Self {
            epoch: 0,
            index: hash.clone(),
            seals: vec![seal],
            digests: vec![Digests { key: hash.clone(), until: None }],
            trails: vec![Trail { from: 0, key: hash }],
        }
    }

    /// The ring with new keys, of which that of the trail holds from the event `next` on.
    #[must_use]
    pub fn turned(&self, random: &Random, next: u64) -> Self {
        let mut ring = self.clone();
        ring.epoch += 1;
        ring.seals.insert(0, Subkey::drawn(random));
        ring.digests.insert(0, Digests { key: Subkey::drawn(random), until: None });
        ring.trails.insert(0, Trail { from: next, key: Subkey::drawn(random) });
        ring
    }

    /// The ring when all is sealed with the newest key, and what was hashed by the older ones lives until then at most.
    #[must_use]
    pub fn sealed_anew(&self, until: u64) -> Self {
        let mut ring = self.clone();
        ring.seals.truncate(1);
        for older in ring.digests.iter_mut().skip(1) {
            older.until.get_or_insert(until);
        }
        ring
    }

    /// The ring when nothing lives any more that was hashed before the last time at which all was sealed anew, and the
    /// trail begins with this event.
    #[must_use]
    pub fn trimmed(&self, ended: bool, first_event: u64) -> Self {
        let mut ring = self.clone();
        if ended {
            let mut place = 0;
            ring.digests.retain(|one| {
                place += 1;
                place == 1 || one.until.is_none()
            });
        }
        let needed = ring.trails.iter().position(|trail| trail.from <= first_event);
        ring.trails.truncate(needed.map_or(usize::MAX, |place| place + 1));
        ring
    }

    /// How many rotations there were.
    pub const fn epoch(&self) -> u32 {
        self.epoch
    }

    /// Whether something may be sealed with an older key.
    pub fn is_sealing_anew(&self) -> bool {
        self.seals.len() > 1
    }

    /// Until when something may live that was hashed by an older key, in milliseconds, as far as that is known.
    pub fn digests_until(&self) -> Option<u64> {
        self.digests.iter().skip(1).filter_map(|one| one.until).max()
    }

    /// How many older keys there are: those that seal, those for digests, those of the trail.
    pub fn older(&self) -> [usize; 3] {
        [self.seals.len() - 1, self.digests.len() - 1, self.trails.len() - 1]
    }

    /// Whether it has room for one more key of each sort.
    pub fn has_room(&self) -> bool {
        self.older().into_iter().all(|older| older + 1 < Self::MOST)
    }

    pub(super) fn seal_key(&self) -> &Subkey {
        &self.seals[0]
    }

    pub(super) fn digest_key(&self) -> &Subkey {
        &self.digests[0].key
    }

    /// The key of the trail at an event; at one before all, the oldest that there is.
    pub(super) fn trail_key(&self, event: u64) -> &Subkey {
        let found = self.trails.iter().find(|trail| trail.from <= event).or(self.trails.last());
        &found.unwrap_or(&self.trails[0]).key
    }

    /// Its octets: the format, how many rotations there were, the index, and each list with its length before it.
    pub fn to_octets(&self) -> Zeroizing<Vec<u8>> {
        // No larger buffer may take the place of one that is not wiped.
        let mut out = Zeroizing::new(Vec::with_capacity(64 + 3 * Self::MOST * (Subkey::OCTETS + 8)));
        out.push(FORMAT);
        out.extend(self.epoch.to_be_bytes());
        out.extend(self.index.as_octets());
        out.push(length(&self.seals));
        for key in &self.seals {
            out.extend(key.as_octets());
        }
        out.push(length(&self.digests));
        for one in &self.digests {
            // No moment is the last one that there is.
            out.extend(one.until.unwrap_or(u64::MAX).to_be_bytes());
            out.extend(one.key.as_octets());
        }
        out.push(length(&self.trails));
        for trail in &self.trails {
            out.extend(trail.from.to_be_bytes());
            out.extend(trail.key.as_octets());
        }
        out
    }

    /// The ring of these octets, if they are one.
    pub fn from_octets(octets: &[u8]) -> Option<Self> {
        let mut rest = Rest(octets);
        if rest.take::<1>()? != [FORMAT] {
            return None;
        }
        let ring = Self {
            epoch: u32::from_be_bytes(rest.take()?),
            index: rest.key()?,
            seals: rest.list(Rest::key)?,
            digests: rest.list(|rest| {
                let until = Some(rest.number()?).filter(|until| *until != u64::MAX);
                Some(Digests { until, key: rest.key()? })
            })?,
            trails: rest.list(|rest| Some(Trail { from: rest.number()?, key: rest.key()? }))?,
        };
        rest.0.is_empty().then_some(ring)
    }
}

fn length<T>(list: &[T]) -> u8 {
    u8::try_from(list.len()).expect("a list has MOST entries at most")
}

/// Octets that are not read yet.
struct Rest<'a>(&'a [u8]);

impl Rest<'_> {
    fn take<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (octets, behind) = self.0.split_first_chunk()?;
        self.0 = behind;
        Some(*octets)
    }

    fn number(&mut self) -> Option<u64> {
        self.take().map(u64::from_be_bytes)
    }

    fn key(&mut self) -> Option<Subkey> {
        self.take().map(|octets| Subkey::new(Zeroizing::new(octets)))
    }

    /// A list, which has one entry at least.
    fn list<T>(&mut self, mut one: impl FnMut(&mut Self) -> Option<T>) -> Option<Vec<T>> {
        let [count] = self.take()?;
        (1..=Ring::MOST).contains(&usize::from(count)).then_some(())?;
        (0..count).map(|_| one(self)).collect()
    }
}

impl fmt::Debug for Ring {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "[keys of epoch {}]", self.epoch)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ring() -> Ring {
        Ring::first(&Master::from_bytes([7; 32]))
    }

    #[test]
    fn older_keys_go_when_nothing_stands_under_them() {
        let random = Random::system();
        let turned = ring().turned(&random, 100);
        assert_eq!((turned.epoch(), turned.older(), turned.is_sealing_anew()), (1, [1, 1, 1], true));
        assert_eq!(turned.digests_until(), None);
        let anew = turned.sealed_anew(5000);
        assert_eq!((anew.older(), anew.digests_until()), ([0, 1, 1], Some(5000)));
        assert_eq!(anew.trimmed(false, 99).older(), [0, 1, 1]);
        assert_eq!(anew.trimmed(true, 99).older(), [0, 0, 1]);
        assert_eq!(anew.trimmed(false, 100).older(), [0, 1, 0]);
        // A second one before the first one's codes have ended.
        let twice = anew.turned(&random, 200);
        assert_eq!(twice.trimmed(true, 150).older(), [1, 1, 1], "of the second nobody knows yet");
        assert_eq!(twice.sealed_anew(9000).digests_until(), Some(9000));
        assert_eq!(twice.trail_key(99), ring().trail_key(1));
        assert_eq!(twice.trail_key(150), anew.trail_key(100));
        assert_ne!(twice.trail_key(200), anew.trail_key(200));
        assert_eq!(twice.index, ring().index);
    }

    #[test]
    fn there_is_no_end_of_them() {
        let mut many = ring();
        while many.has_room() {
            many = many.turned(&Random::system(), 1);
        }
        assert_eq!(many.older(), [Ring::MOST - 1; 3]);
        assert_eq!(Ring::from_octets(&many.to_octets()), Some(many));
    }

    /// As the first version wrote them: these octets may never fail to be read.
    #[test]
    fn the_first_format_stays_readable() {
        let key = |n| Subkey::new(Zeroizing::new([n; 32]));
        let mut octets = vec![1, 0, 0, 0, 2];
        octets.extend([1; 32]);
        octets.push(2);
        octets.extend([[2; 32], [3; 32]].concat());
        octets.push(2);
        octets.extend([0xff; 8]);
        octets.extend([4; 32]);
        octets.extend([0, 0, 0, 0, 0, 0, 0x13, 0x88]);
        octets.extend([5; 32]);
        octets.push(1);
        octets.extend([0, 0, 0, 0, 0, 0, 0, 9]);
        octets.extend([6; 32]);
        let wanted = Ring {
            epoch: 2,
            index: key(1),
            seals: vec![key(2), key(3)],
            digests: vec![Digests { key: key(4), until: None }, Digests { key: key(5), until: Some(5000) }],
            trails: vec![Trail { from: 9, key: key(6) }],
        };
        assert_eq!(wanted.to_octets().as_slice(), octets);
        assert_eq!(Ring::from_octets(&octets), Some(wanted));
        for cut in 0..octets.len() {
            assert_eq!(Ring::from_octets(&octets[..cut]), None);
        }
        octets.push(0);
        assert_eq!(Ring::from_octets(&octets), None);
    }
}
