//! Section "Webhooks": subscriptions of one account.

use portico_sdk::api::{DeliveryState, MadeWebhook, TestEvent, Webhook, WebhookState};
use portico_sdk::dialect::{Call, Fault, Route, delete, get, patch, post};
use portico_sdk::gateway::segment;
use portico_sdk::http::Response;
use portico_sdk::time::iso;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::{Accounts, PLUGIN_ID, created, events, ok, token, webhook_path};

pub(crate) const ROUTES: &[Route<Accounts>] = &[
    post("/api/webhooks/register").run(register),
    get("/api/webhooks/{accountToken}").run(list),
    patch("/api/webhooks/{id}").run(change),
    delete("/api/webhooks/{id}").calls("DELETE", "/v1/webhooks/{id}").says("Webhook deleted successfully"),
    post("/api/webhooks/{id}/test").run(test),
];

/// How long a test waits for what its receiver answers.
const TEST_WAIT_SECONDS: u32 = 10;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Register {
    account_token: String,
    url: String,
    #[serde(default)]
    secret: Option<String>,
    #[serde(default)]
    events: Option<Vec<String>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Change {
    #[serde(default)]
    is_active: Option<bool>,
    #[serde(default)]
    url: Option<String>,
    #[serde(default)]
    secret: Option<String>,
    #[serde(default)]
    events: Option<Vec<String>>,
}

fn register(call: &Call<Accounts>) -> Result<Response, Fault> {
    let Register { account_token, url, secret, events } = call.json()?;
    let events = events.unwrap_or_else(|| vec![events::RECEIVED.to_owned()]);
    require_known(&events)?;
    let device = token::owned(call, &account_token)?;
    let told = events::told(&account_token);
    let mut new =
        json!({ "device": device.id, "url": url, "events": events, "format": PLUGIN_ID, "format_data": told });
    if let Some(secret) = secret.filter(|secret| !secret.is_empty()) {
        new["secret"] = json!(secret);
    }
    let made: MadeWebhook = call.gateway.post("/v1/webhooks", &new)?.json()?;
    let mut webhook = shown(&made.webhook);
    webhook["createdAt"] = json!(made.webhook.created_at);
    Ok(created("Webhook registered successfully", json!({ "webhook": webhook })))
}

/// The document names one event; a subscription to another one would be silent for ever.
fn require_known(events: &[String]) -> Result<(), Fault> {
    let is_known = !events.is_empty() && events.iter().all(|name| name == events::RECEIVED);
    if is_known { Ok(()) } else { Err(Fault::invalid("events", "must be `message.received`")) }
}

fn list(call: &Call<Accounts>) -> Result<Response, Fault> {
    let device = token::owned(call, call.raw("accountToken"))?;
    let all: Vec<Webhook> = call.gateway.all(&format!("/v1/webhooks?device={}", segment(&device.id)))?;
    let own = all.iter().filter(|webhook| webhook.format == PLUGIN_ID);
    let webhooks: Vec<Value> = own
        .map(|webhook| {
            let mut shown = shown(webhook);
            shown["createdAt"] = json!(webhook.created_at);
            shown
        })
        .collect();
    Ok(ok(None, json!({ "webhooks": webhooks })))
}

fn change(call: &Call<Accounts>) -> Result<Response, Fault> {
    let Change { is_active, url, secret, events } = call.json()?;
    let mut patch = json!({});
    if let Some(is_active) = is_active {
        patch["state"] = json!(if is_active { WebhookState::Enabled } else { WebhookState::Disabled });
    }
    if let Some(url) = url {
        patch["url"] = json!(url);
    }
    if let Some(secret) = secret {
        patch["secret"] = json!(secret);
    }
    if let Some(events) = events {
        require_known(&events)?;
        patch["events"] = json!(events);
    }
    let webhook: Webhook = call.gateway.patch(&format!("/v1/webhooks/{}", call.param("id")?), &patch)?.json()?;
    let mut webhook = shown(&webhook);
    webhook["updatedAt"] = json!(iso(call.now_ms));
    Ok(ok(Some("Webhook updated successfully"), json!({ "webhook": webhook })))
}

fn shown(webhook: &Webhook) -> Value {
    json!({ "id": webhook.number, "url": webhook.url, "events": webhook.events,
        "isActive": webhook.state == WebhookState::Enabled })
}

/// A test that is not through in time is answered as pending. The document shows no failed one; its status is `failed`.
fn test(call: &Call<Accounts>) -> Result<Response, Fault> {
    // Another API claims the same path, and its ids are no numbers.
    let webhook = webhook_path(call.raw("id")).ok_or_else(Fault::pass)?;
    let path = format!("/v1/webhooks/{webhook}/test");
    let test: TestEvent = call.gateway.post_waiting(&path, &json!({}), TEST_WAIT_SECONDS)?.json()?;
    let (message, status) = match test.outcome.as_ref().map(|outcome| outcome.state) {
        None => ("Test webhook queued", "pending"),
        Some(DeliveryState::Delivered) => ("Test webhook sent successfully", "success"),
        Some(_) => ("Test webhook failed", "failed"),
    };
    let time = test.outcome.and_then(|outcome| outcome.duration_ms).map(|ms| format!("{ms}ms"));
    Ok(ok(Some(message), json!({ "testResult": { "status": status, "responseTime": time } })))
}
