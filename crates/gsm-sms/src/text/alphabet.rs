//! Characters to septets and back: the GSM 7 bit default alphabet, its extension table, and national tables.
//!
//! 3GPP TS 23.038 clauses 6.2.1, 6.2.1.1 and 6.2.1.2.

use super::language::{ShiftTables, Table, table};

/// The septet that announces one of a single shift table.
pub(crate) const ESCAPE: u8 = 0x1b;

/// TS 23.038 clause 6.2.1. The escape is a blank, as a receiver that knows no extension shows it.
static DEFAULT: Table = table(
    "@£$¥èéùìòÇ\nØø\rÅå\
     Δ_ΦΓΛΩΠΨΣΘΞ ÆæßÉ\
     \x20!\"#¤%&'()*+,-./\
     0123456789:;<=>?\
     ¡ABCDEFGHIJKLMNO\
     PQRSTUVWXYZÄÖÑÜ§\
     ¿abcdefghijklmno\
     pqrstuvwxyzäöñüà",
);

/// How a character is written in septets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Septets {
    /// One septet of the base alphabet.
    Base(u8),
    /// An escape and this septet.
    Escaped(u8),
}

impl Septets {
    /// How many septets: 1 or 2.
    pub(crate) const fn count(self) -> usize {
        match self {
            Self::Base(_) => 1,
            Self::Escaped(_) => 2,
        }
    }
}

/// The septets of `character`, `None` when the tables have no such character.
#[inline]
pub(crate) fn encode(character: char, tables: ShiftTables) -> Option<Septets> {
    // ASCII of the default alphabet goes by index: nearly every character of nearly every text.
    if tables.locking.is_none()
        && let Some(&septet) = ASCII.get(character as usize)
        && septet != NONE
    {
        return Some(Septets::Base(septet));
    }
    search(character, tables)
}

/// The septets of a character, by looking through the tables.
fn search(character: char, tables: ShiftTables) -> Option<Septets> {
    let base = tables.base().unwrap_or(&DEFAULT);
    if character == ' ' {
        return Some(Septets::Base(0x20));
    }
    find(base, character)
        .map(Septets::Base)
        .or_else(|| find(tables.extension(), character).map(Septets::Escaped))
}

/// The character of a septet of the base alphabet.
#[inline]
pub(crate) fn base(septet: u8, tables: ShiftTables) -> char {
    let table = tables.base().unwrap_or(&DEFAULT);
    table[usize::from(septet & 0x7f)]
}

/// The character of a septet after an escape. A void cell is read as the base alphabet has it, a second escape
/// as a blank (TS 23.038 clause 6.2.1.1, notes 1 and 3).
pub(crate) fn escaped(septet: u8, tables: ShiftTables) -> char {
    let cell = tables.extension()[usize::from(septet & 0x7f)];
    if cell == ' ' { base(septet, tables) } else { cell }
}

/// No septet.
const NONE: u8 = 0xff;

/// The septet of each ASCII character that the default alphabet has.
static ASCII: [u8; 128] = {
    let mut septets = [NONE; 128];
    let mut septet = 0;
    while septet < 128 {
        let code = DEFAULT[septet as usize] as usize;
        if code < 128 && septet != ESCAPE {
            septets[code] = septet;
        }
        septet += 1;
    }
    septets
};

/// Where `table` has `character`. A blank marks void cells, so it is never found.
fn find(table: &Table, character: char) -> Option<u8> {
    if character == ' ' {
        return None;
    }
    let at = table.iter().position(|&cell| cell == character)?;
    u8::try_from(at).ok()
}

#[cfg(test)]
mod tests {
    use super::super::language::Language;
    use super::*;

    #[test]
    fn what_is_written_reads_back() {
        let mut choices = vec![ShiftTables::NONE];
        for language in Language::ALL.iter().copied() {
            choices.push(ShiftTables { locking: Some(language), single: Some(language) });
            choices.push(ShiftTables { locking: None, single: Some(language) });
            choices.push(ShiftTables { locking: Some(language), single: None });
        }
        for tables in choices {
            for character in (0..0x2100).filter_map(char::from_u32) {
                match encode(character, tables) {
                    Some(Septets::Base(septet)) => assert_eq!(base(septet, tables), character),
                    Some(Septets::Escaped(septet)) => assert_eq!(escaped(septet, tables), character),
                    None => {}
                }
            }
        }
    }

    #[test]
    fn known_answers() {
        let none = ShiftTables::NONE;
        assert_eq!(encode('@', none), Some(Septets::Base(0)));
        assert_eq!(encode(' ', none), Some(Septets::Base(0x20)));
        assert_eq!(encode('€', none), Some(Septets::Escaped(0x65)));
        assert_eq!(encode('\u{c}', none), Some(Septets::Escaped(0x0a)));
        assert_eq!(encode('`', none), None);
        assert_eq!(encode('ç', none), None);
        assert_eq!(encode('\u{1b}', none), None);
        assert_eq!(escaped(0x41, none), 'A');
        assert_eq!(escaped(ESCAPE, none), ' ');
        let turkish = ShiftTables { locking: Some(Language::Turkish), single: None };
        assert_eq!(encode('ğ', turkish), Some(Septets::Base(0x0c)));
        let spanish = ShiftTables { locking: Some(Language::Spanish), single: Some(Language::Spanish) };
        assert_eq!(encode('ú', spanish), Some(Septets::Escaped(0x75)));
        assert_eq!(encode('ò', spanish), Some(Septets::Base(0x08)));
    }
}
