//! Deliveries: list, look at with attempts, replay one, replay dead letters of a span.

use axum::http::StatusCode;
use portico_core::page::Page;
use portico_core::ports::store::DeliveryFilter;
use portico_core::time::UtcMs;
use portico_core::webhook::{Attempt, Delivery, DeliveryState, replay, subscription};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::HandlerResult;
use crate::extract::query::{IdempotencyKey, page};
use crate::extract::{Auth, Ids, Json, Query};

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
}

/// List deliveries
///
/// Those of a webhook, newest first.
#[utoipa::path(get, path = "/v1/webhooks/{id}/deliveries", tag = "deliveries", security(("key" = ["webhooks:read"])),
    params(("id" = String, Path, description = "The webhook's id"), DeliveryParams),
    responses((status = 200, description = "Deliveries", body = Page<Delivery>)))]
pub(super) async fn of_webhook(
    Auth(ctx): Auth,
    ids: Ids,
    Query(query): Query<DeliveryParams>,
) -> HandlerResult<Json<Page<Delivery>>> {
    let page = page(&ctx, query.limit, query.cursor)?;
    let webhook = subscription::get(&ctx, &ids.webhook()?).await?;
    let filter = DeliveryFilter { webhook: Some(webhook.id), state: query.state };
    Ok(Json(replay::list(&ctx, filter, page).await?))
}

/// A delivery with everything that was tried.
#[derive(Serialize, ToSchema)]
pub(crate) struct DeliveryWithAttempts {
    #[serde(flatten)]
    delivery: Delivery,
    /// Every attempt, oldest first.
    attempt_log: Vec<Attempt>,
}

/// Look at a delivery
///
/// With its attempts.
#[utoipa::path(get, path = "/v1/deliveries/{id}", tag = "deliveries", security(("key" = ["webhooks:read"])),
    params(("id" = String, Path, description = "The delivery's id")),
    responses((status = 200, description = "The delivery", body = DeliveryWithAttempts)))]
pub(super) async fn get(Auth(ctx): Auth, ids: Ids) -> HandlerResult<Json<DeliveryWithAttempts>> {
    let (delivery, attempt_log) = replay::get(&ctx, &ids.delivery()?).await?;
    Ok(Json(DeliveryWithAttempts { delivery, attempt_log }))
}

/// Replay a delivery
///
/// Sends a finished delivery again, with the same event id, once what is being tried of its chat is through. A retry that
/// waits its time goes at once; a delivery that waits behind an older one of its chat is refused.
#[utoipa::path(post, path = "/v1/deliveries/{id}/replay", tag = "deliveries", security(("key" = ["webhooks:write"])),
    params(("id" = String, Path, description = "The delivery's id"), IdempotencyKey),
    responses((status = 202, description = "The delivery, pending", body = Delivery)))]
pub(super) async fn replay(Auth(ctx): Auth, ids: Ids) -> HandlerResult<(StatusCode, Json<Delivery>)> {
    Ok((StatusCode::ACCEPTED, Json(replay::one(&ctx, &ids.delivery()?).await?)))
}

/// Which dead letters are replayed.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ReplaySpan {
    /// Events stored at this time or later.
    from: UtcMs,
    /// Events stored at this time or earlier.
    to: UtcMs,
}

/// How many deliveries are sent again.
#[derive(Serialize, ToSchema)]
pub(crate) struct Replayed {
    /// How many.
    count: u64,
}

/// Replay dead letters
///
/// Sends the dead letters of a webhook again whose events were stored in the span.
#[utoipa::path(post, path = "/v1/webhooks/{id}/replay", tag = "deliveries", security(("key" = ["webhooks:write"])),
    params(("id" = String, Path, description = "The webhook's id"), IdempotencyKey), request_body = ReplaySpan,
    responses((status = 202, description = "How many are sent again", body = Replayed)))]
pub(super) async fn replay_dead(
    Auth(ctx): Auth,
    ids: Ids,
    Json(span): Json<ReplaySpan>,
) -> HandlerResult<(StatusCode, Json<Replayed>)> {
    let count = replay::dead(&ctx, &ids.webhook()?, span.from, span.to).await?;
    Ok((StatusCode::ACCEPTED, Json(Replayed { count })))
}
