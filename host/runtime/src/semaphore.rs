//! A semaphore with a bounded queue: a limited number of calls run, a limited number wait, further ones are refused. One tenant
//! has at most a quarter of the permits and of the queue, so that its calls can't keep others out.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use portico_core::id::TenantId;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;

/// Shares that are kept although nobody uses them; with more of them the unused ones are forgotten.
const SHARES_KEPT: usize = 1_024;

/// Permits for calls, and counts of those that wait for one.
pub(crate) struct BoundedSemaphore {
    permits: Arc<Semaphore>,
    waiting: Arc<AtomicUsize>,
    waiting_max: usize,
    tenant_permits: usize,
    tenant_waiting_max: usize,
    shares: Mutex<HashMap<Option<TenantId>, Arc<Share>>>,
}

/// What one tenant has of the semaphore. Calls without a tenant (requests without valid credentials) share one.
struct Share {
    permits: Arc<Semaphore>,
    waiting: AtomicUsize,
}

/// Permission to run; given back when it is dropped.
pub(crate) struct Permit {
    _of_all: OwnedSemaphorePermit,
    _of_tenant: OwnedSemaphorePermit,
}

/// One entry of a queue. It is left also when the waiting future is dropped.
struct Waiting<'a>(&'a AtomicUsize);

impl<'a> Waiting<'a> {
    fn enter(count: &'a AtomicUsize, max: usize) -> Option<Self> {
        let before = count.fetch_add(1, Ordering::Relaxed);
        let entry = Self(count);
        (before < max).then_some(entry)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl BoundedSemaphore {
    pub(crate) fn new(at_once: usize, waiting_max: usize) -> Self {
        Self {
            permits: Arc::new(Semaphore::new(at_once.min(Semaphore::MAX_PERMITS))),
            waiting: Arc::default(),
            waiting_max,
            tenant_permits: at_once.div_ceil(4).min(Semaphore::MAX_PERMITS),
            tenant_waiting_max: waiting_max.div_ceil(4),
            shares: Mutex::default(),
        }
    }

    /// Waits for a permit, at most for `patience`; `None` when a queue is full or the time over.
    pub(crate) async fn acquire(&self, tenant: &Option<TenantId>, patience: Duration) -> Option<Permit> {
        let share = self.share(tenant);
        if let Some(permit) = self.try_acquire(&share) {
            return Some(permit);
        }
        let _of_tenant = Waiting::enter(&share.waiting, self.tenant_waiting_max)?;
        let _of_all = Waiting::enter(&self.waiting, self.waiting_max)?;
        timeout(patience, self.wait(&share)).await.ok()?
    }

    /// Waits for a permit as long as it takes, for a call that had one already and gave it back while it waited for something
    /// else. It stands in no queue that could be full.
    pub(crate) async fn acquire_again(&self, tenant: &Option<TenantId>) -> Option<Permit> {
        self.wait(&self.share(tenant)).await
    }

    fn try_acquire(&self, share: &Share) -> Option<Permit> {
        let of_tenant = Arc::clone(&share.permits).try_acquire_owned().ok()?;
        let of_all = Arc::clone(&self.permits).try_acquire_owned().ok()?;
        Some(Permit { _of_all: of_all, _of_tenant: of_tenant })
    }

    /// The tenant's permit first: so one tenant never has more than its share standing in the queue of all.
    async fn wait(&self, share: &Share) -> Option<Permit> {
        let of_tenant = Arc::clone(&share.permits).acquire_owned().await.ok()?;
        let of_all = Arc::clone(&self.permits).acquire_owned().await.ok()?;
        Some(Permit { _of_all: of_all, _of_tenant: of_tenant })
    }

    fn share(&self, tenant: &Option<TenantId>) -> Arc<Share> {
        let mut shares = self.shares.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(share) = shares.get(tenant) {
            return Arc::clone(share);
        }
        if shares.len() >= SHARES_KEPT {
            let all = self.tenant_permits;
            shares.retain(|_, share| Arc::strong_count(share) > 1 || share.permits.available_permits() < all);
        }
        let share =
            Arc::new(Share { permits: Arc::new(Semaphore::new(self.tenant_permits)), waiting: AtomicUsize::new(0) });
        shares.insert(tenant.clone(), Arc::clone(&share));
        share
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SOON: Duration = Duration::from_millis(5);

    fn tenant(n: u128) -> Option<TenantId> {
        Some(TenantId::new(0, n))
    }

    #[tokio::test]
    async fn the_queue_is_bounded_and_permits_come_back() {
        let semaphore = BoundedSemaphore::new(1, 1);
        let inside = semaphore.acquire(&None, SOON).await.expect("free");
        assert!(semaphore.acquire(&None, SOON).await.is_none(), "patience over");
        let full = BoundedSemaphore::new(1, 0);
        let _inside = full.acquire(&None, SOON).await.expect("free");
        assert!(full.acquire(&None, Duration::from_secs(3600)).await.is_none(), "nobody may wait");
        drop(inside);
        assert!(semaphore.acquire(&None, SOON).await.is_some());
    }

    #[tokio::test]
    async fn a_tenant_has_at_most_a_quarter_and_the_others_the_rest() {
        let semaphore = BoundedSemaphore::new(8, 8);
        let mut held = Vec::new();
        for n in 0..4 {
            for _ in 0..2 {
                held.push(semaphore.acquire(&tenant(n), SOON).await.expect("a share"));
            }
            assert!(semaphore.acquire(&tenant(n), SOON).await.is_none(), "tenant {n} has its share");
        }
        assert!(semaphore.acquire(&tenant(9), SOON).await.is_none(), "all are taken");
        held.remove(0);
        assert!(semaphore.acquire(&tenant(9), SOON).await.is_some());
    }

    #[tokio::test]
    async fn a_tenant_that_fills_its_queue_leaves_that_of_others_free() {
        let semaphore = Arc::new(BoundedSemaphore::new(4, 8));
        let _held = semaphore.acquire(&tenant(1), SOON).await.expect("a share");
        let wait = |n| {
            let semaphore = Arc::clone(&semaphore);
            tokio::spawn(async move { semaphore.acquire(&tenant(n), Duration::from_secs(60)).await.is_some() })
        };
        let waiting = [wait(1), wait(1)];
        while semaphore.waiting.load(Ordering::Relaxed) < 2 {
            tokio::task::yield_now().await;
        }
        assert!(
            semaphore.acquire(&tenant(1), Duration::from_secs(60)).await.is_none(),
            "its part of the queue is full"
        );
        assert!(semaphore.acquire(&tenant(2), SOON).await.is_some());
        waiting.iter().for_each(tokio::task::JoinHandle::abort);
    }

    #[tokio::test]
    async fn unused_shares_are_forgotten() {
        let semaphore = BoundedSemaphore::new(8, 8);
        let held = semaphore.acquire(&tenant(0), SOON).await.expect("free");
        for n in 1..3_000 {
            drop(semaphore.acquire(&tenant(n), SOON).await.expect("free"));
        }
        assert!(semaphore.shares.lock().unwrap().len() <= SHARES_KEPT + 1);
        let _second = semaphore.acquire(&tenant(0), SOON).await.expect("its second");
        assert!(semaphore.acquire(&tenant(0), SOON).await.is_none(), "what is in use is not forgotten");
        drop(held);
    }
}
