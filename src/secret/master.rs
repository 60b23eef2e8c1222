//! The installation's key: 32 octets that an operator keeps. It opens the ring of keys that the store keeps, and has a
//! check value, by which a store knows its own key before anything of it is opened.

use zeroize::Zeroizing;

use super::key::{Sealed, UnsealError};
use super::ring::Ring;
use super::subkey::Subkey;
use crate::random::Random;

/// To whom a ring is sealed.
const OWNER: &[u8] = b"keyring";

/// What a store keeps of its key, to know it again. Nothing follows from it.
pub type CheckValue = [u8; 16];

/// The installation's key.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Master(Subkey);

impl Master {
    /// The key of these octets.
    pub fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(Subkey::new(Zeroizing::new(bytes)))
    }

    /// A new key.
    pub fn drawn(random: &Random) -> Self {
        Self(Subkey::drawn(random))
    }

    /// Its octets, for the file that keeps it.
    pub fn expose(&self) -> &[u8; 32] {
        self.0.as_octets()
    }

    /// Whether it is no key but what a mistake leaves in its place: all octets the same.
    pub fn is_constant(&self) -> bool {
        let [first, rest @ ..] = self.expose();
        rest.iter().all(|octet| octet == first)
    }

    /// Its check value.
    pub fn check_value(&self) -> CheckValue {
        let mut value = CheckValue::default();
        let hash = self.0.derived(b"smsotpd check v1");
        value.copy_from_slice(&hash.as_octets()[..size_of::<CheckValue>()]);
        value
    }

    /// Seals a ring under it.
    pub fn seal(&self, random: &Random, ring: &Ring) -> Sealed {
        self.0.derived(b"smsotpd keyring v1").seal(random, OWNER, &ring.to_octets())
    }

    /// The ring that was sealed under it.
    pub fn unseal(&self, sealed: &Sealed) -> Result<Ring, UnsealError> {
        let octets = self.0.derived(b"smsotpd keyring v1").unseal(OWNER, sealed)?;
        Ring::from_octets(octets.expose()).ok_or(UnsealError)
    }

    /// The key for a purpose, of an installation that never had another one.
    pub(super) fn first(&self, purpose: &[u8]) -> Subkey {
        self.0.derived(purpose)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ring_opens_with_its_own_key_alone() {
        let (master, random) = (Master::from_bytes([1; 32]), Random::system());
        let ring = Ring::first(&master).turned(&random, 9);
        let sealed = master.seal(&random, &ring);
        assert_eq!(master.unseal(&sealed), Ok(ring));
        assert_eq!(Master::from_bytes([2; 32]).unseal(&sealed), Err(UnsealError));
        let mut bytes = sealed.as_bytes().to_vec();
        bytes[40] ^= 1;
        assert_eq!(master.unseal(&Sealed::from_bytes(bytes)), Err(UnsealError));
    }

    /// Computed by another implementation: Python's `hmac`.
    #[test]
    fn the_check_value_has_a_known_answer() {
        assert_eq!(
            crate::hex::encode(&Master::from_bytes([7; 32]).check_value()),
            "2F420AC116355722640FD4CA45D7838F"
        );
        let mut turned = [7; 32];
        turned[31] ^= 1;
        assert_ne!(Master::from_bytes(turned).check_value(), Master::from_bytes([7; 32]).check_value());
    }

    #[test]
    fn what_is_no_key() {
        assert!(Master::from_bytes([0; 32]).is_constant() && Master::from_bytes([0xff; 32]).is_constant());
        let mut octets = [0; 32];
        octets[31] = 1;
        assert!(!Master::from_bytes(octets).is_constant());
        assert_eq!(format!("{:?}", Master::from_bytes([7; 32])), "Master([key])");
    }
}
