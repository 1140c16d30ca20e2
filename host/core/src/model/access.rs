//! Access: tenants, users, keys, what they may do, and who a request comes from.
//!
//! A key is looked up by the SHA-256 of its text: keys carry at least 122 random bits, so a slow hash would buy nothing. Its
//! text is shown once, unless the owner asked to have it kept, sealed.

pub mod secret;
mod user;
mod view;

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::error::{Error, Result};
use crate::id::{DeviceId, KeyId, TenantId, UserId};
use crate::time::UtcMs;

pub use user::{Member, Role, User};

/// A customer: the owner of devices, keys, users and webhooks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tenant {
    /// Its id.
    pub id: TenantId,
    /// Its name, unique on the server.
    pub name: String,
    /// When it was made.
    pub created_at: UtcMs,
}

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
    /// Make and revoke keys of the tenant, and see its users.
    KeysWrite,
    /// See, make, change and remove members.
    MembersWrite,
    /// See figures: messages by day and device.
    AnalyticsRead,
    /// Run the server: plugins, all tenants.
    ServerAdmin,
}

impl Scope {
    /// Every scope.
    pub const ALL: [Self; 10] = [
        Self::DevicesRead,
        Self::DevicesWrite,
        Self::MessagesRead,
        Self::MessagesWrite,
        Self::WebhooksRead,
        Self::WebhooksWrite,
        Self::KeysWrite,
        Self::MembersWrite,
        Self::AnalyticsRead,
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

    /// What may be done for a whole tenant: all but running the server.
    pub const TENANT: [Self; 9] = [
        Self::DevicesRead,
        Self::DevicesWrite,
        Self::MessagesRead,
        Self::MessagesWrite,
        Self::WebhooksRead,
        Self::WebhooksWrite,
        Self::KeysWrite,
        Self::MembersWrite,
        Self::AnalyticsRead,
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
            Self::MembersWrite => "members:write",
            Self::AnalyticsRead => "analytics:read",
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
    /// Its number within the tenant.
    pub number: u32,
    /// Whose it is.
    pub tenant: TenantId,
    /// The one device it reaches; absent: all of the tenant's, and the tenant's own things.
    pub device: Option<DeviceId>,
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
    /// Its text, sealed, where the owner wants to see it again.
    pub sealed_secret: Option<Vec<u8>>,
}

impl AccessKey {
    /// The place its sealed text is bound to.
    pub fn seal_place(id: &KeyId) -> String {
        format!("key/{id}")
    }

    /// Whether it is neither revoked nor expired.
    pub fn is_valid(&self, now: UtcMs) -> bool {
        self.revoked_at.is_none() && self.expires_at.is_none_or(|end| end > now)
    }
}

/// What a caller came with.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Credential {
    /// An access key.
    Key(KeyId),
    /// A login.
    Login {
        /// Who logged in.
        user: UserId,
        /// The user's logins at that time; see [`User::login_version`].
        version: i64,
    },
    /// A link to a file.
    Link {
        /// The id of the file, or of its message.
        file: String,
    },
}

/// Who a request comes from. Requests get theirs from [`crate::access::keys::authenticate`].
#[derive(Clone, Debug)]
pub struct Caller {
    tenant: TenantId,
    credential: Credential,
    user_number: Option<u32>,
    device: Option<DeviceId>,
    member: Option<MemberRights>,
    scopes: Vec<Scope>,
    expires_at: Option<UtcMs>,
}

/// What a member who logged in may do, as it was then.
#[derive(Clone, Debug, PartialEq, Eq)]
struct MemberRights {
    role: Role,
    /// The devices that are assigned; `None`: the role reaches all.
    assigned: Option<Arc<BTreeSet<DeviceId>>>,
}

impl Caller {
    /// Whoever comes with this key. Whether the key still works is not asked here.
    pub fn of(key: AccessKey) -> Self {
        let AccessKey { id, tenant, device, scopes, expires_at, .. } = key;
        Self { tenant, credential: Credential::Key(id), user_number: None, device, member: None, scopes, expires_at }
    }

    /// A member who logged in, until the login ends. `devices` are those that are assigned to the member. Whether the login
    /// still counts is not asked here.
    pub fn logged_in(user: &User, devices: Vec<DeviceId>, expires_at: UtcMs) -> Self {
        let assigned = user.role.reaches_assigned_only().then(|| Arc::new(devices.into_iter().collect()));
        Self {
            tenant: user.tenant.clone(),
            credential: Credential::Login { user: user.id.clone(), version: user.login_version },
            user_number: Some(user.number),
            device: None,
            member: Some(MemberRights { role: user.role, assigned }),
            scopes: user.role.scopes(),
            expires_at: Some(expires_at),
        }
    }

    /// Whether the member who logged in has other rights by now.
    pub(crate) fn has_changed(&self, user: &User, devices: Vec<DeviceId>) -> bool {
        self.member != Self::logged_in(user, devices, UtcMs(0)).member
    }

    /// The role of the member who logged in; `None` for keys.
    pub fn role(&self) -> Option<Role> {
        self.member.as_ref().map(|member| member.role)
    }

    /// The devices that are assigned to the member who logged in; `None`: the caller is no member, or one who reaches all.
    pub fn assigned(&self) -> Option<&Arc<BTreeSet<DeviceId>>> {
        self.member.as_ref()?.assigned.as_ref()
    }

    /// Whether the caller reaches this device, if it is one of the tenant's.
    pub fn reaches(&self, device: &DeviceId) -> bool {
        self.device.as_ref().is_none_or(|only| only == device)
            && self.assigned().is_none_or(|assigned| assigned.contains(device))
    }

    /// Whoever comes with a link to a file. May read; that it reads this file only is for the one to see who follows the link.
    pub(crate) fn with_link(tenant: TenantId, file: &str, ends: UtcMs) -> Self {
        let credential = Credential::Link { file: file.to_owned() };
        let scopes = vec![Scope::MessagesRead];
        Self { tenant, credential, user_number: None, device: None, member: None, scopes, expires_at: Some(ends) }
    }

    /// The tenant the caller acts for.
    pub fn tenant(&self) -> &TenantId {
        &self.tenant
    }

    /// What the caller came with.
    pub fn credential(&self) -> &Credential {
        &self.credential
    }

    /// The user, if one logged in.
    pub fn user(&self) -> Option<&UserId> {
        match &self.credential {
            Credential::Login { user, .. } => Some(user),
            Credential::Key(_) | Credential::Link { .. } => None,
        }
    }

    /// The user's number within the tenant, if one logged in.
    pub fn user_number(&self) -> Option<u32> {
        self.user_number
    }

    /// The one device the caller reaches; `None`: all of the tenant's, and the tenant's own things.
    pub fn device(&self) -> Option<&DeviceId> {
        self.device.as_ref()
    }

    /// What the caller may do.
    pub fn scopes(&self) -> &[Scope] {
        &self.scopes
    }

    /// When the credential stops working by itself.
    pub fn expires_at(&self) -> Option<UtcMs> {
        self.expires_at
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
