//! SMS-SUBMIT as the simulated network reads it (3GPP TS 23.040 clause 9.2.2.2): octet by octet and apart
//! from the codec under test, so that a fault of the codec shows here. Only texts in national language tables
//! are left to that codec.

use gsm_sms::{Direction, Framing, Strictness};

use super::phone::Submission;

/// A PDU that the network refuses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Malformed {
    /// The PDU ends early, or goes on after its end.
    Length,
    /// The PDU is not an SMS-SUBMIT.
    Kind,
    /// The PDU has a digit, a length or a coding that does not exist.
    Value,
}

/// Whether the SMSC field names a service centre.
pub(super) fn names_smsc(pdu: &[u8]) -> bool {
    pdu.first().is_some_and(|len| *len > 0)
}

/// Reads SMSC field and TPDU; `length` is what `AT+CMGS` announced for the TPDU (3GPP TS 27.005 clause 4.3).
pub(super) fn read(pdu: &[u8], length: usize) -> Result<Submission, Malformed> {
    let mut rest = Octets(pdu);
    let smsc = rest.one()?;
    rest.take(usize::from(smsc))?;
    if rest.0.len() != length {
        return Err(Malformed::Length);
    }
    let first = rest.one()?;
    if first & 0x03 != 0x01 {
        return Err(Malformed::Kind);
    }
    let reference = rest.one()?;
    let address_at = rest.0;
    let digits = rest.one()?;
    if digits == 0 || digits > 20 {
        return Err(Malformed::Value);
    }
    let kind = rest.one()?;
    let number = rest.take(usize::from(digits).div_ceil(2))?;
    let recipient = address_at[..2 + number.len()].to_vec();
    let _protocol = rest.one()?;
    let coding = rest.one()?;
    rest.take(match (first >> 3) & 0x03 {
        0 => 0,
        2 => 1,
        _ => 7,
    })?;
    let user_length = usize::from(rest.one()?);
    let (text, concat) = user_data(rest.0, user_length, first & 0x40 != 0, coding)?;
    let text = match text {
        Some(text) => text,
        None => national_text(pdu)?,
    };
    Ok(Submission {
        pdu: pdu.to_vec(),
        reference,
        reject_duplicates: first & 0x04 != 0,
        wants_report: first & 0x20 != 0,
        recipient,
        to: number_text(kind, number, usize::from(digits))?,
        text,
        concat,
    })
}

struct Octets<'a>(&'a [u8]);

impl<'a> Octets<'a> {
    fn one(&mut self) -> Result<u8, Malformed> {
        let (first, rest) = self.0.split_first().ok_or(Malformed::Length)?;
        self.0 = rest;
        Ok(*first)
    }

    fn take(&mut self, count: usize) -> Result<&'a [u8], Malformed> {
        let (submitted, rest) = self.0.split_at_checked(count).ok_or(Malformed::Length)?;
        self.0 = rest;
        Ok(submitted)
    }
}

/// Clauses 9.1.2.3 and 9.1.2.5: semi-octets, with `+` for an international number.
fn number_text(kind: u8, octets: &[u8], digits: usize) -> Result<String, Malformed> {
    let mut text = String::from(if kind & 0x70 == 0x10 { "+" } else { "" });
    for nibble in octets.iter().flat_map(|octet| [octet & 15, octet >> 4]).take(digits) {
        text.push(match nibble {
            0..=9 => char::from(b'0' + nibble),
            10 => '*',
            11 => '#',
            _ => return Err(Malformed::Value),
        });
    }
    Ok(text)
}

enum Alphabet {
    Gsm7,
    Octets,
    Ucs2,
}

/// 3GPP TS 23.038 clause 4: the groups that a submitted message may use.
fn alphabet(coding: u8) -> Result<Alphabet, Malformed> {
    match coding >> 4 {
        0x0..=0x7 if coding & 0x20 == 0 => match coding & 0x0C {
            0x00 => Ok(Alphabet::Gsm7),
            0x04 => Ok(Alphabet::Octets),
            0x08 => Ok(Alphabet::Ucs2),
            _ => Err(Malformed::Value),
        },
        0xC | 0xD => Ok(Alphabet::Gsm7),
        0xE => Ok(Alphabet::Ucs2),
        0xF if coding & 0x04 == 0 => Ok(Alphabet::Gsm7),
        0xF => Ok(Alphabet::Octets),
        // Compressed or reserved.
        _ => Err(Malformed::Value),
    }
}

/// A text in national language tables (3GPP TS 23.038 clauses 6.2.1.2.2 and 6.2.1.2.4).
fn national_text(pdu: &[u8]) -> Result<String, Malformed> {
    let decoded = gsm_sms::decode(pdu, Direction::Mo, Framing::SmscFirst, Strictness::Strict)
        .map_err(|_| Malformed::Value)?;
    decoded.to_text().ok_or(Malformed::Value)
}

/// Reference, number of parts, and place.
type Concat = Option<(u16, u8, u8)>;

/// The text and the place of the part. There is no text when it needs national language tables.
fn user_data(
    data: &[u8],
    length: usize,
    with_header: bool,
    coding: u8,
) -> Result<(Option<String>, Concat), Malformed> {
    let alphabet = alphabet(coding)?;
    let octets = if matches!(alphabet, Alphabet::Gsm7) { (length * 7).div_ceil(8) } else { length };
    if data.len() != octets || octets > 140 {
        return Err(Malformed::Length);
    }
    let header = if with_header { 1 + usize::from(*data.first().ok_or(Malformed::Length)?) } else { 0 };
    let elements = Elements::read(data.get(..header).ok_or(Malformed::Length)?)?;
    let text = match alphabet {
        // Clause 9.2.3.24: the text begins at the first septet boundary after the header.
        Alphabet::Gsm7 if elements.shifted => return Ok((None, elements.concat)),
        Alphabet::Gsm7 => septets_text(data, (header * 8).div_ceil(7), length)?,
        Alphabet::Octets => data[header..].iter().copied().map(char::from).collect(),
        Alphabet::Ucs2 => {
            let units = data[header..].chunks_exact(2);
            if !units.remainder().is_empty() {
                return Err(Malformed::Length);
            }
            let units: Vec<u16> = units.map(|pair| u16::from_be_bytes([pair[0], pair[1]])).collect();
            String::from_utf16_lossy(&units)
        }
    };
    Ok((Some(text), elements.concat))
}

/// The information elements that are used here (clause 9.2.3.24).
#[derive(Default)]
struct Elements {
    concat: Concat,
    /// Whether national language tables are used, for the extension or for the whole alphabet.
    shifted: bool,
}

impl Elements {
    fn read(header: &[u8]) -> Result<Self, Malformed> {
        let mut found = Self::default();
        let mut rest = Octets(header.get(1..).unwrap_or_default());
        while !rest.0.is_empty() {
            let name = rest.one()?;
            let length = rest.one()?;
            match (name, rest.take(usize::from(length))?) {
                (0x00, [reference, total, place]) => {
                    found.concat = Some((u16::from(*reference), *total, *place));
                }
                (0x08, [high, low, total, place]) => {
                    found.concat = Some((u16::from_be_bytes([*high, *low]), *total, *place));
                }
                (0x24 | 0x25, _) => found.shifted = true,
                _ => {}
            }
        }
        if found.concat.is_some_and(|(_, total, place)| place == 0 || place > total) {
            return Err(Malformed::Value);
        }
        Ok(found)
    }
}

/// 3GPP TS 23.038 clause 6.2.1, in the order of the codes; 1B is the escape to the extension table.
const DEFAULT_ALPHABET: &str = "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞ\u{1b}ÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?\
¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà";

fn septets_text(data: &[u8], first: usize, count: usize) -> Result<String, Malformed> {
    let table: Vec<char> = DEFAULT_ALPHABET.chars().collect();
    let mut text = String::new();
    let mut escaped = false;
    for place in first..count {
        let bit = place * 7;
        let low = u16::from(data.get(bit / 8).copied().ok_or(Malformed::Length)?);
        let high = u16::from(data.get(bit / 8 + 1).copied().unwrap_or(0));
        let septet = usize::from(((high << 8 | low) >> (bit % 8)) & 0x7F);
        let plain = table[septet];
        if escaped {
            text.push(extension(septet).unwrap_or(plain));
            escaped = false;
        } else if septet == 0x1B {
            escaped = true;
        } else {
            text.push(plain);
        }
    }
    Ok(text)
}

/// 3GPP TS 23.038 clause 6.2.1.1.
const fn extension(septet: usize) -> Option<char> {
    Some(match septet {
        0x0A => '\u{c}',
        0x14 => '^',
        0x28 => '{',
        0x29 => '}',
        0x2F => '\\',
        0x3C => '[',
        0x3D => '~',
        0x3E => ']',
        0x40 => '|',
        0x65 => '€',
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::super::script::unhex;
    use super::*;

    fn pdu(hex: &str) -> Result<Submission, Malformed> {
        let octets = unhex(hex.replace(' ', "").as_bytes()).unwrap();
        let length = octets.len() - 1 - usize::from(octets[0]);
        read(&octets, length)
    }

    #[test]
    fn a_plain_message() {
        let sent = pdu("00 21 00 0B 91 9727 3121 43F5 00 00 05 C8329BFD06").unwrap();
        assert_eq!((sent.to.as_str(), sent.text.as_str()), ("+79721312345", "Hello"));
        assert!(sent.wants_report && !sent.reject_duplicates);
        assert_eq!(sent.recipient, [0x0B, 0x91, 0x97, 0x27, 0x31, 0x21, 0x43, 0xF5]);
        assert_eq!(sent.concat, None);
    }

    #[test]
    fn the_alphabet_is_whole() {
        assert_eq!(DEFAULT_ALPHABET.chars().count(), 128);
        for (code, c) in [(0x00, '@'), (0x11, '_'), (0x20, ' '), (0x40, '¡'), (0x5B, 'Ä'), (0x7F, 'à')] {
            assert_eq!(DEFAULT_ALPHABET.chars().nth(code), Some(c));
        }
        // Escape and euro: 1B 65 packed is 9B 32.
        assert_eq!(pdu("00 15 05 04 81 2143 00 00 AA 02 9B32").map(|sent| sent.text), Ok("€".to_owned()));
        // TP-VPF 01, enhanced: seven octets, of which six are missing here.
        assert_eq!(pdu("00 0D 05 04 81 2143 00 00 AA 02 9B32").err(), Some(Malformed::Length));
    }

    #[test]
    fn validity_duplicates_parts_and_ucs2() {
        let sent = pdu("00 55 07 04 81 2143 00 08 AA 0A 05 00 03 2A 02 01 00E4 20AC").unwrap();
        assert_eq!((sent.to.as_str(), sent.text.as_str()), ("1234", "ä€"));
        assert_eq!(sent.concat, Some((0x2A, 2, 1)));
        assert!(sent.reject_duplicates);
        assert_eq!(sent.reference, 7);
    }

    #[test]
    fn what_the_network_refuses() {
        assert_eq!(pdu("00 00 00 04 81 2143 00 00 00").err(), Some(Malformed::Kind));
        assert_eq!(pdu("00 01 00 04 81 21F3 00 00 00").err(), Some(Malformed::Value), "filler as a digit");
        assert_eq!(pdu("00 01 00 04 81 2143 00 00 05 E8").err(), Some(Malformed::Length));
        assert_eq!(pdu("00 01 00 04 81 2143 00 0C 00").err(), Some(Malformed::Value));
        assert_eq!(pdu("00 01 00 04").err(), Some(Malformed::Length));
        assert_eq!(read(&[0, 1, 0, 4, 0x81, 0x21, 0x43, 0, 0, 0], 8).err(), Some(Malformed::Length));
        assert_eq!(read(&[], 0).err(), Some(Malformed::Length));
    }
}
