//! Authorization: what a caller may do, and the only way from an operation to rows and sessions.
//!
//! An operation names an [`Action`] and gets access in return: `OpContext::require` for the tenant's own things,
//! `OpContext::device` for one device. Scopes and the device that a key is bound to are decided here and nowhere else; scopes
//! of chats belong here as well.

use std::ops::Deref;
use std::sync::Arc;

use super::Scope;
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
            Self::SeeMessages => Scope::MessagesRead,
            Self::Send => Scope::MessagesWrite,
            Self::SeeWebhooks => Scope::WebhooksRead,
            Self::ManageWebhooks => Scope::WebhooksWrite,
            Self::ManageKeys | Self::SeeUsers => Scope::KeysWrite,
            Self::ManageTenants | Self::RunServer => Scope::ServerAdmin,
        }
    }
}

/// Access to what belongs to the caller's tenant, for one action.
pub struct TenantAccess<'c> {
    context: &'c OpContext,
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
    /// [`TenantAccess::only_device`].
    pub(crate) fn require_within(&self, action: Action) -> Result<TenantAccess<'_>> {
        self.caller().require(action.scope())?;
        Ok(TenantAccess { context: self })
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
            Some(user) => Ok((TenantAccess { context: self }, user)),
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
        let tenant = self.context.require_within(action)?;
        tenant.require_reached(self.id)?;
        let device = self.context.services.ports.store.device(tenant.id(), self.id).await?;
        let device = device.ok_or_else(|| Error::not_found("device", self.id))?;
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

    /// Refuses a device that the caller does not reach, as if it were not there.
    pub(crate) fn require_reached(&self, device: &DeviceId) -> Result<()> {
        match self.only_device() {
            Some(only) if only != device => Err(Error::not_found("device", device)),
            _ => Ok(()),
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
        let (tenant, idempotency) = (self.id().clone(), self.context.idempotency().cloned());
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
        self.tenant.write(work).await
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
