//! Making, renaming and deleting devices.

use super::{Device, DeviceState, Wanted, lookup, session};
use crate::access::Scope;
use crate::cx::{Cx, Once};
use crate::error::{Error, Result};
use crate::id::DeviceId;
use crate::limits::Limits;

/// Makes a device. It has no session until somebody connects it.
pub async fn create(cx: &Cx, name: &str) -> Result<Device> {
    cx.caller.require(Scope::DevicesWrite)?;
    let now = cx.now();
    let device = Device {
        id: cx.core().fresh(DeviceId::new),
        tenant: cx.tenant().clone(),
        name: checked_name(&cx.core().limits, name)?,
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
    let mut tx = cx.core().store.write().await?;
    if let Once::Made(id) = cx.once(&mut *tx, device.id.as_str()).await? {
        let found = lookup::find_in(&mut *tx, cx.tenant(), &id.parse()?).await?;
        // What made it may share this commit.
        tx.commit().await?;
        return Ok(found);
    }
    let limit = cx.core().limits.devices_per_tenant;
    if tx.device_count(cx.tenant()).await? >= limit {
        let why = format!(
            "this tenant has {limit} devices, the limit; delete one first or raise `tuning.devices_per_tenant`"
        );
        return Err(Error::Conflict { code: "too_many_devices", why });
    }
    tx.device_insert(&device).await?;
    tx.commit().await?;
    Ok(device)
}

/// Gives a device another name.
pub async fn rename(cx: &Cx, id: &DeviceId, name: &str) -> Result<Device> {
    cx.caller.require(Scope::DevicesWrite)?;
    let name = checked_name(&cx.core().limits, name)?;
    let mut tx = cx.core().store.write().await?;
    if !tx.device_rename(cx.tenant(), id, &name).await? {
        return Err(Error::not_found("device", id));
    }
    let device = lookup::find_in(&mut *tx, cx.tenant(), id).await?;
    tx.commit().await?;
    Ok(device)
}

/// Deletes a device: unlinks it at WhatsApp when it is linked, ends its session, removes its rows and keys.
pub async fn delete(cx: &Cx, id: &DeviceId) -> Result<()> {
    let _turn = session::turn(cx, id).await?;
    let device = lookup::get(cx, id).await?;
    if device.is_paired() {
        cx.gateway.links.logout(id).await?;
    } else {
        cx.gateway.links.close(id).await?;
    }
    let mut tx = cx.core().store.write().await?;
    tx.device_delete(cx.tenant(), id).await?;
    tx.commit().await
}

/// A name as stored: trimmed, not empty, not too long, without control characters.
pub(crate) fn checked_name(limits: &Limits, name: &str) -> Result<String> {
    let name = name.trim();
    let count = name.chars().count();
    if count == 0 || count > limits.name_chars_max || name.chars().any(char::is_control) {
        let why = format!("must have 1 to {} characters and no control characters", limits.name_chars_max);
        return Err(Error::invalid("name", why));
    }
    Ok(name.to_owned())
}
