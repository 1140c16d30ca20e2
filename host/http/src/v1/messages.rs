//! Messages: send, list, look at.

use axum::http::StatusCode;
use axum::response::Response;
use portico_api::{Direction, Message, MessageStatus, NewMessage, Page};
use portico_core::message::{lookup, send};
use portico_core::ports::store::MessageFilter;
use serde::Deserialize;
use utoipa::IntoParams;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::{HandlerResult, created};
use crate::api::App;
use crate::extract::path::{DevicePath, MessagePath};
use crate::extract::query::{IdempotencyKey, checked_filter, page};
use crate::extract::{Auth, Json, Query};

/// The routes of messages.
pub(super) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(send, list)).routes(routes!(get))
}

/// Send a message
///
/// The answer comes when the message is stored: it will be sent once, also after a crash. How far it comes is told in events
/// and in its `status`. Send an `Idempotency-Key` so that a repetition after a lost answer sends nothing twice.
#[utoipa::path(post, path = "/v1/devices/{id}/messages", tag = "messages", security(("key" = ["messages:write"])),
    params(DevicePath, IdempotencyKey), request_body = NewMessage,
    responses((status = 202, description = "The message, queued", body = Message)))]
pub(super) async fn send(Auth(ctx): Auth, path: DevicePath, Json(body): Json<NewMessage>) -> HandlerResult<Response> {
    let new = send::NewMessage { to: body.to, content: body.content.into() };
    let message = send::send(&ctx, &path.id, new).await?;
    let location = format!("/v1/devices/{}/messages/{}", message.device, message.id);
    Ok(created(&ctx, StatusCode::ACCEPTED, &location, &Message::from(&message)))
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
    /// Rows at most.
    limit: Option<u32>,
    /// The `next` of the page before.
    cursor: Option<String>,
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
    let page = page(&ctx, query.limit, query.cursor)?;
    let filter = MessageFilter {
        chat: checked_filter("chat", query.chat)?,
        direction: query.direction.map(Into::into),
        status: query.status.map(Into::into),
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
