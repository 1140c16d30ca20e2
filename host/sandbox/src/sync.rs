//! Locking that ignores poisoning: the state behind these locks is valid between any two statements, so that a panic of a thread
//! that held one leaves nothing half done.

use std::sync::{Mutex, MutexGuard, PoisonError};

/// Locks, taking over the state of a thread that panicked while holding it.
pub(crate) fn held<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
