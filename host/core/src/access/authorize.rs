//! Authorization: what a caller may do, and the only way from an operation to rows and sessions.
//!
//! An operation names an [`Action`] and gets access in return: `OpContext::require` for the tenant's own things,
//! `OpContext::device` for one device. Scopes, the device that a key is bound to and the devices that are assigned to a member
//! are decided here and nowhere else; scopes of chats belong here as well.

use std::ops::Deref;
use std::sync::Arc;

use super::Scope;
use super::audit::{self, AuditAction};
use crate::context::Write;
use crate::context::idempotency::Answer;
use crate::context::{OpContext, Ports, Services};
use crate::directory::Offered;
use crate::error::{Error, Result};
use crate::id::{DeviceId, TenantId, UserId};
use crate::model::device::Device;
use crate::ports::store::Tx;

/// What somebody wants to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Action {
    /// See devices.
    SeeDevices,
    /// Make, change, delete, connect and unlink devices.
    ManageDevices,
    /// See messages and follow events.
    SeeMessages,
    /// Send messages.
    Send,
    /// See groups, contacts, chats and presence.
    SeeChats,
    /// Change groups, contacts, chats, the profile and presence.
    ManageChats,
    /// See webhooks and deliveries.
    SeeWebhooks,
    /// Make, change, delete, test and replay webhooks.
    ManageWebhooks,
    /// Make, see and revoke keys.
    ManageKeys,
    /// See plugins, and what they are set to.
    SeePlugins,
    /// Switch plugins on and off, and change their settings.
    ManagePlugins,
    /// See the tenant's users.
    SeeUsers,
    /// See, make, change and remove members of the tenant.
    ManageMembers,
    /// See who did what.
    SeeAudit,
    /// See figures.
    SeeAnalytics,
    /// Make and see tenants.
    ManageTenants,
    /// Run the server.
    RunServer,
}

impl Action {
    /// The scope a key needs for it.
    pub fn scope(self) -> Scope {
        match self {
            Self::SeeDevices | Self::SeePlugins => Scope::DevicesRead,
            Self::ManageDevices | Self::ManagePlugins => Scope::DevicesWrite,
            Self::SeeMessages | Self::SeeChats => Scope::MessagesRead,
            Self::Send | Self::ManageChats => Scope::MessagesWrite,
            Self::SeeWebhooks => Scope::WebhooksRead,
            Self::ManageWebhooks => Scope::WebhooksWrite,
            Self::ManageKeys | Self::SeeUsers | Self::SeeAudit => Scope::KeysWrite,
            Self::ManageMembers => Scope::MembersWrite,
            Self::SeeAnalytics => Scope::AnalyticsRead,
            Self::ManageTenants | Self::RunServer => Scope::ServerAdmin,
        }
    }
}

impl Action {
    /// As what it stands in the audit log; `None`: looking, which changes nothing.
    fn audited(self) -> Option<AuditAction> {
        match self {
            Self::SeeDevices
            | Self::SeeMessages
            | Self::SeeChats
            | Self::SeeWebhooks
            | Self::SeePlugins
            | Self::SeeUsers
            | Self::SeeAudit
            | Self::SeeAnalytics => None,
            Self::ManageDevices => Some(AuditAction::ManageDevices),
            Self::Send => Some(AuditAction::Send),
            Self::ManageChats => Some(AuditAction::ManageChats),
            Self::ManageWebhooks => Some(AuditAction::ManageWebhooks),
            Self::ManageKeys => Some(AuditAction::ManageKeys),
            Self::ManagePlugins => Some(AuditAction::ManagePlugins),
            Self::ManageMembers => Some(AuditAction::ManageMembers),
            Self::ManageTenants => Some(AuditAction::ManageTenants),
            Self::RunServer => Some(AuditAction::RunServer),
        }
    }
}

/// Access to what belongs to the caller's tenant, for one action.
pub struct TenantAccess<'c> {
    context: &'c OpContext,
    /// As what it stands in the audit log that something was written with this access.
    audited: Option<AuditAction>,
}

/// A device that somebody asks for, before it is known whether the caller may.
pub struct DeviceRequest<'c> {
    context: &'c OpContext,
    id: &'c DeviceId,
}

/// Access to one device of the caller's tenant, for one action. Dereferences to the device as it was when it was asked for.
pub struct DeviceAccess<'c> {
    tenant: TenantAccess<'c>,
    device: Device,
}

impl OpContext {
    /// Access to the tenant's own things, for a caller who may do `action`. One who is bound to a device is refused.
    pub(crate) fn require(&self, action: Action) -> Result<TenantAccess<'_>> {
        let access = self.require_within(action)?;
        match access.only_device() {
            None => Ok(access),
            Some(device) => {
                let why = format!("this key reaches the device `{device}` only; use a key of the whole tenant");
                Err(Error::Forbidden { why })
            }
        }
    }

    /// As [`Self::require`], also for a caller who is bound to a device: the operation itself has to keep within
    /// [`TenantAccess::only_device`]. A member to whom devices are assigned is refused.
    pub(crate) fn require_within(&self, action: Action) -> Result<TenantAccess<'_>> {
        let access = self.require_reaching(action)?;
        if self.caller().assigned().is_some() {
            let why =
                "a member of this role reaches single devices only; ask for one that is assigned to you".to_owned();
            return Err(Error::Forbidden { why });
        }
        Ok(access)
    }

    /// As [`Self::require_within`], also for a member to whom devices are assigned: the operation itself has to keep to what
    /// [`crate::access::Caller::reaches`].
    pub(crate) fn require_reaching(&self, action: Action) -> Result<TenantAccess<'_>> {
        self.caller().require(action.scope())?;
        Ok(TenantAccess { context: self, audited: action.audited() })
    }

    /// A plugin that the tenant may use.
    pub(crate) fn offered(&self, plugin: &str) -> Result<Arc<Offered>> {
        let snapshot = self.directory().snapshot();
        let offered = snapshot.offered(Some(self.tenant()), plugin).cloned();
        offered.ok_or_else(|| Error::not_found("plugin", plugin))
    }

    /// Access for the user who logged in to what is the user's own.
    pub(crate) fn own_user(&self) -> Result<(TenantAccess<'_>, &UserId)> {
        match self.caller().user() {
            Some(user) => Ok((TenantAccess { context: self, audited: Some(AuditAction::ChangeSelf) }, user)),
            None => Err(Error::Forbidden { why: "a key is no user; log in and send the token you get".to_owned() }),
        }
    }

    /// Names a device; [`DeviceRequest::require`] gives access to it.
    pub(crate) fn device<'c>(&'c self, id: &'c DeviceId) -> DeviceRequest<'c> {
        DeviceRequest { context: self, id }
    }
}

impl<'c> DeviceRequest<'c> {
    /// Access to the device, for a caller who may do `action` and whose tenant owns it.
    pub(crate) async fn require(self, action: Action) -> Result<DeviceAccess<'c>> {
        let tenant = self.context.require_reaching(action)?;
        if tenant.only_device().is_some_and(|only| only != self.id) {
            return Err(Error::not_found("device", self.id));
        }
        let device = self.context.services.ports.store.device(tenant.id(), self.id).await?;
        let device = device.ok_or_else(|| Error::not_found("device", self.id))?;
        tenant.require_reached(self.id)?;
        Ok(DeviceAccess { tenant, device })
    }
}

impl<'c> TenantAccess<'c> {
    /// The tenant.
    pub(crate) fn id(&self) -> &'c TenantId {
        self.context.tenant()
    }

    /// The one device that the caller reaches; `None`: all of the tenant's, and the tenant's own things.
    pub(crate) fn only_device(&self) -> Option<&'c DeviceId> {
        self.context.caller().device()
    }

    /// Whether the caller reaches a device, if it is one of the tenant's.
    pub(crate) fn reaches(&self, device: &DeviceId) -> bool {
        self.context.caller().reaches(device)
    }

    /// Refuses a device of the tenant that the caller does not reach: for a key as if it were not there, while a member may
    /// know that it is not assigned.
    pub(crate) fn require_reached(&self, device: &DeviceId) -> Result<()> {
        if self.reaches(device) {
            return Ok(());
        }
        match self.context.caller().assigned() {
            Some(_) => {
                let why = format!("the device `{device}` is not assigned to you; who manages members can assign it");
                Err(Error::Forbidden { why })
            }
            None => Err(Error::not_found("device", device)),
        }
    }

    /// The device that a list is narrowed to: the one that was asked for, or the only one that the caller reaches.
    pub(crate) fn narrowed(&self, asked: Option<DeviceId>) -> Result<Option<DeviceId>> {
        match asked {
            Some(device) => self.require_reached(&device).map(|()| Some(device)),
            None => Ok(self.only_device().cloned()),
        }
    }

    /// What the gateway is made of.
    pub(crate) fn services(&self) -> &'c Services {
        &self.context.services
    }

    /// The ports, for sealing, randomness and ids.
    pub(crate) fn ports(&self) -> &'c Ports {
        &self.context.services.ports
    }

    /// Reads in one transaction.
    pub(crate) async fn read<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut dyn Tx, &TenantId) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let tenant = self.id().clone();
        self.ports().read(move |tx| work(tx, &tenant)).await
    }

    /// Writes in one transaction, once per `Idempotency-Key`: a repeated request gets the first one's answer.
    pub(crate) async fn write<T: Answer>(
        &self,
        work: impl FnOnce(&mut Write<'_>, &TenantId) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        self.write_about(None, work).await
    }

    /// As [`Self::write`], with an entry in the audit log that is about `device`.
    async fn write_about<T: Answer>(
        &self,
        device: Option<DeviceId>,
        work: impl FnOnce(&mut Write<'_>, &TenantId) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let (tenant, idempotency) = (self.id().clone(), self.context.idempotency().cloned());
        let audited = self.audited.map(|action| (self.context.caller().clone(), action));
        let work = move |tx: &mut Write<'_>, tenant: &TenantId| {
            let answer = work(tx, tenant)?;
            if let Some((caller, action)) = audited {
                audit::enter(tx, &caller, action, device)?;
            }
            Ok(answer)
        };
        let once = move |tx: &mut Write<'_>| match &idempotency {
            None => work(tx, &tenant),
            Some(idempotency) => idempotency.once(tx, &tenant, |tx| work(tx, &tenant)),
        };
        self.context.services.ports.write(once).await
    }

    /// What an earlier request with the same `Idempotency-Key` was answered. Operations that do something outside of the
    /// database, or that could be refused by now, ask before they begin.
    pub(crate) async fn answered_before<T: Answer>(&self) -> Result<Option<T>> {
        match self.context.idempotency().cloned() {
            None => Ok(None),
            Some(idempotency) => {
                let sealer = self.ports().sealer.clone();
                self.read(move |tx, tenant| idempotency.answered_before(tx, tenant, &sealer)).await
            }
        }
    }
}

impl<'c> DeviceAccess<'c> {
    /// What the gateway is made of.
    pub(crate) fn services(&self) -> &'c Services {
        self.tenant.services()
    }

    /// Access to what belongs to the device's tenant, for the same action.
    pub(crate) fn tenant(&self) -> &TenantAccess<'c> {
        &self.tenant
    }

    /// Reads in one transaction; gives `work` the device as it is in it.
    pub(crate) async fn read<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut dyn Tx, &Device) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let id = self.id.clone();
        let in_transaction = move |tx: &mut dyn Tx, tenant: &TenantId| {
            let device = find(tx, tenant, &id)?;
            work(tx, &device)
        };
        self.tenant.read(in_transaction).await
    }

    /// Writes in one transaction, once per `Idempotency-Key`; gives `work` the device as it is in it.
    pub(crate) async fn write<T: Answer>(
        &self,
        work: impl FnOnce(&mut Write<'_>, &Device) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let id = self.id.clone();
        let work = move |tx: &mut Write<'_>, tenant: &TenantId| {
            let device = find(&mut **tx, tenant, &id)?;
            work(tx, &device)
        };
        self.tenant.write_about(Some(self.id.clone()), work).await
    }

    /// See [`TenantAccess::answered_before`].
    pub(crate) async fn answered_before<T: Answer>(&self) -> Result<Option<T>> {
        self.tenant.answered_before().await
    }
}

impl Deref for DeviceAccess<'_> {
    type Target = Device;

    fn deref(&self) -> &Device {
        &self.device
    }
}

/// A device of the tenant.
pub(crate) fn find(tx: &mut dyn Tx, tenant: &TenantId, id: &DeviceId) -> Result<Device> {
    tx.device_find(tenant, id)?.ok_or_else(|| Error::not_found("device", id))
}
