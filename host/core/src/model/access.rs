//! Access: keys, what they may do, and who a request comes from.
//!
//! A key is shown once. What is stored is the SHA-256 of the whole key: keys carry at least 122 random bits, so a slow hash
//! would buy nothing.

pub mod secret;
mod view;

use crate::error::{Error, Result};
use crate::id::{KeyId, TenantId};
use crate::time::UtcMs;

/// What a key may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Scope {
    /// See devices.
    DevicesRead,
    /// Make, connect, log out and delete devices.
    DevicesWrite,
    /// See messages and events.
    MessagesRead,
    /// Send messages.
    MessagesWrite,
    /// See webhooks and deliveries.
    WebhooksRead,
    /// Make, change, test and replay webhooks.
    WebhooksWrite,
    /// Make and revoke keys of the tenant.
    KeysWrite,
    /// Run the server: plugins, all tenants.
    ServerAdmin,
}

impl Scope {
    /// Every scope.
    pub const ALL: [Self; 8] = [
        Self::DevicesRead,
        Self::DevicesWrite,
        Self::MessagesRead,
        Self::MessagesWrite,
        Self::WebhooksRead,
        Self::WebhooksWrite,
        Self::KeysWrite,
        Self::ServerAdmin,
    ];

    /// What a key of a tenant's program has unless told otherwise.
    pub const PROGRAM: [Self; 6] = [
        Self::DevicesRead,
        Self::DevicesWrite,
        Self::MessagesRead,
        Self::MessagesWrite,
        Self::WebhooksRead,
        Self::WebhooksWrite,
    ];

    /// The name in the API and in storage.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::DevicesRead => "devices:read",
            Self::DevicesWrite => "devices:write",
            Self::MessagesRead => "messages:read",
            Self::MessagesWrite => "messages:write",
            Self::WebhooksRead => "webhooks:read",
            Self::WebhooksWrite => "webhooks:write",
            Self::KeysWrite => "keys:write",
            Self::ServerAdmin => "server:admin",
        }
    }

    /// The scope of that name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|s| s.as_str() == name)
    }
}

/// A key, without its secret.
#[derive(Clone, Debug)]
pub struct AccessKey {
    /// Its id.
    pub id: KeyId,
    /// Whose it is.
    pub tenant: TenantId,
    /// What the owner calls it.
    pub name: String,
    /// What it may do.
    pub scopes: Vec<Scope>,
    /// When it was made.
    pub created_at: UtcMs,
    /// When it stops working.
    pub expires_at: Option<UtcMs>,
    /// When it was revoked.
    pub revoked_at: Option<UtcMs>,
}

/// Who a request comes from. Requests get theirs from [`crate::access::keys::authenticate`].
#[derive(Clone, Debug)]
pub struct Caller {
    tenant: TenantId,
    key: KeyId,
    scopes: Vec<Scope>,
}

impl Caller {
    /// Whoever comes with this key. Whether the key still works is not asked here.
    pub fn of(key: AccessKey) -> Self {
        Self { tenant: key.tenant, key: key.id, scopes: key.scopes }
    }

    /// The tenant the caller acts for.
    pub fn tenant(&self) -> &TenantId {
        &self.tenant
    }

    /// The key the caller came with.
    pub fn key(&self) -> &KeyId {
        &self.key
    }

    /// What the caller may do.
    pub fn scopes(&self) -> &[Scope] {
        &self.scopes
    }

    /// Whether the caller may do that.
    pub fn has(&self, scope: Scope) -> bool {
        self.scopes.contains(&scope)
    }

    /// Refuses a caller that may not do that, naming the scope.
    pub fn require(&self, scope: Scope) -> Result<()> {
        if self.has(scope) {
            return Ok(());
        }
        Err(Error::Forbidden { why: format!("this key lacks the scope `{}`; use a key that has it", scope.as_str()) })
    }
}
