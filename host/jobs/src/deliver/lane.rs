//! Works on one lane: delivers what was claimed and what waits behind it, one request after the other.
//!
//! A lane goes on without waiting for the database. While the second half of a part is being delivered, the next part is read
//! and formatted; results are recorded behind the requests. That is safe because a delivery is repeated with the same id if
//! its result is lost. A lane ends at the first delivery that was not accepted, when nothing more waits, and when its time
//! is over, so that other lanes of the same receiver get its slot.
//!
//! Invariant: the deliveries of a lane are of one webhook and one chat, oldest first. Whatever ends a lane early leaves the
//! rest as it is in the store: waiting, with the first of it the next to be claimed.

use std::collections::VecDeque;
use std::sync::Arc;

use portico_core::Result;
use portico_core::device::names::names;
use portico_core::id::{DeliveryId, EventId};
use portico_core::media::link;
use portico_core::ports::plugins::Subscription;
use portico_core::ports::store::AttemptResult;
use portico_core::webhook::delivery::AttemptEnd;
use portico_core::webhook::{Claimed, DeliveryState, Webhook, WebhookState};
use tokio::time::Instant;

use super::claim::without_attempt;
use super::format::{self, Body, FORMAT_BATCH, FailureRule, Shaped};
use super::post::Poster;
use super::record::Outcome;
use super::request::{DEFAULT_BODY, Opened, Shape};
use super::slots::{Followers, Slot, Slots};
use crate::tasks::cause;

/// A claimed lane that has a slot.
pub(super) struct Lane {
    webhook: Arc<Webhook>,
    first: Claimed,
    behind: Vec<Claimed>,
    followers: Option<Followers>,
    slot: Slot,
    /// When a request may begin at the latest, so that its result is recorded before the claim ends.
    start_by: Instant,
}

/// Deliveries of a lane that are formatted at once, oldest first.
struct Part {
    deliveries: VecDeque<(Claimed, Body)>,
    followers: Option<Followers>,
}

/// What all parts of a lane have in common.
struct Work {
    webhook: Arc<Webhook>,
    opened: Arc<Opened>,
    start_by: Instant,
    /// When a request of any but the first delivery may begin at the latest.
    run_until: Instant,
}

impl Lane {
    /// A lane of one delivery.
    pub(super) fn new(webhook: Arc<Webhook>, first: Claimed, slot: Slot, start_by: Instant) -> Self {
        Self { webhook, first, behind: Vec::new(), followers: None, slot, start_by }
    }

    pub(super) fn webhook(&self) -> &Arc<Webhook> {
        &self.webhook
    }

    /// What its deliveries have in common: the chat, or the device.
    pub(super) fn name(&self) -> &str {
        &self.first.event.lane
    }

    /// The delivery that was claimed.
    pub(super) fn first(&self) -> &DeliveryId {
        &self.first.id
    }

    /// Whether what waits behind the first delivery may be delivered with it.
    pub(super) fn may_have_followers(&self) -> bool {
        self.webhook.state == WebhookState::Enabled && self.webhook.failing_since.is_none()
    }

    /// Adds what waits behind the first delivery, as far as there may be more in memory.
    pub(super) fn add(&mut self, mut behind: Vec<Claimed>, slots: &Slots) {
        self.followers = slots.followers(&self.webhook, behind.len());
        behind.truncate(self.followers.as_ref().map_or(0, Followers::count));
        self.behind = behind;
    }

    /// How many deliveries it has.
    pub(super) fn len(&self) -> usize {
        1 + self.behind.len()
    }

    fn deliveries(&self) -> impl Iterator<Item = &Claimed> {
        std::iter::once(&self.first).chain(&self.behind)
    }
}

impl Poster {
    /// Starts the lanes of one webhook, each as a task of its own. Their first parts are formatted together.
    pub(super) async fn start_lanes(self: Arc<Self>, webhook: Arc<Webhook>, lanes: Vec<Lane>) {
        let opened = match self.open(&webhook) {
            Ok(opened) => Arc::new(opened),
            Err(error) => {
                tracing::error!(webhook.id = %webhook.id, error = cause(&error), "what a webhook keeps sealed can't be opened; its deliveries fail");
                for lane in lanes {
                    let result = self.unopened(&webhook, &lane.first);
                    self.record(&webhook, vec![result], None, (Some(lane.slot), lane.followers)).await;
                }
                return;
            }
        };
        for batch in format_batches(lanes) {
            let deliveries: Vec<_> = batch.iter().flat_map(Lane::deliveries).collect();
            let mut bodies = self.format(&webhook, &opened, &deliveries).await.into_iter();
            for lane in batch {
                let bodies = bodies.by_ref().take(lane.len()).collect();
                self.tasks.spawn(self.clone().deliver_lane(lane, opened.clone(), bodies));
            }
        }
    }

    /// Delivers a lane, part by part.
    async fn deliver_lane(self: Arc<Self>, lane: Lane, opened: Arc<Opened>, bodies: Vec<Body>) {
        let Lane { webhook, first, behind, followers, slot, start_by } = lane;
        let run_until = start_by.min(Instant::now() + self.config.lane_run_time);
        let mut work = Work { webhook, opened, start_by, run_until };
        let deliveries = std::iter::once(first).chain(behind).zip(bodies).collect();
        let mut part = Part { deliveries, followers };
        loop {
            let (results, next) = self.deliver_part(&work, &mut part).await;
            let next = next.filter(|_| Instant::now() < run_until && !self.tasks.stopping().is_cancelled());
            let Some((next, id)) = next else {
                self.record(&work.webhook, results, None, (Some(slot), part.followers)).await;
                return;
            };
            self.record(&work.webhook, results, Some(id), (None, part.followers)).await;
            part = next;
            work.start_by = run_until;
        }
    }

    /// Delivers a part up to the first delivery that is not accepted or comes too late. Gives the results, of which there is
    /// at least one, and the next part if there is one and all of this part was accepted.
    async fn deliver_part(&self, work: &Work, part: &mut Part) -> (Vec<PartResult>, Option<(Part, DeliveryId)>) {
        let mut results = Vec::with_capacity(part.deliveries.len());
        let (Some(first), Some(last)) = (part.deliveries.front(), part.deliveries.back()) else {
            return (results, None);
        };
        let put_back = without_attempt(&first.0, DeliveryState::Pending, Some(self.now()), self.now());
        let (last, is_alone) = (last.0.id.clone(), part.deliveries.len() == 1);
        let second = part.deliveries.split_off(part.deliveries.len() / 2);
        let mut next = None;
        if self.deliver_each(work, std::mem::take(&mut part.deliveries), &mut results).await {
            let rest = self.deliver_each(work, second, &mut results);
            // A delivery that came alone is what a quiet chat looks like: nothing is likely to wait behind it.
            let accepted = if is_alone {
                rest.await
            } else {
                let (accepted, read) = tokio::join!(rest, self.read_part(work, &last));
                next = read;
                accepted
            };
            next = next.filter(|_| accepted);
        }
        if results.is_empty() {
            // It keeps its claim no longer, so that another lane worker can begin at once.
            results.push((put_back, None));
        }
        (results, next)
    }

    /// Delivers these, one after the other. Says whether all were accepted or skipped.
    async fn deliver_each(
        &self,
        work: &Work,
        deliveries: VecDeque<(Claimed, Body)>,
        results: &mut Vec<PartResult>,
    ) -> bool {
        for (claimed, body) in deliveries {
            let until = if results.is_empty() { work.start_by } else { work.run_until };
            let is_late = || Instant::now() >= until || self.tasks.stopping().is_cancelled();
            let without = |state, due| (without_attempt(&claimed, state, due, self.now()), None);
            let result = match body {
                Body::Skip => without(DeliveryState::Skipped, None),
                Body::Later => without(DeliveryState::Pending, Some(self.now() + self.config.format_retry)),
                Body::Failed(why) => self.unformatted(&work.webhook, &claimed, why),
                Body::Formatted(..) | Body::Default(_) if is_late() => return false,
                Body::Formatted(parts, by) => {
                    let shaped = Shaped { parts, shape: Shape::Wanted, by: Some(by) };
                    self.attempt(&work.webhook, &work.opened, &claimed, shaped).await
                }
                Body::Default(parts) => {
                    let shaped = Shaped { parts, shape: Shape::Default, by: Some(DEFAULT_BODY.into()) };
                    self.attempt(&work.webhook, &work.opened, &claimed, shaped).await
                }
            };
            let goes_on = matches!(result.0.state, DeliveryState::Delivered | DeliveryState::Skipped);
            results.push(result);
            if !goes_on {
                return false;
            }
        }
        true
    }

    /// Reads and formats what waits behind a delivery of the lane. A failure to read only ends the lane's run.
    async fn read_part(&self, work: &Work, last: &DeliveryId) -> Option<(Part, DeliveryId)> {
        let webhook = &work.webhook;
        let wanted = self.config.followers_of_lane();
        let followers = self.slots.followers(webhook, wanted)?;
        let read = self.read_behind(last, followers.count()).await;
        let read = read.inspect_err(|error| {
            tracing::warn!(webhook.id = %webhook.id, error = cause(error), "reading the next deliveries failed; they stay due");
        });
        let claimed = read.ok().filter(|claimed| !claimed.is_empty())?;
        let id = claimed.first()?.id.clone();
        let bodies = self.format(webhook, &work.opened, &claimed.iter().collect::<Vec<_>>()).await;
        Some((Part { deliveries: claimed.into_iter().zip(bodies).collect(), followers: Some(followers) }, id))
    }

    async fn read_behind(&self, last: &DeliveryId, count: usize) -> Result<Vec<Claimed>> {
        let (last, count) = (last.clone(), u32::try_from(count).unwrap_or(u32::MAX));
        self.services.ports.read(move |tx| tx.delivery_followers(&[last], count)).await
    }

    async fn format(&self, webhook: &Webhook, opened: &Opened, deliveries: &[&Claimed]) -> Vec<Body> {
        let devices = deliveries.iter().filter_map(|claimed| claimed.event.device.clone()).collect();
        let to = Subscription {
            tenant: webhook.tenant.clone(),
            id: webhook.id.to_string(),
            data: opened.format_data.clone(),
            devices: names(&self.services.ports, &webhook.tenant, devices).await,
            file_links: deliveries.iter().filter_map(|claimed| self.file_link(claimed)).collect(),
        };
        let waits = self.services.ports.directory.snapshot().format_waits(&webhook.tenant, &webhook.format);
        let rule = if waits { FailureRule::Wait } else { FailureRule::DefaultBody };
        format::format(&*self.services.plugins, &webhook.format, &to, rule, deliveries).await
    }

    fn file_link(&self, claimed: &Claimed) -> Option<(EventId, String)> {
        Some((claimed.event.id.clone(), link::of_event(&self.services.ports, &claimed.event)?))
    }

    async fn record(
        &self,
        webhook: &Arc<Webhook>,
        results: Vec<PartResult>,
        goes_on_with: Option<DeliveryId>,
        held: (Option<Slot>, Option<Followers>),
    ) {
        let outcome = Outcome { results, goes_on_with, webhook: webhook.clone(), held };
        if self.outcomes.send(outcome).await.is_err() {
            tracing::debug!("nobody records results any more; the deliveries fall due again");
        }
    }
}

/// What came of one delivery, and how its request ended if one was made.
pub(super) type PartResult = (AttemptResult, Option<AttemptEnd>);

/// Groups lanes into batches that a format plugin takes at once.
fn format_batches(lanes: Vec<Lane>) -> Vec<Vec<Lane>> {
    let mut batches: Vec<Vec<Lane>> = Vec::new();
    let mut events = FORMAT_BATCH;
    for lane in lanes {
        if events + lane.len() > FORMAT_BATCH {
            batches.push(Vec::new());
            events = 0;
        }
        events += lane.len();
        if let Some(batch) = batches.last_mut() {
            batch.push(lane);
        }
    }
    batches
}

#[cfg(test)]
mod tests;
