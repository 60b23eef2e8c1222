//! Identifiers: opaque texts that sort by the time they were made and carry their kind, `ver_01j…`.
//!
//! The body is a ULID (48 bits of milliseconds, 80 random bits) in lower-case Crockford base 32. Ids of one process sort in
//! the order in which they were made, whatever the wall clock shows; nobody who knows an id can guess the next one.

use std::fmt;
use std::str::FromStr;
use std::sync::{Arc, Mutex, PoisonError};

use crate::clock::Steady;
use crate::random::Random;

/// Makes identifiers; clones share one sequence.
#[derive(Debug, Clone)]
pub struct Ids(Arc<Maker>);

#[derive(Debug)]
struct Maker {
    random: Random,
    last: Mutex<Last>,
}

#[derive(Debug, Default)]
struct Last {
    id: u128,
    /// When it was made. The steps of a millisecond may lead into the next one.
    at: Steady,
}

/// The random bits of the first id in a millisecond: one less than there are, which leaves room for steps.
const FIRST: u128 = (1 << 79) - 1;

impl Ids {
    /// Identifiers whose random bits come from `random`.
    pub fn new(random: Random) -> Self {
        Self(Arc::new(Maker { random, last: Mutex::default() }))
    }

    /// A new id made at `now`. Ids that are made in the same millisecond sort in the order in which they were made: each is
    /// a random step of up to 2^64 above the one before it. When more than 2^15 are made in a millisecond, some may carry
    /// the next one.
    pub fn next<I: Identifier>(&self, now: Steady) -> I {
        let mut octets = [0; 16];
        self.0.random.fill(&mut octets);
        let random = u128::from_be_bytes(octets);
        let fresh = ulid::Ulid::from_parts(now.as_millis(), random & FIRST);
        let mut last = self.0.last.lock().unwrap_or_else(PoisonError::into_inner);
        let carries = |id: u128| ulid::Ulid(id).timestamp_ms() == fresh.timestamp_ms();
        last.id = if last.at == now || carries(last.id) {
            last.id.wrapping_add(1 + (random & u128::from(u64::MAX)))
        } else {
            fresh.0
        };
        last.at = now;
        I::from_bytes(last.id.to_be_bytes())
    }
}

/// A kind of identifier.
pub trait Identifier {
    /// The id of 16 octets.
    fn from_bytes(bytes: [u8; 16]) -> Self;
}

/// A text that is not an identifier of this kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not an id of this kind")]
pub struct NotAnId;

macro_rules! identifier {
    ($(#[$doc:meta])* $name:ident, $prefix:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(ulid::Ulid);

        impl $name {
            /// What every id of this kind begins with.
            pub const PREFIX: &'static str = $prefix;

            /// Sorts before every id made at `at` or later, and after every earlier one.
            pub fn first_at(at: Steady) -> Self {
                Self(ulid::Ulid::from_parts(at.as_millis(), 0))
            }

            /// When it was made, by the clock that nobody sets.
            pub fn made_at(self) -> Steady {
                Steady::from_millis(self.0.timestamp_ms())
            }

            /// The 16 octets of the id in the store; they sort as the ids do.
            pub fn to_bytes(self) -> [u8; 16] {
                self.0.to_bytes()
            }

            /// The id of 16 octets.
            pub fn from_bytes(bytes: [u8; 16]) -> Self {
                Self(ulid::Ulid::from_bytes(bytes))
            }
        }

        impl Identifier for $name {
            fn from_bytes(bytes: [u8; 16]) -> Self {
                Self::from_bytes(bytes)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}{}", Self::PREFIX, self.0.to_string().to_ascii_lowercase())
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(self, f)
            }
        }

        impl FromStr for $name {
            type Err = NotAnId;

            fn from_str(text: &str) -> Result<Self, NotAnId> {
                let body = text.strip_prefix(Self::PREFIX).ok_or(NotAnId)?;
                ulid::Ulid::from_string(body).map(Self).map_err(|_| NotAnId)
            }
        }
    };
}

identifier!(
    /// Names a verification.
    VerificationId, "ver_"
);
identifier!(
    /// Names an outgoing message.
    MessageId, "msg_"
);
identifier!(
    /// Names a received message.
    InboxId, "in_"
);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_sort_by_time_and_carry_their_kind() {
        let ids = Ids::new(Random::system());
        let a: MessageId = ids.next(Steady::from_millis(1_700_000_000_000));
        let b = ids.next(Steady::from_millis(1_700_000_000_001));
        assert!(a < b && a.to_string() < b.to_string() && a.to_bytes() < b.to_bytes());
        let same: Vec<MessageId> = (0..100).map(|_| ids.next(Steady::from_millis(1))).collect();
        assert!(same.is_sorted_by(|a, b| a < b), "also within one millisecond");
        assert_eq!(a.to_string().parse(), Ok(a));
        assert_eq!(MessageId::from_bytes(a.to_bytes()), a);
        assert!(a.to_string().starts_with("msg_"));
        assert_eq!(a.to_string().parse::<VerificationId>(), Err(NotAnId));
        assert_eq!("msg_💥".parse::<MessageId>(), Err(NotAnId));
    }

    #[test]
    fn who_knows_an_id_cannot_guess_the_next_one() {
        let ids = Ids::new(Random::system());
        let number = |id: MessageId| u128::from_be_bytes(id.to_bytes());
        let same: Vec<u128> = (0..1000).map(|_| number(ids.next(Steady::from_millis(1)))).collect();
        let mut steps: Vec<u128> = same.windows(2).map(|pair| pair[1] - pair[0]).collect();
        // Of 999 random steps of 64 bits none is below 2^32, but for once in four million runs.
        assert!(steps.iter().all(|step| *step > u128::from(u32::MAX)));
        steps.sort_unstable();
        steps.dedup();
        assert_eq!(steps.len(), 999);
    }

    #[test]
    fn ids_stay_in_order_when_a_millisecond_has_too_many() {
        let ids = Ids::new(Random::system());
        let at = |millis: u64| Steady::from_millis(1_700_000_000_000 + millis);
        let mut made: Vec<MessageId> = Vec::new();
        for millis in 0..3 {
            made.extend((0..150_000).map(|_| ids.next::<MessageId>(at(millis))));
        }
        assert!(made.is_sorted_by(|a, b| a < b));
        assert!(made.last().unwrap() < &MessageId::first_at(at(6)));
        // A clock that was set back gives ids of its time.
        assert!(ids.next::<MessageId>(at(0)) < MessageId::first_at(at(1)));
    }
}
