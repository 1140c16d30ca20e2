//! What a message of the library says, as the core's `Content`.
//!
//! Three steps: take the wrappers off, leave out what is no message of its own (changes ([`super::change`]), keys, receipts in
//! disguise), name the kind. A kind this version does not know is kept as `unknown` rather than lost.

use portico_core::media::MediaKind;
use portico_core::message::Content;
use whatsapp_rust::waproto::codec::message_encoded_len;
use whatsapp_rust::waproto::whatsapp::Message;

use super::rich;
use crate::files::remote::Facts;

/// Wrappers around wrappers, at most. Deeper nesting is nobody's honest message.
const WRAPPERS_MAX: usize = 8;

/// Characters of an incoming text that are kept: as many as can be sent. More comes from somebody's own client only.
const TEXT_CHARS_MAX: usize = 65_536;

/// The text, cut where it is too long.
pub(super) fn kept(text: &str) -> String {
    match text.char_indices().nth(TEXT_CHARS_MAX) {
        Some((end, _)) => text[..end].to_owned(),
        None => text.to_owned(),
    }
}

/// What the message says; `None` when it is not a message of its own.
pub(crate) fn of(message: &Message) -> Option<Content> {
    let message = unwrapped(message);
    if is_addition(message) {
        return None;
    }
    text(message).or_else(|| media(message)).or_else(|| rich(message)).or_else(|| unknown(message))
}

/// The message inside of its wrappers.
pub(crate) fn unwrapped(message: &Message) -> &Message {
    let mut message = message;
    for _ in 0..WRAPPERS_MAX {
        match inner(message) {
            Some(next) => message = next,
            None => break,
        }
    }
    message
}

/// What a wrapper wraps.
fn inner(message: &Message) -> Option<&Message> {
    macro_rules! first {
        ($($wrapper:ident)*) => {
            None$(.or_else(|| message.$wrapper.as_option().and_then(|w| w.message.as_option())))*
        };
    }
    first!(
        device_sent_message ephemeral_message view_once_message view_once_message_v2 view_once_message_v2_extension
        document_with_caption_message group_mentioned_message bot_invoke_message lottie_sticker_message
        associated_child_message group_status_message group_status_message_v2 spoiler_message question_message
        question_reply_message bot_forwarded_message poll_creation_message_v4 status_add_yours
    )
}

/// Whether the message changes, answers or carries something else instead of saying something itself.
fn is_addition(message: &Message) -> bool {
    macro_rules! any {
        ($($field:ident)*) => { false $(|| message.$field.is_set())* };
    }
    any!(
        protocol_message edited_message reaction_message poll_update_message enc_reaction_message pin_in_chat_message
        keep_in_chat_message secret_encrypted_message enc_event_response_message poll_add_option_message call chat
        sticker_sync_rmr_message message_history_bundle message_history_notice limit_sharing_message status_mention_message
        group_status_mention_message group_root_key_share root_secret_distribute_message placeholder_message
    )
}

fn text(message: &Message) -> Option<Content> {
    let extended = || message.extended_text_message.as_option().and_then(|m| m.text.as_ref());
    let text = message.conversation.as_ref().filter(|text| !text.is_empty()).or_else(extended)?;
    Some(Content::Text { text: kept(text) })
}

fn other(kind: &str, text: Option<&String>) -> Option<Content> {
    Some(Content::Other { kind: kind.to_owned(), text: text.filter(|text| !text.is_empty()).map(|text| kept(text)) })
}

fn media(message: &Message) -> Option<Content> {
    if let Some(facts) = file(message) {
        let caption = facts.caption.filter(|text| !text.is_empty()).map(|text| kept(text));
        return Some(Content::Media(Box::new(facts.content(caption))));
    }
    if message.sticker_pack_message.is_set() {
        return other("sticker_pack", None);
    }
    message.album_message.is_set().then(|| other("album", None)).flatten()
}

/// What the message tells of its file, if it has one.
pub(crate) fn file(message: &Message) -> Option<Facts<'_>> {
    if let Some(m) = message.image_message.as_option() {
        return Some(Facts {
            kind: MediaKind::Image,
            media_type: m.mimetype.as_ref(),
            file_name: None,
            caption: m.caption.as_ref(),
            size: (m.width, m.height),
            seconds: None,
            file: m,
        });
    }
    let film = message.video_message.as_option().map(|m| (m, MediaKind::Video));
    if let Some((m, kind)) = film.or_else(|| message.ptv_message.as_option().map(|m| (m, MediaKind::VideoNote))) {
        return Some(Facts {
            kind,
            media_type: m.mimetype.as_ref(),
            file_name: None,
            caption: m.caption.as_ref(),
            size: (m.width, m.height),
            seconds: m.seconds,
            file: m,
        });
    }
    if let Some(m) = message.audio_message.as_option() {
        return Some(Facts {
            kind: if m.ptt == Some(true) { MediaKind::Voice } else { MediaKind::Audio },
            media_type: m.mimetype.as_ref(),
            file_name: None,
            caption: None,
            size: (None, None),
            seconds: m.seconds,
            file: m,
        });
    }
    if let Some(m) = message.document_message.as_option() {
        return Some(Facts {
            kind: MediaKind::Document,
            media_type: m.mimetype.as_ref(),
            file_name: m.file_name.as_ref(),
            caption: m.caption.as_ref(),
            size: (None, None),
            seconds: None,
            file: m,
        });
    }
    let m = message.sticker_message.as_option()?;
    Some(Facts {
        kind: MediaKind::Sticker,
        media_type: m.mimetype.as_ref(),
        file_name: None,
        caption: None,
        size: (m.width, m.height),
        seconds: None,
        file: m,
    })
}

fn rich(message: &Message) -> Option<Content> {
    if let Some(rich) = rich::of(message) {
        return Some(Content::Rich(Box::new(rich)));
    }
    if let Some(m) = message.group_invite_message.as_option() {
        return other("group_invite", m.caption.as_ref());
    }
    business(message)
}

fn business(message: &Message) -> Option<Content> {
    if let Some(m) = message.list_response_message.as_option() {
        return other("list_response", m.title.as_ref());
    }
    if let Some(m) = message.template_button_reply_message.as_option() {
        return other("template_reply", m.selected_display_text.as_ref());
    }
    if let Some(m) = message.interactive_message.as_option() {
        return other("interactive", m.body.as_option().and_then(|body| body.text.as_ref()));
    }
    if let Some(m) = message.interactive_response_message.as_option() {
        return other("interactive_response", m.body.as_option().and_then(|body| body.text.as_ref()));
    }
    let kind = match message {
        m if m.buttons_response_message.is_set() => "buttons_response",
        m if m.template_message.is_set() => "template",
        m if m.product_message.is_set() => "product",
        m if m.order_message.is_set() => "order",
        m if m.comment_message.is_set() => "comment",
        _ => return None,
    };
    other(kind, None)
}

/// Anything left beside keys and context.
fn unknown(message: &Message) -> Option<Content> {
    let mut rest = message.clone();
    rest.conversation = None;
    rest.sender_key_distribution_message = Default::default();
    rest.fast_ratchet_key_sender_key_distribution_message = Default::default();
    rest.message_context_info = Default::default();
    // Comparing with the default would not do: a field that is set but empty equals one that is not set.
    if message_encoded_len(&rest) > 0 { other("unknown", None) } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;
    use portico_core::media::MediaContent;
    use whatsapp_rust::buffa::MessageField;
    use whatsapp_rust::waproto::whatsapp::{MessageContextInfo, message};

    fn says(text: &str) -> Message {
        Message { conversation: Some(text.to_owned()), ..Default::default() }
    }

    fn wrapped(inner: Message) -> message::FutureProofMessage {
        message::FutureProofMessage { message: MessageField::some(inner) }
    }

    #[test]
    fn text_is_found_inside_wrappers() {
        let view_once = Message { view_once_message_v2: MessageField::some(wrapped(says("hi"))), ..Default::default() };
        let ephemeral = Message { ephemeral_message: MessageField::some(wrapped(view_once)), ..Default::default() };
        let sent = Message {
            device_sent_message: MessageField::some(message::DeviceSentMessage {
                message: MessageField::some(ephemeral),
                ..Default::default()
            }),
            ..Default::default()
        };
        assert_eq!(of(&sent), Some(Content::Text { text: "hi".to_owned() }));
    }

    #[test]
    fn captions_are_kept_with_their_kind() {
        let image = message::ImageMessage {
            caption: Some("a pier".to_owned()),
            mimetype: Some("image/jpeg".to_owned()),
            file_length: Some(9),
            width: Some(4),
            ..Default::default()
        };
        let message = Message { image_message: MessageField::some(image), ..Default::default() };
        let wanted = MediaContent {
            caption: Some("a pier".to_owned()),
            media_type: Some("image/jpeg".to_owned()),
            bytes: Some(9),
            width: Some(4),
            ..MediaContent::of(MediaKind::Image)
        };
        assert_eq!(of(&message), Some(Content::Media(Box::new(wanted))));
    }

    #[test]
    fn what_says_nothing_itself_is_no_message() {
        let keys = Message {
            sender_key_distribution_message: MessageField::some(Default::default()),
            message_context_info: MessageField::some(MessageContextInfo::default()),
            ..Default::default()
        };
        let revoke = Message { protocol_message: MessageField::some(Default::default()), ..Default::default() };
        let reaction = Message { reaction_message: MessageField::some(Default::default()), ..Default::default() };
        let edit = Message { edited_message: MessageField::some(wrapped(says("new"))), ..Default::default() };
        for message in [Message::default(), keys, revoke, reaction, edit] {
            assert_eq!(of(&message), None);
        }
    }

    #[test]
    fn a_kind_not_known_is_kept() {
        let message = Message { invoice_message: MessageField::some(Default::default()), ..Default::default() };
        assert_eq!(of(&message), Some(Content::Other { kind: "unknown".to_owned(), text: None }));
    }
}
