//! A telephone number in E.164 form (ITU-T E.164 section 6): `+`, a country code, at most 15 digits.
//!
//! A number parses as it stands when it comes from the network or the store. A number that a client gives is
//! [read](PhoneNumber::read): it becomes the one canonical form of all its spellings, by libphonenumber's metadata.
//!
//! ```
//! use smsotpd::phone::{Kind, PhoneNumber};
//!
//! let number = PhoneNumber::read("+410791234567", None).unwrap();
//! assert_eq!(number.as_str(), "+41791234567");
//! assert_eq!(number.range().kind, Kind::Mobile);
//!
//! let home = Some("CH".parse().unwrap());
//! assert_eq!(PhoneNumber::read("079 123 45 67", home).unwrap(), number);
//! assert!(PhoneNumber::read("079 123 45 67", None).is_err());
//! ```

use std::cmp::Ordering;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::str::FromStr;
use std::sync::OnceLock;

use gsm_sms::mask;

mod plan;

pub use plan::{Country, Kind, NotACountry, Range};

/// A parsed E.164 number. Its `Debug` and its [`masked`](PhoneNumber::masked) form hide the middle digits, so
/// that it may be logged; [`as_str`](PhoneNumber::as_str) gives the whole number.
#[derive(Clone)]
pub struct PhoneNumber {
    text: String,
    /// Its range, once somebody asked for it: to look that up takes longer than all else that is done with a number.
    range: OnceLock<Range>,
}

/// Why a text is not an E.164 number. The error never repeats the text, which may be a number after all.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PhoneError {
    /// No `+` at the start.
    #[error("a number begins with + and its country code, such as +41791234567")]
    NoPlus,
    /// A character that is not a digit.
    #[error("a number has only digits after the +, no blanks, dashes or brackets")]
    NotADigit,
    /// A country code of zero.
    #[error("no country code begins with 0: leave out the national prefix")]
    LeadingZero,
    /// Fewer than 7 or more than 15 digits.
    #[error("a number has 7 to 15 digits, country code included")]
    Length,
    /// No `+` at the start, and no country whose national forms are read.
    #[error(
        "a number begins with + and its country code, such as +41791234567; national forms are read when \
         destinations.default_region names their country"
    )]
    National,
    /// A number of digits that no number of its country has, or a country code that does not exist.
    #[error(
        "no such number exists: its country code is unknown, or its country has no number with so many digits"
    )]
    Impossible,
}

impl PhoneNumber {
    /// The whole number: `+41791234567`.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// What stands for the number of a record that is looked at without the key.
    pub(crate) fn hidden() -> Self {
        Self { text: "+0".to_owned(), range: OnceLock::new() }
    }

    /// The number without its `+`.
    pub fn digits(&self) -> &str {
        &self.text[1..]
    }

    /// Its first seven digits, by which numbers of one range are counted together.
    pub fn prefix(&self) -> &str {
        let digits = self.digits();
        digits.get(..7).unwrap_or(digits)
    }

    /// A form fit for a log: the first four and the last two digits, `+4179*****67`.
    pub fn masked(&self) -> String {
        mask(&self.text)
    }
}

impl PartialEq for PhoneNumber {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

impl Eq for PhoneNumber {}

impl PartialOrd for PhoneNumber {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for PhoneNumber {
    fn cmp(&self, other: &Self) -> Ordering {
        self.text.cmp(&other.text)
    }
}

impl Hash for PhoneNumber {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.text.hash(state);
    }
}

impl FromStr for PhoneNumber {
    type Err = PhoneError;

    fn from_str(text: &str) -> Result<Self, PhoneError> {
        let digits = text.strip_prefix('+').ok_or(PhoneError::NoPlus)?;
        if !digits.bytes().all(|b| b.is_ascii_digit()) {
            return Err(PhoneError::NotADigit);
        }
        if digits.starts_with('0') {
            return Err(PhoneError::LeadingZero);
        }
        if !(7..=15).contains(&digits.len()) {
            return Err(PhoneError::Length);
        }
        Ok(Self { text: text.to_owned(), range: OnceLock::new() })
    }
}

impl fmt::Debug for PhoneNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.masked())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn e_164() {
        let ok: PhoneNumber = "+41791234567".parse().unwrap();
        assert_eq!(ok.digits(), "41791234567");
        assert_eq!(format!("{ok:?}"), "+4179*****67");
        for (text, why) in [
            ("0791234567", PhoneError::NoPlus),
            ("", PhoneError::NoPlus),
            ("+41 79 123 45 67", PhoneError::NotADigit),
            ("+4179123456٧", PhoneError::NotADigit),
            ("+0791234567", PhoneError::LeadingZero),
            ("+417912", PhoneError::Length),
            ("+1234567890123456", PhoneError::Length),
        ] {
            assert_eq!(text.parse::<PhoneNumber>(), Err(why), "{text}");
        }
    }
}
