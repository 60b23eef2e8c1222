//! A JSON object (RFC 8259) taken apart field by field. Its complaints name the field and what it should have
//! been, never what it was: the value may be a code, a text or a number.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;
use std::time::Duration;

use serde_json::{Map, Value};

use super::problem::Problem;
use crate::clock::Timestamp;

/// The bounds of [`Timestamp`]'s own reading.
const FIRST_INSTANT: &str = "1970-01-01T00:00:00Z";
const LAST_INSTANT: &str = "9999-12-30T22:00:00Z";

/// What is left of an object while its fields are taken.
#[derive(Debug)]
pub(super) struct Fields {
    map: Map<String, Value>,
}

impl Fields {
    /// Reads an object that has no fields but the `known`.
    pub(super) fn parse(body: &[u8], known: &[&str]) -> Result<Self, Problem> {
        let value: Value = serde_json::from_slice(body).map_err(|e| {
            // Into a Value only the grammar can fail, and its messages hold no values.
            Problem::malformed(format!("the body is not JSON: {e}"))
        })?;
        let Value::Object(map) = value else {
            return Err(Problem::malformed("the body must be a JSON object"));
        };
        match map.keys().find(|key| !known.contains(&key.as_str())) {
            Some(stranger) => Err(unknown("field", stranger, known)),
            None => Ok(Self { map }),
        }
    }

    /// A text.
    pub(super) fn text(&mut self, name: &str) -> Result<Option<String>, Problem> {
        match self.take(name) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text)),
            Some(_) => Err(must_be(name, "a string")),
        }
    }

    /// A text that must be there.
    pub(super) fn wanted_text(&mut self, name: &str) -> Result<String, Problem> {
        self.text(name)?.ok_or_else(|| Problem::malformed(format!("`{name}` is missing")))
    }

    /// True or false; false when left out.
    pub(super) fn flag(&mut self, name: &str) -> Result<bool, Problem> {
        match self.take(name) {
            None => Ok(false),
            Some(Value::Bool(flag)) => Ok(flag),
            Some(_) => Err(must_be(name, "true or false")),
        }
    }

    /// A whole number of a range.
    pub(super) fn number(&mut self, name: &str, range: RangeInclusive<u8>) -> Result<Option<u8>, Problem> {
        let Some(value) = self.take(name) else {
            return Ok(None);
        };
        let number = value.as_u64().and_then(|n| u8::try_from(n).ok()).filter(|n| range.contains(n));
        let whole = || format!("a whole number from {} to {}", range.start(), range.end());
        number.map(Some).ok_or_else(|| must_be(name, &whole()))
    }

    /// A span: a text such as `10m`, or a whole number of seconds.
    pub(super) fn span(&mut self, name: &str) -> Result<Option<Duration>, Problem> {
        let span = match self.take(name) {
            None => return Ok(None),
            Some(Value::String(text)) => humantime::parse_duration(&text).ok(),
            Some(value) => value.as_u64().map(Duration::from_secs),
        };
        span.filter(|span| !span.is_zero())
            .map(Some)
            .ok_or_else(|| must_be(name, "a duration such as \"10m\", or a number of seconds above 0"))
    }

    /// An instant in RFC 3339.
    pub(super) fn instant(&mut self, name: &str) -> Result<Option<Timestamp>, Problem> {
        match self.text(name)? {
            None => Ok(None),
            Some(text) => text.parse().map(Some).map_err(|_| {
                must_be(name, &format!("an RFC 3339 time from {FIRST_INSTANT} to {LAST_INSTANT}"))
            }),
        }
    }

    /// An object of texts; empty when left out.
    pub(super) fn texts(&mut self, name: &str) -> Result<BTreeMap<String, String>, Problem> {
        let texts = match self.take(name) {
            None => return Ok(BTreeMap::new()),
            Some(Value::Object(map)) => map
                .into_iter()
                .map(|(key, value)| match value {
                    Value::String(text) => Some((key, text)),
                    _ => None,
                })
                .collect::<Option<_>>(),
            Some(_) => None,
        };
        texts.ok_or_else(|| must_be(name, "an object of strings"))
    }

    /// `null` is as good as left out.
    fn take(&mut self, name: &str) -> Option<Value> {
        self.map.remove(name).filter(|value| !value.is_null())
    }
}

/// The complaint about a name that is not among the `known`.
pub(super) fn unknown(what: &str, stranger: &str, known: &[&str]) -> Problem {
    if known.is_empty() {
        return Problem::unknown_name(format!("this request takes no {what}s"));
    }
    let near = known.iter().find(|name| strsim::damerau_levenshtein(name, stranger) <= 2);
    // A name with a digit in it may be a code or a number put in the wrong place: it is not repeated.
    let plain = stranger.len() <= 32 && stranger.bytes().all(|b| b.is_ascii_alphabetic() || b == b'_');
    let name = if plain { format!(" `{stranger}`") } else { String::new() };
    Problem::unknown_name(match near {
        Some(near) => format!("unknown {what}{name}; did you mean `{near}`?"),
        None => format!("unknown {what}{name}; it takes `{}`", known.join("`, `")),
    })
}

fn must_be(name: &str, what: &str) -> Problem {
    Problem::malformed(format!("`{name}` must be {what}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn detail(body: &str) -> (u16, String) {
        let problem = Fields::parse(body.as_bytes(), &["to", "priority", "valid_for", "values"])
            .and_then(|mut f| {
                f.wanted_text("to")?;
                f.number("priority", 0..=9)?;
                f.span("valid_for")?;
                f.texts("values")
            })
            .expect_err(body);
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
        let (_, stranger) = detail(r#"{"123456": "x"}"#);
        assert!(!stranger.contains("123456"), "{stranger}");
    }

    #[test]
    fn an_instant_out_of_reach_is_told_the_bounds() {
        let instant = |text: &str| {
            let body = format!(r#"{{"at": "{text}"}}"#);
            Fields::parse(body.as_bytes(), &["at"]).unwrap().instant("at")
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
    fn spans_are_texts_or_seconds() {
        for body in [r#"{"s": "10m"}"#, r#"{"s": 600}"#] {
            let mut fields = Fields::parse(body.as_bytes(), &["s"]).unwrap();
            assert_eq!(fields.span("s"), Ok(Some(Duration::from_secs(600))));
        }
    }
}
