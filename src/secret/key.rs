//! The daemon's key: a handle on the keys in force, which all parts of the daemon share, so that a rotation reaches them
//! all at once.
//!
//! What is sealed is tried with each key that something may be sealed with. What was drawn with earlier keys and is not
//! written yet holds them by [`Key::ring`]; a rotation waits for that before it looks at what it has to seal anew.

use std::fmt;
use std::sync::{Arc, PoisonError, RwLock, Weak};

use super::ring::Ring;
use super::subkey::Subkey;
use super::{Secret, master::Master};
use crate::random::Random;

/// A nonce and a ciphertext with its tag. Without the key it reveals nothing but its length.
#[derive(Clone, PartialEq, Eq)]
pub struct Sealed(pub(super) Vec<u8>);

/// A sealed text that cannot be opened. Another key is found out before anything is opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("it cannot be opened: its record is damaged, or was sealed with another key; restore a backup")]
pub struct UnsealError;

/// The keys in force, for sealing and hashing. Clones share them.
#[derive(Clone)]
pub struct Key {
    held: Arc<RwLock<Held>>,
    random: Random,
}

struct Held {
    /// The installation's key.
    master: Master,
    now: Arc<Ring>,
    /// Those before, as long as somebody has something that was made with them.
    former: Vec<Weak<Ring>>,
    /// Keys that were forgotten on disk: whoever read a record before it was sealed anew can still open it.
    retired: Vec<Subkey>,
}

impl Key {
    /// The keys of an installation that never had another key than this.
    pub fn from_bytes(bytes: [u8; 32]) -> Self {
        let master = Master::from_bytes(bytes);
        let ring = Ring::first(&master);
        Self::new(master, ring)
    }

    /// The installation's key, and the keys that it keeps.
    pub fn new(master: Master, ring: Ring) -> Self {
        let held = Held { master, now: Arc::new(ring), former: Vec::new(), retired: Vec::new() };
        Self { held: Arc::new(RwLock::new(held)), random: Random::system() }
    }

    /// The same key with another source of nonces and codes.
    #[must_use]
    pub fn with_random(self, random: Random) -> Self {
        Self { random, ..self }
    }

    /// The source of nonces and codes.
    pub const fn random(&self) -> &Random {
        &self.random
    }

    /// The keys as they are now. Who makes something with them outside a move, and writes it in one, holds this until
    /// then.
    pub fn ring(&self) -> Arc<Ring> {
        Arc::clone(&self.read().now)
    }

    /// The installation's key.
    pub fn master(&self) -> Master {
        self.read().master.clone()
    }

    /// Puts other keys in the place of these, for every clone.
    pub fn replace(&self, master: Master, ring: Ring) {
        let mut held = self.held.write().unwrap_or_else(PoisonError::into_inner);
        let retired: Vec<_> =
            held.now.seals.iter().filter(|key| !ring.seals.contains(key)).cloned().collect();
        if !retired.is_empty() {
            held.retired = retired;
        }
        let before = std::mem::replace(&mut held.now, Arc::new(ring));
        held.master = master;
        held.former.retain(|ring| ring.strong_count() > 0);
        held.former.push(Arc::downgrade(&before));
    }

    /// Whether somebody has something that was made with keys from before, and may still write it.
    pub fn is_drawn_from_before(&self) -> bool {
        self.read().former.iter().any(|ring| ring.strong_count() > 0)
    }

    /// Seals `plain` for the `owner`, whose name is bound to it.
    pub fn seal(&self, owner: &[u8], plain: &[u8]) -> Sealed {
        self.ring().seal_key().seal(&self.random, owner, plain)
    }

    /// Opens a text that was sealed for the `owner`.
    pub fn unseal(&self, owner: &[u8], sealed: &Sealed) -> Result<Secret<Vec<u8>>, UnsealError> {
        let held = self.read();
        let mut keys = held.now.seals.iter().chain(&held.retired);
        keys.find_map(|key| key.unseal(owner, sealed).ok()).ok_or(UnsealError)
    }

    /// The same text under the newest key; nothing when it is sealed with that already.
    pub fn seal_anew(&self, owner: &[u8], sealed: &Sealed) -> Result<Option<Sealed>, UnsealError> {
        if self.ring().seal_key().unseal(owner, sealed).is_ok() {
            return Ok(None);
        }
        Ok(Some(self.seal(owner, self.unseal(owner, sealed)?.expose())))
    }

    /// Seals what stands in one place of the store and never changes there: nothing else may ever be sealed for that
    /// place. The same comes out for the same.
    pub fn seal_at(&self, place: &[u8], plain: &[u8]) -> Vec<u8> {
        self.read().now.seal_key().seal_at(place, plain)
    }

    /// Opens what was sealed in this place.
    pub fn unseal_at(&self, place: &[u8], sealed: &[u8]) -> Result<Secret<Vec<u8>>, UnsealError> {
        let held = self.read();
        let mut keys = held.now.seals.iter().chain(&held.retired);
        keys.find_map(|key| key.unseal_at(place, sealed)).ok_or(UnsealError)
    }

    /// HMAC-SHA-256 over `fields` by which something is found again, such as a recipient of this month: it stays the same
    /// over rotations.
    pub fn hash(&self, fields: &[&[u8]]) -> [u8; 32] {
        self.read().now.index.hash(fields)
    }

    /// HMAC-SHA-256 over `fields`, by the newest key: for what lives shortly, such as a code.
    pub fn digest(&self, fields: &[&[u8]]) -> [u8; 32] {
        self.read().now.digest_key().hash(fields)
    }

    /// The digests by each key under which something may still live, the newest first.
    pub fn digests(&self, fields: &[&[u8]]) -> Vec<[u8; 32]> {
        self.read().now.digests.iter().map(|one| one.key.hash(fields)).collect()
    }

    /// HMAC-SHA-256 over `fields`, by the key that the trail has at this event.
    pub fn link(&self, event: u64, fields: &[&[u8]]) -> [u8; 32] {
        self.read().now.trail_key(event).hash(fields)
    }

    fn read(&self) -> std::sync::RwLockReadGuard<'_, Held> {
        self.held.read().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Sealed {
    /// The octets, for the store.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// The octets that the store kept.
    pub fn from_bytes(bytes: Vec<u8>) -> Self {
        Self(bytes)
    }
}

impl fmt::Debug for Sealed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "[sealed, {} octets]", self.0.len())
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[key]")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sealed_text_opens_only_for_its_owner_and_whole() {
        let key = Key::from_bytes([1; 32]);
        let sealed = key.seal(b"a", b"text");
        assert_eq!(key.unseal(b"a", &sealed).unwrap().expose(), b"text");
        assert_eq!(key.unseal(b"b", &sealed), Err(UnsealError));
        assert_eq!(Key::from_bytes([2; 32]).unseal(b"a", &sealed), Err(UnsealError));
        let mut bytes = sealed.as_bytes().to_vec();
        *bytes.last_mut().unwrap() ^= 1;
        assert_eq!(key.unseal(b"a", &Sealed::from_bytes(bytes)), Err(UnsealError));
        assert_eq!(key.unseal(b"a", &Sealed::from_bytes(vec![0; 3])), Err(UnsealError));
        assert_ne!(sealed, key.seal(b"a", b"text"), "a nonce is never used twice");
    }

    #[test]
    fn what_is_sealed_in_a_place_opens_only_there_and_whole() {
        let key = Key::from_bytes([1; 32]);
        let long = [7; 25];
        let sealed = key.seal_at(&long, b"text");
        assert_eq!(sealed.len(), 4 + 16, "no nonce is kept");
        assert_eq!(key.unseal_at(&long, &sealed).unwrap().expose(), b"text");
        assert_eq!(key.seal_at(&long, b"text"), sealed);
        assert_ne!(key.seal_at(b"other", b"text"), sealed);
        for other in [&long[..24], b"other", &[]] {
            assert_eq!(key.unseal_at(other, &sealed), Err(UnsealError));
        }
        assert_eq!(Key::from_bytes([2; 32]).unseal_at(&long, &sealed), Err(UnsealError));
        for damaged in [&sealed[1..], &sealed[..4], &[]] {
            assert_eq!(key.unseal_at(&long, damaged), Err(UnsealError));
        }
        let plain = Key::from_bytes([1; 32]).seal(&long, b"text");
        assert_eq!(key.unseal_at(&long, plain.as_bytes()), Err(UnsealError));
        key.replace(Master::from_bytes([2; 32]), key.ring().turned(key.random(), 1));
        assert_eq!(key.unseal_at(&long, &sealed).unwrap().expose(), b"text");
        assert_ne!(key.seal_at(&long, b"text"), sealed, "it is sealed with the newest key");
    }

    #[test]
    fn fields_do_not_run_together() {
        let key = Key::from_bytes([1; 32]);
        assert_ne!(key.hash(&[b"ab", b"c"]), key.hash(&[b"a", b"bc"]));
        assert_eq!(key.hash(&[b"ab"]), key.hash(&[b"ab"]));
    }

    /// Computed by another implementation: Python's `hmac` and
    /// `cryptography`. A store from before keys were rotated stands on these.
    #[test]
    fn the_first_keys_are_what_they_always_were() {
        let key = Key::from_bytes([7; 32]);
        let known = "DEDCFD6192F0AF59ED6A3BCAF53AEC1A404730325CCF3F006D3D01694F6888AE";
        for hash in [key.hash(&[b"x"]), key.digest(&[b"x"]), key.link(1, &[b"x"])] {
            assert_eq!(crate::hex::encode(&hash), known);
        }
        let mut sealed = [0; 44];
        let digits =
            "000102030405060708090A0B0C0D0E0F1011121314151617F9AFA86FAC1C940C59F52CC11A057196E733E91F";
        crate::hex::decode(digits.as_bytes(), &mut sealed).unwrap();
        assert_eq!(key.unseal(b"owner", &Sealed::from_bytes(sealed.to_vec())).unwrap().expose(), b"text");
    }

    #[test]
    fn clones_turn_together_and_what_was_made_before_stays_good() {
        let key = Key::from_bytes([1; 32]);
        let clone = key.clone();
        let (sealed, hash, digest) = (key.seal(b"a", b"text"), key.hash(&[b"x"]), key.digest(&[b"x"]));
        let drawn = key.ring();
        let master = Master::from_bytes([2; 32]);
        clone.replace(master, key.ring().turned(key.random(), 5));
        assert_eq!(key.unseal(b"a", &sealed).unwrap().expose(), b"text");
        assert_eq!(key.hash(&[b"x"]), hash, "what is found again by it stays");
        assert_ne!(key.digest(&[b"x"]), digest);
        assert_eq!(key.digests(&[b"x"])[1], digest);
        assert_eq!(key.link(4, &[b"x"]), hash);
        assert_ne!(key.link(5, &[b"x"]), hash);
        assert!(key.is_drawn_from_before());
        drop(drawn);
        assert!(!key.is_drawn_from_before());
        let anew = key.seal_anew(b"a", &sealed).unwrap().unwrap();
        assert_eq!(key.seal_anew(b"a", &anew), Ok(None));
        assert_eq!(key.seal_anew(b"b", &sealed), Err(UnsealError));
        key.replace(key.master(), key.ring().sealed_anew(0));
        assert_eq!(key.unseal(b"a", &anew).unwrap().expose(), b"text");
        assert!(key.unseal(b"a", &sealed).is_ok(), "somebody may have read it before it was sealed anew");
        let later = Key::new(key.master(), Ring::from_octets(&key.ring().to_octets()).unwrap());
        assert_eq!(later.unseal(b"a", &sealed), Err(UnsealError), "a later start has the old key no more");
        assert_eq!(later.unseal(b"a", &anew).unwrap().expose(), b"text");
    }
}
