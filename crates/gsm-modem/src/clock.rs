//! The only caller of `Instant::now()` in this package; the session gets the present as a parameter.

/// The monotonic present.
pub(crate) fn monotonic() -> std::time::Instant {
    std::time::Instant::now()
}
