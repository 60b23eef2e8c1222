//! Text in USSD strings, as `AT+CUSD` carries it: septets packed as 3GPP TS 23.038 clause 6.1.2.3 has it, UCS-2, and the
//! alphabet that a CBS data coding scheme (clause 5) names.
//!
//! ```
//! use gsm_sms::ussd;
//!
//! assert_eq!(ussd::pack("*100#").as_deref(), Some(&[0xaa, 0x18, 0x0c, 0x36, 0x02][..]));
//! assert_eq!(ussd::CodingScheme(0x48).to_text(&[0x04, 0x1f]).as_deref(), Some("П"));
//! ```

use super::field::dcs::Alphabet;
use super::text::alphabet::encode;
use super::text::language::ShiftTables;
use super::text::septets::{self, Packer};
use super::text::utf16;

/// Fills seven spare bits, which would read as `@` (clause 6.1.2.3.1).
const CR: u8 = 0x0d;

/// GSM 7 bit, "message preceded by language indication": three septets, of which the last one is CR.
const NAMED_GSM7: u8 = 0x10;
/// UCS-2, "message preceded by language indication": two septets, filled up to two octets.
const NAMED_UCS2: u8 = 0x11;

/// A CBS data coding scheme as it stands: any octet (TS 23.038 clause 5). 0F hex is a text in the GSM 7 bit default alphabet,
/// 48 hex one in UCS-2.
///
/// It is not the TP-DCS of a short message, [`DataCodingScheme`](crate::DataCodingScheme).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct CodingScheme(pub u8);

impl CodingScheme {
    /// In what the text is written; a reserved coding is the GSM 7 bit default alphabet.
    pub const fn alphabet(self) -> Alphabet {
        match self.0 {
            NAMED_UCS2 => Alphabet::Ucs2,
            0x40..=0x7f | 0x90..=0x9f => match self.0 >> 2 & 0x03 {
                1 => Alphabet::Data,
                2 => Alphabet::Ucs2,
                _ => Alphabet::Gsm7,
            },
            0xf0..=0xff if self.0 & 0x04 != 0 => Alphabet::Data,
            _ => Alphabet::Gsm7,
        }
    }

    /// How many octets with a language's name stand before a text of UCS-2: 2 for scheme 11 hex, else 0.
    pub const fn language_octets(self) -> usize {
        if self.0 == NAMED_UCS2 { 2 } else { 0 }
    }

    /// The text of the octets of a USSD string or a cell broadcast, without the language's name that schemes 10 and 11 hex
    /// put before it; `None` for data.
    pub fn to_text(self, octets: &[u8]) -> Option<String> {
        match self.alphabet() {
            Alphabet::Data => None,
            Alphabet::Ucs2 => Some(ucs2(octets.get(self.language_octets()..).unwrap_or_default())),
            Alphabet::Gsm7 => {
                let text = unpack(octets);
                Some(match text.split_at_checked(3) {
                    Some((name, rest)) if self.0 == NAMED_GSM7 && name.ends_with('\r') => rest.to_owned(),
                    _ => text,
                })
            }
        }
    }
}

/// The septets of `text`, packed; `None` when a character is not in the default alphabet and its extension table. Where
/// seven bits would be left over, a CR fills them.
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

/// The text of packed septets, without the CR that fills them up.
pub fn unpack(octets: &[u8]) -> String {
    let text = septets::text(octets, 0, septets::whole_in(octets.len()), ShiftTables::NONE);
    text.trim_end_matches('\r').to_owned()
}

/// The text of septets that stand in an octet each, as a terminal with the character set `GSM` gets them (3GPP TS
/// 27.007 clause 5.5), by the default alphabet and its extension table; `None` when an octet is not a septet.
pub fn gsm7(octets: &[u8]) -> Option<String> {
    let septets = octets.iter().copied();
    octets.is_ascii().then(|| septets::text_of(septets, octets.len(), ShiftTables::NONE))
}

/// The text of UCS-2 octets, the high octet first, up to a unit of 0000 or FFFF that ends it: after such a unit,
/// modems give octets that lie in their memory. Half a surrogate pair and a single last octet are U+FFFD.
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
    }

    #[test]
    fn schemes() {
        let scheme = |octet| (CodingScheme(octet).alphabet(), CodingScheme(octet).language_octets());
        assert_eq!(scheme(15), (Alphabet::Gsm7, 0));
        assert_eq!(scheme(72), (Alphabet::Ucs2, 0));
        assert_eq!(scheme(17), (Alphabet::Ucs2, 2));
        assert_eq!(scheme(0x44), (Alphabet::Data, 0));
        assert_eq!(scheme(0xf4), (Alphabet::Data, 0));
        assert_eq!(scheme(0xf0), (Alphabet::Gsm7, 0));
    }

    #[test]
    fn a_language_before_the_text_is_none_of_it() {
        let text = |scheme: u8, octets: &[u8]| CodingScheme(scheme).to_text(octets);
        assert_eq!(text(0x10, &pack("en\rBalance: 5").unwrap()).as_deref(), Some("Balance: 5"));
        // A network that leaves the name out, or writes less than a name.
        assert_eq!(text(0x10, &pack("Balance: 5").unwrap()).as_deref(), Some("Balance: 5"));
        assert_eq!(text(0x10, &pack("ü").unwrap()).as_deref(), Some("ü"));
        assert_eq!(text(0x0f, &pack("en\rBalance").unwrap()).as_deref(), Some("en\rBalance"));
        assert_eq!(text(0x11, &[0x61, 0x39, 0x06, 0x31]).as_deref(), Some("ر"));
        assert_eq!(text(0x11, &[0x61]).as_deref(), Some(""));
        assert_eq!(text(0xf4, &[0x61]), None);
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
            assert_eq!(gsm7(octets).as_deref(), Some(text));
        }
        assert_eq!(gsm7(b"\xe9"), None);
        // Digits, most letters and most signs are the same in both.
        let same = " !\"#%&'()*+,-./0123456789:;<=>?ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz\n\r";
        assert_eq!(gsm7(same.as_bytes()).as_deref(), Some(same));
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
            prop_assert_eq!(gsm7(&octets), Some(text));
        }

        #[test]
        fn packing_inverts(text in "[ -#%-?A-Za-zèéùì§]{0,60}") {
            prop_assert_eq!(unpack(&pack(&text).unwrap()), text);
        }
    }
}
