//! Finding messages.

use super::Message;
use crate::access::authorize::Action;
use crate::context::OpContext;
use crate::device::Device;
use crate::error::{Error, Result};
use crate::id::{DeviceId, MessageId, TenantId};
use crate::page::{Page, PageRequest};
use crate::ports::Tx;
use crate::ports::store::MessageFilter;

/// A message of a device.
pub async fn get(ctx: &OpContext, device: &DeviceId, id: &MessageId) -> Result<Message> {
    let access = ctx.device(device).require(Action::SeeMessages).await?;
    let id = id.clone();
    let find = move |tx: &mut dyn Tx, device: &Device| {
        tx.message_find(&device.tenant, &device.id, &id)?.ok_or_else(|| Error::not_found("message", &id))
    };
    access.read(find).await
}

/// A message of any device that the caller reaches.
pub async fn get_anywhere(ctx: &OpContext, id: &MessageId) -> Result<Message> {
    let access = ctx.require_reaching(Action::SeeMessages)?;
    let (id, caller) = (id.clone(), ctx.caller().clone());
    let find = move |tx: &mut dyn Tx, tenant: &TenantId| {
        let found = tx.message_find_anywhere(tenant, &id)?;
        let reached = found.filter(|message| caller.reaches(&message.device));
        reached.ok_or_else(|| Error::not_found("message", &id))
    };
    access.read(find).await
}

/// Messages with this id of WhatsApp's, which is unique within chat and sender only, of the devices that the caller reaches or
/// of one of them; newest first, and no more than one page.
pub async fn by_whatsapp_id(ctx: &OpContext, device: Option<DeviceId>, whatsapp_id: String) -> Result<Page<Message>> {
    let access = ctx.require_reaching(Action::SeeMessages)?;
    let (device, most) = (access.narrowed(device)?, ctx.limits().page_max);
    let caller = ctx.caller().clone();
    let find = move |tx: &mut dyn Tx, tenant: &TenantId| {
        let mut items = tx.message_by_whatsapp_id(tenant, device.as_ref(), &whatsapp_id, most)?;
        items.retain(|message| caller.reaches(&message.device));
        Ok(Page { items, next: None, total: None })
    };
    access.read(find).await
}

/// Messages of a device, newest first. A page of long ones ends early; `next` leads on all the same.
pub async fn list(
    ctx: &OpContext,
    device: &DeviceId,
    filter: MessageFilter,
    page: PageRequest,
) -> Result<Page<Message>> {
    let access = ctx.device(device).require(Action::SeeMessages).await?;
    page.by::<MessageId>()?;
    let bytes_max = ctx.limits().page_bytes;
    let list = move |tx: &mut dyn Tx, device: &Device| {
        // Sizes first: messages that do not fit must not be read into memory.
        let bytes = tx.message_list_bytes(&device.tenant, &device.id, &filter, &page)?;
        let page = page.within(&bytes, bytes_max);
        let rows = tx.message_list(&device.tenant, &device.id, &filter, &page)?;
        let total = page.total(|most| tx.message_total(&device.tenant, &device.id, &filter, most))?;
        Ok(Page::cut(rows, &page, |m| m.id.to_string()).of_total(total))
    };
    access.read(list).await
}
