//! Characters that are not in the GSM 7 bit default alphabet, written with those that are.
//!
//! Transliteration is off unless a caller asks for it: a changed text is another text, so every change is reported.

use super::language::ShiftTables;
use super::split::Coding;

/// One character that [`transliterate()`] wrote another way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct Substitution {
    /// How many characters of the original text stand before it.
    pub position: usize,
    /// The character of the original text.
    pub from: char,
    /// The characters that stand for it, up to four; none for a mark or a joiner that is left out.
    pub to: &'static str,
}

/// Writes `text` with characters of the GSM 7 bit default alphabet and its extension table (TS 23.038 clause 6.2.1) where a
/// table of stand-ins has them: typography, Latin letters with marks, Greek. It gives the new text, and each change in the
/// order of the text. A character that has no stand-in stays as it is, so that the new text may need UCS-2 all the same.
///
/// ```
/// let (text, changes) = gsm_sms::transliterate("„Žluťoučký kůň“ – 5 €");
/// assert_eq!(text, "\"Zlutoucky kun\" - 5 €");
/// assert_eq!(changes.len(), 9);
/// assert_eq!((changes[1].position, changes[1].from, changes[1].to), (1, 'Ž', "Z"));
/// ```
pub fn transliterate(text: &str) -> (String, Vec<Substitution>) {
    let alphabet = Coding::Gsm7(ShiftTables::NONE);
    let mut written = String::with_capacity(text.len());
    let mut changes = Vec::new();
    for (position, from) in text.chars().enumerate() {
        match stand_in(from) {
            Some(to) if alphabet.units(from).is_none() => {
                written.push_str(to);
                changes.push(Substitution { position, from, to });
            }
            _ => written.push(from),
        }
    }
    (written, changes)
}

/// What stands for a character, if the table has it.
fn stand_in(character: char) -> Option<&'static str> {
    TABLE.iter().find(|(from, _)| from.contains(character)).map(|(_, to)| *to)
}

/// What stands for each of the characters on its left.
static TABLE: &[(&str, &str)] = &[
    // Typography.
    ("\u{2018}\u{2019}\u{201a}\u{201b}\u{2032}\u{2039}\u{203a}`´ʼʹ", "'"),
    ("\u{201c}\u{201d}\u{201e}\u{201f}\u{2033}«»", "\""),
    ("\u{2010}\u{2011}\u{2012}\u{2013}\u{2014}\u{2015}\u{2212}\u{2043}", "-"),
    ("\u{2026}", "..."),
    (
        "\u{a0}\u{2000}\u{2001}\u{2002}\u{2003}\u{2004}\u{2005}\u{2006}\u{2007}\u{2008}\u{2009}\u{200a}\u{202f}\u{205f}\u{3000}\t",
        " ",
    ),
    ("\u{ad}\u{200b}\u{200c}\u{200d}\u{2060}\u{feff}\u{fe0e}\u{fe0f}", ""),
    ("\u{2022}\u{b7}\u{25cf}", "*"),
    ("\u{2028}\u{2029}", "\n"),
    ("¹", "1"),
    ("²", "2"),
    ("³", "3"),
    ("½", "1/2"),
    ("¼", "1/4"),
    ("¾", "3/4"),
    ("×", "x"),
    ("÷", ":"),
    ("±", "+/-"),
    ("°º", "o"),
    ("ª", "a"),
    ("©", "(c)"),
    ("®", "(r)"),
    ("™", "(tm)"),
    ("№", "No"),
    ("¢", "c"),
    ("¸¨¯", ""),
    ("¦", "|"),
    // Latin letters with marks.
    ("ÀÁÂÃĀĂĄǍ", "A"),
    ("áâãāăąǎ", "a"),
    ("ĆĈĊČ", "C"),
    ("çćĉċč", "c"),
    ("ĎĐÐ", "D"),
    ("ďđð", "d"),
    ("ÈÊËĒĔĖĘĚ", "E"),
    ("êëēĕėęě", "e"),
    ("ĜĞĠĢ", "G"),
    ("ĝğġģ", "g"),
    ("ĤĦ", "H"),
    ("ĥħ", "h"),
    ("ÌÍÎÏĨĪĬĮİ", "I"),
    ("íîïĩīĭįı", "i"),
    ("Ĵ", "J"),
    ("ĵ", "j"),
    ("Ķ", "K"),
    ("ķĸ", "k"),
    ("ĹĻĽĿŁ", "L"),
    ("ĺļľŀł", "l"),
    ("ŃŅŇŊ", "N"),
    ("ńņňŋ", "n"),
    ("ÒÓÔÕŌŎŐ", "O"),
    ("óôõōŏő", "o"),
    ("ŔŖŘ", "R"),
    ("ŕŗř", "r"),
    ("ŚŜŞŠȘ", "S"),
    ("śŝşšș", "s"),
    ("ŢŤŦȚ", "T"),
    ("ţťŧț", "t"),
    ("ÙÚÛŨŪŬŮŰŲ", "U"),
    ("úûũūŭůűų", "u"),
    ("Ŵ", "W"),
    ("ŵ", "w"),
    ("ÝŶŸ", "Y"),
    ("ýŷÿ", "y"),
    ("ŹŻŽ", "Z"),
    ("źżž", "z"),
    ("Œ", "OE"),
    ("œ", "oe"),
    ("Ĳ", "IJ"),
    ("ĳ", "ij"),
    ("Þ", "Th"),
    ("þ", "th"),
    ("ẞ", "SS"),
    ("ſ", "s"),
    // Greek capitals that look Latin, and small letters by their capitals.
    ("ΑΆαά", "A"),
    ("Ββ", "B"),
    ("γ", "Γ"),
    ("δ", "Δ"),
    ("ΕΈεέ", "E"),
    ("Ζζ", "Z"),
    ("ΗΉηή", "H"),
    ("θ", "Θ"),
    ("ΙΊΪιίϊΐ", "I"),
    ("Κκ", "K"),
    ("λ", "Λ"),
    ("Μμµ", "M"),
    ("Νν", "N"),
    ("ξ", "Ξ"),
    ("ΟΌοό", "O"),
    ("π", "Π"),
    ("Ρρ", "P"),
    ("σς", "Σ"),
    ("Ττ", "T"),
    ("ΥΎΫυύϋΰ", "Y"),
    ("φ", "Φ"),
    ("Χχ", "X"),
    ("ψ", "Ψ"),
    ("Ώωώ", "Ω"),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_sound() {
        let alphabet = Coding::Gsm7(ShiftTables::NONE);
        let mut seen = std::collections::BTreeSet::new();
        for (from, to) in TABLE {
            assert!(alphabet.measure(to).is_ok(), "{to}");
            for character in from.chars() {
                assert!(seen.insert(character), "{character} twice");
            }
        }
    }

    #[test]
    fn what_fits_stays() {
        let text = "Grüße, {ñ} àéù @£$ ΔΦΓ";
        assert_eq!(transliterate(text), (text.to_owned(), vec![]));
        assert_eq!(transliterate("код").0, "код");
        assert_eq!(transliterate("a\u{200d}b").1, [Substitution { position: 1, from: '\u{200d}', to: "" }]);
    }
}
