//! Messages of a client: sending, and what was said.

use portico_sdk::api::{Content, Direction, Message, MessageStatus, Page};
use portico_sdk::dialect::{Call, Fault, Route, get, post};
use portico_sdk::gateway::segment;
use portico_sdk::http::Response;
use serde::Deserialize;
use serde_json::{Value, json};

use super::media::{Given, Kind};
use crate::{Organizations, phone, said};

pub(crate) const ROUTES: &[Route<Organizations>] = &[
    post("/api/clients/{clientId}/send-message").limits(&["minute", "hour", "day"]).uploads(&["media"]).run(send),
    get("/api/clients/{clientId}/messages").run(list),
];

/// How long a send waits for WhatsApp's server, so that the answer can say `sent`.
const SEND_WAIT_SECONDS: u32 = 20;

/// Messages of a page, where the request does not say.
const LIMIT_DEFAULT: u32 = 50;
/// The most the core gives at once.
const LIMIT_MAX: u32 = 200;

#[derive(Deserialize)]
struct NewMessage {
    to: String,
    #[serde(default)]
    message: Option<String>,
    #[serde(default)]
    media: Option<Given>,
}

fn send(call: &Call<Organizations>) -> Result<Response, Fault> {
    let NewMessage { to, message, media } = call.json()?;
    let text = message.filter(|text| !text.is_empty());
    let content = match media.filter(|media| !media.is_empty()) {
        Some(file) => with_file(call, &file, text)?,
        None => json!({ "type": "text", "text": text.ok_or_else(|| Fault::invalid("message", "is missing"))? }),
    };
    let path = format!("/v1/devices/{}/messages", segment(&call.param("clientId")?));
    let new = json!({ "to": to, "content": content });
    let message: Message = call.gateway.post_waiting(&path, &new, SEND_WAIT_SECONDS)?.json()?;
    let (status, says) = match message.status {
        MessageStatus::Failed => return Err(failed(&message)),
        MessageStatus::Queued => (202, "Message is being sent"),
        _ => (200, "Message sent successfully"),
    };
    Ok(said(status, Some(says), json!({ "messageId": message.id, "status": status_name(message.status) })))
}

/// A message with a file; the text becomes its caption.
fn with_file(call: &Call<Organizations>, file: &Given, caption: Option<String>) -> Result<Value, Fault> {
    let kind = match file.kind(&call.gateway)? {
        // WhatsApp's sounds have no caption. As a document the file keeps its text.
        Kind::Audio if caption.is_some() => Kind::Document,
        kind => kind,
    };
    let mut content = json!({ "type": kind.name(), "media": file.to_core() });
    if let Some(caption) = caption {
        content["caption"] = json!(caption);
    }
    Ok(content)
}

/// A repeated request may find its message failed, which the core then shows as a message and not as a problem.
fn failed(message: &Message) -> Fault {
    let why = message.error.as_ref().map_or("the message failed", |failure| failure.text.as_str());
    Fault::new(portico_sdk::api::ProblemCode::RefusedByWhatsapp, why)
}

fn list(call: &Call<Organizations>) -> Result<Response, Fault> {
    let limit = number(call, "limit")?.unwrap_or(LIMIT_DEFAULT).clamp(1, LIMIT_MAX);
    let offset = number(call, "offset")?.unwrap_or(0);
    let client = segment(&call.param("clientId")?);
    let mut path = format!("/v1/devices/{client}/messages?limit={limit}&offset={offset}");
    if let Some(contact) = call.query("contact").filter(|contact| !contact.trim().is_empty()) {
        path.push_str(&format!("&chat={}", segment(&phone::to_chat(contact))));
    }
    let page: Page<Message> = call.gateway.get(&path)?.json()?;
    let messages: Vec<Value> = page.items.iter().map(shown).collect();
    Ok(Response::json(200, &json!({ "count": messages.len(), "messages": messages })))
}

/// A number of the query.
pub(super) fn number(call: &Call<Organizations>, name: &'static str) -> Result<Option<u32>, Fault> {
    let parse = |text: &str| text.parse().map_err(|_| Fault::invalid(name, "must be a number"));
    call.query(name).filter(|text| !text.is_empty()).map(parse).transpose()
}

fn shown(message: &Message) -> Value {
    json!({
        "id": message.id,
        "contact_id": phone::of_party(&message.chat),
        "message_text": text(&message.content),
        "direction": match message.direction {
            Direction::In => "inbound",
            Direction::Out => "outbound",
        },
        "status": status_name(message.status),
        "created_at": message.created_at,
    })
}

/// What a message says in words: its text or caption, empty where it has none.
fn text(content: &Content) -> &str {
    match content {
        Content::Location { location } => location.name.as_deref().unwrap_or_default(),
        Content::LiveLocation { .. } => "",
        Content::Contacts { contacts } => contacts.first().map_or("", |contact| &contact.name),
        Content::Poll { poll } => &poll.question,
        Content::List { list } => &list.text,
        Content::Buttons { buttons } => &buttons.text,
        Content::Event { event } => &event.name,
        Content::Text { text } => text,
        Content::Image(media)
        | Content::Video(media)
        | Content::VideoNote(media)
        | Content::Audio(media)
        | Content::Voice(media)
        | Content::Document(media)
        | Content::Sticker(media) => media.caption.as_deref().unwrap_or_default(),
        Content::Other { text, .. } => text.as_deref().unwrap_or_default(),
    }
}

/// This API's five states. What came in has been delivered, to the client.
fn status_name(status: MessageStatus) -> &'static str {
    match status {
        MessageStatus::Queued => "sending",
        MessageStatus::Sent => "sent",
        MessageStatus::Delivered | MessageStatus::Received => "delivered",
        MessageStatus::Read | MessageStatus::Played => "read",
        MessageStatus::Failed => "failed",
    }
}
