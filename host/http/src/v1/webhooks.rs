//! Webhooks: make, list, look at, change, delete, try out.

use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use portico_api::{MadeWebhook, NewWebhook, Page, TestEvent, Webhook, WebhookPatch};
use portico_core::webhook::{subscription, trial};
use serde::Deserialize;
use utoipa::IntoParams;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::wait::{self, WaitPreference};
use super::{HandlerResult, answered, created};
use crate::api::App;
use crate::concurrency::Lease;
use crate::extract::path::WebhookPath;
use crate::extract::query::{IdempotencyKey, page};
use crate::extract::{self, Auth, Json, Query};

/// The routes of webhooks.
pub(super) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(create, list)).routes(routes!(get, change, delete)).routes(routes!(test))
}

/// Make a webhook
///
/// It gets the events stored from now on. The signing key is shown once.
#[utoipa::path(post, path = "/v1/webhooks", tag = "webhooks", security(("key" = ["webhooks:write"])), params(IdempotencyKey), request_body = NewWebhook,
    responses((status = 201, description = "The webhook", body = MadeWebhook)))]
pub(super) async fn create(
    State(app): State<App>,
    Auth(ctx): Auth,
    Json(body): Json<NewWebhook>,
) -> HandlerResult<Response> {
    let NewWebhook { device, url, events, headers, format, format_data, secret } = body;
    let device = extract::device(&ctx, &app, "device", device).await?;
    let (events, headers) = (events.into_inner(), headers.into_inner());
    let new = subscription::NewWebhook { device, url, events, headers, format, format_data, secret };
    let made = subscription::create(&ctx, new).await?;
    let location = format!("/v1/webhooks/{}", made.webhook.id);
    Ok(created(&ctx, StatusCode::CREATED, &location, &made))
}

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct WebhookParams {
    /// Only those bound to this device.
    device: Option<String>,
    /// Rows at most.
    limit: Option<u32>,
    /// The `next` of the page before.
    cursor: Option<String>,
    /// Rows that are passed over, instead of a `cursor`.
    offset: Option<u32>,
    /// Whether to count the rows of the whole list.
    total: Option<bool>,
}

/// List webhooks
///
/// Newest first.
#[utoipa::path(get, path = "/v1/webhooks", tag = "webhooks", security(("key" = ["webhooks:read"])), params(WebhookParams),
    responses((status = 200, description = "Webhooks", body = Page<Webhook>)))]
pub(super) async fn list(
    State(app): State<App>,
    Auth(ctx): Auth,
    Query(query): Query<WebhookParams>,
) -> HandlerResult<Json<Page<Webhook>>> {
    let page = page!(&ctx, query)?;
    let device = extract::device(&ctx, &app, "device", query.device).await?;
    Ok(Json(subscription::list(&ctx, device, page).await?.view()))
}

/// Look at a webhook
#[utoipa::path(get, path = "/v1/webhooks/{id}", tag = "webhooks", security(("key" = ["webhooks:read"])), params(WebhookPath),
    responses((status = 200, description = "The webhook", body = Webhook)))]
pub(super) async fn get(Auth(ctx): Auth, path: WebhookPath) -> HandlerResult<Json<Webhook>> {
    Ok(Json((&subscription::get(&ctx, &path.id).await?).into()))
}

/// Change a webhook
#[utoipa::path(patch, path = "/v1/webhooks/{id}", tag = "webhooks", security(("key" = ["webhooks:write"])), params(WebhookPath),
    request_body = WebhookPatch, responses((status = 200, description = "The webhook", body = Webhook)))]
pub(super) async fn change(
    Auth(ctx): Auth,
    path: WebhookPath,
    Json(body): Json<WebhookPatch>,
) -> HandlerResult<Json<Webhook>> {
    let WebhookPatch { url, events, headers, format, format_data, secret, state } = body;
    let (events, headers) = (events.map(|e| e.into_inner()), headers.map(|h| h.into_inner()));
    let state = state.map(Into::into);
    let patch = subscription::WebhookPatch { url, events, headers, format, format_data, secret, state };
    Ok(Json((&subscription::change(&ctx, &path.id, patch).await?).into()))
}

/// Delete a webhook
///
/// With its deliveries.
#[utoipa::path(delete, path = "/v1/webhooks/{id}", tag = "webhooks", security(("key" = ["webhooks:write"])), params(WebhookPath),
    responses((status = 204, description = "It is gone")))]
pub(super) async fn delete(Auth(ctx): Auth, path: WebhookPath) -> HandlerResult<StatusCode> {
    subscription::delete(&ctx, &path.id).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Try a webhook out
///
/// Sends it the event `webhook.test`, whatever it wants; its delivery shows what came of it. With `Prefer: wait=10` the answer
/// comes with the `outcome`, when the receiver has answered or could not be reached, at most so many seconds later; if neither
/// happened by then, it is 202 as without. An attempt that failed is made again as for any delivery.
#[utoipa::path(post, path = "/v1/webhooks/{id}/test", tag = "webhooks", security(("key" = ["webhooks:write"])),
    params(WebhookPath, IdempotencyKey, WaitPreference),
    responses(
        (status = 200, description = "What came of it", body = TestEvent),
        (status = 202, description = "The event is on its way", body = TestEvent)))]
pub(super) async fn test(
    State(app): State<App>,
    Auth(ctx): Auth,
    lease: Lease,
    path: WebhookPath,
    headers: HeaderMap,
) -> HandlerResult<Response> {
    let mut test = trial::start(&ctx, &path.id).await?;
    let (outcome, span) = wait::test_outcome(&app, &ctx, &lease, &headers, &test).await?;
    let status = if outcome.is_some() { StatusCode::OK } else { StatusCode::ACCEPTED };
    test.outcome = outcome;
    let mut response = answered(&ctx, status, &test);
    wait::announce(span, response.headers_mut());
    Ok(response)
}
