//! PDUs converted to text mode (3GPP TS 27.005 clause 3), and text mode converted to PDUs, so that nothing
//! outside the session sees a difference.
//!
//! Text mode carries no user data header: each part of a long message is sent as a message of its own.

use std::fmt::Write as _;

use gsm_sms::{
    Address, Alphabet, DataCodingScheme, Deliver, Direction, Element, FirstOctet, Framing, Parameters,
    ProtocolIdentifier, ShiftTables, Status, StatusReport, Strictness, Timestamp, Tpdu, UserData,
    ValidityPeriod, decode, transliterate, ussd,
};

use crate::Secret;
use crate::at::{Charset, Command, Line, TextReport};

/// `<vp>` for a message without one, according to TP-VPF: the default of clause 3.1, 24 hours.
const NO_VALIDITY: u8 = 167;
/// TP-VPF: relative.
const RELATIVE: u8 = 0x10;
const VPF: u8 = 0x18;
const UDHI: u8 = 0x40;
/// How many UCS-2 characters a message holds.
const UCS2_ROOM: usize = 70;

/// A SUBMIT in the form of text mode.
pub(super) struct Message {
    /// `<fo>`, `<vp>`, `<pid>`, `<dcs>`.
    pub(super) parameters: [u8; 4],
    /// The number, and its type of address.
    pub(super) to: (String, u8),
    /// The alphabet of the number and the body.
    pub(super) charset: Charset,
    /// What follows the prompt, without SUB.
    pub(super) body: Secret<String>,
}

impl Message {
    /// Converts SMSC field and TPDU, for a modem whose alphabet is `plain`. The error is a sentence for a person.
    pub(super) fn of(pdu: &[u8], plain: Charset) -> Result<Self, &'static str> {
        let decoded = decode(pdu, Direction::Mo, Framing::SmscFirst, Strictness::Strict);
        let Ok(Tpdu::Submit(submit)) = decoded.map(|decoded| decoded.tpdu) else {
            return Err("the message is no SUBMIT");
        };
        let data = &submit.user_data;
        if !data.header().elements().all(|element| matches!(element, Element::Concatenation(_))) {
            return Err("the modem knows text mode alone, which carries no user data header");
        }
        let (coding, charset, body) = match data.to_text().filter(|_| data.alphabet() == Alphabet::Gsm7) {
            Some(text) if is_plain(&text, plain) => (submit.coding, plain, text),
            Some(text) => {
                // Where there is room the text is sent in UCS-2: not every modem converts it to septets.
                let (coding, charset) = if text.encode_utf16().count() <= UCS2_ROOM {
                    (DataCodingScheme::plain(Alphabet::Ucs2, submit.coding.class()), plain)
                } else {
                    (submit.coding, Charset::Ucs2)
                };
                (coding, charset, ucs2_digits(&text))
            }
            // UCS-2 and octets are digits in every alphabet (clause 3.5.1).
            None => (submit.coding, plain, hex(data.body())),
        };
        let first = submit.first_octet.0 & !(UDHI | VPF);
        let (first, validity) = match submit.validity {
            ValidityPeriod::Relative(validity) => (first | RELATIVE, validity.0),
            _ => (first, NO_VALIDITY),
        };
        let to = submit.destination.to_string();
        let to = if charset == Charset::Ucs2 { ucs2_digits(&to) } else { to };
        Ok(Self {
            parameters: [first, validity, submit.protocol.0, coding.0],
            to: (to, submit.destination.type_octet()),
            charset,
            body: Secret::new(body),
        })
    }
}

/// UCS-2 in hexadecimal digits.
pub(super) fn ucs2_digits(text: &str) -> String {
    hex(&text.encode_utf16().flat_map(u16::to_be_bytes).collect::<Vec<_>>())
}

/// Whether the text can be written as it is: it is the same in ASCII and in the GSM 7 bit default alphabet
/// (for a modem that uses ASCII also with `@`, `$` and `_`), and no line of it passes for an answer.
fn is_plain(text: &str, charset: Charset) -> bool {
    let same = |c: char| match c {
        '\n' | ' '..='#' | '%'..='?' | 'A'..='Z' | 'a'..='z' => true,
        '@' | '$' | '_' => charset == Charset::Ira,
        _ => false,
    };
    let expects = Command::SendText { to: String::new(), kind: 0 }.expects();
    text.chars().all(same)
        && text.lines().all(|line| matches!(Line::of(as_read(line), Some(&expects)), Line::Unknown))
}

/// A line of a text as the session reads it when it is echoed.
pub(super) fn as_read(line: &str) -> &str {
    line.trim_start_matches(['>', ' ']).trim()
}

/// Octets as text mode and PDU mode write them.
pub(super) fn hex(octets: &[u8]) -> String {
    octets.iter().fold(String::with_capacity(2 * octets.len() + 1), |mut digits, octet| {
        // Writing into a String cannot fail.
        let _ = write!(digits, "{octet:02X}");
        digits
    })
}

/// SMSC field and TPDU of a received message; `None` when its sender is not possible.
pub(super) fn deliver(from: &str, timestamp: &str, text: &str) -> Option<Secret<Vec<u8>>> {
    let (alphabet, user_data) = carried(&characters(text))?;
    let from = number(from);
    let originator = Address::number(&from).or_else(|_| Address::alphanumeric(&from));
    pdu(&Tpdu::Deliver(Deliver {
        first_octet: FirstOctet(0),
        originator: originator.ok()?,
        protocol: ProtocolIdentifier(0),
        coding: DataCodingScheme::plain(alphabet, None),
        timestamp: stamp(timestamp),
        user_data,
    }))
}

/// The text in one message. A text that has no room, such as parts that the modem has joined, is
/// transliterated or ends with a mark.
fn carried(text: &str) -> Option<(Alphabet, UserData)> {
    let fit = |text: &str| {
        [Alphabet::Gsm7, Alphabet::Ucs2].into_iter().find_map(|alphabet| {
            Some((alphabet, UserData::text(text, alphabet, ShiftTables::NONE, &[]).ok()?))
        })
    };
    let mut written = transliterate(text).0;
    fit(text).or_else(|| fit(&written)).or_else(|| {
        loop {
            written.pop()?;
            if let Some(found) = fit(&format!("{written}...")) {
                return Some(found);
            }
        }
    })
}

/// SMSC field and TPDU of a status report.
pub(super) fn status_report(report: &TextReport) -> Option<Secret<Vec<u8>>> {
    let recipient = number(&report.recipient);
    pdu(&Tpdu::StatusReport(StatusReport {
        first_octet: FirstOctet(0),
        message_reference: report.reference,
        recipient: Address::number(&recipient).or_else(|_| Address::alphanumeric("")).ok()?,
        timestamp: stamp(&report.timestamp),
        discharge_time: stamp(&report.discharge_time),
        status: Status(report.status),
        parameters: Parameters::default(),
    }))
}

fn pdu(tpdu: &Tpdu) -> Option<Secret<Vec<u8>>> {
    tpdu.encode_with_smsc(None).ok().map(Secret::new)
}

/// UCS-2 in hexadecimal digits, or characters as they stand.
fn characters(written: &str) -> String {
    match Line::pdu(written) {
        Some(octets) if octets.len().is_multiple_of(2) => ussd::ucs2(&octets),
        _ => written.to_owned(),
    }
}

/// The same for a number or a name; digits that do not decode to one stay as they are.
fn number(written: &str) -> String {
    let read = characters(written);
    let sound = |c: char| c.is_ascii_graphic() || c == ' ';
    if read.is_empty() || !read.chars().all(sound) { written.to_owned() } else { read }
}

/// `yy/MM/dd,hh:mm:ss±zz`, where the zone is in quarters of an hour and 0 when it is left out; without a
/// time, octets that are not a time.
fn stamp(written: &str) -> Timestamp {
    let read = characters(written);
    let digits: Vec<u8> = read.bytes().filter(u8::is_ascii_digit).map(|digit| digit - b'0').collect();
    let mut octets = [0; 7];
    if !matches!(digits.len(), 12 | 14) {
        return Timestamp::from_octets(octets);
    }
    for (octet, pair) in octets.iter_mut().zip(digits.chunks(2)) {
        *octet = pair[1] << 4 | pair[0];
    }
    if read.contains('-') {
        octets[6] |= 0x08;
    }
    Timestamp::from_octets(octets)
}
