//! Making, renaming and deleting devices.

use super::{Device, DeviceState, Wanted, lookup, session};
use crate::access::Scope;
use crate::context::{Once, OpContext};
use crate::error::{Error, Result};
use crate::id::DeviceId;
use crate::limits::Limits;

/// Makes a device. It has no session until somebody connects it.
pub async fn create(ctx: &OpContext, name: &str) -> Result<Device> {
    ctx.caller.require(Scope::DevicesWrite)?;
    let now = ctx.now();
    let device = Device {
        id: ctx.ports().fresh(DeviceId::new),
        tenant: ctx.tenant().clone(),
        name: checked_name(&ctx.ports().limits, name)?,
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
    let mut tx = ctx.ports().store.write().await?;
    if let Once::Made(id) = ctx.once(&mut *tx, device.id.as_str()).await? {
        let found = lookup::find_in(&mut *tx, ctx.tenant(), &id.parse()?).await?;
        // What made it may share this commit.
        tx.commit().await?;
        return Ok(found);
    }
    let limit = ctx.ports().limits.devices_per_tenant;
    if tx.device_count(ctx.tenant()).await? >= limit {
        let why = format!(
            "this tenant has {limit} devices, the limit; delete one first or raise `limits.devices_per_tenant`"
        );
        return Err(Error::Conflict { code: "too_many_devices", why });
    }
    tx.device_insert(&device).await?;
    tx.commit().await?;
    Ok(device)
}

/// Gives a device another name.
pub async fn rename(ctx: &OpContext, id: &DeviceId, name: &str) -> Result<Device> {
    ctx.caller.require(Scope::DevicesWrite)?;
    let name = checked_name(&ctx.ports().limits, name)?;
    let mut tx = ctx.ports().store.write().await?;
    if !tx.device_rename(ctx.tenant(), id, &name).await? {
        return Err(Error::not_found("device", id));
    }
    let device = lookup::find_in(&mut *tx, ctx.tenant(), id).await?;
    tx.commit().await?;
    Ok(device)
}

/// Deletes a device: unlinks it at WhatsApp when it is linked, ends its session, removes its rows and keys.
pub async fn delete(ctx: &OpContext, id: &DeviceId) -> Result<()> {
    let _lock = session::lock(ctx, id).await?;
    let device = lookup::get(ctx, id).await?;
    if device.is_paired() {
        ctx.services.sessions.logout(id).await?;
    } else {
        ctx.services.sessions.close(id).await?;
    }
    let mut tx = ctx.ports().store.write().await?;
    tx.device_delete(ctx.tenant(), id).await?;
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
