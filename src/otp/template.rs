//! The text around a code: `Your code is {code}. It expires in {minutes} minutes.`

use std::collections::BTreeMap;

use super::{Code, Unfit};
use crate::secret::Secret;

/// A parsed template: literal text and the names of the values between braces. `{code}` occurs exactly once;
/// `{minutes}` and `{service}` are known; any other name is a value of the request. `{{` and `}}` are braces
/// themselves. Its lines end with U+000A, and it has no other character that is [`Unfit`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Template {
    pieces: Vec<Piece>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Piece {
    Literal(String),
    Value(String),
}

/// A template that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TemplateError {
    /// A brace without its pair.
    #[error("a brace without its pair at character {at}; write {{{{ or }}}} for a brace itself")]
    Brace {
        /// Counted from 1.
        at: usize,
    },
    /// A character that misleads who reads the text.
    #[error("{0}; a text has only characters that are seen as they are, and \\n between its lines")]
    Unfit(Unfit),
    /// A name that is not valid.
    #[error("{{{name}}} is not a name: use 1 to {NAME_CHARS} letters, digits and _, and no digit first")]
    Name {
        /// The name as written.
        name: String,
    },
    /// No code, or more than one.
    #[error("{{code}} must stand in a template exactly once; it stands {0} times")]
    Code(usize),
}

/// The longest name of a value.
const NAME_CHARS: usize = 32;

/// Whether a text is the name of a value, in a template and in a request: an identifier of ASCII.
pub fn is_value_name(text: &str) -> bool {
    text.len() <= NAME_CHARS
        && text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
}

impl Template {
    /// Parses a template.
    pub fn parse(text: &str) -> Result<Self, TemplateError> {
        if let Some(unfit) = Unfit::in_lines(text) {
            return Err(TemplateError::Unfit(unfit));
        }
        let mut pieces = Vec::new();
        let mut literal = String::new();
        let mut chars = text.chars().enumerate().peekable();
        while let Some((i, c)) = chars.next() {
            match c {
                '{' | '}' if chars.peek().is_some_and(|&(_, next)| next == c) => {
                    chars.next();
                    literal.push(c);
                }
                '{' => {
                    let mut name = String::new();
                    loop {
                        match chars.next() {
                            Some((_, '}')) => break,
                            Some((_, '{')) | None => return Err(TemplateError::Brace { at: i + 1 }),
                            Some((_, c)) => name.push(c),
                        }
                    }
                    if !is_value_name(&name) {
                        return Err(TemplateError::Name { name });
                    }
                    if !literal.is_empty() {
                        pieces.push(Piece::Literal(std::mem::take(&mut literal)));
                    }
                    pieces.push(Piece::Value(name));
                }
                '}' => return Err(TemplateError::Brace { at: i + 1 }),
                c => literal.push(c),
            }
        }
        if !literal.is_empty() {
            pieces.push(Piece::Literal(literal));
        }
        let codes = pieces.iter().filter(|p| matches!(p, Piece::Value(name) if name == "code")).count();
        if codes != 1 {
            return Err(TemplateError::Code(codes));
        }
        Ok(Self { pieces })
    }

    /// The text with its values; the error is the name of the first value that is missing.
    pub fn render(
        &self,
        code: &Code,
        minutes: u64,
        service: &str,
        values: &BTreeMap<String, String>,
    ) -> Result<Secret<String>, String> {
        let mut text = String::new();
        for piece in &self.pieces {
            match piece {
                Piece::Literal(literal) => text.push_str(literal),
                Piece::Value(name) => match name.as_str() {
                    "code" => text.push_str(code.expose()),
                    "minutes" => text.push_str(&minutes.to_string()),
                    "service" => text.push_str(service),
                    name => text.push_str(values.get(name).ok_or_else(|| name.to_owned())?),
                },
            }
        }
        Ok(Secret::new(text))
    }

    /// The names of the values that a request must bring.
    pub fn wanted(&self) -> impl Iterator<Item = &str> {
        self.pieces.iter().filter_map(|p| match p {
            Piece::Value(name) if !matches!(name.as_str(), "code" | "minutes" | "service") => {
                Some(name.as_str())
            }
            _ => None,
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn render(text: &str, values: &[(&str, &str)]) -> Result<String, String> {
        let values = values.iter().map(|&(k, v)| (k.to_owned(), v.to_owned())).collect();
        let template = Template::parse(text).map_err(|e| e.to_string())?;
        template
            .render(&Code::restored("123456".to_owned()), 5, "login", &values)
            .map(|text| text.expose().clone())
    }

    #[test]
    fn values_go_where_their_names_stand() {
        let text = "{name}: {code} for {service}, {minutes} min {{sic}}";
        assert_eq!(render(text, &[("name", "{code}")]).unwrap(), "{code}: 123456 for login, 5 min {sic}");
        assert_eq!(render(text, &[]), Err("name".to_owned()));
        let template = Template::parse(text).unwrap();
        assert_eq!(template.wanted().collect::<Vec<_>>(), ["name"]);
    }

    #[test]
    fn a_fault_is_named() {
        for (text, why) in [
            ("no code", TemplateError::Code(0)),
            ("{code} {code}", TemplateError::Code(2)),
            ("{code", TemplateError::Brace { at: 1 }),
            ("a } {code}", TemplateError::Brace { at: 3 }),
            ("{code} { x", TemplateError::Brace { at: 8 }),
            ("{code} {a b}", TemplateError::Name { name: "a b".to_owned() }),
            ("{code} {}", TemplateError::Name { name: String::new() }),
            ("{code} {1a}", TemplateError::Name { name: "1a".to_owned() }),
            ("{code} {é}", TemplateError::Name { name: "é".to_owned() }),
        ] {
            assert_eq!(Template::parse(text), Err(why), "{text}");
        }
    }

    #[test]
    fn a_name_is_an_identifier_of_at_most_32_characters() {
        for name in ["a", "_", "A_1", &"n".repeat(32)] {
            assert!(is_value_name(name), "{name}");
            assert!(Template::parse(&format!("{{code}} {{{name}}}")).is_ok(), "{name}");
        }
        for name in ["", "1", "1a", "a-b", "a b", "é", "a\u{1f}", "a\u{200b}", &"n".repeat(33)] {
            assert!(!is_value_name(name), "{name}");
            assert!(Template::parse(&format!("{{code}} {{{name}}}")).is_err(), "{name}");
        }
    }

    #[test]
    fn a_template_has_lines_and_nothing_that_misleads() {
        assert_eq!(render("a\n{code}\n", &[]).unwrap(), "a\n123456\n");
        for c in "\0\t\r\u{7}\u{85}\u{ad}\u{200b}\u{200e}\u{2028}\u{202e}\u{2066}\u{e0041}".chars() {
            let unfit = Unfit::in_line(&format!("{{code}} {c}")).unwrap();
            assert_eq!(Template::parse(&format!("{{code}} {c}")), Err(TemplateError::Unfit(unfit)), "{c:?}");
            assert!(Template::parse(&format!("{{code}} {{a{c}}}")).is_err(), "{c:?}");
        }
    }

    proptest! {
        #[test]
        fn no_text_panics(text in "[{}a-z_ ]{0,40}") {
            let _ = render(&text, &[]);
        }
    }
}
