//! Claims deliveries that are due, for as many lanes as there are free slots.
//!
//! While every webhook finds slots, the oldest due deliveries are claimed, whoever they belong to. Once a webhook has more due
//! than it gets slots for, its backlog would fill every such claim; from then on webhooks take turns: each gets what its
//! share of the free slots allows, however much the others have waiting. Everything here happens in one transaction.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use portico_core::Result;
use portico_core::event::EventKind;
use portico_core::id::{DeliveryId, TenantId, WebhookId};
use portico_core::ports::Tx;
use portico_core::ports::store::{AttemptResult, LaneResult};
use portico_core::time::UtcMs;
use portico_core::webhook::{Claimed, DeliveryState, Webhook, WebhookState};
use tokio::time::Instant;

use super::lane::Lane;
use super::slots::Slots;
use crate::config::DeliverConfig;

/// Webhooks that take turns in one round.
const TURNS: u32 = 256;

/// Where the turns stand. Kept from one round to the next.
#[derive(Clone, Debug, Default)]
pub(super) struct Turns {
    /// A webhook had more due than it got slots for.
    pub(super) crowded: bool,
    /// Its turn was the last one.
    after: Option<WebhookId>,
}

/// What one round claimed.
pub(super) struct Round {
    slots: Slots,
    config: DeliverConfig,
    now: UtcMs,
    /// When requests of these claims have to begin.
    start_by: Instant,
    webhooks: HashMap<WebhookId, Arc<Webhook>>,
    /// Lanes to be worked on.
    pub(super) lanes: Vec<Lane>,
    /// What was claimed and is not worked on.
    put_back: Vec<LaneResult>,
    /// Webhooks that have more due than they get slots for.
    pub(super) full: HashSet<WebhookId>,
    /// Another round may find more at once.
    pub(super) more: bool,
    /// When the next delivery falls due or the next claim ends.
    pub(super) next_due: Option<UtcMs>,
}

impl Round {
    /// A round that has claimed nothing. Requests of its claims begin until `start_by`.
    pub(super) fn new(slots: Slots, config: DeliverConfig, now: UtcMs, start_by: Instant) -> Self {
        Self {
            slots,
            config,
            now,
            start_by,
            webhooks: HashMap::new(),
            lanes: Vec::new(),
            put_back: Vec::new(),
            full: HashSet::new(),
            more: false,
            next_due: None,
        }
    }

    /// Claims at most `limit` lanes, with what waits behind the first delivery of each.
    pub(super) fn claim(&mut self, tx: &mut dyn Tx, turns: &mut Turns, limit: u32) -> Result<()> {
        if !turns.crowded {
            self.claim_oldest(tx, limit)?;
        }
        if turns.crowded || !self.full.is_empty() {
            let left = (limit as usize).saturating_sub(self.lanes.len());
            turns.after = self.claim_in_turn(tx, turns.after.take(), left)?;
            // The next round goes on behind the last turn, or is done with all of them.
            self.more |= turns.after.is_some();
            turns.crowded = !self.full.is_empty() || self.more;
        }
        tx.delivery_finish(&self.put_back, self.now)?;
        self.add_followers(tx)?;
        self.next_due = tx.delivery_next_due()?;
        Ok(())
    }

    fn claim_oldest(&mut self, tx: &mut dyn Tx, limit: u32) -> Result<()> {
        let claimed = tx.delivery_claim(self.now, self.config.lease, limit)?;
        self.more = claimed.len() == limit as usize;
        self.load(tx, claimed.iter().map(|c| &c.webhook))?;
        for claimed in claimed {
            self.assign(claimed);
        }
        Ok(())
    }

    /// Goes through webhooks with something due and claims what each gets slots for. Gives the last one that had its turn,
    /// or `None` when there are no more behind it.
    fn claim_in_turn(
        &mut self,
        tx: &mut dyn Tx,
        after: Option<WebhookId>,
        mut left: usize,
    ) -> Result<Option<WebhookId>> {
        let waiting = tx.delivery_waiting(after.as_ref(), TURNS)?;
        let due: Vec<_> = waiting.iter().filter(|w| w.next_due <= self.now).map(|w| &w.id).collect();
        self.load(tx, due.iter().copied())?;
        let due = due.into_iter().filter_map(|id| self.webhooks.get(id).cloned()).collect();
        for (webhook, share) in shares(due, left) {
            let room = match webhook.state {
                WebhookState::Enabled => self.slots.room(&webhook),
                // Most of its deliveries only have to be ended, which needs no slot.
                WebhookState::Disabled => share,
            };
            let limit = room.min(share).min(left);
            if limit == 0 {
                self.full.insert(webhook.id.clone());
                continue;
            }
            let lanes_before = self.lanes.len();
            let limit = u32::try_from(limit).unwrap_or(u32::MAX);
            let claimed = tx.delivery_claim_of(&webhook.id, self.now, self.config.lease, limit)?;
            let all_of_limit = claimed.len() == limit as usize;
            for claimed in claimed {
                self.assign(claimed);
            }
            // What had to be put back would only be claimed and put back again.
            self.more |= all_of_limit && !self.full.contains(&webhook.id);
            left = left.saturating_sub(self.lanes.len() - lanes_before);
        }
        let is_last_page = waiting.len() < TURNS as usize;
        Ok(waiting.into_iter().next_back().map(|w| w.id).filter(|_| !is_last_page))
    }

    fn load<'a>(&mut self, tx: &mut dyn Tx, ids: impl Iterator<Item = &'a WebhookId>) -> Result<()> {
        let mut ids: Vec<_> = ids.filter(|id| !self.webhooks.contains_key(*id)).cloned().collect();
        ids.sort_unstable();
        ids.dedup();
        if !ids.is_empty() {
            let loaded = tx.webhook_load_many(&ids)?;
            self.webhooks.extend(loaded.into_iter().map(|w| (w.id.clone(), Arc::new(w))));
        }
        Ok(())
    }

    /// Gives a claimed delivery a slot. Without one it falls due again at once; it is not claimed anew as long as its
    /// webhook has no room.
    fn assign(&mut self, claimed: Claimed) {
        // If the webhook was deleted since, its deliveries were deleted with it.
        let Some(webhook) = self.webhooks.get(&claimed.webhook) else { return };
        if webhook.state == WebhookState::Disabled && claimed.event.kind != EventKind::WebhookTest {
            self.put_back.push(without_attempt(&claimed, DeliveryState::Dead, None, self.now).into());
            return;
        }
        match self.slots.take(webhook) {
            Some(slot) => self.lanes.push(Lane::new(webhook.clone(), claimed, slot, self.start_by)),
            None => {
                self.full.insert(webhook.id.clone());
                let due = Some(self.now);
                self.put_back.push(without_attempt(&claimed, DeliveryState::Pending, due, self.now).into());
            }
        }
    }

    /// Adds to each lane what waits behind its first delivery, the same share for each.
    fn add_followers(&mut self, tx: &mut dyn Tx) -> Result<()> {
        let mut of_lane: HashMap<(WebhookId, String), &mut Lane> = HashMap::new();
        for lane in self.lanes.iter_mut().filter(|lane| lane.may_have_followers()) {
            of_lane.insert((lane.webhook().id.clone(), lane.name().to_owned()), lane);
        }
        let most = self.config.followers_of_lane();
        let share = (self.slots.followers_free() / 2 / of_lane.len().max(1)).min(most);
        if share == 0 || of_lane.is_empty() {
            return Ok(());
        }
        let heads: Vec<DeliveryId> = of_lane.values().map(|lane| lane.first().clone()).collect();
        let behind = tx.delivery_followers(&heads, u32::try_from(share).unwrap_or(u32::MAX))?;
        let mut followers: HashMap<(WebhookId, String), Vec<Claimed>> = HashMap::new();
        for claimed in behind {
            followers.entry((claimed.webhook.clone(), claimed.event.lane.clone())).or_default().push(claimed);
        }
        for (key, followers) in followers {
            if let Some(lane) = of_lane.get_mut(&key) {
                lane.add(followers, &self.slots);
            }
        }
        Ok(())
    }
}

/// Divides `units` evenly over tenants, and what each gets evenly over its webhooks; everybody gets at least one.
fn shares(webhooks: Vec<Arc<Webhook>>, units: usize) -> Vec<(Arc<Webhook>, usize)> {
    let mut of_tenant: BTreeMap<TenantId, usize> = BTreeMap::new();
    for webhook in &webhooks {
        *of_tenant.entry(webhook.tenant.clone()).or_default() += 1;
    }
    let per_tenant = (units / of_tenant.len().max(1)).max(1);
    let share = |w: &Webhook| (per_tenant / of_tenant.get(&w.tenant).copied().unwrap_or(1)).max(1);
    webhooks.into_iter().map(|webhook| (webhook.clone(), share(&webhook))).collect()
}

/// A result without an attempt.
pub(super) fn without_attempt(claimed: &Claimed, state: DeliveryState, due: Option<UtcMs>, at: UtcMs) -> AttemptResult {
    AttemptResult { delivery: claimed.id.clone(), attempt: None, state, due, at, shaped_by: None }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing;

    #[test]
    fn tenants_get_the_same_share_however_many_webhooks_they_have() {
        let webhook = |tenant, n| Arc::new(Webhook { tenant: TenantId::new(9, tenant), ..testing::webhook(n) });
        let webhooks = vec![webhook(1, 1), webhook(1, 2), webhook(1, 3), webhook(2, 4)];
        let divided = |units| shares(webhooks.clone(), units).into_iter().map(|(_, n)| n).collect::<Vec<_>>();
        assert_eq!(divided(12), [2, 2, 2, 6]);
        assert_eq!(divided(2), [1, 1, 1, 1]);
    }
}
