//! Where a text may be cut without splitting what a reader sees as one character.
//!
//! A simple rule in the spirit of Unicode annex 29: marks, variation selectors, joiners, skin tones and tags stay
//! with what is before them; what follows a joiner stays with it; regional indicators stay in pairs; a line feed
//! stays with its carriage return.

/// The clusters of a text, in order.
pub(crate) struct Clusters<'a> {
    rest: &'a str,
}

impl<'a> Clusters<'a> {
    pub(crate) const fn new(text: &'a str) -> Self {
        Self { rest: text }
    }
}

impl<'a> Iterator for Clusters<'a> {
    type Item = &'a str;

    #[inline]
    fn next(&mut self) -> Option<&'a str> {
        let mut characters = self.rest.chars();
        let mut last = characters.next()?;
        let mut end = last.len_utf8();
        let mut flag_is_open = is_regional(last);
        for character in characters {
            let stays = if is_regional(character) && flag_is_open {
                flag_is_open = false;
                true
            } else {
                extends(character) || last == ZERO_WIDTH_JOINER || (last == '\r' && character == '\n')
            };
            if !stays {
                break;
            }
            end += character.len_utf8();
            last = character;
        }
        let (cluster, rest) = self.rest.split_at(end);
        self.rest = rest;
        Some(cluster)
    }
}

const ZERO_WIDTH_JOINER: char = '\u{200d}';

const fn is_regional(character: char) -> bool {
    matches!(character, '\u{1f1e6}'..='\u{1f1ff}')
}

/// Whether a character belongs to the one before it: the blocks of combining marks, the dependent vowel signs of
/// the scripts that have shift tables, selectors, joiners, tags and skin tones.
fn extends(character: char) -> bool {
    let code = character as u32;
    match code {
        0x300..=0x36f
        | 0x483..=0x489
        | 0x591..=0x5bd
        | 0x610..=0x61a
        | 0x64b..=0x65f
        | 0x670
        | 0x6d6..=0x6dc
        | 0x6df..=0x6e4
        | 0x0e31
        | 0x0e34..=0x0e3a
        | 0x0e47..=0x0e4e
        | 0x1ab0..=0x1aff
        | 0x1dc0..=0x1dff
        | 0x200c..=0x200d
        | 0x20d0..=0x20ff
        | 0x302a..=0x302f
        | 0x3099..=0x309a
        | 0xfe00..=0xfe0f
        | 0xfe20..=0xfe2f
        | 0x1f3fb..=0x1f3ff
        | 0xe0020..=0xe007f
        | 0xe0100..=0xe01ef => true,
        // Devanagari to Malayalam share one layout, 80 hex apart: signs, vowel signs, virama, length marks.
        0x900..=0xd7f => {
            matches!(code & 0x7f, 0x00..=0x03 | 0x3a..=0x3c | 0x3e..=0x4f | 0x51..=0x57 | 0x62..=0x63)
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn clusters(text: &str) -> Vec<&str> {
        Clusters::new(text).collect()
    }

    #[test]
    fn what_stays_together() {
        assert_eq!(clusters("ab"), ["a", "b"]);
        assert_eq!(clusters("e\u{301}x"), ["e\u{301}", "x"]);
        assert_eq!(clusters("🇨🇭🇩🇪🇫"), ["🇨🇭", "🇩🇪", "🇫"]);
        assert_eq!(clusters("👩\u{200d}👩\u{200d}👧!"), ["👩\u{200d}👩\u{200d}👧", "!"]);
        assert_eq!(clusters("❤\u{fe0f}👍🏽"), ["❤\u{fe0f}", "👍🏽"]);
        assert_eq!(clusters("को\r\n"), ["को", "\r\n"]);
        assert_eq!(clusters(""), [""; 0]);
    }
}
