//! How the room locks.

use std::sync::{Mutex, MutexGuard, PoisonError};

/// Locks, also behind a thread that panicked: the values in these locks are whole at every step.
pub(super) fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
