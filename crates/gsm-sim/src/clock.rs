//! The only caller of `now()` in this package.

use std::time::{Instant, SystemTime};

use jiff::Timestamp;

/// The monotonic present, for air times and delays: that of the runtime, whose clock may be paused, and outside
/// of one that of the system.
pub(crate) fn monotonic() -> Instant {
    tokio::time::Instant::now().into_std()
}

/// A wall clock, for the stamps of the service centre.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) enum WallClock {
    /// The system's.
    #[default]
    System,
    /// One that showed a time at an instant and has gone with the monotonic clock since.
    Set(Timestamp, Instant),
}

impl WallClock {
    /// A clock that shows this time now; one that no calendar has is the end of the calendar.
    pub(crate) fn set(now: SystemTime) -> Self {
        Self::Set(Timestamp::try_from(now).unwrap_or(Timestamp::MAX), monotonic())
    }

    /// What it shows.
    pub(crate) fn now(self) -> Timestamp {
        match self {
            Self::System => Timestamp::now(),
            Self::Set(shown, at) => {
                shown.saturating_add(monotonic().saturating_duration_since(at)).unwrap_or(Timestamp::MAX)
            }
        }
    }
}
