//! The keys: the octet of their table, then big-endian numbers, so that they sort as they should. Whatever names a
//! person stands in a key only as a hash with a key of its own.

use sha2::{Digest as _, Sha256};

use crate::clock::Steady;
use crate::id::{InboxId, MessageId, VerificationId};
use crate::secret::Key as Sealer;

/// How many commits there were.
pub(super) const SEQUENCE: &[u8] = b"Z\0sequence";
/// The version of this layout.
pub(super) const SCHEMA: &[u8] = b"Z\0schema";
/// What sled must have, as `content` counts it.
pub(super) const CONTENT: &[u8] = b"Z\0content";

/// What belongs to one store's files, not to what it holds.
pub(super) fn is_own(key: &[u8]) -> bool {
    key.starts_with(b"Z\0")
}

/// What stands behind the octet of a table.
pub(super) trait Key: Sized {
    /// Appends its octets.
    fn write(&self, key: &mut Vec<u8>);

    /// Takes its octets from the front.
    fn take(rest: &mut &[u8]) -> Option<Self>;

    /// The key of these octets and no others.
    fn parse(mut octets: &[u8]) -> Option<Self> {
        let key = Self::take(&mut octets)?;
        octets.is_empty().then_some(key)
    }
}

impl<const N: usize> Key for [u8; N] {
    fn write(&self, key: &mut Vec<u8>) {
        key.extend_from_slice(self);
    }

    fn take(rest: &mut &[u8]) -> Option<Self> {
        let (octets, behind) = rest.split_first_chunk()?;
        *rest = behind;
        Some(*octets)
    }
}

/// Octets of any number: only at the end of a key.
impl Key for Vec<u8> {
    fn write(&self, key: &mut Vec<u8>) {
        key.extend_from_slice(self);
    }

    fn take(rest: &mut &[u8]) -> Option<Self> {
        Some(std::mem::take(rest).to_vec())
    }
}

macro_rules! fixed {
    ($($type:ty: $to:expr, $from:expr;)*) => {$(
        impl Key for $type {
            fn write(&self, key: &mut Vec<u8>) {
                let to: fn(Self) -> _ = $to;
                to(*self).write(key);
            }

            fn take(rest: &mut &[u8]) -> Option<Self> {
                Key::take(rest).map($from)
            }
        }
    )*};
}

fixed! {
    u8: u8::to_be_bytes, u8::from_be_bytes;
    u64: u64::to_be_bytes, u64::from_be_bytes;
    Steady: Steady::as_millis, Steady::from_millis;
    VerificationId: VerificationId::to_bytes, VerificationId::from_bytes;
    MessageId: MessageId::to_bytes, MessageId::from_bytes;
    InboxId: InboxId::to_bytes, InboxId::from_bytes;
    // A reference; none when it is in doubt.
    Option<u8>: |it| it.map_or([1, 0], |it| [0, it]), |[none, it]: [u8; 2]| (none == 0).then_some(it);
}

impl<A: Key, B: Key> Key for (A, B) {
    fn write(&self, key: &mut Vec<u8>) {
        self.0.write(key);
        self.1.write(key);
    }

    fn take(rest: &mut &[u8]) -> Option<Self> {
        Some((A::take(rest)?, B::take(rest)?))
    }
}

impl<A: Key, B: Key, C: Key> Key for (A, B, C) {
    fn write(&self, key: &mut Vec<u8>) {
        self.0.write(key);
        self.1.write(key);
        self.2.write(key);
    }

    fn take(rest: &mut &[u8]) -> Option<Self> {
        Some((A::take(rest)?, B::take(rest)?, C::take(rest)?))
    }
}

/// What names a person as it stands in keys: a hash that nobody computes without the key. It is one over the hash without
/// a key, since that is what older versions had.
pub(super) fn keyed(key: &Sealer, hash: &[u8; 16]) -> [u8; 16] {
    let mut place = [0; 16];
    place.copy_from_slice(&key.hash(&[b"place", hash])[..16]);
    place
}

/// Names as they stand in keys.
pub(super) fn hash(names: &[&str]) -> [u8; 16] {
    let mut hash = Sha256::new();
    for name in names {
        hash.update((name.len() as u64).to_be_bytes());
        hash.update(name.as_bytes());
    }
    let mut key = [0; 16];
    key.copy_from_slice(&hash.finalize()[..16]);
    key
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn written(key: &impl Key) -> Vec<u8> {
        let mut octets = Vec::new();
        key.write(&mut octets);
        octets
    }

    proptest! {
        #[test]
        fn keys_are_read_as_they_were_written_and_sort_as_they_do(
            one: (u64, [u8; 16], u64), other: (u64, [u8; 16], u64), at: (u64, Option<u8>), rest: Vec<u8>, more: u8,
        ) {
            prop_assert_eq!(Key::parse(&written(&one)), Some(one));
            prop_assert_eq!(Key::parse(&written(&at)), Some(at));
            prop_assert_eq!(Key::parse(&written(&(at.0, rest.clone()))), Some((at.0, rest)));
            prop_assert_eq!(written(&one).cmp(&written(&other)), one.cmp(&other));
            prop_assert_eq!(<(u64, [u8; 16], u64)>::parse(&written(&(one, more))), None);
            prop_assert_eq!(<(u64, [u8; 16], u64)>::parse(&written(&(one.0, one.1, more))), None);
        }
    }
}
