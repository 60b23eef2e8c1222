//! The words by which a person asks for no more messages, or for messages again.
//!
//! Only a message that is nothing but such a word counts: "stop by at five" is not a keyword. What a person does not see,
//! or adds without a thought, makes no other word of it: invisible marks, accents, wide letters, punctuation around it.

use unicode_normalization::UnicodeNormalization as _;

/// What a person asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Keyword {
    /// No more messages.
    Stop,
    /// Messages again.
    Start,
}

/// The words, in their compared form.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Words {
    stop: Vec<String>,
    start: Vec<String>,
}

/// The words that people in many countries are told to send: English (as the North American carriers have
/// it), German, French, Spanish, Portuguese, Italian, Dutch, Swedish and Norwegian, Russian.
const STOP: &[&str] = &[
    "STOP",
    "STOPALL",
    "STOP ALL",
    "UNSUBSCRIBE",
    "CANCEL",
    "END",
    "QUIT",
    "OPTOUT",
    "OPT OUT",
    "REVOKE",
    "STOPP",
    "ABMELDEN",
    "ARRET",
    "ARRÊT",
    "BAJA",
    "ALTO",
    "CANCELAR",
    "PARE",
    "PARAR",
    "SAIR",
    "ANNULLA",
    "AFMELDEN",
    "AVSLUTA",
    "СТОП",
];

const START: &[&str] = &["START", "UNSTOP", "OPTIN", "OPT IN", "ANMELDEN", "ALTA", "AANMELDEN", "СТАРТ"];

impl Default for Words {
    fn default() -> Self {
        Self::new(STOP, START)
    }
}

impl Words {
    /// Uses these words. A word that is in both lists means stop.
    pub fn new(
        stop: impl IntoIterator<Item: AsRef<str>>,
        start: impl IntoIterator<Item: AsRef<str>>,
    ) -> Self {
        Self { stop: folded(stop), start: folded(start) }
    }

    /// The words that stop, in their compared form.
    pub fn stop(&self) -> &[String] {
        &self.stop
    }

    /// The words that start again, in their compared form.
    pub fn start(&self) -> &[String] {
        &self.start
    }

    /// What a message that is one of the words asks for.
    pub fn keyword(&self, text: &str) -> Option<Keyword> {
        let text = fold(text);
        if self.stop.contains(&text) {
            Some(Keyword::Stop)
        } else if self.start.contains(&text) {
            Some(Keyword::Start)
        } else {
            None
        }
    }
}

/// A word of nothing is none: each message without letters would be it.
fn folded(words: impl IntoIterator<Item: AsRef<str>>) -> Vec<String> {
    words.into_iter().map(|word| fold(word.as_ref())).filter(|word| !word.is_empty()).collect()
}

/// The compared form: of characters of the same look the plain one (Unicode NFKD, annex 15), without what is not seen, in
/// one case (first upper case, so that `ß` and `ss` are the same), with one blank for several, and without punctuation
/// around it.
fn fold(text: &str) -> String {
    let seen: String = text.nfkd().filter(|c| !is_passed_over(*c)).collect();
    let words: Vec<_> = seen.split_whitespace().collect();
    let line = words.join(" ").to_uppercase().to_lowercase();
    let word = line.trim_matches(|c: char| !c.is_alphanumeric());
    // A word that an operator made of signs alone stays what it is.
    if word.is_empty() { line } else { word.to_owned() }
}

/// Accents, and what has no width. The marks of scripts in which they are vowels are no accents.
fn is_passed_over(c: char) -> bool {
    let is_accent = matches!(
        c,
        '\u{300}'..='\u{36f}'
            | '\u{1ab0}'..='\u{1aff}'
            | '\u{1dc0}'..='\u{1dff}'
            | '\u{20d0}'..='\u{20ff}'
            | '\u{fe00}'..='\u{fe0f}'
            | '\u{fe20}'..='\u{fe2f}'
    );
    let is_invisible = matches!(
        c,
        '\u{ad}'
            | '\u{61c}'
            | '\u{115f}'
            | '\u{1160}'
            | '\u{180b}'..='\u{180f}'
            | '\u{200b}'..='\u{200f}'
            | '\u{202a}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}'
            | '\u{feff}'
            | '\u{fff9}'..='\u{fffb}'
            | '\u{e0000}'..='\u{e0fff}'
    );
    is_accent || is_invisible || (c.is_control() && !c.is_whitespace())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_whole_message_in_any_case() {
        let words = Words::default();
        for text in ["STOP", "stop", " Stop \r\n", "arrêt", "Arrêt", "стоп", "baja", "stop all"] {
            assert_eq!(words.keyword(text), Some(Keyword::Stop), "{text}");
        }
        for text in ["start", "Unstop", "старт"] {
            assert_eq!(words.keyword(text), Some(Keyword::Start), "{text}");
        }
        for text in ["", " ", ".", "stop it", "non-stop", "S T O P", "yes", "123456", "stop 5", "СТОР"] {
            assert_eq!(words.keyword(text), None, "{text}");
        }
    }

    #[test]
    fn what_is_not_seen_and_signs_around_it_make_no_other_word() {
        let words = Words::default();
        for text in [
            "S\u{200b}T\u{200d}OP",
            "\u{feff}stop",
            "\u{202a}STOP\u{202c}",
            "\u{200f}Stop\u{200e}\u{2069}",
            "ST\u{ad}OP\0",
            "S\u{301}TOP\u{34f}",
            "STOP\u{fe0f}",
            "\u{e0041}stop",
            "\u{1b}stop\u{7}",
            "ARRE\u{302}T",
            "Stop.",
            "STOP!!",
            "\u{ab} stop \u{bb}",
            "'stop'",
            "\u{a1}Baja!",
            "\u{ff33}\u{ff34}\u{ff2f}\u{ff30}",
            "\u{ff53}\u{ff54}\u{ff4f}\u{ff50}\u{ff0e}",
            "\u{1d412}\u{1d413}\u{1d40e}\u{1d40f}",
            "stop\u{a0} \u{3000}all",
            "стоп\u{2026}",
        ] {
            assert_eq!(words.keyword(text), Some(Keyword::Stop), "{text:?}");
        }
        assert_eq!(words.keyword("\u{200b}Start!"), Some(Keyword::Start));
        for text in ["\u{200b}", "...", "\u{feff}\u{301}", "st op", "stop-it", "please, stop."] {
            assert_eq!(words.keyword(text), None, "{text:?}");
        }
    }

    #[test]
    fn a_word_of_another_script_is_itself() {
        let words = Words::new(["बंद", "停止", "👎", "", "\u{200b}"], ["چالو"]);
        for text in ["बंद", "बंद।", " 停止。", "👎", "👎\u{fe0f} "] {
            assert_eq!(words.keyword(text), Some(Keyword::Stop), "{text:?}");
        }
        assert_eq!(words.keyword("چالو"), Some(Keyword::Start));
        for text in ["बद", "बंदी", "停", "👍", "", "\u{200b}", "!"] {
            assert_eq!(words.keyword(text), None, "{text:?}");
        }
    }

    #[test]
    fn other_words_replace_them() {
        let words = Words::new(["Schluß"], ["los", "schluss"]);
        assert_eq!(words.keyword("SCHLUSS"), Some(Keyword::Stop));
        assert_eq!(words.keyword("Los"), Some(Keyword::Start));
        assert_eq!(words.keyword("stop"), None);
        assert_eq!(Words::new([""; 0], [""; 0]).keyword(""), None);
    }
}
