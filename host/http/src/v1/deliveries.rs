//! Deliveries: list, look at with attempts, replay one, replay dead letters of a span.

use axum::http::StatusCode;
use axum::response::Response;
use portico_api::{Delivery, DeliveryState, DeliveryWithAttempts, Page, ReplaySpan, Replayed};
use portico_core::ports::store::DeliveryFilter;
use portico_core::time::UtcMs;
use portico_core::webhook::{replay as deliveries, subscription};
use serde::Deserialize;
use utoipa::IntoParams;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::{HandlerResult, answered};
use crate::api::App;
use crate::extract::path::{DeliveryPath, WebhookPath};
use crate::extract::query::{IdempotencyKey, page};
use crate::extract::{Auth, Json, Query};

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct DeliveryParams {
    /// Only in this state; `dead` lists the dead letters.
    #[param(inline)]
    state: Option<DeliveryState>,
    /// Rows at most.
    limit: Option<u32>,
    /// The `next` of the page before.
    cursor: Option<String>,
    /// Rows that are passed over, instead of a `cursor`.
    offset: Option<u32>,
    /// Whether to count the rows of the whole list.
    total: Option<bool>,
}

/// The routes of deliveries.
pub(super) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(of_webhook))
        .routes(routes!(replay_dead))
        .routes(routes!(get))
        .routes(routes!(replay))
}

/// List deliveries
///
/// Those of a webhook, newest first.
#[utoipa::path(get, path = "/v1/webhooks/{id}/deliveries", tag = "deliveries", security(("key" = ["webhooks:read"])),
    params(WebhookPath, DeliveryParams),
    responses((status = 200, description = "Deliveries", body = Page<Delivery>)))]
pub(super) async fn of_webhook(
    Auth(ctx): Auth,
    path: WebhookPath,
    Query(query): Query<DeliveryParams>,
) -> HandlerResult<Json<Page<Delivery>>> {
    let page = page!(&ctx, query)?;
    let webhook = subscription::get(&ctx, &path.id).await?;
    let filter = DeliveryFilter { webhook: Some(webhook.id), state: query.state.map(Into::into) };
    Ok(Json(deliveries::list(&ctx, filter, page).await?.view()))
}

/// Look at a delivery
///
/// With its attempts.
#[utoipa::path(get, path = "/v1/deliveries/{id}", tag = "deliveries", security(("key" = ["webhooks:read"])),
    params(DeliveryPath),
    responses((status = 200, description = "The delivery", body = DeliveryWithAttempts)))]
pub(super) async fn get(Auth(ctx): Auth, path: DeliveryPath) -> HandlerResult<Json<DeliveryWithAttempts>> {
    let (delivery, attempts) = deliveries::get(&ctx, &path.id).await?;
    let attempt_log = attempts.iter().map(Into::into).collect();
    Ok(Json(DeliveryWithAttempts { delivery: (&delivery).into(), attempt_log }))
}

/// Replay a delivery
///
/// Sends a finished delivery again, with the same event id, once what is being tried of its chat is through. A retry that
/// waits its time goes at once; a delivery that waits behind an older one of its chat is refused.
#[utoipa::path(post, path = "/v1/deliveries/{id}/replay", tag = "deliveries", security(("key" = ["webhooks:write"])),
    params(DeliveryPath, IdempotencyKey),
    responses((status = 202, description = "The delivery, pending", body = Delivery)))]
pub(super) async fn replay(Auth(ctx): Auth, path: DeliveryPath) -> HandlerResult<Response> {
    let delivery = deliveries::one(&ctx, &path.id).await?;
    Ok(answered(&ctx, StatusCode::ACCEPTED, &delivery))
}

/// Replay dead letters
///
/// Sends the dead letters of a webhook again whose events were stored in the span.
#[utoipa::path(post, path = "/v1/webhooks/{id}/replay", tag = "deliveries", security(("key" = ["webhooks:write"])),
    params(WebhookPath, IdempotencyKey), request_body = ReplaySpan,
    responses((status = 202, description = "How many are sent again", body = Replayed)))]
pub(super) async fn replay_dead(
    Auth(ctx): Auth,
    path: WebhookPath,
    Json(span): Json<ReplaySpan>,
) -> HandlerResult<Response> {
    let (from, to) = (UtcMs::parse("from", span.from.as_str())?, UtcMs::parse("to", span.to.as_str())?);
    let count = deliveries::dead(&ctx, &path.id, from, to).await?;
    Ok(answered(&ctx, StatusCode::ACCEPTED, &Replayed { count }))
}
