//! Text in USSD strings: septets packed as 3GPP TS 23.038 clause 6.1.2.3 has it, and the alphabet that a CBS data
//! coding scheme (clause 5) names.

use super::field::dcs::Alphabet;
use super::text::alphabet::encode;
use super::text::language::ShiftTables;
use super::text::septets::{self, Packer};
use super::text::utf16;

/// Fills seven spare bits, which would read as `@` (clause 6.1.2.3.1).
const CR: u8 = 0x0d;

/// The alphabet of a scheme, and the octets of a language's name before the text.
pub fn scheme(dcs: u8) -> (Alphabet, usize) {
    match dcs {
        // "UCS2; message preceded by language indication": two septets of it, in two octets.
        0x11 => (Alphabet::Ucs2, 2),
        0x40..=0x7f | 0x90..=0x9f => (of_bits(dcs >> 2), 0),
        0xf0..=0xff => (if dcs & 0x04 == 0 { Alphabet::Gsm7 } else { Alphabet::Data }, 0),
        _ => (Alphabet::Gsm7, 0),
    }
}

fn of_bits(bits: u8) -> Alphabet {
    match bits & 0x03 {
        1 => Alphabet::Data,
        2 => Alphabet::Ucs2,
        _ => Alphabet::Gsm7,
    }
}

/// The septets of `text`, packed; nothing when a character is not in the default alphabet.
pub fn pack(text: &str) -> Option<Vec<u8>> {
    let mut octets = Vec::with_capacity(text.len());
    let mut packer = Packer::new(&mut octets, 0);
    let mut count = 0;
    for character in text.chars() {
        let septets = encode(character, ShiftTables::NONE)?;
        count += septets.count();
        packer.push_character(septets);
    }
    if count % 8 == 7 {
        packer.push(CR);
    }
    packer.finish();
    Some(octets)
}

/// The text of packed septets, without what fills them up.
pub fn unpack(octets: &[u8]) -> String {
    let text = septets::text(octets, 0, septets::whole_in(octets.len()), ShiftTables::NONE);
    text.trim_end_matches('\r').to_owned()
}

/// The text of septets that stand in an octet each, as a terminal with the character set `GSM` gets them (3GPP TS 27.007
/// clause 5.5): the default alphabet and its extension table. Nothing when an octet is no septet.
pub fn characters(octets: &[u8]) -> Option<String> {
    let septets = octets.iter().copied();
    octets.is_ascii().then(|| septets::text_of(septets, octets.len(), ShiftTables::NONE))
}

/// The text of UCS-2 octets, up to a unit that ends it: modems give what lies behind it in their memory.
pub fn ucs2(octets: &[u8]) -> String {
    let end = octets.chunks(2).position(|unit| matches!(unit, [0, 0] | [0xff, 0xff]));
    utf16::text(&octets[..end.map_or(octets.len(), |end| 2 * end)])
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::text::alphabet::{ESCAPE, Septets};
    use super::*;

    #[test]
    fn known_answers() {
        assert_eq!(pack("*100#").unwrap(), [0xaa, 0x18, 0x0c, 0x36, 0x02]);
        // Seven characters and fifteen leave seven bits.
        assert_eq!(pack("*101*1#").unwrap().len(), 7);
        assert_eq!(unpack(&pack("*101*1#").unwrap()), "*101*1#");
        assert_eq!(pack("Ж"), None);
        assert_eq!(ucs2(&[0, 0x48, 0, 0x61, 0, 0, 0x12, 0x34]), "Ha");
        assert_eq!(scheme(15), (Alphabet::Gsm7, 0));
        assert_eq!(scheme(72), (Alphabet::Ucs2, 0));
        assert_eq!(scheme(17), (Alphabet::Ucs2, 2));
        assert_eq!(scheme(0x44), (Alphabet::Data, 0));
    }

    #[test]
    fn septets_of_an_octet_each() {
        for (octets, text) in [
            (&b"w{hlen Sie Men~"[..], "wählen Sie Menü"),
            (b"cr\x05dit", "crédit"),
            (b"\x00\x01\x02\x11", "@£$_"),
            (b"[\\]^_`@$", "ÄÖÑÜ§¿¡¤"),
            (b"5 \x1be", "5 €"),
            (b"\x1b<1\x1b>", "[1]"),
            (b"one\ntwo\r", "one\ntwo\r"),
            (b"1", "1"),
            (b"", ""),
        ] {
            assert_eq!(characters(octets).as_deref(), Some(text));
        }
        assert_eq!(characters(b"\xe9"), None);
        // Digits, most letters and most signs are the same in both.
        let same = " !\"#%&'()*+,-./0123456789:;<=>?ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz\n\r";
        assert_eq!(characters(same.as_bytes()).as_deref(), Some(same));
    }

    proptest! {
        #[test]
        fn characters_invert(text in "[ -#%-?A-Za-zèéùì§@£$¥ÄÖÜß€{}\\[\\]~^|\n]{0,60}") {
            let mut octets = Vec::new();
            for character in text.chars() {
                match encode(character, ShiftTables::NONE).unwrap() {
                    Septets::Base(septet) => octets.push(septet),
                    Septets::Escaped(septet) => octets.extend([ESCAPE, septet]),
                }
            }
            prop_assert_eq!(characters(&octets), Some(text));
        }

        #[test]
        fn packing_inverts(text in "[ -#%-?A-Za-zèéùì§]{0,60}") {
            prop_assert_eq!(unpack(&pack(&text).unwrap()), text);
        }
    }
}
