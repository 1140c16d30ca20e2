//! Making, changing and deleting devices.

use std::collections::BTreeMap;

use portico_api as api;
use serde_json::{Map, Value};

use super::{Device, DeviceState, Refs, Settings, Wanted, session};
use crate::access::authorize::Action;
use crate::context::OpContext;
use crate::context::Write;
use crate::context::idempotency::Shown;
use crate::error::{Error, Result};
use crate::id::{DeviceId, TenantId};
use crate::model::checked_name;
use crate::model::number::Numbered;
use crate::webhook::subscription::{self, NewWebhook};

/// What a device is to be.
#[derive(Clone, Default)]
pub struct NewDevice {
    /// What the owner calls it.
    pub name: String,
    /// What other systems call it, by namespace.
    pub refs: BTreeMap<String, String>,
    /// What the owner wants to be kept with it.
    pub settings: Map<String, Value>,
    /// A subscription to its events, made with it.
    pub webhook: Option<NewWebhook>,
}

/// What is to change of a device; what is `None` stays.
#[derive(Clone, Default)]
pub struct DevicePatch {
    /// Another name.
    pub name: Option<String>,
    /// Names that other systems give it: each set anew, or removed where there is none.
    pub refs: Option<BTreeMap<String, Option<String>>>,
    /// A merge patch (RFC 7396) of its settings.
    pub settings: Option<Map<String, Value>>,
}

/// Makes a device, and a subscription to its events if one is wanted. It has no session until somebody connects it.
///
/// # Errors
/// [`Error::Conflict`] with `ref_taken` when another device of the tenant has one of the names, with `too_many_devices` or
/// `too_many_webhooks` at a limit.
pub async fn create(ctx: &OpContext, new: NewDevice) -> Result<api::MadeDevice> {
    let access = ctx.require(Action::ManageDevices)?;
    let now = ctx.now();
    let device = Device {
        id: access.ports().fresh(DeviceId::new),
        // Given when it is stored.
        number: 0,
        tenant: ctx.tenant().clone(),
        name: checked_name(ctx.limits(), &new.name)?,
        state: DeviceState::Created,
        reason: None,
        state_since: now,
        deadline: None,
        wanted: Wanted::Stopped,
        jid: None,
        lid: None,
        push_name: None,
        refs: Refs::new(new.refs)?,
        settings: Settings::new(new.settings)?,
        created_at: now,
    };
    let webhook = new.webhook.map(|webhook| NewWebhook { device: Some(device.id.clone()), ..webhook });
    let webhook = webhook.map(|webhook| subscription::draft(ctx, webhook)).transpose()?;
    let insert = move |tx: &mut Write<'_>, _: &TenantId| {
        let device = insert(tx, device)?;
        let webhook = match webhook {
            Some((webhook, secret)) => Some(subscription::made_view(&subscription::insert(tx, webhook)?, &secret)),
            None => None,
        };
        Ok(Shown(api::MadeDevice { device: (&device).into(), webhook }))
    };
    access.write(insert).await.map(Shown::into_inner)
}

fn insert(tx: &mut Write<'_>, mut device: Device) -> Result<Device> {
    device.number = tx.number_next(&device.tenant, Numbered::Device)?;
    let limit = tx.limits().devices_per_tenant;
    if tx.device_count(&device.tenant)? >= limit {
        let why = format!(
            "this tenant has {limit} devices, the limit; delete one first or raise `limits.devices_per_tenant`"
        );
        return Err(Error::Conflict { code: "too_many_devices", why });
    }
    tx.device_insert(&device)?;
    set_refs(tx, &device)?;
    Ok(device)
}

fn set_refs(tx: &mut Write<'_>, device: &Device) -> Result<()> {
    if tx.device_refs_set(&device.tenant, &device.id, &device.refs)? {
        return Ok(());
    }
    let why = "another device of this tenant has one of these refs; a ref is unique within its namespace".to_owned();
    Err(Error::Conflict { code: "ref_taken", why })
}

/// Changes a device's name, its refs and its settings.
pub async fn change(ctx: &OpContext, id: &DeviceId, patch: DevicePatch) -> Result<Device> {
    let access = ctx.device(id).require(Action::ManageDevices).await?;
    let name = patch.name.map(|name| checked_name(ctx.limits(), &name)).transpose()?;
    let change = move |tx: &mut Write<'_>, device: &Device| {
        let mut device = device.clone();
        if let Some(name) = name {
            tx.device_rename(&device.tenant, &device.id, &name)?;
            device.name = name;
        }
        if let Some(refs) = patch.refs {
            device.refs = device.refs.changed(refs)?;
            set_refs(tx, &device)?;
        }
        if let Some(settings) = patch.settings {
            device.settings = device.settings.changed(settings)?;
            tx.device_settings_set(&device.tenant, &device.id, &device.settings)?;
        }
        Ok(device)
    };
    access.write(change).await
}

/// Deletes a device: unlinks it at WhatsApp when it is linked, ends its session, removes its rows and keys.
pub async fn delete(ctx: &OpContext, id: &DeviceId) -> Result<()> {
    let (device, _lock) = session::lock(ctx, id).await?;
    let sessions = &device.services().sessions;
    if device.is_paired() {
        sessions.logout(id).await?;
    } else {
        sessions.close(id).await?;
    }
    device.write(|tx, device| tx.device_delete(&device.tenant, &device.id).map(drop)).await?;
    device.services().ports.queue_lengths.forget(id);
    Ok(())
}
