//! Changes to messages: what they say, and what they make of the message they are about.
//!
//! A change is a row beside the messages. So it is queued, paced, sent under an id that was stored before, acknowledged and
//! kept once like any message, and the rows about a message are its history. What they made of it is kept with the message
//! itself ([`MessageState`]), so that showing a list of messages looks nothing up.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::{Content, Message, Rich};
use crate::address::{ChatKind, Party};
use crate::id::MessageId;
use crate::model::event::EventKind;
use crate::time::UtcMs;

/// Reactions kept with one message: those of a whole group of the largest size.
const REACTIONS_MAX: usize = 1_100;

/// Votes kept with one poll: those of a whole group of the largest size.
const VOTES_MAX: usize = 1_100;

/// What a change does to its message.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
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
        /// SHA-256 of each chosen answer, in hexadecimal digits; none: the vote is taken back.
        options: Vec<String>,
    },
    /// It is pinned in its chat.
    Pin {
        /// For how long; `None`: it is taken down.
        seconds: Option<u32>,
    },
    /// It is deleted for everybody, by its author or by an admin of the group.
    Revoke,
}

impl Change {
    /// The kind as one word.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Reaction { .. } => "reaction",
            Self::Edit { .. } => "edit",
            Self::Vote { .. } => "vote",
            Self::Pin { .. } => "pin",
            Self::Revoke => "revoke",
        }
    }

    /// Its text, if it has one.
    pub fn text(&self) -> Option<&str> {
        match self {
            Self::Reaction { emoji } => Some(emoji),
            Self::Edit { text } => Some(text),
            Self::Vote { .. } | Self::Pin { .. } | Self::Revoke => None,
        }
    }

    /// The event that tells of it.
    pub fn event_kind(&self) -> EventKind {
        match self {
            Self::Reaction { .. } => EventKind::MessageReaction,
            Self::Edit { .. } => EventKind::MessageEdited,
            Self::Vote { .. } => EventKind::MessageVoted,
            Self::Pin { .. } => EventKind::MessagePinned,
            Self::Revoke => EventKind::MessageRevoked,
        }
    }
}

/// Hides the text: changes end up in logs.
impl std::fmt::Debug for Change {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Change({})", self.kind())
    }
}

/// The message that a change is about, as WhatsApp names it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Target {
    /// The message here.
    pub id: MessageId,
    /// WhatsApp's id of the message.
    pub whatsapp_id: String,
    /// Who wrote it; absent: the device's own account.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub author: Option<Party>,
}

impl From<&Message> for Target {
    fn from(message: &Message) -> Self {
        Self { id: message.id.clone(), whatsapp_id: message.whatsapp_id.clone(), author: message.sender.clone() }
    }
}

/// A change and what it is about.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Changing {
    /// The message.
    pub of: Target,
    /// What happens to it.
    pub change: Change,
}

/// Somebody's reaction.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reaction {
    /// Whose; absent: the device's own account.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub by: Option<Party>,
    /// The emoji.
    pub emoji: String,
    /// Since when.
    pub at: UtcMs,
}

/// Somebody's vote.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Vote {
    /// Whose; absent: the device's own account.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub by: Option<Party>,
    /// Places of the chosen answers in the poll, counted from 0.
    pub options: Vec<usize>,
    /// Since when.
    pub at: UtcMs,
}

/// What became of a message after it was written.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct MessageState {
    /// Reactions, each person's newest.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub reactions: Vec<Reaction>,
    /// Votes in the poll that it is, each person's newest.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub votes: Vec<Vote>,
    /// When its author edited it last.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub edited_at: Option<UtcMs>,
    /// What it said before the first edit. What it said between edits is in the rows of the edits.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub original: Option<String>,
    /// Whether the account starred it.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub starred: bool,
    /// Until when it is pinned in its chat.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pinned_until: Option<UtcMs>,
    /// When it was deleted for everybody. Its content is kept.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub revoked_at: Option<UtcMs>,
}

impl MessageState {
    fn react(&mut self, by: Option<&Party>, emoji: &str, at: UtcMs) -> bool {
        let is_theirs = |reaction: &Reaction| is_same(reaction.by.as_ref(), by);
        match self.reactions.iter().position(is_theirs) {
            Some(place) if self.reactions[place].emoji == emoji => return false,
            Some(place) => drop(self.reactions.remove(place)),
            None if emoji.is_empty() || self.reactions.len() >= REACTIONS_MAX => return false,
            None => {}
        }
        if !emoji.is_empty() {
            self.reactions.push(Reaction { by: by.cloned(), emoji: emoji.to_owned(), at });
        }
        true
    }
}

/// Whether two authors are one: the own account, or one person under any of their names.
fn is_same(one: Option<&Party>, other: Option<&Party>) -> bool {
    match (one, other) {
        (None, None) => true,
        (Some(one), Some(other)) => one.is_same(other),
        _ => false,
    }
}

impl Message {
    /// Makes of the message what a change to it says. False when it changed nothing, as one that its author had no right to
    /// make.
    pub fn apply(&mut self, by: Option<&Party>, at: UtcMs, change: &Change) -> bool {
        match change {
            Change::Reaction { emoji } => self.state.react(by, emoji, at),
            Change::Edit { text } => self.is_by(by) && self.edit(text, at),
            Change::Vote { options } => self.vote(by, options, at),
            Change::Pin { seconds } => {
                let until = seconds.map(|seconds| at + Duration::from_secs(u64::from(seconds)));
                std::mem::replace(&mut self.state.pinned_until, until) != until
            }
            // Whether somebody is an admin of a group, WhatsApp's server has checked.
            Change::Revoke if self.is_by(by) || self.chat.kind() == ChatKind::Group => {
                let is_first = self.state.revoked_at.is_none();
                self.state.revoked_at.get_or_insert(at);
                is_first
            }
            Change::Revoke => false,
        }
    }

    /// Whether this one wrote it.
    fn is_by(&self, who: Option<&Party>) -> bool {
        is_same(self.sender.as_ref(), who)
    }

    fn vote(&mut self, by: Option<&Party>, hashes: &[String], at: UtcMs) -> bool {
        let Content::Rich(rich) = &self.content else { return false };
        let Rich::Poll(poll) = &**rich else { return false };
        let options: Vec<_> = poll.options.iter().map(|option| hex::encode(Sha256::digest(option))).collect();
        let options: Vec<usize> = (0..options.len()).filter(|place| hashes.contains(&options[*place])).collect();
        let votes = &mut self.state.votes;
        match votes.iter().position(|vote| is_same(vote.by.as_ref(), by)) {
            Some(place) if votes[place].options == options => return false,
            Some(place) => drop(votes.remove(place)),
            None if options.is_empty() || votes.len() >= VOTES_MAX => return false,
            None => {}
        }
        if !options.is_empty() {
            votes.push(Vote { by: by.cloned(), options, at });
        }
        true
    }

    fn edit(&mut self, text: &str, at: UtcMs) -> bool {
        if self.state.revoked_at.is_some() || self.content.text() == Some(text) {
            return false;
        }
        let before = match &mut self.content {
            Content::Text { text: says } => std::mem::replace(says, text.to_owned()),
            Content::Media(media) => media.caption.replace(text.to_owned()).unwrap_or_default(),
            Content::Rich(_) | Content::Change(_) | Content::Other { .. } => return false,
        };
        self.state.original.get_or_insert(before);
        self.state.edited_at = Some(at);
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::{DeviceId, TenantId};
    use crate::message::{Direction, MessageContext, MessageStatus, StatusTimes};

    fn from_ada() -> (Party, Message) {
        let ada = Party::single("15550100002@s.whatsapp.net");
        let message = Message {
            id: MessageId::new(1, 1),
            tenant: TenantId::new(1, 1),
            device: DeviceId::new(1, 1),
            direction: Direction::In,
            chat: ada.clone(),
            sender: Some(ada.clone()),
            sender_name: None,
            whatsapp_id: "3EB01".to_owned(),
            content: Content::Text { text: "helo".to_owned() },
            status: MessageStatus::Received,
            error: None,
            created_at: UtcMs(1),
            timestamp: UtcMs(1),
            times: StatusTimes::default(),
            context: MessageContext::default(),
            state: MessageState::default(),
        };
        (ada, message)
    }

    #[test]
    fn only_its_author_edits_or_deletes_a_message_of_two() {
        let (ada, mut message) = from_ada();
        let edit = |text: &str| Change::Edit { text: text.to_owned() };
        assert!(!message.apply(None, UtcMs(2), &edit("hello")) && !message.apply(None, UtcMs(2), &Change::Revoke));
        assert!(message.apply(Some(&ada), UtcMs(3), &edit("hello")));
        assert!(message.apply(Some(&ada), UtcMs(4), &edit("hello!")));
        assert_eq!((message.content.text(), message.state.original.as_deref()), (Some("hello!"), Some("helo")));
        assert!(message.apply(Some(&ada), UtcMs(5), &Change::Revoke));
        assert!(
            !message.apply(Some(&ada), UtcMs(6), &Change::Revoke) && !message.apply(Some(&ada), UtcMs(6), &edit("x"))
        );
        assert_eq!(message.state.revoked_at, Some(UtcMs(5)));
    }

    #[test]
    fn in_a_group_others_may_delete() {
        let (_, mut message) = from_ada();
        message.chat = Party::single("120363000000000001@g.us");
        assert!(message.apply(None, UtcMs(2), &Change::Revoke));
    }

    #[test]
    fn a_persons_newest_reaction_counts_under_any_of_their_names() {
        let ada = Party::person(Some("15550100002"), Some("100000000000002")).expect("a person");
        let ada_by_lid = Party::single("100000000000002@lid");
        let mut state = MessageState::default();
        assert!(state.react(Some(&ada), "👍", UtcMs(1)));
        assert!(!state.react(Some(&ada), "👍", UtcMs(2)), "nothing new");
        assert!(state.react(None, "🎉", UtcMs(3)), "the own account's");
        assert!(state.react(Some(&ada_by_lid), "❤", UtcMs(4)));
        let emojis: Vec<_> = state.reactions.iter().map(|r| r.emoji.as_str()).collect();
        assert_eq!(emojis, ["🎉", "❤"]);
        assert!(state.react(Some(&ada), "", UtcMs(5)) && !state.react(Some(&ada), "", UtcMs(6)));
        assert_eq!(state.reactions.len(), 1);
    }
}
