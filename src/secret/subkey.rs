//! One key for one use: it seals (ChaCha20-Poly1305, RFC 8439, under a nonce of 192 random bits, `XChaCha`) or hashes
//! (HMAC-SHA-256, RFC 2104).

use std::fmt;

use chacha20poly1305::aead::{Aead, Payload};
use chacha20poly1305::{KeyInit as _, XChaCha20Poly1305, XNonce};
use hmac::{Hmac, Mac};
use sha2::Sha256;
use subtle::ConstantTimeEq as _;
use zeroize::Zeroizing;

use super::Secret;
use super::key::{Sealed, UnsealError};
use crate::random::Random;

const NONCE: usize = 24;

/// 32 octets, and the state of HMAC that begins with them; both are wiped when they are dropped.
#[derive(Clone)]
pub(super) struct Subkey {
    octets: Zeroizing<[u8; 32]>,
    mac: Hmac<Sha256>,
}

impl Subkey {
    /// How many octets it has.
    pub(super) const OCTETS: usize = 32;

    pub(super) fn new(octets: Zeroizing<[u8; 32]>) -> Self {
        let mac = <Hmac<Sha256>>::new_from_slice(&*octets).expect("HMAC takes a key of any length");
        Self { octets, mac }
    }

    /// A key that nothing else follows from.
    pub(super) fn drawn(random: &Random) -> Self {
        let mut octets = Zeroizing::new([0; 32]);
        random.fill(&mut *octets);
        Self::new(octets)
    }

    pub(super) fn as_octets(&self) -> &[u8; 32] {
        &self.octets
    }

    /// The key for a purpose that follows from this one.
    pub(super) fn derived(&self, purpose: &[u8]) -> Self {
        let mut mac = self.mac.clone();
        mac.update(purpose);
        Self::new(Zeroizing::new(mac.finalize().into_bytes().into()))
    }

    pub(super) fn seal(&self, random: &Random, owner: &[u8], plain: &[u8]) -> Sealed {
        let mut out = vec![0; NONCE];
        random.fill(&mut out);
        let nonce = XNonce::try_from(out.as_slice()).expect("NONCE octets were just filled");
        let payload = Payload { msg: plain, aad: owner };
        let sealed = self.cipher().encrypt(&nonce, payload).expect("only a text of 256 GiB fails");
        out.extend_from_slice(&sealed);
        Sealed(out)
    }

    pub(super) fn unseal(&self, owner: &[u8], sealed: &Sealed) -> Result<Secret<Vec<u8>>, UnsealError> {
        let (nonce, body) = sealed.0.split_at_checked(NONCE).ok_or(UnsealError)?;
        let nonce = XNonce::try_from(nonce).map_err(|_| UnsealError)?;
        self.cipher()
            .decrypt(&nonce, Payload { msg: body, aad: owner })
            .map(Secret::new)
            .map_err(|_| UnsealError)
    }

    /// Seals what always stands in this one place and never changes there: the place is the nonce, whole in 24 octets or
    /// with octets that nobody chooses in them, so that none is kept. No random nonce is ever equal to it but by 2^-192.
    pub(super) fn seal_at(&self, place: &[u8], plain: &[u8]) -> Vec<u8> {
        let payload = Payload { msg: plain, aad: place };
        self.cipher().encrypt(&nonce_of(place), payload).expect("only a text of 256 GiB fails")
    }

    pub(super) fn unseal_at(&self, place: &[u8], sealed: &[u8]) -> Option<Secret<Vec<u8>>> {
        let payload = Payload { msg: sealed, aad: place };
        self.cipher().decrypt(&nonce_of(place), payload).map(Secret::new).ok()
    }

    fn cipher(&self) -> XChaCha20Poly1305 {
        XChaCha20Poly1305::new((&*self.octets).into())
    }

    /// HMAC-SHA-256 over `fields`, each preceded by its length, so that no two lists of fields collide.
    pub(super) fn hash(&self, fields: &[&[u8]]) -> [u8; 32] {
        let mut mac = self.mac.clone();
        for field in fields {
            mac.update(&(field.len() as u64).to_be_bytes());
            mac.update(field);
        }
        mac.finalize().into_bytes().into()
    }
}

/// The first octets of a place, or all of them and zeros.
fn nonce_of(place: &[u8]) -> XNonce {
    let mut nonce = [0; NONCE];
    for (octet, of) in nonce.iter_mut().zip(place) {
        *octet = *of;
    }
    nonce.into()
}

/// The comparison takes constant time.
impl PartialEq for Subkey {
    fn eq(&self, other: &Self) -> bool {
        self.octets.ct_eq(&*other.octets).into()
    }
}

impl Eq for Subkey {}

impl fmt::Debug for Subkey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[key]")
    }
}
