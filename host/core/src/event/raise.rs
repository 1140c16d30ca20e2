//! Raising events: they are stored with the change they tell of, and with them a delivery for every subscription that wants
//! them.

use std::collections::BTreeSet;

use super::{Event, NewEvent, figures};
use crate::context::Write;
use crate::error::Result;
use crate::id::{DeliveryId, TenantId, WebhookId};
use crate::ports::Topic;
use crate::ports::store::NewDelivery;

/// Raises events, in their order. Those that are stored already are passed over. Gives the others.
pub fn all(tx: &mut Write<'_>, events: &[NewEvent]) -> Result<Vec<Event>> {
    let mut raised = Vec::with_capacity(events.len());
    for alike in events.chunk_by(|a, b| a.tenant == b.tenant && a.device == b.device) {
        let Some(NewEvent { tenant, device, .. }) = alike.first() else { continue };
        let stored = tx.event_insert(tenant, alike)?;
        if stored.is_empty() {
            continue;
        }
        figures::count(tx, tenant, &stored)?;
        let candidates = tx.webhook_candidates(tenant, device.as_ref())?;
        let wanting = |event: &Event| {
            let wants = candidates.iter().filter(|webhook| webhook.wants(event.kind, event.device.as_ref()));
            wants.map(|webhook| webhook.id.clone()).collect()
        };
        let aimed: Vec<_> = stored.iter().map(|event| (event, wanting(event))).collect();
        deliver(tx, tenant, &aimed)?;
        raised.extend(stored);
    }
    tx.wake(Topic::Events);
    Ok(raised)
}

/// Raises one event for this one subscription, whatever that wants, and gives it with its delivery. `None` when the event is
/// stored already.
pub fn for_one(tx: &mut Write<'_>, event: &NewEvent, webhook: &WebhookId) -> Result<Option<(Event, DeliveryId)>> {
    let stored = tx.event_insert(&event.tenant, std::slice::from_ref(event))?;
    let Some(stored) = stored.into_iter().next() else { return Ok(None) };
    let delivery = deliver(tx, &event.tenant, &[(&stored, vec![webhook.clone()])])?;
    tx.wake(Topic::Events);
    Ok(delivery.map(|delivery| (stored, delivery)))
}

/// Stores a delivery for each event and each of the subscriptions it is for; gives the last of them.
fn deliver(tx: &mut Write<'_>, tenant: &TenantId, events: &[(&Event, Vec<WebhookId>)]) -> Result<Option<DeliveryId>> {
    let mut lanes = BTreeSet::new();
    let mut deliveries = Vec::new();
    for (event, webhooks) in events {
        for webhook in webhooks {
            deliveries.push(NewDelivery {
                id: tx.fresh(DeliveryId::new),
                webhook: webhook.clone(),
                event,
                is_head: lanes.insert((webhook, event.lane.as_str())),
            });
        }
    }
    let last = deliveries.last().map(|delivery| delivery.id.clone());
    if last.is_some() {
        tx.delivery_insert(tenant, &deliveries)?;
    }
    Ok(last)
}
