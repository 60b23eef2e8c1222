//! Final results (ITU-T V.250 clause 5.7.1, 3GPP TS 27.007 clause 9.2, TS 27.005 clause 3.2.5), and those that
//! vendors added. A final result is a whole line, never a part of one.

use nom::branch::alt;
use nom::bytes::complete::{tag, tag_no_case};
use nom::character::complete::{char, digit1, space0};
use nom::combinator::{all_consuming, map, map_res, opt, rest, value};
use nom::sequence::{delimited, preceded};
use nom::{IResult, Parser};

/// How a command ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ResultCode {
    /// `OK`.
    Ok,
    /// `ERROR`, or a maker's word for it.
    Error,
    /// `COMMAND NOT SUPPORT` and similar words.
    NotSupported,
    /// `+CME ERROR: …`: the equipment or its SIM.
    Cme(ErrorValue),
    /// `+CMS ERROR: …`: the short message service.
    Cms(ErrorValue),
}

/// What follows `ERROR:`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ErrorValue {
    /// A number.
    Number(u16),
    /// Words, as with `AT+CMEE=2`.
    Text(String),
    /// Nothing.
    Missing,
}

impl ResultCode {
    /// `line` as a final result, if it is one.
    pub fn parse(line: &str) -> Option<Self> {
        // Nearly every line ends the function here.
        if line == "OK" {
            return Some(Self::Ok);
        }
        result(line).ok().map(|(_, code)| code)
    }

    /// `line` as the answer to a bare `AT` or to a command that sets the form of results: any final result,
    /// also as a number (`ATV0`, V.250 clause 6.2.6), which elsewhere may be a line of data, or a word that
    /// ends a call. Whatever the line says, a modem answers.
    pub fn to_attention(line: &str) -> Option<Self> {
        match line {
            "0" => Some(Self::Ok),
            "3" | "4" | "6" | "7" | "8" | "NO CARRIER" | "NO DIALTONE" | "NO DIAL TONE" | "BUSY"
            | "NO ANSWER" => Some(Self::Error),
            _ => Self::parse(line),
        }
    }

    /// Whether it is `OK`.
    pub fn is_ok(&self) -> bool {
        *self == Self::Ok
    }
}

/// `OK | ERROR [":" …] | +CME ERROR [":" value] | +CMS ERROR [":" value] | vendor's word`
fn result(line: &str) -> IResult<&str, ResultCode> {
    alt((
        value(ResultCode::Ok, all_consuming((tag("OK"), space0))),
        map(preceded(tag_no_case("+CME ERROR"), error_value), ResultCode::Cme),
        // A Fibocom G510 names the command instead of the service.
        map(
            preceded(alt((tag_no_case("+CMS ERROR"), tag_no_case("+CMGS ERROR"))), error_value),
            ResultCode::Cms,
        ),
        value(ResultCode::Error, all_consuming((tag("ERROR"), space0))),
        value(ResultCode::Error, (alt((tag("ERROR:"), tag("MODEM ERROR:"))), rest)),
        value(ResultCode::Error, all_consuming(tag("NA"))),
        value(
            ResultCode::NotSupported,
            (
                alt((
                    tag("COMMAND NOT SUPPORT"),
                    tag("NOT SUPPORT"),
                    tag("NOT FOND"),
                    tag("TOO MANY PARAMETERS"),
                )),
                rest,
            ),
        ),
    ))
    .parse(line)
}

/// `[":"] [blanks] [number | words]`
fn error_value(input: &str) -> IResult<&str, ErrorValue> {
    preceded(
        (opt(char(':')), space0),
        alt((
            all_consuming(map(
                map_res(delimited(opt(char('"')), digit1, (opt(char('"')), space0)), str::parse),
                ErrorValue::Number,
            )),
            map(rest, |words: &str| match words.trim() {
                "" => ErrorValue::Missing,
                words => ErrorValue::Text(words.to_owned()),
            }),
        )),
    )
    .parse(input)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_of_the_standard_and_of_vendors() {
        use ErrorValue::{Missing, Number, Text};
        use ResultCode::{Cme, Cms, Error, NotSupported};
        for (line, code) in [
            ("OK", ResultCode::Ok),
            ("ERROR", Error),
            ("+CME ERROR: 515", Cme(Number(515))),
            ("+CME ERROR:14", Cme(Number(14))),
            ("+CME ERROR: SIM busy ", Cme(Text("SIM busy".into()))),
            ("+CMS ERROR: 500", Cms(Number(500))),
            ("+CMS ERROR: bananas", Cms(Text("bananas".into()))),
            ("+CMS ERROR: 99999999", Cms(Text("99999999".into()))),
            ("+CMS ERROR: ", Cms(Missing)),
            ("+CMS ERROR:", Cms(Missing)),
            ("+CMS ERROR", Cms(Missing)),
            ("+CMGS ERROR: 38", Cms(Number(38))),
            ("COMMAND NOT SUPPORT", NotSupported),
            ("MODEM ERROR: 3", Error),
            ("NOT FOND ^,NOT CUSTOM AT", NotSupported),
        ] {
            assert_eq!(ResultCode::parse(line), Some(code), "{line:?}");
        }
    }

    #[test]
    fn somebody_answers() {
        for line in [
            "OK",
            "0",
            "4",
            "ERROR",
            "+CME ERROR: 11",
            "+CME ERROR: 4",
            "+CMS ERROR: 515",
            "NO CARRIER",
            "NA",
        ] {
            assert!(ResultCode::to_attention(line).is_some(), "{line}");
        }
        assert_eq!(ResultCode::to_attention("0"), Some(ResultCode::Ok));
        assert_eq!(ResultCode::to_attention("4"), Some(ResultCode::Error));
        for line in ["AT", "1", "2", "00", "RING", "^RSSI:10", ""] {
            assert_eq!(ResultCode::to_attention(line), None, "{line}");
        }
        assert_eq!(ResultCode::parse("0"), None, "elsewhere a number is data");
    }

    #[test]
    fn a_result_is_a_whole_line() {
        for line in
            ["OKAY", "NOT OK", "ok", "+CMGL: OK", "ERRORS", "x ERROR", "+CME: 3", "", "NAME", "NO CARRIER"]
        {
            assert_eq!(ResultCode::parse(line), None, "{line:?}");
        }
    }
}
