//! What events say in this API: the `data` of its webhooks and of its socket's frames. Pure.

use portico_sdk::api::{Content, Device, MediaContent, Message, QrCode};
use serde_json::{Value, json};

use crate::names::{account_of, jid_of, phone_of, status_of, type_of_message};

/// A QR code to scan, as text and as a picture.
pub(crate) fn qr_code(code: &QrCode) -> Value {
    json!({ "qr": code.text, "qrImage": code.png })
}

/// Where a device stands now.
pub(crate) fn connection_update(device: &Device) -> Value {
    json!({ "status": status_of(device), "phoneNumber": device.jid.as_deref().and_then(phone_of) })
}

/// A message that came in. `from` can be given to the endpoints that send, apart from groups, which `chat` names.
pub(crate) fn message_received(message: &Message) -> Value {
    json!({
        "from": sender_of(message),
        "message": text_of(message),
        "timestamp": message.timestamp,
        "messageId": message.id,
        "chat": jid_of(&message.chat),
    })
}

/// A file that came in. `link` is where its bytes can be had without a key, for a while.
pub(crate) fn media_received(message: &Message, file: &MediaContent, link: Option<&str>) -> Value {
    let mut data = message_received(message);
    data["mediaType"] = json!(type_of_message(message));
    data["mediaUrl"] = json!(link);
    data["mimeType"] = json!(file.media.media_type);
    data["fileName"] = json!(file.media.file_name);
    data["fileSize"] = json!(file.media.bytes);
    data
}

/// How far a message has come that the device sent.
pub(crate) fn message_sent(message: &Message, status: &str, at: &str) -> Value {
    let chat = jid_of(&message.chat);
    let mut data = json!({
        "to": phone_of(chat).unwrap_or_else(|| chat.to_owned()),
        "status": status,
        "timestamp": at,
        "messageId": message.id,
    });
    if let Some(failure) = &message.error {
        data["error"] = json!(failure.text);
    }
    data
}

/// The file of a message, if it is one.
pub(crate) fn file_of(content: &Content) -> Option<&MediaContent> {
    match content {
        Content::Image(file)
        | Content::Video(file)
        | Content::VideoNote(file)
        | Content::Audio(file)
        | Content::Voice(file)
        | Content::Document(file)
        | Content::Sticker(file) => Some(file),
        _ => None,
    }
}

/// A message's text or caption; empty where it has none.
pub(crate) fn text_of(message: &Message) -> &str {
    let text = match &message.content {
        Content::Text { text } => Some(text),
        Content::Other { text, .. } => text.as_ref(),
        content => file_of(content).and_then(|file| file.caption.as_ref()),
    };
    text.map_or("", String::as_str)
}

/// `+` and digits; the JID of a sender whose number is not known.
fn sender_of(message: &Message) -> String {
    let jid = jid_of(message.sender.as_ref().unwrap_or(&message.chat));
    phone_of(jid).unwrap_or_else(|| account_of(jid))
}
