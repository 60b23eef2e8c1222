//! The two clocks, read together, and what is measured by them.
//!
//! The wall clock is set by people and time servers. The steady clock is set by nobody: it goes as the time since boot
//! does, also while the daemon does not run. A wait is an instant of the steady clock, so it is never longer than it was
//! made. A life ends by whichever of the two clocks comes to its end first. A wall clock that cannot be right takes no
//! part.

use std::time::Duration;

use super::Timestamp;

/// What instants of either clock have in common: the types are apart, so that none is compared with the other's.
macro_rules! instants {
    ($($type:ident),*) => {$(
        impl $type {
            /// The instant `millis` milliseconds after the beginning of this clock's time.
            pub const fn from_millis(millis: u64) -> Self {
                Self(millis)
            }

            /// Milliseconds since the beginning of this clock's time.
            pub const fn as_millis(self) -> u64 {
                self.0
            }

            /// This instant moved `by` into the future; saturates.
            #[must_use]
            pub fn plus(self, by: Duration) -> Self {
                Self(self.0.saturating_add(u64::try_from(by.as_millis()).unwrap_or(u64::MAX)))
            }

            /// This instant moved `by` into the past; saturates at the beginning.
            #[must_use]
            pub fn minus(self, by: Duration) -> Self {
                Self(self.0.saturating_sub(u64::try_from(by.as_millis()).unwrap_or(u64::MAX)))
            }

            /// How long this instant is after `earlier`; zero when it is not after it.
            pub fn since(self, earlier: Self) -> Duration {
                Duration::from_millis(self.0.saturating_sub(earlier.0))
            }
        }
    )*};
}

instants! { Timestamp, Steady }

/// An instant of the clock that nobody sets, in milliseconds. Its numbers begin as those of the wall clock, and go on over
/// restarts and boots.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct Steady(u64);

impl Timestamp {
    /// The same number of the other clock.
    #[cfg(test)]
    pub(crate) const fn steady(self) -> Steady {
        Steady(self.0)
    }
}

/// One reading of both clocks.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Now {
    wall: Timestamp,
    steady: Steady,
    /// What the wall clock should show, when it cannot be right.
    instead: Option<Timestamp>,
}

impl Now {
    /// A reading of a wall clock that may be right.
    pub const fn new(wall: Timestamp, steady: Steady) -> Self {
        Self { wall, steady, instead: None }
    }

    /// A reading of a wall clock that cannot be right, and the least that a right one would show.
    pub const fn doubted(wall: Timestamp, steady: Steady, instead: Timestamp) -> Self {
        Self { wall, steady, instead: Some(instead) }
    }

    /// A reading of two clocks that show the same.
    pub const fn agreed(wall: Timestamp) -> Self {
        Self::new(wall, Steady(wall.0))
    }

    /// What the wall clock shows, for people.
    pub const fn wall(&self) -> Timestamp {
        self.wall
    }

    /// The instant of the clock that nobody sets.
    pub const fn steady(&self) -> Steady {
        self.steady
    }

    /// The wall clock's time for what is bound to a date: what it shows, or the least that a right one would show.
    pub fn date(&self) -> Timestamp {
        self.instead.unwrap_or(self.wall)
    }

    /// Whether the wall clock may be right.
    pub const fn is_plausible(&self) -> bool {
        self.instead.is_none()
    }

    /// An instant of the steady clock as the wall clock would show it, if nobody sets it.
    pub fn told(&self, at: Steady) -> Timestamp {
        self.wall.plus(at.since(self.steady)).minus(self.steady.since(at))
    }

    /// How far dates are ahead of the steady clock.
    pub fn ahead(&self) -> Ahead {
        Ahead(signed(self.date().0).saturating_sub(signed(self.steady.0)))
    }
}

/// How far dates are ahead of the steady clock, in milliseconds. It changes when somebody sets the wall clock.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Ahead(i64);

impl Ahead {
    /// The date of an instant.
    pub fn date(self, at: Steady) -> Timestamp {
        Timestamp(signed(at.0).saturating_add(self.0).try_into().unwrap_or_default())
    }

    /// The instant of a date, if nobody sets the wall clock until then.
    pub fn instant(self, date: Timestamp) -> Steady {
        if date.0 == u64::MAX {
            return Steady(u64::MAX);
        }
        Steady(signed(date.0).saturating_sub(self.0).try_into().unwrap_or_default())
    }

    /// How far apart two are.
    pub fn apart(self, other: Self) -> Duration {
        Duration::from_millis(self.0.abs_diff(other.0))
    }
}

fn signed(millis: u64) -> i64 {
    i64::try_from(millis).unwrap_or(i64::MAX)
}

/// How long something lives: until the first of its two ends. It is made from one reading of both clocks, and nothing
/// makes it longer.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Life {
    /// Its end as it was told.
    wall: Timestamp,
    /// The wall clock was plausible when it began: it may end this life.
    by_wall: bool,
    /// None where a date alone ends it, and where a version of this program wrote it that did not know this clock.
    steady: Option<Steady>,
}

impl Life {
    /// A life of this length that begins now.
    pub fn of(length: Duration, now: Now) -> Self {
        let by_wall = now.is_plausible();
        Self { wall: now.wall.plus(length), by_wall, steady: Some(now.steady.plus(length)) }
    }

    /// A life of this length that begins at a date to come: it is bound to that date.
    pub fn from(date: Timestamp, length: Duration) -> Self {
        Self { wall: date.plus(length), by_wall: true, steady: None }
    }

    /// Whether a date alone ends it.
    pub const fn is_dated(&self) -> bool {
        self.steady.is_none()
    }

    /// A life that ends at this instant, by clocks that show the same.
    #[cfg(test)]
    pub(crate) const fn until(end: Steady) -> Self {
        Self { wall: Timestamp(end.0), by_wall: true, steady: Some(end) }
    }

    /// What a record has of it.
    pub const fn stored(&self) -> (Timestamp, bool, Option<Steady>) {
        (self.wall, self.by_wall, self.steady)
    }

    /// The life of a record.
    pub const fn restored(wall: Timestamp, by_wall: bool, steady: Option<Steady>) -> Self {
        Self { wall, by_wall, steady }
    }

    /// Whether it is over by either clock.
    pub fn is_over(&self, now: Now) -> bool {
        self.left(now).is_zero()
    }

    /// How much of it is left; nothing when it is over.
    pub fn left(&self, now: Now) -> Duration {
        let by_wall = (self.by_wall && now.is_plausible()).then(|| self.wall.since(now.wall));
        let by_steady = self.steady.map(|end| end.since(now.steady));
        let known = [by_wall, by_steady].into_iter().flatten().min();
        known.unwrap_or_else(|| self.wall.since(now.date()))
    }

    /// When it ends if nobody sets the wall clock until then.
    pub fn ends_at(&self, now: Now) -> Steady {
        now.steady.plus(self.left(now))
    }

    /// Its end by the clock that nobody sets, under which it is found.
    pub fn place(&self) -> Steady {
        self.steady.unwrap_or(Steady(self.wall.0))
    }

    /// Its end by the clock that nobody sets, when dates are so far ahead of it.
    pub fn instant(&self, ahead: Ahead) -> Steady {
        self.steady.unwrap_or_else(|| ahead.instant(self.wall))
    }

    /// An instant as the wall clock tells it: as far from its end as it is, so that both are told the same at any time.
    pub fn told_at(&self, at: Steady, now: Now) -> Timestamp {
        match self.steady {
            Some(end) if self.by_wall => self.wall.plus(at.since(end)).minus(end.since(at)),
            _ => now.told(at),
        }
    }

    /// Its end as the wall clock tells it.
    pub fn told(&self, now: Now) -> Timestamp {
        match self.steady {
            // The clock that it was told by was wrong.
            Some(end) if !self.by_wall => now.told(end),
            _ => self.wall,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const NOON: Timestamp = Timestamp::from_millis(1_780_000_000_000);
    const LENGTH: Duration = Duration::from_secs(300);

    /// So long after noon by the steady clock, while the wall clock was set by so many seconds.
    fn after(seconds: u64, set: i64) -> Now {
        let steady = Steady(NOON.0).plus(Duration::from_secs(seconds));
        let wall = i64::try_from(steady.0).unwrap() + 1000 * set;
        Now::new(Timestamp(u64::try_from(wall).unwrap()), steady)
    }

    #[test]
    fn a_life_ends_by_the_clock_that_comes_first() {
        let life = Life::of(LENGTH, after(0, 0));
        let left = |now| life.left(now).as_secs();
        assert_eq!([0, 299, 300, 301].map(|s| left(after(s, 0))), [300, 1, 0, 0]);
        assert_eq!([299, 300].map(|s| left(after(s, -3600))), [1, 0], "set back: no longer by that");
        assert_eq!(left(after(10, 3600)), 0, "set ahead: over by the wall clock");
        assert_eq!(left(after(10, 100)), 190);
        assert_eq!(life.told(after(10, -3600)), NOON.plus(LENGTH));
        let at = Steady(NOON.0).plus(Duration::from_secs(30));
        assert_eq!(life.told_at(at, after(10, -3600)), NOON.plus(Duration::from_secs(30)));
    }

    #[test]
    fn a_wall_clock_that_cannot_be_right_takes_no_part() {
        let doubted = |seconds| {
            let steady = after(seconds, 0).steady;
            Now::doubted(Timestamp(1000 * seconds), steady, after(seconds, 0).wall)
        };
        let life = Life::of(LENGTH, doubted(0));
        assert_eq!(life.left(doubted(100)), Duration::from_secs(200));
        assert_eq!(life.told(doubted(100)), Timestamp(300_000));
        let right = after(100, 86_400);
        assert_eq!(
            life.left(right),
            Duration::from_secs(200),
            "it does not die of the clock that is set right"
        );
        assert_eq!(life.told(right), right.wall.plus(Duration::from_secs(200)));
        assert!(life.is_over(after(300, 86_400)));
        let plain = Life::of(LENGTH, after(0, 0));
        assert_eq!(plain.left(doubted(100)), Duration::from_secs(200), "nor does it live on by it");
        assert!(plain.is_over(doubted(300)));
    }

    #[test]
    fn a_life_of_an_older_version_has_the_wall_clock_alone() {
        let life = Life::restored(NOON.plus(LENGTH), true, None);
        assert!(!life.is_over(after(400, -200)) && life.is_over(after(10, 290)));
        assert_eq!(life.place(), Steady(NOON.0).plus(LENGTH));
        let doubted = Now::doubted(Timestamp(0), Steady(5), NOON);
        assert_eq!(life.left(doubted), LENGTH);
    }

    #[test]
    fn dates_and_instants_go_both_ways() {
        for set in [-86_400, -1, 0, 1, 63_072_000] {
            let now = after(7, set);
            let ahead = now.ahead();
            assert_eq!((ahead.date(now.steady), ahead.instant(now.wall)), (now.wall, now.steady));
        }
        let (one, other) = (after(7, 0).ahead(), after(9, -60).ahead());
        assert_eq!((one.apart(other), other.apart(one)), (Duration::from_secs(60), Duration::from_secs(60)));
        assert_eq!(one.instant(Timestamp(u64::MAX)), Steady(u64::MAX));
        let later = Life::from(NOON.plus(LENGTH), LENGTH);
        assert_eq!((later.left(after(0, 0)), later.is_dated()), (2 * LENGTH, true));
    }

    proptest! {
        /// However the wall clock is set, what is left never grows, and is over after its length.
        #[test]
        fn no_setting_makes_a_life_longer(
            sets in prop::collection::vec((0_u64..120, -100_000_000_i64..100_000_000), 1..20),
        ) {
            let life = Life::of(LENGTH, after(0, 0));
            let (mut passed, mut least) = (0, LENGTH);
            for (seconds, set) in sets {
                passed += seconds;
                let left = life.left(after(passed, set));
                prop_assert!(left <= LENGTH.saturating_sub(Duration::from_secs(passed)));
                least = least.min(LENGTH.saturating_sub(Duration::from_secs(passed)));
                prop_assert!(left <= least);
                prop_assert!(passed < 300 || life.is_over(after(passed, set)));
            }
        }
    }
}
