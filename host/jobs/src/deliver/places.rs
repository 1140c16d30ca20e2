//! Who may have how much under way: claimed deliveries and requests in all, per tenant and per webhook.
//!
//! A webhook that fails gets few places, so that dead endpoints can't take what living ones need. What only waits behind a
//! lane's head gets no more than the first half of the places, so that other lanes find some.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Arc, Mutex};

use portico_core::id::{TenantId, WebhookId};
use portico_core::webhook::Webhook;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::config::DeliverConfig;
use crate::tasks::lock;

/// Requests under way to a webhook that fails.
const REQUESTS_FAILING: usize = 2;
/// Claimed deliveries of a webhook that fails.
const CLAIMED_FAILING: usize = 8;

/// The register of places.
#[derive(Clone)]
pub(super) struct Places(Arc<Shared>);

struct Shared {
    claimed_max: usize,
    healthy: Allowance,
    tenant: Allowance,
    table: Mutex<Table>,
}

#[derive(Default)]
struct Table {
    taken: usize,
    /// Holds an entry only for webhooks with claimed deliveries.
    webhooks: HashMap<WebhookId, Load>,
    /// The same for tenants.
    tenants: HashMap<TenantId, Load>,
}

#[derive(Clone, Copy)]
struct Allowance {
    claimed: usize,
    requests: usize,
}

struct Load {
    taken: usize,
    requests: usize,
    gate: Arc<Semaphore>,
}

impl Load {
    fn new(allowance: Allowance) -> Self {
        Self { taken: 0, requests: allowance.requests, gate: Arc::new(Semaphore::new(allowance.requests)) }
    }

    /// Widens or narrows the gate. Requests under way are not disturbed, so narrowing may take a few rounds.
    fn fit(&mut self, requests: usize) {
        if requests > self.requests {
            self.gate.add_permits(requests - self.requests);
            self.requests = requests;
        } else if requests < self.requests {
            self.requests -= self.gate.forget_permits(self.requests - requests);
        }
    }
}

impl Places {
    pub(super) fn new(config: &DeliverConfig) -> Self {
        let healthy = Allowance {
            claimed: config.claimed_per_webhook.max(1),
            requests: config.requests_per_webhook.clamp(1, Semaphore::MAX_PERMITS),
        };
        let tenant = Allowance {
            claimed: config.claimed_per_tenant.max(1),
            requests: config.requests_per_tenant.clamp(1, Semaphore::MAX_PERMITS),
        };
        Self(Arc::new(Shared { claimed_max: config.claimed_max.max(1), healthy, tenant, table: Mutex::default() }))
    }

    /// Places left.
    pub(super) fn free(&self) -> usize {
        self.0.claimed_max.saturating_sub(lock(&self.0.table).taken)
    }

    /// How many deliveries of this webhook may come along behind heads. None if it fails: a run would end at its first.
    pub(super) fn room_behind(&self, webhook: &Webhook) -> usize {
        if webhook.failing_since.is_some() {
            return 0;
        }
        let table = lock(&self.0.table);
        let taken = table.webhooks.get(&webhook.id).map_or(0, |load| load.taken);
        let of_tenant = table.tenants.get(&webhook.tenant).map_or(0, |load| load.taken);
        let room = (self.0.claimed_max / 2).saturating_sub(table.taken);
        room.min((self.0.healthy.claimed / 2).saturating_sub(taken))
            .min((self.0.tenant.claimed / 2).saturating_sub(of_tenant))
    }

    /// A place for a delivery that waits behind a head of its lane.
    pub(super) fn take_behind(&self, webhook: &Webhook) -> Option<Place> {
        // Only one task takes places, so what there is room for can't be gone meanwhile.
        if self.room_behind(webhook) == 0 { None } else { self.take(webhook) }
    }

    /// A place for one delivery of this webhook; `None` when it has all it gets.
    pub(super) fn take(&self, webhook: &Webhook) -> Option<Place> {
        let healthy = self.0.healthy;
        let allowance = match webhook.failing_since {
            None => healthy,
            Some(_) => Allowance {
                claimed: healthy.claimed.min(CLAIMED_FAILING),
                requests: healthy.requests.min(REQUESTS_FAILING),
            },
        };
        let mut table = lock(&self.0.table);
        if table.taken >= self.0.claimed_max {
            return None;
        }
        let taken = |load: Option<&Load>| load.map_or(0, |load| load.taken);
        if taken(table.webhooks.get(&webhook.id)) >= allowance.claimed
            || taken(table.tenants.get(&webhook.tenant)) >= self.0.tenant.claimed
        {
            return None;
        }
        let load = table.webhooks.entry(webhook.id.clone()).or_insert_with(|| Load::new(allowance));
        load.fit(allowance.requests);
        load.taken += 1;
        let gate = load.gate.clone();
        let of_tenant = table.tenants.entry(webhook.tenant.clone()).or_insert_with(|| Load::new(self.0.tenant));
        of_tenant.taken += 1;
        let tenant_gate = of_tenant.gate.clone();
        table.taken += 1;
        let (webhook, tenant) = (webhook.id.clone(), webhook.tenant.clone());
        Some(Place { places: self.clone(), webhook, tenant, gate, tenant_gate })
    }

    fn give_back(&self, place: &Place) {
        let mut table = lock(&self.0.table);
        table.taken = table.taken.saturating_sub(1);
        give_back(&mut table.webhooks, &place.webhook);
        give_back(&mut table.tenants, &place.tenant);
    }
}

fn give_back<Id: Eq + Hash>(loads: &mut HashMap<Id, Load>, id: &Id) {
    if let Some(load) = loads.get_mut(id) {
        load.taken = load.taken.saturating_sub(1);
        if load.taken == 0 {
            loads.remove(id);
        }
    }
}

/// One claimed delivery's place; dropping it gives it back.
pub(super) struct Place {
    places: Places,
    webhook: WebhookId,
    tenant: TenantId,
    gate: Arc<Semaphore>,
    tenant_gate: Arc<Semaphore>,
}

impl Place {
    /// Waits until the webhook, and then its tenant, may have another request.
    pub(super) async fn enter(&self) -> Option<[OwnedSemaphorePermit; 2]> {
        let of_webhook = self.gate.clone().acquire_owned().await.ok()?;
        Some([of_webhook, self.tenant_gate.clone().acquire_owned().await.ok()?])
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.places.give_back(self);
    }
}

#[cfg(test)]
mod tests {
    use portico_core::time::UtcMs;

    use super::*;
    use crate::testing;

    fn places(claimed_max: usize, claimed_per_webhook: usize, requests_per_webhook: usize) -> Places {
        Places::new(&DeliverConfig {
            claimed_max,
            claimed_per_webhook,
            requests_per_webhook,
            ..DeliverConfig::default()
        })
    }

    fn take_all(places: &Places, webhook: &Webhook) -> Vec<Place> {
        std::iter::from_fn(|| places.take(webhook)).collect()
    }

    #[test]
    fn one_webhook_leaves_places_to_others() {
        let places = places(10, 6, 2);
        let (busy, other) = (testing::webhook(1), testing::webhook(2));
        let taken = take_all(&places, &busy);
        assert_eq!((taken.len(), places.free()), (6, 4));
        assert_eq!(take_all(&places, &other).len(), 4, "the rest, and given back at once");
        drop(taken);
        assert_eq!(places.free(), 10);
        assert!(lock(&places.0.table).webhooks.is_empty());
    }

    #[test]
    fn one_tenant_leaves_places_to_others() {
        let config = DeliverConfig { claimed_per_tenant: 3, requests_per_tenant: 2, ..DeliverConfig::default() };
        let places = Places::new(&config);
        let (one, two) = (testing::webhook(1), testing::webhook(2));
        let stranger = Webhook { tenant: TenantId::new(9, 9), ..testing::webhook(3) };
        let mut taken = vec![places.take(&one).expect("a place"), places.take(&one).expect("a place")];
        taken.extend(take_all(&places, &two));
        assert_eq!(taken.len(), 3, "over all its webhooks");
        assert_eq!(taken[0].tenant_gate.available_permits(), 2);
        assert_eq!(take_all(&places, &stranger).len(), 3);
        drop(taken);
        assert!(lock(&places.0.table).tenants.is_empty());
    }

    #[test]
    fn what_waits_behind_a_head_leaves_half_to_other_lanes() {
        let places = places(10, 8, 2);
        let webhook = testing::webhook(1);
        let behind: Vec<_> = std::iter::from_fn(|| places.take_behind(&webhook)).collect();
        assert_eq!((behind.len(), places.room_behind(&testing::webhook(2))), (4, 1));
        assert_eq!(take_all(&places, &webhook).len(), 4);
        let failing = Webhook { failing_since: Some(UtcMs(1)), ..testing::webhook(3) };
        assert!(places.take_behind(&failing).is_none());
    }

    #[test]
    fn a_failing_webhook_gets_little_and_more_again_when_it_recovers() {
        let places = places(100, 50, 32);
        let healthy = testing::webhook(1);
        let failing = Webhook { failing_since: Some(UtcMs(1)), ..healthy.clone() };
        let few = take_all(&places, &failing);
        assert_eq!(few.len(), CLAIMED_FAILING);
        assert_eq!(few[0].gate.available_permits(), REQUESTS_FAILING);
        let more = take_all(&places, &healthy);
        assert_eq!(few.len() + more.len(), 50);
        assert_eq!(few[0].gate.available_permits(), 32);
        drop(more);
        drop(few);
        let again = places.take(&healthy).expect("a place");
        let narrowed = places.take(&failing).expect("a place");
        assert_eq!((again.gate.available_permits(), narrowed.gate.available_permits()), (2, 2));
    }
}
