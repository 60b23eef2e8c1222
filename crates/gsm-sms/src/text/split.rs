//! How many units a text takes in a coding, and where it is cut into parts.
//!
//! 3GPP TS 23.040 clause 9.2.3.24.1: a part of several leaves room for a header; no escape and no surrogate
//! pair may be cut, and no cluster that fits a part.

use super::super::field::dcs::Alphabet;
use super::alphabet;
use super::cluster::Clusters;
use super::language::ShiftTables;
use super::septets;

/// Octets of the element that numbers a part, 8-bit reference.
const CONCATENATION_OCTETS: usize = 5;

/// A coding of text: GSM 7 bit with some tables, or UCS-2.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Coding {
    Gsm7(ShiftTables),
    Ucs2,
}

impl Coding {
    /// The alphabet that TP-DCS names.
    pub(crate) const fn alphabet(self) -> Alphabet {
        match self {
            Self::Gsm7(_) => Alphabet::Gsm7,
            Self::Ucs2 => Alphabet::Ucs2,
        }
    }

    pub(crate) const fn tables(self) -> ShiftTables {
        match self {
            Self::Gsm7(tables) => tables,
            Self::Ucs2 => ShiftTables::NONE,
        }
    }

    /// Septets or UTF-16 units of a character, `None` when the coding has no such character.
    #[inline]
    pub(crate) fn units(self, character: char) -> Option<usize> {
        match self {
            Self::Gsm7(tables) => alphabet::encode(character, tables).map(alphabet::Septets::count),
            Self::Ucs2 => Some(character.len_utf16()),
        }
    }

    /// Units of a text, or where the first character is that the coding does not have.
    pub(crate) fn measure(self, text: &str) -> Result<usize, usize> {
        if let Self::Ucs2 = self {
            return Ok(text.chars().map(char::len_utf16).sum());
        }
        let mut units = 0;
        for (offset, character) in text.char_indices() {
            units += self.units(character).ok_or(offset)?;
        }
        Ok(units)
    }

    /// Units that a part has for text.
    pub(crate) const fn capacity(self, parts: Parts) -> usize {
        let elements = self.tables().header_octets()
            + match parts {
                Parts::One => 0,
                Parts::Several => CONCATENATION_OCTETS,
            };
        let header = if elements == 0 { 0 } else { 1 + elements };
        match self {
            Self::Gsm7(_) => 160 - septets::after(header),
            Self::Ucs2 => (140 - header) / 2,
        }
    }
}

/// Whether a part stands alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Parts {
    One,
    Several,
}

/// The parts of `text`, each with its units. There is always one; a character that the coding does not have counts 1.
pub(crate) fn split(text: &str, coding: Coding) -> Vec<(&str, usize)> {
    let units = |text: &str| text.chars().map(|c| coding.units(c).unwrap_or(1)).sum::<usize>();
    split_measured(text, units(text), coding)
}

/// The parts of a text whose units are known.
pub(crate) fn split_measured(text: &str, whole: usize, coding: Coding) -> Vec<(&str, usize)> {
    let units = |text: &str| text.chars().map(|c| coding.units(c).unwrap_or(1)).sum::<usize>();
    if whole <= coding.capacity(Parts::One) {
        return vec![(text, whole)];
    }
    let capacity = coding.capacity(Parts::Several);
    let mut parts = Vec::with_capacity(whole / capacity + 2);
    let (mut begin, mut used, mut at) = (0, 0, 0);
    let mut take = |piece: &str, cost: usize| {
        if used + cost > capacity {
            parts.push((&text[begin..at], used));
            (begin, used) = (at, 0);
        }
        used += cost;
        at += piece.len();
    };
    for cluster in Clusters::new(text) {
        let cost = units(cluster);
        if cost <= capacity {
            take(cluster, cost);
        } else {
            // More than a part can hold: cut between characters.
            for (offset, character) in cluster.char_indices() {
                take(&cluster[offset..offset + character.len_utf8()], coding.units(character).unwrap_or(1));
            }
        }
    }
    parts.push((&text[begin..], used));
    parts
}

#[cfg(test)]
mod tests {
    use super::super::language::Language;
    use super::*;

    const GSM7: Coding = Coding::Gsm7(ShiftTables::NONE);

    fn lengths(text: &str, coding: Coding) -> Vec<usize> {
        let parts = split(text, coding);
        assert_eq!(parts.iter().map(|p| p.0).collect::<String>(), text);
        parts.iter().map(|p| p.1).collect()
    }

    #[test]
    fn capacities() {
        assert_eq!((GSM7.capacity(Parts::One), GSM7.capacity(Parts::Several)), (160, 153));
        assert_eq!((Coding::Ucs2.capacity(Parts::One), Coding::Ucs2.capacity(Parts::Several)), (70, 67));
        let one = Coding::Gsm7(ShiftTables { locking: None, single: Some(Language::Turkish) });
        assert_eq!((one.capacity(Parts::One), one.capacity(Parts::Several)), (155, 149));
        let both = Coding::Gsm7(ShiftTables { locking: Some(Language::Urdu), single: Some(Language::Urdu) });
        assert_eq!((both.capacity(Parts::One), both.capacity(Parts::Several)), (152, 146));
    }

    #[test]
    fn edges() {
        assert_eq!(lengths("", GSM7), [0]);
        assert_eq!(lengths(&"a".repeat(160), GSM7), [160]);
        assert_eq!(lengths(&"a".repeat(161), GSM7), [153, 8]);
        assert_eq!(lengths(&"я".repeat(70), Coding::Ucs2), [70]);
        assert_eq!(lengths(&"я".repeat(71), Coding::Ucs2), [67, 4]);
    }

    #[test]
    fn pairs_and_clusters_are_whole() {
        let escape_at_edge = format!("{}€{}", "a".repeat(152), "b".repeat(20));
        assert_eq!(lengths(&escape_at_edge, GSM7), [152, 22]);
        let pair_at_edge = format!("{}😁{}", "я".repeat(66), "я".repeat(20));
        assert_eq!(lengths(&pair_at_edge, Coding::Ucs2), [66, 22]);
        let mark_at_edge = format!("{}e\u{301}{}", "я".repeat(66), "я".repeat(20));
        assert_eq!(lengths(&mark_at_edge, Coding::Ucs2), [66, 22]);
        let endless = format!("e{}", "\u{301}".repeat(200));
        assert_eq!(lengths(&endless, Coding::Ucs2), [67, 67, 67]);
    }
}
