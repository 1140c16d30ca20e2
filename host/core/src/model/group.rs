//! Groups, as WhatsApp tells of them. Nothing of a group is stored: WhatsApp is asked each time, and its changes are events.

mod view;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::address::{Party, Recipient};
use crate::error::{Error, Result};
use crate::time::UtcMs;

/// What a member of a group may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum GroupRole {
    /// Reads and, unless only admins may, writes.
    Member,
    /// Also manages the group.
    Admin,
    /// The admin who made the group.
    Owner,
}

/// Who may add members to a group.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum MemberAddMode {
    /// Admins only.
    Admins,
    /// Everybody in it.
    Everyone,
}

/// A member of a group.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct GroupMember {
    /// Who it is.
    pub party: Party,
    /// What it may do.
    pub role: GroupRole,
}

/// A group's JID.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct GroupId(String);

impl GroupId {
    /// Reads a group's JID; one without `@g.us` is taken for its first part. What can't be one is not found.
    pub fn parse(text: &str) -> Result<Self> {
        let full = if text.contains('@') { text.to_owned() } else { format!("{text}@g.us") };
        match Recipient::parse("group", &full) {
            Ok(Recipient::Group(id)) => Ok(Self(format!("{id}@g.us"))),
            _ => Err(Error::not_found("group", text.chars().take(40).collect::<String>())),
        }
    }

    /// The JID.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// A group.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Group {
    /// Its JID.
    pub id: String,
    /// Its name.
    pub subject: String,
    /// What it is about.
    pub description: Option<String>,
    /// Who made it.
    pub owner: Option<Party>,
    /// When it was made.
    pub created_at: Option<UtcMs>,
    /// Whether only admins may write.
    pub announce: bool,
    /// Whether only admins may change it.
    pub locked: bool,
    /// Seconds after which messages disappear; 0: never.
    pub ephemeral_s: u32,
    /// Whether an admin has to let in who comes by the invite link.
    pub join_approval: bool,
    /// Who may add members.
    pub member_add: MemberAddMode,
    /// Whether it is a community.
    pub is_community: bool,
    /// The community it belongs to.
    pub community: Option<String>,
    /// How many members it has.
    pub size: u32,
    /// Its members, as far as WhatsApp tells them.
    pub members: Vec<GroupMember>,
}

/// One change of what a group is.
#[derive(Clone)]
pub enum GroupChange {
    /// Its name.
    Subject(String),
    /// What it is about; `None` takes the description away.
    Description(Option<String>),
    /// Whether only admins may write.
    Announce(bool),
    /// Whether only admins may change it.
    Locked(bool),
    /// Seconds after which messages disappear; 0: never.
    Ephemeral(u32),
    /// Whether an admin has to let in who comes by the invite link.
    JoinApproval(bool),
    /// Who may add members.
    MemberAdd(MemberAddMode),
}

/// What is done to people in a group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MemberAction {
    /// They become members.
    Add,
    /// They are put out.
    Remove,
    /// They become admins.
    Promote,
    /// They become ordinary members.
    Demote,
    /// Their requests to join are granted.
    Approve,
    /// Their requests to join are refused.
    Reject,
}

/// What became of one person.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct MemberResult {
    /// As the caller named the person.
    pub asked: String,
    /// Who that is, where it is known.
    pub party: Option<Party>,
    /// Why it was not done, in snake_case; `None`: it was.
    pub refused: Option<String>,
}

/// A group that was made.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct MadeGroup {
    /// The group.
    pub group: Group,
    /// What became of each member asked for.
    pub results: Vec<MemberResult>,
}

/// Somebody who asks to be let in.
#[derive(Clone, Debug)]
pub struct JoinRequest {
    /// Who it is.
    pub party: Party,
    /// Since when.
    pub requested_at: Option<UtcMs>,
}

/// What accepting an invite led to.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct JoinedGroup {
    /// The group's JID.
    pub group: String,
    /// Whether an admin has to let the account in first.
    pub pending: bool,
}

/// What kind of news there is about a group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GroupNews {
    /// The device's account is in it now.
    Joined,
    /// The device's account is not in it any more.
    Left,
    /// Name, description, picture, settings or invite link changed.
    Updated,
    /// Members came, went, or may do other things now.
    Members,
    /// Somebody asks to be let in, or does not any more.
    Requests,
}

/// Something that happened to a group, as a session reports it.
#[derive(Clone, Debug)]
pub struct GroupUpdate {
    /// What identifies it: equal for every repetition.
    pub key: String,
    /// What kind of news it is.
    pub news: GroupNews,
    /// The group's JID.
    pub group: String,
    /// What was done, in snake_case.
    pub action: String,
    /// Who did it.
    pub actor: Option<Party>,
    /// Whom it is about.
    pub members: Vec<Party>,
    /// What it is now, where that is one value.
    pub value: Option<Value>,
    /// When, by WhatsApp's clock.
    pub at: UtcMs,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_group_is_named_by_its_jid_or_its_first_part() {
        for text in ["120363000000000001@g.us", "120363000000000001"] {
            assert_eq!(GroupId::parse(text).unwrap().as_str(), "120363000000000001@g.us");
        }
        for text in ["", "15550100002@s.whatsapp.net", "x@g.us", "a/b"] {
            assert!(matches!(GroupId::parse(text), Err(Error::NotFound { what: "group", .. })), "{text}");
        }
    }
}
