//! Members: the users of a tenant, with roles and the devices that are assigned to them.

use serde::{Deserialize, Serialize};

use crate::{BoundedVec, Role, Timestamp};

/// Devices that are assigned to one member at most.
pub const MEMBER_DEVICES_MAX: usize = 1_000;

/// A user as a member of the tenant.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Member {
    /// The user's id.
    pub id: String,
    /// The user's number within the tenant; `no:<number>` stands for the id in paths.
    pub number: u32,
    /// What the member is called.
    pub name: String,
    /// Digits in international form.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub mobile: Option<String>,
    /// In lower case.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub email: Option<String>,
    /// What the member may do.
    pub role: Role,
    /// The devices that are assigned to an agent or a viewer, who reaches no others; absent: the role reaches all.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub devices: Option<Vec<String>>,
    /// The member who made this one; absent for the first one, and for those who were made with a key.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub made_by: Option<String>,
    /// When the member was made.
    pub created_at: Timestamp,
}

/// What a member is to be. A mobile number or an e-mail address is needed; each is one user's only.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct NewMember {
    /// What the member is called.
    #[cfg_attr(feature = "openapi", schema(example = "Bob"))]
    pub name: String,
    /// A mobile number in international form.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub mobile: Option<String>,
    /// An e-mail address.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    #[cfg_attr(feature = "openapi", schema(example = "bob@example.com"))]
    pub email: Option<String>,
    /// The first password, which the member can change after logging in.
    pub password: String,
    /// What the member may do.
    pub role: Role,
    /// The devices that are assigned, for an agent or a viewer.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    #[cfg_attr(feature = "openapi", schema(value_type = Option<Vec<String>>, max_items = 1000))]
    pub devices: Option<BoundedVec<String, MEMBER_DEVICES_MAX>>,
}

/// What is to change of a member; what is absent stays.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct MemberPatch {
    /// What the member may do from now on.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub role: Option<Role>,
    /// The devices that are assigned from now on, and no others.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    #[cfg_attr(feature = "openapi", schema(value_type = Option<Vec<String>>, max_items = 1000))]
    pub devices: Option<BoundedVec<String, MEMBER_DEVICES_MAX>>,
}

/// What happened to a member.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum MemberChange {
    /// The member was made.
    Added,
    /// The role or the devices changed.
    Changed,
    /// The member was removed.
    Removed,
}

/// The `data` of `member.changed`.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct MemberChanged {
    /// What happened.
    pub change: MemberChange,
    /// The member as it then was.
    pub member: Member,
    /// The member who did it; absent when it was done with a key.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub by: Option<String>,
}
