//! Section "Messages".

use portico_sdk::api::{Message, MessageStatus};
use portico_sdk::dialect::{Call, Fault, Route, post};
use portico_sdk::http::Response;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::templates;
use crate::{ACCOUNT, Accounts, ok, token};

/// The limit of messages, as `plugin.toml` declares it.
const LIMIT: &[&str] = &["messages"];

pub(crate) const ROUTES: &[Route<Accounts>] = &[
    post("/api/send-message").auth(ACCOUNT).limits(LIMIT).run(send_message),
    post("/api/send-media").auth(ACCOUNT).limits(LIMIT).multipart().run(send_media),
];

/// How long a send waits for WhatsApp's server to have the message.
const SEND_WAIT_SECONDS: u32 = 10;

/// Types that WhatsApp shows as a picture or a film; others travel as documents.
const IMAGES: [&str; 3] = ["image/jpeg", "image/png", "image/webp"];
const VIDEOS: [&str; 3] = ["video/mp4", "video/3gpp", "video/quicktime"];

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct SendMessage {
    to: String,
    #[serde(default)]
    message: Option<String>,
    #[serde(default)]
    template: Option<String>,
    #[serde(default)]
    template_data: Map<String, Value>,
}

fn send_message(call: &Call<Accounts>) -> Result<Response, Fault> {
    let SendMessage { to, message, template, template_data } = call.json()?;
    let text = match (message, template) {
        (Some(text), _) => text,
        (None, Some(name)) => templates::filled(call, &name, &template_data)?,
        (None, None) => return Err(Fault::invalid("message", "or `template` must be given")),
    };
    let sent = send(call, &to, json!({ "type": "text", "text": text }))?;
    Ok(answer(&sent, "Message sent successfully", None))
}

fn send_media(call: &Call<Accounts>) -> Result<Response, Fault> {
    let to = call.request.part_text("to").ok_or_else(|| Fault::invalid("to", "must be given"))?;
    let file = call.request.part_upload(Some("file")).ok_or_else(|| Fault::invalid("file", "must be a file"))?;
    let kind = kind_of(&file.media_type);
    let mut content = json!({ "type": kind, "media": { "upload": file.id } });
    // WhatsApp shows no text under sound.
    let caption = call.request.part_text("caption").filter(|text| !text.is_empty() && kind != "audio");
    if let Some(caption) = caption {
        content["caption"] = json!(caption);
    }
    let sent = send(call, to, content)?;
    Ok(answer(&sent, "Media sent successfully", Some(kind)))
}

fn kind_of(media_type: &str) -> &'static str {
    let plain = media_type.split(';').next().unwrap_or_default().trim();
    match plain {
        _ if IMAGES.contains(&plain) => "image",
        _ if VIDEOS.contains(&plain) => "video",
        _ if plain.starts_with("audio/") => "audio",
        _ => "document",
    }
}

fn send(call: &Call<Accounts>, to: &str, content: Value) -> Result<Message, Fault> {
    let path = format!("/v1/devices/{}/messages", token::presented(call)?);
    let message = json!({ "to": to, "content": content });
    Ok(call.gateway.post_waiting(&path, &message, SEND_WAIT_SECONDS)?.json()?)
}

/// Says `sent` only of what WhatsApp's server has.
fn answer(sent: &Message, says: &'static str, kind: Option<&str>) -> Response {
    let (says, status) = match sent.status {
        MessageStatus::Queued => ("Message queued", "pending"),
        MessageStatus::Failed => ("Message sending failed", "failed"),
        // What came later than that is told by the status of the message.
        MessageStatus::Sent
        | MessageStatus::Delivered
        | MessageStatus::Read
        | MessageStatus::Played
        | MessageStatus::Received => (says, "sent"),
    };
    let mut body = json!({ "messageId": sent.whatsapp_id, "status": status });
    if let Some(kind) = kind {
        body["mediaType"] = json!(kind);
    }
    ok(Some(says), body)
}
