//! Changes to messages: making them, and the list of those that were made.

use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::{IntoResponse, Response};
use portico_api::{MessageChange, MessagePatch, NewPin, NewReaction, Page};
use portico_core::OpContext;
use portico_core::message::{Message, change};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::wait::{self, WaitPreference};
use super::{HandlerResult, answered};
use crate::api::App;
use crate::concurrency::Lease;
use crate::extract::path::MessagePath;
use crate::extract::query::{IdempotencyKey, PageParams, page};
use crate::extract::{Auth, Json, Query};
use crate::problem::Problem;

/// The routes of changes to messages.
pub(super) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(react))
        .routes(routes!(edit))
        .routes(routes!(revoke))
        .routes(routes!(pin, unpin))
        .routes(routes!(changes))
}

/// The answer to a request that changes a message, after waiting for the change if the client prefers to.
async fn changed(
    app: &App,
    ctx: &OpContext,
    lease: &Lease,
    headers: &HeaderMap,
    row: Message,
) -> HandlerResult<Response> {
    let waited = wait::outcome(app, ctx, lease, headers, row).await?;
    let mut response = match &waited.message.error {
        Some(failure) if waited.span.is_some() => Problem::failed_send(failure).into_response(),
        _ => answered(ctx, waited.status(), &MessageChange::try_from(&waited.message)?),
    };
    waited.announce(response.headers_mut());
    Ok(response)
}

/// React to a message
///
/// Each person has one reaction to a message; a new one takes the place of the old. The reaction is sent like a message and
/// takes effect when WhatsApp's server has it, which the event `message.reaction` tells. `Prefer: wait=10` waits for that.
#[utoipa::path(post, path = "/v1/devices/{id}/messages/{message}/reaction", tag = "messages",
    security(("key" = ["messages:write"])),
    params(MessagePath, IdempotencyKey, WaitPreference), request_body = NewReaction,
    responses(
        (status = 200, description = "The reaction, which WhatsApp's server has", body = MessageChange),
        (status = 202, description = "The reaction, queued", body = MessageChange)))]
pub(super) async fn react(
    State(app): State<App>,
    Auth(ctx): Auth,
    lease: Lease,
    path: MessagePath,
    headers: HeaderMap,
    Json(body): Json<NewReaction>,
) -> HandlerResult<Response> {
    let row = change::react(&ctx, &path.id, &path.message, body.emoji).await?;
    changed(&app, &ctx, &lease, &headers, row).await
}

/// Edit a message
///
/// A text of our own, within 15 minutes. It says the new text when WhatsApp's server has the edit, which the event
/// `message.edited` tells; what it said before is kept in `original` and in the list of changes.
#[utoipa::path(patch, path = "/v1/devices/{id}/messages/{message}", tag = "messages",
    security(("key" = ["messages:write"])), params(MessagePath, WaitPreference), request_body = MessagePatch,
    responses(
        (status = 200, description = "The edit, which WhatsApp's server has", body = MessageChange),
        (status = 202, description = "The edit, queued", body = MessageChange)))]
pub(super) async fn edit(
    State(app): State<App>,
    Auth(ctx): Auth,
    lease: Lease,
    path: MessagePath,
    headers: HeaderMap,
    Json(body): Json<MessagePatch>,
) -> HandlerResult<Response> {
    let row = change::edit(&ctx, &path.id, &path.message, body.text).await?;
    changed(&app, &ctx, &lease, &headers, row).await
}

/// Delete a message for everybody
///
/// A message of our own, within 60 hours, or as admin anybody's in a group. The event `message.revoked` tells when WhatsApp's
/// server has it. Here the message stays, with `revoked_at`.
#[utoipa::path(delete, path = "/v1/devices/{id}/messages/{message}", tag = "messages",
    security(("key" = ["messages:write"])), params(MessagePath, WaitPreference),
    responses(
        (status = 200, description = "The deletion, which WhatsApp's server has", body = MessageChange),
        (status = 202, description = "The deletion, queued", body = MessageChange)))]
pub(super) async fn revoke(
    State(app): State<App>,
    Auth(ctx): Auth,
    lease: Lease,
    path: MessagePath,
    headers: HeaderMap,
) -> HandlerResult<Response> {
    let row = change::revoke(&ctx, &path.id, &path.message).await?;
    changed(&app, &ctx, &lease, &headers, row).await
}

/// Pin a message
///
/// For everybody in the chat. The event `message.pinned` tells when WhatsApp's server has it.
#[utoipa::path(post, path = "/v1/devices/{id}/messages/{message}/pin", tag = "messages",
    security(("key" = ["messages:write"])),
    params(MessagePath, IdempotencyKey, WaitPreference), request_body = NewPin,
    responses(
        (status = 200, description = "The pin, which WhatsApp's server has", body = MessageChange),
        (status = 202, description = "The pin, queued", body = MessageChange)))]
pub(super) async fn pin(
    State(app): State<App>,
    Auth(ctx): Auth,
    lease: Lease,
    path: MessagePath,
    headers: HeaderMap,
    Json(body): Json<NewPin>,
) -> HandlerResult<Response> {
    let row = change::pin(&ctx, &path.id, &path.message, Some(body.seconds)).await?;
    changed(&app, &ctx, &lease, &headers, row).await
}

/// Take a pinned message down
#[utoipa::path(delete, path = "/v1/devices/{id}/messages/{message}/pin", tag = "messages",
    security(("key" = ["messages:write"])), params(MessagePath, WaitPreference),
    responses(
        (status = 200, description = "The change, which WhatsApp's server has", body = MessageChange),
        (status = 202, description = "The change, queued", body = MessageChange)))]
pub(super) async fn unpin(
    State(app): State<App>,
    Auth(ctx): Auth,
    lease: Lease,
    path: MessagePath,
    headers: HeaderMap,
) -> HandlerResult<Response> {
    let row = change::pin(&ctx, &path.id, &path.message, None).await?;
    changed(&app, &ctx, &lease, &headers, row).await
}

/// List the changes to a message
///
/// Everybody's reactions, edits and the like, newest first: the history of the message.
#[utoipa::path(get, path = "/v1/devices/{id}/messages/{message}/changes", tag = "messages",
    security(("key" = ["messages:read"])), params(MessagePath, PageParams),
    responses((status = 200, description = "Changes", body = Page<MessageChange>)))]
pub(super) async fn changes(
    Auth(ctx): Auth,
    path: MessagePath,
    Query(query): Query<PageParams>,
) -> HandlerResult<Json<Page<MessageChange>>> {
    let page = page!(&ctx, query)?;
    let rows = change::list(&ctx, &path.id, &path.message, page).await?;
    let items = rows.items.iter().map(MessageChange::try_from).collect::<Result<_, _>>()?;
    Ok(Json(Page { items, next: rows.next, total: rows.total }))
}
