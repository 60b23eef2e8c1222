//! A moment of the clock that nobody sets, told as one of the wall clock.

use std::sync::Mutex;
use std::time::{Duration, Instant};

use super::lock::locked;
use crate::clock::Timestamp;

/// The two clocks may run apart by so much before a moment is told anew: then somebody set the wall clock.
const APART: Duration = Duration::from_secs(1);

/// How the last moment was told: the same one is told the same way, as long as the wall clock is not set.
#[derive(Debug, Default)]
pub(super) struct Moment(Mutex<Option<(Instant, Timestamp)>>);

impl Moment {
    /// `moment` on the wall clock, of which `now` and `monotonic` are the present.
    pub(super) fn tell(&self, moment: Instant, now: Timestamp, monotonic: Instant) -> Timestamp {
        let computed = now.minus(monotonic.saturating_duration_since(moment));
        let mut told = locked(&self.0);
        let near = |said: Timestamp| computed.since(said) < APART && said.since(computed) < APART;
        match *told {
            Some((same, said)) if same == moment && near(said) => said,
            _ => {
                *told = Some((moment, computed));
                computed
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Clock;

    const NOON: Timestamp = Timestamp::from_millis(1_780_000_000_000);

    #[test]
    fn a_moment_is_told_the_same_way_until_the_clock_is_set() {
        let (told, seen) = (Moment::default(), Clock::system().monotonic());
        let after = |millis| seen + Duration::from_millis(millis);
        assert_eq!(told.tell(seen, NOON.plus(Duration::from_secs(60)), after(60_000)), NOON);
        assert_eq!(
            told.tell(seen, NOON.plus(Duration::from_millis(90_001)), after(90_000)),
            NOON,
            "a ms apart"
        );
        let year = Duration::from_secs(365 * 86_400);
        let set = NOON.plus(year);
        assert_eq!(
            told.tell(seen, set.plus(Duration::from_secs(100)), after(100_000)),
            set,
            "the clock was set"
        );
        assert_eq!(
            told.tell(after(2_000), set.plus(Duration::from_secs(2)), after(2_000)),
            set.plus(Duration::from_secs(2))
        );
        assert_eq!(told.tell(after(9_000), set, after(2_000)), set, "a moment to come is now");
    }
}
