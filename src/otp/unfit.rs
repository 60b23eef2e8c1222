//! The characters that no text of a code may have, because a person does not see them as they are: they end a line,
//! turn the direction of writing, or are invisible, so that a text can be made to look like another one. One function
//! judges the values of a request, the templates and the names of the configuration.
//!
//! Invisible is what Unicode calls `Default_Ignorable_Code_Point`, but for what scripts need: U+200C and U+200D join
//! and part letters of Persian and of Indic scripts, and variation selectors choose a form of the character before.

use std::fmt;

/// A character that a text may not have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Unfit {
    /// The character.
    pub character: char,
    /// Its place in the text, counted from 1.
    pub at: usize,
    kind: Kind,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Control,
    Separator,
    Direction,
    Invisible,
}

impl Unfit {
    /// The first unfit character of a text of one line.
    pub fn in_line(text: &str) -> Option<Self> {
        Self::first(text, |_| true)
    }

    /// The first unfit character of a text whose lines end with U+000A.
    pub fn in_lines(text: &str) -> Option<Self> {
        Self::first(text, |c| c != '\n')
    }

    /// A name from a file as it may be shown to a person: what is unfit stands there as its number.
    pub fn escaped(name: &str) -> String {
        let shown = |c: char| match kind(c) {
            Some(_) => c.escape_unicode().to_string(),
            None => c.to_string(),
        };
        name.chars().map(shown).collect()
    }

    fn first(text: &str, judged: impl Fn(char) -> bool) -> Option<Self> {
        text.chars().enumerate().filter(|&(_, c)| judged(c)).find_map(|(i, character)| {
            let kind = kind(character)?;
            Some(Self { character, at: i + 1, kind })
        })
    }
}

impl fmt::Display for Unfit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let what = match self.kind {
            Kind::Control => "a control character",
            Kind::Separator => "a separator of lines",
            Kind::Direction => "which changes the direction of writing",
            Kind::Invisible => "which is invisible",
        };
        write!(f, "character {} is U+{:04X}, {what}", self.at, u32::from(self.character))
    }
}

fn kind(c: char) -> Option<Kind> {
    match c {
        '\u{85}' | '\u{2028}' | '\u{2029}' => Some(Kind::Separator),
        // Unicode, property Bidi_Control.
        '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => {
            Some(Kind::Direction)
        }
        c if c.is_control() => Some(Kind::Control),
        c if is_invisible(c) => Some(Kind::Invisible),
        _ => None,
    }
}

fn is_invisible(c: char) -> bool {
    matches!(
        c,
        '\u{ad}'
            | '\u{34f}'
            | '\u{115f}'
            | '\u{1160}'
            | '\u{17b4}'
            | '\u{17b5}'
            | '\u{180e}'
            | '\u{200b}'
            | '\u{2060}'..='\u{206f}'
            | '\u{3164}'
            | '\u{feff}'
            | '\u{ffa0}'
            | '\u{fff0}'..='\u{fffb}'
            | '\u{1bca0}'..='\u{1bca3}'
            | '\u{1d173}'..='\u{1d17a}'
            // Tags spell a text that nobody sees; U+E0100 to U+E01EF are variation selectors.
            | '\u{e0000}'..='\u{e00ff}'
            | '\u{e01f0}'..='\u{e0fff}'
    ) || is_noncharacter(c)
}

/// Unicode section 23.7: U+FDD0 to U+FDEF, and the last two of each plane.
fn is_noncharacter(c: char) -> bool {
    matches!(c, '\u{fdd0}'..='\u{fdef}') || u32::from(c) & 0xfffe == 0xfffe
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_person_does_not_see_is_unfit() {
        for c in "\0\t\n\r\u{1b}\u{1f}\u{7f}\u{85}\u{9f}\u{ad}\u{34f}\u{61c}\u{115f}\u{180e}\u{200b}\u{200e}\u{200f}\
                  \u{2028}\u{2029}\u{202a}\u{202e}\u{2060}\u{2064}\u{2066}\u{2069}\u{206f}\u{3164}\u{fdd0}\u{feff}\
                  \u{ffa0}\u{fff9}\u{ffff}\u{1d173}\u{1ffff}\u{e0001}\u{e007f}\u{10fffe}"
            .chars()
        {
            let found = Unfit::in_line(&format!("ab{c}d")).map(|u| (u.character, u.at));
            assert_eq!(found, Some((c, 3)), "{c:?}");
        }
    }

    #[test]
    fn what_scripts_need_is_fit() {
        for text in [
            "",
            " Jo O'Neil-Müller (2) ",
            "می\u{200c}خواهم",
            "क्\u{200d}ष",
            "שלום",
            "👩\u{200d}💻 ❤\u{fe0f}",
            "葛\u{e0100}",
            "e\u{301}",
        ] {
            assert_eq!(Unfit::in_line(text), None, "{text}");
        }
        assert_eq!(Unfit::in_lines("a\nb\n"), None);
        assert_eq!(Unfit::in_lines("a\nb\r\n").map(|u| u.at), Some(4));
    }

    #[test]
    fn it_is_told_by_its_place_number_and_kind() {
        let told = |text| Unfit::in_line(text).unwrap().to_string();
        assert_eq!(told("é\u{7}"), "character 2 is U+0007, a control character");
        assert_eq!(told("\u{2028}"), "character 1 is U+2028, a separator of lines");
        assert_eq!(told("\u{202e}"), "character 1 is U+202E, which changes the direction of writing");
        assert_eq!(told("\u{200b}"), "character 1 is U+200B, which is invisible");
        assert_eq!(Unfit::escaped("a\u{202e}é\n"), "a\\u{202e}é\\u{a}");
    }
}
