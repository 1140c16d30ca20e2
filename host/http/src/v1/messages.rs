//! Messages: send, list, look at.

use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use portico_api::{Direction, Message, MessageStatus, NewForward, NewMessage, Page};
use portico_core::OpContext;
use portico_core::message::context::NewContext;
use portico_core::message::send::NewContent;
use portico_core::message::{again, lookup, read as receipts, send, star as stars};
use portico_core::ports::store::MessageFilter;
use serde::Deserialize;
use utoipa::IntoParams;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::wait::{self, WaitPreference};
use super::{HandlerResult, answered, at, created};
use crate::api::App;
use crate::concurrency::{Lease, fetch_permit};
use crate::extract::path::{AnyMessagePath, DevicePath, MessagePath};
use crate::extract::query::{IdempotencyKey, checked_filter, page};
use crate::extract::{Auth, Json, Query, device};
use crate::problem::Problem;

/// The routes of messages.
pub(super) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(send, list))
        .routes(routes!(get))
        .routes(routes!(find))
        .routes(routes!(get_anywhere))
        .routes(routes!(forward))
        .routes(routes!(resend))
        .routes(routes!(star, unstar))
        .routes(routes!(read))
        .routes(routes!(played))
}

/// Send a message
///
/// The answer comes when the message is stored: it will be sent once, also after a crash. How far it comes is told in events
/// and in its `status`. Send an `Idempotency-Key` so that a repetition after a lost answer sends nothing twice. With
/// `Prefer: wait=10` the answer comes when WhatsApp's server has the message (200) or it failed (the problem), at most so many
/// seconds later; if neither happened by then, it is 202 as without.
#[utoipa::path(post, path = "/v1/devices/{id}/messages", tag = "messages", security(("key" = ["messages:write"])),
    params(DevicePath, IdempotencyKey, WaitPreference), request_body = NewMessage,
    responses(
        (status = 200, description = "The message, which WhatsApp's server has", body = Message),
        (status = 202, description = "The message, queued", body = Message)))]
pub(super) async fn send(
    State(app): State<App>,
    Auth(ctx): Auth,
    lease: Lease,
    path: DevicePath,
    headers: HeaderMap,
    Json(body): Json<NewMessage>,
) -> HandlerResult<Response> {
    let NewMessage { to, content, quoted, mentions, disappears_after, view_once, link_preview } = body;
    let context = NewContext::parse(quoted, mentions, disappears_after, view_once)?.with_link_preview(link_preview);
    let new = send::NewMessage { to, content: NewContent::parse(content, ctx.limits())?, context };
    let is_fetched = new.content.is_fetched() || new.context.is_fetched();
    let fetching = is_fetched.then(|| fetch_permit(&app, ctx.tenant(), &lease)).transpose()?;
    let message = send::send(&ctx, &path.id, new).await?;
    drop(fetching);
    taken(&app, &ctx, &lease, &headers, message).await
}

/// The answer with a message that was taken, after waiting for what becomes of it if the client prefers to.
async fn taken(
    app: &App,
    ctx: &OpContext,
    lease: &Lease,
    headers: &HeaderMap,
    message: portico_core::message::Message,
) -> HandlerResult<Response> {
    let location = format!("/v1/devices/{}/messages/{}", message.device, message.id);
    let waited = wait::outcome(app, ctx, lease, headers, message).await?;
    let mut response = match &waited.message.error {
        Some(failure) if waited.span.is_some() => at(Problem::failed_send(failure).into_response(), &location),
        _ => created(ctx, waited.status(), &location, &Message::from(&waited.message)),
    };
    waited.announce(response.headers_mut());
    Ok(response)
}

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct MessageParams {
    /// Only of this chat (`chat.id` of a message).
    chat: Option<String>,
    /// Only this way.
    #[param(inline)]
    direction: Option<Direction>,
    /// Only with this status.
    #[param(inline)]
    status: Option<MessageStatus>,
    /// Only with this id of WhatsApp's, which is unique within chat and sender only.
    whatsapp_id: Option<String>,
    /// Rows at most.
    limit: Option<u32>,
    /// The `next` of the page before.
    cursor: Option<String>,
    /// Rows that are passed over, instead of a `cursor`.
    offset: Option<u32>,
    /// Whether to count the rows of the whole list.
    total: Option<bool>,
}

/// List messages
///
/// Those of a device, newest first. A page of long ones ends before `limit`: as long as there is a `next`, there are more.
#[utoipa::path(get, path = "/v1/devices/{id}/messages", tag = "messages", security(("key" = ["messages:read"])),
    params(DevicePath, MessageParams),
    responses((status = 200, description = "Messages", body = Page<Message>)))]
pub(super) async fn list(
    Auth(ctx): Auth,
    path: DevicePath,
    Query(query): Query<MessageParams>,
) -> HandlerResult<Json<Page<Message>>> {
    let page = page!(&ctx, query)?;
    let filter = MessageFilter {
        chat: checked_filter("chat", query.chat)?,
        direction: query.direction.map(Into::into),
        status: query.status.map(Into::into),
        whatsapp_id: checked_filter("whatsapp_id", query.whatsapp_id)?,
    };
    Ok(Json(lookup::list(&ctx, &path.id, filter, page).await?.view()))
}

/// Look at a message
#[utoipa::path(get, path = "/v1/devices/{id}/messages/{message}", tag = "messages", security(("key" = ["messages:read"])),
    params(MessagePath),
    responses((status = 200, description = "The message", body = Message)))]
pub(super) async fn get(Auth(ctx): Auth, path: MessagePath) -> HandlerResult<Json<Message>> {
    Ok(Json((&lookup::get(&ctx, &path.id, &path.message).await?).into()))
}

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct FindParams {
    /// WhatsApp's id of the message.
    whatsapp_id: String,
    /// Only of this device.
    device: Option<String>,
}

/// Find messages by WhatsApp's id
///
/// On all devices of the tenant, newest first. The id is unique within chat and sender only, and two devices may be in one
/// chat, so that there may be several; there is one page of them.
#[utoipa::path(get, path = "/v1/messages", tag = "messages", security(("key" = ["messages:read"])), params(FindParams),
    responses((status = 200, description = "Messages", body = Page<Message>)))]
pub(super) async fn find(
    State(app): State<App>,
    Auth(ctx): Auth,
    Query(query): Query<FindParams>,
) -> HandlerResult<Json<Page<Message>>> {
    let device = device(&ctx, &app, "device", query.device).await?;
    let id = checked_filter("whatsapp_id", Some(query.whatsapp_id))?.unwrap_or_default();
    Ok(Json(lookup::by_whatsapp_id(&ctx, device, id).await?.view()))
}

/// Look at a message of any device
#[utoipa::path(get, path = "/v1/messages/{message}", tag = "messages", security(("key" = ["messages:read"])),
    params(AnyMessagePath),
    responses((status = 200, description = "The message", body = Message)))]
pub(super) async fn get_anywhere(Auth(ctx): Auth, path: AnyMessagePath) -> HandlerResult<Json<Message>> {
    Ok(Json((&lookup::get_anywhere(&ctx, &path.message).await?).into()))
}

/// Mark a message as read
///
/// Its author is told, as far as the account's privacy settings let it. Reading one message reads none before it.
#[utoipa::path(post, path = "/v1/devices/{id}/messages/{message}/read", tag = "messages",
    security(("key" = ["messages:write"])), params(MessagePath, IdempotencyKey),
    responses((status = 200, description = "The message, with the time it was read", body = Message)))]
pub(super) async fn read(Auth(ctx): Auth, path: MessagePath) -> HandlerResult<Response> {
    let message = receipts::read(&ctx, &path.id, &path.message).await?;
    Ok(answered(&ctx, StatusCode::OK, &Message::from(&message)))
}

/// Mark a sound or a film as played
///
/// Its author is told, as far as the account's privacy settings let it.
#[utoipa::path(post, path = "/v1/devices/{id}/messages/{message}/played", tag = "messages",
    security(("key" = ["messages:write"])), params(MessagePath, IdempotencyKey),
    responses((status = 200, description = "The message, with the time it was played", body = Message)))]
pub(super) async fn played(Auth(ctx): Auth, path: MessagePath) -> HandlerResult<Response> {
    let message = receipts::played(&ctx, &path.id, &path.message).await?;
    Ok(answered(&ctx, StatusCode::OK, &Message::from(&message)))
}

/// Forward a message
///
/// To a person; phones say that it was forwarded. A file that came in is fetched from WhatsApp first. The key also needs
/// `messages:read`.
#[utoipa::path(post, path = "/v1/devices/{id}/messages/{message}/forward", tag = "messages",
    security(("key" = ["messages:write"])),
    params(MessagePath, IdempotencyKey, WaitPreference), request_body = NewForward,
    responses(
        (status = 200, description = "The new message, which WhatsApp's server has", body = Message),
        (status = 202, description = "The new message, queued", body = Message)))]
pub(super) async fn forward(
    State(app): State<App>,
    Auth(ctx): Auth,
    lease: Lease,
    path: MessagePath,
    headers: HeaderMap,
    Json(body): Json<NewForward>,
) -> HandlerResult<Response> {
    let fetching = fetch_permit(&app, ctx.tenant(), &lease)?;
    let message = again::forward(&ctx, &path.id, &path.message, body.to).await?;
    drop(fetching);
    taken(&app, &ctx, &lease, &headers, message).await
}

/// Send a failed message again
///
/// As a new message with an id of its own; the failed one stays. The key also needs `messages:read`.
#[utoipa::path(post, path = "/v1/devices/{id}/messages/{message}/resend", tag = "messages",
    security(("key" = ["messages:write"])), params(MessagePath, IdempotencyKey, WaitPreference),
    responses(
        (status = 200, description = "The new message, which WhatsApp's server has", body = Message),
        (status = 202, description = "The new message, queued", body = Message)))]
pub(super) async fn resend(
    State(app): State<App>,
    Auth(ctx): Auth,
    lease: Lease,
    path: MessagePath,
    headers: HeaderMap,
) -> HandlerResult<Response> {
    let fetching = fetch_permit(&app, ctx.tenant(), &lease)?;
    let message = again::resend(&ctx, &path.id, &path.message).await?;
    drop(fetching);
    taken(&app, &ctx, &lease, &headers, message).await
}

/// Star a message
///
/// On all devices of the account; nobody else sees it.
#[utoipa::path(post, path = "/v1/devices/{id}/messages/{message}/star", tag = "messages",
    security(("key" = ["messages:write"])), params(MessagePath, IdempotencyKey),
    responses((status = 200, description = "The message", body = Message)))]
pub(super) async fn star(Auth(ctx): Auth, path: MessagePath) -> HandlerResult<Response> {
    let message = stars::star(&ctx, &path.id, &path.message, true).await?;
    Ok(answered(&ctx, StatusCode::OK, &Message::from(&message)))
}

/// Take a star away
#[utoipa::path(delete, path = "/v1/devices/{id}/messages/{message}/star", tag = "messages",
    security(("key" = ["messages:write"])), params(MessagePath),
    responses((status = 200, description = "The message", body = Message)))]
pub(super) async fn unstar(Auth(ctx): Auth, path: MessagePath) -> HandlerResult<Response> {
    let message = stars::star(&ctx, &path.id, &path.message, false).await?;
    Ok(answered(&ctx, StatusCode::OK, &Message::from(&message)))
}
