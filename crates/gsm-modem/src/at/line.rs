//! A whole line classified: echo, final result, the outstanding command's answer, unsolicited code, or
//! neither. The table of unsolicited codes names each head and the lines that follow it (3GPP TS 27.007,
//! TS 27.005 clause 3.4.1; vendors' manuals).

use nom::branch::alt;
use nom::bytes::complete::{tag_no_case, take_while1};
use nom::character::complete::{anychar, char, digit0, digit1, one_of, space0, space1};
use nom::combinator::{all_consuming, map_res, opt, recognize, rest, verify};
use nom::sequence::preceded;
use nom::{IResult, Parser};

use super::reply::{field, fields, hex};
use super::{Domain, Expects, ResultCode};

/// What a line is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Line<'a> {
    /// A command that came back.
    Echo,
    /// The end of the outstanding command.
    Final(ResultCode),
    /// An information line of the outstanding command: what follows its head.
    Answer(&'a str),
    /// Something that the modem says by itself.
    Unsolicited(Unsolicited<'a>),
    /// Neither: to be counted and dropped.
    Unknown,
}

/// What the modem says by itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Unsolicited<'a> {
    /// It began anew: every setting is lost.
    Restarted,
    /// A part of it became ready: after a restart, or late.
    Woken,
    /// It switches itself off.
    Leaving,
    /// `+CREG:` and its siblings: what follows the head.
    Registration(Domain, &'a str),
    /// `+CPIN:` or a vendor's like: what follows the head.
    Pin(&'a str),
    /// `+CMTI:`, `+CDSI:`: a message was stored.
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
    PduFollows(Kind),
    /// The PDU stands on the same line.
    Pdu(Kind, &'a str),
    /// Text mode: a line of any text follows.
    TextFollows(Kind),
    /// Text mode: a report, whole.
    Text(Kind, &'a str),
}

impl<'a> Line<'a> {
    /// Classifies `line` with `expects` of the outstanding command, if one is.
    pub fn of(line: &'a str, expects: Option<&Expects>) -> Self {
        Self::with(line, expects, |_| false)
    }

    /// The same, with unsolicited codes of the modem's own beyond the table.
    pub fn with(line: &'a str, expects: Option<&Expects>, own: impl Fn(&str) -> bool) -> Self {
        if let Some(code) = ResultCode::parse(line) {
            return Self::Final(code);
        }
        if is_echo(line) {
            return Self::Echo;
        }
        if let Some(expects) = expects
            && let Some(head) = expects.head
            && let Ok((_, body)) = headed(head, line)
            && !expects.registration.is_some_and(|_| is_registration_report(body))
        {
            return Self::Answer(body);
        }
        if let Some(unsolicited) = unsolicited(line) {
            return Self::Unsolicited(unsolicited);
        }
        if own(line) {
            return Self::Unsolicited(Unsolicited::Other);
        }
        match expects {
            Some(expects) if expects.bare && (expects.head.is_none() || !has_head(line)) => {
                Self::Answer(line)
            }
            _ => Self::Unknown,
        }
    }

    /// Whether `line` is a PDU: hexadecimal digits, an even number of them.
    pub fn pdu(line: &str) -> Option<Vec<u8>> {
        all_consuming(hex).parse(line.trim()).ok().map(|(_, octets)| octets)
    }
}

/// `head [":"] [blanks] body`, where a head without colon ends the line.
fn headed<'a>(head: &str, line: &'a str) -> IResult<&'a str, &'a str> {
    preceded((tag_no_case(head), char(':'), space0), rest).parse(line)
}

/// `AT…` as this daemon writes it. No modem says a thing by itself that begins so.
fn is_echo(line: &str) -> bool {
    let command: IResult<&str, _> = all_consuming((
        tag_no_case("AT"),
        opt(alt(((one_of("+^&#*%$!_"), rest).map(|_| ()), (one_of("EeVvQqZz"), digit0).map(|_| ())))),
    ))
    .parse(line);
    command.is_ok()
}

/// `+NAME:`, `^NAME:`, `*NAME:` and so on: never the bare answer of an identity command.
fn has_head(line: &str) -> bool {
    let head: IResult<&str, _> = (
        verify(anychar, |c| "+^*%_#$!".contains(*c)),
        take_while1(|c: char| c.is_ascii_alphanumeric() || c == '_'),
        char(':'),
    )
        .parse(line);
    head.is_ok()
}

/// An answer to `AT+CREG?` begins `n,stat`; the unsolicited code begins `stat` and goes on with the quoted or
/// hexadecimal area (27.007 7.2): one field or three are a report, two or five an answer, and among four the
/// second decides: a status has one or two digits.
fn is_registration_report(body: &str) -> bool {
    let fields = fields(body);
    match fields.len() {
        1 | 3 => true,
        4 => {
            let status: Option<u8> = fields[1].parse().ok();
            fields[1].len() > 2 || status.is_none_or(|status| status > 11) || body_quotes_second(body)
        }
        _ => false,
    }
}

fn body_quotes_second(body: &str) -> bool {
    let second: IResult<&str, _> = (field, char(','), space0, char('"')).parse(body);
    second.is_ok()
}

#[derive(Clone, Copy)]
enum Meaning {
    Restarted,
    Woken,
    Leaving,
    Registration(Domain),
    Pin,
    Stored(Kind),
    Routed(Kind),
    Ussd,
    StorageFull,
    Other,
}

fn unsolicited(line: &str) -> Option<Unsolicited<'_>> {
    let (head, meaning) = TABLE.iter().find(|(head, _)| begins(line, head))?;
    let body = line[head.len()..].trim_start_matches([':', ' ']);
    Some(match meaning {
        Meaning::Restarted => Unsolicited::Restarted,
        Meaning::Woken => Unsolicited::Woken,
        Meaning::Leaving => Unsolicited::Leaving,
        Meaning::Registration(domain) => Unsolicited::Registration(*domain, body),
        Meaning::Pin => Unsolicited::Pin(body),
        Meaning::Stored(kind) => Unsolicited::Stored(*kind, body),
        Meaning::Routed(kind) => Unsolicited::Routed(routed(*kind, body)),
        Meaning::Ussd => Unsolicited::Ussd(body),
        Meaning::StorageFull => Unsolicited::StorageFull,
        Meaning::Other => Unsolicited::Other,
    })
}

/// Words and values match whole, so that `RING` is not `RINGO` and `+WIND: 3` not `+WIND: 30`; of the makers'
/// heads the beginning is enough.
fn begins(line: &str, head: &str) -> bool {
    let Some((start, rest)) = line.split_at_checked(head.len()) else { return false };
    let whole = head.starts_with(|c: char| c.is_ascii_alphabetic()) || head.contains(": ");
    let more = head.ends_with(|c: char| c.is_ascii_alphanumeric())
        && rest.starts_with(|c: char| c.is_ascii_alphanumeric());
    start.eq_ignore_ascii_case(head) && !(whole && more)
}

/// PDU mode: `[alpha],length` or `length` (27.005 3.4.1), perhaps with the PDU behind a blank. Anything longer
/// is text mode, where a report stands whole on its line.
fn routed(kind: Kind, body: &str) -> Routed<'_> {
    let inline: IResult<&str, &str> =
        preceded((opt((field, char(','))), space0, digit1, space1), all_consuming(recognize(hex)))
            .parse(body);
    if let Ok((_, pdu)) = inline {
        return Routed::Pdu(kind, pdu);
    }
    let fields = fields(body);
    let length: IResult<&str, u16> =
        all_consuming(map_res(digit1, str::parse)).parse(fields.last().copied().unwrap_or(""));
    match (fields.len(), kind) {
        (1 | 2, _) if length.is_ok() => Routed::PduFollows(kind),
        (_, Kind::Report) => Routed::Text(kind, body),
        _ => Routed::TextFollows(kind),
    }
}

/// Heads in the order they are tried: a longer one before its own beginning.
const TABLE: &[(&str, Meaning)] = &[
    // The SMS service (27.005).
    ("+CMTI:", Meaning::Stored(Kind::Deliver)),
    ("+CDSI:", Meaning::Stored(Kind::Report)),
    ("+CMT:", Meaning::Routed(Kind::Deliver)),
    ("+CDS:", Meaning::Routed(Kind::Report)),
    ("+CBM:", Meaning::Routed(Kind::Broadcast)),
    ("+CBMI:", Meaning::Other),
    ("^SMMEMFULL", Meaning::StorageFull),
    ("SMS FULL", Meaning::StorageFull),
    ("+CIEV: \"SMSFULL\"", Meaning::StorageFull),
    // The network (27.007).
    ("+CREG:", Meaning::Registration(Domain::Cs)),
    ("+CEREG:", Meaning::Registration(Domain::Eps)),
    ("+CGREG:", Meaning::Registration(Domain::Ps)),
    ("+CUSD:", Meaning::Ussd),
    ("+CPIN:", Meaning::Pin),
    // A restart, as makers say it.
    ("RDY", Meaning::Restarted),
    ("^SYSSTART", Meaning::Restarted),
    ("+AT: READY", Meaning::Restarted),
    ("*ATREADY", Meaning::Restarted),
    ("APP RDY", Meaning::Restarted),
    ("MODEM:STARTUP", Meaning::Restarted),
    ("+WIND: 3", Meaning::Restarted),
    ("*EMRDY", Meaning::Restarted),
    ("Call Ready", Meaning::Woken),
    ("SMS Ready", Meaning::Woken),
    ("SMS DONE", Meaning::Woken),
    ("PB DONE", Meaning::Woken),
    ("+QIND: SMS DONE", Meaning::Woken),
    ("+QIND: PB DONE", Meaning::Woken),
    ("+QUSIM: 1", Meaning::Woken),
    ("#QSS: 3", Meaning::Woken),
    ("+WIND: 4", Meaning::Woken),
    ("POWERED DOWN", Meaning::Leaving),
    ("NORMAL POWER DOWN", Meaning::Leaving),
    ("UNDER-VOLTAGE POWER DOWN", Meaning::Leaving),
    ("OVER-VOLTAGE POWER DOWN", Meaning::Leaving),
    ("^SHUTDOWN", Meaning::Leaving),
    // Calls: nobody answers them, and they end no command of ours.
    ("RING", Meaning::Other),
    ("NO CARRIER", Meaning::Other),
    ("NO ANSWER", Meaning::Other),
    ("NO DIALTONE", Meaning::Other),
    ("BUSY", Meaning::Other),
    ("+CRING:", Meaning::Other),
    ("+CLIP:", Meaning::Other),
    ("+COLP:", Meaning::Other),
    ("+CCWA:", Meaning::Other),
    ("+CLCC:", Meaning::Other),
    ("+CSSI:", Meaning::Other),
    ("+CSSU:", Meaning::Other),
    // State that makers report.
    ("+CIEV:", Meaning::Other),
    ("+CGEV:", Meaning::Other),
    ("+CTZV:", Meaning::Other),
    ("+CTZE:", Meaning::Other),
    ("*PSUTTZ:", Meaning::Other),
    ("+NITZ:", Meaning::Other),
    ("DST:", Meaning::Other),
    ("+CUSATP:", Meaning::Other),
    ("+SPNWNAME:", Meaning::Other),
    ("+PSBEARER:", Meaning::Other),
    ("+PACSP", Meaning::Other),
    ("+MBAN:", Meaning::Other),
    ("+WIND:", Meaning::Other),
    ("+ZUSIMR:", Meaning::Other),
    ("+ZDONR:", Meaning::Other),
    ("+ZPASR:", Meaning::Other),
    ("+ZPSTM:", Meaning::Other),
    ("+ZEND", Meaning::Other),
    ("+QIND:", Meaning::Other),
    ("+QUSIM:", Meaning::Other),
    ("+UUSORD", Meaning::Other),
    ("+UUSIMSTAT", Meaning::Other),
    ("+CFUN: 1", Meaning::Other),
    ("#QSS:", Meaning::Other),
    ("#STN:", Meaning::Other),
    ("Initiating Release", Meaning::Other),
    ("^RSSI", Meaning::Other),
    ("^HRSSILVL", Meaning::Other),
    ("^MODE:", Meaning::Other),
    ("^DSFLOWRPT", Meaning::Other),
    ("^BOOT:", Meaning::Other),
    ("^CSNR:", Meaning::Other),
    ("^SIMST:", Meaning::Other),
    ("^SRVST:", Meaning::Other),
    ("^STIN:", Meaning::Other),
    ("^HCSQ:", Meaning::Other),
    ("^NDIS", Meaning::Other),
    ("^PDPDEACT", Meaning::Other),
    ("^RFSWITCH", Meaning::Other),
    ("^LWURC", Meaning::Other),
    ("^EONS", Meaning::Other),
    ("^NWTIME", Meaning::Other),
    ("^THERM", Meaning::Other),
    ("^SCN:", Meaning::Other),
    ("^SCKS:", Meaning::Other),
    ("^SYSINFO:", Meaning::Other),
    ("*EBCA", Meaning::Other),
    ("*E2", Meaning::Other),
    ("*ISIMAID", Meaning::Other),
    ("*COPN", Meaning::Other),
    ("_OSIGQ:", Meaning::Other),
    ("_OBS:", Meaning::Other),
    ("_OSSYSI", Meaning::Other),
    ("%", Meaning::Other),
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::at::Command;

    fn of<'a>(line: &'a str, command: &Command) -> Line<'a> {
        Line::of(line, Some(&command.expects()))
    }

    #[test]
    fn echo_and_results() {
        for line in ["AT", "at", "AT+CMGS=23", "ATE0", "ATV1", "AT^CURC=0", "AT+CUSD=1,\"*100#\",15"] {
            assert_eq!(Line::of(line, None), Line::Echo, "{line}");
        }
        assert_eq!(Line::of("OK", None), Line::Final(ResultCode::Ok));
        for line in ["ATMEL", "bananas", "At your service", "+NEW: 1"] {
            assert_eq!(Line::of(line, None), Line::Unknown, "{line}");
        }
    }

    #[test]
    fn a_head_that_is_both_is_decided_by_the_command_and_the_fields() {
        let ask = Command::Registration(Domain::Cs);
        for body in ["0,1", "2,1,4CA,81DE445", "0,1,\"5E25\",\"605F\",2", "2,1,\"0B,\"0100701\",7", "2,0"] {
            let line = format!("+CREG: {body}");
            assert_eq!(of(&line, &ask), Line::Answer(body), "{body}");
            assert_eq!(
                of(&line, &Command::Send { length: 9 }),
                Line::Unsolicited(Unsolicited::Registration(Domain::Cs, body))
            );
        }
        for body in
            ["1", "5", "1, E006B, ABE0016", "1,\"4CA\",\"81DE445\",7", "1,4CA,81DE445,7", "1,\"01\",\"9\",7"]
        {
            let line = format!("+CREG: {body}");
            assert_eq!(
                of(&line, &ask),
                Line::Unsolicited(Unsolicited::Registration(Domain::Cs, body)),
                "{body}"
            );
        }
        assert_eq!(of("+CPIN: READY", &Command::PinState), Line::Answer("READY"));
        assert_eq!(of("+CPIN: READY", &Command::Signal), Line::Unsolicited(Unsolicited::Pin("READY")));
    }

    #[test]
    fn handed_over_messages() {
        let routed = |line| match Line::of(line, None) {
            Line::Unsolicited(Unsolicited::Routed(routed)) => routed,
            other => panic!("{line}: {other:?}"),
        };
        for line in ["+CMT: ,23", "+CMT: \"\",23", "+CMT:\"+41,79\",23", "+CMT: 23"] {
            assert_eq!(routed(line), Routed::PduFollows(Kind::Deliver), "{line}");
        }
        assert_eq!(routed("+CDS: 25"), Routed::PduFollows(Kind::Report));
        assert_eq!(routed("+CDS: ,25"), Routed::PduFollows(Kind::Report));
        assert_eq!(routed("+CBM: 88"), Routed::PduFollows(Kind::Broadcast));
        assert_eq!(routed("+CMT: ,2 0791ABCD"), Routed::Pdu(Kind::Deliver, "0791ABCD"));
        assert_eq!(routed("+CMT: \"+4179\",,\"06/05/28,18:15:41+80\""), Routed::TextFollows(Kind::Deliver));
        assert_eq!(
            routed("+CDS: 6,202,\"+49\",145,\"04/03/30,14:24:09+04\",\"04/03/30,14:24:13+04\",0"),
            Routed::Text(
                Kind::Report,
                "6,202,\"+49\",145,\"04/03/30,14:24:09+04\",\"04/03/30,14:24:13+04\",0"
            )
        );
        assert_eq!(Line::pdu("0791AbcD"), Some(vec![0x07, 0x91, 0xab, 0xcd]));
        for line in ["OK", "", "079", "+CMGS: 1", "07 91"] {
            assert_eq!(Line::pdu(line), None, "{line}");
        }
    }

    #[test]
    fn identity_takes_bare_lines_but_no_code() {
        assert_eq!(of("huawei", &Command::Manufacturer), Line::Answer("huawei"));
        assert_eq!(of("+CGMI: huawei", &Command::Manufacturer), Line::Answer("huawei"));
        assert_eq!(of("^RSSI:10", &Command::Manufacturer), Line::Unsolicited(Unsolicited::Other));
        assert_eq!(of("+XYZ: 10", &Command::Manufacturer), Line::Unknown);
        assert_eq!(of("AT+CGMI", &Command::Manufacturer), Line::Echo);
        let own = |line: &str| line.starts_with("NOTE");
        let question = Command::Manufacturer.expects();
        assert_eq!(Line::with("NOTE 1", Some(&question), own), Line::Unsolicited(Unsolicited::Other));
        assert_eq!(of("+ICCID: 8941", &Command::Iccid("AT+ICCID".into())), Line::Answer("+ICCID: 8941"));
    }

    #[test]
    fn restarts() {
        for line in ["RDY", "^SYSSTART", "+AT: READY", "*ATREADY: 1"] {
            assert_eq!(Line::of(line, None), Line::Unsolicited(Unsolicited::Restarted), "{line}");
        }
        assert_eq!(Line::of("Call Ready", None), Line::Unsolicited(Unsolicited::Woken));
    }
}
