//! How a USSD text is written on the wire: characters, packed septets, UCS-2 or octets in hexadecimal digits, whatever
//! the data coding scheme says. Modems of one family differ, so an answer is also judged by its content.

use gsm_sms::{Alphabet, ussd};

use super::translate::{hex, ucs2_digits};
use crate::at::{Charset, Line};
use crate::profiles::UssdCoding;

/// What decides how an answer is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Found {
    /// The scheme and the text itself.
    ByLooks,
    /// The family.
    Told(UssdCoding),
}

/// The text between the quotes of `AT+CUSD=1,"…"`; `None` when the coding cannot write it.
pub(super) fn encoded(text: &str, coding: UssdCoding) -> Option<String> {
    match coding {
        UssdCoding::Auto | UssdCoding::Plain => Some(text.to_owned()),
        UssdCoding::PackedHex => Some(hex(&ussd::pack(text)?)),
        UssdCoding::Ucs2Hex => Some(ucs2_digits(text)),
    }
}

/// The text of an answer. Characters are in `charset`, if that is known.
pub(super) fn decoded(text: &str, scheme: Option<u8>, found: Found, charset: Option<Charset>) -> String {
    let scheme = scheme.map(ussd::CodingScheme);
    let alphabet = scheme.map_or(Alphabet::Gsm7, ussd::CodingScheme::alphabet);
    let Some(octets) = Line::pdu(text) else {
        let of_gsm = charset == Some(Charset::Gsm) && alphabet == Alphabet::Gsm7;
        return if of_gsm { from_gsm(text) } else { text.to_owned() };
    };
    let body = octets.get(scheme.map_or(0, ussd::CodingScheme::language_octets)..).unwrap_or_default();
    match found {
        Found::Told(UssdCoding::PackedHex) => ussd::unpack(&octets),
        Found::Told(UssdCoding::Ucs2Hex) => ussd::ucs2(body),
        Found::Told(UssdCoding::Plain) => text.to_owned(),
        Found::Told(UssdCoding::Auto) | Found::ByLooks => {
            let ucs2 = |octets: &[u8]| octets.len().is_multiple_of(2) && octets.len() >= 2;
            if alphabet == Alphabet::Ucs2 && ucs2(body) {
                ussd::ucs2(body)
            } else if octets.len() >= 4 && ucs2(&octets) && octets.chunks(2).all(is_unit) {
                // The scheme says seven-bit, and the text is not: every high octet is one of a few.
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

/// Characters that came while `AT+CSCS="GSM"` was in force (3GPP TS 27.007 clause 5.5): each octet is a septet of the
/// default alphabet, so that `w{hlen` is "wählen". Many modems write ASCII all the same. Where the two readings differ
/// and no control octet shows that it is the default alphabet, each character is judged by its neighbours.
///
/// What the line lost cannot be restored: ESC and SUB end a line there, so that a euro sign (ESC, e) comes as
/// a new line and an `e`, and Ξ as a new line; `@` is a NUL, which is lost at the ends of a line.
fn from_gsm(text: &str) -> String {
    let octets = text.as_bytes();
    let Some(read) = ussd::gsm7(octets) else { return text.to_owned() };
    // No ASCII text contains these octets.
    if octets.iter().any(|octet| matches!(octet, 0..=8 | 0x0b | 0x0c | 0x0e..=0x1f)) {
        return read;
    }
    // Without an escape each octet is one character.
    let characters = octets.iter().zip(read.chars()).enumerate();
    characters
        .map(|(at, (&ascii, gsm))| if is_letter_here(octets, at) { gsm } else { ascii.into() })
        .collect()
}

/// Whether the octet at `at` is a character of the default alphabet rather than of ASCII, judged by its neighbours.
fn is_letter_here(octets: &[u8], at: usize) -> bool {
    let before = at.checked_sub(1).and_then(|at| octets.get(at)).copied().unwrap_or(b' ');
    let after = octets.get(at + 1).copied().unwrap_or(b' ');
    let beside = |test: fn(&u8) -> bool| test(&before) || test(&after);
    let in_a_word = beside(u8::is_ascii_alphabetic) && !beside(u8::is_ascii_digit);
    let begins_a_word = !before.is_ascii_alphanumeric() && after.is_ascii_alphabetic();
    match octets.get(at) {
        // Ä and Ñ, ä and ñ; they are brackets when each one that opens is closed.
        Some(b'[' | b']') => in_a_word && !is_balanced(octets, b'[', b']'),
        Some(b'{' | b'}') => in_a_word && !is_balanced(octets, b'{', b'}'),
        // Ö, Ü, ö, ü.
        Some(b'\\' | b'^' | b'|' | b'~') => in_a_word,
        // ¡ and ¿ stand before a word; the `@` of an e-mail address does not.
        Some(b'@' | b'`') => begins_a_word,
        // § stands before a number.
        Some(b'_') => !before.is_ascii_alphanumeric() && after.is_ascii_digit(),
        Some(b'\t') => before.is_ascii_alphabetic() && after.is_ascii_alphabetic(),
        // ¤, the currency sign, which is not in use.
        Some(b'$') => false,
        // à, and the characters that are the same in both.
        _ => true,
    }
}

/// Whether there are such brackets, and all of them are in pairs.
fn is_balanced(octets: &[u8], open: u8, close: u8) -> bool {
    let depth = octets.iter().try_fold(0_usize, |depth, octet| match *octet {
        octet if octet == open => Some(depth + 1),
        octet if octet == close => depth.checked_sub(1),
        _ => Some(depth),
    });
    depth == Some(0)
}

/// What a modem says about the dialogue before or after the network's own words.
pub(super) fn is_placeholder(text: &str) -> bool {
    ["Initiating Release", "Other local client responded"]
        .iter()
        .any(|words| text.eq_ignore_ascii_case(words))
}

/// An account number has no letters, the octets of a text nearly always do.
fn has_letters(digits: &str) -> bool {
    digits.bytes().any(|b| b.is_ascii_alphabetic())
}

/// A unit of Latin, Greek, Cyrillic, Hebrew or Arabic, or of their signs, and not a control character.
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

/// Whether most of it is what people write: octets that are not septets read as signs.
fn reads_well(text: &str) -> bool {
    let usual = |c: char| c.is_alphanumeric() || c.is_whitespace() || ".,:;!?*#+-/()'\"%=@$".contains(c);
    let count = text.chars().count();
    count >= 4 && text.chars().filter(|&c| usual(c)).count() * 10 >= count * 8
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read(text: &str, scheme: Option<u8>) -> String {
        decoded(text, scheme, Found::ByLooks, Some(Charset::Gsm))
    }

    #[test]
    fn answers_as_they_were_recorded() {
        // gammu tests/at-ussd 01-E160: packed, no scheme; the reporter wrote 6 over the number.
        let packed = "49B41C74ACD3D16171D90D66666666666666666666B45CAC76C3CD6CB41B2D060389CB74F9FE4C07DD5CB91AA85897BF1B";
        let text = read(packed, None);
        assert!(text.starts_with("Ihr Guthaben") && text.ends_with("beträgt 7.95 Euro"), "{text}");
        // issue109-E3276: UCS-2, scheme 72.
        assert_eq!(read("0414043B044F00200441043F04400430", Some(72)), "Для спра");
        // issue358-Quectel_M35: UCS-2, although the scheme says seven-bit.
        assert_eq!(
            read("00480061007600690020006B0065007200650074003A002000300046", Some(15)),
            "Havi keret: 0F"
        );
        // issue377-HE910-D: scheme 17, a language's name before the text, octets of the modem's memory after it.
        assert_eq!(
            read("613906310635064A062F0643002000310030002E00390000FFFF60B16260EEEE", Some(17)),
            "رصيدك 10.9"
        );
        // H-issue-hex-8bit: octets of characters.
        assert_eq!(
            read("536973612070756C73612052702E333030302E416B74696620", Some(0)),
            "Sisa pulsa Rp.3000.Aktif "
        );
        // issue178-dell: characters.
        for plain in ["On DATA Pack u have 3Gb", "1234567890", "0123", "Ok", ""] {
            assert_eq!(read(plain, Some(15)), plain);
        }
        let told = |text, scheme, coding| decoded(text, scheme, Found::Told(coding), Some(Charset::Gsm));
        assert_eq!(told("DEADBEEF", Some(15), UssdCoding::Plain), "DEADBEEF");
        assert_eq!(told("AA180C3602", None, UssdCoding::PackedHex), "*100#");
        assert_eq!(told("041F", None, UssdCoding::Ucs2Hex), "П");
    }

    #[test]
    fn characters_of_the_default_alphabet() {
        for (wire, text) in [
            // gammu tests/at-ussd 03-unknown.
            ("Kontostand: 3.00 EUR Bitte w{hlen Sie: 1", "Kontostand: 3.00 EUR Bitte wählen Sie: 1"),
            ("Hauptmen~", "Hauptmenü"),
            ("cr\u{5}dit", "crédit"),
            ("Men~ f~r [nderungen: |ffnen, k|nnen, K\\LN", "Menü für Änderungen: öffnen, können, KÖLN"),
            ("Ma}ana recibir\u{7f}s", "Mañana recibiràs"),
            ("@Hola! `Qu\u{5} tal?", "¡Hola! ¿Qué tal?"),
            ("@Recarga ya! `Saldo?", "¡Recarga ya! ¿Saldo?"),
            ("Guthaben \u{2}5, info\u{0}example.org", "Guthaben $5, info@example.org"),
            ("nach _19", "nach §19"),
        ] {
            assert_eq!(read(wire, Some(15)), text, "{wire}");
            assert_eq!(read(wire, None), text, "{wire}");
            let told = decoded(wire, Some(15), Found::Told(UssdCoding::Plain), Some(Charset::Gsm));
            assert_eq!(told, text, "{wire}");
        }
    }

    #[test]
    fn a_modem_that_writes_ascii_all_the_same() {
        for text in [
            "Balance: $5.20 (USD)",
            "mail info@example.org",
            "user_name",
            "[1] Balance [2] Top-up",
            "[UssdDialogue] {more}",
            "1 | 2 | 3",
            "2^3 ~ 8",
            "C:\\ ~5 MB",
            "*100#, 50% \"now\" <a> & b; it's 5 - 3 = 2? yes!",
            "one\ntwo",
        ] {
            assert_eq!(read(text, Some(15)), text);
        }
        // Another alphabet is known to be in force.
        for charset in [Some(Charset::Ira), Some(Charset::Ucs2), None] {
            assert_eq!(decoded("w{hlen", Some(15), Found::ByLooks, charset), "w{hlen");
        }
        assert_eq!(read("w{hlen é", Some(15)), "w{hlen é");
        assert_eq!(read("w{hlen", Some(72)), "w{hlen");
    }

    proptest! {
        #[test]
        fn what_both_readings_agree_on_is_left_alone(text in "[ !\"#%&'()*+,./0-9:;<=>?A-Za-z\n-]{0,80}") {
            prop_assert_eq!(from_gsm(&text), text);
        }

        #[test]
        fn no_answer_panics(text in ".{0,60}", scheme: Option<u8>) {
            let _ = decoded(&text, scheme, Found::ByLooks, Some(Charset::Gsm));
        }
    }

    #[test]
    fn requests_in_every_coding() {
        assert_eq!(encoded("*100#", UssdCoding::Plain).as_deref(), Some("*100#"));
        assert_eq!(encoded("*100#", UssdCoding::PackedHex).as_deref(), Some("AA180C3602"));
        assert_eq!(encoded("*99#", UssdCoding::Ucs2Hex).as_deref(), Some("002A003900390023"));
        assert_eq!(encoded("Ж", UssdCoding::PackedHex), None);
    }
}
