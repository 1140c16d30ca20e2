//! Removes what is old: finished deliveries, events, `Idempotency-Key`s, the audit log. Each transaction removes a bounded
//! batch, so that it does not keep other writers waiting.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use portico_core::ports::Tx;
use portico_core::time::UtcMs;
use portico_core::{Result, Services};
use tokio::sync::Notify;

use crate::config::ReapConfig;
use crate::runner::{Job, Run};

/// The pause between two batches while there is more, in which others can write.
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

    fn wakeup(&self) -> Option<&Notify> {
        None
    }

    async fn run_once(&self) -> Result<Run> {
        let ports = &self.services.ports;
        let (now, batch) = (ports.now(), self.config.batch);
        let (deliveries_before, events_before) = (before(now, self.config.deliveries), before(now, self.config.events));
        let (keys_before, audit_before) = (before(now, ports.limits.idempotency_ttl), before(now, self.config.audit));
        let purge = move |tx: &mut dyn Tx| {
            // Deliveries first: an event that one of them needs is kept.
            let deliveries = tx.delivery_purge(deliveries_before, batch)?;
            let events = tx.event_purge(events_before, batch)?;
            let audit = tx.audit_purge(audit_before, batch)?;
            Ok((deliveries, events, audit, tx.idempotency_purge(keys_before)?))
        };
        let (deliveries, events, audit, keys) = ports.store.write(purge).await?;
        let done = deliveries + events + audit + keys;
        if done > 0 {
            tracing::debug!(deliveries, events, audit, idempotency_keys = keys, "old rows were removed");
        }
        let more = deliveries.max(events).max(audit) >= u64::from(batch);
        Ok(Run { done, next: if more { PAUSE } else { self.config.every } })
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
