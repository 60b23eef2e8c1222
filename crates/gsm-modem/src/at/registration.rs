//! `+CREG:`, `+CGREG:`, `+CEREG:` and `+C5GREG:` (3GPP TS 27.007 clauses 7.2, 10.1.20, 10.1.22 and 10.1.47),
//! which are both the answer to a question and an unsolicited code.
//!
//! An answer is `<n>,<stat>[,<area>,<cell>…]`, a code is `<stat>[,<area>,<cell>…]`; each may continue with
//! fields of later releases. While the question is outstanding, a line is a code only when it cannot be an
//! answer. That is so when the line has one field, or when its second field cannot be a status: it is in
//! quotes, empty, or a number in hexadecimal digits that is not from 0 to 11. One case remains ambiguous: an
//! area of 0 to 11 without quotes is read as a status, and the line as the answer. While no question is
//! outstanding, the same rule finds a late answer, which is ignored.
//!
//! A line that is not understood gives no registration. It is never taken for the home network.

use super::reply::raw_fields;

/// `<stat>` of `+CREG` (27.007 7.2) and its siblings.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Registration {
    /// In the SIM's own network.
    Home,
    /// In a visited network.
    Roaming,
    /// Looking for a network.
    Searching,
    /// The network refuses the SIM.
    Denied,
    /// Not registered and not looking, or for emergency calls only.
    NotRegistered,
    /// The registration is unknown.
    #[default]
    Unknown,
}

impl Registration {
    /// The word for this registration.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Home => "home",
            Self::Roaming => "roaming",
            Self::Searching => "searching",
            Self::Denied => "denied",
            Self::NotRegistered => "not registered",
            Self::Unknown => "unknown",
        }
    }

    /// Whether messages can be sent.
    pub const fn is_registered(self) -> bool {
        matches!(self, Self::Home | Self::Roaming)
    }

    const fn from_stat(stat: u8) -> Self {
        match stat {
            // 6 and 7: for SMS only; 9 and 10: CSFB not preferred.
            1 | 6 | 9 => Self::Home,
            5 | 7 | 10 => Self::Roaming,
            2 => Self::Searching,
            3 => Self::Denied,
            // 8 and 11: for emergency calls only.
            0 | 8 | 11 => Self::NotRegistered,
            _ => Self::Unknown,
        }
    }
}

/// The highest `<n>` that a release defines (that of `+CEREG`).
const HIGHEST_N: u8 = 5;
/// The highest `<stat>`.
const HIGHEST_STAT: u8 = 11;
/// The number of hexadecimal digits of the longest `<area>`, a tracking area code of 5G.
const AREA: usize = 6;

/// Reads what follows the head of an answer to `AT+CREG?`. `None` when it is not understood.
pub fn registration(body: &str) -> Option<Registration> {
    if is_report(body) {
        return None;
    }
    let fields = raw_fields(body);
    // Some modems put every field in quotes; a second field that alone has quotes is an area.
    let quoted = fields.first()?.trim().starts_with('"');
    let bare =
        |field: &&str| if quoted { field.trim().trim_matches('"').to_owned() } else { (*field).to_owned() };
    small(&fields.first().map(bare)?, HIGHEST_N)?;
    small(&fields.get(1).map(bare)?, HIGHEST_STAT).map(Registration::from_stat)
}

impl Registration {
    /// Reads what follows the head of an unsolicited code. `None` when it is not understood, or is an answer
    /// that came too late.
    pub fn reported(body: &str) -> Option<Self> {
        if !is_report(body) {
            return None;
        }
        small(raw_fields(body).first()?, HIGHEST_STAT).map(Self::from_stat)
    }
}

/// Whether what follows the head cannot be an answer, and reads as an unsolicited code.
pub(super) fn is_report(body: &str) -> bool {
    let fields = raw_fields(body);
    let is_status = |field: &str| small(field, HIGHEST_STAT).is_some();
    match fields[..] {
        [status] => is_status(status),
        // A code that gives the area gives the cell as well.
        [] | [_, _] => false,
        // An area has fewer digits than this: the third field is a cell, and the second one the area.
        [first, second, third, ..] if is_status(second) => {
            is_status(first) && (small(first, HIGHEST_N).is_none() || hex_digits(third) > AREA)
        }
        [first, second, ..] => is_status(first) && !is_status(second) && is_area(second),
    }
}

/// A decimal number up to `most` without quotes, perhaps with leading zeros.
fn small(field: &str, most: u8) -> Option<u8> {
    let field = field.trim();
    let digits = field.bytes().all(|b| b.is_ascii_digit());
    field.parse().ok().filter(|number| digits && *number <= most)
}

fn is_area(field: &str) -> bool {
    let field = field.trim();
    field.is_empty() || field.starts_with('"') || (1..=AREA).contains(&hex_digits(field))
}

/// How many hexadecimal digits a field consists of, with or without quotes; 0 when it has other characters.
fn hex_digits(field: &str) -> usize {
    let digits = field.trim().trim_matches('"');
    if digits.bytes().all(|b| b.is_ascii_hexdigit()) { digits.len() } else { 0 }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn answers() {
        use Registration::{Denied, Home, NotRegistered, Roaming, Searching, Unknown};
        for (body, expected) in [
            ("0,1", Some(Home)),
            ("0, 2", Some(Searching)),
            ("0,3", Some(Denied)),
            ("0,4", Some(Unknown)),
            ("0,5", Some(Roaming)),
            // For SMS only, and CSFB not preferred.
            ("0,6", Some(Home)),
            ("0,7", Some(Roaming)),
            ("0,8", Some(NotRegistered)),
            ("0,9", Some(Home)),
            ("0,11", Some(NotRegistered)),
            ("2,1,4CA,81DE445", Some(Home)),
            ("0,1,\"5E25\",\"605F\",2", Some(Home)),
            ("2,1,\"0B,\"0100701\",7", Some(Home)),
            // An Iridium modem writes leading zeros and no blank; and an answer that was cut off.
            ("002,005,\"18d8\",\"ffff\"", Some(Roaming)),
            ("2,5,\"5E25", Some(Roaming)),
            // Fields of later releases.
            ("3,1,\"04CA\",\"081DE445\",7,0,3", Some(Home)),
            ("2,5,\"04CA\",\"081DE445\",7,\"01\",,", Some(Roaming)),
            ("4,1,\"0001\",\"01A2B3C4\",9,,,\"00000000\",\"00100100\"", Some(Home)),
            ("2,1,\"000001\",\"000000001\",11,1,\"01\"", Some(Home)),
            ("2,2,,,", Some(Searching)),
            // Nothing is known from these, and none of them is the home network.
            ("1", None),
            ("", None),
            ("0", None),
            ("1,\"01", None),
            ("1,\"04CA\"", None),
            ("0,\"1\"", None),
            ("0,12", None),
            ("0,x1", None),
            ("0,1x", None),
            ("9,1", None),
            ("x,1", None),
            (",1", None),
            ("0,-1", None),
            ("0,+1", None),
            ("0,1.0", None),
        ] {
            assert_eq!(registration(body), expected, "{body}");
        }
    }

    #[test]
    fn codes() {
        use Registration::{Denied, Home, NotRegistered, Roaming};
        for (body, expected) in [
            ("1", Home),
            ("5", Roaming),
            ("6", Home),
            ("11", NotRegistered),
            ("001", Home),
            ("1, E006B, ABE0016", Home),
            ("5,\"4CA\",\"81DE445\"", Roaming),
            ("1,\"4CA\",\"81DE445\",7", Home),
            ("1,4CA,81DE445,7", Home),
            ("1,\"01\",\"9\",7", Home),
            ("3,,,,0,11", Denied),
            ("5,\"04CA\",\"081DE445\",7,\"01\"", Roaming),
            ("1,\"0001\",\"01A2B3C4\",9,,,\"00100100\",\"00000110\"", Home),
            ("1,\"000001\",\"000000001\",11,1,\"01\"", Home),
            // The area is 5 or 10, which the length of the cell shows.
            ("1,5,81DE445,7", Home),
            ("1,10,81DE445", Home),
            ("6,1,2,7", Home),
        ] {
            assert!(is_report(body), "{body}");
            assert_eq!(Registration::reported(body), Some(expected), "{body}");
            assert_eq!(registration(body), None, "{body}");
        }
        for body in ["0,1", "1,5", "2,1,\"04CA\",\"081DE445\",7", "", "x", "12", "1,x,y", "\"1\""] {
            assert_eq!(Registration::reported(body), None, "{body}: a late answer is ignored");
        }
    }

    proptest! {
        #[test]
        fn whatever_a_release_adds_each_is_what_it_is(
            n in 0u8..=5,
            stat in 0u8..=11,
            zeros in 0usize..3,
            area in "[0-9A-F]{1,6}",
            cell in "[0-9A-F]{1,9}",
            more in proptest::collection::vec("[0-9]{1,2}|\"[01]{8}\"|", 0..6),
        ) {
            let tail = more.join(",");
            let place = format!("\"{area}\",\"{cell}\",{tail}");
            let pad = "0".repeat(zeros);
            let report = format!("{pad}{stat},{place}");
            prop_assert_eq!(Registration::reported(&report), Some(Registration::from_stat(stat)));
            prop_assert_eq!(registration(&report), None);
            let answer = format!("{n},{pad}{stat},{place}");
            prop_assert_eq!(registration(&answer), Some(Registration::from_stat(stat)));
            prop_assert_eq!(Registration::reported(&answer), None);
            let short = format!("{n},{pad}{stat}");
            prop_assert_eq!(registration(&short), Some(Registration::from_stat(stat)));
        }

        /// Noise on the line gives no network that the line does not name.
        #[test]
        fn noise_is_never_two_things(body in "[0-9A-Fx\", ]{0,20}") {
            prop_assert!(registration(&body).is_none() || Registration::reported(&body).is_none());
        }
    }
}
