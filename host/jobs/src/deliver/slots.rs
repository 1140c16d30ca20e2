//! Delivery slots: which lanes may be worked on at the same time, and how much of them may be in memory.
//!
//! A slot is the right to deliver one lane (the deliveries of one webhook for one chat), which makes one request at a time.
//! Deliveries are claimed only for lanes that have a slot, so a receiver that hangs keeps its own slots busy and nothing else.
//! Slots are limited overall, per tenant and per receiver; webhooks whose attempts fail share a small part of their
//! tenant's.
//!
//! A receiver is an origin (scheme, host and port) as one tenant uses it. It is not shared between tenants, because then one
//! of them could use up what another one needs to reach the same address.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use portico_core::id::{TenantId, WebhookId};
use portico_core::webhook::Webhook;
use serde::Serialize;

use crate::config::DeliverConfig;
use crate::quota::{Permit, Quota, Scope};

/// Of a tenant's slots, its failing webhooks together get one in so many.
const FAILING_SHARE: usize = 4;

/// The slots of the process.
#[derive(Clone)]
pub(super) struct Slots {
    lanes: Quota<Limited>,
    waiting: Quota<Limited>,
    config: Arc<DeliverConfig>,
    refused: Arc<AtomicUsize>,
}

/// What has a limit of its own.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Limited {
    Tenant(TenantId),
    /// An origin as one tenant uses it.
    Receiver(TenantId, String),
    /// A webhook whose attempts fail.
    Failing(WebhookId),
    /// All webhooks of a tenant whose attempts fail.
    FailingOf(TenantId),
}

/// The right to work on one lane. Dropping it gives it back.
pub(super) struct Slot(#[expect(dead_code, reason = "it is held, not read")] Permit<Limited>);

/// The right to hold deliveries in memory that wait behind the first of their lane. Dropping it gives it back.
pub(super) struct Followers(Permit<Limited>);

impl Followers {
    /// How many.
    pub(super) fn count(&self) -> usize {
        self.0.units()
    }
}

/// How busy the delivery slots are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct SlotsStatus {
    /// Slots in all.
    pub max: usize,
    /// Slots nobody uses.
    pub free: usize,
    /// Webhooks with due deliveries that got no slot when slots were last handed out, because their tenant, their receiver
    /// or all together have as many as they may.
    pub webhooks_waiting: usize,
}

impl Slots {
    pub(super) fn new(config: &DeliverConfig) -> Self {
        Self {
            lanes: Quota::new(config.slots_max),
            waiting: Quota::new(config.followers_max),
            config: Arc::new(config.clone()),
            refused: Arc::default(),
        }
    }

    /// Slots nobody uses.
    pub(super) fn free(&self) -> usize {
        self.lanes.free()
    }

    /// How many slots the webhook could get now.
    pub(super) fn room(&self, webhook: &Webhook) -> usize {
        self.lanes.room(&self.scopes(webhook))
    }

    /// How many deliveries more may wait in memory.
    pub(super) fn followers_free(&self) -> usize {
        self.waiting.free()
    }

    /// A slot for one lane of the webhook; `None` when it has as many as it may.
    pub(super) fn take(&self, webhook: &Webhook) -> Option<Slot> {
        self.lanes.take(&self.scopes(webhook), 1).map(Slot)
    }

    /// The right to hold up to `wanted` deliveries behind the first of a lane. None for a webhook that fails, whose lane
    /// would most likely end at its first delivery.
    pub(super) fn followers(&self, webhook: &Webhook, wanted: usize) -> Option<Followers> {
        if webhook.failing_since.is_some() {
            return None;
        }
        let max = self.config.followers_max;
        self.waiting.take(&[Scope { key: Limited::Tenant(webhook.tenant.clone()), max }], wanted).map(Followers)
    }

    /// Notes how many webhooks got no slot in the last round.
    pub(super) fn set_waiting(&self, webhooks: usize) {
        self.refused.store(webhooks, Ordering::Relaxed);
    }

    /// How busy they are.
    pub(super) fn status(&self) -> SlotsStatus {
        SlotsStatus {
            max: self.lanes.max(),
            free: self.lanes.free(),
            webhooks_waiting: self.refused.load(Ordering::Relaxed),
        }
    }

    /// The tenant comes first: it is the group that leaves others as much as it has.
    fn scopes(&self, webhook: &Webhook) -> Vec<Scope<Limited>> {
        let (tenant, config) = (&webhook.tenant, &self.config);
        let receiver = Limited::Receiver(tenant.clone(), origin(&webhook.url));
        let mut scopes = vec![
            Scope { key: Limited::Tenant(tenant.clone()), max: config.slots_per_tenant },
            Scope { key: receiver, max: config.slots_per_receiver },
        ];
        if webhook.failing_since.is_some() {
            let of_tenant = config.slots_per_tenant / FAILING_SHARE;
            scopes.push(Scope { key: Limited::Failing(webhook.id.clone()), max: config.slots_per_failing });
            scopes.push(Scope { key: Limited::FailingOf(tenant.clone()), max: of_tenant });
        }
        scopes
    }
}

/// Scheme, host and port of a URL that was checked when it was stored.
fn origin(url: &str) -> String {
    let (scheme, rest) = url.split_once("://").unwrap_or(("", url));
    let host = rest.split(['/', '?', '#', '\\']).next().unwrap_or_default().to_ascii_lowercase();
    let scheme = scheme.to_ascii_lowercase();
    let default_port = if scheme == "https" { ":443" } else { ":80" };
    let host = host.strip_suffix(default_port).unwrap_or(&host);
    format!("{scheme}://{host}")
}

#[cfg(test)]
mod tests {
    use portico_core::time::UtcMs;

    use super::*;
    use crate::testing;

    /// A webhook of that tenant with a receiver of its own.
    fn webhook(tenant: u128, n: u128) -> Webhook {
        let url = format!("https://hook-{n}.example/in");
        Webhook { tenant: TenantId::new(9, tenant), url, ..testing::webhook(tenant * 1000 + n) }
    }

    fn take_all(slots: &Slots, webhook: &Webhook) -> Vec<Slot> {
        std::iter::from_fn(|| slots.take(webhook)).collect()
    }

    #[test]
    fn two_tenants_with_a_hundred_hanging_webhooks_each_leave_slots_to_a_third() {
        let slots = Slots::new(&DeliverConfig::default());
        let mut held = Vec::new();
        for tenant in [1, 2] {
            for n in 0..100 {
                held.extend(take_all(&slots, &webhook(tenant, n)));
            }
        }
        assert_eq!(held.len(), 128, "a quarter each");
        assert_eq!(take_all(&slots, &webhook(3, 1)).len(), 32, "all that one receiver may have");
        assert!(slots.free() >= 96);
    }

    #[test]
    fn whatever_tenants_do_another_one_finds_a_slot() {
        let slots = Slots::new(&DeliverConfig { slots_per_tenant: 256, slots_per_receiver: 256, ..Default::default() });
        let held: Vec<_> = (0..6).map(|tenant| take_all(&slots, &webhook(tenant, 1))).collect();
        assert!(held.iter().all(|h| !h.is_empty()));
        assert!(slots.take(&webhook(7, 1)).is_some());
    }

    #[test]
    fn webhooks_with_one_receiver_share_its_slots() {
        let slots = Slots::new(&DeliverConfig { slots_per_receiver: 3, ..DeliverConfig::default() });
        let same = |n| Webhook { url: format!("https://Hook.example:443/{n}"), ..webhook(1, n) };
        let held: Vec<_> = (0..5).filter_map(|n| slots.take(&same(n))).collect();
        assert_eq!((held.len(), slots.room(&same(9)), slots.room(&webhook(1, 9))), (3, 0, 3));
        let of_another = Webhook { tenant: TenantId::new(9, 2), ..same(1) };
        assert_eq!(slots.room(&of_another), 3, "the same address, used by another tenant");
    }

    #[test]
    fn failing_webhooks_of_a_tenant_share_a_part_of_its_slots() {
        let slots = Slots::new(&DeliverConfig { slots_per_tenant: 16, ..DeliverConfig::default() });
        let failing = |n| Webhook { failing_since: Some(UtcMs(1)), ..webhook(1, n) };
        let first = take_all(&slots, &failing(1));
        let others: Vec<_> = (2..9).flat_map(|n| take_all(&slots, &failing(n))).collect();
        assert_eq!((first.len(), others.len()), (2, 2));
        assert_eq!(take_all(&slots, &webhook(1, 10)).len(), 12, "the rest is for those that do well");
        assert!(slots.followers(&failing(1), 5).is_none());
        drop((first, others));
        assert_eq!(take_all(&slots, &failing(1)).len(), 2);
    }

    #[test]
    fn followers_are_bounded_and_shared() {
        let slots = Slots::new(&DeliverConfig { followers_max: 8, ..DeliverConfig::default() });
        let one = slots.followers(&webhook(1, 1), 100).expect("some");
        let two = slots.followers(&webhook(2, 1), 100).expect("some");
        assert_eq!((one.count(), two.count()), (4, 2));
    }

    #[test]
    fn an_origin_is_scheme_host_and_port() {
        assert_eq!(origin("https://A.example/x?y#z"), "https://a.example");
        assert_eq!(origin("HTTPS://a.example:443"), "https://a.example");
        assert_eq!(origin("http://a.example:8080/"), "http://a.example:8080");
        assert_eq!(origin("http://[::1]:80?x"), "http://[::1]");
        assert_ne!(origin("http://a.example"), origin("https://a.example"));
    }
}
