//! Making, renaming and deleting devices.

use super::{Device, DeviceState, Wanted, session};
use crate::access::authorize::Action;
use crate::context::OpContext;
use crate::context::Write;
use crate::error::{Error, Result};
use crate::id::{DeviceId, TenantId};
use crate::model::checked_name;

/// Makes a device. It has no session until somebody connects it.
pub async fn create(ctx: &OpContext, name: &str) -> Result<Device> {
    let access = ctx.require(Action::ManageDevices)?;
    let now = ctx.now();
    let device = Device {
        id: access.ports().fresh(DeviceId::new),
        tenant: ctx.tenant().clone(),
        name: checked_name(ctx.limits(), name)?,
        state: DeviceState::Created,
        reason: None,
        state_since: now,
        deadline: None,
        wanted: Wanted::Stopped,
        jid: None,
        lid: None,
        push_name: None,
        created_at: now,
    };
    let insert = move |tx: &mut Write<'_>, tenant: &TenantId| {
        let limit = tx.limits().devices_per_tenant;
        if tx.device_count(tenant)? >= limit {
            let why = format!(
                "this tenant has {limit} devices, the limit; delete one first or raise `limits.devices_per_tenant`"
            );
            return Err(Error::Conflict { code: "too_many_devices", why });
        }
        tx.device_insert(&device)?;
        Ok(device)
    };
    access.write(insert).await
}

/// Gives a device another name.
pub async fn rename(ctx: &OpContext, id: &DeviceId, name: &str) -> Result<Device> {
    let access = ctx.device(id).require(Action::ManageDevices).await?;
    let name = checked_name(ctx.limits(), name)?;
    let rename = move |tx: &mut Write<'_>, device: &Device| {
        tx.device_rename(&device.tenant, &device.id, &name)?;
        Ok(Device { name, ..device.clone() })
    };
    access.write(rename).await
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
