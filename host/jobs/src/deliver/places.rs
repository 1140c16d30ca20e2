//! Who may have how much under way: claimed deliveries in all and per webhook, requests in all and per webhook.
//!
//! A webhook that fails gets few places, so that dead endpoints can't take what living ones need. What only waits behind a
//! lane's head gets no more than the first half of the places, so that other lanes find some.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use portico_core::id::WebhookId;
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
    table: Mutex<Table>,
}

#[derive(Default)]
struct Table {
    taken: usize,
    /// Holds an entry only for webhooks with claimed deliveries.
    webhooks: HashMap<WebhookId, Load>,
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
        Self(Arc::new(Shared { claimed_max: config.claimed_max.max(1), healthy, table: Mutex::default() }))
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
        let room = (self.0.claimed_max / 2).saturating_sub(table.taken);
        room.min((self.0.healthy.claimed / 2).saturating_sub(taken))
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
        let load = table.webhooks.entry(webhook.id.clone()).or_insert_with(|| Load {
            taken: 0,
            requests: allowance.requests,
            gate: Arc::new(Semaphore::new(allowance.requests)),
        });
        if load.taken >= allowance.claimed {
            return None;
        }
        load.fit(allowance.requests);
        load.taken += 1;
        let gate = load.gate.clone();
        table.taken += 1;
        Some(Place { places: self.clone(), webhook: webhook.id.clone(), gate })
    }

    fn give_back(&self, webhook: &WebhookId) {
        let mut table = lock(&self.0.table);
        table.taken = table.taken.saturating_sub(1);
        if let Some(load) = table.webhooks.get_mut(webhook) {
            load.taken = load.taken.saturating_sub(1);
            if load.taken == 0 {
                table.webhooks.remove(webhook);
            }
        }
    }
}

/// One claimed delivery's place; dropping it gives it back.
pub(super) struct Place {
    places: Places,
    webhook: WebhookId,
    gate: Arc<Semaphore>,
}

impl Place {
    /// Waits until the webhook may get another request.
    pub(super) async fn enter(&self) -> Option<OwnedSemaphorePermit> {
        self.gate.clone().acquire_owned().await.ok()
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.places.give_back(&self.webhook);
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
