//! Webhooks: make, list, look at, change, delete, try out.

use std::collections::BTreeMap;

use axum::http::StatusCode;
use axum::response::Response;
use portico_core::id::{DeviceId, EventId};
use portico_core::page::Page;
use portico_core::webhook::subscription::{self, NewWebhook, WebhookPatch};
use portico_core::webhook::{Webhook, WebhookState};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::{HandlerResult, created};
use crate::extract::query::{IdempotencyKey, page};
use crate::extract::{Auth, Ids, Json, Query};

/// What a webhook is to be.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = NewWebhook)]
pub(crate) struct NewWebhookBody {
    /// Only events of this device; absent: of all.
    device: Option<DeviceId>,
    /// Where deliveries go.
    #[schema(example = "https://example.com/hook")]
    url: String,
    /// Names of events, `<noun>.*` or `*`.
    #[schema(example = json!(["message.*"]))]
    events: Vec<String>,
    /// Sent along with every delivery, such as `Authorization`. Values are stored sealed and never shown again: answers have
    /// `header_names` only.
    #[serde(default)]
    headers: BTreeMap<String, String>,
    /// The plugin that shapes the body; absent: the default one.
    format: Option<String>,
    /// `whsec_` and the base64 of 24 to 64 random bytes; absent: one is made.
    secret: Option<String>,
}

/// A webhook with its signing key.
#[derive(Serialize, ToSchema)]
#[schema(as = MadeWebhook)]
pub(crate) struct MadeWebhookBody {
    #[serde(flatten)]
    webhook: Webhook,
    /// Signs deliveries (Standard Webhooks); shown this once; absent when the request only repeated an earlier one.
    #[serde(skip_serializing_if = "Option::is_none")]
    secret: Option<String>,
}

/// Make a webhook
///
/// It gets the events stored from now on. The signing key is shown once.
#[utoipa::path(post, path = "/v1/webhooks", tag = "webhooks", security(("key" = ["webhooks:write"])), params(IdempotencyKey), request_body = NewWebhookBody,
    responses((status = 201, description = "The webhook", body = MadeWebhookBody)))]
pub(super) async fn create(Auth(ctx): Auth, Json(body): Json<NewWebhookBody>) -> HandlerResult<Response> {
    let NewWebhookBody { device, url, events, headers, format, secret } = body;
    let new = NewWebhook { device, url, events, headers, format, secret };
    let webhook = subscription::create(&ctx, new).await?;
    let location = format!("/v1/webhooks/{}", webhook.webhook.id);
    let body = MadeWebhookBody { webhook: webhook.webhook, secret: webhook.secret.map(|s| s.reveal()) };
    Ok(created(&ctx, StatusCode::CREATED, &location, &body))
}

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct WebhookParams {
    /// Only those bound to this device.
    #[param(value_type = Option<String>)]
    device: Option<DeviceId>,
    /// Rows at most.
    limit: Option<u32>,
    /// The `next` of the page before.
    cursor: Option<String>,
}

/// List webhooks
///
/// Newest first.
#[utoipa::path(get, path = "/v1/webhooks", tag = "webhooks", security(("key" = ["webhooks:read"])), params(WebhookParams),
    responses((status = 200, description = "Webhooks", body = Page<Webhook>)))]
pub(super) async fn list(Auth(ctx): Auth, Query(query): Query<WebhookParams>) -> HandlerResult<Json<Page<Webhook>>> {
    let page = page(&ctx, query.limit, query.cursor)?;
    Ok(Json(subscription::list(&ctx, query.device, page).await?))
}

/// Look at a webhook
#[utoipa::path(get, path = "/v1/webhooks/{id}", tag = "webhooks", security(("key" = ["webhooks:read"])), params(("id" = String, Path, description = "The webhook's id")),
    responses((status = 200, description = "The webhook", body = Webhook)))]
pub(super) async fn get(Auth(ctx): Auth, ids: Ids) -> HandlerResult<Json<Webhook>> {
    Ok(Json(subscription::get(&ctx, &ids.webhook()?).await?))
}

/// What is to change; what is absent stays.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = WebhookPatch)]
pub(crate) struct WebhookPatchBody {
    /// Where deliveries go.
    url: Option<String>,
    /// Names of events, `<noun>.*` or `*`.
    events: Option<Vec<String>>,
    /// Sent along with every delivery; replaces all that were set before, so name those again that are to stay.
    headers: Option<BTreeMap<String, String>>,
    /// The plugin that shapes the body.
    format: Option<String>,
    /// `enabled` gives it the events stored from then on.
    state: Option<WebhookState>,
}

/// Change a webhook
#[utoipa::path(patch, path = "/v1/webhooks/{id}", tag = "webhooks", security(("key" = ["webhooks:write"])), params(("id" = String, Path, description = "The webhook's id")),
    request_body = WebhookPatchBody, responses((status = 200, description = "The webhook", body = Webhook)))]
pub(super) async fn change(
    Auth(ctx): Auth,
    ids: Ids,
    Json(body): Json<WebhookPatchBody>,
) -> HandlerResult<Json<Webhook>> {
    let WebhookPatchBody { url, events, headers, format, state } = body;
    let patch = WebhookPatch { url, events, headers, format, state };
    Ok(Json(subscription::change(&ctx, &ids.webhook()?, patch).await?))
}

/// Delete a webhook
///
/// With its deliveries.
#[utoipa::path(delete, path = "/v1/webhooks/{id}", tag = "webhooks", security(("key" = ["webhooks:write"])), params(("id" = String, Path, description = "The webhook's id")),
    responses((status = 204, description = "It is gone")))]
pub(super) async fn delete(Auth(ctx): Auth, ids: Ids) -> HandlerResult<StatusCode> {
    subscription::delete(&ctx, &ids.webhook()?).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// The event a test raised.
#[derive(Serialize, ToSchema)]
pub(crate) struct TestEvent {
    /// Sent as `webhook-id`.
    event: EventId,
    /// Its place among the tenant's events.
    seq: i64,
}

/// Try a webhook out
///
/// Sends it the event `webhook.test`, whatever it wants; the delivery list shows what came of it.
#[utoipa::path(post, path = "/v1/webhooks/{id}/test", tag = "webhooks", security(("key" = ["webhooks:write"])),
    params(("id" = String, Path, description = "The webhook's id"), IdempotencyKey),
    responses((status = 202, description = "The event is on its way", body = TestEvent)))]
pub(super) async fn test(Auth(ctx): Auth, ids: Ids) -> HandlerResult<(StatusCode, Json<TestEvent>)> {
    let event = subscription::test(&ctx, &ids.webhook()?).await?;
    Ok((StatusCode::ACCEPTED, Json(TestEvent { event: event.id, seq: event.seq })))
}
