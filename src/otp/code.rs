//! A one-time code: drawn uniformly from the operating system's generator, kept only as a keyed hash bound to
//! the verification, its service and its number, compared in constant time.

use std::fmt;

use rand::TryRng as _;
use subtle::ConstantTimeEq as _;

use super::Policy;
use crate::id::VerificationId;
use crate::phone::PhoneNumber;
use crate::secret::{Key, Secret};

/// A code in the clear: lives only until it is rendered into its message.
#[derive(Clone, Debug)]
pub struct Code(Secret<String>);

/// HMAC-SHA-256 of a code under the installation's key, bound to verification, service and number.
#[derive(Clone, Copy)]
pub struct CodeHash([u8; 32]);

impl Code {
    /// Draws a code under `policy`. Uniform: an octet that would favour the first characters of the alphabet
    /// is thrown away, not folded by a modulo.
    ///
    /// # Panics
    /// When the operating system gives no random octets: a daemon without them must not make codes.
    pub fn draw(policy: &Policy) -> Self {
        Self(Secret::new(draw_with(policy, || {
            let mut octet = [0];
            rand::rngs::SysRng
                .try_fill_bytes(&mut octet)
                .expect("without the system's generator no code may be made");
            octet[0]
        })))
    }

    /// A code as the person typed it: blanks and dashes around and within it do not count.
    pub fn typed(text: &str) -> Self {
        Self(Secret::new(text.chars().filter(|c| !c.is_whitespace() && *c != '-').collect()))
    }

    /// A code that was kept sealed.
    pub fn restored(text: String) -> Self {
        Self(Secret::new(text))
    }

    /// The code in the clear, to render it.
    pub fn expose(&self) -> &str {
        self.0.expose()
    }

    /// The keyed hash of this code for a verification.
    pub fn hash(&self, key: &Key, id: VerificationId, service: &str, to: &PhoneNumber) -> CodeHash {
        CodeHash(key.hash(&[
            &id.to_bytes(),
            service.as_bytes(),
            to.as_str().as_bytes(),
            self.0.expose().as_bytes(),
        ]))
    }
}

fn draw_with(policy: &Policy, mut octet: impl FnMut() -> u8) -> String {
    let alphabet: Vec<char> = policy.alphabet.chars().collect();
    let size = alphabet.len();
    let fair = 256 / size * size;
    (0..policy.digits)
        .map(|_| {
            loop {
                let n = usize::from(octet());
                if n < fair {
                    return alphabet[n % size];
                }
            }
        })
        .collect()
}

impl CodeHash {
    /// The octets, for the store.
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// What the store kept.
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }
}

/// In constant time.
impl PartialEq for CodeHash {
    fn eq(&self, other: &Self) -> bool {
        self.0.ct_eq(&other.0).into()
    }
}

impl Eq for CodeHash {}

impl fmt::Debug for CodeHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[hash]")
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::clock::Timestamp;

    fn to(text: &str) -> PhoneNumber {
        text.parse().unwrap()
    }

    #[test]
    fn an_octet_that_would_favour_a_character_is_thrown_away() {
        let policy = Policy { digits: 4, ..Policy::default() };
        // 250 to 255 would fall on the first six digits once more.
        let mut octets = [255, 250, 0, 251, 249, 13, 252, 99].into_iter();
        assert_eq!(draw_with(&policy, || octets.next().unwrap()), "0939");
    }

    #[test]
    fn every_digit_at_every_place_is_as_likely_as_any_other() {
        let policy = Policy::default();
        let mut seen = [[0_u32; 10]; 6];
        for _ in 0..20_000 {
            for (place, c) in Code::draw(&policy).expose().bytes().enumerate() {
                seen[place][usize::from(c - b'0')] += 1;
            }
        }
        for place in seen {
            // Chi-squared with 9 degrees of freedom exceeds 40 once in 100 000 runs.
            let chi: f64 = place.iter().map(|&n| (f64::from(n) - 2000.0).powi(2) / 2000.0).sum();
            assert!(chi < 40.0, "{place:?}");
        }
    }

    #[test]
    fn a_hash_is_bound_to_verification_service_and_number() {
        let key = Key::from_bytes([3; 32]);
        let id = VerificationId::new(Timestamp::from_millis(1));
        let other = VerificationId::new(Timestamp::from_millis(2));
        let (a, b) = (to("+41791234567"), to("+41791234568"));
        let hash = Code::typed("123456").hash(&key, id, "login", &a);
        assert_eq!(hash, Code::typed(" 123-456 ").hash(&key, id, "login", &a));
        assert_ne!(hash, Code::typed("123457").hash(&key, id, "login", &a));
        assert_ne!(hash, Code::typed("123456").hash(&key, other, "login", &a));
        assert_ne!(hash, Code::typed("123456").hash(&key, id, "pay", &a));
        assert_ne!(hash, Code::typed("123456").hash(&key, id, "login", &b));
        assert_ne!(hash, Code::typed("123456").hash(&Key::from_bytes([4; 32]), id, "login", &a));
        assert_eq!(format!("{:?} {hash:?}", Code::typed("123456")), "Code([secret]) [hash]");
    }

    proptest! {
        #[test]
        fn a_code_has_its_length_and_its_alphabet(digits in 4_usize..=12, size in 2_usize..=36) {
            let alphabet = "0123456789abcdefghijklmnopqrstuvwxyz"[..size].to_owned();
            let policy = Policy { digits, alphabet: alphabet.clone(), ..Policy::default() };
            let code = Code::draw(&policy);
            prop_assert_eq!(code.expose().len(), digits);
            prop_assert!(code.expose().chars().all(|c| alphabet.contains(c)));
        }
    }
}
