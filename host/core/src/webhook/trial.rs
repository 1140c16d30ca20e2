//! Trying a subscription out: a test event goes through the outbox like any other, and its maker can ask what came of it.

use portico_api::{TestEvent, TestOutcome};

use super::{DeliveryState, replay, subscription};
use crate::access::authorize::Action;
use crate::context::idempotency::Shown;
use crate::context::{OpContext, Write};
use crate::error::{Error, Result};
use crate::event::{NewEvent, raise};
use crate::id::{DeliveryId, EventId, TenantId, WebhookId};
use crate::ports::Tx;

/// Sends a test event to this subscription, whatever it wants.
pub async fn start(ctx: &OpContext, id: &WebhookId) -> Result<TestEvent> {
    let access = ctx.require_within(Action::ManageWebhooks)?;
    let (id, only) = (id.clone(), access.only_device().cloned());
    let start = move |tx: &mut Write<'_>, tenant: &TenantId| {
        let webhook = subscription::find(&mut **tx, tenant, only.as_ref(), &id)?;
        let event = NewEvent::webhook_test(tx.fresh(EventId::new), tenant.clone(), &id, webhook.device, tx.now());
        let (event, delivery) = raise::for_one(tx, &event, &id)?
            .ok_or_else(|| Error::internal("storing a test event", "its fresh id was taken"))?;
        let (event, seq) = (event.id.to_string(), event.seq);
        Ok(Shown(TestEvent { event, seq, delivery: delivery.to_string(), outcome: None }))
    };
    access.write(start).await.map(Shown::into_inner)
}

/// What came of a test; `None` while its first attempt is not through.
pub async fn outcome(ctx: &OpContext, delivery: &DeliveryId) -> Result<Option<TestOutcome>> {
    let access = ctx.require_within(Action::ManageWebhooks)?;
    let (id, only) = (delivery.clone(), access.only_device().cloned());
    let look = move |tx: &mut dyn Tx, tenant: &TenantId| {
        let delivery = replay::find(tx, tenant, only.as_ref(), &id)?;
        if delivery.state == DeliveryState::Pending && delivery.attempts == 0 {
            return Ok(None);
        }
        let last = tx.delivery_attempts(&id)?.pop();
        let (status, duration_ms) = (last.as_ref().and_then(|a| a.status), last.as_ref().map(|a| a.duration_ms));
        let error = last.and_then(|attempt| attempt.error);
        Ok(Some(TestOutcome { state: delivery.state.into(), status, duration_ms, error }))
    };
    access.read(look).await
}
