//! Messages as this API shows them.

use portico_sdk::api::{Device, Direction, Message};
use serde_json::{Value, json};

use crate::names::{account_of, jid_of, status_of_message, type_of_message};
use crate::sections::devices::view::session_id;
use crate::shape::{file_of, text_of};

/// One message. The core does not tell whether it was broadcast.
pub(super) fn message(message: &Message, device: &Device) -> Value {
    let account = device.jid.as_deref().map(account_of);
    let chat = jid_of(&message.chat);
    let is_out = message.direction == Direction::Out;
    let (from, to) = if is_out {
        (account, Some(chat.to_owned()))
    } else {
        let sender = message.sender.as_ref().map_or(chat, jid_of);
        // In a group the message went to the group; else to the account.
        let to = if sender == chat { account } else { Some(chat.to_owned()) };
        (Some(sender.to_owned()), to)
    };
    let file = file_of(&message.content);
    let text = text_of(message);
    json!({
        "id": message.id,
        "deviceId": device.number.to_string(),
        "sessionId": session_id(device),
        "direction": if is_out { "outgoing" } else { "incoming" },
        "from": from,
        "to": to,
        "type": type_of_message(message),
        "content": if text.is_empty() { None } else { Some(text) },
        "timestamp": message.timestamp,
        "status": status_of_message(message.status),
        "readAt": message.times.read,
        "mediaUrl": file.map(|file| &file.media.url),
        "caption": file.and_then(|file| file.caption.as_ref()),
        "metadata": {
            "messageId": message.id,
            "quoted": message.quoted,
            "forwarded": message.forwarded.is_some(),
            "broadcast": false,
            "fromMe": is_out,
        },
    })
}

/// How many there are of each kind.
pub(super) fn statistics(all: &[(Message, &Device)]) -> Value {
    let count = |fits: fn(&Message) -> bool| all.iter().filter(|(message, _)| fits(message)).count();
    json!({
        "totalMessages": all.len(),
        "sentMessages": count(|message| message.direction == Direction::Out),
        "receivedMessages": count(|message| message.direction == Direction::In),
        "mediaMessages": count(|message| file_of(&message.content).is_some()),
        "textMessages": count(|message| type_of_message(message) == "text"),
    })
}
