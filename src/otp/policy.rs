//! The rules of a service for its codes.

use std::time::Duration;

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
    #[error("alphabet needs 2 to 64 different letters or digits; it has {0}")]
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
        let codes = (characters.len() as u64).saturating_pow(u32::try_from(self.digits).unwrap_or(u32::MAX));
        if u64::from(self.max_attempts).saturating_mul(1000) > codes {
            return Err(PolicyError::Guessable { attempts: self.max_attempts, codes });
        }
        Ok(())
    }
}
