//! Messages that are there already: what became of them, sending them again, and those of one contact.

use portico_sdk::api::{Direction, Message, MessageStatus, Page, ProblemCode};
use portico_sdk::dialect::{Call, Fault};
use portico_sdk::gateway::segment;
use portico_sdk::http::Response;
use serde_json::{Value, json};

use super::{send, status_name};
use crate::names::message_of;
use crate::sections::devices::devices_of;
use crate::{Devices, bad, data};

/// Messages that are shown if the request does not say how many.
const HISTORY: usize = 50;

/// Devices of one user that are asked at once: each is a request of the core, and a call may make only so many.
const DEVICES_MAX: usize = 25;

fn found(call: &Call<Devices>) -> Result<Message, Fault> {
    let id = message_of(call.raw("messageId")).ok_or_else(bad::no_such_message)?;
    Ok(call.gateway.get(&format!("/v1/messages/{id}")).map_err(bad::of_message)?.json()?)
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

fn limit(call: &Call<Devices>) -> Result<usize, Fault> {
    let Some(text) = call.query("limit") else { return Ok(HISTORY) };
    text.parse().map_err(|_| Fault::invalid("limit", "must be a number"))
}

/// The newest messages that all devices of a user sent, or those of one status. Each device is asked for as many as are shown.
pub(super) fn of_user(call: &Call<Devices>) -> Result<Response, Fault> {
    let limit = limit(call)?;
    let status = match call.query("status") {
        // This API's word for it.
        Some("pending") => "&status=queued".to_owned(),
        Some(status) => format!("&status={}", segment(status)),
        None => String::new(),
    };
    let devices = devices_of(call, call.raw("userId"))?;
    if devices.len() > DEVICES_MAX {
        return Err(Fault::new(ProblemCode::Unsupported, "the user has too many devices to be asked at once"));
    }
    let mut sent: Vec<(Message, u32)> = Vec::new();
    for device in devices {
        let path = format!("/v1/devices/{}/messages?direction=out&limit={limit}{status}", device.id);
        let page: Page<Message> = call.gateway.get(&path)?.json()?;
        sent.extend(page.items.into_iter().map(|message| (message, device.number)));
    }
    sent.sort_by(|(a, _), (b, _)| b.created_at.cmp(&a.created_at));
    let shown = sent.iter().take(limit).map(|(message, device)| {
        let mut shown = view(message);
        shown["deviceId"] = json!(device);
        shown
    });
    Ok(data(shown.collect()))
}

/// The newest messages of one chat.
pub(super) fn of_contact(call: &Call<Devices>) -> Result<Response, Fault> {
    let limit = limit(call)?;
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
