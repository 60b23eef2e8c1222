//! Test numbers: nothing is sent to them and their codes are fixed, for those who test an application and for the
//! reviewers of app stores. Whoever knows such a code is approved for its number, so that a test number must be
//! nobody's.

use std::collections::BTreeMap;

use super::Code;
use crate::phone::PhoneNumber;
use crate::secret::Secret;

/// The test numbers, with the code of each.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct TestNumbers(BTreeMap<PhoneNumber, Secret<String>>);

/// Why a number or a code cannot be one for tests. No sentence repeats either.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TestNumberError {
    /// Somebody may have the number.
    #[error(
        "may be somebody's number, for which everybody who knows this code would be approved; take one that is kept \
         for films, such as +447700900123 or +12025550123, or one that begins with +999"
    )]
    Somebodys,
    /// Nobody can type the code.
    #[error("a code has 4 to 12 letters (A to Z, in either case) or digits")]
    Code,
}

impl TestNumbers {
    /// Adds a number with its code.
    pub fn insert(&mut self, number: PhoneNumber, code: &str) -> Result<(), TestNumberError> {
        if !is_nobodys(&number) {
            return Err(TestNumberError::Somebodys);
        }
        if !(4..=12).contains(&code.len()) || !code.bytes().all(|b| b.is_ascii_alphanumeric()) {
            return Err(TestNumberError::Code);
        }
        self.0.insert(number, Secret::new(code.to_owned()));
        Ok(())
    }

    /// Whether this is a test number.
    pub fn has(&self, number: &PhoneNumber) -> bool {
        self.0.contains_key(number)
    }

    /// The code of a test number, in the form that a person's typing has under this alphabet.
    pub fn code(&self, number: &PhoneNumber, alphabet: &str) -> Option<Code> {
        self.0.get(number).map(|code| Code::typed(code.expose(), alphabet))
    }

    /// The numbers, masked.
    pub fn masked(&self) -> impl Iterator<Item = String> {
        self.0.keys().map(PhoneNumber::masked)
    }
}

/// Ranges that the regulators keep for films and plays, so that they are nobody's: how the digits begin, where `?` is
/// any digit, and how many there are.
const FOR_FILMS: [(&str, usize); 5] = [
    // North America (ATIS): 555-0100 to 555-0199 of each area.
    ("1???55501", 11),
    // United Kingdom (Ofcom): mobile, and the area that does not exist.
    ("447700900", 12),
    ("441632960", 12),
    // France (ARCEP): mobile.
    ("3363998", 11),
    // Sweden (PTS): mobile; the first five belong to nobody either.
    ("467017406", 11),
];

/// Country codes that the ITU keeps unassigned (list of E.164 assigned country codes).
const UNASSIGNED: &str = "999";

/// Whether a number can be nobody's: no phone that a SIM reaches has it, and by default no code is sent to it. This is the one
/// place that says so.
fn is_nobodys(number: &PhoneNumber) -> bool {
    !number.range().in_use || begins(number.digits(), UNASSIGNED) || is_for_films(number)
}

/// Whether a number is in a range that is kept for films.
pub(super) fn is_for_films(number: &PhoneNumber) -> bool {
    let digits = number.digits();
    FOR_FILMS.iter().any(|(pattern, length)| digits.len() == *length && begins(digits, pattern))
}

fn begins(digits: &str, pattern: &str) -> bool {
    digits.len() >= pattern.len() && pattern.bytes().zip(digits.bytes()).all(|(p, d)| p == b'?' || p == d)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn number(text: &str) -> PhoneNumber {
        text.parse().unwrap()
    }

    #[test]
    fn a_test_number_is_nobodys() {
        for good in [
            "+9991234567",
            "+12025550123",
            "+14165550199",
            "+447700900000",
            "+441632960999",
            "+33639981234",
            "+46701740699",
            // No range of its country is in use.
            "+41000000000",
        ] {
            assert_eq!(TestNumbers::default().insert(number(good), "000000"), Ok(()), "{good}");
        }
        for somebodys in ["+41791234567", "+4915122334455", "+12025550200"] {
            let refused = TestNumbers::default().insert(number(somebodys), "000000");
            assert_eq!(refused, Err(TestNumberError::Somebodys), "{somebodys}");
        }
    }

    #[test]
    fn its_code_can_be_typed_and_is_shown_nowhere() {
        let to = number("+447700900123");
        let mut numbers = TestNumbers::default();
        for wrong in ["", "000", "0000000000000", "00 00", "00é0", "00-00"] {
            assert_eq!(numbers.insert(to.clone(), wrong), Err(TestNumberError::Code), "{wrong:?}");
        }
        numbers.insert(to.clone(), "abc1234").unwrap();
        assert_eq!(numbers.code(&to, "ABC").unwrap().expose(), "ABC1234");
        assert_eq!(numbers.code(&to, "0123456789").unwrap().expose(), "abc1234");
        assert!(numbers.code(&number("+447700900124"), "ABC").is_none());
        assert!(numbers.has(&to) && !numbers.has(&number("+447700900124")));
        assert_eq!(numbers.masked().collect::<Vec<_>>(), [to.masked()]);
        let shown = format!("{numbers:?} {numbers:#?}");
        assert!(!shown.contains("1234") && !shown.contains("7700900"), "{shown}");
    }
}
