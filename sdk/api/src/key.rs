//! Keys: who may do what.

use serde::{Deserialize, Serialize};

use crate::{BoundedVec, Timestamp};

/// What a key may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub enum Scope {
    /// See devices.
    #[serde(rename = "devices:read")]
    DevicesRead,
    /// Make, connect, log out and delete devices.
    #[serde(rename = "devices:write")]
    DevicesWrite,
    /// See messages and events.
    #[serde(rename = "messages:read")]
    MessagesRead,
    /// Send messages.
    #[serde(rename = "messages:write")]
    MessagesWrite,
    /// See webhooks and deliveries.
    #[serde(rename = "webhooks:read")]
    WebhooksRead,
    /// Make, change, test and replay webhooks.
    #[serde(rename = "webhooks:write")]
    WebhooksWrite,
    /// Make and revoke keys of the tenant, and see its users.
    #[serde(rename = "keys:write")]
    KeysWrite,
    /// See, make, change and remove members.
    #[serde(rename = "members:write")]
    MembersWrite,
    /// See figures: messages by day and device.
    #[serde(rename = "analytics:read")]
    AnalyticsRead,
    /// Run the server: plugins, all tenants.
    #[serde(rename = "server:admin")]
    ServerAdmin,
}

/// Scopes a new key may name at most.
pub const SCOPES_MAX: usize = 32;

/// How a generated key is spelled.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum KeyFormat {
    /// `portico_`, or the prefix that was chosen, and 43 characters: 256 random bits.
    #[default]
    Portico,
    /// A random UUID: 122 random bits, for clients that insist on one.
    Uuid,
}

/// A key, without its secret.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct AccessKey {
    /// Its id.
    pub id: String,
    /// Its number within the tenant; `no:<number>` stands for the id in paths.
    pub number: u32,
    /// The one device it reaches; absent: all of the tenant's, and the tenant's own things.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub device: Option<String>,
    /// What the owner calls it.
    pub name: String,
    /// What it may do.
    pub scopes: Vec<Scope>,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it stops working.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub expires_at: Option<Timestamp>,
    /// When it was revoked.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub revoked_at: Option<Timestamp>,
    /// Whether its text can be shown again.
    pub revealable: bool,
}

/// What a key is to be.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct NewKey {
    /// What it is for, in your words.
    #[cfg_attr(feature = "openapi", schema(example = "order notifications"))]
    pub name: String,
    /// What it may do, at most what the caller may; absent: devices, messages and webhooks.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    #[cfg_attr(feature = "openapi", schema(value_type = Option<Vec<Scope>>, max_items = 32))]
    pub scopes: Option<BoundedVec<Scope, SCOPES_MAX>>,
    /// The one device it is to reach; absent: all of the tenant's, and the tenant's own things.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub device: Option<String>,
    /// How its text is spelled.
    #[serde(default)]
    pub format: KeyFormat,
    /// What its text begins with, instead of what `format` says: 1 to 16 letters, digits, `_` and `-`.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    #[cfg_attr(feature = "openapi", schema(example = "api_"))]
    pub prefix: Option<String>,
    /// Whether its text is kept, sealed, to be shown again.
    #[serde(default)]
    pub revealable: bool,
    /// Days until it stops working; absent: never.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub expires_in_days: Option<u32>,
}

/// A key with its text.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct MadeKey {
    /// The key.
    #[serde(flatten)]
    pub key: AccessKey,
    /// Its text: there when the key was just made, and in the answer to a repetition of that request (`Idempotency-Key`), or
    /// when the key is revealable and it was asked for.
    #[serde(rename = "key", skip_serializing_if = "Option::is_none", default)]
    pub secret: Option<String>,
}

/// The text of a key that may be shown again.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct KeyText {
    /// The text.
    pub key: String,
}
