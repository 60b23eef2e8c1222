//! The languages that have shift tables, and what a shift table is.
//!
//! 3GPP TS 23.038 clause 6.2.1.2.4: National Language Identifier.

use super::locking::locking;
use super::single::single;

/// The 128 characters of an alphabet, 00 to 7F.
pub(super) type Table = [char; 128];

/// A language that has shift tables of its own, by its National Language Identifier (TS 23.038 clause 6.2.1.2.4).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Language {
    /// Identifier 1.
    Turkish,
    /// Identifier 2; the language has a single shift table only.
    Spanish,
    /// Identifier 3.
    Portuguese,
    /// Identifier 4.
    Bengali,
    /// Identifier 5.
    Gujarati,
    /// Identifier 6.
    Hindi,
    /// Identifier 7.
    Kannada,
    /// Identifier 8.
    Malayalam,
    /// Identifier 9.
    Oriya,
    /// Identifier 10.
    Punjabi,
    /// Identifier 11.
    Tamil,
    /// Identifier 12.
    Telugu,
    /// Identifier 13.
    Urdu,
}

impl Language {
    /// All languages of this version, in the order of their identifiers from 1 on.
    pub const ALL: &'static [Self] = &[
        Self::Turkish,
        Self::Spanish,
        Self::Portuguese,
        Self::Bengali,
        Self::Gujarati,
        Self::Hindi,
        Self::Kannada,
        Self::Malayalam,
        Self::Oriya,
        Self::Punjabi,
        Self::Tamil,
        Self::Telugu,
        Self::Urdu,
    ];

    /// The language of a National Language Identifier; `None` for one that is reserved.
    pub fn from_identifier(identifier: u8) -> Option<Self> {
        Self::ALL.get(usize::from(identifier).checked_sub(1)?).copied()
    }

    /// The National Language Identifier, 1 to 13.
    pub const fn identifier(self) -> u8 {
        self as u8 + 1
    }

    /// The two letters of ISO 639-1, such as `tr`.
    pub const fn code(self) -> &'static str {
        match self {
            Self::Turkish => "tr",
            Self::Spanish => "es",
            Self::Portuguese => "pt",
            Self::Bengali => "bn",
            Self::Gujarati => "gu",
            Self::Hindi => "hi",
            Self::Kannada => "kn",
            Self::Malayalam => "ml",
            Self::Oriya => "or",
            Self::Punjabi => "pa",
            Self::Tamil => "ta",
            Self::Telugu => "te",
            Self::Urdu => "ur",
        }
    }

    /// The language's name in English, such as `turkish`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Turkish => "turkish",
            Self::Spanish => "spanish",
            Self::Portuguese => "portuguese",
            Self::Bengali => "bengali",
            Self::Gujarati => "gujarati",
            Self::Hindi => "hindi",
            Self::Kannada => "kannada",
            Self::Malayalam => "malayalam",
            Self::Oriya => "oriya",
            Self::Punjabi => "punjabi",
            Self::Tamil => "tamil",
            Self::Telugu => "telugu",
            Self::Urdu => "urdu",
        }
    }

    /// The language of an ISO 639-1 code or of an English name, in capitals or small letters; `None` for another one. A
    /// region after it, as in `tr-TR`, is passed over.
    pub fn from_name(name: &str) -> Option<Self> {
        let plain = name.split(['-', '_']).next().unwrap_or(name);
        Self::ALL
            .iter()
            .copied()
            .find(|l| l.code().eq_ignore_ascii_case(plain) || l.name().eq_ignore_ascii_case(plain))
    }
}

/// The shift tables that a GSM 7 bit text is written with (TS 23.038 clause 6.2.1.2). The default is none: the default
/// alphabet and its extension table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct ShiftTables {
    /// The language whose locking shift table takes the place of the default alphabet. Spanish has none and changes nothing.
    pub locking: Option<Language>,
    /// The language whose single shift table takes the place of the extension table, after an escape.
    pub single: Option<Language>,
}

impl ShiftTables {
    /// The default alphabet and its extension table.
    pub const NONE: Self = Self { locking: None, single: None };

    /// How many octets of a user data header name these tables: three for each.
    pub const fn header_octets(self) -> usize {
        (self.locking.is_some() as usize + self.single.is_some() as usize) * 3
    }

    /// The base alphabet, `None` for the default one.
    pub(super) const fn base(self) -> Option<&'static Table> {
        match self.locking {
            Some(language) => locking(language),
            None => None,
        }
    }

    /// The table after the escape.
    pub(super) const fn extension(self) -> &'static Table {
        single(self.single)
    }
}

/// The 128 characters of `text` as a table.
pub(super) const fn table(text: &str) -> Table {
    cells::<128>(text)
}

/// The `N` characters of `text`; a text of another length does not compile.
pub(super) const fn cells<const N: usize>(text: &str) -> [char; N] {
    let bytes = text.as_bytes();
    let mut cells = [' '; N];
    let (mut at, mut cell) = (0, 0);
    while at < bytes.len() {
        let lead = bytes[at] as u32;
        let (width, mut code) = match lead {
            0..0x80 => (1, lead),
            0x80..0xe0 => (2, lead & 0x1f),
            0xe0..0xf0 => (3, lead & 0x0f),
            _ => panic!("no shift table leaves the Basic Multilingual Plane"),
        };
        let mut next = 1;
        while next < width {
            code = code << 6 | (bytes[at + next] & 0x3f) as u32;
            next += 1;
        }
        cells[cell] = match char::from_u32(code) {
            Some(character) => character,
            None => panic!("the text is UTF-8"),
        };
        at += width;
        cell += 1;
    }
    assert!(cell == N, "a table of another size");
    cells
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_identifiers() {
        for (language, identifier) in Language::ALL.iter().copied().zip(1..) {
            assert_eq!(language.identifier(), identifier);
            assert_eq!(Language::from_identifier(identifier), Some(language));
            assert_eq!(Language::from_name(language.code()), Some(language));
            assert_eq!(Language::from_name(&language.name().to_uppercase()), Some(language));
        }
        assert_eq!(Language::from_identifier(0), None);
        assert_eq!(Language::from_identifier(14), None);
        assert_eq!(Language::from_name("pt-BR"), Some(Language::Portuguese));
        assert_eq!(Language::from_name("tlh"), None);
    }

    #[test]
    fn every_table_has_its_fixed_points() {
        for language in Language::ALL.iter().copied() {
            if let Some(base) = locking(language) {
                assert_eq!((base[0x0a], base[0x0d], base[0x1b], base[0x20]), ('\n', '\r', ' ', ' '));
                assert_eq!(base[0x30..0x3a].iter().collect::<String>(), "0123456789");
                assert_eq!(base[0x61..0x7b].iter().collect::<String>(), "abcdefghijklmnopqrstuvwxyz");
                assert_eq!((base[0x2e], base[0x3f], base[0x21]), ('.', '?', '!'));
            }
            let shift = single(Some(language));
            assert_eq!((shift[0x0a], shift[0x0d], shift[0x1b]), ('\u{c}', ' ', ' '));
            assert_eq!(shift[0x28..0x2a], ['{', '}']);
            assert_eq!((shift[0x2f], shift[0x40], shift[0x65]), ('\\', '|', '€'), "{language:?}");
            assert_eq!(shift[0x3c..0x3f], ['[', '~', ']']);
        }
    }
}
