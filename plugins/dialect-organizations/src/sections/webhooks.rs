//! Section "Webhooks": subscriptions of the whole organization.

use portico_sdk::api::{DeliveryState, MadeWebhook, TestEvent, Webhook, WebhookState};
use portico_sdk::dialect::{Call, Fault, Route, get, post};
use portico_sdk::gateway::segment;
use portico_sdk::http::Response;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::{Organizations, PLUGIN_ID, check_organization, said};

pub(crate) const ROUTES: &[Route<Organizations>] = &[
    post("/api/webhooks").run(create),
    get("/api/webhooks").run(list),
    post("/api/webhooks/{webhookId}/test").run(test),
];

/// What this API calls the event that a client got ready.
pub(crate) const CONNECTED: &str = "client.connected";
/// The event of the core that tells it, among other states.
const STATE: &str = "device.state";

/// How long a test waits for what its receiver answers.
const TEST_WAIT_SECONDS: u32 = 10;

#[derive(Deserialize)]
struct NewWebhook {
    #[serde(default)]
    org_id: Option<String>,
    url: String,
    events: Vec<String>,
}

fn create(call: &Call<Organizations>) -> Result<Response, Fault> {
    let NewWebhook { org_id, url, events } = call.json()?;
    check_organization(call, org_id.as_deref())?;
    let events: Vec<&str> = events.iter().map(|event| to_core(event)).collect();
    let new = json!({ "url": url, "events": events, "format": PLUGIN_ID });
    let MadeWebhook { webhook, secret } = call.gateway.post("/v1/webhooks", &new)?.json()?;
    let shown = json!({ "id": webhook.id, "url": webhook.url, "events": shown_events(&webhook), "secret": secret });
    Ok(said(201, Some("Webhook registered"), json!({ "webhook": shown })))
}

/// Those of this API: deliveries of the others have another shape.
fn list(call: &Call<Organizations>) -> Result<Response, Fault> {
    let webhooks: Vec<Webhook> = call.gateway.all("/v1/webhooks")?;
    let own = webhooks.iter().filter(|webhook| webhook.format == PLUGIN_ID);
    let shown = own.map(|webhook| {
        json!({
            "id": webhook.id,
            "url": webhook.url,
            "events": shown_events(webhook),
            "active": webhook.state == WebhookState::Enabled,
            "created_at": webhook.created_at,
        })
    });
    Ok(Response::json(200, &json!({ "webhooks": shown.collect::<Vec<Value>>() })))
}

/// Sends a test event and tells what came of it. A delivery that is not through in time has no result: all its members are null
/// then, and the status is 202.
fn test(call: &Call<Organizations>) -> Result<Response, Fault> {
    let path = format!("/v1/webhooks/{}/test", segment(&call.param("webhookId")?));
    let test: TestEvent = call.gateway.post_waiting(&path, &json!({}), TEST_WAIT_SECONDS)?.json()?;
    let result = match &test.outcome {
        Some(outcome) => json!({ "success": outcome.state == DeliveryState::Delivered, "statusCode": outcome.status,
            "responseTime": outcome.duration_ms }),
        None => json!({ "success": null, "statusCode": null, "responseTime": null }),
    };
    let status = if test.outcome.is_some() { 200 } else { 202 };
    Ok(said(status, Some("Test sent"), json!({ "result": result })))
}

/// An event under the core's name. Those that this API does not have are left to the core, which says what is wrong.
fn to_core(event: &str) -> &str {
    if event == CONNECTED { STATE } else { event }
}

fn shown_events(webhook: &Webhook) -> Vec<&str> {
    webhook.events.iter().map(|event| if event == STATE { CONNECTED } else { event }).collect()
}
