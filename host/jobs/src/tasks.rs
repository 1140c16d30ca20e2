//! The spawned work of this crate: counted, told to stop, and cut off if it does not.

use std::future::Future;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// Shared by all tasks.
#[derive(Clone, Default)]
pub(crate) struct Tasks {
    tracker: TaskTracker,
    stop: CancellationToken,
    kill: CancellationToken,
}

impl Tasks {
    /// Runs `work` until it is done or cut off.
    pub(crate) fn spawn(&self, work: impl Future<Output = ()> + Send + 'static) {
        let kill = self.kill.clone();
        self.tracker.spawn(async move {
            kill.run_until_cancelled_owned(work).await;
        });
    }

    /// Says when nothing new may be begun.
    pub(crate) fn stopping(&self) -> CancellationToken {
        self.stop.clone()
    }

    /// Tells everything to stop and waits; `false` when something still runs after `grace`.
    pub(crate) async fn end(&self, grace: Duration) -> bool {
        self.stop.cancel();
        self.tracker.close();
        tokio::time::timeout(grace, self.tracker.wait()).await.is_ok()
    }

    /// Cuts off whatever still runs.
    pub(crate) async fn abort(&self, wait: Duration) {
        self.kill.cancel();
        if tokio::time::timeout(wait, self.tracker.wait()).await.is_err() {
            tracing::warn!("some background work does not let itself be cut off");
        }
    }
}

/// Locks; a panic of another holder does not matter for the plain tables of this crate.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// An error with its chain of causes, as a log field takes it.
pub(crate) fn cause(error: &portico_core::Error) -> &(dyn std::error::Error + 'static) {
    error
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn work_is_waited_for_and_then_cut_off() {
        let tasks = Tasks::default();
        let stopping = tasks.stopping();
        tasks.spawn(async move { stopping.cancelled().await });
        assert!(tasks.end(Duration::from_secs(5)).await);

        let stubborn = Tasks::default();
        stubborn.spawn(std::future::pending());
        assert!(!stubborn.end(Duration::from_millis(1)).await);
        stubborn.abort(Duration::from_secs(5)).await;
        assert!(stubborn.tracker.is_empty());
    }
}
