//! The only caller of `now()` in this package.

use std::time::{Instant, SystemTime};

use jiff::Timestamp;

/// The monotonic present, for air times and delays. Inside a runtime it is the runtime's, whose clock may be
/// paused; outside it is the system's.
pub(crate) fn monotonic() -> Instant {
    tokio::time::Instant::now().into_std()
}

/// A wall clock for the time stamps of the service centre.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) enum WallClock {
    /// The system's clock.
    #[default]
    System,
    /// A clock that showed this time at this instant, and has followed the monotonic clock since.
    Set(Timestamp, Instant),
}

impl WallClock {
    /// A clock that shows this time now. A time that no calendar has becomes the end of the calendar.
    pub(crate) fn set(now: SystemTime) -> Self {
        Self::Set(Timestamp::try_from(now).unwrap_or(Timestamp::MAX), monotonic())
    }

    /// The time that the clock shows.
    pub(crate) fn now(self) -> Timestamp {
        match self {
            Self::System => Timestamp::now(),
            Self::Set(shown, at) => {
                shown.saturating_add(monotonic().saturating_duration_since(at)).unwrap_or(Timestamp::MAX)
            }
        }
    }
}
