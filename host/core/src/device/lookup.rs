//! Finding devices, and what they cost.

use super::Device;
use crate::access::Scope;
use crate::cx::Cx;
use crate::error::{Error, Result};
use crate::id::{DeviceId, TenantId};
use crate::page::{Page, PageRequest};
use crate::ports::Tx;
use crate::ports::link::Resources;

/// A device of the caller.
pub async fn get(cx: &Cx, id: &DeviceId) -> Result<Device> {
    let mut tx = cx.core().store.read().await?;
    find_in(&mut *tx, cx.tenant(), id).await
}

/// A device, for a caller that asks to see it.
pub async fn show(cx: &Cx, id: &DeviceId) -> Result<Device> {
    cx.caller.require(Scope::DevicesRead)?;
    get(cx, id).await
}

/// The caller's devices, newest first.
pub async fn list(cx: &Cx, page: &PageRequest) -> Result<Page<Device>> {
    cx.caller.require(Scope::DevicesRead)?;
    let mut tx = cx.core().store.read().await?;
    let rows = tx.device_list(cx.tenant(), page.by::<DeviceId>()?).await?;
    Ok(Page::cut(rows, page, |d| d.id.to_string()))
}

/// What a device's session costs; zeros when none runs.
pub async fn resources(cx: &Cx, id: &DeviceId) -> Result<Resources> {
    let device = show(cx, id).await?;
    Ok(cx.gateway.links.resources(&device.id).unwrap_or_default())
}

pub(crate) async fn find_in(tx: &mut dyn Tx, tenant: &TenantId, id: &DeviceId) -> Result<Device> {
    tx.device_find(tenant, id).await?.ok_or_else(|| Error::not_found("device", id))
}
