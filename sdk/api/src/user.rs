//! Users and tenants: signing up, logging in, and what an operator makes.

use serde::{Deserialize, Serialize};

use crate::{KeyFormat, MadeKey, NewKey, Timestamp};

/// What a user may do within the tenant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Everything of the tenant. Only an owner makes, changes or removes owners.
    Owner,
    /// Everything of the tenant.
    Admin,
    /// Devices and messages, and the agents that the manager made.
    Manager,
    /// Messages of the devices that are assigned to the agent.
    Agent,
    /// Looks at the devices that are assigned to the viewer, and at their messages.
    Viewer,
}

/// Somebody who logs in.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct User {
    /// The user's id.
    pub id: String,
    /// The user's number within the tenant.
    pub number: u32,
    /// The tenant.
    pub tenant: String,
    /// What the user is called.
    pub name: String,
    /// Digits in international form.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub mobile: Option<String>,
    /// In lower case.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub email: Option<String>,
    /// What the user may do.
    pub role: Role,
    /// When the user was made.
    pub created_at: Timestamp,
    /// When the user logged in last.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub last_login_at: Option<Timestamp>,
}

/// Who signs up. A mobile number or an e-mail address is needed; each is one user's only.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct SignUp {
    /// What the user is called.
    #[cfg_attr(feature = "openapi", schema(example = "Ada"))]
    pub name: String,
    /// A mobile number in international form.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    #[cfg_attr(feature = "openapi", schema(example = "15550100002"))]
    pub mobile: Option<String>,
    /// An e-mail address.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    #[cfg_attr(feature = "openapi", schema(example = "ada@example.com"))]
    pub email: Option<String>,
    /// A password, of at least 8 characters unless the operator says otherwise.
    pub password: String,
    /// What the organization is called that signs up; absent: as the user. It becomes the beginning of the tenant's name.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    #[cfg_attr(feature = "openapi", schema(example = "Acme"))]
    pub organization: Option<String>,
    /// How the first key's text is spelled.
    #[serde(default)]
    pub key_format: KeyFormat,
    /// What the first key's text begins with, instead of what `key_format` says.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub key_prefix: Option<String>,
}

/// What a sign-up made.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct SignedUp {
    /// The tenant.
    pub tenant: Tenant,
    /// The user.
    pub user: User,
    /// The first key, with its text. It is revealable and can do everything of the tenant.
    pub key: MadeKey,
}

/// Who logs in: one of `mobile` and `email`, and the password.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct Login {
    /// The mobile number.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub mobile: Option<String>,
    /// The e-mail address.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    #[cfg_attr(feature = "openapi", schema(example = "ada@example.com"))]
    pub email: Option<String>,
    /// The password.
    pub password: String,
}

/// A login.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct LoggedIn {
    /// A JSON Web Token; send it where a key goes.
    pub token: String,
    /// When it ends.
    pub expires_at: Timestamp,
    /// Who logged in.
    pub user: User,
}

/// What is to change of oneself; what is absent stays.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct UserPatch {
    /// What you are called.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub name: Option<String>,
    /// Another mobile number; needs `current_password`.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub mobile: Option<String>,
    /// Another e-mail address; needs `current_password`.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub email: Option<String>,
    /// Another password; needs `current_password`, and ends all logins, this one too.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub password: Option<String>,
    /// The present password.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub current_password: Option<String>,
}

/// A customer: the owner of devices, keys, users and webhooks.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Tenant {
    /// Its id.
    pub id: String,
    /// Its name, unique on the server.
    pub name: String,
    /// When it was made.
    pub created_at: Timestamp,
}

/// What a tenant is to be.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct NewTenant {
    /// Its name, unique on the server.
    #[cfg_attr(feature = "openapi", schema(example = "acme"))]
    pub name: String,
    /// What its first key is to be; absent: one that can do everything of the tenant.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub key: Option<NewKey>,
}

/// A tenant with its first key.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct MadeTenant {
    /// The tenant.
    pub tenant: Tenant,
    /// Its first key.
    pub key: MadeKey,
}
