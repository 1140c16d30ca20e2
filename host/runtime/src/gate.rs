//! Lets so many calls in at once, so many wait, and turns the rest away.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::time::timeout;

/// A semaphore with a bounded queue.
pub(crate) struct Gate {
    permits: Semaphore,
    waiting: AtomicUsize,
    waiting_max: usize,
}

/// One place in the queue, given back also when the waiting future is dropped.
struct Place<'a>(&'a AtomicUsize);

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Gate {
    pub(crate) fn new(at_once: usize, waiting_max: usize) -> Self {
        Self { permits: Semaphore::new(at_once), waiting: AtomicUsize::new(0), waiting_max }
    }

    /// A permit, at once or within `patience`; `None` when the queue is full or the patience over.
    pub(crate) async fn enter(&self, patience: Duration) -> Option<SemaphorePermit<'_>> {
        if let Ok(permit) = self.permits.try_acquire() {
            return Some(permit);
        }
        let before = self.waiting.fetch_add(1, Ordering::Relaxed);
        let _place = Place(&self.waiting);
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
    async fn the_queue_has_an_end_and_places_come_back() {
        let gate = Gate::new(1, 1);
        let patience = Duration::from_millis(5);
        let inside = gate.enter(patience).await.expect("free");
        assert!(gate.enter(patience).await.is_none(), "patience over");
        let full = Gate::new(1, 0);
        let _inside = full.enter(patience).await.expect("free");
        assert!(full.enter(Duration::from_secs(3600)).await.is_none(), "nobody may wait");
        drop(inside);
        assert!(gate.enter(patience).await.is_some());
    }
}
