//! What a text will cost, before anything is sent.

use std::fmt;

use super::language::ShiftTables;
use super::split::{Coding, Parts, split};

/// The coding of a text that is sent, which is never 8-bit data. `Display` gives [`Self::as_str`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Encoding {
    /// GSM 7 bit; a unit is a septet, of which a part alone has 160.
    Gsm7,
    /// UCS-2; a unit is a pair of octets, of which a part alone has 70.
    Ucs2,
}

impl Encoding {
    /// The coding's name: `gsm7` or `ucs2`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Gsm7 => "gsm7",
            Self::Ucs2 => "ucs2",
        }
    }
}

impl fmt::Display for Encoding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// What a text takes: what [`survey()`] gives.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct Survey {
    /// The coding of all parts.
    pub encoding: Encoding,
    /// How many parts the text takes, at least 1; more than 255 cannot be sent.
    pub parts: usize,
    /// How many units the last part uses.
    pub used: usize,
    /// How many units the last part has left.
    pub left: usize,
    /// The first character that is not in the GSM 7 bit default alphabet and its extension table; `None` when they have
    /// all.
    pub forces_ucs2: Option<ForcingCharacter>,
}

/// A character that makes a text UCS-2.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct ForcingCharacter {
    /// The character.
    pub character: char,
    /// How many characters of the text stand before it.
    pub position: usize,
}

/// Counts the parts that `text` takes in the coding that [`compose`](crate::compose()) chooses when nothing else is asked for:
/// what a message costs, before it is sent.
///
/// ```
/// use gsm_sms::Encoding;
///
/// let survey = gsm_sms::survey("Grüße, {name}");
/// assert_eq!((survey.encoding, survey.parts, survey.left), (Encoding::Gsm7, 1, 145));
/// let survey = gsm_sms::survey("Žluťoučký kůň");
/// assert_eq!(survey.encoding, Encoding::Ucs2);
/// assert_eq!(survey.forces_ucs2.map(|f| (f.character, f.position)), Some(('Ž', 0)));
/// ```
pub fn survey(text: &str) -> Survey {
    let gsm7 = Coding::Gsm7(ShiftTables::NONE);
    let forces_ucs2 = text
        .chars()
        .enumerate()
        .find(|(_, character)| gsm7.units(*character).is_none())
        .map(|(position, character)| ForcingCharacter { character, position });
    let (coding, encoding) =
        if forces_ucs2.is_none() { (gsm7, Encoding::Gsm7) } else { (Coding::Ucs2, Encoding::Ucs2) };
    let pieces = split(text, coding);
    let capacity = coding.capacity(if pieces.len() == 1 { Parts::One } else { Parts::Several });
    // There is always a part.
    let used = pieces.last().map_or(0, |piece| piece.1);
    Survey { encoding, parts: pieces.len(), used, left: capacity - used, forces_ucs2 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn edges() {
        let of = |text: &str| {
            let s = survey(text);
            (s.encoding, s.parts, s.used, s.left)
        };
        assert_eq!(of(""), (Encoding::Gsm7, 1, 0, 160));
        assert_eq!(of(&"a".repeat(160)), (Encoding::Gsm7, 1, 160, 0));
        assert_eq!(of(&"a".repeat(161)), (Encoding::Gsm7, 2, 8, 145));
        assert_eq!(of(&"😁".repeat(35)), (Encoding::Ucs2, 1, 70, 0));
        assert_eq!(of(&"😁".repeat(36)), (Encoding::Ucs2, 2, 6, 61));
        assert_eq!(survey("€ñ^ł").forces_ucs2, Some(ForcingCharacter { character: 'ł', position: 3 }));
    }
}
