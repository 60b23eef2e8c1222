//! The characters that codes are made of: alphabets that have a name, and the look-alikes that an alphabet of an
//! operator's own may have.

/// Alphabets by name. No name is an alphabet itself, since each has a letter twice.
///
/// But for the digits they have no vowel and no Y, so that no code is a word, and none of the characters that people
/// take for each other, in either case: 0 and O, 1 and I and L, 2 and Z, 5 and S, 8 and B. Who reads `B` then knows
/// that it is no 8.
pub const ALPHABETS: [(&str, &str); 3] =
    [("digits", "0123456789"), ("letters", "CDFGHJKMNPQRTVWX"), ("alphanumeric", "34679CDFGHJKMNPQRTVWX")];

/// Characters that people take for each other, in either case.
const LOOK_ALIKES: [&str; 5] = ["0O", "1IL", "2Z", "5S", "8B"];

/// The characters of the alphabet that has this name.
pub fn alphabet(name: &str) -> Option<&'static str> {
    ALPHABETS.iter().find(|(known, _)| *known == name).map(|&(_, characters)| characters)
}

/// Two characters of an alphabet that people take for each other: look-alikes, or a letter in both cases.
pub(super) fn look_alikes(alphabet: &str) -> Option<(char, char)> {
    let alike = |a: char, b: char| {
        let (a, b) = (a.to_ascii_uppercase(), b.to_ascii_uppercase());
        a == b || LOOK_ALIKES.iter().any(|set| set.contains(a) && set.contains(b))
    };
    alphabet.char_indices().find_map(|(i, b)| alphabet[..i].chars().find(|&a| alike(a, b)).map(|a| (a, b)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::otp::{Code, Policy, PolicyError};

    #[test]
    fn a_named_alphabet_is_sound_and_its_name_is_none() {
        for (name, characters) in ALPHABETS {
            let policy = Policy { alphabet: characters.to_owned(), ..Policy::default() };
            assert_eq!((policy.validate(), policy.doubts()), (Ok(()), vec![]), "{name}");
            let literal = Policy { alphabet: name.to_owned(), ..Policy::default() };
            assert!(matches!(literal.validate(), Err(PolicyError::Alphabet(_))), "{name}");
            assert_eq!(alphabet(name), Some(characters));
            for c in characters.chars() {
                let typed = Code::typed(&c.to_lowercase().to_string(), characters);
                assert_eq!(typed.expose(), &c.to_string(), "in lower case too");
                assert!(name == "digits" || !"0125 8AEIOUYLBSZ".contains(c), "{name}: {c}");
            }
        }
        assert_eq!(alphabet("Digits"), None);
    }

    #[test]
    fn look_alikes_of_an_alphabet() {
        for (alphabet, found) in [
            ("0123456789", None),
            ("abcdef0123", None),
            ("01O", Some(('0', 'O'))),
            ("0o", Some(('0', 'o'))),
            ("l3I", Some(('l', 'I'))),
            ("i1", Some(('i', '1'))),
            ("z2", Some(('z', '2'))),
            ("5s", Some(('5', 's'))),
            ("B8", Some(('B', '8'))),
            ("aAb", Some(('a', 'A'))),
        ] {
            assert_eq!(look_alikes(alphabet), found, "{alphabet}");
        }
    }
}
