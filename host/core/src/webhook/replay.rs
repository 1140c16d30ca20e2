//! The outbox as the owner of subscriptions sees it: deliveries, their attempts, and sending them again.

use portico_api as api;

use super::{Attempt, Delivery, DeliveryState, subscription};
use crate::access::authorize::Action;
use crate::context::OpContext;
use crate::context::Write;
use crate::context::idempotency::Shown;
use crate::error::{Error, Result};
use crate::id::{DeliveryId, DeviceId, TenantId, WebhookId};
use crate::page::{Page, PageRequest};
use crate::ports::store::DeliveryFilter;
use crate::ports::{Topic, Tx};
use crate::time::UtcMs;

/// Deliveries, newest first.
pub async fn list(ctx: &OpContext, filter: DeliveryFilter, page: PageRequest) -> Result<Page<Delivery>> {
    let access = ctx.require_within(Action::SeeWebhooks)?;
    page.by::<DeliveryId>()?;
    let only = access.only_device().cloned();
    if only.is_some() && filter.webhook.is_none() {
        return Err(Error::invalid("webhook", "must be named with a key that reaches one device only"));
    }
    let list = move |tx: &mut dyn Tx, tenant: &TenantId| {
        if let Some(webhook) = &filter.webhook {
            subscription::find(tx, tenant, only.as_ref(), webhook)?;
        }
        let rows = tx.delivery_list(tenant, &filter, &page)?;
        let total = page.total(|most| tx.delivery_total(tenant, &filter, most))?;
        Ok(Page::cut(rows, &page, |d| d.id.to_string()).of_total(total))
    };
    access.read(list).await
}

/// A delivery with its attempts.
pub async fn get(ctx: &OpContext, id: &DeliveryId) -> Result<(Delivery, Vec<Attempt>)> {
    let access = ctx.require_within(Action::SeeWebhooks)?;
    let (id, only) = (id.clone(), access.only_device().cloned());
    let get = move |tx: &mut dyn Tx, tenant: &TenantId| {
        Ok((find(tx, tenant, only.as_ref(), &id)?, tx.delivery_attempts(&id)?))
    };
    access.read(get).await
}

/// Sends a finished delivery again, with the same event id; a retry that waits its time goes at once.
pub async fn one(ctx: &OpContext, id: &DeliveryId) -> Result<api::Delivery> {
    let access = ctx.require_within(Action::ManageWebhooks)?;
    let (id, only) = (id.clone(), access.only_device().cloned());
    let replay = move |tx: &mut Write<'_>, tenant: &TenantId| {
        let delivery = one_in(tx, tenant, only.as_ref(), &id)?;
        Ok(Shown((&delivery).into()))
    };
    access.write(replay).await.map(Shown::into_inner)
}

fn one_in(tx: &mut Write<'_>, tenant: &TenantId, only: Option<&DeviceId>, id: &DeliveryId) -> Result<Delivery> {
    if only.is_some() {
        find(&mut **tx, tenant, only, id)?;
    }
    let now = tx.now();
    let replayed = tx.delivery_replay(tenant, id, now)?;
    let delivery = find(&mut **tx, tenant, only, id)?;
    if replayed {
        tx.wake(Topic::Events);
        return Ok(delivery);
    }
    let why = match (delivery.state, delivery.next_attempt_at) {
        // It is being tried now.
        (DeliveryState::Pending, Some(_)) => return Ok(delivery),
        (DeliveryState::Pending, None) => "an older delivery of its chat is not through yet; replay that one",
        _ => "its event is no longer kept",
    };
    Err(Error::Conflict { code: "delivery_not_replayable", why: why.to_owned() })
}

/// Sends the dead letters of a subscription again whose events were stored from `from` to `to`. Gives how many.
pub async fn dead(ctx: &OpContext, id: &WebhookId, from: UtcMs, to: UtcMs) -> Result<u64> {
    let access = ctx.require_within(Action::ManageWebhooks)?;
    if from > to {
        return Err(Error::invalid("from", "must not be after `to`"));
    }
    let (id, only) = (id.clone(), access.only_device().cloned());
    let replay = move |tx: &mut Write<'_>, tenant: &TenantId| {
        subscription::find(&mut **tx, tenant, only.as_ref(), &id)?;
        let now = tx.now();
        let count = tx.delivery_replay_dead(tenant, &id, from, to, now)?;
        tx.wake(Topic::Events);
        Ok(count)
    };
    access.write(replay).await
}

/// A delivery; where `only` names a device, one of a subscription that is bound to it.
pub(super) fn find(tx: &mut dyn Tx, tenant: &TenantId, only: Option<&DeviceId>, id: &DeliveryId) -> Result<Delivery> {
    let not_found = || Error::not_found("delivery", id);
    let delivery = tx.delivery_find(tenant, id)?.ok_or_else(not_found)?;
    if only.is_some() {
        subscription::find(tx, tenant, only, &delivery.webhook).map_err(|_| not_found())?;
    }
    Ok(delivery)
}
