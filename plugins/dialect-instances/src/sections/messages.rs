//! Section "Messages".

use portico_sdk::api::{Message, MessageStatus, Timestamp};
use portico_sdk::dialect::{Call, Dialect, Fault, Route, delete, get, post, put};
use portico_sdk::http::Response;
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::{COMMON, Instances, data};

pub(crate) const ROUTES: &[Route<Instances>] = &[
    post("/api/message/send/text").limits(COMMON).run(send_text),
    post("/api/message/send/image").limits(COMMON),
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
    let path = format!("/v1/devices/{}/messages", Instances::param("instanceId", &instance_id)?);
    let message = json!({ "to": to, "content": { "type": "text", "text": message } });
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
