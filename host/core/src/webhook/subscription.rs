//! Subscriptions: make, change, delete.

use portico_api::{self as api, EVENTS_MAX};

use super::headers;
use super::signature::{Secret, SecretForm};
use super::{EventFilter, FormatData, Headers, SealedFormatData, SealedHeaders, Webhook, WebhookState};
use crate::access::Caller;
use crate::access::authorize::{self, Action};
use crate::context::Write;
use crate::context::idempotency::Shown;
use crate::context::{OpContext, Services};
use crate::error::{Error, Result};
use crate::event::EventKind;
use crate::id::{DeviceId, TenantId, WebhookId};
use crate::model::number::Numbered;
use crate::page::{Page, PageRequest};
use crate::ports::Tx;
use crate::ports::outbound::OutboundError;
use crate::ports::plugins::Hook;
use crate::ports::store::WebhookChange;

/// Characters of a URL at most.
const URL_CHARS_MAX: usize = 2048;

/// What a subscription is to be.
#[derive(Clone, Default)]
pub struct NewWebhook {
    /// Only events of this device.
    pub device: Option<DeviceId>,
    /// Where deliveries go.
    pub url: String,
    /// Names of events, `<noun>.*` or `*`.
    pub events: Vec<String>,
    /// Sent along with every delivery.
    pub headers: Headers,
    /// The format plugin; `None`: the default one.
    pub format: Option<String>,
    /// What the format plugin is told with each event.
    pub format_data: Option<FormatData>,
    /// `whsec_…`, or any other text; `None`: one is generated.
    pub secret: Option<String>,
}

/// What is to change; what is `None` stays.
#[derive(Clone, Default)]
pub struct WebhookPatch {
    /// Where deliveries go.
    pub url: Option<String>,
    /// Names of events.
    pub events: Option<Vec<String>>,
    /// Headers, in the place of all those before.
    pub headers: Option<Headers>,
    /// The format plugin.
    pub format: Option<String>,
    /// What the format plugin is told with each event, in the place of what it was told before.
    pub format_data: Option<FormatData>,
    /// Another signing key.
    pub secret: Option<String>,
    /// Enabled or not.
    pub state: Option<WebhookState>,
}

/// A subscription with its signing key, as it is shown once, and to repetitions of the request that made it.
pub(crate) fn made_view(webhook: &Webhook, secret: &Secret) -> api::MadeWebhook {
    api::MadeWebhook { webhook: webhook.into(), secret: Some(secret.reveal()) }
}

/// Makes a subscription. It gets the events stored from now on.
pub async fn create(ctx: &OpContext, new: NewWebhook) -> Result<api::MadeWebhook> {
    let access = ctx.require_within(Action::ManageWebhooks)?;
    let new = NewWebhook { device: access.narrowed(new.device)?, ..new };
    let (webhook, secret) = draft(ctx, new)?;
    let insert = move |tx: &mut Write<'_>, tenant: &TenantId| {
        if let Some(device) = &webhook.device {
            authorize::find(&mut **tx, tenant, device)?;
        }
        Ok(Shown(made_view(&insert(tx, webhook)?, &secret)))
    };
    access.write(insert).await.map(Shown::into_inner)
}

/// Checks what a subscription is to be, for a caller who may make it. Whether its device is the caller's is not asked here.
pub(crate) fn draft(ctx: &OpContext, new: NewWebhook) -> Result<(Webhook, Secret)> {
    let access = ctx.require_within(Action::ManageWebhooks)?;
    let events = checked_events(&new.events)?;
    require_seen(ctx.caller(), &events)?;
    let ports = access.ports();
    let id = ports.fresh(WebhookId::new);
    let secret = match &new.secret {
        Some(text) => Secret::parse("secret", text)?,
        None => Secret::generate(&*ports.rng),
    };
    let webhook = Webhook {
        sealed_secret: ports.sealer.seal(&Webhook::seal_place(&id), secret.bytes())?,
        secret_form: secret.form(),
        headers: sealed_headers(access.services(), &id, new.headers)?,
        format_data: SealedFormatData::seal(&ports.sealer, &id, &new.format_data.unwrap_or_default())?,
        id,
        // Given when it is stored.
        number: 0,
        tenant: ctx.tenant().clone(),
        device: new.device,
        url: checked_url(access.services(), new.url)?,
        events,
        format: checked_format(access.services(), ctx.tenant(), new.format)?,
        state: WebhookState::Enabled,
        reason: None,
        failing_since: None,
        created_at: ctx.now(),
    };
    Ok((webhook, secret))
}

/// Stores a subscription, unless its tenant has as many as its devices allow.
pub(crate) fn insert(tx: &mut Write<'_>, mut webhook: Webhook) -> Result<Webhook> {
    webhook.number = tx.number_next(&webhook.tenant, Numbered::Webhook)?;
    let (limits, devices) = (tx.limits(), tx.device_count(&webhook.tenant)?);
    let limit = limits.webhooks_per_tenant.saturating_add(limits.webhooks_per_device.saturating_mul(devices));
    if tx.webhook_count(&webhook.tenant)? >= limit {
        let why = format!("this tenant has {limit} webhooks, the limit for its number of devices; delete one first");
        return Err(Error::Conflict { code: "too_many_webhooks", why });
    }
    tx.webhook_insert(&webhook)?;
    Ok(webhook)
}

/// A subscription.
pub async fn get(ctx: &OpContext, id: &WebhookId) -> Result<Webhook> {
    let access = ctx.require_within(Action::SeeWebhooks)?;
    let (id, only) = (id.clone(), access.only_device().cloned());
    access.read(move |tx, tenant| find(tx, tenant, only.as_ref(), &id)).await
}

/// Subscriptions, newest first; with `device` only those bound to it.
pub async fn list(ctx: &OpContext, device: Option<DeviceId>, page: PageRequest) -> Result<Page<Webhook>> {
    let access = ctx.require_within(Action::SeeWebhooks)?;
    page.by::<WebhookId>()?;
    let device = access.narrowed(device)?;
    let list = move |tx: &mut dyn Tx, tenant: &TenantId| {
        let rows = tx.webhook_list(tenant, device.as_ref(), &page)?;
        let total = page.total(|most| tx.webhook_total(tenant, device.as_ref(), most))?;
        Ok(Page::cut(rows, &page, |w| w.id.to_string()).of_total(total))
    };
    access.read(list).await
}

/// Changes a subscription. Enabling one gives it the events stored from then on.
pub async fn change(ctx: &OpContext, id: &WebhookId, patch: WebhookPatch) -> Result<Webhook> {
    let access = ctx.require_within(Action::ManageWebhooks)?;
    let reason = |state| (state == WebhookState::Disabled).then(|| "disabled on request".to_owned());
    let change = WebhookChange {
        url: patch.url.map(|u| checked_url(access.services(), u)).transpose()?,
        events: patch.events.map(|e| checked_events(&e)).transpose()?,
        headers: patch.headers.map(|h| sealed_headers(access.services(), id, h)).transpose()?,
        format: patch.format.map(|f| checked_format(access.services(), ctx.tenant(), Some(f))).transpose()?,
        format_data: patch.format_data.map(|d| SealedFormatData::seal(&access.ports().sealer, id, &d)).transpose()?,
        state: patch.state.map(|s| (s, reason(s))),
        secret: patch.secret.map(|text| sealed_secret(access.services(), id, &text)).transpose()?,
    };
    let (id, caller, only) = (id.clone(), ctx.caller().clone(), access.only_device().cloned());
    let change = move |tx: &mut Write<'_>, tenant: &TenantId| {
        find(&mut **tx, tenant, only.as_ref(), &id)?;
        tx.webhook_change(tenant, &id, &change)?;
        let webhook = find(&mut **tx, tenant, only.as_ref(), &id)?;
        // Scopes are checked again: a new URL redirects what was subscribed to before.
        require_seen(&caller, &webhook.events)?;
        Ok(webhook)
    };
    access.write(change).await
}

/// Deletes a subscription with its deliveries.
pub async fn delete(ctx: &OpContext, id: &WebhookId) -> Result<()> {
    let access = ctx.require_within(Action::ManageWebhooks)?;
    let (id, only) = (id.clone(), access.only_device().cloned());
    let delete = move |tx: &mut Write<'_>, tenant: &TenantId| {
        find(&mut **tx, tenant, only.as_ref(), &id)?;
        tx.webhook_delete(tenant, &id).map(drop)
    };
    access.write(delete).await
}

/// A subscription; where `only` names a device, one that is bound to it.
pub(super) fn find(tx: &mut dyn Tx, tenant: &TenantId, only: Option<&DeviceId>, id: &WebhookId) -> Result<Webhook> {
    let found = tx.webhook_find(tenant, id)?.filter(|webhook| only.is_none() || webhook.device.as_ref() == only);
    found.ok_or_else(|| Error::not_found("webhook", id))
}

fn checked_url(services: &Services, url: String) -> Result<String> {
    if url.len() > URL_CHARS_MAX {
        return Err(Error::invalid("url", format!("must have at most {URL_CHARS_MAX} characters")));
    }
    match services.outbound.check_url(&url) {
        Ok(()) => Ok(url),
        Err(OutboundError::Invalid(why)) => Err(Error::invalid("url", why)),
        Err(why) => Err(Error::invalid("url", why.to_string())),
    }
}

/// The filters without repetitions: so there are at most as many as there are kinds and groups of events.
fn checked_events(events: &[String]) -> Result<Vec<EventFilter>> {
    if events.is_empty() || events.len() > EVENTS_MAX {
        return Err(Error::invalid("events", format!("must name 1 to {EVENTS_MAX} events; `*` stands for all")));
    }
    let parse = |(i, text): (usize, &String)| {
        let filter = EventFilter::parse(text).filter(|filter| stored().any(|kind| filter.matches(kind)));
        filter.ok_or_else(|| {
            let names: Vec<_> = stored().map(EventKind::as_str).collect();
            Error::invalid(format!("events[{i}]"), format!("must be `*`, `<noun>.*` or one of {}", names.join(", ")))
        })
    };
    let mut filters: Vec<EventFilter> = Vec::new();
    for filter in events.iter().enumerate().map(parse) {
        let filter = filter?;
        if !filters.contains(&filter) {
            filters.push(filter);
        }
    }
    Ok(filters)
}

/// What webhooks can get.
fn stored() -> impl Iterator<Item = EventKind> {
    EventKind::ALL.into_iter().filter(|kind| kind.is_stored())
}

/// A webhook shows nothing its maker may not see: messages need `messages:read`, devices `devices:read`.
fn require_seen(caller: &Caller, events: &[EventFilter]) -> Result<()> {
    let wanted = |kind: &EventKind| events.iter().any(|filter| filter.matches(*kind));
    for kind in stored().filter(wanted) {
        if let Some(scope) = kind.scope() {
            caller.require(scope)?;
        }
    }
    Ok(())
}

fn sealed_headers(services: &Services, id: &WebhookId, headers: Headers) -> Result<SealedHeaders> {
    SealedHeaders::seal(&services.ports.sealer, id, &headers::checked(headers)?)
}

fn sealed_secret(services: &Services, id: &WebhookId, text: &str) -> Result<(Vec<u8>, SecretForm)> {
    let secret = Secret::parse("secret", text)?;
    Ok((services.ports.sealer.seal(&Webhook::seal_place(id), secret.bytes())?, secret.form()))
}

fn checked_format(services: &Services, tenant: &TenantId, format: Option<String>) -> Result<String> {
    let format = format.unwrap_or_else(|| super::DEFAULT_FORMAT.to_owned());
    let snapshot = services.ports.directory.snapshot();
    let usable: Vec<_> = snapshot
        .all()
        .filter(|p| p.offer.audience.includes(Some(tenant)) && p.info().hooks.contains(&Hook::WebhookFormat))
        .map(|p| p.offer.plugin.as_str())
        .collect();
    if usable.contains(&format.as_str()) {
        return Ok(format);
    }
    Err(Error::invalid("format", format!("must be the id of a plugin that formats webhooks: {}", usable.join(", "))))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_are_bounded_and_kept_once() {
        let names = |name: &str, count: usize| vec![name.to_owned(); count];
        let filters = checked_events(&[names("message.*", 50), names("*", 50)].concat()).unwrap();
        assert_eq!(filters.iter().map(EventFilter::as_str).collect::<Vec<_>>(), ["message.*", "*"]);
        assert!(checked_events(&names("*", EVENTS_MAX + 1)).is_err());
        assert!(checked_events(&[]).is_err());
        assert!(checked_events(&names("device.qr", 1)).is_err(), "it is told live only");
    }
}
