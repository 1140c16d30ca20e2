//! Section "Messages": sending.

mod bulk;
mod files;
mod templates;

use portico_sdk::api::{Message, MessageStatus};
use portico_sdk::dialect::{Call, Fault, Route, post};
use portico_sdk::http::Response;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::names::{device_of_session, jid_of, status_of_message, type_of_message};
use crate::{Classic, SEND, UPLOAD, bad, told};

/// The device's key is shown beside the token, and tells the device.
const DEVICE_AUTH: &[&[&str]] = &[&["x-api-token", "x-device-api-key"]];

pub(crate) const ROUTES: &[Route<Classic>] = &[
    post("/api/whatsapp/send").limits(SEND).run(send_text),
    post("/api/whatsapp/device/send").auth(DEVICE_AUTH).limits(SEND).run(send_by_key),
    post("/api/whatsapp/send/template").limits(SEND).run(templates::send_template),
    post("/api/whatsapp/send/bulk").limits(SEND).run(bulk::send_bulk),
    post("/api/whatsapp/send/image").limits(UPLOAD).multipart().run(files::send_image),
    post("/api/whatsapp/send/video").limits(UPLOAD).multipart().run(files::send_video),
    post("/api/whatsapp/send/document").limits(UPLOAD).multipart().run(files::send_document),
    post("/api/whatsapp/send/audio").limits(UPLOAD).multipart().run(files::send_audio),
];

/// How long a request waits until WhatsApp's server has the message.
const SENT_WAIT_SECONDS: u32 = 10;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct SendText {
    session_id: String,
    recipient: String,
    message: String,
    /// An object; clients also send an empty list or null.
    #[serde(default)]
    options: Value,
}

#[derive(Deserialize)]
struct SendByKey {
    recipient: String,
    message: String,
    #[serde(default, rename = "type")]
    kind: Option<String>,
    #[serde(default)]
    options: Value,
}

fn send_text(call: &Call<Classic>) -> Result<Response, Fault> {
    let SendText { session_id, recipient, message, options } = call.json()?;
    check_options(&options)?;
    let sent = send(call, &of_session(&session_id)?, &recipient, &text(&message))?;
    Ok(answer(&sent))
}

/// The device follows from the key.
fn send_by_key(call: &Call<Classic>) -> Result<Response, Fault> {
    let SendByKey { recipient, message, kind, options } = call.json()?;
    check_options(&options)?;
    if kind.is_some_and(|kind| kind != "text") {
        return Err(bad::unsupported("type", "texts only are sent here; files have endpoints of their own"));
    }
    let device = call.identity().and_then(|identity| identity.device.as_deref());
    let device = device.ok_or_else(|| bad::wrong_key("the device key belongs to no device"))?;
    Ok(answer(&send(call, device, &recipient, &text(&message))?))
}

/// Whether the options ask for something that would be left undone. A link preview is a wish: texts go without.
fn check_options(options: &Value) -> Result<(), Fault> {
    let is_off = |value: &Value| matches!(value, Value::Null | Value::Bool(false)) || value.as_f64() == Some(0.0);
    for (name, why) in [("quoted", "replies can't be sent yet"), ("delay", "messages can't be sent later yet")] {
        if !is_off(&options[name]) {
            return Err(bad::unsupported(name, why));
        }
    }
    Ok(())
}

fn of_session(session: &str) -> Result<String, Fault> {
    device_of_session(session).ok_or_else(bad::no_such_device)
}

fn text(text: &str) -> Value {
    json!({ "type": "text", "text": text })
}

/// Sends a message and waits until WhatsApp's server has it.
fn send(call: &Call<Classic>, device: &str, to: &str, content: &Value) -> Result<Message, Fault> {
    let message = json!({ "to": to, "content": content });
    let path = format!("/v1/devices/{device}/messages");
    Ok(call.gateway.post_waiting(&path, &message, SENT_WAIT_SECONDS)?.json()?)
}

/// A message that was sent, or is on its way: then its status is `pending`.
fn answer(sent: &Message) -> Response {
    let mut shown = view(sent);
    shown["status"] = json!(status_of_message(sent.status));
    shown["messageType"] = json!(type_of_message(sent));
    told(shown, Some(says(sent, "Message sent successfully")))
}

fn view(sent: &Message) -> Value {
    json!({
        "messageId": sent.id,
        "recipient": jid_of(&sent.chat),
        "timestamp": sent.times.sent.as_ref().unwrap_or(&sent.created_at),
    })
}

/// What is told to people: of a message that WhatsApp's server does not have yet, no more than that.
fn says(sent: &Message, done: &'static str) -> &'static str {
    if sent.status == MessageStatus::Queued { "Message queued" } else { done }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_that_change_nothing_are_taken_in_every_form() {
        for options in [
            json!(null),
            json!([]),
            json!({}),
            json!({ "quoted": false, "linkPreview": true, "delay": 0 }),
            json!({ "quoted": null, "delay": 0.0 }),
        ] {
            assert_eq!(check_options(&options), Ok(()), "{options}");
        }
        for options in [json!({ "quoted": true }), json!({ "quoted": "msg_1" }), json!({ "delay": 1000 })] {
            assert!(check_options(&options).is_err(), "{options}");
        }
    }
}
