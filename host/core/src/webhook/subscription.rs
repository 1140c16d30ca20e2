//! Subscriptions: make, change, delete, try out; and the outbox as their owner sees it.

use std::collections::BTreeMap;

use super::DeliveryState;
use super::signature::Secret;
use super::{Attempt, Delivery, EventFilter, Webhook, WebhookState};
use crate::access::Scope;
use crate::context::{Once, OpContext};
use crate::device;
use crate::error::{Error, Result};
use crate::event::{EventKind, NewEvent};
use crate::id::{DeliveryId, DeviceId, WebhookId};
use crate::page::{Page, PageRequest};
use crate::ports::Tx;
use crate::ports::outbound::OutboundError;
use crate::ports::plugins::Hook;
use crate::ports::store::{DeliveryFilter, WebhookChange};
use crate::time::UtcMs;

/// Headers of one subscription at most.
const HEADERS_MAX: usize = 20;
/// Characters of a header's name and value together at most.
const HEADER_CHARS_MAX: usize = 1024;
/// Characters of a URL at most.
const URL_CHARS_MAX: usize = 2048;
/// Headers that belong to the host.
const HEADERS_OF_THE_HOST: [&str; 6] =
    ["host", "content-length", "content-type", "transfer-encoding", "connection", "user-agent"];

/// What a subscription is to be.
#[derive(Clone)]
pub struct NewWebhook {
    /// Only events of this device.
    pub device: Option<DeviceId>,
    /// Where deliveries go.
    pub url: String,
    /// Names of events, `<noun>.*` or `*`.
    pub events: Vec<String>,
    /// Sent along.
    pub headers: BTreeMap<String, String>,
    /// The format plugin; `None`: the default one.
    pub format: Option<String>,
    /// `whsec_…`; `None`: one is generated.
    pub secret: Option<String>,
}

/// What is to change; what is `None` stays.
#[derive(Clone, Debug, Default)]
pub struct WebhookPatch {
    /// Where deliveries go.
    pub url: Option<String>,
    /// Names of events.
    pub events: Option<Vec<String>>,
    /// Headers.
    pub headers: Option<BTreeMap<String, String>>,
    /// The format plugin.
    pub format: Option<String>,
    /// Enabled or not.
    pub state: Option<WebhookState>,
}

/// A subscription with its signing key: shown once.
pub struct MadeWebhook {
    /// The subscription.
    pub webhook: Webhook,
    /// Its key; `None` when the request only repeated an earlier one.
    pub secret: Option<Secret>,
}

/// Makes a subscription. It gets the events stored from now on.
pub async fn create(ctx: &OpContext, new: NewWebhook) -> Result<MadeWebhook> {
    ctx.caller.require(Scope::WebhooksWrite)?;
    let events = checked_events(&new.events)?;
    require_seen(ctx, &events)?;
    let ports = ctx.ports();
    let id = ctx.ports().fresh(WebhookId::new);
    let secret = match &new.secret {
        Some(text) => Secret::parse("secret", text)?,
        None => Secret::generate(&*ports.rng),
    };
    let webhook = Webhook {
        sealed_secret: ports.sealer.seal(&Webhook::seal_place(&id), secret.bytes())?,
        id,
        tenant: ctx.tenant().clone(),
        device: new.device,
        url: checked_url(ctx, new.url)?,
        events,
        headers: checked_headers(new.headers)?,
        format: checked_format(ctx, new.format)?,
        state: WebhookState::Enabled,
        reason: None,
        failing_since: None,
        created_at: ctx.now(),
    };
    let mut tx = ports.store.write().await?;
    if let Once::Made(id) = ctx.once(&mut *tx, webhook.id.as_str()).await? {
        let webhook = find_in(&mut *tx, ctx, &id.parse()?).await?;
        // What made it may share this commit.
        tx.commit().await?;
        return Ok(MadeWebhook { webhook, secret: None });
    }
    if let Some(device) = &webhook.device {
        device::lookup::find_in(&mut *tx, ctx.tenant(), device).await?;
    }
    let limit = ports.limits.webhooks_per_tenant;
    if tx.webhook_count(ctx.tenant()).await? >= limit {
        let why = format!("this tenant has {limit} webhooks, the limit; delete one first");
        return Err(Error::Conflict { code: "too_many_webhooks", why });
    }
    tx.webhook_insert(&webhook).await?;
    tx.commit().await?;
    Ok(MadeWebhook { webhook, secret: Some(secret) })
}

/// A subscription.
pub async fn get(ctx: &OpContext, id: &WebhookId) -> Result<Webhook> {
    ctx.caller.require(Scope::WebhooksRead)?;
    let mut tx = ctx.ports().store.read().await?;
    find_in(&mut *tx, ctx, id).await
}

/// Subscriptions, newest first; with `device` only those bound to it.
pub async fn list(ctx: &OpContext, device: Option<&DeviceId>, page: &PageRequest) -> Result<Page<Webhook>> {
    ctx.caller.require(Scope::WebhooksRead)?;
    let mut tx = ctx.ports().store.read().await?;
    let rows = tx.webhook_list(ctx.tenant(), device, page.by::<WebhookId>()?).await?;
    Ok(Page::cut(rows, page, |w| w.id.to_string()))
}

/// Changes a subscription. Enabling one gives it the events stored from then on.
pub async fn change(ctx: &OpContext, id: &WebhookId, patch: WebhookPatch) -> Result<Webhook> {
    ctx.caller.require(Scope::WebhooksWrite)?;
    let reason = |state| (state == WebhookState::Disabled).then(|| "disabled on request".to_owned());
    let change = WebhookChange {
        url: patch.url.map(|u| checked_url(ctx, u)).transpose()?,
        events: patch.events.map(|e| checked_events(&e)).transpose()?,
        headers: patch.headers.map(checked_headers).transpose()?,
        format: patch.format.map(|f| checked_format(ctx, Some(f))).transpose()?,
        state: patch.state.map(|s| (s, reason(s))),
        sealed_secret: None,
    };
    let mut tx = ctx.ports().store.write().await?;
    find_in(&mut *tx, ctx, id).await?;
    tx.webhook_change(ctx.tenant(), id, &change).await?;
    let webhook = find_in(&mut *tx, ctx, id).await?;
    // As it is now: a new URL takes what it had subscribed to somewhere else.
    require_seen(ctx, &webhook.events)?;
    tx.commit().await?;
    Ok(webhook)
}

/// Deletes a subscription with its deliveries.
pub async fn delete(ctx: &OpContext, id: &WebhookId) -> Result<()> {
    ctx.caller.require(Scope::WebhooksWrite)?;
    let mut tx = ctx.ports().store.write().await?;
    if !tx.webhook_delete(ctx.tenant(), id).await? {
        return Err(Error::not_found("webhook", id));
    }
    tx.commit().await
}

/// Sends a test event to this subscription, through the outbox like any other. Gives the event's id.
pub async fn test(ctx: &OpContext, id: &WebhookId) -> Result<crate::event::Event> {
    ctx.caller.require(Scope::WebhooksWrite)?;
    let mut tx = ctx.ports().store.write().await?;
    let webhook = find_in(&mut *tx, ctx, id).await?;
    let new = NewEvent::webhook_test(ctx.event_id(), ctx.tenant().clone(), id, webhook.device, ctx.now());
    if let Once::Made(event) = ctx.once(&mut *tx, new.id.as_str()).await? {
        let found = tx.event_find(ctx.tenant(), &event.parse()?).await?;
        // What made it may share this commit.
        tx.commit().await?;
        return found.ok_or_else(|| Error::not_found("event", event));
    }
    let event = tx.event_raise_for(&new, id).await?;
    tx.commit().await?;
    ctx.ports().waker.events_stored();
    event.ok_or_else(|| Error::internal("storing a test event", "its fresh id was taken"))
}

/// Deliveries, newest first.
pub async fn deliveries(ctx: &OpContext, filter: &DeliveryFilter, page: &PageRequest) -> Result<Page<Delivery>> {
    ctx.caller.require(Scope::WebhooksRead)?;
    let mut tx = ctx.ports().store.read().await?;
    let rows = tx.delivery_list(ctx.tenant(), filter, page.by::<DeliveryId>()?).await?;
    Ok(Page::cut(rows, page, |d| d.id.to_string()))
}

/// A delivery with its attempts.
pub async fn delivery(ctx: &OpContext, id: &DeliveryId) -> Result<(Delivery, Vec<Attempt>)> {
    ctx.caller.require(Scope::WebhooksRead)?;
    let mut tx = ctx.ports().store.read().await?;
    let delivery = tx.delivery_find(ctx.tenant(), id).await?.ok_or_else(|| Error::not_found("delivery", id))?;
    let attempts = tx.delivery_attempts(id).await?;
    Ok((delivery, attempts))
}

/// Sends a finished delivery again, with the same event id; a retry that waits its time goes at once.
pub async fn replay(ctx: &OpContext, id: &DeliveryId) -> Result<Delivery> {
    ctx.caller.require(Scope::WebhooksWrite)?;
    let mut tx = ctx.ports().store.write().await?;
    if let Once::Made(_) = ctx.once(&mut *tx, id.as_str()).await? {
        let delivery = tx.delivery_find(ctx.tenant(), id).await?.ok_or_else(|| Error::not_found("delivery", id))?;
        tx.commit().await?;
        return Ok(delivery);
    }
    if !tx.delivery_replay(ctx.tenant(), id, ctx.now()).await? {
        let delivery = tx.delivery_find(ctx.tenant(), id).await?.ok_or_else(|| Error::not_found("delivery", id))?;
        let why = match (delivery.state, delivery.next_attempt_at) {
            (DeliveryState::Pending, Some(_)) => {
                tx.commit().await?;
                return Ok(delivery);
            }
            (DeliveryState::Pending, None) => "an older delivery of its chat is not through yet; replay that one",
            _ => "its event is no longer kept",
        };
        return Err(Error::Conflict { code: "delivery_not_replayable", why: why.to_owned() });
    }
    let delivery = tx.delivery_find(ctx.tenant(), id).await?.ok_or_else(|| Error::not_found("delivery", id))?;
    tx.commit().await?;
    ctx.ports().waker.events_stored();
    Ok(delivery)
}

/// Sends the dead letters of a subscription again whose events were stored from `from` to `to`. Says how many.
pub async fn replay_dead(ctx: &OpContext, id: &WebhookId, from: UtcMs, to: UtcMs) -> Result<u64> {
    ctx.caller.require(Scope::WebhooksWrite)?;
    if from > to {
        return Err(Error::invalid("from", "must not be after `to`"));
    }
    let mut tx = ctx.ports().store.write().await?;
    find_in(&mut *tx, ctx, id).await?;
    if let Some(count) = ctx.made_before(&mut *tx).await? {
        tx.commit().await?;
        return count.parse().map_err(|e| Error::internal("reading how many were replayed", e));
    }
    let count = tx.delivery_replay_dead(ctx.tenant(), id, from, to, ctx.now()).await?;
    ctx.once(&mut *tx, &count.to_string()).await?;
    tx.commit().await?;
    ctx.ports().waker.events_stored();
    Ok(count)
}

async fn find_in(tx: &mut dyn Tx, ctx: &OpContext, id: &WebhookId) -> Result<Webhook> {
    tx.webhook_find(ctx.tenant(), id).await?.ok_or_else(|| Error::not_found("webhook", id))
}

fn checked_url(ctx: &OpContext, url: String) -> Result<String> {
    if url.len() > URL_CHARS_MAX {
        return Err(Error::invalid("url", format!("must have at most {URL_CHARS_MAX} characters")));
    }
    match ctx.services.outbound.check_url(&url) {
        Ok(()) => Ok(url),
        Err(OutboundError::Invalid(why)) => Err(Error::invalid("url", why)),
        Err(why) => Err(Error::invalid("url", why.to_string())),
    }
}

fn checked_events(events: &[String]) -> Result<Vec<EventFilter>> {
    if events.is_empty() {
        return Err(Error::invalid("events", "must name at least one event; `*` stands for all"));
    }
    let parse = |(i, text): (usize, &String)| {
        EventFilter::parse(text).ok_or_else(|| {
            let names: Vec<_> = EventKind::ALL.iter().map(|k| k.as_str()).collect();
            Error::invalid(format!("events[{i}]"), format!("must be `*`, `<noun>.*` or one of {}", names.join(", ")))
        })
    };
    events.iter().enumerate().map(parse).collect()
}

/// A webhook shows nothing its maker may not see: messages need `messages:read`, devices `devices:read`.
fn require_seen(ctx: &OpContext, events: &[EventFilter]) -> Result<()> {
    let wanted = |kind: &&EventKind| events.iter().any(|filter| filter.matches(**kind));
    for kind in EventKind::ALL.iter().filter(wanted) {
        if let Some(scope) = kind.scope() {
            ctx.caller.require(scope)?;
        }
    }
    Ok(())
}

fn checked_headers(headers: BTreeMap<String, String>) -> Result<BTreeMap<String, String>> {
    if headers.len() > HEADERS_MAX {
        return Err(Error::invalid("headers", format!("must be at most {HEADERS_MAX}")));
    }
    for (name, value) in &headers {
        let lower = name.to_ascii_lowercase();
        let token = !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_');
        let reserved = HEADERS_OF_THE_HOST.contains(&lower.as_str()) || lower.starts_with("webhook-");
        let printable = value.bytes().all(|b| b == b' ' || b.is_ascii_graphic());
        if !token || reserved || !printable || name.len() + value.len() > HEADER_CHARS_MAX {
            let why = "must be a printable ASCII header that the gateway does not set itself";
            return Err(Error::invalid(format!("headers.{name}"), why));
        }
    }
    Ok(headers)
}

fn checked_format(ctx: &OpContext, format: Option<String>) -> Result<String> {
    let format = format.unwrap_or_else(|| super::DEFAULT_FORMAT.to_owned());
    let plugins = ctx.services.plugins.list();
    let usable: Vec<_> =
        plugins.iter().filter(|p| p.hooks.contains(&Hook::WebhookFormat)).map(|p| p.id.as_str()).collect();
    if usable.contains(&format.as_str()) {
        return Ok(format);
    }
    Err(Error::invalid("format", format!("must be the id of a plugin that formats webhooks: {}", usable.join(", "))))
}
