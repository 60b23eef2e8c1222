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

/// 32 octets, wiped when they are dropped.
#[derive(Clone)]
pub(super) struct Subkey(Zeroizing<[u8; 32]>);

impl Subkey {
    /// How many octets it has.
    pub(super) const OCTETS: usize = 32;

    pub(super) const fn new(octets: Zeroizing<[u8; 32]>) -> Self {
        Self(octets)
    }

    /// A key that nothing else follows from.
    pub(super) fn drawn(random: &Random) -> Self {
        let mut octets = Zeroizing::new([0; 32]);
        random.fill(&mut *octets);
        Self(octets)
    }

    pub(super) fn as_octets(&self) -> &[u8; 32] {
        &self.0
    }

    /// The key for a purpose that follows from this one.
    pub(super) fn derived(&self, purpose: &[u8]) -> Self {
        let mut mac = self.mac();
        mac.update(purpose);
        Self(Zeroizing::new(mac.finalize().into_bytes().into()))
    }

    pub(super) fn seal(&self, random: &Random, owner: &[u8], plain: &[u8]) -> Sealed {
        let mut out = vec![0; NONCE];
        random.fill(&mut out);
        let nonce = XNonce::try_from(out.as_slice()).expect("NONCE octets were just filled");
        let cipher = XChaCha20Poly1305::new((&*self.0).into());
        let sealed =
            cipher.encrypt(&nonce, Payload { msg: plain, aad: owner }).expect("only a text of 256 GiB fails");
        out.extend_from_slice(&sealed);
        Sealed(out)
    }

    pub(super) fn unseal(&self, owner: &[u8], sealed: &Sealed) -> Result<Secret<Vec<u8>>, UnsealError> {
        let (nonce, body) = sealed.0.split_at_checked(NONCE).ok_or(UnsealError)?;
        let nonce = XNonce::try_from(nonce).map_err(|_| UnsealError)?;
        let cipher = XChaCha20Poly1305::new((&*self.0).into());
        cipher.decrypt(&nonce, Payload { msg: body, aad: owner }).map(Secret::new).map_err(|_| UnsealError)
    }

    /// HMAC-SHA-256 over `fields`, each preceded by its length, so that no two lists of fields collide.
    pub(super) fn hash(&self, fields: &[&[u8]]) -> [u8; 32] {
        let mut mac = self.mac();
        for field in fields {
            mac.update(&(field.len() as u64).to_be_bytes());
            mac.update(field);
        }
        mac.finalize().into_bytes().into()
    }

    fn mac(&self) -> Hmac<Sha256> {
        <Hmac<Sha256>>::new_from_slice(&*self.0).expect("HMAC takes a key of any length")
    }
}

/// The comparison takes constant time.
impl PartialEq for Subkey {
    fn eq(&self, other: &Self) -> bool {
        self.0.ct_eq(&*other.0).into()
    }
}

impl Eq for Subkey {}

impl fmt::Debug for Subkey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[key]")
    }
}
