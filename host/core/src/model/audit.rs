//! The audit log: which member did what, and what was done with keys.
//!
//! Everything that a member changes is entered, and everything that is changed with a key but sends, which are many and stand in
//! the list of messages. Looking is not entered.

use portico_api as api;

use crate::id::{AuditId, DeviceId, TenantId};
use crate::model::access::Credential;
use crate::time::UtcMs;

/// What somebody did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
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

impl AuditAction {
    /// Every action.
    pub const ALL: [Self; 10] = [
        Self::ManageDevices,
        Self::Send,
        Self::ManageChats,
        Self::ManageWebhooks,
        Self::ManageKeys,
        Self::ManagePlugins,
        Self::ManageMembers,
        Self::ManageTenants,
        Self::RunServer,
        Self::ChangeSelf,
    ];

    /// The name in the API and in storage.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::ManageDevices => "manage_devices",
            Self::Send => "send",
            Self::ManageChats => "manage_chats",
            Self::ManageWebhooks => "manage_webhooks",
            Self::ManageKeys => "manage_keys",
            Self::ManagePlugins => "manage_plugins",
            Self::ManageMembers => "manage_members",
            Self::ManageTenants => "manage_tenants",
            Self::RunServer => "run_server",
            Self::ChangeSelf => "change_self",
        }
    }

    /// The action of that name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|action| action.as_str() == name)
    }

    /// Whether it is entered when it is done with a key.
    pub fn is_entered_for_keys(self) -> bool {
        self != Self::Send
    }
}

/// One change that somebody made.
#[derive(Clone, Debug)]
pub struct AuditEntry {
    /// Its id.
    pub id: AuditId,
    /// Whose it is.
    pub tenant: TenantId,
    /// Who did it: a member or a key. The version of the logins is not kept, and is 0 when the entry is read.
    pub by: Credential,
    /// What was done.
    pub action: AuditAction,
    /// The device it was done to, if it was one.
    pub device: Option<DeviceId>,
    /// When it was done.
    pub at: UtcMs,
}

same_variants!(AuditAction, api::AuditAction:
    ManageDevices, Send, ManageChats, ManageWebhooks, ManageKeys, ManagePlugins, ManageMembers, ManageTenants, RunServer,
    ChangeSelf);

impl From<&AuditEntry> for api::AuditEntry {
    fn from(entry: &AuditEntry) -> Self {
        let (user, key) = match &entry.by {
            Credential::Login { user, .. } => (Some(user.to_string()), None),
            Credential::Key(key) => (None, Some(key.to_string())),
            // A link reads one file and changes nothing.
            Credential::Link { .. } => (None, None),
        };
        Self {
            id: entry.id.to_string(),
            user,
            key,
            action: entry.action.into(),
            device: entry.device.as_ref().map(ToString::to_string),
            timestamp: entry.at.into(),
        }
    }
}
