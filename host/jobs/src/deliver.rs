//! Takes events to webhooks: claims what is due, has it shaped, signs it, posts it, and records what came of it.
//!
//! A run claims one batch and hands it over; requests go on while the next batch is claimed. The claim gives one
//! delivery of a lane at a time; what waits behind it may come along and is made after it. So order holds whatever the requests do.
//! Nothing is lost when the process dies: a claim is a lease, and what was claimed falls due again. The promise is at least
//! once, with the event's id.

mod lane;
mod parts;
mod places;
mod post;
mod request;
mod settle;

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use portico_core::event::EventKind;
use portico_core::id::WebhookId;
use portico_core::ports::store::AttemptResult;
use portico_core::time::UtcMs;
use portico_core::webhook::{Claimed, DeliveryState, Webhook, WebhookState};
use portico_core::{Result, Services};
use tokio::sync::{Notify, mpsc};
use tokio::time::Instant;

use crate::config::DeliverConfig;
use crate::runner::{Job, Status};
use crate::tasks::Tasks;
use crate::waker::LocalWaker;
use lane::Run;
use places::Places;
use post::Poster;
use settle::{Settled, Settler};

/// The longest sleep.
const IDLE: Duration = Duration::from_secs(60);
/// Nudges that come this close together lead to one look.
const GAP: Duration = Duration::from_millis(5);
/// What a webhook has no place for is put back for this long; it then competes again.
const DEFER: Duration = Duration::from_millis(250);
/// The same for a webhook that fails, so that its backlog doesn't keep the task busy.
const DEFER_FAILING: Duration = Duration::from_secs(15);
/// The pause after a batch that found no places, or that somebody else was faster to claim.
const CROWDED: Duration = Duration::from_millis(200);

/// The task.
pub(crate) struct Deliver {
    services: Arc<Services>,
    waker: Arc<LocalWaker>,
    tasks: Tasks,
    config: DeliverConfig,
    places: Places,
    poster: Arc<Poster>,
    settled: mpsc::Sender<Settled>,
    /// The last batch was full: there is more, no need to ask first.
    full: AtomicBool,
}

/// What came out of the store in one look.
struct Batch {
    claims: Vec<Claimed>,
    /// What waits behind them.
    followers: Vec<Claimed>,
    webhooks: HashMap<WebhookId, Arc<Webhook>>,
    next_due: Option<UtcMs>,
    /// How long the claims last, counted from before they were made.
    since: Instant,
}

impl Deliver {
    /// The task, with the part of it that records results running.
    pub(crate) fn start(services: Arc<Services>, waker: Arc<LocalWaker>, tasks: Tasks, config: DeliverConfig) -> Self {
        let (settled, results) = mpsc::channel(config.claimed_max.max(1));
        tasks.spawn(Settler::new(services.ports.clone(), waker.clone()).run(results));
        Self {
            places: Places::new(&config),
            poster: Arc::new(Poster::new(services.clone(), tasks.clone(), settled.clone(), &config)),
            settled,
            full: AtomicBool::new(false),
            services,
            waker,
            tasks,
            config,
        }
    }

    fn now(&self) -> UtcMs {
        self.services.ports.now()
    }

    /// Reads before it writes: most nudges are about events nobody subscribed to.
    async fn claim(&self, limit: u32) -> Result<Batch> {
        let store = &self.services.ports.store;
        let since = Instant::now();
        if !self.full.load(Ordering::Relaxed) {
            let next_due = store.read().await?.delivery_next_due().await?;
            if next_due.is_none_or(|due| due > self.now()) {
                let (claims, followers, webhooks) = Default::default();
                return Ok(Batch { claims, followers, webhooks, next_due, since });
            }
        }
        let mut tx = store.write().await?;
        let claims = tx.delivery_claim(self.now(), self.config.lease, limit).await?;
        let mut ids: Vec<_> = claims.iter().map(|c| c.webhook.clone()).collect();
        ids.sort_unstable();
        ids.dedup();
        let webhooks = if ids.is_empty() { Vec::new() } else { tx.webhook_load_many(&ids).await? };
        let webhooks = webhooks.into_iter().map(|w| (w.id.clone(), Arc::new(w))).collect();
        let (heads, per_lane) = lane::wanted_behind(&claims, &webhooks, &self.places, self.config.lane_run);
        let followers = if heads.is_empty() { Vec::new() } else { tx.delivery_followers(&heads, per_lane).await? };
        let next_due = tx.delivery_next_due().await?;
        tx.commit().await?;
        Ok(Batch { claims, followers, webhooks, next_due, since })
    }

    /// Gives each claimed delivery to its webhook's group, or settles it at once. Says how many found a place.
    async fn hand_over(&self, batch: Batch) -> usize {
        let start_by = batch.since + self.config.lease.saturating_sub(self.config.timeout + settle::MARGIN);
        let webhooks = batch.webhooks;
        let mut runs = Vec::new();
        for claimed in batch.claims {
            // Deleted since: its deliveries are gone with it.
            let Some(webhook) = webhooks.get(&claimed.webhook) else { continue };
            if webhook.state == WebhookState::Disabled && claimed.event.kind != EventKind::WebhookTest {
                self.settle(webhook, &claimed, DeliveryState::Dead, None).await;
                continue;
            }
            match self.places.take(webhook) {
                Some(place) => runs.push(Run::new(claimed, place, start_by)),
                None => {
                    let wait = if webhook.failing_since.is_some() { DEFER_FAILING } else { DEFER };
                    self.settle(webhook, &claimed, DeliveryState::Pending, Some(self.now() + wait)).await;
                }
            }
        }
        // Only when every head has its place.
        lane::join(&mut runs, batch.followers, &webhooks, &self.places);
        let placed = runs.iter().map(Run::len).sum();
        let mut groups: HashMap<_, Vec<Run>> = HashMap::new();
        for run in runs {
            groups.entry(run.webhook().clone()).or_default().push(run);
        }
        for (id, runs) in groups {
            if let Some(webhook) = webhooks.get(&id) {
                self.tasks.spawn(self.poster.clone().group(webhook.clone(), runs));
            }
        }
        placed
    }

    async fn settle(&self, webhook: &Arc<Webhook>, claimed: &Claimed, state: DeliveryState, due: Option<UtcMs>) {
        let result = AttemptResult { delivery: claimed.id.clone(), attempt: None, state, due, at: self.now() };
        let settled = Settled { results: vec![(result, None)], webhook: webhook.clone(), places: Vec::new() };
        if self.settled.send(settled).await.is_err() {
            tracing::debug!(delivery.id = %claimed.id, "nobody records results any more; the delivery falls due again");
        }
    }
}

#[async_trait]
impl Job for Deliver {
    fn name(&self) -> &'static str {
        "deliver"
    }

    fn nudge(&self) -> Option<&Notify> {
        Some(&self.waker.deliver)
    }

    fn gap(&self) -> Duration {
        GAP
    }

    async fn run_once(&self) -> Result<Status> {
        let limit = u32::try_from(self.places.free()).unwrap_or(u32::MAX).min(self.config.batch);
        if limit == 0 {
            // Recording a result gives places back and nudges.
            return Ok(Status { done: 0, next: IDLE });
        }
        let batch = self.claim(limit).await?;
        let (claimed, next_due) = (batch.claims.len(), batch.next_due);
        let full = claimed == limit as usize;
        self.full.store(full, Ordering::Relaxed);
        let placed = self.hand_over(batch).await;
        let next = pause(claimed, placed, full, next_due.map(|due| due.since(self.now())));
        Ok(Status { done: placed as u64, next })
    }
}

/// When to look again.
fn pause(claimed: usize, placed: usize, full: bool, due_in: Option<Duration>) -> Duration {
    match due_in {
        _ if full && placed > 0 => Duration::ZERO,
        _ if claimed > 0 && placed == 0 => CROWDED,
        None => IDLE,
        // Due and not claimed: another node has it.
        Some(Duration::ZERO) => CROWDED,
        Some(wait) => wait.min(IDLE),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_pause_fits_what_was_found() {
        let secs = Duration::from_secs;
        assert_eq!(pause(0, 0, false, None), IDLE);
        assert_eq!(pause(0, 0, false, Some(secs(7))), secs(7));
        assert_eq!(pause(0, 0, false, Some(secs(3600))), IDLE);
        assert_eq!(pause(64, 64, true, Some(secs(7))), Duration::ZERO);
        assert_eq!(pause(64, 0, true, Some(secs(7))), CROWDED, "all were put back");
        assert_eq!(pause(0, 0, false, Some(Duration::ZERO)), CROWDED, "another node was faster");
    }
}
