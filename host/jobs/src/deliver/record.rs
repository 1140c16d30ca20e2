//! Records what came of deliveries, in batches: as results come in, many lanes in one transaction. The same transaction
//! records what the results say about the health of webhooks, up to disabling one together with its event.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use portico_core::context::Write;
use portico_core::event::{NewEvent, raise};
use portico_core::id::{DeliveryId, WebhookId};
use portico_core::ports::store::{LaneResult, WebhookChange};
use portico_core::time::UtcMs;
use portico_core::webhook::delivery::AttemptEnd;
use portico_core::webhook::{Webhook, WebhookState};
use portico_core::{Ports, Result};
use tokio::sync::mpsc;
use tokio::time::Instant;

use super::lane::PartResult;
use super::slots::{Followers, Slot};
use crate::config::DeliverConfig;
use crate::tasks::cause;
use crate::waker::LocalWaker;

/// Pauses between tries to record a batch. After the last one it is given up; its deliveries fall due again when their claims
/// end, and reach their receivers a second time under the same id.
const RETRIES: [Duration; 4] =
    [Duration::from_millis(100), Duration::from_millis(400), Duration::from_secs(2), Duration::from_secs(5)];

/// What came of a part of a lane. Recorded as a whole: if half of it were, the other half could be claimed again although its
/// requests were made.
pub(super) struct Outcome {
    /// Of each delivery that was dealt with, oldest first.
    pub(super) results: Vec<PartResult>,
    /// The next delivery, if the lane goes on.
    pub(super) goes_on_with: Option<DeliveryId>,
    /// As it was when the deliveries were claimed.
    pub(super) webhook: Arc<Webhook>,
    /// Given back when the results are recorded; the slot only when the lane ends.
    #[expect(dead_code, reason = "they are held, not read")]
    pub(super) held: (Option<Slot>, Option<Followers>),
}

/// The task that records.
pub(super) struct Recorder {
    ports: Arc<Ports>,
    waker: Arc<LocalWaker>,
    config: DeliverConfig,
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
enum HealthChange {
    Unchanged,
    Recovered,
    FailingSince(UtcMs),
    Disable(&'static str),
}

impl Recorder {
    pub(super) fn new(ports: Arc<Ports>, waker: Arc<LocalWaker>, config: DeliverConfig) -> Self {
        Self { ports, waker, config }
    }

    /// Records until nobody is left who could send an outcome.
    pub(super) async fn run(self, mut outcomes: mpsc::Receiver<Outcome>) {
        while let Some(first) = outcomes.recv().await {
            let mut count = first.results.len();
            let mut batch = vec![first];
            let until = Instant::now() + self.config.record_delay;
            while count < self.config.record_batch {
                match tokio::time::timeout_at(until, outcomes.recv()).await {
                    Ok(Some(next)) => {
                        count += next.results.len();
                        batch.push(next);
                    }
                    Ok(None) | Err(_) => break,
                }
            }
            self.record(&batch).await;
            // Slots are given back before the wake-up, so that the next claim finds them free.
            drop(batch);
            self.waker.deliver.notify_one();
        }
    }

    async fn record(&self, batch: &[Outcome]) {
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
                    "results of deliveries could not be recorded; the deliveries will be made again"
                );
                return;
            };
            tracing::warn!(error = cause(&error), "recording results of deliveries failed and is tried again");
            tokio::time::sleep(*pause).await;
        }
    }

    async fn try_record(&self, batch: &[Outcome]) -> Result<()> {
        let lanes: Vec<_> = batch.iter().map(lane_result).collect();
        let health = health_of_webhooks(batch);
        let lease = self.config.lease;
        let record = move |tx: &mut Write<'_>| {
            let lease_end = tx.now() + lease;
            tx.delivery_finish(&lanes, lease_end)?;
            let ids: Vec<_> = health.keys().cloned().collect();
            if !ids.is_empty() {
                for webhook in tx.webhook_load_many(&ids)? {
                    let health = health.get(&webhook.id).copied().unwrap_or_default();
                    apply(tx, &webhook, health)?;
                }
            }
            Ok(())
        };
        self.ports.write(record).await?;
        let results = batch.iter().flat_map(|outcome| &outcome.results);
        self.ports.outcomes.tell_deliveries(results.map(|(result, _)| &result.delivery));
        Ok(())
    }
}

fn lane_result(outcome: &Outcome) -> LaneResult {
    LaneResult {
        results: outcome.results.iter().map(|(result, _)| result.clone()).collect(),
        goes_on_with: outcome.goes_on_with.clone(),
    }
}

fn apply(tx: &mut Write<'_>, webhook: &Webhook, health: Health) -> Result<()> {
    let now = tx.now();
    match health_change(webhook, health, now, tx.limits().webhook_disable_after) {
        HealthChange::Unchanged => Ok(()),
        HealthChange::Recovered => tx.webhook_failing(&webhook.id, None),
        HealthChange::FailingSince(at) => tx.webhook_failing(&webhook.id, Some(at)),
        HealthChange::Disable(reason) => {
            let state = Some((WebhookState::Disabled, Some(reason.to_owned())));
            let change = WebhookChange { state, ..WebhookChange::default() };
            tx.webhook_change(&webhook.tenant, &webhook.id, &change)?;
            let event = NewEvent::webhook_disabled(webhook.tenant.clone(), &webhook.id, reason, now);
            raise::all(tx, &[event])?;
            tracing::warn!(webhook.id = %webhook.id, reason, "a webhook was disabled");
            Ok(())
        }
    }
}

/// What the batch says about webhooks whose health may change, which spares a query for all others.
fn health_of_webhooks(batch: &[Outcome]) -> BTreeMap<WebhookId, Health> {
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

fn health_change(webhook: &Webhook, health: Health, now: UtcMs, disable_after: Duration) -> HealthChange {
    let enabled = webhook.state == WebhookState::Enabled;
    match (health, webhook.failing_since) {
        (Health { gone: true, .. }, _) if enabled => {
            HealthChange::Disable("the endpoint answered 410: it is gone; give the webhook a new URL and enable it")
        }
        (Health { accepted: true, .. }, Some(_)) => HealthChange::Recovered,
        (Health { accepted: true, .. }, None) => HealthChange::Unchanged,
        (Health { failed_at: Some(_), .. }, Some(since)) if enabled && now.since(since) >= disable_after => {
            HealthChange::Disable("every attempt failed for too long; repair the endpoint and enable the webhook")
        }
        (Health { failed_at: Some(at), .. }, None) => HealthChange::FailingSince(at),
        _ => HealthChange::Unchanged,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing;

    const DAY: Duration = Duration::from_secs(24 * 3600);
    const FAILED: Health = Health { was_failing: false, accepted: false, gone: false, failed_at: Some(UtcMs(7)) };

    fn changed(webhook: &Webhook, health: Health, now: UtcMs) -> HealthChange {
        health_change(webhook, health, now, 5 * DAY)
    }

    #[test]
    fn a_webhook_is_disabled_only_after_days_of_nothing_but_failures() {
        let well = testing::webhook(1);
        let ill = Webhook { failing_since: Some(UtcMs(0)), ..well.clone() };
        let days = |n: u32| UtcMs(0) + DAY * n;
        assert_eq!(changed(&well, FAILED, days(9)), HealthChange::FailingSince(UtcMs(7)));
        assert_eq!(changed(&ill, FAILED, days(4)), HealthChange::Unchanged);
        assert!(matches!(changed(&ill, FAILED, days(5)), HealthChange::Disable(_)));
        let mixed = Health { accepted: true, ..FAILED };
        assert_eq!(changed(&ill, mixed, days(5)), HealthChange::Recovered);
        assert_eq!(changed(&well, mixed, days(5)), HealthChange::Unchanged);
    }

    #[test]
    fn gone_disables_at_once_and_only_once() {
        let gone = Health { gone: true, ..Health::default() };
        let webhook = testing::webhook(1);
        assert!(matches!(changed(&webhook, gone, UtcMs(1)), HealthChange::Disable(_)));
        let disabled = Webhook { state: WebhookState::Disabled, ..webhook };
        assert_eq!(changed(&disabled, gone, UtcMs(1)), HealthChange::Unchanged);
    }

    #[test]
    fn healthy_webhooks_cost_no_query() {
        let outcome = |webhook: &Arc<Webhook>, end: Option<AttemptEnd>| Outcome {
            results: vec![(testing::attempt_result(UtcMs(5)), end)],
            goes_on_with: None,
            webhook: webhook.clone(),
            held: (None, None),
        };
        let well = Arc::new(testing::webhook(1));
        let ill = Arc::new(Webhook { failing_since: Some(UtcMs(0)), ..testing::webhook(2) });
        let fine = [outcome(&well, Some(AttemptEnd::Accepted)), outcome(&well, None), outcome(&ill, None)];
        assert!(health_of_webhooks(&fine).is_empty());
        let failed = Some(AttemptEnd::Failed { retry_after: None });
        let batch = [outcome(&ill, Some(AttemptEnd::Accepted)), outcome(&well, failed)];
        assert_eq!(health_of_webhooks(&batch).len(), 2);
    }
}
