//! Messages: send, list, look at.

use axum::http::StatusCode;
use axum::response::Response;
use portico_core::message::send::{self, NewMessage};
use portico_core::message::{Content, Direction, Message, MessageStatus, lookup};
use portico_core::page::Page;
use portico_core::ports::store::MessageFilter;
use serde::Deserialize;
use serde_json::{Map, Value};
use utoipa::{IntoParams, ToSchema};

use super::{HandlerResult, created};
use crate::extract::json::parse_field;
use crate::extract::query::{IdempotencyKey, page};
use crate::extract::{Auth, Ids, Json, Query};
use crate::problem::Problem;

/// A message to send.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = NewMessage)]
pub(crate) struct NewMessageBody {
    /// A phone number in international form, or the JID of a person.
    #[schema(example = "15550100002")]
    to: String,
    /// What it says.
    #[schema(value_type = NewContent)]
    content: Map<String, Value>,
}

/// What a message to send says; more types follow.
#[derive(ToSchema)]
#[serde(tag = "type", rename_all = "snake_case")]
#[expect(dead_code, reason = "describes the body, which is read in two steps")]
pub(crate) enum NewContent {
    /// Text.
    Text(TextContent),
}

/// Text.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct TextContent {
    /// The text, not only blanks.
    #[schema(example = "Hello")]
    text: String,
}

/// Types that WhatsApp has and this version can't send yet.
const PLANNED: [&str; 14] = [
    "image",
    "video",
    "audio",
    "voice",
    "document",
    "sticker",
    "location",
    "live_location",
    "contacts",
    "poll",
    "list",
    "buttons",
    "event",
    "template",
];

/// The type first, then the fields of that type; so complaints name the field, and types that can't be sent are told apart
/// from misspelt fields.
fn content(mut fields: Map<String, Value>) -> Result<Content, Problem> {
    match fields.remove("type") {
        Some(Value::String(kind)) if kind == "text" => {
            let TextContent { text } = parse_field("content", Value::Object(fields))?;
            Ok(Content::Text { text })
        }
        Some(Value::String(kind)) if PLANNED.contains(&kind.as_str()) => Ok(Content::Other { kind, text: None }),
        Some(Value::String(_)) => {
            Err(portico_core::Error::invalid("content.type", "is no type of message; `text` is one").into())
        }
        Some(_) => Err(portico_core::Error::invalid("content.type", "must be text, such as `text`").into()),
        None => Err(portico_core::Error::invalid("content.type", "is missing; `text` is one").into()),
    }
}

/// Send a message
///
/// The answer comes when the message is stored: it will be sent once, also after a crash. How far it comes is told in events
/// and in its `status`. Send an `Idempotency-Key` so that a repetition after a lost answer sends nothing twice.
#[utoipa::path(post, path = "/v1/devices/{id}/messages", tag = "messages", security(("key" = ["messages:write"])),
    params(("id" = String, Path, description = "The device's id"), IdempotencyKey), request_body = NewMessageBody,
    responses((status = 202, description = "The message, queued", body = Message)))]
pub(super) async fn send(Auth(ctx): Auth, ids: Ids, Json(body): Json<NewMessageBody>) -> HandlerResult<Response> {
    let device = ids.device()?;
    let new = NewMessage { to: body.to, content: content(body.content)? };
    let message = send::send(&ctx, &device, new).await?;
    let location = format!("/v1/devices/{}/messages/{}", message.device, message.id);
    Ok(created(&ctx, StatusCode::ACCEPTED, &location, &message))
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
    params(("id" = String, Path, description = "The device's id"), MessageParams),
    responses((status = 200, description = "Messages", body = Page<Message>)))]
pub(super) async fn list(
    Auth(ctx): Auth,
    ids: Ids,
    Query(query): Query<MessageParams>,
) -> HandlerResult<Json<Page<Message>>> {
    let page = page(&ctx, query.limit, query.cursor)?;
    let filter = MessageFilter { chat: query.chat, direction: query.direction, status: query.status };
    Ok(Json(lookup::list(&ctx, &ids.device()?, filter, page).await?))
}

/// Look at a message
#[utoipa::path(get, path = "/v1/devices/{id}/messages/{message}", tag = "messages", security(("key" = ["messages:read"])),
    params(("id" = String, Path, description = "The device's id"), ("message" = String, Path, description = "The message's id")),
    responses((status = 200, description = "The message", body = Message)))]
pub(super) async fn get(Auth(ctx): Auth, ids: Ids) -> HandlerResult<Json<Message>> {
    Ok(Json(lookup::get(&ctx, &ids.device()?, &ids.message()?).await?))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn read(value: Value) -> Result<Content, Problem> {
        content(value.as_object().cloned().unwrap())
    }

    #[test]
    fn text_is_read() {
        let read = read(json!({"type": "text", "text": "hi"}));
        assert_eq!(read.ok(), Some(Content::Text { text: "hi".to_owned() }));
    }

    #[test]
    fn complaints_name_the_field_inside_the_content() {
        for (value, field) in [
            (json!({}), "content.type"),
            (json!({"type": 5}), "content.type"),
            (json!({"type": "text"}), "content.text"),
            (json!({"type": "text", "text": 5}), "content.text"),
            (json!({"type": "text", "text": "hi", "txt": 1}), "content.txt"),
        ] {
            let problem = read(value.clone()).unwrap_err();
            assert_eq!(problem.field.as_deref(), Some(field), "{value}: {}", problem.detail);
        }
    }

    #[test]
    fn another_type_is_for_the_core_to_judge() {
        assert_eq!(read(json!({"type": "image", "url": "x"})).unwrap().kind(), "image");
    }
}
