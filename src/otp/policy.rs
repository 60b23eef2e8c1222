//! The rules of a service for its codes.

use std::time::Duration;

use super::alphabet::look_alikes;

/// The longest life of a code that NIST allows one (SP 800-63B-4 section 3.1.3, out-of-band authenticators).
const PRUDENT_TTL: Duration = Duration::from_secs(600);

/// As many codes as NIST asks for there: six decimal digits, which are 20 bits.
const PRUDENT_CODES: u64 = 1_000_000;

/// A guess at a verification is right at most once in so many, in a prudent policy.
const PRUDENT_ODDS: u64 = 100_000;
/// What a service does when a code is asked for while one is pending, once that one's cool-down is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum OnReissue {
    /// It sends the pending one's code again.
    #[default]
    Same,
    /// It cancels the pending one and makes a new code.
    New,
}

/// The rules of one service's codes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Policy {
    /// How many characters a code has, 4 to 12.
    pub digits: usize,
    /// The characters a code is made of, 2 to 64, all different.
    pub alphabet: String,
    /// How long a code is accepted.
    pub ttl: Duration,
    /// Whether the operator wants it to be more than ten minutes.
    pub allow_long_ttl: bool,
    /// How many checks a verification allows.
    pub max_attempts: u32,
    /// The pause between two sends.
    pub cooldown: Duration,
    /// How many messages a verification allows.
    pub max_sends: u32,
    /// What happens when a code is asked for while one is pending.
    pub on_reissue: OnReissue,
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            digits: 6,
            alphabet: "0123456789".to_owned(),
            ttl: Duration::from_secs(300),
            allow_long_ttl: false,
            max_attempts: 5,
            cooldown: Duration::from_secs(30),
            max_sends: 3,
            on_reissue: OnReissue::default(),
        }
    }
}

/// A policy that would keep nobody out, or let nobody in.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PolicyError {
    /// Too short to guess against, or too long to type.
    #[error("digits is {0}: a code has 4 to 12 characters")]
    Digits(usize),
    /// Too few characters, or one twice.
    #[error(
        "alphabet needs 2 to 64 different letters (A to Z, in either case) or digits; it has {0}. Or write a name: \
         digits, letters or alphanumeric"
    )]
    Alphabet(&'static str),
    /// With so many guesses at so few codes, a guess succeeds too often.
    #[error(
        "{attempts} attempts on {codes} possible codes let a guess through more than once in 1000: raise digits or lower max_attempts"
    )]
    Guessable {
        /// Attempts allowed.
        attempts: u32,
        /// Different codes.
        codes: u64,
    },
    /// A zero where at least one is needed.
    #[error("{0} must be at least 1")]
    Zero(&'static str),
    /// A time to live that a person or a carrier cannot keep to.
    #[error("ttl must be between 1s and 24h")]
    Ttl,
    /// A time to live that is longer than is prudent, and nobody said that it is meant.
    #[error(
        "ttl is more than 10m: the longer a code lives, the longer it can be guessed and phished, and NIST \
         SP 800-63B-4 allows ten minutes; lower ttl, or set allow_long_ttl = true"
    )]
    LongTtl,
}

impl Policy {
    /// Checks the rules against each other.
    pub fn validate(&self) -> Result<(), PolicyError> {
        if !(4..=12).contains(&self.digits) {
            return Err(PolicyError::Digits(self.digits));
        }
        let characters: Vec<char> = self.alphabet.chars().collect();
        if !(2..=64).contains(&characters.len()) {
            return Err(PolicyError::Alphabet("too few or too many"));
        }
        if characters.iter().any(|c| !c.is_ascii_alphanumeric()) {
            return Err(PolicyError::Alphabet("one that is neither"));
        }
        if characters.iter().enumerate().any(|(i, c)| characters[..i].contains(c)) {
            return Err(PolicyError::Alphabet("one twice"));
        }
        if self.max_attempts == 0 {
            return Err(PolicyError::Zero("max_attempts"));
        }
        if self.max_sends == 0 {
            return Err(PolicyError::Zero("max_sends"));
        }
        if self.ttl < Duration::from_secs(1) || self.ttl > Duration::from_secs(24 * 3600) {
            return Err(PolicyError::Ttl);
        }
        if self.ttl > PRUDENT_TTL && !self.allow_long_ttl {
            return Err(PolicyError::LongTtl);
        }
        let codes = self.codes();
        if u64::from(self.max_attempts).saturating_mul(1000) > codes {
            return Err(PolicyError::Guessable { attempts: self.max_attempts, codes });
        }
        Ok(())
    }

    /// How many codes there are.
    fn codes(&self) -> u64 {
        let size = self.alphabet.chars().count() as u64;
        size.saturating_pow(u32::try_from(self.digits).unwrap_or(u32::MAX))
    }

    /// What is allowed and probably not meant, a sentence each. Few codes and poor odds are no error down to one in
    /// 1000: `digits` and `alphabet` are keys of a promise, and whatever they are, `guesses_per_number` bounds the wrong
    /// codes of a number.
    pub fn doubts(&self) -> Vec<String> {
        let mut doubts = Vec::new();
        let (codes, attempts) = (self.codes(), u64::from(self.max_attempts.max(1)));
        if codes < PRUDENT_CODES || attempts.saturating_mul(PRUDENT_ODDS) > codes {
            doubts.push(format!(
                "{attempts} attempts on {codes} possible codes let a guess through once in {}; better is at most once \
                 in {PRUDENT_ODDS}, and NIST SP 800-63B-4 asks for {PRUDENT_CODES} codes, which are six digits or 20 \
                 bits: raise digits or lower max_attempts",
                codes / attempts
            ));
        }
        if let Some((a, b)) = look_alikes(&self.alphabet) {
            doubts.push(format!(
                "alphabet has {a} and {b}, which people take for each other; leave one out, or write a name: digits, \
                 letters or alphanumeric"
            ));
        }
        doubts
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_life_of_more_than_ten_minutes_is_meant() {
        let policy = |seconds, allow_long_ttl| {
            let ttl = Duration::from_secs(seconds);
            Policy { ttl, allow_long_ttl, ..Policy::default() }.validate()
        };
        assert_eq!(policy(600, false), Ok(()));
        assert_eq!(policy(601, false), Err(PolicyError::LongTtl));
        assert_eq!(policy(86_400, true), Ok(()));
        assert_eq!(policy(86_401, true), Err(PolicyError::Ttl));
    }

    #[test]
    fn odds_are_refused_doubted_or_good() {
        let policy = |digits, max_attempts| Policy { digits, max_attempts, ..Policy::default() };
        for (digits, attempts, good, doubts) in [
            (6, 5, true, 0),
            (6, 10, true, 0),
            (6, 11, true, 1),
            (5, 1, true, 1),
            (4, 5, true, 1),
            (4, 10, true, 1),
            (4, 11, false, 1),
            (12, 10_000_000, true, 0),
        ] {
            let policy = policy(digits, attempts);
            assert_eq!(
                (policy.validate().is_ok(), policy.doubts().len()),
                (good, doubts),
                "{digits} {attempts}"
            );
        }
        let said = policy(4, 5).doubts().remove(0);
        assert!(
            said.starts_with("5 attempts on 10000 possible codes let a guess through once in 2000; "),
            "{said}"
        );
        let alike = Policy { alphabet: "0123456789O".to_owned(), ..Policy::default() };
        assert!(alike.validate().is_ok() && alike.doubts()[0].starts_with("alphabet has 0 and O, which"));
        for alphabet in ["0", "0101", "0123456789é", "01\u{7}", "0 1", "", &"ab".repeat(40)] {
            let policy = Policy { alphabet: alphabet.to_owned(), digits: 12, ..Policy::default() };
            assert!(matches!(policy.validate(), Err(PolicyError::Alphabet(_))), "{alphabet:?}");
        }
    }
}
