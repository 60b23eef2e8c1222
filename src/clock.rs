//! Time: the only caller of `now()` in the project.
//!
//! Wall-clock instants are a [`Timestamp`], milliseconds since the Unix epoch in UTC. A [`Clock`] is passed
//! down as a value, so a test moves time instead of sleeping.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use tokio::sync::Notify;

/// An instant of the wall clock: milliseconds since 1970-01-01T00:00:00Z.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct Timestamp(u64);

impl Timestamp {
    /// The instant `millis` milliseconds after the Unix epoch.
    pub const fn from_millis(millis: u64) -> Self {
        Self(millis)
    }

    /// Milliseconds since the Unix epoch.
    pub const fn as_millis(self) -> u64 {
        self.0
    }

    /// This instant moved `by` into the future; saturates.
    #[must_use]
    pub fn plus(self, by: Duration) -> Self {
        Self(self.0.saturating_add(u64::try_from(by.as_millis()).unwrap_or(u64::MAX)))
    }

    /// This instant moved `by` into the past; saturates at the epoch.
    #[must_use]
    pub fn minus(self, by: Duration) -> Self {
        Self(self.0.saturating_sub(u64::try_from(by.as_millis()).unwrap_or(u64::MAX)))
    }

    /// How long this instant is after `earlier`; zero when it is not after it.
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_millis(self.0.saturating_sub(earlier.0))
    }
}

/// RFC 3339 in UTC with `Z`, to the millisecond: `2026-11-22T10:00:00.000Z`.
impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let millis = i64::try_from(self.0).unwrap_or(i64::MAX);
        match jiff::Timestamp::from_millisecond(millis) {
            Ok(t) => write!(f, "{t:.3}"),
            Err(_) => f.write_str("9999-12-31T23:59:59.999Z"),
        }
    }
}

/// A text that is not an RFC 3339 instant after 1970.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("not an RFC 3339 time after 1970, such as 2026-11-22T10:00:00Z")]
pub struct NotATimestamp;

impl FromStr for Timestamp {
    type Err = NotATimestamp;

    fn from_str(text: &str) -> Result<Self, NotATimestamp> {
        let t: jiff::Timestamp = text.parse().map_err(|_| NotATimestamp)?;
        u64::try_from(t.as_millisecond()).map(Self).map_err(|_| NotATimestamp)
    }
}

/// A source of wall-clock time: the system's, one that a test moves, or one that runs with tokio's time.
#[derive(Clone, Debug)]
pub struct Clock(Source);

#[derive(Clone, Debug)]
enum Source {
    System,
    Manual(Arc<Manual>),
    Simulated(Arc<Simulated>),
}

#[derive(Debug)]
struct Manual {
    millis: AtomicU64,
    moved: Notify,
}

#[derive(Debug)]
struct Simulated {
    began: Instant,
    /// The milliseconds that it shows, less the time since it began.
    shown: AtomicI64,
}

impl Clock {
    /// The system's clock.
    pub const fn system() -> Self {
        Self(Source::System)
    }

    /// A clock that stands at `start` until [`Clock::advance`] moves it.
    pub fn manual(start: Timestamp) -> Self {
        Self(Source::Manual(Arc::new(Manual { millis: AtomicU64::new(start.0), moved: Notify::new() })))
    }

    /// A clock that shows `start` and follows tokio's time, which a simulation makes run faster.
    pub fn simulated(start: Timestamp) -> Self {
        let shown = AtomicI64::new(i64::try_from(start.0).unwrap_or(i64::MAX));
        Self(Source::Simulated(Arc::new(Simulated { began: monotonic(), shown })))
    }

    /// Sets a simulated clock, as a person or a time server sets the system's: no sleeper is woken.
    pub fn set(&self, to: Timestamp) {
        if let Source::Simulated(s) = &self.0 {
            let ahead = i128::from(to.0) - i128::from(self.now().0);
            s.shown.fetch_add(i64::try_from(ahead).unwrap_or_default(), Ordering::SeqCst);
        }
    }

    /// The boot that the machine is in, by a name that no other boot has; empty where the system tells none.
    pub fn boot(&self) -> String {
        match &self.0 {
            Source::System => {
                let id = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
                id.trim().to_owned()
            }
            Source::Manual(_) | Source::Simulated(_) => "simulated".to_owned(),
        }
    }

    /// The time since that boot, of which the machine may have slept a part. Nobody sets this clock, and it goes on
    /// while the daemon is not running.
    pub fn boot_time(&self) -> Duration {
        match &self.0 {
            Source::System => {
                let since = rustix::time::clock_gettime(rustix::time::ClockId::Boottime);
                Duration::try_from(since).unwrap_or_default()
            }
            Source::Manual(m) => Duration::from_millis(m.millis.load(Ordering::SeqCst)),
            Source::Simulated(s) => monotonic().saturating_duration_since(s.began),
        }
    }

    /// The present of a clock that is never set, for spans that a change of the wall clock must not affect.
    pub fn monotonic(&self) -> Instant {
        monotonic()
    }

    /// The present.
    pub fn now(&self) -> Timestamp {
        match &self.0 {
            Source::System => {
                let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
                Timestamp(u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
            }
            Source::Manual(m) => Timestamp(m.millis.load(Ordering::SeqCst)),
            Source::Simulated(s) => {
                let run = i64::try_from(monotonic().saturating_duration_since(s.began).as_millis());
                let shown = s.shown.load(Ordering::SeqCst).saturating_add(run.unwrap_or(i64::MAX));
                Timestamp(u64::try_from(shown).unwrap_or_default())
            }
        }
    }

    /// Moves a manual clock forward and wakes its sleepers; the system's clock stays as it is.
    pub fn advance(&self, by: Duration) {
        if let Source::Manual(m) = &self.0 {
            m.millis.fetch_add(u64::try_from(by.as_millis()).unwrap_or(u64::MAX), Ordering::SeqCst);
            m.moved.notify_waiters();
        }
    }

    /// Completes when the present is `at` or later.
    pub async fn sleep_until(&self, at: Timestamp) {
        loop {
            match &self.0 {
                Source::System | Source::Simulated(_) => {
                    let left = at.since(self.now());
                    if left.is_zero() {
                        return;
                    }
                    tokio::time::sleep(left).await;
                }
                Source::Manual(m) => {
                    let moved = m.moved.notified();
                    tokio::pin!(moved);
                    moved.as_mut().enable();
                    if self.now() >= at {
                        return;
                    }
                    moved.await;
                }
            }
        }
    }
}

/// The present of tokio: the real time, unless a simulation controls it.
fn monotonic() -> Instant {
    tokio::time::Instant::now().into_std()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rfc_3339_both_ways() {
        let t: Timestamp = "2026-11-22T10:00:00Z".parse().unwrap();
        assert_eq!(t.to_string(), "2026-11-22T10:00:00.000Z");
        assert_eq!(
            "2026-11-22T11:00:00.5+01:00".parse::<Timestamp>().unwrap(),
            t.plus(Duration::from_millis(500))
        );
        assert_eq!("yesterday".parse::<Timestamp>(), Err(NotATimestamp));
        assert_eq!("1969-12-31T23:59:59Z".parse::<Timestamp>(), Err(NotATimestamp));
        assert!(Timestamp(u64::MAX).to_string().starts_with("9999"));
    }

    #[tokio::test]
    async fn a_manual_clock_wakes_its_sleepers() {
        let clock = Clock::manual(Timestamp(1000));
        let sleeper = tokio::spawn({
            let clock = clock.clone();
            async move { clock.sleep_until(Timestamp(2000)).await }
        });
        clock.advance(Duration::from_millis(400));
        tokio::task::yield_now().await;
        assert!(!sleeper.is_finished());
        clock.advance(Duration::from_millis(600));
        sleeper.await.unwrap();
    }

    #[tokio::test(start_paused = true)]
    async fn a_simulated_clock_runs_with_tokio_and_can_be_set() {
        let clock = Clock::simulated(Timestamp(10_000));
        tokio::time::sleep(Duration::from_secs(5)).await;
        assert_eq!(clock.now(), Timestamp(15_000));
        let began = clock.monotonic();
        clock.set(Timestamp(1_000));
        clock.sleep_until(Timestamp(3_000)).await;
        assert_eq!(clock.now(), Timestamp(3_000));
        assert_eq!(clock.monotonic() - began, Duration::from_secs(2));
    }
}
