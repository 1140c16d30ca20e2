//! Messages as the REST core shows them.

use portico_api as api;

use super::{Content, Direction, Message, MessageStatus, SendFailure, StatusTimes};
use crate::address::Party;
use crate::model::media;

same_variants!(Direction, api::Direction: In, Out);
same_variants!(MessageStatus, api::MessageStatus: Queued, Sent, Delivered, Read, Played, Failed, Received);

impl From<&Party> for api::Party {
    fn from(party: &Party) -> Self {
        Self { id: party.id.clone(), pn: party.pn.clone(), lid: party.lid.clone() }
    }
}

fn content(message: &Message) -> api::Content {
    match &message.content {
        Content::Text { text } => api::Content::Text { text: text.clone() },
        Content::Media(media) => media::view::in_message(message, media),
        Content::Other { kind, text } => api::Content::Other { kind: kind.clone(), text: text.clone() },
    }
}

impl From<&SendFailure> for api::SendFailure {
    fn from(failure: &SendFailure) -> Self {
        Self { code: failure.code.clone(), text: failure.text.clone() }
    }
}

impl From<&StatusTimes> for api::StatusTimes {
    fn from(times: &StatusTimes) -> Self {
        Self {
            sent: times.sent.map(Into::into),
            delivered: times.delivered.map(Into::into),
            read: times.read.map(Into::into),
            played: times.played.map(Into::into),
            failed: times.failed.map(Into::into),
        }
    }
}

impl From<&Message> for api::Message {
    fn from(message: &Message) -> Self {
        Self {
            id: message.id.to_string(),
            device: message.device.to_string(),
            direction: message.direction.into(),
            chat: (&message.chat).into(),
            sender: message.sender.as_ref().map(Into::into),
            sender_name: message.sender_name.clone(),
            whatsapp_id: message.whatsapp_id.clone(),
            content: content(message),
            status: message.status.into(),
            error: message.error.as_ref().map(Into::into),
            created_at: message.created_at.into(),
            timestamp: message.timestamp.into(),
            times: (&message.times).into(),
        }
    }
}

serialized_as_view!(Message, api::Message);
