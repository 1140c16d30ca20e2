//! Finding devices, and what they cost.

use super::Device;
use crate::access::Scope;
use crate::context::OpContext;
use crate::error::{Error, Result};
use crate::id::{DeviceId, TenantId};
use crate::page::{Page, PageRequest};
use crate::ports::Tx;
use crate::ports::whatsapp::Resources;

/// A device of the caller.
pub async fn get(ctx: &OpContext, id: &DeviceId) -> Result<Device> {
    let mut tx = ctx.ports().store.read().await?;
    find_in(&mut *tx, ctx.tenant(), id).await
}

/// A device, for a caller that asks to see it.
pub async fn show(ctx: &OpContext, id: &DeviceId) -> Result<Device> {
    ctx.caller.require(Scope::DevicesRead)?;
    get(ctx, id).await
}

/// The caller's devices, newest first.
pub async fn list(ctx: &OpContext, page: &PageRequest) -> Result<Page<Device>> {
    ctx.caller.require(Scope::DevicesRead)?;
    let mut tx = ctx.ports().store.read().await?;
    let rows = tx.device_list(ctx.tenant(), page.by::<DeviceId>()?).await?;
    Ok(Page::cut(rows, page, |d| d.id.to_string()))
}

/// What a device's session costs; zeros when none runs.
pub async fn resources(ctx: &OpContext, id: &DeviceId) -> Result<Resources> {
    let device = show(ctx, id).await?;
    Ok(ctx.services.sessions.resources(&device.id).unwrap_or_default())
}

pub(crate) async fn find_in(tx: &mut dyn Tx, tenant: &TenantId, id: &DeviceId) -> Result<Device> {
    tx.device_find(tenant, id).await?.ok_or_else(|| Error::not_found("device", id))
}
