//! Parsers for what stands after the heads of information lines (3GPP TS 27.007 and TS 27.005), lenient
//! where modems are known to deviate: missing or unbalanced quotes, blanks after commas, fields left out.

use nom::branch::alt;
use nom::bytes::complete::{tag, tag_no_case, take_till, take_till1, take_while1};
use nom::character::complete::{char, digit1, hex_digit1, space0};
use nom::combinator::{all_consuming, eof, map, map_opt, map_res, opt, peek, recognize, rest, value, verify};
use nom::multi::separated_list1;
use nom::sequence::{delimited, preceded, terminated};
use nom::{IResult, Parser};

use super::{ErrorValue, Failure, ResultCode};

/// What `+CPIN:` says (27.007 8.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pin {
    /// The SIM asks for nothing.
    Ready,
    /// `SIM PIN`.
    SimPin,
    /// `SIM PUK`.
    SimPuk,
    /// `SIM PIN2` or `SIM PUK2`: not needed for messages.
    Second,
    /// `PH-…`: the device's own lock or its network lock.
    Device,
    /// `NOT INSERTED`, `NOT READY`, `REMOVED`.
    Absent,
    /// Something else.
    Other,
}

/// `+CUSD: m[,str[,dcs]]` (27.007 7.15).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UssdReply {
    /// `m`: 0 done, 1 the network waits for more, 2 ended by the network, 4 not supported, 5 time-out.
    pub status: u8,
    /// The text as the modem wrote it.
    pub text: Option<String>,
    /// The data coding scheme (TS 23.038 clause 5).
    pub scheme: Option<u8>,
}

/// The body's comma-separated fields, without the blanks and quotes around them.
pub(super) fn fields(body: &str) -> Vec<&str> {
    all_consuming(separated_list1(char(','), field)).parse(body).map_or_else(|_| vec![body], |(_, list)| list)
}

/// The same fields as they stand, with their quotes.
pub(super) fn raw_fields(body: &str) -> Vec<&str> {
    let raw = alt((recognize(quoted), take_till(|c| c == ',')));
    all_consuming(separated_list1(char(','), raw)).parse(body).map_or_else(|_| vec![body], |(_, list)| list)
}

/// `"anything"` or anything up to a comma; a quote that is never closed ends with the field.
pub(super) fn field(input: &str) -> IResult<&str, &str> {
    alt((quoted, map(take_till(|c| c == ','), |raw: &str| raw.trim().trim_matches('"').trim()))).parse(input)
}

fn quoted(input: &str) -> IResult<&str, &str> {
    delimited((space0, char('"')), take_till(|c| c == '"'), (char('"'), space0, peek(alt((tag(","), eof)))))
        .parse(input)
}

/// Hexadecimal digits, two for each octet.
pub(super) fn hex(input: &str) -> IResult<&str, Vec<u8>> {
    map_opt(hex_digit1, |digits: &str| {
        let (pairs, odd) = digits.as_bytes().as_chunks::<2>();
        if !odd.is_empty() {
            return None;
        }
        pairs.iter().map(|[high, low]| Some(nibble(*high)? << 4 | nibble(*low)?)).collect()
    })
    .parse(input)
}

fn nibble(digit: u8) -> Option<u8> {
    char::from(digit).to_digit(16).and_then(|value| u8::try_from(value).ok())
}

fn number<T: std::str::FromStr>(input: &str) -> IResult<&str, T> {
    preceded(space0, map_res(digit1, str::parse)).parse(input)
}

fn whole<T>(parsed: IResult<&str, T>) -> Option<T> {
    parsed.ok().map(|(_, value)| value)
}

/// `+CMGS: <mr>[,<ackpdu>]` (27.005 3.5.1): the message reference.
pub fn send_reference(body: &str) -> Option<u8> {
    whole(terminated(number, (space0, opt((char(','), rest)), eof)).parse(body))
}

/// The first number of a body, as in `+CFUN: 1,0` or `+CSMS: 0,1,1,1`. A range in brackets is not a number.
pub fn first_number(body: &str) -> Option<u16> {
    whole(terminated(number, (space0, peek(alt((tag(","), eof))))).parse(body))
}

/// The first field of a body, as the number in `+CSCA: "…",145`.
pub fn first_text(body: &str) -> &str {
    fields(body).first().copied().unwrap_or_default()
}

/// One of the values after a head, counted from 1, if it is a number.
pub fn number_at(line: &str, value: usize) -> Option<u16> {
    let body = line.split_once(':').map_or(line, |(_, body)| body);
    whole(all_consuming(number).parse(fields(body).get(value.checked_sub(1)?)?))
}

/// `+CPIN: <code>`.
pub fn pin(body: &str) -> Pin {
    let parsed: IResult<&str, Pin> = preceded(
        opt(char('"')),
        alt((
            value(Pin::Ready, tag_no_case("READY")),
            value(Pin::Second, alt((tag_no_case("SIM PIN2"), tag_no_case("SIM PUK2")))),
            value(Pin::SimPin, tag_no_case("SIM PIN")),
            value(Pin::SimPuk, tag_no_case("SIM PUK")),
            value(Pin::Device, tag_no_case("PH-")),
            value(
                Pin::Absent,
                alt((
                    tag_no_case("NOT INSERTED"),
                    tag_no_case("NOT READY"),
                    tag_no_case("SIM REMOVED"),
                    tag_no_case("REMOVED"),
                )),
            ),
        )),
    )
    .parse(body.trim());
    whole(parsed).unwrap_or(Pin::Other)
}

/// What a refusal of `AT+CPIN?` says about the SIM (27.007 9.2.2, 27.005 3.2.5); `None` when it is about
/// something else, or the SIM is only busy.
pub fn pin_refused(code: &ResultCode) -> Option<Pin> {
    match (code, Failure::number(code)) {
        (ResultCode::Cme(_), Some(11)) | (ResultCode::Cms(_), Some(311)) => Some(Pin::SimPin),
        (ResultCode::Cme(_), Some(12)) | (ResultCode::Cms(_), Some(316)) => Some(Pin::SimPuk),
        (ResultCode::Cme(_), Some(5..=7 | 40..=47)) | (ResultCode::Cms(_), Some(312)) => Some(Pin::Device),
        (ResultCode::Cme(_), Some(10 | 13 | 15)) | (ResultCode::Cms(_), Some(310 | 313 | 315)) => {
            Some(Pin::Absent)
        }
        (ResultCode::Cme(ErrorValue::Text(text)), None)
            if text.to_ascii_lowercase().contains("not inserted") =>
        {
            Some(Pin::Absent)
        }
        _ => None,
    }
}

/// `+CSQ: <rssi>,<ber>` in dBm (27.007 8.5; 100 to 199 are TD-SCDMA).
pub fn signal(body: &str) -> Option<i32> {
    let rssi: i32 = first_number(body)?.into();
    match rssi {
        0..=31 => Some(2 * rssi - 113),
        100..=191 => Some(rssi - 100 - 116),
        _ => None,
    }
}

/// `+COPS: <mode>[,<format>,<oper>[,<AcT>]]`: the operator's name or number.
pub fn operator(body: &str) -> Option<String> {
    fields(body).get(2).filter(|name| !name.is_empty()).map(|name| (*name).to_owned())
}

/// How the network is chosen, and which one it is: `<mode>` and `<oper>` of `+COPS:`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Selection {
    /// The modem chooses (modes 0 and 2).
    Automatic,
    /// The modem was told to use this network (modes 1 and 4).
    Manual(Option<String>),
}

/// Reads from `+COPS:` how the network is chosen.
pub fn selection(body: &str) -> Option<Selection> {
    match first_number(body)? {
        0 | 2 => Some(Selection::Automatic),
        1 | 4 => Some(Selection::Manual(operator(body))),
        _ => None,
    }
}

/// `<mem>,<index>` of `+CMTI:` and `+CDSI:`, whatever follows them (`"SM",1,"MMS PUSH",2,1` was seen). `None`
/// when the code does not say where the message is: it still says that one was stored.
pub fn index(body: &str) -> Option<(String, u32)> {
    match fields(body)[..] {
        [memory, index, ..] => Some((super::storage(memory)?, whole(all_consuming(number).parse(index))?)),
        _ => None,
    }
}

/// The number of the SIM card (ITU-T E.118), with or without a head before it. Some modems give the nibbles
/// as they lie in the file, swapped: the number of every card begins with 89.
pub fn iccid(line: &str) -> Option<String> {
    let parsed: IResult<&str, &str> = preceded(
        (
            opt((take_while1(|c: char| c.is_ascii_alphabetic() || "+^#*% ".contains(c)), char(':'))),
            space0,
            opt(char('"')),
        ),
        terminated(
            verify(hex_digit1, |digits: &str| (18..=20).contains(&digits.len())),
            (opt(char('"')), opt((char(','), rest)), space0, eof),
        ),
    )
    .parse(line.trim());
    let digits = whole(parsed)?;
    let swapped: String;
    let digits = if digits.starts_with("98") {
        swapped = digits
            .as_bytes()
            .chunks(2)
            .flat_map(|pair| pair.iter().rev())
            .map(|&digit| char::from(digit))
            .collect();
        &swapped
    } else {
        digits
    };
    let digits = digits.trim_end_matches(['F', 'f']);
    (digits.starts_with("89") && digits.bytes().all(|b| b.is_ascii_digit())).then(|| digits.to_owned())
}

/// A bare identity without quotes and blanks.
pub fn unquoted(line: &str) -> &str {
    line.trim().trim_matches('"').trim()
}

/// `+CUSD: …`. The text may contain commas, and line ends that the framer took for ends of lines; a missing
/// closing quote is accepted.
pub fn ussd(body: &str) -> Option<UssdReply> {
    let parsed: IResult<&str, UssdReply> = map(
        (
            number::<u8>,
            opt(preceded(
                (space0, char(','), space0),
                alt((
                    map(preceded(char('"'), split_last_quote), |(text, dcs)| (text, dcs)),
                    map((take_till1(|c| c == ','), opt(preceded(char(','), number::<u8>))), |(text, dcs)| {
                        (text, dcs)
                    }),
                )),
            )),
        ),
        |(status, tail)| {
            let (text, scheme) = tail.map_or((None, None), |(text, dcs)| (Some(text.trim().to_owned()), dcs));
            UssdReply { status, text, scheme }
        },
    )
    .parse(body);
    whole(parsed)
}

/// `text"[,dcs]`, where the text may contain quotes: the last quote closes it.
fn split_last_quote(input: &str) -> IResult<&str, (&str, Option<u8>)> {
    let Some(last) = input.rfind('"') else { return Ok(("", (input, None))) };
    let (text, tail) = input.split_at(last);
    let (_, scheme) = preceded(char('"'), opt(preceded((space0, char(',')), number::<u8>))).parse(tail)?;
    Ok(("", (text, scheme)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_with_stray_quotes() {
        assert_eq!(fields("2,1,\"0B,\"0100701\",7"), ["2", "1", "0B", "0100701", "7"]);
        assert_eq!(fields("1, E006B, ABE0016"), ["1", "E006B", "ABE0016"]);
        assert_eq!(fields("2,1,\"5E25"), ["2", "1", "5E25"]);
        assert_eq!(fields("0,0,\"A, B\",7"), ["0", "0", "A, B", "7"]);
        assert_eq!(fields(""), [""]);
        assert_eq!(fields(",23"), ["", "23"]);
    }

    #[test]
    fn send_references() {
        for (body, reference) in [
            ("7", Some(7)),
            ("255", Some(255)),
            ("73 ", Some(73)),
            ("1,\"0789\"", Some(1)),
            ("256", None),
            ("", None),
            ("x", None),
        ] {
            assert_eq!(send_reference(body), reference, "{body:?}");
        }
    }

    #[test]
    fn pin_states() {
        for (body, expected) in [
            ("READY", Pin::Ready),
            ("SIM PIN", Pin::SimPin),
            ("\"SIM PIN\"", Pin::SimPin),
            ("SIM PUK", Pin::SimPuk),
            ("SIM PIN2", Pin::Second),
            ("PH-NET PIN", Pin::Device),
            ("NOT INSERTED", Pin::Absent),
            ("BLOCKED", Pin::Other),
        ] {
            assert_eq!(pin(body), expected, "{body}");
        }
        for (line, expected) in [
            ("+CME ERROR: 11", Some(Pin::SimPin)),
            ("+CME ERROR: SIM PUK required", Some(Pin::SimPuk)),
            ("+CME ERROR: 42", Some(Pin::Device)),
            ("+CMS ERROR: 310", Some(Pin::Absent)),
            ("+CME ERROR: card not inserted", Some(Pin::Absent)),
            ("+CME ERROR: 14", None),
            ("+CMS ERROR: 11", None),
            ("ERROR", None),
        ] {
            assert_eq!(ResultCode::parse(line).and_then(|code| pin_refused(&code)), expected, "{line}");
        }
    }

    #[test]
    fn signals_operators_indexes_numbers() {
        assert_eq!(signal("11,99"), Some(-91));
        assert_eq!(signal("31,0"), Some(-51));
        assert_eq!(signal("99,99"), None);
        assert_eq!(operator("0,0,\"Swisscom\",7"), Some("Swisscom".into()));
        assert_eq!(operator("0"), None);
        assert_eq!(selection("0,2,\"22801\",7"), Some(Selection::Automatic));
        assert_eq!(selection("1,2,\"22801\",7"), Some(Selection::Manual(Some("22801".into()))));
        assert_eq!(selection("1"), Some(Selection::Manual(None)));
        assert_eq!(selection("3"), None);
        assert_eq!(index("\"SM\",1"), Some(("SM".into(), 1)));
        assert_eq!(index("\"SR\",0"), Some(("SR".into(), 0)));
        // https://github.com/zabsalahid/serialport-gsm/issues/60
        assert_eq!(index("\"SM\",1,\"MMS PUSH\",2,1"), Some(("SM".into(), 1)));
        for body in ["SM,1", "\"SM,1", "SM\", 1 ", "\"SM\",\"1\""] {
            assert_eq!(index(body), Some(("SM".into(), 1)), "{body}");
        }
        for body in ["\"SM\"", "", ",1", "\"SM\",", "\"SM\"1", "\"SM\",x", "\"SM\",-1", "1", "\"S M\",1"] {
            assert_eq!(index(body), None, "{body}");
        }
        assert_eq!(first_number("1,0"), Some(1));
        assert_eq!(first_number("(0-1,4-7),(0-1)"), None);
        assert_eq!(number_at("^CPIN: SIM PIN,3,10,3,10,3", 4), Some(3));
        assert_eq!(number_at("+QPINC: \"SC\",2,10", 2), Some(2));
        assert_eq!(number_at("3", 1), Some(3));
        assert_eq!(
            (number_at("+SPIC: 3", 2), number_at("+SPIC: 3", 0), number_at("x", 1)),
            (None, None, None)
        );
    }

    #[test]
    fn card_numbers() {
        for line in [
            "+CCID: 8941030000000000001",
            "8941030000000000001",
            "+CCID: \"8941030000000000001\"",
            "ICCID: 8941030000000000001",
            "^ICCID: 981430000000000000F1",
            "8941030000000000001F",
        ] {
            assert_eq!(iccid(line).as_deref(), Some("8941030000000000001"), "{line}");
        }
        for line in ["228011234567890", "OK", "", "+CCID: 1234567890123456789", "+CIMI: 228011234567890123"] {
            assert_eq!(iccid(line), None, "{line}");
        }
    }

    #[test]
    fn ussd_replies() {
        let reply = |status, text: Option<&str>, scheme| {
            Some(UssdReply { status, text: text.map(Into::into), scheme })
        };
        assert_eq!(ussd("0,\"Your balance, 5\",15"), reply(0, Some("Your balance, 5"), Some(15)));
        assert_eq!(ussd("0, 49B41C"), reply(0, Some("49B41C"), None));
        assert_eq!(ussd("2"), reply(2, None, None));
        assert_eq!(ussd("1,\"say \"yes\"\",15"), reply(1, Some("say \"yes\""), Some(15)));
        assert_eq!(ussd("2,\"never closed"), reply(2, Some("never closed"), None));
        assert_eq!(ussd("x"), None);
    }
}
