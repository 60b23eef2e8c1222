//! Randomness: the only caller of a generator in the project.
//!
//! A [`Random`] is passed down as a value, so that a simulation gets the same octets again from the same seed.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use rand::rngs::{StdRng, SysRng};
use rand::{Rng as _, SeedableRng as _, TryRng as _};

/// A source of random octets; clones draw from the same one.
#[derive(Clone)]
pub struct Random(Source);

#[derive(Clone)]
enum Source {
    System,
    Seeded(Arc<Mutex<StdRng>>),
}

impl Random {
    /// The operating system's generator.
    pub const fn system() -> Self {
        Self(Source::System)
    }

    /// Octets that follow from `seed` alone, for simulations: whoever knows the seed knows all of them.
    pub fn seeded(seed: u64) -> Self {
        Self(Source::Seeded(Arc::new(Mutex::new(StdRng::seed_from_u64(seed)))))
    }

    /// Fills `octets`.
    ///
    /// # Panics
    /// When the operating system gives no random octets: a daemon without them must make no codes and no nonces.
    pub fn fill(&self, octets: &mut [u8]) {
        match &self.0 {
            Source::System => SysRng
                .try_fill_bytes(octets)
                .expect("the operating system's generator works: without it no code may be made"),
            // The generator is valid after every step, also when a thread panicked.
            Source::Seeded(generator) => {
                generator.lock().unwrap_or_else(PoisonError::into_inner).fill_bytes(octets);
            }
        }
    }
}

impl fmt::Debug for Random {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[random]")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_repeats_and_the_system_does_not() {
        let draw = |random: &Random| {
            let mut octets = [0; 16];
            random.fill(&mut octets);
            octets
        };
        let seeded = Random::seeded(7);
        let first = draw(&seeded);
        assert_eq!(first, draw(&Random::seeded(7)));
        assert_ne!(first, draw(&seeded.clone()), "a clone continues where the original stopped");
        assert_ne!(draw(&Random::system()), draw(&Random::system()));
    }
}
