//! Sending files that come in a form, each in a field of its own.

use portico_sdk::dialect::{Call, Fault};
use portico_sdk::http::Response;
use serde_json::{Value, json};

use super::{of_session, says, send, view};
use crate::names::status_of_message;
use crate::{Classic, told};

pub(super) fn send_image(call: &Call<Classic>) -> Result<Response, Fault> {
    send_file(call, "image", "image", "Image sent successfully")
}

pub(super) fn send_video(call: &Call<Classic>) -> Result<Response, Fault> {
    send_file(call, "video", "video", "Video sent successfully")
}

pub(super) fn send_document(call: &Call<Classic>) -> Result<Response, Fault> {
    send_file(call, "document", "document", "Document sent successfully")
}

/// A voice note has to be Ogg with Opus: nothing is converted.
pub(super) fn send_audio(call: &Call<Classic>) -> Result<Response, Fault> {
    let is_voice = matches!(call.request.part_text("isVoiceNote"), Some("true" | "1"));
    send_file(call, "audio", if is_voice { "voice" } else { "audio" }, "Audio sent successfully")
}

/// `part` is the field of the file and the name of its type, `kind` what the core calls the message.
fn send_file(call: &Call<Classic>, part: &str, kind: &str, done: &'static str) -> Result<Response, Fault> {
    let Some(file) = call.request.part_upload(Some(part)) else {
        return Err(Fault::invalid(part, "a multipart body with a file of this name is needed"));
    };
    let field = |name: &str| call.request.part_text(name).filter(|text| !text.is_empty());
    let needed = |name: &str| field(name).ok_or_else(|| Fault::invalid(name, "is needed"));
    let (session, recipient) = (needed("sessionId")?, needed("recipient")?);
    let name = field("fileName").or(file.file_name.as_deref());
    let mut content = json!({ "type": kind, "media": { "upload": file.id } });
    if let Some(name) = name {
        content["media"]["file_name"] = json!(name);
    }
    // There is no text under sound.
    if let Some(caption) = field("caption").filter(|_| part != "audio") {
        content["caption"] = json!(caption);
    }
    let sent = send(call, &of_session(session)?, recipient, &content)?;
    let mut shown = view(&sent);
    shown["status"] = json!(status_of_message(sent.status));
    shown["mediaType"] = json!(part);
    shown["fileName"] = name.map_or(Value::Null, |name| json!(name));
    shown["fileSize"] = json!(file.bytes);
    Ok(told(shown, Some(says(&sent, done))))
}
