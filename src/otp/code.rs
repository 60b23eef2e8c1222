//! A one-time code: drawn uniformly from a generator, kept only as a keyed hash bound to
//! the verification, its service and its number, compared in constant time.

use std::fmt;

use subtle::ConstantTimeEq as _;

use super::Policy;
use crate::id::VerificationId;
use crate::phone::PhoneNumber;
use crate::random::Random;
use crate::secret::{Key, Secret};

/// A code in the clear, which exists only until it is rendered into its message.
#[derive(Clone, Debug)]
pub struct Code(Secret<String>);

/// HMAC-SHA-256 of a code under the installation's key, bound to verification, service and number.
#[derive(Clone, Copy)]
pub struct CodeHash([u8; 32]);

impl Code {
    /// Draws a code under `policy`. The codes are uniform: an octet that would favour the first characters of
    /// the alphabet is discarded, not reduced by a modulo.
    pub fn draw(policy: &Policy, random: &Random) -> Self {
        Self(Secret::new(draw_with(policy, || {
            let mut octet = [0];
            random.fill(&mut octet);
            octet[0]
        })))
    }

    /// A code as the person typed it. A character of the alphabet is taken as it is. Of the others, digits of
    /// every script and letters of full width count as those of ASCII, the case does not matter, and blanks,
    /// dashes and invisible marks are ignored.
    pub fn typed(text: &str, alphabet: &str) -> Self {
        let meant = |c: char| {
            let ascii = to_ascii(c);
            let swapped = if ascii.is_ascii_lowercase() {
                ascii.to_ascii_uppercase()
            } else {
                ascii.to_ascii_lowercase()
            };
            [c, ascii, swapped].into_iter().find(|&c| alphabet.contains(c))
        };
        let read = |c| meant(c).or_else(|| (!is_ignored(c)).then_some(c));
        Self(Secret::new(text.chars().filter_map(read).collect()))
    }

    /// Whether nothing of what a person typed can be a code: blanks, dashes and invisible marks at most.
    pub fn is_blank(text: &str) -> bool {
        text.chars().all(is_ignored)
    }

    /// A code that was stored sealed.
    pub fn restored(text: String) -> Self {
        Self(Secret::new(text))
    }

    /// The code in the clear, to render it.
    pub fn expose(&self) -> &str {
        self.0.expose()
    }

    /// The keyed hash of this code for a verification.
    pub fn hash(&self, key: &Key, id: VerificationId, service: &str, to: &PhoneNumber) -> CodeHash {
        CodeHash(key.digest(&self.fields(&id.to_bytes(), service, to)))
    }

    /// Whether the hash is that of this code, whichever of the keys was the newest when it was made.
    pub fn has(
        &self,
        hash: &CodeHash,
        key: &Key,
        id: VerificationId,
        service: &str,
        to: &PhoneNumber,
    ) -> bool {
        let digests = key.digests(&self.fields(&id.to_bytes(), service, to));
        digests.into_iter().any(|digest| CodeHash(digest) == *hash)
    }

    fn fields<'a>(&'a self, id: &'a [u8], service: &'a str, to: &'a PhoneNumber) -> [&'a [u8]; 4] {
        [id, service.as_bytes(), to.as_str().as_bytes(), self.0.expose().as_bytes()]
    }
}

/// The first of ten consecutive digits, for the scripts that people type (Unicode, general category Nd).
const ZEROS: [char; 20] = [
    '\u{660}', '\u{6f0}', '\u{7c0}', '\u{966}', '\u{9e6}', '\u{a66}', '\u{ae6}', '\u{b66}', '\u{be6}',
    '\u{c66}', '\u{ce6}', '\u{d66}', '\u{e50}', '\u{ed0}', '\u{f20}', '\u{1040}', '\u{17e0}', '\u{1810}',
    '\u{a9d0}', '\u{ff10}',
];

fn to_ascii(c: char) -> char {
    let digit = ZEROS.iter().find_map(|&zero| {
        let value = u32::from(c).checked_sub(u32::from(zero)).filter(|value| *value < 10)?;
        char::from_digit(value, 10)
    });
    // Letters of full width have the same distance from ASCII as the other characters of full width.
    let narrow = || match c {
        '\u{ff21}'..='\u{ff3a}' | '\u{ff41}'..='\u{ff5a}' => char::from_u32(u32::from(c) - 0xfee0),
        _ => None,
    };
    digit.or_else(narrow).unwrap_or(c)
}

/// Blanks, dashes (Unicode, general category Pd, and the minus sign) and invisible marks.
fn is_ignored(c: char) -> bool {
    c.is_whitespace()
        || matches!(
            c,
            '-' | '\u{ad}'
                | '\u{58a}'
                | '\u{200b}'..='\u{200f}'
                | '\u{2010}'..='\u{2015}'
                | '\u{202a}'..='\u{202e}'
                | '\u{2060}'..='\u{206f}'
                | '\u{2212}'
                | '\u{fe58}'
                | '\u{fe63}'
                | '\u{feff}'
                | '\u{ff0d}'
        )
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

    /// The octets that the store kept.
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }
}

/// The comparison takes constant time.
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
    use crate::clock::Steady;

    const DIGITS: &str = "0123456789";

    #[test]
    fn what_a_person_types() {
        let letters = "ABCDEFGHJKLMNPQRSTUVWXYZ23456789";
        for (typed, alphabet, meant) in [
            ("123456", DIGITS, "123456"),
            (" 123\u{a0}456\n", DIGITS, "123456"),
            ("123–456", DIGITS, "123456"),
            ("\u{202a}123\u{200b}−456\u{202c}\u{feff}", DIGITS, "123456"),
            ("１２３４５６", DIGITS, "123456"),
            ("١٢٣٤٥٦", DIGITS, "123456"),
            ("१२३४५६", DIGITS, "123456"),
            ("abc-23f", letters, "ABC23F"),
            ("ＡｂＣ２３", letters, "ABC23"),
            (" cdf ghj ", "CDFGHJKMNPQRTVWX", "CDFGHJ"),
            ("ｃｄ－３\u{664}\u{6f7}", "34679CDFGHJKMNPQRTVWX", "CD347"),
            ("AbC", "abcdef", "abc"),
            ("aA", "aA", "aA"),
            ("a-b", "ab-", "a-b"),
            // No character that has a meaning is ignored.
            ("12.3456", DIGITS, "12.3456"),
            ("12345O", DIGITS, "12345O"),
        ] {
            assert_eq!(Code::typed(typed, alphabet).expose(), meant, "{typed:?} of {alphabet}");
        }
    }

    proptest! {
        /// Two codes must never be taken for each other.
        #[test]
        fn a_code_that_is_typed_as_it_is_stays_it(alphabet in "[!-~٠-٩Ａ-ｚ]{2,64}", seed in any::<[u8; 8]>()) {
            let characters: Vec<char> = alphabet.chars().collect();
            let code: String =
                seed.iter().map(|&octet| characters[usize::from(octet) % characters.len()]).collect();
            let typed = Code::typed(&code, &alphabet);
            prop_assert_eq!(typed.expose(), &code);
        }
    }

    fn to(text: &str) -> PhoneNumber {
        text.parse().unwrap()
    }

    #[test]
    fn an_octet_that_would_favour_a_character_is_thrown_away() {
        let policy = Policy { digits: 4, ..Policy::default() };
        // 250 to 255 would fall on the first six digits again.
        let mut octets = [255, 250, 0, 251, 249, 13, 252, 99].into_iter();
        assert_eq!(draw_with(&policy, || octets.next().unwrap()), "0939");
    }

    #[test]
    fn every_digit_at_every_place_is_as_likely_as_any_other() {
        let policy = Policy::default();
        let mut seen = [[0_u32; 10]; 6];
        for _ in 0..20_000 {
            for (place, c) in Code::draw(&policy, &Random::system()).expose().bytes().enumerate() {
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
        let id = VerificationId::first_at(Steady::from_millis(1));
        let other = VerificationId::first_at(Steady::from_millis(2));
        let (a, b) = (to("+41791234567"), to("+41791234568"));
        let hash = Code::typed("123456", DIGITS).hash(&key, id, "login", &a);
        assert_eq!(hash, Code::typed(" 123-456 ", DIGITS).hash(&key, id, "login", &a));
        assert_ne!(hash, Code::typed("123457", DIGITS).hash(&key, id, "login", &a));
        assert_ne!(hash, Code::typed("123456", DIGITS).hash(&key, other, "login", &a));
        assert_ne!(hash, Code::typed("123456", DIGITS).hash(&key, id, "pay", &a));
        assert_ne!(hash, Code::typed("123456", DIGITS).hash(&key, id, "login", &b));
        assert_ne!(hash, Code::typed("123456", DIGITS).hash(&Key::from_bytes([4; 32]), id, "login", &a));
        assert_eq!(format!("{:?} {hash:?}", Code::typed("123456", DIGITS)), "Code([secret]) [hash]");
        // The key was replaced meanwhile.
        let code = |text| Code::typed(text, DIGITS);
        key.replace(key.master(), key.ring().turned(key.random(), 1));
        assert_ne!(code("123456").hash(&key, id, "login", &a), hash);
        assert!(code("123456").has(&hash, &key, id, "login", &a));
        assert!(!code("123457").has(&hash, &key, id, "login", &a));
    }

    proptest! {
        #[test]
        fn a_code_has_its_length_and_its_alphabet(digits in 4_usize..=12, size in 2_usize..=36) {
            let alphabet = "0123456789abcdefghijklmnopqrstuvwxyz"[..size].to_owned();
            let policy = Policy { digits, alphabet: alphabet.clone(), ..Policy::default() };
            let code = Code::draw(&policy, &Random::system());
            prop_assert_eq!(code.expose().len(), digits);
            prop_assert!(code.expose().chars().all(|c| alphabet.contains(c)));
        }
    }
}
