//! Identifiers: opaque texts that sort by the time they were made and carry their kind, `ver_01j…`.
//!
//! The body is a ULID (48 bits of milliseconds, 80 random bits) in lower-case Crockford base 32.

use std::fmt;
use std::str::FromStr;
use std::sync::{Arc, Mutex, PoisonError};

use crate::clock::Timestamp;
use crate::random::Random;

/// Makes identifiers; clones share one sequence.
#[derive(Debug, Clone)]
pub struct Ids(Arc<Maker>);

#[derive(Debug)]
struct Maker {
    random: Random,
    last: Mutex<ulid::Ulid>,
}

impl Ids {
    /// Identifiers whose random bits come from `random`.
    pub fn new(random: Random) -> Self {
        Self(Arc::new(Maker { random, last: Mutex::new(ulid::Ulid::nil()) }))
    }

    /// A new id made at `now`. Ids that are made in the same millisecond sort in the order in which they were made.
    pub fn next<I: Identifier>(&self, now: Timestamp) -> I {
        let mut octets = [0; 16];
        self.0.random.fill(&mut octets);
        let fresh = ulid::Ulid::from_parts(now.as_millis(), u128::from_be_bytes(octets));
        let mut last = self.0.last.lock().unwrap_or_else(PoisonError::into_inner);
        let behind = last.increment().ok().filter(|_| last.timestamp_ms() == fresh.timestamp_ms());
        *last = behind.unwrap_or(fresh);
        I::from_bytes(last.to_bytes())
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
            pub fn first_at(at: Timestamp) -> Self {
                Self(ulid::Ulid::from_parts(at.as_millis(), 0))
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
        let a: MessageId = ids.next(Timestamp::from_millis(1_700_000_000_000));
        let b = ids.next(Timestamp::from_millis(1_700_000_000_001));
        assert!(a < b && a.to_string() < b.to_string() && a.to_bytes() < b.to_bytes());
        let same: Vec<MessageId> = (0..100).map(|_| ids.next(Timestamp::from_millis(1))).collect();
        assert!(same.is_sorted_by(|a, b| a < b), "also within one millisecond");
        assert_eq!(a.to_string().parse(), Ok(a));
        assert_eq!(MessageId::from_bytes(a.to_bytes()), a);
        assert!(a.to_string().starts_with("msg_"));
        assert_eq!(a.to_string().parse::<VerificationId>(), Err(NotAnId));
        assert_eq!("msg_💥".parse::<MessageId>(), Err(NotAnId));
    }
}
