//! The place of a call among those that run at once. A call that waits for the host gives it back meanwhile, so that waiting
//! calls keep nobody from running.

use std::sync::Arc;
use std::time::Duration;

use portico_core::id::TenantId;

use crate::semaphore::{BoundedSemaphore, Permit};

/// A place, or the wish to have it again.
pub(crate) struct Place {
    semaphore: Arc<BoundedSemaphore>,
    tenant: Option<TenantId>,
    permit: Option<Permit>,
}

impl Place {
    /// Takes a place; `None` when too many want one.
    pub(crate) async fn take(
        semaphore: &Arc<BoundedSemaphore>,
        tenant: &Option<TenantId>,
        patience: Duration,
    ) -> Option<Self> {
        let permit = semaphore.acquire(tenant, patience).await?;
        Some(Self { semaphore: Arc::clone(semaphore), tenant: tenant.clone(), permit: Some(permit) })
    }

    /// Waits for something without holding the place, and takes it again before the guest goes on.
    pub(crate) async fn away<T>(&mut self, work: impl Future<Output = T>) -> T {
        self.permit = None;
        let result = work.await;
        self.permit = self.semaphore.acquire_again(&self.tenant).await;
        result
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_call_that_waits_keeps_nobody_from_running() {
        let semaphore = Arc::new(BoundedSemaphore::new(1, 4));
        let soon = Duration::from_millis(5);
        let mut place = Place::take(&semaphore, &None, soon).await.expect("free");
        assert!(Place::take(&semaphore, &None, soon).await.is_none());
        let other = place.away(async { Place::take(&semaphore, &None, soon).await.is_some() }).await;
        assert!(other, "the place was free meanwhile");
        assert!(Place::take(&semaphore, &None, soon).await.is_none(), "and is taken again");
    }
}
