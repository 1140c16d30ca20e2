//! The audit log: who did what.

use serde::{Deserialize, Serialize};

use crate::Timestamp;

/// What somebody did.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum AuditAction {
    /// Made, changed, deleted, connected or unlinked a device.
    ManageDevices,
    /// Sent a message, or stored or deleted a file.
    Send,
    /// Changed a group, or blocked somebody.
    ManageChats,
    /// Made, changed, deleted, tested or replayed a webhook.
    ManageWebhooks,
    /// Made or revoked a key.
    ManageKeys,
    /// Switched a plugin on or off, or changed its settings.
    ManagePlugins,
    /// Made, changed or removed a member.
    ManageMembers,
    /// Made a tenant.
    ManageTenants,
    /// Changed the server: its plugins.
    RunServer,
    /// Changed the own name, account or password.
    ChangeSelf,
}

/// One change that somebody made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct AuditEntry {
    /// Its id.
    pub id: String,
    /// The member who did it; absent when it was done with a key.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub user: Option<String>,
    /// The key it was done with; absent when a member did it.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub key: Option<String>,
    /// What was done.
    pub action: AuditAction,
    /// The device it was done to, if it was one.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub device: Option<String>,
    /// When it was done.
    pub timestamp: Timestamp,
}
