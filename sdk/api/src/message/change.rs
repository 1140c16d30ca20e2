//! Changes to messages that are there already.

use serde::{Deserialize, Serialize};

use super::{MessageStatus, Party, SendFailure};
use crate::Timestamp;

/// Somebody's reaction to a message.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Reaction {
    /// Whose; absent: the device's own account.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub by: Option<Party>,
    /// The emoji.
    pub emoji: String,
    /// Since when.
    pub at: Timestamp,
}

/// Somebody's vote in a poll.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Vote {
    /// Whose; absent: the device's own account.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub by: Option<Party>,
    /// The chosen answers.
    pub options: Vec<String>,
    /// Since when.
    pub at: Timestamp,
}

/// How an answer of a poll stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct PollResult {
    /// The answer.
    pub option: String,
    /// How many people chose it.
    pub votes: u32,
}

/// What a change does to its message.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Change {
    /// Somebody reacts to it.
    Reaction {
        /// The emoji; empty: the reaction is taken back.
        emoji: String,
    },
    /// Its author writes it anew.
    Edit {
        /// What it says from now on.
        text: String,
    },
    /// Somebody votes in the poll that it is.
    Vote {
        /// SHA-256 of each chosen answer in hexadecimal digits, as WhatsApp names them; none: the vote is taken back. The
        /// message has the answers themselves in `votes`.
        options: Vec<String>,
    },
    /// It is pinned in its chat, or taken down again.
    Pin {
        /// For how long; absent: it is taken down.
        #[serde(skip_serializing_if = "Option::is_none", default)]
        seconds: Option<u32>,
    },
    /// It is deleted for everybody.
    Revoke,
}

/// Hides the text: changes end up in logs.
impl std::fmt::Debug for Change {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Change(…)")
    }
}

/// A change to a message. It is sent like a message and takes effect when WhatsApp's server has it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct MessageChange {
    /// Its id.
    pub id: String,
    /// The message that it changes.
    pub message: String,
    /// What it does.
    pub change: Change,
    /// Who made it; absent: the device's own account.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub by: Option<Party>,
    /// When it was made.
    pub at: Timestamp,
    /// How far it has come.
    pub status: MessageStatus,
    /// Why it failed.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub error: Option<SendFailure>,
}

/// A reaction to make.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct NewReaction {
    /// One emoji; empty takes the reaction back.
    #[cfg_attr(feature = "openapi", schema(example = "👍"))]
    pub emoji: String,
}

/// An edit to make.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct MessagePatch {
    /// What the message is to say.
    #[cfg_attr(feature = "openapi", schema(example = "Hello again"))]
    pub text: String,
}

/// How long to pin a message.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct NewPin {
    /// Those of a day, 7 days or 30 days.
    #[cfg_attr(feature = "openapi", schema(example = 604_800))]
    pub seconds: u32,
}
