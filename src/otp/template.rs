//! The text around a code: `Your code is {code}. It expires in {minutes} minutes.`

use std::collections::BTreeMap;

use super::Code;
use crate::secret::Secret;

/// A parsed template: literal text and the names of the values between braces. `{code}` occurs exactly once;
/// `{minutes}` and `{service}` are known; any other name is a value of the request. `{{` and `}}` are braces
/// themselves.
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
    /// A name that is not valid.
    #[error("{{{name}}} is not a name: use letters, digits and _")]
    Name {
        /// The name as written.
        name: String,
    },
    /// No code, or more than one.
    #[error("{{code}} must stand in a template exactly once; it stands {0} times")]
    Code(usize),
}

impl Template {
    /// Parses a template.
    pub fn parse(text: &str) -> Result<Self, TemplateError> {
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
                    if name.is_empty() || !name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_') {
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
        ] {
            assert_eq!(Template::parse(text), Err(why), "{text}");
        }
    }

    proptest! {
        #[test]
        fn no_text_panics(text in "[{}a-z_ ]{0,40}") {
            let _ = render(&text, &[]);
        }
    }
}
