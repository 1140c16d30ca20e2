//! What a message looks like to the person behind a phone.

use serde_json::Value;
use whatsapp_rust::wacore::proto_helpers::MessageExt;
use whatsapp_rust::waproto::whatsapp as wa;
use whatsapp_rust::waproto::whatsapp::message::protocol_message::Type as ProtocolType;

use super::content::rich;
use super::media;

/// What a message looks like in the inbox.
pub(super) struct Shown {
    pub(super) kind: &'static str,
    /// The id of the message that a reaction, an edit and the like is about.
    pub(super) about: Option<String>,
    pub(super) content: Value,
    pub(super) text: Option<String>,
    pub(super) mime: Option<String>,
    pub(super) file_name: Option<String>,
    pub(super) bytes: Option<u64>,
    pub(super) media: Option<media::MediaRef>,
}

impl Shown {
    fn plain(kind: &'static str, text: Option<String>) -> Self {
        Self { kind, about: None, content: Value::Null, text, mime: None, file_name: None, bytes: None, media: None }
    }

    /// What changes the message of a key.
    fn change(kind: &'static str, key: Option<&wa::MessageKey>, text: Option<String>) -> Self {
        Self { about: key.and_then(|key| key.id.clone()), ..Self::plain(kind, text) }
    }
}

/// Describes what a person would see; `None` for messages between devices.
pub(super) fn describe(message: &wa::Message) -> Option<Shown> {
    if let Some(text) = message.text_content() {
        return Some(Shown::plain("text", Some(text.to_owned())));
    }
    if let Some(shown) = media::read(message) {
        return Some(Shown {
            kind: shown.media.kind.word(),
            about: None,
            content: Value::Null,
            text: shown.caption,
            mime: shown.mime,
            file_name: shown.file_name,
            bytes: shown.bytes,
            media: Some(shown.media),
        });
    }
    if let Some(reaction) = message.reaction_message.as_option() {
        return Some(Shown::change("reaction", reaction.key.as_option(), reaction.text.clone()));
    }
    if let Some((kind, text, content)) = rich(message) {
        return Some(Shown { content, ..Shown::plain(kind, text) });
    }
    if let Some(pin) = message.pin_in_chat_message.as_option() {
        let is_pinned = pin.r#type == Some(wa::message::pin_in_chat_message::Type::PIN_FOR_ALL);
        let text = if is_pinned { "pinned" } else { "unpinned" };
        return Some(Shown::change("pin", pin.key.as_option(), Some(text.to_owned())));
    }
    if let Some(vote) = message.poll_update_message.as_option() {
        return Some(Shown::change("vote", vote.poll_creation_message_key.as_option(), None));
    }
    match message.protocol_message.as_option() {
        Some(inside) if inside.r#type == Some(ProtocolType::REVOKE) => {
            let key = inside.key.as_option();
            Some(Shown::change("revoke", key, key.and_then(|key| key.id.clone())))
        }
        Some(inside) if inside.edited_message.is_set() => {
            let text = inside.edited_message.as_option().and_then(|edited| edited.text_content());
            Some(Shown::change("edit", inside.key.as_option(), text.map(str::to_owned)))
        }
        Some(_) => None,
        None if message.sender_key_distribution_message.is_set() => None,
        None => Some(Shown::plain("other", None)),
    }
}
