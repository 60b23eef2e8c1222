//! What a text will cost, before anything is sent.

use super::language::ShiftTables;
use super::split::{Coding, Parts, split};

/// The coding of a text that is sent: never 8-bit data.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Encoding {
    /// GSM 7 bit, units are septets.
    Gsm7,
    /// UCS-2, units are pairs of octets.
    Ucs2,
}

impl Encoding {
    /// `gsm7` or `ucs2`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Gsm7 => "gsm7",
            Self::Ucs2 => "ucs2",
        }
    }
}

/// What a text takes, in the coding that [`compose`](super::super::compose()) chooses by default.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Survey {
    /// The coding.
    pub encoding: Encoding,
    /// Parts; more than 255 cannot be sent.
    pub parts: usize,
    /// Units in the last part.
    pub used: usize,
    /// Units that the last part has left.
    pub left: usize,
    /// The first character that the GSM 7 bit default alphabet and its extension have not.
    pub forces_ucs2: Option<Forcing>,
}

/// A character that makes a text UCS-2.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Forcing {
    /// The character.
    pub character: char,
    /// How many characters are before it.
    pub position: usize,
}

/// Counts the parts that `text` takes.
///
/// ```
/// use gsm_sms::{Encoding};
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
        .map(|(position, character)| Forcing { character, position });
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
        assert_eq!(survey("€ñ^ł").forces_ucs2, Some(Forcing { character: 'ł', position: 3 }));
    }
}
