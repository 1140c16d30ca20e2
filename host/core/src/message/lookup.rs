//! Finding messages.

use super::Message;
use crate::access::authorize::Action;
use crate::context::OpContext;
use crate::device::Device;
use crate::error::{Error, Result};
use crate::id::{DeviceId, MessageId};
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
        Ok(Page::cut(rows, &page, |m| m.id.to_string()))
    };
    access.read(list).await
}
