//! Keys as the REST core shows them.

use portico_api as api;

use super::secret::KeyFormat;
use super::{AccessKey, Member, Role, Scope, Tenant, User};

same_variants!(Scope, api::Scope:
    DevicesRead, DevicesWrite, MessagesRead, MessagesWrite, WebhooksRead, WebhooksWrite, KeysWrite, MembersWrite, AnalyticsRead,
    ServerAdmin);
same_variants!(KeyFormat, api::KeyFormat: Portico, Uuid);

impl From<&AccessKey> for api::AccessKey {
    fn from(key: &AccessKey) -> Self {
        Self {
            id: key.id.to_string(),
            number: key.number,
            device: key.device.as_ref().map(ToString::to_string),
            name: key.name.clone(),
            scopes: key.scopes.iter().copied().map(Into::into).collect(),
            created_at: key.created_at.into(),
            expires_at: key.expires_at.map(Into::into),
            revoked_at: key.revoked_at.map(Into::into),
            revealable: key.sealed_secret.is_some(),
        }
    }
}

same_variants!(Role, api::Role: Owner, Admin, Manager, Agent, Viewer);

impl From<&Member> for api::Member {
    fn from(member: &Member) -> Self {
        let user = &member.user;
        let devices = || member.devices.iter().map(ToString::to_string).collect();
        Self {
            id: user.id.to_string(),
            number: user.number,
            name: user.name.clone(),
            mobile: user.mobile.clone(),
            email: user.email.clone(),
            role: user.role.into(),
            devices: user.role.reaches_assigned_only().then(devices),
            made_by: user.made_by.as_ref().map(ToString::to_string),
            created_at: user.created_at.into(),
        }
    }
}

impl From<&User> for api::User {
    fn from(user: &User) -> Self {
        Self {
            id: user.id.to_string(),
            number: user.number,
            tenant: user.tenant.to_string(),
            name: user.name.clone(),
            mobile: user.mobile.clone(),
            email: user.email.clone(),
            role: user.role.into(),
            created_at: user.created_at.into(),
            last_login_at: user.last_login.map(Into::into),
        }
    }
}

impl From<&Tenant> for api::Tenant {
    fn from(tenant: &Tenant) -> Self {
        Self { id: tenant.id.to_string(), name: tenant.name.clone(), created_at: tenant.created_at.into() }
    }
}
