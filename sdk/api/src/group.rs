//! Groups: what WhatsApp tells of them, and how they are changed.

use serde::{Deserialize, Serialize};

use crate::{BoundedVec, Party, Timestamp};

/// People in one request about a group's members at most: as many as WhatsApp lets into a group.
pub const GROUP_MEMBERS_MAX: usize = 1_024;

/// What a member of a group may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum GroupRole {
    /// Reads and, unless only admins may, writes.
    Member,
    /// Also manages the group.
    Admin,
    /// The admin who made the group; cannot be removed.
    Owner,
}

/// Who may add members to a group.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum MemberAddMode {
    /// Admins only.
    Admins,
    /// Everybody in it.
    Everyone,
}

/// A member of a group.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct GroupMember {
    /// Who it is.
    #[serde(flatten)]
    pub party: Party,
    /// What it may do.
    pub role: GroupRole,
}

/// A group, as WhatsApp tells of it now.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Group {
    /// Its JID, which ends in `@g.us`. Messages are sent to it.
    #[cfg_attr(feature = "openapi", schema(example = "120363000000000001@g.us"))]
    pub id: String,
    /// Its name.
    pub subject: String,
    /// What it is about.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub description: Option<String>,
    /// Who made it.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub owner: Option<Party>,
    /// When it was made.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub created_at: Option<Timestamp>,
    /// Whether only admins may write.
    pub announce: bool,
    /// Whether only admins may change name, description, picture and settings.
    pub locked: bool,
    /// Seconds after which messages disappear; 0: never.
    pub ephemeral_s: u32,
    /// Whether an admin has to let in who comes by the invite link.
    pub join_approval: bool,
    /// Who may add members.
    pub member_add: MemberAddMode,
    /// Whether it is a community: a group of groups, in which nobody writes.
    pub is_community: bool,
    /// The community it belongs to.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub community: Option<String>,
    /// How many members it has.
    pub size: u32,
    /// Its members, as far as WhatsApp tells them.
    pub participants: Vec<GroupMember>,
}

/// A group to make.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct NewGroup {
    /// Its name.
    #[cfg_attr(feature = "openapi", schema(example = "Harbour tours"))]
    pub subject: String,
    /// Numbers or JIDs of those to add besides the own account.
    #[cfg_attr(feature = "openapi", schema(value_type = Vec<String>, max_items = 1024))]
    pub participants: BoundedVec<String, GROUP_MEMBERS_MAX>,
    /// What it is about.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub description: Option<String>,
    /// Seconds after which messages disappear; 0: never.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub ephemeral_s: Option<u32>,
}

/// A group that was made, and what became of each of those it was made with.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct MadeGroup {
    /// The group.
    #[serde(flatten)]
    pub group: Group,
    /// What became of each member asked for, in that order.
    pub results: Vec<MemberResult>,
}

/// Changes of a group; what is absent stays. They are made one after the other, in this order, and end at the first that
/// WhatsApp refuses.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct GroupPatch {
    /// Its name.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub subject: Option<String>,
    /// What it is about; an empty text takes the description away.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub description: Option<String>,
    /// Whether only admins may write.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub announce: Option<bool>,
    /// Whether only admins may change name, description, picture and settings.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub locked: Option<bool>,
    /// Seconds after which messages disappear; 0: never.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub ephemeral_s: Option<u32>,
    /// Whether an admin has to let in who comes by the invite link.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub join_approval: Option<bool>,
    /// Who may add members.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub member_add: Option<MemberAddMode>,
}

/// People a request about a group names.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct GroupMembers {
    /// Numbers or JIDs.
    #[cfg_attr(feature = "openapi", schema(value_type = Vec<String>, min_items = 1, max_items = 1024))]
    pub participants: BoundedVec<String, GROUP_MEMBERS_MAX>,
}

/// What became of one person whom a request named.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct MemberResult {
    /// As the request named the person.
    pub asked: String,
    /// Who that is.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub party: Option<Party>,
    /// Whether it was done.
    pub done: bool,
    /// Why not, in snake_case: `not_on_whatsapp`, `not_a_member`, `already_a_member`, `invite_needed` (the person lets only
    /// contacts add them), `not_allowed`, `group_full`, `refused`.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub code: Option<String>,
}

/// What became of each person whom a request named, in its order.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct MemberResults {
    /// One for each.
    pub results: Vec<MemberResult>,
}

/// Somebody who asks to be let into a group.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct JoinRequest {
    /// Who it is.
    #[serde(flatten)]
    pub party: Party,
    /// Since when.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub requested_at: Option<Timestamp>,
}

/// Who waits to be let into a group.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct JoinRequests {
    /// All of them.
    pub items: Vec<JoinRequest>,
}

/// The way into a group.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct GroupInvite {
    /// The code.
    pub code: String,
    /// The link that people open.
    pub link: String,
}

/// An invite to accept.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct InviteCode {
    /// The code, or the link that ends in it.
    pub code: String,
}

/// What accepting an invite led to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct JoinedGroup {
    /// The group's JID.
    pub group: String,
    /// Whether an admin has to let the account in first.
    pub pending: bool,
}

/// What happened to a group: the `data` of `group.joined`, `group.left`, `group.updated`, `group.participants` and
/// `group.requests`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct GroupChanged {
    /// The group's JID.
    pub group: String,
    /// What was done, in snake_case: `created`, `deleted`, `added`, `removed`, `promoted`, `demoted`, `subject`, `description`,
    /// `announce`, `locked`, `ephemeral`, `join_approval`, `member_add`, `picture`, `invite_revoked`, `requested`,
    /// `requests_ended`, or WhatsApp's own word.
    pub action: String,
    /// Who did it.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub actor: Option<Party>,
    /// Whom it is about.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub participants: Vec<Party>,
    /// What it is now, where that is one value: the name, the description, whether a setting is on, seconds.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub value: Option<serde_json::Value>,
    /// The account the device is linked to.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub account: Option<String>,
}
