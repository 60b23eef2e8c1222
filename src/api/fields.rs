//! A JSON object (RFC 8259) read field by field. An error names the field and what it should have been, and
//! never repeats a value, which may be a code, a text or a number.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::{Map, Value};

use super::document::{is_plain, parse};
use super::problem::Problem;
use crate::clock::Timestamp;
use crate::otp::Code;
use crate::secret::Secret;

/// The bounds within which [`Timestamp`] parses.
const FIRST_INSTANT: &str = "1970-01-01T00:00:00Z";
const LAST_INSTANT: &str = "9999-12-30T22:00:00Z";

/// The fields of an object that were not read yet. The fields that are asked for are those that the object may have.
#[derive(Debug)]
pub(super) struct Fields {
    left: Map<String, Value>,
    known: Vec<&'static str>,
    /// What is wrong with the first invalid field.
    wrong: Option<Problem>,
}

impl Fields {
    /// Reads an object. `take` asks for every field that the object may have.
    pub(super) fn read<T>(body: &[u8], take: impl FnOnce(&mut Self) -> T) -> Result<T, Problem> {
        let Value::Object(left) = parse(body).map_err(Problem::malformed)? else {
            return Err(Problem::malformed("the body must be a JSON object"));
        };
        let mut fields = Self { left, known: Vec::new(), wrong: None };
        let taken = take(&mut fields);
        match fields.left.keys().next() {
            Some(other) => Err(unknown("field", other, &fields.known)),
            None => fields.wrong.map_or(Ok(taken), Err),
        }
    }

    /// A text.
    pub(super) fn text(&mut self, name: &'static str) -> Option<String> {
        self.take(name, "a string", |value| match value {
            Value::String(text) => Some(text),
            _ => None,
        })
    }

    /// One of these words.
    pub(super) fn word<T: Copy>(&mut self, name: &'static str, what: &str, words: &[(&str, T)]) -> Option<T> {
        self.take(name, what, |value| {
            let word = value.as_str()?;
            words.iter().find(|(known, _)| *known == word).map(|(_, meant)| *meant)
        })
    }

    /// A text of at most `most` characters.
    pub(super) fn short_text(&mut self, name: &'static str, most: usize) -> Option<String> {
        let text = self.text(name)?;
        if text.chars().count() > most {
            let too_long = || Problem::malformed(format!("`{name}` has more than {most} characters"));
            self.wrong.get_or_insert_with(too_long);
        }
        Some(text)
    }

    /// A text that is required.
    pub(super) fn wanted_text(&mut self, name: &'static str) -> String {
        self.text(name).unwrap_or_else(|| {
            self.wrong.get_or_insert_with(|| missing(name));
            String::new()
        })
    }

    /// A code as a person typed it, which is required. A text without a character that counts is no attempt.
    pub(super) fn wanted_code(&mut self) -> Secret<String> {
        let code = self.wanted_text("code");
        if Code::is_blank(&code) {
            self.wrong.get_or_insert_with(|| Problem::malformed("`code` is empty"));
        }
        Secret::new(code)
    }

    /// True or false; false when it is left out.
    pub(super) fn flag(&mut self, name: &'static str) -> bool {
        self.take(name, "true or false", |value| value.as_bool()).unwrap_or_default()
    }

    /// A whole number from 0 to `most`; 0 when it is left out.
    pub(super) fn number(&mut self, name: &'static str, most: u8) -> u8 {
        let number = |value: Value| u8::try_from(whole(&value)?).ok().filter(|number| *number <= most);
        self.take(name, &format!("a whole number from 0 to {most}"), number).unwrap_or_default()
    }

    /// A span: a text such as `10m`, or a whole number of seconds, of which each client holds every one exactly.
    pub(super) fn span(&mut self, name: &'static str) -> Option<Duration> {
        const MOST: u64 = (1 << 53) - 1;
        self.take(name, "a duration such as \"10m\", or a number of seconds from 1 to 2^53 - 1", |value| {
            let span = match value {
                Value::String(text) => humantime::parse_duration(&text).ok(),
                value => whole(&value).filter(|seconds| *seconds <= MOST).map(Duration::from_secs),
            };
            span.filter(|span| !span.is_zero())
        })
    }

    /// An instant in RFC 3339.
    pub(super) fn instant(&mut self, name: &'static str) -> Option<Timestamp> {
        let bounds = format!("an RFC 3339 time from {FIRST_INSTANT} to {LAST_INSTANT}");
        self.take(name, &bounds, |value| value.as_str()?.parse().ok())
    }

    /// An object of texts; empty when it is left out.
    pub(super) fn texts(&mut self, name: &'static str) -> BTreeMap<String, String> {
        self.take(name, "an object of strings", |value| serde_json::from_value(value).ok())
            .unwrap_or_default()
    }

    /// Reads a field that must be `what`. `null` counts as left out.
    fn take<T>(
        &mut self,
        name: &'static str,
        what: &str,
        read: impl FnOnce(Value) -> Option<T>,
    ) -> Option<T> {
        self.known.push(name);
        let value = self.left.remove(name).filter(|value| !value.is_null())?;
        let taken = read(value);
        if taken.is_none() {
            self.wrong.get_or_insert_with(|| must_be(name, what));
        }
        taken
    }
}

/// A whole number, which JSON may write as 7, 7.0 or 0.7e1. Up to 2^53 each has one value only.
fn whole(value: &Value) -> Option<u64> {
    let float = || value.as_f64().filter(|f| f.fract() == 0.0 && (0.0..=9_007_199_254_740_992.0).contains(f));
    #[allow(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "whole, and within its bounds"
    )]
    value.as_u64().or_else(|| float().map(|f| f as u64))
}

/// The error for a field that is missing.
pub(super) fn missing(name: &str) -> Problem {
    Problem::malformed(format!("`{name}` is missing"))
}

/// The error for a field or parameter that is not `what`.
pub(super) fn must_be(name: &str, what: &str) -> Problem {
    Problem::malformed(format!("`{name}` must be {what}"))
}

/// The error for a name that is not in `known`.
pub(super) fn unknown(what: &str, other: &str, known: &[&str]) -> Problem {
    if known.is_empty() {
        return Problem::unknown_name(format!("this request takes no {what}s"));
    }
    let near = known.iter().find(|name| strsim::damerau_levenshtein(name, other) <= 2);
    let name = if is_plain(other) { format!(" `{other}`") } else { String::new() };
    Problem::unknown_name(match near {
        Some(near) => format!("unknown {what}{name}; did you mean `{near}`?"),
        None => format!("unknown {what}{name}; it takes `{}`", known.join("`, `")),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn detail(body: &str) -> (u16, String) {
        let take = |f: &mut Fields| {
            (f.wanted_text("to"), f.number("priority", 9), f.span("valid_for"), f.texts("values"))
        };
        let problem = Fields::read(body.as_bytes(), take).expect_err(body);
        (problem.status.as_u16(), problem.detail)
    }

    #[test]
    fn complaints_name_the_field_and_never_the_value() {
        assert_eq!(
            detail("{\n \"to\": oops"),
            (400, "the body is not JSON: expected value at line 2 column 8".into())
        );
        assert_eq!(detail("").0, 400);
        assert_eq!(detail("\"123456\"").1, "the body must be a JSON object");
        for (body, wanted) in [
            ("{}", "`to` is missing"),
            (r#"{"to": null}"#, "`to` is missing"),
            (r#"{"to": 123456}"#, "`to` must be a string"),
            (r#"{"too": "x"}"#, "unknown field `too`; did you mean `to`?"),
            (r#"{"to": "x", "priority": 10}"#, "`priority` must be a whole number from 0 to 9"),
            (r#"{"to": "x", "priority": 1.5}"#, "`priority` must be a whole number from 0 to 9"),
            (r#"{"to": "x", "values": {"a": 1}}"#, "`values` must be an object of strings"),
        ] {
            let status = if wanted.starts_with("unknown") { 422 } else { 400 };
            assert_eq!(detail(body), (status, wanted.to_owned()), "{body}");
        }
        assert_eq!(detail(r#"{"to": "x", "valid_for": "soon"}"#).0, 400);
        assert_eq!(detail(r#"{"to": "x", "valid_for": 0}"#).0, 400);
        let (_, other) = detail(r#"{"123456": "x"}"#);
        assert!(!other.contains("123456"), "{other}");
    }

    #[test]
    fn an_instant_out_of_reach_is_told_the_bounds() {
        let instant = |text: &str| {
            let body = format!(r#"{{"at": "{text}"}}"#);
            Fields::read(body.as_bytes(), |f| f.instant("at"))
        };
        for bound in [FIRST_INSTANT, LAST_INSTANT] {
            assert!(instant(bound).is_ok(), "{bound}");
        }
        for beyond in ["1969-12-31T23:59:59Z", "9999-12-30T22:00:01Z", "9999-12-31T23:59:59Z"] {
            let detail = instant(beyond).unwrap_err().detail;
            assert!(detail.contains(FIRST_INSTANT) && detail.contains(LAST_INSTANT), "{detail}");
        }
    }

    #[test]
    fn whole_numbers_are_whole_however_they_are_written() {
        let number =
            |text: &str| Fields::read(format!(r#"{{"n": {text}}}"#).as_bytes(), |f| f.number("n", 9)).ok();
        for (text, wanted) in [("7", Some(7)), ("7.0", Some(7)), ("0.7e1", Some(7)), ("-0.0", Some(0))] {
            assert_eq!(number(text), wanted, "{text}");
        }
        for text in ["7.5", "-1", "-1.0", "10.0", "1e300", "18446744073709551616"] {
            assert_eq!(number(text), None, "{text}");
        }
    }

    #[test]
    fn spans_are_texts_or_seconds() {
        for body in [r#"{"s": "10m"}"#, r#"{"s": 600}"#, r#"{"s": 600.0}"#, r#"{"s": 6e2}"#] {
            let span = Fields::read(body.as_bytes(), |f| f.span("s"));
            assert_eq!(span, Ok(Some(Duration::from_secs(600))));
        }
        for seconds in ["9007199254740992", "131371752875229528064"] {
            let body = format!(r#"{{"s": {seconds}}}"#);
            assert!(Fields::read(body.as_bytes(), |f| f.span("s")).is_err(), "{seconds}");
        }
    }
}
