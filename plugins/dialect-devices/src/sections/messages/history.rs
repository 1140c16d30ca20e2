//! Messages that are there already: what became of them, sending them again, and those of one contact.

use portico_sdk::api::{Direction, Message, MessageStatus, Page, ProblemCode};
use portico_sdk::dialect::{Call, Fault};
use portico_sdk::gateway::segment;
use portico_sdk::http::Response;
use serde_json::{Value, json};

use super::{send, status_name};
use crate::{Devices, bad, data};

/// Messages of a contact that are shown if the request does not say how many.
const HISTORY: u32 = 50;

fn found(call: &Call<Devices>) -> Result<Message, Fault> {
    let path = format!("/v1/messages/{}", segment(call.raw("messageId")));
    Ok(call.gateway.get(&path).map_err(bad::of_message)?.json()?)
}

pub(super) fn status(call: &Call<Devices>) -> Result<Response, Fault> {
    let message = found(call)?;
    let mut shown = json!({
        "messageId": message.id,
        "status": status_name(message.status),
        "sentAt": message.times.sent,
        "deliveredAt": message.times.delivered,
        "readAt": message.times.read,
    });
    if let Some(failure) = message.error {
        shown["error"] = json!(failure.text);
    }
    Ok(data(shown))
}

/// Sends what a failed message said as another message, which has an id of its own.
pub(super) fn resend(call: &Call<Devices>) -> Result<Response, Fault> {
    let message = found(call)?;
    if message.direction != Direction::Out || message.status != MessageStatus::Failed {
        return Err(Fault::says(400, "Only failed messages can be sent again"));
    }
    let before = content_of(&message);
    let content = match (before["type"].as_str(), before["media"]["id"].as_str()) {
        (Some("text"), _) => json!({ "type": "text", "text": before["text"] }),
        (Some(kind), Some(media)) => {
            let mut content = json!({ "type": kind, "media": { "upload": media } });
            if !before["caption"].is_null() {
                content["caption"] = before["caption"].clone();
            }
            content
        }
        _ => return Err(Fault::new(ProblemCode::Unsupported, "what this message said is not kept")),
    };
    send(call, &message.device, &message.chat.id, &content)
}

/// The newest messages of one chat.
pub(super) fn of_contact(call: &Call<Devices>) -> Result<Response, Fault> {
    let limit = match call.query("limit") {
        Some(text) => text.parse().map_err(|_| Fault::invalid("limit", "must be a number"))?,
        None => HISTORY,
    };
    let (device, chat) = (call.param("deviceId")?, segment(call.raw("jid")));
    let page = call.gateway.get(&format!("/v1/devices/{device}/messages?chat={chat}&limit={limit}"))?;
    let page: Page<Message> = page.json()?;
    Ok(data(page.items.iter().map(view).collect()))
}

fn view(message: &Message) -> Value {
    let content = content_of(message);
    json!({
        "messageId": message.id,
        "jid": message.chat.id,
        "fromMe": message.direction == Direction::Out,
        "message": content["text"].as_str().or(content["caption"].as_str()).unwrap_or_default(),
        "type": content["type"],
        "status": status_name(message.status),
        "timestamp": message.timestamp,
    })
}

fn content_of(message: &Message) -> Value {
    serde_json::to_value(&message.content).unwrap_or_default()
}
