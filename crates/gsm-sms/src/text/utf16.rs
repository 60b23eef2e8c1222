//! UCS-2, read and written as UTF-16 with the high octet first.
//!
//! 3GPP TS 23.038 clause 6.2.3; phones write characters beyond the Basic Multilingual Plane as surrogate pairs.

use super::super::error::Reason;

/// The units; a single last octet is U+FFFD.
pub(crate) fn units(octets: &[u8]) -> impl Iterator<Item = u16> + '_ {
    octets.chunks(2).map(|pair| match *pair {
        [high, low] => u16::from_be_bytes([high, low]),
        _ => 0xfffd,
    })
}

/// The text, with U+FFFD for units that are not a character.
pub(crate) fn text(octets: &[u8]) -> String {
    let mut text = String::with_capacity(octets.len() * 3 / 2 + 3);
    text.extend(char::decode_utf16(units(octets)).map(|c| c.unwrap_or(char::REPLACEMENT_CHARACTER)));
    text
}

/// Where the octets are not UTF-16: the first bad octet, and why.
pub(crate) fn fault(octets: &[u8]) -> Option<(usize, Reason)> {
    let mut at = 0;
    for character in char::decode_utf16(units(&octets[..octets.len() & !1])) {
        match character {
            Ok(character) => at += character.len_utf16() * 2,
            Err(_) => return Some((at, Reason::LoneSurrogate)),
        }
    }
    (octets.len() % 2 == 1).then(|| (octets.len() - 1, Reason::HalfCharacter))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_answers() {
        assert_eq!(text(b"\xd8\x3d\xde\x01\x00A"), "😁A");
        assert_eq!(text(b"\xd8\x3d\xde\x01\xd8\x3d"), "😁\u{fffd}");
        assert_eq!(text(b"\x00A\x00"), "A\u{fffd}");
        assert_eq!(fault(b"\xd8\x3d\xde\x01\x00A"), None);
        assert_eq!(fault(b"\xd8\x3d\xde\x01\xd8\x3d"), Some((4, Reason::LoneSurrogate)));
        assert_eq!(fault(b"\xde\x01"), Some((0, Reason::LoneSurrogate)));
        assert_eq!(fault(b""), None);
        assert_eq!(fault(b"\x00A\x00"), Some((2, Reason::HalfCharacter)));
    }
}
