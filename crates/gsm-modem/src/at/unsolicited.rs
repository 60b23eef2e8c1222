//! Unsolicited codes: a table of each head and what it means (3GPP TS 27.007, TS 27.005 clause 3.4.1; makers'
//! manuals), and the two forms of the codes that hand a message over.

use nom::character::complete::{char, digit1, space0, space1};
use nom::combinator::{all_consuming, map_res, opt, recognize};
use nom::sequence::preceded;
use nom::{IResult, Parser};

use super::Domain;
use super::reply::{field, fields, hex};

/// An unsolicited code.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Unsolicited<'a> {
    /// The modem restarted: every setting is lost.
    Restarted,
    /// A part of the modem became ready, after a restart or late.
    PartReady,
    /// The modem switches itself off.
    PoweringOff,
    /// `+CREG:` and its siblings: what follows the head.
    Registration(Domain, &'a str),
    /// `+CPIN:` or a maker's code for the same: what follows the head.
    Pin(&'a str),
    /// `+CMTI:`, `+CDSI:`: a message was stored. [`index`](super::index) gives its place; when the code has
    /// none, the storages should be listed.
    Stored(Kind, &'a str),
    /// `+CMT:`, `+CDS:`, `+CBM:`: a message is being handed over.
    Routed(Routed<'a>),
    /// `+CUSD:`.
    Ussd(&'a str),
    /// The message storage is full.
    StorageFull,
    /// Of no interest here.
    Other,
}

/// What sort of message arrived.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// SMS-DELIVER.
    Deliver,
    /// SMS-STATUS-REPORT.
    Report,
    /// A cell broadcast.
    Broadcast,
}

/// The head of a message that is handed over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Routed<'a> {
    /// A line of hexadecimal digits follows: the PDU.
    PduFollows {
        /// What sort of message it is.
        kind: Kind,
        /// The TPDU's octets; see [`fits`](super::fits).
        length: usize,
    },
    /// The PDU stands on the same line.
    Pdu {
        /// What sort of message it is.
        kind: Kind,
        /// The TPDU's octets; see [`fits`](super::fits).
        length: usize,
        /// The PDU in hexadecimal digits.
        digits: &'a str,
    },
    /// Text mode: the text follows, which comes from outside and may have any lines.
    TextFollows(Kind),
    /// Text mode: a complete report.
    Text(Kind, &'a str),
}

impl Routed<'_> {
    /// Whether the modem is in text mode (`AT+CMGF=1`), since the same code has another form in each mode.
    pub const fn is_text_mode(&self) -> bool {
        matches!(self, Self::TextFollows(_) | Self::Text(..))
    }
}

/// What a code tells the session by its head alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Means {
    /// Nothing: it is dropped.
    #[default]
    Nothing,
    /// The modem restarted: it is brought up again.
    Restarted,
    /// A part of the modem became ready, after a restart or late.
    Ready,
    /// The modem switches itself off.
    PoweringOff,
    /// The message storage is full.
    StorageFull,
}

impl Means {
    /// The words that profile files use.
    pub const NAMES: [(&'static str, Self); 5] = [
        ("nothing", Self::Nothing),
        ("restarted", Self::Restarted),
        ("ready", Self::Ready),
        ("powering-off", Self::PoweringOff),
        ("storage-full", Self::StorageFull),
    ];

    pub(super) const fn code(self) -> Unsolicited<'static> {
        match self {
            Self::Nothing => Unsolicited::Other,
            Self::Restarted => Unsolicited::Restarted,
            Self::Ready => Unsolicited::PartReady,
            Self::PoweringOff => Unsolicited::PoweringOff,
            Self::StorageFull => Unsolicited::StorageFull,
        }
    }
}

#[derive(Clone, Copy)]
enum Meaning {
    Tells(Means),
    Registration(Domain),
    Pin,
    Stored(Kind),
    Routed(Kind),
    Ussd,
}

/// `line` as one of the codes of the table.
pub(super) fn unsolicited(line: &str) -> Option<Unsolicited<'_>> {
    let (head, meaning) = TABLE.iter().find(|(head, _)| begins(line, head))?;
    let body = line[head.len()..].trim_start_matches([':', ' ']);
    Some(match meaning {
        Meaning::Tells(means) => means.code(),
        Meaning::Registration(domain) => Unsolicited::Registration(*domain, body),
        Meaning::Pin => Unsolicited::Pin(body),
        Meaning::Stored(kind) => Unsolicited::Stored(*kind, body),
        Meaning::Routed(kind) => Unsolicited::Routed(routed(*kind, body)),
        Meaning::Ussd => Unsolicited::Ussd(body),
    })
}

/// Words and values match as a whole, so that `RING` is not `RINGO` and `+WIND: 3` is not `+WIND: 30`. For
/// the makers' heads the beginning is enough.
fn begins(line: &str, head: &str) -> bool {
    let Some((start, rest)) = line.split_at_checked(head.len()) else { return false };
    let whole = head.starts_with(|c: char| c.is_ascii_alphabetic()) || head.contains(": ");
    let more = head.ends_with(|c: char| c.is_ascii_alphanumeric())
        && rest.starts_with(|c: char| c.is_ascii_alphanumeric());
    start.eq_ignore_ascii_case(head) && !(whole && more)
}

/// PDU mode: `[alpha],length` or `length` (27.005 3.4.1), perhaps with the PDU after a blank. Anything
/// longer is text mode, where a report stands on its line as a whole.
fn routed(kind: Kind, body: &str) -> Routed<'_> {
    let inline: IResult<&str, (u16, &str)> = (
        preceded((opt((field, char(','))), space0), map_res(digit1, str::parse)),
        preceded(space1, all_consuming(recognize(hex))),
    )
        .parse(body);
    if let Ok((_, (length, digits))) = inline {
        return Routed::Pdu { kind, length: length.into(), digits };
    }
    let fields = fields(body);
    let length: IResult<&str, u16> =
        all_consuming(map_res(digit1, str::parse)).parse(fields.last().copied().unwrap_or(""));
    match (fields.len(), length, kind) {
        (1 | 2, Ok((_, length)), _) => Routed::PduFollows { kind, length: length.into() },
        (_, _, Kind::Report) => Routed::Text(kind, body),
        _ => Routed::TextFollows(kind),
    }
}

/// Heads in the order in which they are tried: a longer one before one that it begins with.
const TABLE: &[(&str, Meaning)] = &[
    // The SMS service (27.005).
    ("+CMTI:", Meaning::Stored(Kind::Deliver)),
    ("+CDSI:", Meaning::Stored(Kind::Report)),
    ("+CMT:", Meaning::Routed(Kind::Deliver)),
    ("+CDS:", Meaning::Routed(Kind::Report)),
    ("+CBM:", Meaning::Routed(Kind::Broadcast)),
    ("+CBMI:", Meaning::Tells(Means::Nothing)),
    ("^SMMEMFULL", Meaning::Tells(Means::StorageFull)),
    ("SMS FULL", Meaning::Tells(Means::StorageFull)),
    ("+CIEV: \"SMSFULL\"", Meaning::Tells(Means::StorageFull)),
    // The network (27.007).
    ("+CREG:", Meaning::Registration(Domain::Cs)),
    ("+CEREG:", Meaning::Registration(Domain::Eps)),
    ("+CGREG:", Meaning::Registration(Domain::Ps)),
    ("+C5GREG:", Meaning::Registration(Domain::FiveG)),
    ("+CUSD:", Meaning::Ussd),
    ("+CPIN:", Meaning::Pin),
    // A restart, in the makers' words.
    ("RDY", Meaning::Tells(Means::Restarted)),
    ("^SYSSTART", Meaning::Tells(Means::Restarted)),
    ("+AT: READY", Meaning::Tells(Means::Restarted)),
    ("*ATREADY", Meaning::Tells(Means::Restarted)),
    ("APP RDY", Meaning::Tells(Means::Restarted)),
    ("MODEM:STARTUP", Meaning::Tells(Means::Restarted)),
    ("+WIND: 3", Meaning::Tells(Means::Restarted)),
    ("*EMRDY", Meaning::Tells(Means::Restarted)),
    ("Call Ready", Meaning::Tells(Means::Ready)),
    ("SMS Ready", Meaning::Tells(Means::Ready)),
    ("SMS DONE", Meaning::Tells(Means::Ready)),
    ("PB DONE", Meaning::Tells(Means::Ready)),
    ("+QIND: SMS DONE", Meaning::Tells(Means::Ready)),
    ("+QIND: PB DONE", Meaning::Tells(Means::Ready)),
    ("+QUSIM: 1", Meaning::Tells(Means::Ready)),
    ("#QSS: 3", Meaning::Tells(Means::Ready)),
    ("+WIND: 4", Meaning::Tells(Means::Ready)),
    ("POWERED DOWN", Meaning::Tells(Means::PoweringOff)),
    ("NORMAL POWER DOWN", Meaning::Tells(Means::PoweringOff)),
    ("UNDER-VOLTAGE POWER DOWN", Meaning::Tells(Means::PoweringOff)),
    ("OVER-VOLTAGE POWER DOWN", Meaning::Tells(Means::PoweringOff)),
    ("^SHUTDOWN", Meaning::Tells(Means::PoweringOff)),
    // Calls: nobody answers them, and they end no command of this program.
    ("RING", Meaning::Tells(Means::Nothing)),
    ("NO CARRIER", Meaning::Tells(Means::Nothing)),
    ("NO ANSWER", Meaning::Tells(Means::Nothing)),
    ("NO DIALTONE", Meaning::Tells(Means::Nothing)),
    ("BUSY", Meaning::Tells(Means::Nothing)),
    ("+CRING:", Meaning::Tells(Means::Nothing)),
    ("+CLIP:", Meaning::Tells(Means::Nothing)),
    ("+COLP:", Meaning::Tells(Means::Nothing)),
    ("+CCWA:", Meaning::Tells(Means::Nothing)),
    ("+CLCC:", Meaning::Tells(Means::Nothing)),
    ("+CSSI:", Meaning::Tells(Means::Nothing)),
    ("+CSSU:", Meaning::Tells(Means::Nothing)),
    // State that the makers' modems report.
    ("+CIEV:", Meaning::Tells(Means::Nothing)),
    ("+CGEV:", Meaning::Tells(Means::Nothing)),
    ("+CTZV:", Meaning::Tells(Means::Nothing)),
    ("+CTZE:", Meaning::Tells(Means::Nothing)),
    ("*PSUTTZ:", Meaning::Tells(Means::Nothing)),
    ("+NITZ:", Meaning::Tells(Means::Nothing)),
    ("DST:", Meaning::Tells(Means::Nothing)),
    ("+CUSATP:", Meaning::Tells(Means::Nothing)),
    ("+SPNWNAME:", Meaning::Tells(Means::Nothing)),
    ("+PSBEARER:", Meaning::Tells(Means::Nothing)),
    ("+PACSP", Meaning::Tells(Means::Nothing)),
    ("+MBAN:", Meaning::Tells(Means::Nothing)),
    ("+WIND:", Meaning::Tells(Means::Nothing)),
    ("+ZUSIMR:", Meaning::Tells(Means::Nothing)),
    ("+ZDONR:", Meaning::Tells(Means::Nothing)),
    ("+ZPASR:", Meaning::Tells(Means::Nothing)),
    ("+ZPSTM:", Meaning::Tells(Means::Nothing)),
    ("+ZEND", Meaning::Tells(Means::Nothing)),
    ("+QIND:", Meaning::Tells(Means::Nothing)),
    ("+QUSIM:", Meaning::Tells(Means::Nothing)),
    ("+UUSORD", Meaning::Tells(Means::Nothing)),
    ("+UUSIMSTAT", Meaning::Tells(Means::Nothing)),
    ("+CFUN: 1", Meaning::Tells(Means::Nothing)),
    ("#QSS:", Meaning::Tells(Means::Nothing)),
    ("#STN:", Meaning::Tells(Means::Nothing)),
    ("Initiating Release", Meaning::Tells(Means::Nothing)),
    ("^RSSI", Meaning::Tells(Means::Nothing)),
    ("^HRSSILVL", Meaning::Tells(Means::Nothing)),
    ("^MODE:", Meaning::Tells(Means::Nothing)),
    ("^DSFLOWRPT", Meaning::Tells(Means::Nothing)),
    ("^BOOT:", Meaning::Tells(Means::Nothing)),
    ("^CSNR:", Meaning::Tells(Means::Nothing)),
    ("^SIMST:", Meaning::Tells(Means::Nothing)),
    ("^SRVST:", Meaning::Tells(Means::Nothing)),
    ("^STIN:", Meaning::Tells(Means::Nothing)),
    ("^HCSQ:", Meaning::Tells(Means::Nothing)),
    ("^NDIS", Meaning::Tells(Means::Nothing)),
    ("^PDPDEACT", Meaning::Tells(Means::Nothing)),
    ("^RFSWITCH", Meaning::Tells(Means::Nothing)),
    ("^LWURC", Meaning::Tells(Means::Nothing)),
    ("^EONS", Meaning::Tells(Means::Nothing)),
    ("^NWTIME", Meaning::Tells(Means::Nothing)),
    ("^THERM", Meaning::Tells(Means::Nothing)),
    ("^SCN:", Meaning::Tells(Means::Nothing)),
    ("^SCKS:", Meaning::Tells(Means::Nothing)),
    ("^SYSINFO:", Meaning::Tells(Means::Nothing)),
    ("*EBCA", Meaning::Tells(Means::Nothing)),
    ("*E2", Meaning::Tells(Means::Nothing)),
    ("*ISIMAID", Meaning::Tells(Means::Nothing)),
    ("*COPN", Meaning::Tells(Means::Nothing)),
    ("_OSIGQ:", Meaning::Tells(Means::Nothing)),
    ("_OBS:", Meaning::Tells(Means::Nothing)),
    ("_OSSYSI", Meaning::Tells(Means::Nothing)),
    ("%", Meaning::Tells(Means::Nothing)),
];
