//! Finding devices, and what they cost.

use super::Device;
use crate::access::authorize::Action;
use crate::context::OpContext;
use crate::error::Result;
use crate::id::{DeviceId, TenantId};
use crate::page::{Page, PageRequest};
use crate::ports::Tx;
use crate::ports::store::DeviceFilter;
use crate::ports::whatsapp::Resources;

/// A device of the caller.
pub async fn get(ctx: &OpContext, id: &DeviceId) -> Result<Device> {
    Ok(ctx.device(id).require(Action::SeeDevices).await?.clone())
}

/// The caller's devices, newest first; with `named` only those to which a namespace gives a name, or one name.
pub async fn list(ctx: &OpContext, named: Option<(String, Option<String>)>, page: PageRequest) -> Result<Page<Device>> {
    let access = ctx.require_within(Action::SeeDevices)?;
    page.by::<DeviceId>()?;
    let filter = DeviceFilter { only: access.only_device().cloned(), named };
    let list = move |tx: &mut dyn Tx, tenant: &TenantId| {
        let rows = tx.device_list(tenant, &filter, &page)?;
        let total = page.total(|most| tx.device_total(tenant, &filter, most))?;
        Ok(Page::cut(rows, &page, |d| d.id.to_string()).of_total(total))
    };
    access.read(list).await
}

/// What a device's session costs; zeros when none runs.
pub async fn resources(ctx: &OpContext, id: &DeviceId) -> Result<Resources> {
    let device = ctx.device(id).require(Action::SeeDevices).await?;
    Ok(device.services().sessions.resources(&device.id).unwrap_or_default())
}
