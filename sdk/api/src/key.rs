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
    /// Make and revoke keys of the tenant.
    #[serde(rename = "keys:write")]
    KeysWrite,
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
    /// `portico_` and 43 characters: 256 random bits.
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
    /// How its text is spelled.
    #[serde(default)]
    pub format: KeyFormat,
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
    /// Its text, shown this once; absent when the request only repeated an earlier one.
    #[serde(rename = "key", skip_serializing_if = "Option::is_none", default)]
    pub secret: Option<String>,
}
