//! How long to wait before a message is tried again.

use std::time::Duration;

/// Exponential backoff that ends.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Retry {
    /// The wait after the first failure.
    pub first: Duration,
    /// Each further wait is this many times the one before.
    pub factor: f64,
    /// The longest wait.
    pub max: Duration,
    /// How many sends there are in all.
    pub attempts: u32,
}

impl Default for Retry {
    fn default() -> Self {
        Self { first: Duration::from_secs(2), factor: 2.0, max: Duration::from_secs(120), attempts: 5 }
    }
}

impl Retry {
    /// The wait after `attempts` sends, or `None` when there is to be no other send.
    pub fn after(&self, attempts: u32) -> Option<Duration> {
        (attempts < self.attempts).then(|| self.wait(attempts))
    }

    /// The wait after so many failures, without an end.
    pub fn wait(&self, failures: u32) -> Duration {
        let times = i32::try_from(failures.saturating_sub(1)).unwrap_or(i32::MAX);
        let seconds = self.first.as_secs_f64() * self.factor.powi(times);
        Duration::try_from_secs_f64(seconds).unwrap_or(self.max).min(self.max)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_the_longest_and_end() {
        let retry = Retry::default();
        let waits: Vec<_> = (1..=5).map(|n| retry.after(n).map(|d| d.as_secs())).collect();
        assert_eq!(waits, [Some(2), Some(4), Some(8), Some(16), None]);
        assert_eq!(retry.wait(5), Duration::from_secs(32));
        assert_eq!(retry.wait(u32::MAX), Duration::from_secs(120));
        let long = Retry { attempts: 100, ..retry };
        assert_eq!(long.after(50), Some(Duration::from_secs(120)));
        assert_eq!(long.after(99).unwrap(), Duration::from_secs(120));
    }
}
