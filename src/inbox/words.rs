//! The words by which a person asks for no more messages, or for messages again.
//!
//! Only a message that is nothing but such a word counts: "stop by at five" is not a keyword.

/// What a person asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Keyword {
    /// No more messages.
    Stop,
    /// Messages again.
    Start,
}

/// The words, compared without regard to case.
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
        Self {
            stop: stop.into_iter().map(|word| fold(word.as_ref())).collect(),
            start: start.into_iter().map(|word| fold(word.as_ref())).collect(),
        }
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

/// The text trimmed and without case: first in upper case, so that `ß` and `ss` are the same, then in lower case.
fn fold(text: &str) -> String {
    text.trim_matches(|c: char| c.is_whitespace() || c == '\0').to_uppercase().to_lowercase()
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
        for text in ["", " ", "stop it", "non-stop", "S T O P", "yes", "123456"] {
            assert_eq!(words.keyword(text), None, "{text}");
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
