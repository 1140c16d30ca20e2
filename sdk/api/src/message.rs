//! Messages: what is sent and what is shown.

mod change;
mod context;
mod new;
mod rich;

use std::fmt;

use serde::{Deserialize, Serialize};

pub use change::{Change, MessageChange, MessagePatch, NewPin, NewReaction, PollResult, Reaction, Vote};
pub use context::{LinkPreview, MENTIONS_MAX, NewLinkPreview, Quoted, Referral};
pub use new::{CONTENT_FIELDS_MAX, NewContent, NewForward, NewMessage};
pub use rich::{
    BUTTONS_MAX, Button, Buttons, CONTACTS_MAX, CalendarEvent, Contact, Degrees, LIST_ROWS_MAX, ListMenu, ListRow,
    ListSection, LiveLocation, Location, POLL_OPTIONS_MAX, Poll,
};

use crate::{MediaContent, Timestamp};

/// Which way a message went.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum Direction {
    /// To the device.
    In,
    /// From the device.
    Out,
}

/// A person, group or channel under all names known. At least one of the two is there.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Party {
    /// The canonical chat id: a JID.
    pub id: String,
    /// The JID with the phone number, if known.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub pn: Option<String>,
    /// The JID with the LID, if known.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub lid: Option<String>,
}

/// What a message says.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Content {
    /// Text.
    Text {
        /// The text.
        text: String,
    },
    /// A picture.
    Image(MediaContent),
    /// A film.
    Video(MediaContent),
    /// A short round film, recorded in the chat.
    VideoNote(MediaContent),
    /// Sound.
    Audio(MediaContent),
    /// Sound recorded in the chat.
    Voice(MediaContent),
    /// Any file.
    Document(MediaContent),
    /// A sticker.
    Sticker(MediaContent),
    /// A place.
    Location {
        /// The place.
        location: Location,
    },
    /// Where somebody is at the moment.
    LiveLocation {
        /// The place.
        live_location: LiveLocation,
    },
    /// Contacts, as cards.
    Contacts {
        /// The contacts.
        contacts: Vec<Contact>,
    },
    /// A question with answers to choose from.
    Poll {
        /// The question.
        poll: Poll,
    },
    /// A menu.
    List {
        /// The menu.
        list: ListMenu,
    },
    /// A text with buttons under it.
    Buttons {
        /// Text and buttons.
        buttons: Buttons,
    },
    /// A date in the calendar.
    Event {
        /// The date.
        event: CalendarEvent,
    },
    /// Something this version stores no more of than its kind and caption.
    Other {
        /// As WhatsApp names it: `image`, `audio`, `poll_creation`, …
        kind: String,
        /// Its text or caption, if it has one.
        #[serde(skip_serializing_if = "Option::is_none", default)]
        text: Option<String>,
    },
}

/// How far a message has come. Grows only, apart from `failed`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
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

/// Why a message failed for good.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct SendFailure {
    /// In snake_case, such as `reachout_timelock` (WhatsApp's 463) or `denied_by_pacing`.
    pub code: String,
    /// For people: what happened and what to do.
    pub text: String,
}

/// One message.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Message {
    /// Its id.
    pub id: String,
    /// The device it came to or goes from.
    pub device: String,
    /// Which way it went.
    pub direction: Direction,
    /// The chat it belongs to.
    pub chat: Party,
    /// Who wrote it; absent on messages of the device's own account.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub sender: Option<Party>,
    /// The sender's own name, if the message carried it.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub sender_name: Option<String>,
    /// WhatsApp's id of the message; unique within chat and sender.
    pub whatsapp_id: String,
    /// What it says.
    pub content: Content,
    /// How far it has come.
    pub status: MessageStatus,
    /// Why it failed.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub error: Option<SendFailure>,
    /// When it was stored here.
    pub created_at: Timestamp,
    /// When it was written, by the sender's clock for incoming ones.
    pub timestamp: Timestamp,
    /// When each step of an outgoing message happened.
    pub times: StatusTimes,
    /// The message it answers.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub quoted: Option<Quoted>,
    /// JIDs of the people it mentions.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub mentions: Vec<String>,
    /// How often it was forwarded until it came here; 127: very often.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub forwarded: Option<u32>,
    /// It disappears from phones so many seconds after it was written. Here it stays.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub disappears_after: Option<u32>,
    /// Phones show it once.
    #[serde(skip_serializing_if = "std::ops::Not::not", default)]
    pub view_once: bool,
    /// What it shows of a page it names.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub link_preview: Option<Box<LinkPreview>>,
    /// The advertisement that led its author here.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub referral: Option<Box<Referral>>,
    /// Reactions to it, each person's newest.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub reactions: Vec<Reaction>,
    /// Votes in the poll that it is, each person's newest.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub votes: Vec<Vote>,
    /// How many votes each answer of the poll has.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub results: Vec<PollResult>,
    /// When its author edited it last; `content` is what it says since then.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub edited_at: Option<Timestamp>,
    /// What it said before the first edit.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub original: Option<String>,
    /// Whether the account starred it.
    #[serde(skip_serializing_if = "std::ops::Not::not", default)]
    pub starred: bool,
    /// Until when it is pinned in its chat.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub pinned_until: Option<Timestamp>,
    /// When it was deleted for everybody; what it said is kept here.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub revoked_at: Option<Timestamp>,
}

/// When an outgoing message reached each status.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct StatusTimes {
    /// WhatsApp's server acknowledged it.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub sent: Option<Timestamp>,
    /// A device of the recipient has it.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub delivered: Option<Timestamp>,
    /// It was read.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub read: Option<Timestamp>,
    /// It was played.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub played: Option<Timestamp>,
    /// It failed for good.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub failed: Option<Timestamp>,
}

/// Hides who it is: parties end up in logs.
impl fmt::Debug for Party {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Party(…)")
    }
}

/// Hides the text: contents end up in logs.
impl fmt::Debug for Content {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Content(…)")
    }
}
