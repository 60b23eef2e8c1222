//! A whole line classified: echo, final result, the outstanding command's answer, unsolicited code, or neither.

use nom::branch::alt;
use nom::bytes::complete::{tag_no_case, take_while1};
use nom::character::complete::{anychar, char, digit0, hex_digit1, one_of, space0};
use nom::combinator::{all_consuming, opt, rest, verify};
use nom::sequence::preceded;
use nom::{IResult, Parser};

use super::registration::is_report;
use super::reply::hex;
use super::unsolicited::unsolicited;
use super::{Expects, Means, ResultCode, Unsolicited};

/// What a line is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Line<'a> {
    /// A command that the modem echoed.
    Echo,
    /// The final result of the outstanding command.
    Final(ResultCode),
    /// An information line of the outstanding command: what follows its head.
    Answer(&'a str),
    /// An unsolicited code.
    Unsolicited(Unsolicited<'a>),
    /// Neither; the line is counted and dropped.
    Unknown,
}

impl<'a> Line<'a> {
    /// Classifies `line` with `expects` of the outstanding command, if there is one.
    pub fn of(line: &'a str, expects: Option<&Expects>) -> Self {
        Self::with(line, expects, |_| None)
    }

    /// Classifies `line` as [`Line::of`] does, with the unsolicited codes of this modem's family, which
    /// come before the common ones.
    pub fn with(line: &'a str, expects: Option<&Expects>, own: impl Fn(&str) -> Option<Means>) -> Self {
        if let Some(code) = ResultCode::parse(line) {
            return Self::Final(code);
        }
        if is_echo(line) {
            return Self::Echo;
        }
        if let Some(expects) = expects
            && let Some(head) = expects.head
            && let Ok((_, body)) = headed(head, line)
            && !(expects.registration.is_some() && is_report(body))
        {
            return Self::Answer(body);
        }
        if let Some(code) = own(line).map(Means::code).or_else(|| unsolicited(line)) {
            return Self::Unsolicited(code);
        }
        match expects {
            Some(expects) if expects.bare && (expects.head.is_none() || !has_head(line)) => {
                Self::Answer(line)
            }
            _ => Self::Unknown,
        }
    }

    /// `line` as a PDU, if it is an even number of hexadecimal digits.
    pub fn pdu(line: &str) -> Option<Vec<u8>> {
        all_consuming(hex).parse(line.trim()).ok().map(|(_, octets)| octets)
    }

    /// Splits a line that lost its end: the digits of a PDU, and after them another line, which is a final result or
    /// begins with a head such as `+CMGL:`. The number of digits may be odd, since more than the end may be lost.
    pub fn split_pdu(line: &str) -> Option<(&str, &str)> {
        let digits: IResult<&str, &str> = hex_digit1.parse(line);
        let (rest, digits) = digits.ok()?;
        // The first letter of ERROR is a hexadecimal digit as well.
        let end = if rest.starts_with("RROR") { digits.len() - 1 } else { digits.len() };
        let (digits, rest) = line.split_at(end);
        let rest = rest.trim_start();
        let is_line = ResultCode::parse(rest).is_some() || has_head(rest);
        (is_line && !digits.is_empty()).then_some((digits, rest))
    }
}

/// `head [":"] [blanks] body`, where a head without a colon ends the line.
fn headed<'a>(head: &str, line: &'a str) -> IResult<&'a str, &'a str> {
    preceded((tag_no_case(head), char(':'), space0), rest).parse(line)
}

/// `AT…` as this daemon writes it. No unsolicited code begins so.
fn is_echo(line: &str) -> bool {
    let command: IResult<&str, _> = all_consuming((
        tag_no_case("AT"),
        opt(alt(((one_of("+^&#*%$!_"), rest).map(|_| ()), (one_of("EeVvQqZz"), digit0).map(|_| ())))),
    ))
    .parse(line);
    command.is_ok()
}

/// `+NAME:`, `^NAME:`, `*NAME:` and so on, which are never the bare answer of an identity command.
fn has_head(line: &str) -> bool {
    let head: IResult<&str, _> = (
        verify(anychar, |c| "+^*%_#$!".contains(*c)),
        take_while1(|c: char| c.is_ascii_alphanumeric() || c == '_'),
        char(':'),
    )
        .parse(line);
    head.is_ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::at::{Command, Domain, Kind, Routed};

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
        // A line that is not understood is an answer to the question, not an unsolicited code.
        for body in ["002,005,\"18d8\",\"ffff\"", "2,5,\"5E25", "0,", "x", "\"1\"", "0,1x"] {
            assert_eq!(of(&format!("+CREG: {body}"), &ask), Line::Answer(body), "{body}");
        }
        let ask = Command::Registration(Domain::FiveG);
        assert_eq!(
            of("+C5GREG: 2,1,\"000001\",\"000000001\",11", &ask),
            Line::Answer("2,1,\"000001\",\"000000001\",11")
        );
        assert_eq!(of("+C5GREG: 5", &ask), Line::Unsolicited(Unsolicited::Registration(Domain::FiveG, "5")));
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
            assert_eq!(routed(line), Routed::PduFollows { kind: Kind::Deliver, length: 23 }, "{line}");
        }
        assert_eq!(routed("+CDS: 25"), Routed::PduFollows { kind: Kind::Report, length: 25 });
        assert_eq!(routed("+CDS: ,25"), Routed::PduFollows { kind: Kind::Report, length: 25 });
        assert_eq!(routed("+CBM: 88"), Routed::PduFollows { kind: Kind::Broadcast, length: 88 });
        let whole = Routed::Pdu { kind: Kind::Deliver, length: 2, digits: "0791ABCD" };
        assert_eq!(routed("+CMT: ,2 0791ABCD"), whole);
        assert!(!routed("+CMT: ,23").is_text_mode() && !whole.is_text_mode());
        for line in [
            "+CMT: \"+4179\",,\"06/05/28,18:15:41+80\",145,4,0,0,\"+4179\",145,5",
            "+CDS: 6,202,,,\"x\",\"y\",0",
        ] {
            assert!(routed(line).is_text_mode(), "{line}");
        }
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
    fn a_line_that_lost_its_end() {
        for (line, digits, rest) in [
            ("0791ABCD+CMGL: 2,0,,24", "0791ABCD", "+CMGL: 2,0,,24"),
            ("0791AB+CMTI: \"SM\",3", "0791AB", "+CMTI: \"SM\",3"),
            ("0791A^RSSI:10", "0791A", "^RSSI:10"),
            ("0791OK", "0791", "OK"),
            ("0791ERROR", "0791", "ERROR"),
            ("0791 +CMGL: 2,0,,24", "0791", "+CMGL: 2,0,,24"),
            ("0791EERROR", "0791E", "ERROR"),
            ("0791+CMS ERROR: 500", "0791", "+CMS ERROR: 500"),
        ] {
            assert_eq!(Line::split_pdu(line), Some((digits, rest)), "{line}");
        }
        for line in ["0791ABCD", "+CMGL: 2,0,,24", "OK", "ERROR", "0791x", "", "0791+CMGL 2"] {
            assert_eq!(Line::split_pdu(line), None, "{line}");
        }
    }

    proptest! {
        #[test]
        fn no_line_is_split_elsewhere_than_between_the_two(digits in "[0-9A-F]{1,60}", rest in "[+^][A-Z]{3,5}: .{0,20}") {
            let line = format!("{digits}{rest}");
            prop_assert_eq!(Line::split_pdu(&line), Some((&*digits, &*rest)));
        }

        #[test]
        fn no_text_panics(line in ".{0,80}") {
            let _ = Line::split_pdu(&line);
            let _ = Line::of(&line, Some(&Command::Registration(Domain::FiveG).expects()));
        }
    }

    #[test]
    fn identity_takes_bare_lines_but_no_code() {
        assert_eq!(of("huawei", &Command::Manufacturer), Line::Answer("huawei"));
        assert_eq!(of("+CGMI: huawei", &Command::Manufacturer), Line::Answer("huawei"));
        assert_eq!(of("^RSSI:10", &Command::Manufacturer), Line::Unsolicited(Unsolicited::Other));
        assert_eq!(of("+XYZ: 10", &Command::Manufacturer), Line::Unknown);
        assert_eq!(of("AT+CGMI", &Command::Manufacturer), Line::Echo);
        let question = Command::Manufacturer.expects();
        for (_, means) in Means::NAMES {
            let own = |line: &str| line.starts_with("NOTE").then_some(means);
            assert_eq!(Line::with("NOTE 1", Some(&question), own), Line::Unsolicited(means.code()));
        }
        assert_eq!(of("+ICCID: 8941", &Command::Iccid("AT+ICCID".into())), Line::Answer("+ICCID: 8941"));
    }

    #[test]
    fn restarts() {
        for line in ["RDY", "^SYSSTART", "+AT: READY", "*ATREADY: 1"] {
            assert_eq!(Line::of(line, None), Line::Unsolicited(Unsolicited::Restarted), "{line}");
        }
        assert_eq!(Line::of("Call Ready", None), Line::Unsolicited(Unsolicited::PartReady));
    }
}
