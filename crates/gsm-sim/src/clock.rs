//! The only caller of `now()` in this package.

/// The monotonic present, for air times and delays.
pub(crate) fn monotonic() -> std::time::Instant {
    std::time::Instant::now()
}

/// The present of the wall clock, for the stamps of the service centre.
pub(crate) fn wall() -> jiff::Timestamp {
    jiff::Timestamp::now()
}
