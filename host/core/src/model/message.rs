//! Messages, in and out, and how far each has come.
//!
//! The WhatsApp id of an outgoing message is made and stored before anything is sent: a repeated send carries the same id.

mod change;
mod context;
pub mod rich;
mod view;

use serde::{Deserialize, Serialize};

use crate::address::Party;
use crate::id::{DeviceId, MessageId, TenantId};
use crate::model::media::MediaContent;
use crate::time::UtcMs;

pub use change::{Change, Changing, MessageState, Reaction, Target, Vote};
pub use context::{LinkPreview, MessageContext, Picture, Quoted, Referral};
pub use rich::Rich;

/// Which way a message went.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Direction {
    /// To the device.
    In,
    /// From the device.
    Out,
}

/// What a message says.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Content {
    /// Text.
    Text {
        /// The text.
        text: String,
    },
    /// A file, with or without a text under it.
    Media(Box<MediaContent>),
    /// Something with a form of its own: a place, contacts, a poll, …
    Rich(Box<Rich>),
    /// Nothing of its own: the row changes another message.
    Change(Box<Changing>),
    /// Something this version stores no more of than its kind and caption.
    Other {
        /// As WhatsApp names it: `image`, `audio`, `poll_creation`, …
        kind: String,
        /// Its text or caption, if it has one.
        #[serde(skip_serializing_if = "Option::is_none", default)]
        text: Option<String>,
    },
}

impl std::fmt::Debug for Content {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Content({})", self.kind())
    }
}

impl Content {
    /// The kind as one word: `text`, `image`, …
    pub fn kind(&self) -> &str {
        match self {
            Self::Text { .. } => "text",
            Self::Media(media) => media.kind.as_str(),
            Self::Rich(rich) => rich.kind(),
            Self::Change(changing) => changing.change.kind(),
            Self::Other { kind, .. } => kind,
        }
    }

    /// Its text or caption, if it has one.
    pub fn text(&self) -> Option<&str> {
        match self {
            Self::Text { text } => Some(text),
            Self::Media(media) => media.caption.as_deref(),
            Self::Rich(rich) => rich.text(),
            Self::Change(changing) => changing.change.text(),
            Self::Other { text, .. } => text.as_deref(),
        }
    }
}

/// How far a message has come. Grows only, apart from `failed`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MessageStatus {
    /// Stored; not yet acknowledged by WhatsApp's server. Survives a restart.
    Queued,
    /// WhatsApp's server has it (one tick).
    Sent,
    /// A device of the recipient has it (two ticks).
    Delivered,
    /// The recipient read it.
    Read,
    /// The recipient played it.
    Played,
    /// It won't be sent; `error` says why.
    Failed,
    /// It came in.
    Received,
}

impl MessageStatus {
    /// Every status.
    pub const ALL: [Self; 7] =
        [Self::Queued, Self::Sent, Self::Delivered, Self::Read, Self::Played, Self::Failed, Self::Received];

    /// The name in the API and in storage.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Sent => "sent",
            Self::Delivered => "delivered",
            Self::Read => "read",
            Self::Played => "played",
            Self::Failed => "failed",
            Self::Received => "received",
        }
    }

    /// The status of that name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|s| s.as_str() == name)
    }
}

/// Why a message failed for good.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SendFailure {
    /// In snake_case, such as `reachout_timelock` (WhatsApp's 463) or `denied_by_pacing`.
    pub code: String,
    /// For people: what happened and what to do.
    pub text: String,
}

/// One message.
#[derive(Clone, Debug)]
pub struct Message {
    /// Its id.
    pub id: MessageId,
    /// Who owns it.
    pub tenant: TenantId,
    /// The device it came to or goes from.
    pub device: DeviceId,
    /// Which way it went.
    pub direction: Direction,
    /// The chat it belongs to.
    pub chat: Party,
    /// Who wrote it; absent on messages of the device's own account.
    pub sender: Option<Party>,
    /// The sender's own name, if the message carried it.
    pub sender_name: Option<String>,
    /// WhatsApp's id of the message; unique within chat and sender.
    pub whatsapp_id: String,
    /// What it says.
    pub content: Content,
    /// How far it has come.
    pub status: MessageStatus,
    /// Why it failed.
    pub error: Option<SendFailure>,
    /// When it was stored here.
    pub created_at: UtcMs,
    /// When it was written, by the sender's clock for incoming ones.
    pub timestamp: UtcMs,
    /// When each step of an outgoing message happened.
    pub times: StatusTimes,
    /// What is around its content.
    pub context: MessageContext,
    /// What became of it later.
    pub state: MessageState,
}

impl Message {
    /// The message that this row changes, if it is a change.
    pub fn about(&self) -> Option<&MessageId> {
        match &self.content {
            Content::Change(changing) => Some(&changing.of.id),
            Content::Text { .. } | Content::Media(_) | Content::Rich(_) | Content::Other { .. } => None,
        }
    }
}

/// When an outgoing message reached each status.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct StatusTimes {
    /// WhatsApp's server acknowledged it.
    pub sent: Option<UtcMs>,
    /// A device of the recipient has it.
    pub delivered: Option<UtcMs>,
    /// It was read.
    pub read: Option<UtcMs>,
    /// It was played.
    pub played: Option<UtcMs>,
    /// It failed for good.
    pub failed: Option<UtcMs>,
}
