//! Records what came of deliveries: small batches, one transaction each, as results come in. With them goes what they say
//! about a webhook's health, up to disabling it together with its event.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use portico_core::event::NewEvent;
use portico_core::id::WebhookId;
use portico_core::ports::store::{AttemptResult, WebhookChange};
use portico_core::ports::{Tx, Waker};
use portico_core::time::UtcMs;
use portico_core::webhook::delivery::AttemptEnd;
use portico_core::webhook::{Webhook, WebhookState};
use portico_core::{Ports, Result};
use tokio::sync::mpsc;
use tokio::time::Instant;

use super::places::Place;
use crate::tasks::cause;
use crate::waker::LocalWaker;

/// With this many results a transaction is full; the run that fills it is recorded whole.
const BATCH: usize = 128;
/// How long a result waits for company.
const LINGER: Duration = Duration::from_millis(5);
/// What a request needs of the lease beside its own time, so that its result is recorded while the claim still holds.
pub(super) const MARGIN: Duration = Duration::from_secs(20);
/// Pauses between tries to record a batch; then it is given up, and its deliveries fall due again with their leases.
const RETRIES: [Duration; 4] =
    [Duration::from_millis(100), Duration::from_millis(400), Duration::from_secs(2), Duration::from_secs(5)];

/// What came of a run. Recorded as a whole: half of it would make the other half claimable while it was made already.
pub(super) struct Settled {
    /// Of each delivery that was dealt with, in order, with how its request ended; `None`: none was made.
    pub(super) results: Vec<(AttemptResult, Option<AttemptEnd>)>,
    /// As it was when the delivery was claimed.
    pub(super) webhook: Arc<Webhook>,
    /// Held until the results are recorded.
    #[expect(dead_code, reason = "dropping it is what it is for")]
    pub(super) places: Vec<Place>,
}

/// The recording part of the task.
pub(super) struct Settler {
    ports: Arc<Ports>,
    waker: Arc<LocalWaker>,
}

/// What requests said about a webhook.
#[derive(Clone, Copy, Debug, Default)]
struct Health {
    /// When the deliveries were claimed.
    was_failing: bool,
    accepted: bool,
    gone: bool,
    failed_at: Option<UtcMs>,
}

/// What becomes of a webhook.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verdict {
    Unchanged,
    Recovered,
    FailingSince(UtcMs),
    Disable(&'static str),
}

impl Settler {
    pub(super) fn new(ports: Arc<Ports>, waker: Arc<LocalWaker>) -> Self {
        Self { ports, waker }
    }

    /// Records until nobody is left who could hand anything over.
    pub(super) async fn run(self, mut results: mpsc::Receiver<Settled>) {
        while let Some(first) = results.recv().await {
            let mut count = first.results.len();
            let mut batch = vec![first];
            let until = Instant::now() + LINGER;
            while count < BATCH {
                match tokio::time::timeout_at(until, results.recv()).await {
                    Ok(Some(next)) => {
                        count += next.results.len();
                        batch.push(next);
                    }
                    Ok(None) | Err(_) => break,
                }
            }
            self.record(&batch).await;
            // Gives the places back before the nudge.
            drop(batch);
            self.waker.deliver.notify_one();
        }
    }

    async fn record(&self, batch: &[Settled]) {
        for pause in RETRIES.iter().map(Some).chain([None]) {
            let error = match self.try_record(batch).await {
                Ok(()) => return,
                Err(error) => error,
            };
            let Some(pause) = pause else {
                let deliveries: usize = batch.iter().map(|s| s.results.len()).sum();
                tracing::error!(
                    error = cause(&error),
                    deliveries,
                    "results of deliveries could not be recorded; they will be made again"
                );
                return;
            };
            tracing::warn!(error = cause(&error), "recording results of deliveries failed and is tried again");
            tokio::time::sleep(*pause).await;
        }
    }

    async fn try_record(&self, batch: &[Settled]) -> Result<()> {
        let results: Vec<_> = batch.iter().flat_map(|s| &s.results).map(|(result, _)| result.clone()).collect();
        let health = healths(batch);
        let ids: Vec<_> = health.keys().cloned().collect();
        let mut raised = false;
        let mut tx = self.ports.store.write().await?;
        tx.delivery_finish(&results).await?;
        if !ids.is_empty() {
            for webhook in tx.webhook_load_many(&ids).await? {
                let health = health.get(&webhook.id).copied().unwrap_or_default();
                raised |= self.apply(&mut *tx, &webhook, health).await?;
            }
        }
        tx.commit().await?;
        if raised {
            self.waker.events_stored();
        }
        Ok(())
    }

    /// Says whether an event was raised.
    async fn apply(&self, tx: &mut dyn Tx, webhook: &Webhook, health: Health) -> Result<bool> {
        let now = self.ports.now();
        match verdict(webhook, health, now, self.ports.limits.webhook_disable_after) {
            Verdict::Unchanged => Ok(false),
            Verdict::Recovered => tx.webhook_failing(&webhook.id, None).await.map(|()| false),
            Verdict::FailingSince(at) => tx.webhook_failing(&webhook.id, Some(at)).await.map(|()| false),
            Verdict::Disable(reason) => {
                let state = Some((WebhookState::Disabled, Some(reason.to_owned())));
                let change = WebhookChange { state, ..WebhookChange::default() };
                tx.webhook_change(&webhook.tenant, &webhook.id, &change).await?;
                let event = NewEvent::webhook_disabled(webhook.tenant.clone(), &webhook.id, reason, now);
                tx.event_raise(&[event]).await?;
                tracing::warn!(webhook.id = %webhook.id, reason, "a webhook was disabled");
                Ok(true)
            }
        }
    }
}

/// What the batch says about webhooks, leaving out those that did well and were well.
fn healths(batch: &[Settled]) -> BTreeMap<WebhookId, Health> {
    let mut healths: BTreeMap<_, Health> = BTreeMap::new();
    for (webhook, (result, end)) in batch.iter().flat_map(|s| s.results.iter().map(|r| (&s.webhook, r))) {
        let Some(end) = end else { continue };
        let health = healths.entry(webhook.id.clone()).or_default();
        health.was_failing |= webhook.failing_since.is_some();
        match end {
            AttemptEnd::Accepted => health.accepted = true,
            AttemptEnd::Gone => health.gone = true,
            AttemptEnd::Failed { .. } => {
                let at = result.at;
                health.failed_at = Some(health.failed_at.map_or(at, |first| first.min(at)));
            }
        }
    }
    healths.retain(|_, h| h.was_failing || h.gone || h.failed_at.is_some());
    healths
}

fn verdict(webhook: &Webhook, health: Health, now: UtcMs, disable_after: Duration) -> Verdict {
    let enabled = webhook.state == WebhookState::Enabled;
    match (health, webhook.failing_since) {
        (Health { gone: true, .. }, _) if enabled => {
            Verdict::Disable("the endpoint answered 410: it is gone; give the webhook a new URL and enable it")
        }
        (Health { accepted: true, .. }, Some(_)) => Verdict::Recovered,
        (Health { accepted: true, .. }, None) => Verdict::Unchanged,
        (Health { failed_at: Some(_), .. }, Some(since)) if enabled && now.since(since) >= disable_after => {
            Verdict::Disable("every attempt failed for too long; repair the endpoint and enable the webhook")
        }
        (Health { failed_at: Some(at), .. }, None) => Verdict::FailingSince(at),
        _ => Verdict::Unchanged,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing;

    const DAY: Duration = Duration::from_secs(24 * 3600);
    const FAILED: Health = Health { was_failing: false, accepted: false, gone: false, failed_at: Some(UtcMs(7)) };

    fn judged(webhook: &Webhook, health: Health, now: UtcMs) -> Verdict {
        verdict(webhook, health, now, 5 * DAY)
    }

    #[test]
    fn a_webhook_is_disabled_only_after_days_of_nothing_but_failures() {
        let well = testing::webhook(1);
        let ill = Webhook { failing_since: Some(UtcMs(0)), ..well.clone() };
        let days = |n: u32| UtcMs(0) + DAY * n;
        assert_eq!(judged(&well, FAILED, days(9)), Verdict::FailingSince(UtcMs(7)));
        assert_eq!(judged(&ill, FAILED, days(4)), Verdict::Unchanged);
        assert!(matches!(judged(&ill, FAILED, days(5)), Verdict::Disable(_)));
        let mixed = Health { accepted: true, ..FAILED };
        assert_eq!(judged(&ill, mixed, days(5)), Verdict::Recovered);
        assert_eq!(judged(&well, mixed, days(5)), Verdict::Unchanged);
    }

    #[test]
    fn gone_disables_at_once_and_only_once() {
        let gone = Health { gone: true, ..Health::default() };
        let webhook = testing::webhook(1);
        assert!(matches!(judged(&webhook, gone, UtcMs(1)), Verdict::Disable(_)));
        let disabled = Webhook { state: WebhookState::Disabled, ..webhook };
        assert_eq!(judged(&disabled, gone, UtcMs(1)), Verdict::Unchanged);
    }

    #[test]
    fn healthy_webhooks_cost_no_query() {
        let settled = |webhook: &Arc<Webhook>, end: Option<AttemptEnd>| Settled {
            results: vec![(testing::attempt_result(UtcMs(5)), end)],
            webhook: webhook.clone(),
            places: Vec::new(),
        };
        let well = Arc::new(testing::webhook(1));
        let ill = Arc::new(Webhook { failing_since: Some(UtcMs(0)), ..testing::webhook(2) });
        let fine = [settled(&well, Some(AttemptEnd::Accepted)), settled(&well, None), settled(&ill, None)];
        assert!(healths(&fine).is_empty());
        let failed = Some(AttemptEnd::Failed { retry_after: None });
        let batch = [settled(&ill, Some(AttemptEnd::Accepted)), settled(&well, failed)];
        assert_eq!(healths(&batch).len(), 2);
    }
}
