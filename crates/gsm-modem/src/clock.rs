//! The only one that asks for the present in this package; the session gets it as a parameter.

/// tokio's present: the real one, unless a simulation runs its time.
pub(crate) fn monotonic() -> std::time::Instant {
    tokio::time::Instant::now().into_std()
}
