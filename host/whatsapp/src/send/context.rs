//! What is around a message on its way out.

use portico_core::message::{MessageContext, Quoted};
use whatsapp_rust::buffa::MessageField;
use whatsapp_rust::wacore::proto_helpers::MessageExt;
use whatsapp_rust::waproto::whatsapp::message::{
    AudioMessage, DocumentMessage, ExtendedTextMessage, FutureProofMessage, ImageMessage, VideoMessage,
};
use whatsapp_rust::waproto::whatsapp::{ContextInfo, Message};

/// The message with its context. `own` is the JID of the own account, as an author.
/// `thumbnail` is the small picture of the page it shows.
pub(super) fn around(mut message: Message, context: &MessageContext, own: &str, thumbnail: Option<Vec<u8>>) -> Message {
    if *context == MessageContext::default() {
        return message;
    }
    // Plain text has no place for a context.
    if let Some(text) = message.conversation.take() {
        let preview = context.link_preview.as_deref();
        let extended = ExtendedTextMessage {
            text: Some(text),
            matched_text: preview.map(|preview| preview.url.clone()),
            title: preview.map(|preview| preview.title.clone()),
            description: preview.and_then(|preview| preview.description.clone()),
            jpeg_thumbnail: thumbnail,
            ..Default::default()
        };
        message.extended_text_message = MessageField::some(extended);
    }
    message.set_context_info(info(context, own));
    if context.view_once { shown_once(message) } else { message }
}

fn info(context: &MessageContext, own: &str) -> ContextInfo {
    let quoted = context.quoted.as_deref();
    ContextInfo {
        stanza_id: quoted.map(|quoted| quoted.whatsapp_id.clone()),
        participant: quoted.map(|quoted| quoted.author.as_ref().map_or(own, |author| &author.id).to_owned()),
        quoted_message: quoted.map(repeated).map_or_else(MessageField::none, MessageField::some),
        mentioned_jid: context.mentions.clone(),
        is_forwarded: context.forwarded.map(|_| true),
        forwarding_score: context.forwarded,
        expiration: context.disappears_after,
        ..Default::default()
    }
}

/// What an answer repeats of the message it answers: its text, or that there was a file.
fn repeated(quoted: &Quoted) -> Message {
    let caption = quoted.text.clone();
    let mut message = Message::default();
    match quoted.kind.as_str() {
        "image" => message.image_message = MessageField::some(ImageMessage { caption, ..Default::default() }),
        "video" => message.video_message = MessageField::some(VideoMessage { caption, ..Default::default() }),
        "audio" | "voice" => {
            let ptt = Some(quoted.kind == "voice");
            message.audio_message = MessageField::some(AudioMessage { ptt, ..Default::default() });
        }
        "document" => message.document_message = MessageField::some(DocumentMessage { caption, ..Default::default() }),
        _ => message.conversation = Some(caption.unwrap_or_default()),
    }
    message
}

/// Wraps a file so that phones show it once. They look at the wrapper or at the mark inside, by their age.
fn shown_once(mut message: Message) -> Message {
    let once = Some(true);
    let is_voice = message.audio_message.is_set();
    if let Some(image) = message.image_message.as_option_mut() {
        image.view_once = once;
    } else if let Some(video) = message.video_message.as_option_mut() {
        video.view_once = once;
    } else if let Some(audio) = message.audio_message.as_option_mut() {
        audio.view_once = once;
    }
    let wrapper = MessageField::some(FutureProofMessage { message: MessageField::some(message) });
    if is_voice {
        Message { view_once_message_v2_extension: wrapper, ..Default::default() }
    } else {
        Message { view_once_message: wrapper, ..Default::default() }
    }
}
