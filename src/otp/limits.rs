//! Sliding windows: at most so many in the last so long.

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

/// A text that is no rate.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a rate is a count and a span, such as \"3/10m\" or \"600/1m\"")]
pub struct NotARate;

impl FromStr for Rate {
    type Err = NotARate;

    fn from_str(text: &str) -> Result<Self, NotARate> {
        let (count, per) = text.split_once('/').ok_or(NotARate)?;
        let count = count.trim().parse().map_err(|_| NotARate)?;
        let per = humantime::parse_duration(per.trim()).map_err(|_| NotARate)?;
        if per < Duration::from_secs(1) { Err(NotARate) } else { Ok(Self { count, per }) }
    }
}

impl fmt::Display for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.count, humantime::format_duration(self.per))
    }
}

/// The events of one key (a number, a client, a prefix) that still count. Bounded: at most 64 buckets; an
/// event falls into the newest bucket while that is younger than a 60th of the longest span, and a bucket
/// counts until its *last* event is out of the span, so that a limit is never exceeded.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Window {
    /// Oldest first: when the bucket began, when it got its last event, and how many it holds.
    pub buckets: VecDeque<(Timestamp, Timestamp, u32)>,
}

/// A limit that the next event would exceed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("more than {rate}")]
pub struct LimitExceeded {
    /// The rate.
    pub rate: Rate,
    /// When the next event would pass.
    pub retry_at: Timestamp,
}

impl Window {
    /// Whether one more event at `now` keeps all `rates`.
    pub fn admit(&self, rates: &[Rate], now: Timestamp) -> Result<(), LimitExceeded> {
        for &rate in rates {
            let from = now.minus(rate.per);
            let mut count = 0_u32;
            // From the newest back: the bucket that makes the count too large is the one that must leave.
            for &(_, last, n) in self.buckets.iter().rev().filter(|&&(_, last, _)| last > from) {
                count = count.saturating_add(n);
                if count >= rate.count {
                    return Err(LimitExceeded { rate, retry_at: last.plus(rate.per) });
                }
            }
            if rate.count == 0 {
                return Err(LimitExceeded { rate, retry_at: now.plus(rate.per) });
            }
        }
        Ok(())
    }

    /// Counts an event at `now` and forgets what no rate needs.
    pub fn record(&mut self, rates: &[Rate], now: Timestamp) {
        let longest = rates.iter().map(|r| r.per).max().unwrap_or_default();
        let shortest = rates.iter().map(|r| r.per).min().unwrap_or_default();
        let from = now.minus(longest);
        while self.buckets.front().is_some_and(|&(_, last, _)| last <= from) {
            self.buckets.pop_front();
        }
        // Grain: fine against the shortest span, coarser only when the buckets would become too many.
        let grain = if self.buckets.len() < 48 { shortest / 60 } else { longest / 48 };
        match self.buckets.back_mut() {
            Some((first, last, n)) if now.since(*first) < grain || now < *last => {
                *last = (*last).max(now);
                *n = n.saturating_add(1);
            }
            _ => self.buckets.push_back((now, now, 1)),
        }
        if self.buckets.len() > 64 {
            let (first, _, n) = self.buckets.pop_front().expect("there are more than 64");
            let second = self.buckets.front_mut().expect("there are at least 64");
            *second = (first, second.1, second.2.saturating_add(n));
        }
    }
}
