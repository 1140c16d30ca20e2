//! Finding devices, and what they cost.

use super::Device;
use crate::access::authorize::Action;
use crate::context::OpContext;
use crate::error::Result;
use crate::id::{DeviceId, TenantId};
use crate::page::{Page, PageRequest};
use crate::ports::Tx;
use crate::ports::whatsapp::Resources;

/// A device of the caller.
pub async fn get(ctx: &OpContext, id: &DeviceId) -> Result<Device> {
    Ok(ctx.device(id).require(Action::SeeDevices).await?.clone())
}

/// The caller's devices, newest first.
pub async fn list(ctx: &OpContext, page: PageRequest) -> Result<Page<Device>> {
    let access = ctx.require(Action::SeeDevices)?;
    page.by::<DeviceId>()?;
    let list = move |tx: &mut dyn Tx, tenant: &TenantId| {
        Ok(Page::cut(tx.device_list(tenant, &page)?, &page, |d| d.id.to_string()))
    };
    access.read(list).await
}

/// What a device's session costs; zeros when none runs.
pub async fn resources(ctx: &OpContext, id: &DeviceId) -> Result<Resources> {
    let device = ctx.device(id).require(Action::SeeDevices).await?;
    Ok(device.services().sessions.resources(&device.id).unwrap_or_default())
}
