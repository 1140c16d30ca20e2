//! Messages: send, list, look at.

use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::{IntoResponse, Response};
use portico_api::{Direction, Message, MessageStatus, NewMessage, Page};
use portico_core::message::{lookup, send};
use portico_core::ports::store::MessageFilter;
use serde::Deserialize;
use utoipa::IntoParams;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::wait::{self, WaitPreference};
use super::{HandlerResult, at, created};
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
    let new = send::NewMessage { to: body.to, content: body.content.try_into()? };
    let fetching = new.content.is_fetched().then(|| fetch_permit(&app, ctx.tenant(), &lease)).transpose()?;
    let message = send::send(&ctx, &path.id, new).await?;
    drop(fetching);
    let location = format!("/v1/devices/{}/messages/{}", message.device, message.id);
    let waited = wait::outcome(&app, &ctx, &lease, &headers, message).await?;
    let mut response = match &waited.message.error {
        Some(failure) if waited.span.is_some() => at(Problem::failed_send(failure).into_response(), &location),
        _ => created(&ctx, waited.status(), &location, &Message::from(&waited.message)),
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
