//! Section "Messages": sending, and what became of what was sent.

mod history;
mod many;
mod stats;

use portico_sdk::api::{Message, MessageStatus};
use portico_sdk::dialect::{Call, Fault, Route, get, post};
use portico_sdk::http::Response;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::names::{device_of_session, media_of};
use crate::{COMMON, Devices, SEND, bad, data};

/// The device's key suffices. The set that begins with another token comes first: of several credentials, the one that is named
/// last says who it is.
const DEVICE_AUTH: &[&[&str]] = &[&["x-api-token", "x-device-api-key"], &["x-device-api-key"]];

pub(crate) const ROUTES: &[Route<Devices>] = &[
    post("/api/whatsapp/send").limits(SEND).run(send_text),
    post("/api/whatsapp/device/send").auth(DEVICE_AUTH).limits(SEND).run(send_by_key),
    post("/api/whatsapp/send/image").limits(SEND).run(send_image),
    post("/api/whatsapp/send/video").limits(SEND).run(send_video),
    post("/api/whatsapp/send/document").limits(SEND).run(send_document),
    post("/api/whatsapp/send/bulk").limits(SEND).run(many::bulk),
    post("/api/whatsapp/send/mixed").limits(SEND).run(many::mixed),
    get("/api/whatsapp/messages/{messageId}/status").limits(COMMON).run(history::status),
    post("/api/whatsapp/messages/{messageId}/resend").limits(SEND).run(history::resend),
    get("/api/whatsapp/devices/{deviceId}/messages/{jid}").limits(COMMON).run(history::of_contact),
    get("/api/whatsapp/users/{userId}/message-logs").limits(COMMON).run(history::of_user),
    get("/api/whatsapp/users/{userId}/sending-stats").limits(COMMON).run(stats::of_user),
];

/// How long a request waits until WhatsApp's server has the message.
const SENT_WAIT_SECONDS: u32 = 10;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct SendText {
    session_id: String,
    phone_number: String,
    message: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct SendByKey {
    phone_number: String,
    message: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct SendFile {
    session_id: String,
    phone_number: String,
    file_id: String,
    #[serde(default)]
    caption: Option<String>,
    #[serde(default)]
    filename: Option<String>,
}

fn send_text(call: &Call<Devices>) -> Result<Response, Fault> {
    let SendText { session_id, phone_number, message } = call.json()?;
    send(call, &of_session(&session_id)?, &phone_number, &json!({ "type": "text", "text": message }))
}

/// The device follows from the key.
fn send_by_key(call: &Call<Devices>) -> Result<Response, Fault> {
    let SendByKey { phone_number, message } = call.json()?;
    let device = call.identity().and_then(|identity| identity.device.as_deref());
    let device = device.ok_or_else(|| bad::wrong_key("this key belongs to no device"))?;
    send(call, device, &phone_number, &json!({ "type": "text", "text": message }))
}

fn send_image(call: &Call<Devices>) -> Result<Response, Fault> {
    send_file(call, "image")
}

fn send_video(call: &Call<Devices>) -> Result<Response, Fault> {
    send_file(call, "video")
}

fn send_document(call: &Call<Devices>) -> Result<Response, Fault> {
    send_file(call, "document")
}

fn send_file(call: &Call<Devices>, kind: &str) -> Result<Response, Fault> {
    let SendFile { session_id, phone_number, file_id, caption, filename } = call.json()?;
    let mut content = file_content(kind, &file_id, caption)?;
    if let Some(name) = filename.filter(|name| !name.is_empty()) {
        content["media"]["file_name"] = json!(name);
    }
    send(call, &of_session(&session_id)?, &phone_number, &content)
}

fn file_content(kind: &str, file: &str, caption: Option<String>) -> Result<Value, Fault> {
    let media = media_of(file).ok_or_else(bad::no_such_file)?;
    let mut content = json!({ "type": kind, "media": { "upload": media } });
    if let Some(caption) = caption.filter(|caption| !caption.is_empty()) {
        content["caption"] = json!(caption);
    }
    Ok(content)
}

fn of_session(session: &str) -> Result<String, Fault> {
    device_of_session(session).ok_or_else(bad::no_such_device)
}

fn send(call: &Call<Devices>, device: &str, to: &str, content: &Value) -> Result<Response, Fault> {
    let message = json!({ "to": to, "content": content });
    let answer = call.gateway.post_waiting(&format!("/v1/devices/{device}/messages"), &message, SENT_WAIT_SECONDS)?;
    Ok(data(sent(&answer.json()?)))
}

fn sent(message: &Message) -> Value {
    json!({
        "messageId": message.id,
        "status": status_name(message.status),
        "timestamp": message.times.sent.as_ref().unwrap_or(&message.created_at),
    })
}

/// The document has no word for a message that WhatsApp's server does not have yet; `pending` is its word for devices.
fn status_name(status: MessageStatus) -> &'static str {
    match status {
        MessageStatus::Queued => "pending",
        MessageStatus::Sent => "sent",
        MessageStatus::Delivered => "delivered",
        MessageStatus::Read | MessageStatus::Played => "read",
        MessageStatus::Failed => "failed",
        MessageStatus::Received => "received",
    }
}
