//! Messages of the library that change another message, as the core's changes.

use portico_core::message::Change;
use whatsapp_rust::waproto::whatsapp::message::pin_in_chat_message::Type as Pin;
use whatsapp_rust::waproto::whatsapp::message::protocol_message::Type;
use whatsapp_rust::waproto::whatsapp::{Message, MessageKey};

use super::content;

/// Characters of an emoji that are kept. More comes from somebody's own client only.
const EMOJI_CHARS_MAX: usize = 32;

/// For how many seconds a message is pinned when the sender does not say: WhatsApp's usual 7 days.
const PINNED_FOR: u32 = 7 * 24 * 3600;

/// The change that the message makes, and WhatsApp's id of the message it changes.
pub(super) fn of(message: &Message) -> Option<(String, Change)> {
    let message = content::unwrapped(message);
    let (key, change) = reaction(message).or_else(|| pin(message)).or_else(|| protocol(message))?;
    key?.id.clone().filter(|id| !id.is_empty()).map(|of| (of, change))
}

type Named<'m> = (Option<&'m MessageKey>, Change);

fn reaction(message: &Message) -> Option<Named<'_>> {
    let reaction = message.reaction_message.as_option()?;
    let emoji = reaction.text.as_deref().unwrap_or_default().chars().take(EMOJI_CHARS_MAX).collect();
    Some((reaction.key.as_option(), Change::Reaction { emoji }))
}

fn pin(message: &Message) -> Option<Named<'_>> {
    let pin = message.pin_in_chat_message.as_option()?;
    let lasts = message.message_context_info.as_option().and_then(|info| info.message_add_on_duration_in_secs);
    let seconds = (pin.r#type == Some(Pin::PIN_FOR_ALL)).then(|| lasts.filter(|s| *s > 0).unwrap_or(PINNED_FOR));
    Some((pin.key.as_option(), Change::Pin { seconds }))
}

/// Edits and revocations. Histories wrap the former once more than messages on the wire.
fn protocol(message: &Message) -> Option<Named<'_>> {
    let wrapped = message.edited_message.as_option().and_then(|wrapper| wrapper.message.as_option());
    let protocol = wrapped.unwrap_or(message).protocol_message.as_option()?;
    let change = match protocol.r#type {
        Some(Type::REVOKE) => Change::Revoke,
        Some(Type::MESSAGE_EDIT) => {
            let content = content::of(protocol.edited_message.as_option()?)?;
            Change::Edit { text: content.text()?.to_owned() }
        }
        _ => return None,
    };
    Some((protocol.key.as_option(), change))
}

#[cfg(test)]
mod tests {
    use super::*;
    use whatsapp_rust::buffa::MessageField;
    use whatsapp_rust::waproto::whatsapp::message::ReactionMessage;

    #[test]
    fn a_reaction_names_its_message_and_may_take_itself_back() {
        let key = MessageKey { id: Some("3EB01".to_owned()), ..Default::default() };
        for emoji in ["👍", ""] {
            let reaction = ReactionMessage {
                key: MessageField::some(key.clone()),
                text: Some(emoji.to_owned()),
                ..Default::default()
            };
            let message = Message { reaction_message: MessageField::some(reaction), ..Default::default() };
            assert_eq!(of(&message), Some(("3EB01".to_owned(), Change::Reaction { emoji: emoji.to_owned() })));
        }
        let nowhere = Message { reaction_message: MessageField::some(Default::default()), ..Default::default() };
        assert_eq!(of(&nowhere), None);
    }
}
