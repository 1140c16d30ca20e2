//! What changes about a group.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::Rank;
use crate::identity::random_hex;

/// One member.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Member {
    pub(crate) rank: Rank,
    pub(crate) joined_s: u64,
}

/// The description, which carries an id that a change has to name.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Description {
    pub(crate) id: String,
    pub(crate) text: String,
    /// The author's number.
    pub(crate) by: String,
    pub(crate) t_s: u64,
}

/// What makes a group a community.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct Parent {
    /// Joining needs an admin's approval.
    pub(crate) closed: bool,
}

/// Everything the server keeps of a group.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct GroupState {
    pub(crate) subject: String,
    /// Who set the subject, by number.
    pub(crate) subject_by: String,
    pub(crate) subject_s: u64,
    /// The creator's number.
    pub(crate) creator: String,
    pub(crate) created_s: u64,
    pub(crate) description: Option<Description>,
    /// Members, by number.
    pub(crate) members: BTreeMap<String, Member>,
    /// Settings that are on, by the tag that shows them (`locked`, `announcement`, …).
    pub(crate) flags: BTreeSet<String>,
    /// Settings with a value, by tag (`member_add_mode`, …).
    pub(crate) modes: BTreeMap<String, String>,
    /// Seconds after which messages disappear; 0 is never.
    pub(crate) ephemeral_s: u32,
    /// Joining by link needs an admin's approval.
    pub(crate) approval: bool,
    /// The code of the invite link.
    pub(crate) invite: String,
    /// Who asked to join, by number, and when.
    pub(crate) requests: BTreeMap<String, u64>,
    /// Personal invitations of users who cannot be added, by number: code and end.
    pub(crate) invited: BTreeMap<String, (String, u64)>,
    pub(crate) parent: Option<Parent>,
    /// The community this group belongs to, by id.
    pub(crate) linked_parent: Option<String>,
    /// The picture's id.
    #[serde(default)]
    pub(crate) picture: Option<String>,
}

impl GroupState {
    /// A group with its creator in it.
    pub(crate) fn new(subject: &str, creator: &str, now_s: u64) -> Self {
        Self {
            subject: subject.to_owned(),
            subject_by: creator.to_owned(),
            subject_s: now_s,
            creator: creator.to_owned(),
            created_s: now_s,
            description: None,
            members: BTreeMap::from([(creator.to_owned(), Member { rank: Rank::Superadmin, joined_s: now_s })]),
            flags: BTreeSet::new(),
            modes: BTreeMap::new(),
            ephemeral_s: 0,
            approval: false,
            invite: fresh_code(),
            requests: BTreeMap::new(),
            invited: BTreeMap::new(),
            parent: None,
            linked_parent: None,
            picture: None,
        }
    }

    /// The standing of a number; `None` when it is no member.
    pub(crate) fn rank(&self, number: &str) -> Option<Rank> {
        self.members.get(number).map(|member| member.rank)
    }

    /// True when this number may change the group.
    pub(crate) fn is_admin(&self, number: &str) -> bool {
        self.rank(number).is_some_and(|rank| rank >= Rank::Admin)
    }

    /// Whether a setting is on.
    pub(crate) fn is(&self, flag: &str) -> bool {
        self.flags.contains(flag)
    }

    /// Whether this number may write into the group.
    pub(crate) fn may_write(&self, number: &str) -> bool {
        self.members.contains_key(number) && (!self.is("announcement") || self.is_admin(number))
    }
}

/// A code for an invite link.
pub(crate) fn fresh_code() -> String {
    random_hex::<11>()
}
