//! What sled must have. When its log is damaged sled may come back without its last pages, or with older ones, and say
//! nothing; each record is whole then, and the whole is not. So the sum of all records is known beside them.
//!
//! The sum of a set of records is that of their weights, so that a change costs two of them. Before changes are carried
//! over, the sum is noted that they lead to: a crash in between leaves some of them, and the journal makes them again.

use super::keys;

/// The sums before and after the last carrying over, each with the number of its last commit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Content {
    pub(super) before: Sum,
    pub(super) after: Sum,
}

/// The sum of all records when commit `last` was wholly there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Sum {
    pub(super) last: u64,
    pub(super) weights: u64,
}

impl Content {
    pub(super) fn to_bytes(self) -> [u8; 32] {
        let numbers = [self.before.last, self.before.weights, self.after.last, self.after.weights];
        let mut out = [0; 32];
        for (octets, number) in out.chunks_mut(8).zip(numbers) {
            octets.copy_from_slice(&number.to_be_bytes());
        }
        out
    }

    pub(super) fn parse(octets: &[u8]) -> Option<Self> {
        let (numbers, rest) = octets.as_chunks::<8>();
        let numbers: [_; 4] = numbers.try_into().ok().filter(|_| rest.is_empty())?;
        let [before_last, before, after_last, after] = numbers.map(u64::from_be_bytes);
        Some(Self {
            before: Sum { last: before_last, weights: before },
            after: Sum { last: after_last, weights: after },
        })
    }

    /// The sum when commit `last` was there, if that is known.
    pub(super) fn at(&self, last: u64) -> Option<Sum> {
        [self.after, self.before].into_iter().find(|sum| sum.last == last)
    }
}

/// The sum of the records that a look at all of them has passed, as they are now: what is carried over meanwhile counts.
#[derive(Debug, Default)]
pub(super) struct Passed {
    /// The octets of the tables that it came to the end of.
    pub(super) tables: Vec<u8>,
    /// In the table that it is at, the keys before this one.
    pub(super) upto: Vec<u8>,
    /// The sum.
    pub(super) weights: u64,
    /// Changes were begun that are not wholly here: what is fits to nothing.
    pub(super) torn: bool,
}

impl Passed {
    /// A record was changed.
    pub(super) fn changed(&mut self, key: &[u8], old: Option<&[u8]>, new: Option<&[u8]>) {
        if self.has(key) {
            let weight = |value: Option<&[u8]>| value.map_or(0, |value| weight(key, value));
            self.weights = self.weights.wrapping_sub(weight(old)).wrapping_add(weight(new));
        }
    }

    fn has(&self, key: &[u8]) -> bool {
        let table = key.first();
        table.is_some_and(|table| self.tables.contains(table))
            || table == self.upto.first() && *key < *self.upto
    }
}

/// What a record adds to the sum. What belongs to the files adds nothing.
pub(super) fn weight(key: &[u8], value: &[u8]) -> u64 {
    if keys::is_own(key) {
        return 0;
    }
    let crc = |first: &[u8], second: &[u8]| {
        let mut hasher = crc32fast::Hasher::new();
        // Where one ends and the other begins counts, too.
        hasher.update(&(first.len() as u64).to_be_bytes());
        hasher.update(first);
        hasher.update(second);
        u64::from(hasher.finalize())
    };
    crc(key, value) << 32 | crc(value, key)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_octets_are_pinned() {
        let (before, after) = (Sum { last: 1, weights: 2 }, Sum { last: 0x0102, weights: u64::MAX });
        let content = Content { before, after };
        let octets = content.to_bytes();
        assert_eq!(octets[..8], [0, 0, 0, 0, 0, 0, 0, 1]);
        assert_eq!(octets[16..], [0, 0, 0, 0, 0, 0, 1, 2, 255, 255, 255, 255, 255, 255, 255, 255]);
        assert_eq!(Content::parse(&octets), Some(content));
        assert_eq!((Content::parse(&octets[1..]), Content::parse(&[])), (None, None));
        assert_eq!((content.at(1), content.at(0x0102), content.at(2)), (Some(before), Some(after), None));
    }

    #[test]
    fn weights_are_those_of_every_version() {
        assert_eq!(weight(b"ab", b"c"), 0x0beb_e1b7_46f0_f962);
        assert_ne!(weight(b"a", b"bc"), weight(b"ab", b"c"));
        assert_eq!(weight(keys::SEQUENCE, b"x"), 0);
    }
}
