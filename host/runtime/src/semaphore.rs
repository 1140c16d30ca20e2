//! A semaphore with a bounded queue: a limited number of calls run, a limited number wait, further ones are refused.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::time::timeout;

/// Permits for calls, and a count of those that wait for one.
pub(crate) struct BoundedSemaphore {
    permits: Semaphore,
    waiting: AtomicUsize,
    waiting_max: usize,
}

/// One entry of the queue. It is left also when the waiting future is dropped.
struct Waiting<'a>(&'a AtomicUsize);

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl BoundedSemaphore {
    pub(crate) fn new(at_once: usize, waiting_max: usize) -> Self {
        Self { permits: Semaphore::new(at_once), waiting: AtomicUsize::new(0), waiting_max }
    }

    /// Waits for a permit, at most for `patience`; `None` when the queue is full or the time over.
    pub(crate) async fn acquire(&self, patience: Duration) -> Option<SemaphorePermit<'_>> {
        if let Ok(permit) = self.permits.try_acquire() {
            return Some(permit);
        }
        let before = self.waiting.fetch_add(1, Ordering::Relaxed);
        let _waiting = Waiting(&self.waiting);
        if before >= self.waiting_max {
            return None;
        }
        timeout(patience, self.permits.acquire()).await.ok()?.ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_queue_is_bounded_and_permits_come_back() {
        let semaphore = BoundedSemaphore::new(1, 1);
        let patience = Duration::from_millis(5);
        let inside = semaphore.acquire(patience).await.expect("free");
        assert!(semaphore.acquire(patience).await.is_none(), "patience over");
        let full = BoundedSemaphore::new(1, 0);
        let _inside = full.acquire(patience).await.expect("free");
        assert!(full.acquire(Duration::from_secs(3600)).await.is_none(), "nobody may wait");
        drop(inside);
        assert!(semaphore.acquire(patience).await.is_some());
    }
}
