//! The daemon's key, and what is made with it: sealed texts (ChaCha20-Poly1305, RFC 8439, under a nonce of
//! 192 random bits, `XChaCha`) and keyed hashes (HMAC-SHA-256, RFC 2104).

use std::fmt;

use chacha20poly1305::aead::{Aead, Payload};
use chacha20poly1305::{KeyInit as _, XChaCha20Poly1305, XNonce};
use hmac::{Hmac, Mac};
use sha2::Sha256;
use zeroize::Zeroizing;

use super::Secret;
use crate::random::Random;

const NONCE: usize = 24;

/// The 32-octet secret key of one installation, split into one key for each use.
#[derive(Clone)]
pub struct Key {
    seal: Zeroizing<[u8; 32]>,
    hash: Zeroizing<[u8; 32]>,
    random: Random,
}

/// A nonce and a ciphertext with its tag. Without the key it reveals nothing but its length.
#[derive(Clone, PartialEq, Eq)]
pub struct Sealed(Vec<u8>);

/// A sealed text that cannot be opened: it has another key or another owner, or is damaged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("sealed with another key or damaged; was the secret key replaced?")]
pub struct UnsealError;

impl Key {
    /// Derives the working keys from the installation's key.
    pub fn from_bytes(bytes: [u8; 32]) -> Self {
        let bytes = Zeroizing::new(bytes);
        Self {
            seal: derive(&bytes, b"smsotpd seal v1"),
            hash: derive(&bytes, b"smsotpd hash v1"),
            random: Random::system(),
        }
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

    /// Seals `plain` for the `owner`, whose name is bound to it.
    pub fn seal(&self, owner: &[u8], plain: &[u8]) -> Sealed {
        let mut out = vec![0; NONCE];
        self.random.fill(&mut out);
        let nonce = XNonce::try_from(out.as_slice()).expect("NONCE octets were just filled");
        let cipher = XChaCha20Poly1305::new((&*self.seal).into());
        let sealed =
            cipher.encrypt(&nonce, Payload { msg: plain, aad: owner }).expect("only a text of 256 GiB fails");
        out.extend_from_slice(&sealed);
        Sealed(out)
    }

    /// Opens a text that was sealed for the `owner`.
    pub fn unseal(&self, owner: &[u8], sealed: &Sealed) -> Result<Secret<Vec<u8>>, UnsealError> {
        let (nonce, body) = sealed.0.split_at_checked(NONCE).ok_or(UnsealError)?;
        let nonce = XNonce::try_from(nonce).map_err(|_| UnsealError)?;
        let cipher = XChaCha20Poly1305::new((&*self.seal).into());
        cipher.decrypt(&nonce, Payload { msg: body, aad: owner }).map(Secret::new).map_err(|_| UnsealError)
    }

    /// HMAC-SHA-256 over `fields`, each preceded by its length, so that no two lists of fields collide.
    pub fn hash(&self, fields: &[&[u8]]) -> [u8; 32] {
        let mut mac = <Hmac<Sha256>>::new_from_slice(&*self.hash).expect("HMAC takes a key of any length");
        for field in fields {
            mac.update(&(field.len() as u64).to_be_bytes());
            mac.update(field);
        }
        mac.finalize().into_bytes().into()
    }
}

fn derive(key: &[u8; 32], purpose: &[u8]) -> Zeroizing<[u8; 32]> {
    let mut mac = <Hmac<Sha256>>::new_from_slice(key).expect("HMAC takes a key of any length");
    mac.update(purpose);
    Zeroizing::new(mac.finalize().into_bytes().into())
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
    fn fields_do_not_run_together() {
        let key = Key::from_bytes([1; 32]);
        assert_ne!(key.hash(&[b"ab", b"c"]), key.hash(&[b"a", b"bc"]));
        assert_eq!(key.hash(&[b"ab"]), key.hash(&[b"ab"]));
    }
}
