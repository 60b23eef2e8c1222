//! Time: the only caller of `now()` in the project.
//!
//! Wall-clock instants are a [`Timestamp`], milliseconds since the Unix epoch in UTC; those of the clock that nobody sets
//! are [`Steady`]. A [`Clock`] is passed down as a value, so a test moves time instead of sleeping.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use tokio::sync::{Notify, watch};

mod both;
mod set;

pub use both::{Ahead, Life, Now, Steady};

/// The variable by which the unit gives the boot's id.
const BOOT: &str = "SMSOTPD_BOOT_ID";

/// An instant of the wall clock: milliseconds since 1970-01-01T00:00:00Z.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct Timestamp(u64);

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

/// A source of time: the system's, one that a test moves, or one that runs with tokio's time.
#[derive(Clone, Debug)]
pub struct Clock(Source);

#[derive(Clone, Debug)]
enum Source {
    System,
    Manual(Arc<Manual>),
    Simulated(Arc<Simulated>),
    Database(Arc<Database>),
}

#[derive(Debug)]
struct Manual {
    /// What the wall clock shows.
    wall: AtomicU64,
    /// The time since this boot.
    since: AtomicU64,
    boots: AtomicU64,
    moved: Notify,
    sets: watch::Sender<()>,
}

/// The clock that several hosts share.
#[derive(Debug)]
struct Database {
    /// How many milliseconds it is ahead of this machine's time since boot.
    ahead: Arc<AtomicI64>,
    /// The latest that was shown.
    latest: AtomicU64,
}

#[derive(Debug)]
struct Simulated {
    began: Instant,
    /// The milliseconds that it shows, less the time since it began.
    shown: AtomicI64,
    sets: watch::Sender<()>,
}

impl Clock {
    /// The system's clock.
    pub const fn system() -> Self {
        Self(Source::System)
    }

    /// A clock that stands at `start` until [`Clock::advance`] moves it.
    pub fn manual(start: Timestamp) -> Self {
        Self(Source::Manual(Arc::new(Manual {
            wall: AtomicU64::new(start.as_millis()),
            since: AtomicU64::new(start.as_millis()),
            boots: AtomicU64::new(0),
            moved: Notify::new(),
            sets: watch::Sender::new(()),
        })))
    }

    /// A clock that shows `start` and follows tokio's time, which a simulation makes run faster.
    pub fn simulated(start: Timestamp) -> Self {
        let shown = AtomicI64::new(i64::try_from(start.as_millis()).unwrap_or(i64::MAX));
        let sets = watch::Sender::new(());
        Self(Source::Simulated(Arc::new(Simulated { began: monotonic(), shown, sets })))
    }

    /// The clock of a database, which is `ahead` milliseconds ahead of this machine's time since boot: both of its clocks are
    /// that one, so that all hosts mean the same by an instant of either.
    pub fn of_database(ahead: Arc<AtomicI64>) -> Self {
        Self(Source::Database(Arc::new(Database { ahead, latest: AtomicU64::new(0) })))
    }

    /// Sets the wall clock of a test, as a person or a time server sets the system's; that stays as it is.
    pub fn set(&self, to: Timestamp) {
        let sets = match &self.0 {
            Source::System | Source::Database(_) => return,
            Source::Manual(m) => {
                m.wall.store(to.as_millis(), Ordering::SeqCst);
                &m.sets
            }
            Source::Simulated(s) => {
                let ahead = i128::from(to.as_millis()) - i128::from(self.now().as_millis());
                s.shown.fetch_add(i64::try_from(ahead).unwrap_or_default(), Ordering::SeqCst);
                &s.sets
            }
        };
        sets.send_replace(());
    }

    /// The machine of a manual clock was off for so long, and was booted again; its wall clock went on.
    pub fn reboot(&self, off: Duration) {
        if let Source::Manual(m) = &self.0 {
            m.wall.fetch_add(millis(off), Ordering::SeqCst);
            m.since.store(0, Ordering::SeqCst);
            m.boots.fetch_add(1, Ordering::SeqCst);
        }
    }

    /// The boot that the machine is in, by a name that no other boot has; empty where the system tells none.
    pub fn boot(&self) -> String {
        match &self.0 {
            Source::System => {
                // The unit hides the file, and gives what it says.
                let id = std::fs::read_to_string("/proc/sys/kernel/random/boot_id")
                    .or_else(|_| std::env::var(BOOT))
                    .unwrap_or_default();
                id.trim().replace('-', "")
            }
            Source::Manual(m) => format!("manual{}", m.boots.load(Ordering::SeqCst)),
            Source::Simulated(_) => "simulated".to_owned(),
            // Its time goes on over the boots of every machine.
            Source::Database(_) => "database".to_owned(),
        }
    }

    /// The time since that boot, of which the machine may have slept a part. Nobody sets this clock, and it goes on
    /// while the daemon is not running.
    pub fn boot_time(&self) -> Duration {
        match &self.0 {
            Source::System => since_boot(),
            // Whoever sets the database's clock back makes this one wait, and never go back.
            Source::Database(d) => {
                let shown = d.shown();
                Duration::from_millis(d.latest.fetch_max(shown, Ordering::SeqCst).max(shown))
            }
            Source::Manual(m) => Duration::from_millis(m.since.load(Ordering::SeqCst)),
            Source::Simulated(s) => monotonic().saturating_duration_since(s.began),
        }
    }

    /// The present of a clock that is never set, for spans that a change of the wall clock must not affect.
    pub fn monotonic(&self) -> Instant {
        monotonic()
    }

    /// What the wall clock shows.
    pub fn now(&self) -> Timestamp {
        match &self.0 {
            Source::System => {
                let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
                Timestamp::from_millis(millis(since))
            }
            Source::Manual(m) => Timestamp::from_millis(m.wall.load(Ordering::SeqCst)),
            Source::Database(d) => Timestamp::from_millis(d.shown()),
            Source::Simulated(s) => {
                let run = i64::try_from(monotonic().saturating_duration_since(s.began).as_millis());
                let shown = s.shown.load(Ordering::SeqCst).saturating_add(run.unwrap_or(i64::MAX));
                Timestamp::from_millis(u64::try_from(shown).unwrap_or_default())
            }
        }
    }

    /// Lets time pass on a manual clock and wakes its sleepers; the system's clock stays as it is.
    pub fn advance(&self, by: Duration) {
        if let Source::Manual(m) = &self.0 {
            m.since.fetch_add(millis(by), Ordering::SeqCst);
            m.wall.fetch_add(millis(by), Ordering::SeqCst);
            m.moved.notify_waiters();
        }
    }

    /// Completes when the time since boot is `until` or more.
    pub async fn sleep_until(&self, until: Duration) {
        loop {
            match &self.0 {
                Source::System | Source::Simulated(_) | Source::Database(_) => {
                    let left = until.saturating_sub(self.boot_time());
                    if left.is_zero() {
                        return;
                    }
                    tokio::time::sleep(left).await;
                }
                Source::Manual(m) => {
                    let moved = m.moved.notified();
                    tokio::pin!(moved);
                    moved.as_mut().enable();
                    if self.boot_time() >= until {
                        return;
                    }
                    moved.await;
                }
            }
        }
    }

    /// Watches who sets the wall clock from now on. Nobody is told who sets the system's in a runtime without I/O.
    pub fn sets(&self) -> Sets {
        Sets(match &self.0 {
            // The kernel tells when this machine wakes as well.
            Source::System | Source::Database(_) => match set::Watch::new() {
                Ok(watch) => Kind::System(watch),
                Err(e) => {
                    tracing::warn!(error = %e, "the kernel does not tell when the clock is set: that is seen late");
                    Kind::Never
                }
            },
            Source::Manual(m) => Kind::Told(m.sets.subscribe()),
            Source::Simulated(s) => Kind::Told(s.sets.subscribe()),
        })
    }
}

/// Tells when somebody sets the wall clock, and when the machine wakes.
#[derive(Debug)]
pub struct Sets(Kind);

#[derive(Debug)]
enum Kind {
    System(set::Watch),
    Told(watch::Receiver<()>),
    Never,
}

impl Sets {
    /// Completes when it was set since the last time that this completed.
    pub async fn next(&mut self) {
        match &mut self.0 {
            Kind::System(watch) => watch.next().await,
            Kind::Told(sets) => {
                if sets.changed().await.is_err() {
                    std::future::pending::<()>().await;
                }
            }
            Kind::Never => std::future::pending().await,
        }
    }
}

impl Database {
    fn shown(&self) -> u64 {
        let here = i64::try_from(millis(since_boot())).unwrap_or(i64::MAX);
        u64::try_from(here.saturating_add(self.ahead.load(Ordering::SeqCst))).unwrap_or_default()
    }
}

fn since_boot() -> Duration {
    Duration::try_from(rustix::time::clock_gettime(rustix::time::ClockId::Boottime)).unwrap_or_default()
}

fn millis(span: Duration) -> u64 {
    u64::try_from(span.as_millis()).unwrap_or(u64::MAX)
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
        let until = clock.boot_time() + Duration::from_secs(1);
        let sleeper = tokio::spawn({
            let clock = clock.clone();
            async move { clock.sleep_until(until).await }
        });
        clock.advance(Duration::from_millis(400));
        tokio::task::yield_now().await;
        clock.set(Timestamp(1_000_000));
        tokio::task::yield_now().await;
        assert!(!sleeper.is_finished());
        clock.advance(Duration::from_millis(600));
        sleeper.await.unwrap();
        assert_eq!(clock.now(), Timestamp(1_000_600));
    }

    #[tokio::test(start_paused = true)]
    async fn a_simulated_clock_runs_with_tokio_and_can_be_set() {
        let clock = Clock::simulated(Timestamp(10_000));
        tokio::time::sleep(Duration::from_secs(5)).await;
        assert_eq!(clock.now(), Timestamp(15_000));
        let (began, mut sets) = (clock.monotonic(), clock.sets());
        let set = tokio::spawn(async move { sets.next().await });
        clock.set(Timestamp(1_000));
        clock.sleep_until(Duration::from_secs(7)).await;
        set.await.unwrap();
        assert_eq!(clock.now(), Timestamp(3_000));
        assert_eq!(clock.monotonic() - began, Duration::from_secs(2));
    }

    #[test]
    fn the_clock_of_a_database_is_both_clocks_and_its_time_since_boot_never_goes_back() {
        let ahead = Arc::new(AtomicI64::new(1_780_000_000_000));
        let clock = Clock::of_database(Arc::clone(&ahead));
        let before = clock.boot_time();
        assert!(before >= Duration::from_millis(1_780_000_000_000));
        assert!(clock.now().as_millis().abs_diff(millis(clock.boot_time())) < 1000);
        ahead.fetch_add(3_600_000, Ordering::SeqCst);
        let later = clock.boot_time();
        assert!(later >= before + Duration::from_secs(3600));
        ahead.fetch_sub(7_200_000, Ordering::SeqCst);
        assert!(clock.boot_time() >= later);
        assert!(millis(later) - clock.now().as_millis() > 3_600_000, "dates are those of the database");
        assert_eq!(clock.boot(), "database");
    }

    #[tokio::test]
    async fn nobody_sets_the_clock_of_the_system() {
        let mut sets = Clock::system().sets();
        assert!(matches!(sets.0, Kind::System(_)), "the kernel would tell");
        let set = tokio::time::timeout(Duration::from_millis(20), sets.next()).await;
        assert!(set.is_err(), "nobody did");
    }
}
