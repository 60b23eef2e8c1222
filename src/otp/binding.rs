//! What a code is for, such as one payment: the application says it when the code is issued and again with each check,
//! so that a code that somebody was talked out of approves nothing else.

use std::fmt;

use crate::id::VerificationId;
use crate::secret::Key;

/// HMAC-SHA-256 of what a code is for, under the installation's key and bound to the verification.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct BindingHash([u8; 32]);

impl BindingHash {
    /// The most characters that the application may say.
    pub const MOST_CHARS: usize = 200;

    /// The hash of what the application said for this verification.
    pub fn of(text: &str, key: &Key, id: VerificationId) -> Self {
        Self(key.digest(&fields(&id.to_bytes(), text)))
    }

    /// Whether it is that of this text, whichever of the keys was the newest when it was made.
    pub fn is_of(&self, text: &str, key: &Key, id: VerificationId) -> bool {
        key.digests(&fields(&id.to_bytes(), text)).contains(&self.0)
    }

    /// The octets, for the store.
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// The octets that the store kept.
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }
}

fn fields<'a>(id: &'a [u8], text: &'a str) -> [&'a [u8]; 3] {
    [b"binding", id, text.as_bytes()]
}

impl fmt::Debug for BindingHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[hash]")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Steady;

    #[test]
    fn it_is_that_of_one_text_and_one_verification() {
        let key = Key::from_bytes([1; 32]);
        let [id, other] = [7, 8].map(|at| VerificationId::first_at(Steady::from_millis(at)));
        let hash = BindingHash::of("pay 12.50", &key, id);
        assert_eq!(hash, BindingHash::of("pay 12.50", &key, id));
        assert_ne!(hash, BindingHash::of("pay 1250", &key, id));
        assert_ne!(hash, BindingHash::of("pay 12.50", &key, other));
        assert_eq!(hash, BindingHash::from_bytes(*hash.as_bytes()));
        key.replace(key.master(), key.ring().turned(key.random(), 1));
        assert_ne!(hash, BindingHash::of("pay 12.50", &key, id));
        assert!(hash.is_of("pay 12.50", &key, id) && !hash.is_of("pay 1250", &key, id));
    }
}
