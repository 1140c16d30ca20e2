//! Events: facts the core raises, stored with the change they tell of.
//!
//! `seq` counts per tenant without gaps, in order of commit; `id` is the same for every repetition of the same fact, so a
//! fact that arrives twice is stored once.

mod view;

use portico_api::{MemberChange, MemberChanged};
use serde::Serialize;
use serde_json::{Value, json};

use crate::error::Error;
use crate::id::{DeviceId, EventId, TenantId, UserId, WebhookId};
use crate::model::access::{Member, Scope};
use crate::model::device::Device;
use crate::model::group::{GroupNews, GroupUpdate};
use crate::model::message::{Content, Message, MessageStatus};
use crate::time::UtcMs;

/// What kinds of facts there are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum EventKind {
    /// A device changed its state.
    DeviceState,
    /// WhatsApp gave a QR code to scan. Told live only; see [`Self::is_stored`].
    DeviceQr,
    /// A message came in.
    MessageReceived,
    /// WhatsApp's server took a message.
    MessageSent,
    /// A message reached the recipient.
    MessageDelivered,
    /// A message was read.
    MessageRead,
    /// A message was played.
    MessagePlayed,
    /// A message won't be sent.
    MessageFailed,
    /// The device's account is in a group now.
    GroupJoined,
    /// The device's account is not in a group any more.
    GroupLeft,
    /// A group changed: name, description, picture, settings, invite link.
    GroupUpdated,
    /// Members of a group came, went or may do other things now.
    GroupMembers,
    /// Somebody asks to be let into a group, or does not any more.
    GroupRequests,
    /// Somebody reacted to a message, or took a reaction back.
    MessageReaction,
    /// A message's author edited it.
    MessageEdited,
    /// A message was deleted for everybody.
    MessageRevoked,
    /// Somebody voted in a poll, or took a vote back.
    MessageVoted,
    /// A message was pinned in its chat, or taken down again.
    MessagePinned,
    /// An endpoint failed for too long and gets nothing more.
    WebhookDisabled,
    /// Somebody tried a webhook out.
    WebhookTest,
    /// A member was made, changed or removed.
    MemberChanged,
}

impl EventKind {
    /// Every kind.
    pub const ALL: [Self; 21] = [
        Self::DeviceState,
        Self::DeviceQr,
        Self::MessageReceived,
        Self::MessageSent,
        Self::MessageDelivered,
        Self::MessageRead,
        Self::MessagePlayed,
        Self::MessageFailed,
        Self::GroupJoined,
        Self::GroupLeft,
        Self::GroupUpdated,
        Self::GroupMembers,
        Self::GroupRequests,
        Self::MessageReaction,
        Self::MessageEdited,
        Self::MessageRevoked,
        Self::MessageVoted,
        Self::MessagePinned,
        Self::WebhookDisabled,
        Self::WebhookTest,
        Self::MemberChanged,
    ];

    /// The name, as written in subscriptions and bodies.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::DeviceState => "device.state",
            Self::DeviceQr => "device.qr",
            Self::MessageReceived => "message.received",
            Self::MessageSent => "message.sent",
            Self::MessageDelivered => "message.delivered",
            Self::MessageRead => "message.read",
            Self::MessagePlayed => "message.played",
            Self::MessageFailed => "message.failed",
            Self::GroupJoined => "group.joined",
            Self::GroupLeft => "group.left",
            Self::GroupUpdated => "group.updated",
            Self::GroupMembers => "group.participants",
            Self::GroupRequests => "group.requests",
            Self::MessageReaction => "message.reaction",
            Self::MessageEdited => "message.edited",
            Self::MessageRevoked => "message.revoked",
            Self::MessageVoted => "message.voted",
            Self::MessagePinned => "message.pinned",
            Self::WebhookDisabled => "webhook.disabled",
            Self::WebhookTest => "webhook.test",
            Self::MemberChanged => "member.changed",
        }
    }

    /// What it takes to see events of this kind; `None` for those about webhooks themselves.
    pub fn scope(self) -> Option<Scope> {
        match self {
            Self::DeviceState => Some(Scope::DevicesRead),
            // Whoever has the code can link the device.
            Self::DeviceQr => Some(Scope::DevicesWrite),
            Self::MessageReceived
            | Self::MessageSent
            | Self::MessageDelivered
            | Self::MessageRead
            | Self::MessagePlayed
            | Self::MessageFailed
            | Self::GroupJoined
            | Self::GroupLeft
            | Self::GroupUpdated
            | Self::GroupMembers
            | Self::GroupRequests
            | Self::MessageReaction
            | Self::MessageEdited
            | Self::MessageRevoked
            | Self::MessageVoted
            | Self::MessagePinned => Some(Scope::MessagesRead),
            Self::WebhookDisabled | Self::WebhookTest => None,
            Self::MemberChanged => Some(Scope::MembersWrite),
        }
    }

    /// Whether events of this kind are stored, and so have a place in the order, can be read again and go to webhooks. The
    /// others are told to whoever listens at that moment and asks for them by their full name: they hold secrets.
    pub fn is_stored(self) -> bool {
        self != Self::DeviceQr
    }

    /// The kind of that name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|k| k.as_str() == name)
    }
}

/// A fact, before it has its place in the order.
#[derive(Clone, Debug)]
pub struct NewEvent {
    /// Equal for equal facts.
    pub id: EventId,
    /// Whose it is.
    pub tenant: TenantId,
    /// What kind.
    pub kind: EventKind,
    /// The device it is about.
    pub device: Option<DeviceId>,
    /// What has to stay in order with it: the chat, or the device itself.
    pub lane: String,
    /// When it happened.
    pub at: UtcMs,
    /// The rest, in the public JSON of the noun it is about.
    pub payload: Value,
}

/// A fact as told to clients.
#[derive(Clone, Debug)]
pub struct Event {
    /// Equal for every repetition of the same fact.
    pub id: EventId,
    /// Its place among the tenant's events: grows by one, in order of commit.
    pub seq: i64,
    /// What kind.
    pub kind: EventKind,
    /// Whose it is.
    pub tenant: TenantId,
    /// The device it is about.
    pub device: Option<DeviceId>,
    /// What stays in order with it.
    pub lane: String,
    /// When it happened.
    pub timestamp: UtcMs,
    /// The noun it is about, in its public JSON.
    pub data: Value,
}

impl NewEvent {
    /// A device changed its state.
    pub fn device_state(device: &Device) -> Result<Self, Error> {
        let at = device.state_since;
        let id = EventId::of_fact(&["device.state", device.id.as_str(), device.state.as_str(), &at.0.to_string()]);
        let mut payload = body(&portico_api::Device::from(device))?;
        if let Some(fields) = payload.as_object_mut() {
            // They have nothing to do with the state, and may be large.
            fields.remove("settings");
        }
        Ok(Self {
            id,
            tenant: device.tenant.clone(),
            kind: EventKind::DeviceState,
            device: Some(device.id.clone()),
            lane: device.id.to_string(),
            at,
            payload,
        })
    }

    /// A message of `device` came in, or reached the status it now has. The payload is the message and the `account` the
    /// device is linked to. `None` for `queued`, which only the sender needs to know, and for changes, which are told as what
    /// they do ([`Self::message_changed`]) unless they fail.
    pub fn message(device: &Device, message: &Message) -> Result<Option<Self>, Error> {
        if matches!(message.content, Content::Change(_)) && message.status != MessageStatus::Failed {
            return Ok(None);
        }
        let mut payload = body(&portico_api::Message::from(message))?;
        payload["account"] = json!(device.jid);
        let times = message.times;
        let (kind, at) = match message.status {
            MessageStatus::Queued => return Ok(None),
            MessageStatus::Received => (EventKind::MessageReceived, Some(message.created_at)),
            MessageStatus::Sent => (EventKind::MessageSent, times.sent),
            MessageStatus::Delivered => (EventKind::MessageDelivered, times.delivered),
            MessageStatus::Read => (EventKind::MessageRead, times.read),
            MessageStatus::Played => (EventKind::MessagePlayed, times.played),
            MessageStatus::Failed => (EventKind::MessageFailed, times.failed),
        };
        Ok(Some(Self {
            id: EventId::of_fact(&[kind.as_str(), message.id.as_str()]),
            tenant: message.tenant.clone(),
            kind,
            device: Some(message.device.clone()),
            lane: message.chat.id.clone(),
            at: at.unwrap_or(message.created_at),
            payload,
        }))
    }

    /// Something happened to a group that the account of `device` is or was in.
    pub fn group(device: &Device, update: &GroupUpdate) -> Result<Self, Error> {
        let kind = match update.news {
            GroupNews::Joined => EventKind::GroupJoined,
            GroupNews::Left => EventKind::GroupLeft,
            GroupNews::Updated => EventKind::GroupUpdated,
            GroupNews::Members => EventKind::GroupMembers,
            GroupNews::Requests => EventKind::GroupRequests,
        };
        let payload = portico_api::GroupChanged {
            group: update.group.clone(),
            action: update.action.clone(),
            actor: update.actor.as_ref().map(Into::into),
            participants: update.members.iter().map(Into::into).collect(),
            value: update.value.clone(),
            account: device.jid.clone(),
        };
        Ok(Self {
            id: EventId::of_fact(&[kind.as_str(), device.id.as_str(), &update.key]),
            tenant: device.tenant.clone(),
            kind,
            device: Some(device.id.clone()),
            lane: update.group.clone(),
            at: update.at,
            payload: body(&payload)?,
        })
    }

    /// WhatsApp gave a QR code. It is never stored.
    pub fn device_qr(device: &Device, text: &str, expires_at: UtcMs, at: UtcMs) -> Self {
        let id = EventId::of_fact(&["device.qr", device.id.as_str(), &expires_at.0.to_string()]);
        let payload = json!({ "text": text, "expires_at": portico_api::Timestamp::from(expires_at) });
        let lane = device.id.to_string();
        Self {
            id,
            tenant: device.tenant.clone(),
            kind: EventKind::DeviceQr,
            device: Some(device.id.clone()),
            lane,
            at,
            payload,
        }
    }

    /// The event as it is told without being stored. It has no place in the order: a reader gives it that of the last stored
    /// event it has seen.
    pub(crate) fn unstored(self) -> Event {
        let Self { id, tenant, kind, device, lane, at, payload } = self;
        Event { id, seq: 0, kind, tenant, device, lane, timestamp: at, data: payload }
    }

    /// The row `change` made `message` what it is now. The payload is the message, the `account` the device is linked to, and
    /// the `change`.
    pub fn message_changed(device: &Device, message: &Message, change: &Message) -> Result<Self, Error> {
        let mut payload = body(&portico_api::Message::from(message))?;
        payload["account"] = json!(device.jid);
        payload["change"] = body(&portico_api::MessageChange::try_from(change)?)?;
        Self::change(device, change, payload)
    }

    /// Somebody changed a message that is not known here, such as one from before the device was linked. The payload names it
    /// by `chat` and `whatsapp_id`.
    pub fn unknown_message_changed(device: &Device, change: &Message) -> Result<Self, Error> {
        let Content::Change(changing) = &change.content else {
            return Err(Error::internal("telling of a change", "the message is none"));
        };
        let chat = portico_api::Party::from(&change.chat);
        let payload = json!({
            "device": device.id, "chat": chat, "whatsapp_id": changing.of.whatsapp_id, "account": device.jid,
            "change": body(&portico_api::MessageChange::try_from(change)?)?,
        });
        Self::change(device, change, payload)
    }

    fn change(device: &Device, change: &Message, payload: Value) -> Result<Self, Error> {
        let Content::Change(changing) = &change.content else {
            return Err(Error::internal("telling of a change", "the message is none"));
        };
        let kind = changing.change.event_kind();
        let sender = change.sender.as_ref().map_or("", |sender| sender.id.as_str());
        let id = EventId::of_fact(&[kind.as_str(), device.id.as_str(), &change.chat.id, sender, &change.whatsapp_id]);
        Ok(Self {
            id,
            tenant: change.tenant.clone(),
            kind,
            device: Some(change.device.clone()),
            lane: change.chat.id.clone(),
            at: change.times.sent.unwrap_or(change.created_at),
            payload,
        })
    }

    /// Somebody tries a webhook out; `id` is fresh.
    pub fn webhook_test(
        id: EventId,
        tenant: TenantId,
        webhook: &WebhookId,
        device: Option<DeviceId>,
        at: UtcMs,
    ) -> Self {
        let payload = json!({ "webhook": webhook, "text": "If you can read this, the webhook works." });
        Self { id, tenant, kind: EventKind::WebhookTest, device, lane: webhook.to_string(), at, payload }
    }

    /// A member was made, changed or removed, by a member or with a key; `id` is fresh.
    pub fn member_changed(
        id: EventId,
        member: &Member,
        change: MemberChange,
        by: Option<&UserId>,
        at: UtcMs,
    ) -> Result<Self, Error> {
        let user = &member.user;
        let payload = body(&MemberChanged { change, member: member.into(), by: by.map(ToString::to_string) })?;
        let (tenant, lane) = (user.tenant.clone(), user.id.to_string());
        Ok(Self { id, tenant, kind: EventKind::MemberChanged, device: None, lane, at, payload })
    }

    /// An endpoint gets nothing more.
    pub fn webhook_disabled(tenant: TenantId, webhook: &WebhookId, reason: &str, at: UtcMs) -> Self {
        let id = EventId::of_fact(&["webhook.disabled", webhook.as_str(), &at.0.to_string()]);
        let payload = json!({ "webhook": webhook, "reason": reason });
        Self { id, tenant, kind: EventKind::WebhookDisabled, device: None, lane: webhook.to_string(), at, payload }
    }
}

/// An event's payload: the view of the noun it is about.
fn body(noun: &impl Serialize) -> Result<Value, Error> {
    serde_json::to_value(noun).map_err(|e| Error::internal("writing an event", e))
}
