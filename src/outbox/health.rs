//! How well a SIM sends: exponentially weighted means of its failed sends and of its codes that nobody
//! entered, with time as a parameter. Without observations a loss halves in an hour, so that a SIM which gets
//! less traffic has another chance.

use crate::clock::Steady;

/// The losses of one SIM, in millionths.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Health {
    /// The share of its sends that failed.
    pub sends: u32,
    /// The share of its codes that nobody entered.
    pub codes: u32,
    /// The instant of these values.
    pub at: Steady,
}

/// An observation about a SIM.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Observation {
    /// The network took a message.
    Sent,
    /// A send failed, and the message was not at fault.
    Failed,
    /// A code that it carried was entered.
    CodeUsed,
    /// A code that it carried expired, and nobody had entered it: that may be the person's doing, so it
    /// weighs little.
    CodeUnused,
}

const MILLION: u32 = 1_000_000;
const HALF_LIFE_MS: f64 = 3_600_000.0;
/// The least part of its full traffic that a SIM gets, in thousandths.
const LEAST: u32 = 50;

impl Health {
    /// Takes an observation into account.
    pub fn observe(&mut self, observation: Observation, now: Steady) {
        let (sends, codes) = self.losses(now);
        let moved = |loss: f64, to: f64, by: f64| loss + (to - loss) * by;
        let (sends, codes) = match observation {
            Observation::Sent => (moved(sends, 0.0, 0.1), codes),
            Observation::Failed => (moved(sends, 1.0, 0.1), codes),
            Observation::CodeUsed => (sends, moved(codes, 0.0, 0.25)),
            Observation::CodeUnused => (sends, moved(codes, 1.0, 0.05)),
        };
        *self = Self { sends: millionths(sends), codes: millionths(codes), at: self.at.max(now) };
    }

    /// Joins the health of two names that turn out to be one SIM: the worse of both, as far as it has not
    /// recovered since.
    #[must_use]
    pub fn joined(self, other: Self) -> Self {
        let at = self.at.max(other.at);
        let ((sends, codes), (other_sends, other_codes)) = (self.losses(at), other.losses(at));
        Self { sends: millionths(sends.max(other_sends)), codes: millionths(codes.max(other_codes)), at }
    }

    /// The part of full traffic that the SIM deserves, in thousandths: 50 to 1000.
    pub fn weight(&self, now: Steady) -> u32 {
        let (sends, codes) = self.losses(now);
        let good = (1.0 - sends) * (1.0 - codes) * 1000.0;
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "0 to 1000")]
        let weight = good.round().clamp(0.0, 1000.0) as u32;
        weight.max(LEAST)
    }

    fn losses(&self, now: Steady) -> (f64, f64) {
        if (self.sends, self.codes) == (0, 0) {
            return (0.0, 0.0);
        }
        #[allow(clippy::cast_precision_loss, reason = "an age needs no more than 52 bits")]
        let age = now.since(self.at).as_millis() as f64;
        let kept = (-age / HALF_LIFE_MS).exp2() / f64::from(MILLION);
        (f64::from(self.sends.min(MILLION)) * kept, f64::from(self.codes.min(MILLION)) * kept)
    }
}

fn millionths(loss: f64) -> u32 {
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "0 to one million")]
    let loss = (loss.clamp(0.0, 1.0) * f64::from(MILLION)) as u32;
    loss
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use proptest::prelude::*;

    use super::*;

    const START: Steady = Steady::from_millis(1_780_000_000_000);

    fn after(observations: &[(Observation, u32)]) -> u32 {
        let mut health = Health::default();
        for &(observation, times) in observations {
            for _ in 0..times {
                health.observe(observation, START);
            }
        }
        health.weight(START)
    }

    #[test]
    fn failures_weigh_more_than_unused_codes() {
        assert_eq!(after(&[]), 1000);
        assert_eq!(after(&[(Observation::Sent, 10)]), 1000);
        assert_eq!(after(&[(Observation::Failed, 1)]), 900);
        assert_eq!(after(&[(Observation::CodeUnused, 1)]), 950);
        assert_eq!(after(&[(Observation::Failed, 5)]), 590);
        assert_eq!(after(&[(Observation::Failed, 100)]), LEAST);
        assert_eq!(after(&[(Observation::CodeUnused, 4), (Observation::CodeUsed, 4)]), 941);
    }

    #[test]
    fn a_fifth_of_codes_unused_is_ordinary() {
        let mut health = Health::default();
        for round in 0..200 {
            health.observe(Observation::Sent, START);
            health
                .observe(if round % 5 == 0 { Observation::CodeUnused } else { Observation::CodeUsed }, START);
        }
        assert!(health.weight(START) > 930);
        for _ in 0..40 {
            health.observe(Observation::Sent, START);
            health.observe(Observation::CodeUnused, START);
        }
        assert!(health.weight(START) < 200, "accepted, and none is ever entered: blocked in silence");
    }

    #[test]
    fn health_recovers_with_time() {
        let mut health = Health::default();
        (0..100).for_each(|_| health.observe(Observation::Failed, START));
        assert_eq!(health.weight(START.plus(Duration::from_hours(1))), 500);
        assert!(health.weight(START.plus(Duration::from_hours(24))) > 999);
        let back = START.minus(Duration::from_hours(1));
        assert_eq!(health.weight(back), LEAST, "a clock set back heals nothing and breaks nothing");
    }

    proptest! {
        #[test]
        fn a_weight_stays_in_its_bounds_and_moves_the_right_way(
            observations in prop::collection::vec((0_u8..4, 0_u64..10_000_000), 0..100), arbitrary: [u32; 2],
        ) {
            let mut health = Health { sends: arbitrary[0], codes: arbitrary[1], at: START };
            let mut now = START;
            for (observation, pause) in observations {
                now = now.plus(Duration::from_millis(pause));
                let before = health.weight(now);
                let observation = match observation {
                    0 => Observation::Sent,
                    1 => Observation::Failed,
                    2 => Observation::CodeUsed,
                    _ => Observation::CodeUnused,
                };
                health.observe(observation, now);
                let weight = health.weight(now);
                prop_assert!((LEAST..=1000).contains(&weight));
                match observation {
                    Observation::Sent | Observation::CodeUsed => prop_assert!(weight >= before),
                    Observation::Failed | Observation::CodeUnused => prop_assert!(weight <= before),
                }
            }
        }
    }
}
