//! Section "Webhook settings": one subscription of each device.

mod test;

use std::collections::BTreeMap;

use portico_sdk::api::{Delivery, Device, MadeWebhook, Page, Timestamp, Webhook, WebhookState};
use portico_sdk::dialect::{Call, Fault, Route, get, post, put};
use portico_sdk::http::Response;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::devices::found;
use super::devices::view::{SETTINGS, own};
use crate::events::WANTED;
use crate::{COMMON, Classic, PLUGIN_ID, bad, data, told};

pub(crate) const ROUTES: &[Route<Classic>] = &[
    get("/api/whatsapp/devices/{deviceId}/settings/webhook").limits(COMMON).run(show),
    put("/api/whatsapp/devices/{deviceId}/settings/webhook").limits(COMMON).run(update),
    post("/api/whatsapp/devices/{deviceId}/settings/webhook/test").limits(COMMON).run(test::test),
];

/// What stands in answers for secrets, which the core keeps sealed. Sent back, it leaves them as they are.
const HIDDEN: &str = "********";

/// The name of these settings among this API's own facts about a device.
pub(super) const OWN: &str = "webhook";

/// Events of this API and those of the core that become them. The core's event of a QR code goes to sockets only.
const EVENTS: [(&str, &[&str]); 5] = [
    ("message", &["message.received", "message.sent"]),
    ("connection", &["device.state"]),
    ("qr", &[]),
    ("media", &["message.received"]),
    ("status", &["message.sent", "message.delivered", "message.read", "message.failed"]),
];

/// Members of the settings that the core has no place for, with what they are before anybody sets them. They are kept in the
/// settings of the device, below `classic.webhook`, with the events; the formatter gets a copy, which the core shows to nobody.
const RETRY_COUNT: (&str, u32) = ("retryCount", 3);
const TIMEOUT: (&str, u32) = ("timeout", 30_000);

/// Settings as they come, whole or in part: here, and with a device.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Change {
    #[serde(default)]
    url: Option<String>,
    #[serde(default)]
    enabled: Option<bool>,
    #[serde(default)]
    events: Option<Vec<String>>,
    #[serde(default)]
    secret: Option<String>,
    #[serde(default)]
    retry_count: Option<u32>,
    #[serde(default)]
    timeout: Option<u32>,
    #[serde(default)]
    headers: Option<BTreeMap<String, String>>,
}

/// The device's subscription of this API.
fn of_device(call: &Call<Classic>, device: &Device) -> Result<Option<Webhook>, Fault> {
    let all: Vec<Webhook> = call.gateway.all(&format!("/v1/webhooks?device={}", device.id))?;
    Ok(all.into_iter().find(|webhook| webhook.format == PLUGIN_ID))
}

fn show(call: &Call<Classic>) -> Result<Response, Fault> {
    let device = found(call, &call.param("deviceId")?)?;
    let webhook = of_device(call, &device)?;
    Ok(data(json!({ "webhookSettings": whole(call, &device, webhook.as_ref())? })))
}

fn update(call: &Call<Classic>) -> Result<Response, Fault> {
    let change: Change = call.json()?;
    let device = found(call, &call.param("deviceId")?)?;
    let (webhook, kept) = changed(call, &device, &change)?;
    let settings = json!({ "settings": { SETTINGS: { OWN: kept } } });
    let device: Device = call.gateway.patch(&format!("/v1/devices/{}", device.id), &settings)?.json()?;
    let shown = json!({ "webhookSettings": whole(call, &device, Some(&webhook))? });
    Ok(told(shown, Some("Webhook settings updated successfully")))
}

/// What the whole device tells of its webhook.
pub(super) fn brief(call: &Call<Classic>, device: &Device) -> Result<Value, Fault> {
    let webhook = of_device(call, device)?;
    let last = match &webhook {
        Some(webhook) => newest(call, webhook, "delivered")?.1,
        None => None,
    };
    Ok(json!({
        "enabled": webhook.as_ref().is_some_and(|webhook| webhook.state == WebhookState::Enabled),
        "url": webhook.as_ref().map(|webhook| &webhook.url),
        "events": webhook.as_ref().map_or_else(|| json!([]), |_| kept(device, WANTED)),
        "lastDelivery": last,
        "status": webhook.as_ref().map_or("inactive", status),
    }))
}

/// Everything about the settings. Headers are shown by their names.
fn whole(call: &Call<Classic>, device: &Device, webhook: Option<&Webhook>) -> Result<Value, Fault> {
    let ((successful, last), (failed, last_failure)) = match webhook {
        Some(webhook) => (newest(call, webhook, "delivered")?, newest(call, webhook, "dead")?),
        None => ((0, None), (0, None)),
    };
    let number = |(name, default): (&str, u32)| match webhook.map(|_| kept(device, name)) {
        Some(Value::Number(number)) => Value::Number(number),
        _ => json!(default),
    };
    let names = webhook.into_iter().flat_map(|webhook| &webhook.header_names);
    let headers: Map<String, Value> = names.map(|name| (name.clone(), json!(HIDDEN))).collect();
    Ok(json!({
        "enabled": webhook.is_some_and(|webhook| webhook.state == WebhookState::Enabled),
        "url": webhook.map(|webhook| &webhook.url),
        "events": webhook.map_or_else(|| json!([]), |_| kept(device, WANTED)),
        "secret": webhook.map(|_| HIDDEN),
        "retryCount": number(RETRY_COUNT),
        "timeout": number(TIMEOUT),
        "lastDelivery": last,
        "status": webhook.map_or("inactive", status),
        "headers": headers,
        "statistics": {
            "totalSent": successful + failed,
            "successful": successful,
            "failed": failed,
            "lastFailure": last_failure,
        },
    }))
}

fn kept(device: &Device, name: &str) -> Value {
    own(device, OWN)[name].clone()
}

fn status(webhook: &Webhook) -> &'static str {
    match webhook.state {
        WebhookState::Disabled => "inactive",
        WebhookState::Enabled if webhook.failing_since.is_some() => "failing",
        WebhookState::Enabled => "active",
    }
}

/// How many deliveries ended in a state, and when the newest of them did.
fn newest(call: &Call<Classic>, webhook: &Webhook, state: &str) -> Result<(u64, Option<Timestamp>), Fault> {
    let path = format!("/v1/webhooks/{}/deliveries?state={state}&limit=1&total=true", webhook.id);
    let page: Page<Delivery> = call.gateway.get(&path)?.json()?;
    Ok((page.total.unwrap_or_default(), page.items.into_iter().next().and_then(|delivery| delivery.finished_at)))
}

/// A device's webhook as the core makes it with the device, and what is to be kept in the device's settings.
pub(super) fn of_new_device(change: &Change) -> Result<(Value, Value), Fault> {
    if change.enabled == Some(false) {
        return Err(Fault::invalid(
            "webhook.enabled",
            "a webhook begins enabled; switch it off in the webhook settings",
        ));
    }
    let (mut new, kept) = to_core(change, None, &Value::Null)?;
    new["format"] = json!(PLUGIN_ID);
    Ok((new, kept))
}

/// Changes the device's subscription, or makes it; what is left out stays as it is. Gives what the caller then keeps in the
/// device's settings too: nothing is kept that the core refused.
pub(super) fn changed(call: &Call<Classic>, device: &Device, change: &Change) -> Result<(Webhook, Value), Fault> {
    let known = of_device(call, device)?;
    let (mut to_core, kept) = to_core(change, known.as_ref(), own(device, OWN))?;
    if let Some(webhook) = known {
        if let Some(enabled) = change.enabled {
            to_core["state"] = json!(if enabled { WebhookState::Enabled } else { WebhookState::Disabled });
        }
        return Ok((call.gateway.patch(&format!("/v1/webhooks/{}", webhook.id), &to_core)?.json()?, kept));
    }
    to_core["device"] = json!(device.id);
    to_core["format"] = json!(PLUGIN_ID);
    let made: MadeWebhook = call.gateway.post("/v1/webhooks", &to_core)?.json()?;
    if change.enabled != Some(false) {
        return Ok((made.webhook, kept));
    }
    // A subscription begins enabled.
    let off = json!({ "state": WebhookState::Disabled });
    Ok((call.gateway.patch(&format!("/v1/webhooks/{}", made.webhook.id), &off)?.json()?, kept))
}

/// The change in the core's words, apart from the device, the format and whether it is enabled, and what is kept of it in this
/// API's own. `before` is what was kept so far.
fn to_core(change: &Change, known: Option<&Webhook>, before: &Value) -> Result<(Value, Value), Fault> {
    let mut to_core = json!({});
    match &change.url {
        Some(url) => to_core["url"] = json!(url),
        None if known.is_none() => return Err(Fault::invalid("url", "is needed")),
        None => {}
    }
    if let Some(secret) = change.secret.as_ref().filter(|secret| !secret.is_empty() && *secret != HIDDEN) {
        to_core["secret"] = json!(secret);
    }
    if let Some(headers) = &change.headers
        && let Some(headers) = own_headers(headers, known)?
    {
        to_core["headers"] = json!(headers);
    }
    let mut kept = before.as_object().cloned().unwrap_or_default();
    let events = match (&change.events, known) {
        (Some(events), _) => Some(events.clone()),
        (None, Some(_)) => None,
        (None, None) => Some(EVENTS.iter().map(|(name, _)| (*name).to_owned()).collect()),
    };
    if let Some(events) = events {
        to_core["events"] = json!(core_events(&events)?);
        kept.insert(WANTED.to_owned(), json!(events));
    }
    for ((name, _), value) in [(RETRY_COUNT, change.retry_count), (TIMEOUT, change.timeout)] {
        if let Some(value) = value {
            kept.insert(name.to_owned(), json!(value));
        }
    }
    let kept = Value::Object(kept);
    to_core["format_data"] = kept.clone();
    Ok((to_core, kept))
}

/// The headers that are the subscriber's own; the content type is always JSON. `None`: they are those that answers show, sent
/// back, and stay as they are.
fn own_headers(
    headers: &BTreeMap<String, String>,
    known: Option<&Webhook>,
) -> Result<Option<BTreeMap<String, String>>, Fault> {
    let mut own = headers.clone();
    own.retain(|name, _| !name.eq_ignore_ascii_case("content-type"));
    if own.values().all(|value| value != HIDDEN) {
        return Ok(Some(own));
    }
    let same = known.is_some_and(|webhook| {
        webhook.header_names.len() == own.len()
            && own.iter().all(|(name, value)| {
                value == HIDDEN && webhook.header_names.iter().any(|known| known.eq_ignore_ascii_case(name))
            })
    });
    if same { Ok(None) } else { Err(Fault::invalid("headers", "must be sent whole: their values are not shown again")) }
}

/// What the core has to tell so that these events can be made of it.
fn core_events(events: &[String]) -> Result<Vec<&'static str>, Fault> {
    let mut wanted = Vec::new();
    for name in events {
        let known = EVENTS.iter().find(|(known, _)| known == name);
        let (_, core) =
            known.ok_or_else(|| Fault::invalid("events", "may name message, connection, qr, media and status"))?;
        wanted.extend(core.iter().filter(|event| !wanted.contains(*event)).copied().collect::<Vec<_>>());
    }
    match wanted.is_empty() {
        false => Ok(wanted),
        true if events.is_empty() => Err(Fault::invalid("events", "must not be empty")),
        true => Err(bad::unsupported("events", "QR codes alone are not sent to webhooks; they come by the socket")),
    }
}
