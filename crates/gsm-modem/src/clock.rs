//! The only caller of the clock in this package; the session gets the time as a parameter.

/// The present of tokio: the real time, unless a simulation controls it.
pub(crate) fn monotonic() -> std::time::Instant {
    tokio::time::Instant::now().into_std()
}
