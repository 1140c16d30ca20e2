//! Section "Webhook settings": one subscription of each device.

use portico_sdk::api::{Device, MadeWebhook, Webhook, WebhookState};
use portico_sdk::dialect::{Call, Fault, Route, get, put};
use portico_sdk::http::Response;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::devices::SETTINGS;
use crate::{COMMON, Devices, PLUGIN_ID, data, told};

pub(crate) const ROUTES: &[Route<Devices>] = &[
    get("/api/whatsapp/devices/{deviceId}/settings/webhook").limits(COMMON).run(show),
    put("/api/whatsapp/devices/{deviceId}/settings/webhook").limits(COMMON).run(update),
];

/// Events of this API and those of the core that become them. The core has none for QR codes yet.
const EVENTS: [(&str, &[&str]); 4] = [
    ("message", &["message.received"]),
    ("connection", &["device.state"]),
    ("qr", &[]),
    ("status", &["message.sent", "message.delivered", "message.read", "message.failed"]),
];

/// Members of these settings that the core has no place for. They are kept in the settings of the device, below `devices.webhook`.
const KEPT: [&str; 3] = ["events", "retryOnFailure", "maxRetries"];

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Update {
    #[serde(default)]
    webhook_url: Option<String>,
    #[serde(default)]
    enabled: Option<bool>,
    #[serde(default)]
    events: Option<Vec<String>>,
    #[serde(default)]
    secret: Option<String>,
    #[serde(default)]
    retry_on_failure: Option<bool>,
    #[serde(default)]
    max_retries: Option<u32>,
}

/// The device and its subscription of this API.
fn found(call: &Call<Devices>) -> Result<(Device, Option<Webhook>), Fault> {
    let device: Device = call.gateway.get(&format!("/v1/devices/{}", call.param("deviceId")?))?.json()?;
    let all: Vec<Webhook> = call.gateway.all(&format!("/v1/webhooks?device={}", device.id))?;
    Ok((device, all.into_iter().find(|webhook| webhook.format == PLUGIN_ID)))
}

fn show(call: &Call<Devices>) -> Result<Response, Fault> {
    Ok(data(match found(call)? {
        (device, Some(webhook)) => view(&device, &webhook),
        (_, None) => json!({ "webhookUrl": null, "enabled": false, "events": [] }),
    }))
}

/// The secret is not shown: the core keeps it sealed.
fn view(device: &Device, webhook: &Webhook) -> Value {
    let kept = |name: &str| kept_of(device)[name].clone();
    json!({
        "webhookUrl": webhook.url,
        "enabled": webhook.state == WebhookState::Enabled,
        "events": kept("events"),
        "retryOnFailure": kept("retryOnFailure"),
        "maxRetries": kept("maxRetries"),
    })
}

/// What is kept in the settings of a device.
fn kept_of(device: &Device) -> &Value {
    device.settings.get(SETTINGS).map_or(&Value::Null, |own| &own["webhook"])
}

/// What is left out stays as it is.
fn update(call: &Call<Devices>) -> Result<Response, Fault> {
    let update: Update = call.json()?;
    let (device, known) = found(call)?;
    let (mut change, kept) = changed(&update, &device, known.is_some())?;
    let Some(webhook) = known else {
        if update.webhook_url.is_none() {
            return Err(Fault::invalid("webhookUrl", "is needed"));
        }
        change["device"] = json!(device.id);
        change["format"] = json!(PLUGIN_ID);
        let made: MadeWebhook = call.gateway.post("/v1/webhooks", &change)?.json()?;
        let mut webhook = made.webhook;
        // A subscription begins enabled.
        if update.enabled == Some(false) {
            let off = json!({ "state": WebhookState::Disabled });
            webhook = call.gateway.patch(&format!("/v1/webhooks/{}", webhook.id), &off)?.json()?;
        }
        return saved(call, &device, kept, &webhook);
    };
    if let Some(enabled) = update.enabled {
        change["state"] = json!(if enabled { WebhookState::Enabled } else { WebhookState::Disabled });
    }
    let webhook: Webhook = call.gateway.patch(&format!("/v1/webhooks/{}", webhook.id), &change)?.json()?;
    saved(call, &device, kept, &webhook)
}

/// Keeps the rest of the settings, once the core has taken what is its own.
fn saved(call: &Call<Devices>, device: &Device, kept: Value, webhook: &Webhook) -> Result<Response, Fault> {
    let settings = json!({ "settings": { SETTINGS: { "webhook": kept } } });
    let device: Device = call.gateway.patch(&format!("/v1/devices/{}", device.id), &settings)?.json()?;
    Ok(told(view(&device, webhook), Some("Webhook settings updated")))
}

/// The change in the core's words, apart from whether it is enabled, and what is to be kept.
fn changed(update: &Update, device: &Device, is_known: bool) -> Result<(Value, Value), Fault> {
    let mut change = json!({});
    if let Some(url) = &update.webhook_url {
        change["url"] = json!(url);
    }
    if let Some(secret) = update.secret.as_ref().filter(|secret| !secret.is_empty()) {
        change["secret"] = json!(secret);
    }
    let events = match (&update.events, is_known) {
        (Some(events), _) => Some(events.clone()),
        (None, true) => None,
        (None, false) => Some(EVENTS.iter().map(|(name, _)| (*name).to_owned()).collect()),
    };
    if let Some(events) = &events {
        change["events"] = json!(core_events(events)?);
    }
    let before = kept_of(device);
    let named = [json!(events), json!(update.retry_on_failure), json!(update.max_retries)];
    let defaults = [json!([]), json!(true), json!(3)];
    let kept = KEPT.into_iter().zip(named).zip(defaults).map(|((name, named), default)| {
        let value = if named.is_null() { before.get(name).cloned().unwrap_or(default) } else { named };
        (name.to_owned(), value)
    });
    Ok((change, Value::Object(kept.collect::<Map<_, _>>())))
}

fn core_events(events: &[String]) -> Result<Vec<&'static str>, Fault> {
    let mut wanted = Vec::new();
    for name in events {
        let known = EVENTS.iter().find(|(known, _)| known == name);
        let (_, core) = known.ok_or_else(|| Fault::invalid("events", "may name message, connection, qr and status"))?;
        wanted.extend_from_slice(core);
    }
    // A subscription names one event at least. The formatter leaves out what was not asked for only by this list, so a list of
    // none but QR codes can't be kept.
    if wanted.is_empty() {
        return Err(Fault::invalid("events", "must name one of message, connection and status"));
    }
    Ok(wanted)
}
