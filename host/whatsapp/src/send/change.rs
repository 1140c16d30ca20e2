//! Changes to messages on their way out.

use portico_core::address::ChatKind;
use portico_core::message::{Change, Changing, Target};
use portico_core::ports::whatsapp::Outgoing;
use portico_core::time::UtcMs;
use whatsapp_rust::buffa::MessageField;
use whatsapp_rust::waproto::whatsapp::message::pin_in_chat_message::Type as Pin;
use whatsapp_rust::waproto::whatsapp::message::protocol_message::Type;
use whatsapp_rust::waproto::whatsapp::message::{PinInChatMessage, ProtocolMessage, ReactionMessage};
use whatsapp_rust::waproto::whatsapp::{Message, MessageContextInfo, MessageKey};

/// The message that makes a change. The library tells from it how the server has to be told (`edit`).
pub(super) fn message(out: &Outgoing, changing: &Changing, now: UtcMs) -> Message {
    let key = MessageField::some(key(out, &changing.of));
    match &changing.change {
        Change::Reaction { emoji } => Message {
            reaction_message: MessageField::some(ReactionMessage {
                key,
                text: Some(emoji.clone()),
                sender_timestamp_ms: Some(now.0),
                ..Default::default()
            }),
            ..Default::default()
        },
        Change::Edit { text } => {
            let edited = Message { conversation: Some(text.clone()), ..Default::default() };
            protocol(ProtocolMessage {
                key,
                r#type: Some(Type::MESSAGE_EDIT),
                edited_message: MessageField::some(edited),
                timestamp_ms: Some(now.0),
                ..Default::default()
            })
        }
        Change::Pin { seconds } => Message {
            pin_in_chat_message: MessageField::some(PinInChatMessage {
                key,
                r#type: Some(if seconds.is_some() { Pin::PIN_FOR_ALL } else { Pin::UNPIN_FOR_ALL }),
                sender_timestamp_ms: Some(now.0),
            }),
            message_context_info: MessageField::some(MessageContextInfo {
                message_add_on_duration_in_secs: Some(seconds.unwrap_or(0)),
                ..Default::default()
            }),
            ..Default::default()
        },
        // Votes of our own are never queued.
        Change::Vote { .. } => Message::default(),
        Change::Revoke => protocol(ProtocolMessage { key, r#type: Some(Type::REVOKE), ..Default::default() }),
    }
}

fn protocol(message: ProtocolMessage) -> Message {
    Message { protocol_message: MessageField::some(message), ..Default::default() }
}

/// How WhatsApp names a message: by chat, author and id. Only groups need the author's name.
fn key(out: &Outgoing, of: &Target) -> MessageKey {
    let author = of.author.as_ref().filter(|_| out.to.kind() != ChatKind::Direct);
    MessageKey {
        remote_jid: Some(out.to.id.clone()),
        from_me: Some(of.author.is_none()),
        id: Some(of.whatsapp_id.clone()),
        participant: author.map(|author| author.lid.clone().unwrap_or_else(|| author.id.clone())),
    }
}
