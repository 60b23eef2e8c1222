//! The token of an inbound verification, which the person sends by SMS: drawn like a code, and found among the words of
//! a text.

use super::{Code, Policy, alphabet};
use crate::random::Random;

/// How many characters a token has.
const LENGTH: usize = 8;
/// Words of one text that are compared; nobody sends more tokens than this in good faith.
const MOST_WORDS: usize = 4;

/// A new token.
pub fn draw_token(random: &Random) -> Code {
    let policy = Policy { digits: LENGTH, alphabet: characters().to_owned(), ..Policy::default() };
    Code::draw(&policy, random)
}

/// What of a text looks like a token: words of it, or all of it with blanks inside. Small letters, dashes, and marks
/// around a word do not matter.
pub fn tokens_in(text: &str) -> Vec<Code> {
    let mut found: Vec<Code> = Vec::new();
    for part in text.split_whitespace().chain([text]) {
        let word = Code::typed(part.trim_matches(|c: char| !c.is_alphanumeric()), characters());
        let looks_like_one = word.expose().chars().count() == LENGTH
            && word.expose().chars().all(|c| characters().contains(c));
        if looks_like_one && found.iter().all(|known| known.expose() != word.expose()) {
            found.push(word);
        }
        if found.len() == MOST_WORDS {
            break;
        }
    }
    found
}

/// No look-alikes and no vowels: a token is typed by hand, and is no word.
fn characters() -> &'static str {
    alphabet("alphanumeric").expect("a test looks it up")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(text: &str) -> Vec<String> {
        tokens_in(text).iter().map(|token| token.expose().to_owned()).collect()
    }

    #[test]
    fn a_token_that_was_drawn_is_found_in_what_a_person_sends() {
        for _ in 0..100 {
            let token = draw_token(&Random::system()).expose().to_owned();
            let (first, last) = token.split_at(4);
            for text in [
                token.clone(),
                token.to_lowercase(),
                format!("  {first} {last}\n"),
                format!("{first}-{last}"),
                format!("Hello, my code is \"{}\". Thanks!", token.to_lowercase()),
                format!("({token})"),
            ] {
                assert_eq!(found(&text), std::slice::from_ref(&token), "{text:?}");
            }
        }
    }

    #[test]
    fn what_is_no_token_is_not_taken_for_one() {
        for text in
            ["", "STOP", "Hello world, whatever", "CDFG347", "CDFG34679", "CDFG346O", "CDFG346\u{301}7"]
        {
            assert_eq!(found(text), [""; 0], "{text:?}");
        }
        let many = "CDFGHJK3 CDFGHJK4 CDFGHJK4 CDFGHJK6 CDFGHJK7 CDFGHJK9";
        assert_eq!(found(many), ["CDFGHJK3", "CDFGHJK4", "CDFGHJK6", "CDFGHJK7"], "no text has many guesses");
    }
}
