//! The chain of events: each has the hash of its own octets and of the hash before it, under the daemon's secret key.
//!
//! The hash is HMAC-SHA-256, truncated to 128 bits (RFC 2104 section 5, RFC 4868 section 2.3). Beside the events stands
//! one record, the ends: which event is the first that is kept, the hash before it, the last event and its hash, all
//! under one more keyed hash. Whoever can only write the files has no key, and so can neither change, add, leave out or
//! reorder an event unseen, nor move an end. What such a person can do is to put back all files as they were earlier:
//! only somebody who wrote down the last event and its hash elsewhere sees that.

use crate::secret::Key;

/// The hash of an event and of all before it.
pub type Hash = [u8; 16];

/// An event's place in the chain.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Link {
    /// Its number.
    pub id: u64,
    /// Its hash.
    pub hash: Hash,
}

/// An event as it is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Linked<T> {
    /// What the octets mean.
    pub event: T,
    /// The octets that the hash is made of.
    pub octets: Vec<u8>,
    /// Its hash.
    pub hash: Hash,
}

/// Where the chain begins and ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ends {
    /// The first event that is kept; one more than the last when none is.
    pub first: u64,
    /// The hash of the event before the first one.
    pub before: Hash,
    /// The last event; 0 before there was any.
    pub last: u64,
    /// Its hash.
    pub hash: Hash,
}

/// The ends under a keyed hash.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SealedEnds {
    /// The ends.
    pub ends: Ends,
    /// Their hash.
    pub seal: Hash,
}

impl Default for Ends {
    fn default() -> Self {
        Self { first: 1, before: Hash::default(), last: 0, hash: Hash::default() }
    }
}

impl Ends {
    /// Ties one more event to the chain.
    pub fn append(&mut self, key: &Key, octets: &[u8]) -> Link {
        self.last += 1;
        self.hash = link(key, self.last, &self.hash, octets);
        Link { id: self.last, hash: self.hash }
    }

    /// Cuts off this event, which has this hash, and all before it.
    pub const fn cut(&mut self, upto: u64, hash: Hash) {
        self.first = upto + 1;
        self.before = hash;
    }

    /// The same ends with a break behind the last event: no walk over what is appended from here on is whole.
    #[must_use]
    pub fn broken(self, key: &Key) -> Self {
        Self {
            hash: truncated(
                &key.link(self.last + 1, &[b"event break", &self.last.to_be_bytes(), &self.hash]),
            ),
            ..self
        }
    }

    /// The ends under their keyed hash.
    #[must_use]
    pub fn seal(self, key: &Key) -> SealedEnds {
        SealedEnds { ends: self, seal: self.hash_of_all(key) }
    }

    fn hash_of_all(&self, key: &Key) -> Hash {
        let (first, last) = (self.first.to_be_bytes(), self.last.to_be_bytes());
        truncated(&key.link(self.last + 1, &[b"event ends", &first, &self.before, &last, &self.hash]))
    }
}

impl SealedEnds {
    /// Whether a daemon with this key wrote them.
    pub fn is_genuine(&self, key: &Key) -> bool {
        self.seal == self.ends.hash_of_all(key)
    }
}

/// The hash of the event with this number and these octets, behind an event with the hash `before`.
pub fn link(key: &Key, id: u64, before: &Hash, octets: &[u8]) -> Hash {
    truncated(&key.link(id, &[b"event", &id.to_be_bytes(), before, octets]))
}

fn truncated(hash: &[u8; 32]) -> Hash {
    let mut short = Hash::default();
    short.copy_from_slice(&hash[..size_of::<Hash>()]);
    short
}

/// A walk along the chain that looks at each link.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Walk {
    next: u64,
    before: Hash,
}

/// What does not fit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum WalkFault {
    /// The ends were not written by this daemon.
    #[error("where the chain begins and ends was changed, or the secret key is another one")]
    Ends,
    /// An event is not there.
    #[error("event {0} is missing")]
    Missing(u64),
    /// An event is not what was written, or not in its place.
    #[error("event {0} was changed or stands in another's place")]
    Changed(u64),
    /// There are more events than the end says, or the last one is another.
    #[error("the chain does not end with event {0}, as it should")]
    End(u64),
    /// An event has another hash than somebody wrote down.
    #[error("event {0} has not the hash that was written down: the events were put back to an earlier state")]
    Anchor(u64),
}

impl Walk {
    /// Begins at the first event.
    pub const fn from(ends: &Ends) -> Self {
        Self { next: ends.first, before: ends.before }
    }

    /// The number that the next event must have.
    pub const fn next(&self) -> u64 {
        self.next
    }

    /// The hash of the event that was seen last.
    pub const fn hash(&self) -> Hash {
        self.before
    }

    /// The next event is this one.
    pub fn step<T>(&mut self, key: &Key, id: u64, found: &Linked<T>) -> Result<(), WalkFault> {
        if id != self.next {
            return Err(WalkFault::Missing(self.next));
        }
        if found.hash != link(key, id, &self.before, &found.octets) {
            return Err(WalkFault::Changed(id));
        }
        self.before = found.hash;
        self.next += 1;
        Ok(())
    }

    /// No event follows: that must be the end.
    pub fn end(&self, ends: &Ends) -> Result<(), WalkFault> {
        match self.next.cmp(&(ends.last + 1)) {
            std::cmp::Ordering::Less => Err(WalkFault::Missing(self.next)),
            std::cmp::Ordering::Equal if self.before == ends.hash || ends.last == 0 => Ok(()),
            _ => Err(WalkFault::End(ends.last)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hex;

    const KNOWN: [&str; 5] = [
        "B13A46AC6BA3D70BDFCED8DCDAA1E6F4",
        "ED667D068A582496415CCFF47F877643",
        "F80CBA45B5413B747E95CCD2485ACDDB",
        "D597EEC6F52C56D4CD95DFB61D4D4B2B",
        "58C21C5F0C5329E4A7824BAB78FE59D3",
    ];

    fn key() -> Key {
        Key::from_bytes([7; 32])
    }

    type Events = Vec<(u64, Linked<()>)>;

    /// Four events, of which the first was cut off.
    fn chain() -> (Ends, Events) {
        let (mut ends, key) = (Ends::default(), key());
        let mut events: Vec<_> = [&b"one"[..], b"two", b"three", b"four"]
            .into_iter()
            .map(|octets| {
                let Link { id, hash } = ends.append(&key, octets);
                (id, Linked { event: (), octets: octets.to_vec(), hash })
            })
            .collect();
        let (id, gone) = events.remove(0);
        ends.cut(id, gone.hash);
        (ends, events)
    }

    fn walked(ends: &Ends, events: &[(u64, Linked<()>)]) -> Result<(), WalkFault> {
        if !ends.seal(&key()).is_genuine(&key()) {
            return Err(WalkFault::Ends);
        }
        let mut walk = Walk::from(ends);
        events.iter().try_for_each(|(id, event)| walk.step(&key(), *id, event))?;
        walk.end(ends)
    }

    /// Computed by another implementation of HMAC-SHA-256: Python's `hmac`.
    #[test]
    fn the_chain_has_known_answers() {
        let (ends, events) = chain();
        let hashes: Vec<_> = events.iter().map(|(_, event)| hex::encode(&event.hash)).collect();
        assert_eq!(hex::encode(&ends.before), KNOWN[0]);
        assert_eq!(hashes, &KNOWN[1..4]);
        assert_eq!(hex::encode(&ends.seal(&key()).seal), KNOWN[4]);
    }

    #[test]
    fn a_whole_chain_is_whole() {
        let (ends, events) = chain();
        assert_eq!((ends.first, ends.last), (2, 4));
        assert_eq!(walked(&ends, &events), Ok(()));
        assert_eq!(walked(&Ends::default(), &[]), Ok(()));
        let mut all_cut = ends;
        all_cut.cut(4, ends.hash);
        assert_eq!(walked(&all_cut, &[]), Ok(()));
    }

    #[test]
    fn a_change_a_swap_and_a_cut_are_found() {
        let (ends, whole) = chain();
        let found = |change: &dyn Fn(&mut Events)| {
            let mut events = whole.clone();
            change(&mut events);
            walked(&ends, &events).unwrap_err()
        };
        assert_eq!(found(&|e| e[1].1.octets[0] ^= 1), WalkFault::Changed(3));
        assert_eq!(found(&|e| e[1].1.hash[15] ^= 1), WalkFault::Changed(3));
        assert_eq!(found(&|e| drop(e.remove(1))), WalkFault::Missing(3));
        assert_eq!(found(&|e| drop(e.remove(0))), WalkFault::Missing(2));
        assert_eq!(found(&|e| drop(e.pop())), WalkFault::Missing(4));
        let swapped = found(&|e| {
            let (two, three) = (e[0].1.clone(), e[1].1.clone());
            (e[0].1, e[1].1) = (three, two);
        });
        assert_eq!(swapped, WalkFault::Changed(2));
        let added = found(&|e| e.push((5, e[2].1.clone())));
        assert_eq!(added, WalkFault::Changed(5));
        // A twin of the chain under another key.
        let forged =
            Linked { hash: link(&Key::from_bytes([8; 32]), 4, &whole[1].1.hash, b"x"), ..whole[2].1.clone() };
        assert_eq!(
            found(&|e| e[2].1 = Linked { octets: b"x".to_vec(), ..forged.clone() }),
            WalkFault::Changed(4)
        );
    }

    #[test]
    fn an_end_cannot_be_moved_without_the_key() {
        let (ends, events) = chain();
        let sealed = ends.seal(&key());
        let mut shorter = sealed;
        (shorter.ends.last, shorter.ends.hash) = (3, events[1].1.hash);
        assert!(sealed.is_genuine(&key()) && !shorter.is_genuine(&key()));
        let mut later = sealed;
        later.ends.cut(2, events[0].1.hash);
        assert!(!later.is_genuine(&key()));
        assert!(!sealed.is_genuine(&Key::from_bytes([8; 32])));
        // The end says less than there is.
        assert_eq!(walked(&shorter.ends, &events), Err(WalkFault::End(3)));
        // The daemon goes on behind a cut: the cut stays to be seen.
        let mut broken = shorter.ends.broken(&key());
        let Link { id, hash } = broken.append(&key(), b"later");
        let later = (id, Linked { event: (), octets: b"later".to_vec(), hash });
        assert_eq!(walked(&broken, &[&events[..2], &[later]].concat()), Err(WalkFault::Changed(4)));
    }
}
