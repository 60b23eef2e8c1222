//! Text with blanks: `Dear {name}, your parcel is there.`

use super::Unfit;

/// Literal text, and the names of the values between braces; `{{` and `}}` are braces themselves. Its lines end with
/// U+000A, and it has no other character that is [`Unfit`].
///
/// ```
/// use smsotpd::otp::Pattern;
///
/// let pattern = Pattern::parse("Dear {name}, {{sic}}")?;
/// assert_eq!(pattern.names().collect::<Vec<_>>(), ["name"]);
/// assert_eq!(pattern.fill(|_| Some("Ada")).unwrap(), "Dear Ada, {sic}");
/// # Ok::<(), smsotpd::otp::TemplateError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pattern {
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

impl Pattern {
    /// Parses a text.
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
        Ok(Self { pieces })
    }

    /// The names of its values, each as often as it stands there.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.pieces.iter().filter_map(|piece| match piece {
            Piece::Value(name) => Some(name.as_str()),
            Piece::Literal(_) => None,
        })
    }

    /// The text with the values that `value` has for their names; the error is the first name that it has none for.
    pub fn fill<'v>(&self, value: impl Fn(&str) -> Option<&'v str>) -> Result<String, String> {
        let mut text = String::new();
        for piece in &self.pieces {
            match piece {
                Piece::Literal(literal) => text.push_str(literal),
                Piece::Value(name) => text.push_str(value(name).ok_or_else(|| name.clone())?),
            }
        }
        Ok(text)
    }
}
