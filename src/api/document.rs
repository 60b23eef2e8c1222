//! JSON (RFC 8259) in which no object has a key twice: of two values for one key, one reader takes the first and
//! another the last.

use std::fmt;

use serde::de::{Deserialize, Deserializer, Error as _, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};

/// The value of a text. The error says where it is, and contains no values.
pub(super) fn parse(text: &[u8]) -> Result<Value, String> {
    match serde_json::from_slice::<Unique>(text) {
        Ok(Unique(value)) => Ok(value),
        Err(e) if e.is_data() => Err(e.to_string()),
        Err(e) => Err(format!("the body is not JSON: {e}")),
    }
}

/// Whether a name may be repeated in an error. One with a digit in it may be a code or a number in the wrong place, and one
/// without a vowel or in capitals a code of letters.
pub(super) fn is_plain(name: &str) -> bool {
    let is_word = name.bytes().all(|b| b.is_ascii_lowercase() || b == b'_');
    is_word && name.len() <= 32 && name.contains(['a', 'e', 'i', 'o', 'u'])
}

struct Unique(Value);

impl<'de> Deserialize<'de> for Unique {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Reader).map(Self)
    }
}

struct Reader;

impl<'de> Visitor<'de> for Reader {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(Number::from_f64(value).map_or(Value::Null, Value::Number))
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_string<E>(self, value: String) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut values: A) -> Result<Value, A::Error> {
        let mut list = Vec::new();
        while let Some(Unique(value)) = values.next_element()? {
            list.push(value);
        }
        Ok(list.into())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Value, A::Error> {
        let mut object = Map::new();
        while let Some(key) = entries.next_key::<String>()? {
            if object.contains_key(&key) {
                let name = if is_plain(&key) { format!(" `{key}`") } else { String::new() };
                return Err(A::Error::custom(format!("the key{name} stands twice")));
            }
            let Unique(value) = entries.next_value()?;
            object.insert(key, value);
        }
        Ok(object.into())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_key_that_stands_twice_is_named_with_its_place() {
        for (text, wanted) in [
            (r#"{"to": 1, "to": 2}"#, "the key `to` stands twice at line 1 column 14"),
            (r#"{"to": 1, "\u0074o": 1}"#, "the key `to` stands twice at line 1 column 19"),
            (r#"{"a": [{"b": {"e": 1, "e": 1}}]}"#, "the key `e` stands twice at line 1 column 25"),
            (r#"{"cdfghjkmnp": 1, "cdfghjkmnp": 1}"#, "the key stands twice at line 1 column 30"),
            (r#"{"KETO": 1, "KETO": 1}"#, "the key stands twice at line 1 column 18"),
            (r#"{"917263": 1, "917263": 1}"#, "the key stands twice at line 1 column 22"),
        ] {
            assert_eq!(parse(text.as_bytes()), Err(wanted.to_owned()));
        }
        assert!(parse(br#"{"a": {"b": 1}, "c": {"b": 1}, "d": [{"b": 1}, {"b": 1}]}"#).is_ok());
    }

    #[test]
    fn depth_has_a_limit() {
        assert!(parse("[".repeat(100_000).as_bytes()).unwrap_err().contains("recursion limit"));
    }

    fn json() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            any::<u64>().prop_map(Value::from),
            (-1e9..1e9).prop_map(Value::from),
            any::<String>().prop_map(Value::from),
        ];
        leaf.prop_recursive(4, 32, 6, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
                prop::collection::vec((any::<String>(), inner), 0..6)
                    .prop_map(|entries| Value::Object(entries.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn a_document_is_what_serde_json_reads(value in json()) {
            let text = value.to_string();
            prop_assert_eq!(parse(text.as_bytes()).unwrap(), serde_json::from_str::<Value>(&text).unwrap());
        }
    }
}
