//! Section "Messages".

use portico_sdk::api::{Message, MessageStatus, Timestamp};
use portico_sdk::dialect::{Call, Dialect, Fault, Route, delete, get, post, put};
use portico_sdk::http::Response;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::{COMMON, Instances, data};

pub(crate) const ROUTES: &[Route<Instances>] = &[
    post("/api/message/send/text").limits(COMMON).run(send_text),
    post("/api/message/send/image").limits(COMMON).run(send_image),
    post("/api/message/send/file").limits(COMMON),
    post("/api/message/send/voice").limits(COMMON),
    post("/api/message/send/video").limits(COMMON),
    post("/api/message/send/link-preview").limits(COMMON),
    post("/api/message/send/list").limits(COMMON),
    post("/api/message/send/buttons").limits(COMMON),
    post("/api/message/send/poll").limits(COMMON),
    post("/api/message/send/location").limits(COMMON),
    post("/api/message/send/contact").limits(COMMON),
    post("/api/message/forward").limits(COMMON),
    post("/api/message/seen").limits(COMMON),
    post("/api/message/typing/start").limits(COMMON),
    post("/api/message/typing/stop").limits(COMMON),
    put("/api/message/reaction").limits(COMMON),
    put("/api/message/star").limits(COMMON),
    get("/api/message/chats/{instanceId}").limits(COMMON),
    get("/api/message/chat/{instanceId}/{chatId}").limits(COMMON),
    delete("/api/message/{instanceId}/{messageId}").limits(COMMON),
];

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct SendText {
    instance_id: String,
    to: String,
    message: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct SendImage {
    instance_id: String,
    to: String,
    /// A URL; base64 and `data:` URLs are taken too.
    image: String,
    #[serde(default)]
    caption: Option<String>,
}

/// A message that was taken. `message_id` is WhatsApp's, as webhooks carry it.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Sent {
    message_id: String,
    id: String,
    to: String,
    status: MessageStatus,
    timestamp: Timestamp,
}

fn send_text(call: &Call<Instances>) -> Result<Response, Fault> {
    let SendText { instance_id, to, message } = call.json()?;
    send(call, &instance_id, &to, json!({ "type": "text", "text": message }))
}

fn send_image(call: &Call<Instances>) -> Result<Response, Fault> {
    let SendImage { instance_id, to, image, caption } = call.json()?;
    let mut content = json!({ "type": "image", "media": media(&image) });
    if let Some(caption) = caption.filter(|caption| !caption.is_empty()) {
        content["caption"] = json!(caption);
    }
    send(call, &instance_id, &to, content)
}

/// A file as the core takes it.
fn media(text: &str) -> Value {
    let is_url = ["http://", "https://"].iter().any(|scheme| text.starts_with(scheme));
    if is_url { json!({ "url": text }) } else { json!({ "data": text }) }
}

fn send(call: &Call<Instances>, instance_id: &str, to: &str, content: Value) -> Result<Response, Fault> {
    let path = format!("/v1/devices/{}/messages", Instances::param("instanceId", instance_id)?);
    let message = json!({ "to": to, "content": content });
    let sent: Message = call.gateway.post(&path, &message)?.json()?;
    Ok(data(
        Sent {
            message_id: sent.whatsapp_id,
            id: sent.id,
            to: sent.chat.id,
            status: sent.status,
            timestamp: sent.created_at,
        },
        None,
    ))
}
