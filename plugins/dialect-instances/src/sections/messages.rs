//! Section "Messages".

mod content;

use portico_sdk::api::{Message, MessageChange, MessageStatus, Page, ProblemCode, Timestamp};
use portico_sdk::dialect::{Call, Dialect, Fault, Route, delete, get, post, put};
use portico_sdk::gateway::segment;
use portico_sdk::http::Response;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::{COMMON, Instances, data, events};

/// Messages of a chat that are shown.
const CHAT_MESSAGES: u32 = 100;

pub(crate) const ROUTES: &[Route<Instances>] = &[
    post("/api/message/send/text").limits(COMMON).run(send_text),
    post("/api/message/send/image").limits(COMMON).run(send_image),
    post("/api/message/send/file").limits(COMMON).run(send_file),
    post("/api/message/send/voice").limits(COMMON).run(send_voice),
    post("/api/message/send/video").limits(COMMON).run(send_video),
    post("/api/message/send/link-preview").limits(COMMON).run(content::send_link),
    post("/api/message/send/list").limits(COMMON).run(content::send_list),
    post("/api/message/send/buttons").limits(COMMON).run(content::send_buttons),
    post("/api/message/send/poll").limits(COMMON).run(content::send_poll),
    post("/api/message/send/location").limits(COMMON).run(content::send_location),
    post("/api/message/send/contact").limits(COMMON).run(content::send_contact),
    post("/api/message/forward").limits(COMMON).run(forward),
    post("/api/message/seen").limits(COMMON).run(seen),
    post("/api/message/typing/start").limits(COMMON),
    post("/api/message/typing/stop").limits(COMMON),
    put("/api/message/reaction").limits(COMMON).run(react),
    put("/api/message/star").limits(COMMON).run(star),
    get("/api/message/chats/{instanceId}").limits(COMMON),
    get("/api/message/chat/{instanceId}/{chatId}").limits(COMMON).run(of_chat),
    delete("/api/message/{instanceId}/{messageId}").limits(COMMON).run(revoke),
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

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct SendFile {
    instance_id: String,
    to: String,
    /// Each of the three endpoints calls it differently.
    #[serde(alias = "audio", alias = "video")]
    file: String,
    #[serde(default)]
    filename: Option<String>,
    #[serde(default)]
    caption: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Named {
    instance_id: String,
    message_id: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Forward {
    instance_id: String,
    to: String,
    message_id: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Star {
    instance_id: String,
    message_id: String,
    star: bool,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct React {
    instance_id: String,
    message_id: String,
    /// Empty takes the reaction back.
    emoji: String,
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

fn send_file(call: &Call<Instances>) -> Result<Response, Fault> {
    send_as(call, "document")
}

fn send_voice(call: &Call<Instances>) -> Result<Response, Fault> {
    send_as(call, "voice")
}

fn send_video(call: &Call<Instances>) -> Result<Response, Fault> {
    send_as(call, "video")
}

fn send_as(call: &Call<Instances>, kind: &str) -> Result<Response, Fault> {
    let SendFile { instance_id, to, file, filename, caption } = call.json()?;
    let mut content = json!({ "type": kind, "media": media(&file) });
    if let Some(name) = filename.filter(|name| !name.is_empty()) {
        content["media"]["file_name"] = json!(name);
    }
    if let Some(caption) = caption.filter(|caption| !caption.is_empty()) {
        content["caption"] = json!(caption);
    }
    send(call, &instance_id, &to, content)
}

fn react(call: &Call<Instances>) -> Result<Response, Fault> {
    let React { instance_id, message_id, emoji } = call.json()?;
    let path = path_of(call, &instance_id, &message_id)?;
    let change: MessageChange = call.gateway.post(&format!("{path}/reaction"), &json!({ "emoji": emoji }))?.json()?;
    Ok(data(changed(&message_id, &change), None))
}

fn forward(call: &Call<Instances>) -> Result<Response, Fault> {
    let Forward { instance_id, to, message_id } = call.json()?;
    let path = path_of(call, &instance_id, &message_id)?;
    let sent: Message = call.gateway.post(&format!("{path}/forward"), &json!({ "to": to }))?.json()?;
    Ok(taken(sent))
}

fn star(call: &Call<Instances>) -> Result<Response, Fault> {
    let Star { instance_id, message_id, star } = call.json()?;
    let path = format!("{}/star", path_of(call, &instance_id, &message_id)?);
    let message: Message = if star { call.gateway.post_empty(&path)? } else { call.gateway.delete(&path)? }.json()?;
    Ok(data(json!({ "messageId": message_id, "star": message.starred }), None))
}

/// The newest messages of a chat.
fn of_chat(call: &Call<Instances>) -> Result<Response, Fault> {
    let (device, chat) = (call.param("instanceId")?, segment(call.raw("chatId")));
    let path = format!("/v1/devices/{device}/messages?chat={chat}&limit={CHAT_MESSAGES}");
    let page: Page<Value> = call.gateway.get(&path)?.json()?;
    let shown = |message: &Value| {
        let mut shown = events::message(message);
        shown.insert("fromMe".into(), json!(message["direction"] == "out"));
        shown.insert("status".into(), message["status"].clone());
        shown.insert("timestamp".into(), message["timestamp"].clone());
        shown
    };
    Ok(data(page.items.iter().map(shown).collect::<Vec<_>>(), None))
}

fn revoke(call: &Call<Instances>) -> Result<Response, Fault> {
    let message_id = call.raw("messageId");
    let path = path_of(call, call.raw("instanceId"), message_id)?;
    let change: MessageChange = call.gateway.delete(&path)?.json()?;
    Ok(data(changed(message_id, &change), None))
}

fn seen(call: &Call<Instances>) -> Result<Response, Fault> {
    let Named { instance_id, message_id } = call.json()?;
    let path = path_of(call, &instance_id, &message_id)?;
    let message: Message = call.gateway.post_empty(&format!("{path}/read"))?.json()?;
    Ok(data(json!({ "messageId": message_id, "readAt": message.times.read }), None))
}

/// The path of a message of the core that this API names by WhatsApp's id.
fn path_of(call: &Call<Instances>, instance_id: &str, message_id: &str) -> Result<String, Fault> {
    let device = Instances::param("instanceId", instance_id)?;
    let found: Page<Message> =
        call.gateway.get(&format!("/v1/messages?whatsapp_id={}&device={device}", segment(message_id)))?.json()?;
    let message = found.items.into_iter().next();
    let message = message.ok_or_else(|| Fault::new(ProblemCode::NotFound, "there is no message of this id"))?;
    Ok(format!("/v1/devices/{device}/messages/{}", message.id))
}

/// What became of a message that is asked to change.
fn changed(message_id: &str, change: &MessageChange) -> Value {
    json!({ "messageId": message_id, "status": change.status, "timestamp": change.at })
}

/// A file as the core takes it.
fn media(text: &str) -> Value {
    let is_url = ["http://", "https://"].iter().any(|scheme| text.starts_with(scheme));
    if is_url { json!({ "url": text }) } else { json!({ "data": text }) }
}

pub(super) fn send(call: &Call<Instances>, instance_id: &str, to: &str, content: Value) -> Result<Response, Fault> {
    send_message(call, instance_id, json!({ "to": to, "content": content }))
}

fn send_message(call: &Call<Instances>, instance_id: &str, message: Value) -> Result<Response, Fault> {
    let path = format!("/v1/devices/{}/messages", Instances::param("instanceId", instance_id)?);
    let sent: Message = call.gateway.post(&path, &message)?.json()?;
    Ok(taken(sent))
}

fn taken(sent: Message) -> Response {
    data(
        Sent {
            message_id: sent.whatsapp_id,
            id: sent.id,
            to: sent.chat.id,
            status: sent.status,
            timestamp: sent.created_at,
        },
        None,
    )
}
