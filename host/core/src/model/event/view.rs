//! Events as the REST core shows them.

use portico_api as api;
use serde_json::Value;

use super::{Event, EventKind};

same_variants!(EventKind, api::EventType:
    DeviceState, DeviceQr, MessageReceived, MessageSent, MessageDelivered, MessageRead, MessagePlayed, MessageFailed,
    GroupJoined, GroupLeft, GroupUpdated, GroupMembers, GroupRequests,
    MessageReaction, MessageEdited, MessageRevoked, MessageVoted, MessagePinned,
    WebhookDisabled, WebhookTest, MemberChanged);

/// The data is borrowed: it is the largest part, and is only written.
impl<'e> From<&'e Event> for api::Event<&'e Value> {
    fn from(event: &'e Event) -> Self {
        Self {
            id: event.id.to_string(),
            seq: event.seq,
            kind: event.kind.into(),
            device: event.device.as_ref().map(ToString::to_string),
            timestamp: event.timestamp.into(),
            data: &event.data,
        }
    }
}

serialized_as_view!(Event, api::Event<&Value>);
