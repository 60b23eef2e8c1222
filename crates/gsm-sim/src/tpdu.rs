//! The few TPDUs that the simulated network makes itself: SMS-STATUS-REPORT and SMS-DELIVER in UCS2 (3GPP TS
//! 23.040 clauses 9.2.2.3 and 9.2.2.1), octet by octet and without the codec under test.

use jiff::Timestamp;

/// A status report for a message: SMSC field and TPDU, and the TPDU's length.
pub(super) fn status_report(smsc: &str, reference: u8, recipient: &[u8], status: u8, at: Timestamp) -> Pdu {
    // TP-MTI 10, TP-MMS 1 (no more messages).
    let mut tpdu = vec![0x06, reference];
    tpdu.extend_from_slice(recipient);
    tpdu.extend(scts(at));
    tpdu.extend(scts(at));
    tpdu.push(status);
    Pdu::new(smsc, &tpdu)
}

/// A message from `from`, in as many parts as it needs. All parts carry `reference`.
pub(super) fn deliver(smsc: &str, from: &str, text: &str, reference: u8, at: Timestamp) -> Vec<Pdu> {
    let units: Vec<u16> = text.encode_utf16().collect();
    let parts = split(&units);
    let total = parts.len();
    parts
        .iter()
        .enumerate()
        .map(|(place, units)| {
            // Clause 9.2.3.24.1: concatenation with an 8-bit reference. `split` cuts off what is beyond 255 parts.
            let header = match (u8::try_from(total), u8::try_from(place + 1)) {
                (Ok(total), Ok(place)) if total > 1 => vec![5, 0, 3, reference, total, place],
                _ => Vec::new(),
            };
            let mut data = header.clone();
            data.extend(units.iter().flat_map(|unit| unit.to_be_bytes()));
            // TP-MTI 00, TP-MMS 1, TP-UDHI when there is a header.
            let mut tpdu = vec![if header.is_empty() { 0x04 } else { 0x44 }];
            tpdu.extend(address(from));
            tpdu.extend([0x00, 0x08]);
            tpdu.extend(scts(at));
            tpdu.push(u8::try_from(data.len()).unwrap_or(140));
            tpdu.extend(data);
            Pdu::new(smsc, &tpdu)
        })
        .collect()
}

/// 70 units in a single message, 67 after a concatenation header. A surrogate pair is never split.
fn split(units: &[u16]) -> Vec<&[u16]> {
    if units.len() <= 70 {
        return vec![units];
    }
    let mut parts = Vec::new();
    let mut rest = units;
    while !rest.is_empty() && parts.len() < 255 {
        let mut end = rest.len().min(67);
        if end < rest.len() && (0xD800..0xDC00).contains(&rest[end - 1]) {
            end -= 1;
        }
        let (part, after) = rest.split_at(end);
        parts.push(part);
        rest = after;
    }
    parts
}

/// An SMSC field and a TPDU.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Pdu {
    octets: Vec<u8>,
}

impl Pdu {
    fn new(smsc: &str, tpdu: &[u8]) -> Self {
        let mut octets = smsc_field(smsc);
        octets.extend_from_slice(tpdu);
        Self { octets }
    }

    /// Takes an SMSC field and a TPDU as they are.
    pub(super) const fn from_octets(octets: Vec<u8>) -> Self {
        Self { octets }
    }

    pub(super) fn octets(&self) -> &[u8] {
        &self.octets
    }

    /// The TPDU's octets, as `+CMT: ,<length>` counts them.
    pub(super) fn length(&self) -> usize {
        let smsc = self.octets.first().map_or(0, |len| usize::from(*len) + 1);
        self.octets.len().saturating_sub(smsc)
    }

    /// The octets in hexadecimal.
    pub(super) fn hex(&self) -> String {
        hex(&self.octets)
    }
}

pub(super) fn hex(octets: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789ABCDEF";
    let digit = |nibble: u8| char::from(DIGITS[usize::from(nibble & 15)]);
    octets.iter().flat_map(|octet| [digit(octet >> 4), digit(*octet)]).collect()
}

/// 3GPP TS 24.011 clause 8.2.5.1: the length counts octets, including that of the type.
fn smsc_field(number: &str) -> Vec<u8> {
    if number.is_empty() {
        return vec![0];
    }
    let address = address(number);
    let mut field = vec![u8::try_from(address.len() - 1).unwrap_or(0)];
    field.extend_from_slice(&address[1..]);
    field
}

/// Clause 9.1.2.5: number of digits, type of address, semi-octets with the low one first.
pub(super) fn address(number: &str) -> Vec<u8> {
    let kind = if number.starts_with('+') { 0x91 } else { 0x81 };
    let digits: Vec<u8> = number.bytes().filter(u8::is_ascii_digit).map(|b| b - b'0').take(20).collect();
    let mut field = vec![u8::try_from(digits.len()).unwrap_or(0), kind];
    field.extend(digits.chunks(2).map(|pair| pair.get(1).copied().unwrap_or(0xF) << 4 | pair[0]));
    field
}

/// Clause 9.2.3.11, in UTC.
fn scts(at: Timestamp) -> [u8; 7] {
    let swapped = |n: i16| u8::try_from(n % 100).map_or(0, |n| ((n % 10) << 4) | (n / 10));
    let time = at.to_zoned(jiff::tz::TimeZone::UTC);
    [
        swapped(time.year()),
        swapped(time.month().into()),
        swapped(time.day().into()),
        swapped(time.hour().into()),
        swapped(time.minute().into()),
        swapped(time.second().into()),
        0,
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_status_report_octet_by_octet() {
        let at = "2026-11-22T10:20:30Z".parse().unwrap();
        let recipient = [11, 0x91, 0x14, 0x97, 0x21, 0x43, 0x65, 0xF7];
        let report = status_report("+41794999000", 64, &recipient, 0x45, at);
        assert_eq!(report.hex(), "07911497949900F006400B911497214365F7621122010203006211220102030045");
        assert_eq!(report.length(), 25);
    }

    #[test]
    fn a_delivery_with_and_without_parts() {
        let at = "2026-01-02T03:04:05Z".parse().unwrap();
        let one = deliver("", "12345", "Grüezi", 7, at);
        assert_eq!(
            one[0].hex(),
            "0004058121 43F5 0008 62102030405000 0C 0047 0072 00FC 0065 007A 0069".replace(' ', "")
        );
        let many = deliver("", "+4179", &"😀".repeat(100), 9, at);
        assert_eq!(many.len(), 4, "200 units, 66 a part because a pair is not split");
        assert!(many[3].hex().starts_with("0044"));
        assert!(many.iter().all(|pdu| pdu.length() <= 164));
    }
}
