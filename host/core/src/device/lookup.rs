//! Finding devices, and what they cost.

use std::collections::BTreeSet;

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
    let access = ctx.require_reaching(Action::SeeDevices)?;
    page.by::<DeviceId>()?;
    if let Some(assigned) = ctx.caller().assigned().cloned() {
        return access.read(move |tx, tenant| list_assigned(tx, tenant, &assigned, named, &page)).await;
    }
    let filter = DeviceFilter { only: access.only_device().cloned(), named };
    let list = move |tx: &mut dyn Tx, tenant: &TenantId| {
        let rows = tx.device_list(tenant, &filter, &page)?;
        let total = page.total(|most| tx.device_total(tenant, &filter, most))?;
        Ok(Page::cut(rows, &page, |d| d.id.to_string()).of_total(total))
    };
    access.read(list).await
}

/// The page of the devices that are assigned to a member: few enough to be looked at one by one.
fn list_assigned(
    tx: &mut dyn Tx,
    tenant: &TenantId,
    assigned: &BTreeSet<DeviceId>,
    named: Option<(String, Option<String>)>,
    page: &PageRequest,
) -> Result<Page<Device>> {
    let is_wanted = |device: &Device| match &named {
        None => true,
        Some((namespace, value)) => {
            let given = device.refs.as_map().get(namespace);
            given.is_some_and(|given| value.as_ref().is_none_or(|value| value == given))
        }
    };
    let mut found = Vec::new();
    for id in assigned.iter().rev() {
        found.extend(tx.device_find(tenant, id)?.filter(is_wanted));
    }
    let total = page.total(|most| Ok((found.len() as u64).min(u64::from(most))))?;
    let before = page.before.as_deref();
    let mut rows: Vec<Device> =
        found.into_iter().filter(|d| before.is_none_or(|cursor| d.id.as_str() < cursor)).collect();
    rows.drain(..rows.len().min(page.offset as usize));
    // One more than asked for tells that there are more.
    rows.truncate(page.limit as usize + 1);
    Ok(Page::cut(rows, page, |d| d.id.to_string()).of_total(total))
}

/// What a device's session costs; zeros when none runs.
pub async fn resources(ctx: &OpContext, id: &DeviceId) -> Result<Resources> {
    let device = ctx.device(id).require(Action::SeeDevices).await?;
    Ok(device.services().sessions.resources(&device.id).unwrap_or_default())
}
