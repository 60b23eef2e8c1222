//! How a USSD text stands on the wire: characters, packed septets or UCS-2 in hexadecimal digits, or octets so, whatever
//! the data coding scheme says. Modems of one family differ, so that an answer is also judged by its looks.

use gsm_sms::{Alphabet, ussd};

use super::translate::{hex, ucs2_digits};
use crate::at::Line;
use crate::profiles::UssdCoding;

/// Who says how an answer is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Found {
    /// The scheme and the text itself.
    ByLooks,
    /// The family.
    Told(UssdCoding),
}

/// What stands between the quotes of `AT+CUSD=1,"…"`; nothing when the coding cannot write it.
pub(super) fn encoded(text: &str, coding: UssdCoding) -> Option<String> {
    match coding {
        UssdCoding::Auto | UssdCoding::Plain => Some(text.to_owned()),
        UssdCoding::PackedHex => Some(hex(&ussd::pack(text)?)),
        UssdCoding::Ucs2Hex => Some(ucs2_digits(text)),
    }
}

/// The text of an answer.
pub(super) fn decoded(text: &str, scheme: Option<u8>, found: Found) -> String {
    let Some(octets) = Line::pdu(text) else { return text.to_owned() };
    let (alphabet, prefix) = scheme.map_or((Alphabet::Gsm7, 0), ussd::scheme);
    let body = octets.get(prefix..).unwrap_or_default();
    match found {
        Found::Told(UssdCoding::PackedHex) => ussd::unpack(&octets),
        Found::Told(UssdCoding::Ucs2Hex) => ussd::ucs2(body),
        Found::Told(UssdCoding::Plain) => text.to_owned(),
        Found::Told(UssdCoding::Auto) | Found::ByLooks => {
            let ucs2 = |octets: &[u8]| octets.len().is_multiple_of(2) && octets.len() >= 2;
            if alphabet == Alphabet::Ucs2 && ucs2(body) {
                ussd::ucs2(body)
            } else if octets.len() >= 4 && ucs2(&octets) && octets.chunks(2).all(is_unit) {
                // Said to be seven-bit, and is not: every high octet is one of a few.
                ussd::ucs2(&octets)
            } else if octets.len() >= 4 && octets.iter().all(|b| is_printable(*b)) && has_letters(text) {
                octets.iter().map(|&b| char::from(b)).collect()
            } else if octets.len() >= 4 && has_letters(text) && reads_well(&ussd::unpack(&octets)) {
                ussd::unpack(&octets)
            } else {
                text.to_owned()
            }
        }
    }
}

/// What a modem says of the dialogue before or behind the network's own words.
pub(super) fn is_placeholder(text: &str) -> bool {
    ["Initiating Release", "Other local client responded"]
        .iter()
        .any(|words| text.eq_ignore_ascii_case(words))
}

/// A number of an account has no letters, the octets of a text nearly always do.
fn has_letters(digits: &str) -> bool {
    digits.bytes().any(|b| b.is_ascii_alphabetic())
}

/// A unit of Latin, Greek, Cyrillic, Hebrew, Arabic or their signs, and no control character.
fn is_unit(unit: &[u8]) -> bool {
    match *unit {
        [0, low] => matches!(low, b'\n' | b'\r' | b' '..),
        [high, _] => high <= 0x06 || high == 0x20,
        _ => false,
    }
}

const fn is_printable(octet: u8) -> bool {
    matches!(octet, b' '..=b'~' | b'\n' | b'\r')
}

/// Most of it is what people write: septets that are none read as signs.
fn reads_well(text: &str) -> bool {
    let usual = |c: char| c.is_alphanumeric() || c.is_whitespace() || ".,:;!?*#+-/()'\"%=@$".contains(c);
    let count = text.chars().count();
    count >= 4 && text.chars().filter(|&c| usual(c)).count() * 10 >= count * 8
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str, scheme: Option<u8>) -> String {
        decoded(text, scheme, Found::ByLooks)
    }

    #[test]
    fn answers_as_they_were_recorded() {
        // gammu tests/at-ussd 01-E160: packed, no scheme; the reporter wrote 6 over his number.
        let packed = "49B41C74ACD3D16171D90D66666666666666666666B45CAC76C3CD6CB41B2D060389CB74F9FE4C07DD5CB91AA85897BF1B";
        let text = read(packed, None);
        assert!(text.starts_with("Ihr Guthaben") && text.ends_with("beträgt 7.95 Euro"), "{text}");
        // issue109-E3276: UCS-2, scheme 72.
        assert_eq!(read("0414043B044F00200441043F04400430", Some(72)), "Для спра");
        // issue358-Quectel_M35: UCS-2, and the scheme says seven-bit.
        assert_eq!(
            read("00480061007600690020006B0065007200650074003A002000300046", Some(15)),
            "Havi keret: 0F"
        );
        // issue377-HE910-D: scheme 17, a language's name before it, the modem's memory behind it.
        assert_eq!(
            read("613906310635064A062F0643002000310030002E00390000FFFF60B16260EEEE", Some(17)),
            "رصيدك 10.9"
        );
        // H-issue-hex-8bit: octets of characters.
        assert_eq!(
            read("536973612070756C73612052702E333030302E416B74696620", Some(0)),
            "Sisa pulsa Rp.3000.Aktif "
        );
        // issue178-dell, 03-unknown: characters.
        for plain in [
            "On DATA Pack u have 3Gb",
            "Kontostand: 3.00 EUR Bitte w{hlen Sie: 1",
            "1234567890",
            "0123",
            "Ok",
            "",
        ] {
            assert_eq!(read(plain, Some(15)), plain);
        }
        assert_eq!(decoded("DEADBEEF", Some(15), Found::Told(UssdCoding::Plain)), "DEADBEEF");
        assert_eq!(decoded("AA180C3602", None, Found::Told(UssdCoding::PackedHex)), "*100#");
        assert_eq!(decoded("041F", None, Found::Told(UssdCoding::Ucs2Hex)), "П");
    }

    #[test]
    fn requests_in_every_coding() {
        assert_eq!(encoded("*100#", UssdCoding::Plain).as_deref(), Some("*100#"));
        assert_eq!(encoded("*100#", UssdCoding::PackedHex).as_deref(), Some("AA180C3602"));
        assert_eq!(encoded("*99#", UssdCoding::Ucs2Hex).as_deref(), Some("002A003900390023"));
        assert_eq!(encoded("Ж", UssdCoding::PackedHex), None);
    }
}
