//! Sliding windows: at most a given number of events in a given span.

use std::collections::VecDeque;
use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use crate::clock::Timestamp;

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
    pub first: Timestamp,
    /// When the last event happened.
    pub last: Timestamp,
    /// How many.
    pub count: u32,
}

/// Up to this count a window keeps each event separately.
const EXACT: u32 = 60;

/// A limit that the next event would exceed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("more than {rate}")]
pub struct LimitExceeded {
    /// The rate.
    pub rate: Rate,
    /// When the next event would be allowed.
    pub retry_at: Timestamp,
}

impl Window {
    /// Counts one more event at `now`, unless that would exceed `rate`.
    pub fn count(&mut self, rate: Rate, now: Timestamp) -> Result<(), LimitExceeded> {
        let from = now.minus(rate.per);
        self.buckets.retain(|b| b.last > from);
        let mut count = 0_u32;
        // The buckets are visited from the newest back: the one that reaches the rate has to leave the span.
        for bucket in self.buckets.iter().rev() {
            count = count.saturating_add(bucket.count);
            if count >= rate.count {
                return Err(LimitExceeded { rate, retry_at: bucket.last.plus(rate.per) });
            }
        }
        let grain = if rate.count <= EXACT { Duration::ZERO } else { rate.per / 60 };
        match self.buckets.back_mut() {
            Some(newest) if now.since(newest.first) < grain => {
                newest.last = newest.last.max(now);
                newest.count += 1;
            }
            _ => self.buckets.push_back(Bucket { first: now, last: now, count: 1 }),
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

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
        let start = Timestamp::from_millis(1_000_000);
        let mut window = Window::default();
        for minute in 0..3 {
            window.count(rate, start.plus(Duration::from_secs(60 * minute))).unwrap();
        }
        let refused = window.count(rate, start.plus(Duration::from_secs(180))).unwrap_err();
        assert_eq!(refused.retry_at, start.plus(Duration::from_secs(600)));
        window.count(rate, refused.retry_at).unwrap();
        assert!(window.count(rate, refused.retry_at).is_err());
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
                match window.count(rate, Timestamp::from_millis(now)) {
                    Ok(()) => {
                        prop_assert!(recent < count as usize);
                        passed.push(now);
                    }
                    Err(e) => {
                        let with_grain = passed.iter().filter(|&&t| t + 61_000 > now).count();
                        prop_assert!(with_grain >= count as usize);
                        prop_assert!(e.retry_at.as_millis() > now);
                    }
                }
                prop_assert!(window.buckets.len() <= 62);
            }
        }
    }
}
