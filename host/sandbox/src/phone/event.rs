//! What a phone notices, in the order it noticed it.

use serde::{Deserialize, Serialize};

use super::inbox::InboxEntry;

/// One thing a phone noticed.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct PhoneEvent {
    /// Grows by one with every event of this phone; a reader resumes after the last one it saw.
    pub seq: u64,
    /// When, in milliseconds since the Unix epoch.
    pub t_ms: u64,
    /// What.
    #[serde(flatten)]
    pub change: Change,
}

/// What a phone noticed.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
#[non_exhaustive]
pub enum Change {
    /// A message arrived, or a linked device sent one.
    Message {
        /// The entry, as the inbox has it.
        message: Box<InboxEntry>,
    },
    /// A receipt for a message of this phone.
    Receipt {
        /// The message.
        id: String,
        /// The reader's number.
        from: String,
        /// The reader's device.
        device: u16,
        /// `delivered`, `inactive`, `read`, `played` or `retry`.
        kind: String,
    },
    /// Someone types, records or stopped.
    Typing {
        /// The other's number.
        from: String,
        /// What they do.
        state: Typing,
    },
    /// Someone the phone watches came or went.
    Presence {
        /// The other's number.
        from: String,
        /// What they show.
        state: Presence,
        /// When they were last seen, in seconds since the Unix epoch.
        #[serde(skip_serializing_if = "Option::is_none", default)]
        last_s: Option<u64>,
    },
    /// A message could not be decrypted; its author was asked to send it again.
    Undecryptable {
        /// The message.
        id: String,
        /// The author's number.
        from: String,
        /// The author's device.
        device: u16,
        /// Which attempt failed; at 5 the phone gives up.
        attempt: u8,
    },
    /// A message id came a second time; it was acknowledged and not shown.
    Duplicate {
        /// The message.
        id: String,
        /// The author's number.
        from: String,
    },
    /// A device was linked.
    Linked {
        /// Its number.
        device: u16,
    },
    /// A device was unlinked.
    Unlinked {
        /// Its number.
        device: u16,
    },
}

/// What someone does in a chat.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Typing {
    /// Typing text.
    Composing,
    /// Recording a voice note.
    Recording,
    /// Stopped.
    Paused,
}

/// What a device shows of itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Presence {
    /// Online.
    Available,
    /// Not in the foreground.
    Unavailable,
}
