//! Deliveries in the store: claimed in order per lane, finished, retried, replayed.

use std::time::Duration;

use crate::error::Result;
use crate::id::{DeliveryId, TenantId, WebhookId};
use crate::model::event::Event;
use crate::model::webhook::{Attempt, Claimed, Delivery, DeliveryState};
use crate::page::PageRequest;
use crate::time::UtcMs;

/// Which deliveries of a tenant are wanted.
#[derive(Clone, Debug, Default)]
pub struct DeliveryFilter {
    /// Only of this subscription.
    pub webhook: Option<WebhookId>,
    /// Only in this state.
    pub state: Option<DeliveryState>,
}

/// An event that is to go to a subscription.
#[derive(Clone, Debug)]
pub struct NewDelivery<'e> {
    /// The delivery's id.
    pub id: DeliveryId,
    /// The subscription.
    pub webhook: WebhookId,
    /// The event.
    pub event: &'e Event,
    /// Whether it is the first of its lane (subscription and chat) among those it is stored with.
    pub is_head: bool,
}

/// What an attempt led to.
#[derive(Clone, Debug)]
pub struct AttemptResult {
    /// The delivery.
    pub delivery: DeliveryId,
    /// The attempt, for the log; `None` when nothing was sent (skipped).
    pub attempt: Option<Attempt>,
    /// Its state now.
    pub state: DeliveryState,
    /// When to try again, if it is still pending.
    pub due: Option<UtcMs>,
    /// When this was decided.
    pub at: UtcMs,
    /// The version of the format plugin that shaped it, by its digest; `None` changes nothing.
    pub shaped_by: Option<String>,
}

/// What came of deliveries of one lane.
#[derive(Clone, Debug, Default)]
pub struct LaneResult {
    /// Oldest first.
    pub results: Vec<AttemptResult>,
    /// The next delivery of the lane, if its worker goes on with it without claiming it anew. It counts as claimed from now
    /// on; nobody else gets anything of the lane meanwhile.
    pub goes_on_with: Option<DeliveryId>,
}

impl From<AttemptResult> for LaneResult {
    fn from(result: AttemptResult) -> Self {
        Self { results: vec![result], goes_on_with: None }
    }
}

/// A subscription with pending deliveries.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WaitingWebhook {
    /// The subscription.
    pub id: WebhookId,
    /// When the first of its deliveries falls due, or the first of its claims ends.
    pub next_due: UtcMs,
}

/// Figures over all tenants, for metrics.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct OutboxStats {
    /// Deliveries not finished.
    pub pending: u64,
    /// Dead letters.
    pub dead: u64,
    /// When the oldest pending one was stored.
    pub oldest_pending_at: Option<UtcMs>,
}

/// Deliveries.
pub trait OutboxTx {
    /// Adds deliveries of a tenant's events. One is due at once when nothing of its lane is pending, neither before nor in the
    /// list; else it waits for those.
    fn delivery_insert(&mut self, tenant: &TenantId, deliveries: &[NewDelivery<'_>]) -> Result<()>;

    /// Claims due deliveries for `lease` (a crashed worker's claims fall due again), oldest first: of each lane (subscription
    /// and chat) one at most, and none while another one of it is claimed, so nothing overtakes within a lane. It is the
    /// oldest pending one, unless that was replayed while this one was claimed and the lease ended without a result.
    fn delivery_claim(&mut self, now: UtcMs, lease: Duration, limit: u32) -> Result<Vec<Claimed>>;

    /// As [`OutboxTx::delivery_claim`], of one subscription only.
    fn delivery_claim_of(
        &mut self,
        webhook: &WebhookId,
        now: UtcMs,
        lease: Duration,
        limit: u32,
    ) -> Result<Vec<Claimed>>;

    /// Subscriptions with pending deliveries, at most `limit`, in the order of their ids and beginning after `after`. Each
    /// costs the same, however many deliveries it has, so that claims can go round even behind a large backlog.
    fn delivery_waiting(&mut self, after: Option<&WebhookId>, limit: u32) -> Result<Vec<WaitingWebhook>>;

    /// What waits behind claimed deliveries in their lanes, at most `per_lane` of each, oldest first within a lane. While the
    /// claim on its head lasts a lane is the claimant's alone, so it may go on with these; they are not claimed themselves.
    /// Results of a lane's deliveries belong in one [`OutboxTx::delivery_finish`]: whatever that leaves pending is claimable.
    fn delivery_followers(&mut self, heads: &[DeliveryId], per_lane: u32) -> Result<Vec<Claimed>>;

    /// Makes claims of a process that is gone fall due at `now` instead of at the end of their lease; says how many. Retries
    /// keep the time they wait for, and the oldest of each lane goes first again. Only for a start, when no worker holds claims.
    fn delivery_release(&mut self, now: UtcMs) -> Result<u64>;

    /// Records what attempts led to. The oldest that is then pending in a lane is its head: due at its retry time if it has
    /// just failed, else at once. In a lane whose worker goes on, the delivery it goes on with is claimed until `lease_end`
    /// instead.
    fn delivery_finish(&mut self, lanes: &[LaneResult], lease_end: UtcMs) -> Result<()>;

    /// When the next delivery falls due, of all tenants; `None` when none is pending.
    fn delivery_next_due(&mut self) -> Result<Option<UtcMs>>;

    /// A delivery of a tenant.
    fn delivery_find(&mut self, tenant: &TenantId, id: &DeliveryId) -> Result<Option<Delivery>>;

    /// Deliveries, newest first; one more than asked for where there are more.
    fn delivery_list(
        &mut self,
        tenant: &TenantId,
        filter: &DeliveryFilter,
        page: &PageRequest,
    ) -> Result<Vec<Delivery>>;

    /// How many deliveries [`Self::delivery_list`] can give in all, counted up to `most`.
    fn delivery_total(&mut self, tenant: &TenantId, filter: &DeliveryFilter, most: u32) -> Result<u64>;

    /// The attempts of a delivery, oldest first.
    fn delivery_attempts(&mut self, id: &DeliveryId) -> Result<Vec<Attempt>>;

    /// Makes a finished delivery pending again, with its attempts counted from zero, due at `now` or, while another one of its
    /// lane is being tried, when that has ended; or makes a retry that waits its time due at `now`. Safe to repeat. `false`
    /// when it can't be: there is no such delivery, its event is gone, it waits behind an older one of its lane, or it is
    /// being tried.
    fn delivery_replay(&mut self, tenant: &TenantId, id: &DeliveryId, now: UtcMs) -> Result<bool>;

    /// Replays the dead letters of a subscription whose events were stored in the span; says how many.
    fn delivery_replay_dead(
        &mut self,
        tenant: &TenantId,
        webhook: &WebhookId,
        from: UtcMs,
        to: UtcMs,
        now: UtcMs,
    ) -> Result<u64>;

    /// Removes finished deliveries and their attempts that ended at or before `before`, at most `limit`; says how many.
    fn delivery_purge(&mut self, before: UtcMs, limit: u32) -> Result<u64>;

    /// Figures over all tenants.
    fn delivery_stats(&mut self) -> Result<OutboxStats>;
}
