//! Removes what is old: finished deliveries, events, `Idempotency-Key`s. A bounded batch per transaction, so that nobody who
//! writes waits long.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use portico_core::time::UtcMs;
use portico_core::{Result, Services};
use tokio::sync::Notify;

use crate::config::ReapConfig;
use crate::runner::{Job, Status};

/// The pause between two batches while there is more: room for those who write.
const PAUSE: Duration = Duration::from_millis(250);

/// The task.
pub(crate) struct Reap {
    services: Arc<Services>,
    config: ReapConfig,
}

impl Reap {
    pub(crate) fn new(services: Arc<Services>, config: ReapConfig) -> Self {
        Self { services, config }
    }
}

#[async_trait]
impl Job for Reap {
    fn name(&self) -> &'static str {
        "reap"
    }

    fn nudge(&self) -> Option<&Notify> {
        None
    }

    async fn run_once(&self) -> Result<Status> {
        let ports = &self.services.ports;
        let (now, batch) = (ports.now(), self.config.batch);
        let mut tx = ports.store.write().await?;
        // Deliveries first: an event that one of them needs is kept.
        let deliveries = tx.delivery_purge(before(now, self.config.deliveries), batch).await?;
        let events = tx.event_purge(before(now, self.config.events), batch).await?;
        let keys = tx.idempotency_purge(before(now, ports.limits.idempotency_ttl)).await?;
        tx.commit().await?;
        let done = deliveries + events + keys;
        if done > 0 {
            tracing::debug!(deliveries, events, idempotency_keys = keys, "old rows were removed");
        }
        let more = deliveries.max(events) >= u64::from(batch);
        Ok(Status { done, next: if more { PAUSE } else { self.config.every } })
    }
}

fn before(now: UtcMs, span: Duration) -> UtcMs {
    UtcMs(now.0.saturating_sub(i64::try_from(span.as_millis()).unwrap_or(i64::MAX)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_span_counts_back_from_now() {
        assert_eq!(before(UtcMs(10_000), Duration::from_secs(4)), UtcMs(6_000));
        assert!(before(UtcMs(0), Duration::MAX).0 < 0);
    }
}
