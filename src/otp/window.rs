//! Sliding windows: at most a given number of events in a given span.

use std::collections::VecDeque;
use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use crate::clock::Steady;

/// At most `count` in any span of `per`: `"3/10m"`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rate {
    /// How many.
    pub count: u32,
    /// In how long.
    pub per: Duration,
}

/// A text that is not a rate.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a rate is a count and a span, such as \"3/10m\" or \"600/1m\"")]
pub struct NotARate;

impl FromStr for Rate {
    type Err = NotARate;

    fn from_str(text: &str) -> Result<Self, NotARate> {
        let (count, per) = text.split_once('/').ok_or(NotARate)?;
        let count = count.trim().parse().map_err(|_| NotARate)?;
        let per = humantime::parse_duration(per.trim()).map_err(|_| NotARate)?;
        if per < Duration::from_secs(1) || count == 0 { Err(NotARate) } else { Ok(Self { count, per }) }
    }
}

impl fmt::Display for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.count, humantime::format_duration(self.per))
    }
}

/// The events of one key (a number, a client, a prefix) that still count against one rate.
///
/// A small rate keeps each event separately. A large one keeps at most 61 buckets of a 60th of the span each;
/// a bucket counts until its *last* event has left the span, so that the rate is never exceeded.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Window {
    /// Oldest first.
    pub buckets: VecDeque<Bucket>,
}

/// Events that count together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bucket {
    /// When the first event happened.
    pub first: Steady,
    /// When the last event happened.
    pub last: Steady,
    /// How many.
    pub count: u32,
}

/// Up to this count a window keeps each event separately.
const EXACT: u32 = 60;

/// How a window stands against its rate at one moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Standing {
    /// How many events count.
    pub used: u32,
    /// When the window has room for one more event; none: it has room now.
    pub retry_at: Option<Steady>,
    /// When fewer count so that it matters: when a full window has room, else when the oldest event leaves.
    pub resets_at: Steady,
}

impl Window {
    /// How the window stands at `now`; nothing is counted. What would be counted in the future is not.
    pub fn standing(&self, rate: Rate, now: Steady) -> Standing {
        let from = now.minus(rate.per);
        let (mut used, mut retry_at, mut resets_at) = (0_u32, None, now);
        // The buckets are visited from the newest back: the one that reaches the rate has to leave the span.
        for bucket in self.buckets.iter().rev().filter(|b| b.last > from && b.last <= now) {
            used = used.saturating_add(bucket.count);
            resets_at = bucket.last.plus(rate.per);
            if used >= rate.count {
                retry_at.get_or_insert(resets_at);
            }
        }
        Standing { used, retry_at, resets_at: retry_at.unwrap_or(resets_at) }
    }

    /// Counts one more event at `now`, for which the window has room.
    pub fn add(&mut self, rate: Rate, now: Steady) {
        let from = now.minus(rate.per);
        self.buckets.retain(|b| b.last > from && b.last <= now);
        let grain = if rate.count <= EXACT { Duration::ZERO } else { rate.per / 60 };
        match self.buckets.back_mut() {
            Some(newest) if now.since(newest.first) < grain => {
                newest.last = newest.last.max(now);
                newest.count += 1;
            }
            _ => self.buckets.push_back(Bucket { first: now, last: now, count: 1 }),
        }
    }

    /// Takes back so many events, the first of which was counted at `at`: from the bucket of that time, then from those
    /// that follow. Nothing is taken from older ones.
    pub fn take_back(&mut self, at: Steady, mut count: u32) {
        // Whoever remembers the time did so by another clock.
        let at = at.plus(Duration::from_secs(1));
        let Some(begin) = self.buckets.iter().rposition(|b| b.first <= at) else { return };
        for bucket in self.buckets.iter_mut().skip(begin) {
            let taken = count.min(bucket.count);
            bucket.count -= taken;
            count -= taken;
        }
        self.buckets.retain(|b| b.count > 0);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Counts one more event, or says when there is room for it.
    fn count_one(window: &mut Window, rate: Rate, now: Steady) -> Result<(), Steady> {
        if let Some(retry_at) = window.standing(rate, now).retry_at {
            return Err(retry_at);
        }
        window.add(rate, now);
        Ok(())
    }

    #[test]
    fn rates_as_people_write_them() {
        assert_eq!("3/10m".parse(), Ok(Rate { count: 3, per: Duration::from_secs(600) }));
        assert_eq!("10/1d".parse::<Rate>().unwrap().to_string(), "10/1day");
        for bad in ["", "3", "3/", "/10m", "x/1m", "-1/1m", "3/0s", "3/10", "0/1m"] {
            assert_eq!(bad.parse::<Rate>(), Err(NotARate), "{bad}");
        }
    }

    #[test]
    fn the_fourth_waits_until_the_first_has_left() {
        let rate = Rate { count: 3, per: Duration::from_secs(600) };
        let start = Steady::from_millis(1_000_000);
        let mut window = Window::default();
        let empty = Standing { used: 0, retry_at: None, resets_at: start };
        assert_eq!(window.standing(rate, start), empty);
        for minute in 0..3 {
            count_one(&mut window, rate, start.plus(Duration::from_secs(60 * minute))).unwrap();
        }
        let retry_at = count_one(&mut window, rate, start.plus(Duration::from_secs(180))).unwrap_err();
        assert_eq!(retry_at, start.plus(Duration::from_secs(600)));
        count_one(&mut window, rate, retry_at).unwrap();
        let fifth = count_one(&mut window, rate, retry_at).unwrap_err();
        assert_eq!(fifth, start.plus(Duration::from_secs(660)));
    }

    /// As after a reload that lowered the rate.
    #[test]
    fn a_window_with_more_than_its_rate_has_room_when_enough_have_left() {
        let (five, two) = ("5/10m".parse::<Rate>().unwrap(), "2/10m".parse::<Rate>().unwrap());
        let at = |minute: u64| Steady::from_millis(1_000_000).plus(Duration::from_secs(60 * minute));
        let mut window = Window::default();
        (0..4).for_each(|minute| window.add(five, at(minute)));
        let full = |used, at| Standing { used, retry_at: Some(at), resets_at: at };
        assert_eq!(window.standing(two, at(4)), full(4, at(12)), "the third of the four has to leave");
        assert_eq!(window.standing(five, at(4)), Standing { used: 4, retry_at: None, resets_at: at(10) });
        assert_eq!(window.standing(two, at(12)), Standing { used: 1, retry_at: None, resets_at: at(13) });
    }

    proptest! {
        /// Compared with a plain list of every event: never more in any span, never a refusal that outlasts
        /// the span by more than one bucket, and bounded.
        #[test]
        fn a_rate_is_never_exceeded(
            count in 1_u32..200,
            gaps in prop::collection::vec(0_u64..5_000, 1..600),
        ) {
            let rate = Rate { count, per: Duration::from_secs(60) };
            let mut window = Window::default();
            let mut passed: Vec<u64> = Vec::new();
            let mut now = 1_000_000_u64;
            for gap in gaps {
                now += gap;
                let recent = passed.iter().filter(|&&t| t + 60_000 > now).count();
                let used = window.standing(rate, Steady::from_millis(now)).used;
                prop_assert!(used as usize >= recent && used <= count);
                match count_one(&mut window, rate, Steady::from_millis(now)) {
                    Ok(()) => {
                        prop_assert!(recent < count as usize);
                        passed.push(now);
                    }
                    Err(retry_at) => {
                        let with_grain = passed.iter().filter(|&&t| t + 61_000 > now).count();
                        prop_assert!(with_grain >= count as usize);
                        prop_assert!(retry_at.as_millis() > now);
                    }
                }
                prop_assert!(window.buckets.len() <= 62);
            }
        }
    }
}
