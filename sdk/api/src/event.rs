//! Events: what happened, in order.

use serde::{Deserialize, Serialize};

use crate::{DeliveryState, Timestamp};

/// What kinds of facts there are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub enum EventType {
    /// A device changed its state.
    #[serde(rename = "device.state")]
    DeviceState,
    /// WhatsApp gave a QR code to scan; `data` is that of `GET /v1/devices/{id}/qr`. Told to streams that name it, stored
    /// nowhere: its `seq` is that of the last event before it.
    #[serde(rename = "device.qr")]
    DeviceQr,
    /// A message came in.
    #[serde(rename = "message.received")]
    MessageReceived,
    /// WhatsApp's server took a message.
    #[serde(rename = "message.sent")]
    MessageSent,
    /// A message reached the recipient.
    #[serde(rename = "message.delivered")]
    MessageDelivered,
    /// A message was read.
    #[serde(rename = "message.read")]
    MessageRead,
    /// A message was played.
    #[serde(rename = "message.played")]
    MessagePlayed,
    /// A message won't be sent.
    #[serde(rename = "message.failed")]
    MessageFailed,
    /// Somebody reacted to a message, or took a reaction back.
    #[serde(rename = "message.reaction")]
    MessageReaction,
    /// A message's author edited it.
    #[serde(rename = "message.edited")]
    MessageEdited,
    /// A message was deleted for everybody.
    #[serde(rename = "message.revoked")]
    MessageRevoked,
    /// Somebody voted in a poll, or took a vote back.
    #[serde(rename = "message.voted")]
    MessageVoted,
    /// A message was pinned in its chat, or taken down again.
    #[serde(rename = "message.pinned")]
    MessagePinned,
    /// The device's account is in a group now.
    #[serde(rename = "group.joined")]
    GroupJoined,
    /// The device's account is not in a group any more.
    #[serde(rename = "group.left")]
    GroupLeft,
    /// A group changed: name, description, picture, settings, invite link.
    #[serde(rename = "group.updated")]
    GroupUpdated,
    /// Members of a group came, went or may do other things now.
    #[serde(rename = "group.participants")]
    GroupMembers,
    /// Somebody asks to be let into a group, or does not any more.
    #[serde(rename = "group.requests")]
    GroupRequests,
    /// An endpoint failed for too long and gets nothing more.
    #[serde(rename = "webhook.disabled")]
    WebhookDisabled,
    /// Somebody tried a webhook out.
    #[serde(rename = "webhook.test")]
    WebhookTest,
    /// A member was made, changed or removed.
    #[serde(rename = "member.changed")]
    MemberChanged,
}

/// A fact as told to clients. `D` is what `data` is read as or written from: any JSON, or the view of the noun.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Event<D> {
    /// Equal for every repetition of the same fact.
    pub id: String,
    /// Its place among the tenant's events: grows by one, in order of commit.
    pub seq: i64,
    /// What kind.
    #[serde(rename = "type")]
    pub kind: EventType,
    /// The device it is about.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub device: Option<String>,
    /// When it happened.
    pub timestamp: Timestamp,
    /// The noun it is about, in its public JSON.
    #[cfg_attr(feature = "openapi", schema(value_type = Object))]
    pub data: D,
}

/// Events in order.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct EventPage<D> {
    /// The wanted ones among those looked at.
    pub items: Vec<Event<D>>,
    /// Pass as `after` for what follows.
    pub next: i64,
}

/// The `data` of `webhook.disabled`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct WebhookDisabled {
    /// The webhook.
    pub webhook: String,
    /// Why it gets nothing more.
    pub reason: String,
}

/// The `data` of `webhook.test`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct WebhookTest {
    /// The webhook.
    pub webhook: String,
    /// For people.
    pub text: String,
}

/// The event a test raised.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct TestEvent {
    /// Sent as `webhook-id`.
    pub event: String,
    /// Its place among the tenant's events.
    pub seq: i64,
    /// Its delivery to the webhook.
    pub delivery: String,
    /// What came of it; there when the request waited for it and it came in time.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub outcome: Option<TestOutcome>,
}

/// What came of a test.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct TestOutcome {
    /// Where its delivery stands: `pending` after an attempt that failed and will be made again.
    pub state: DeliveryState,
    /// What the receiver answered, if it did.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub status: Option<u16>,
    /// How long the attempt took, in milliseconds; absent when there was none, because the format plugin left it out.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub duration_ms: Option<u32>,
    /// What went wrong, if something did.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub error: Option<String>,
}
