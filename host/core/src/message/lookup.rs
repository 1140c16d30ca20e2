//! Finding messages.

use super::Message;
use crate::access::Scope;
use crate::context::OpContext;
use crate::device;
use crate::error::{Error, Result};
use crate::id::{DeviceId, MessageId};
use crate::page::{Page, PageRequest};
use crate::ports::store::MessageFilter;

/// A message of a device.
pub async fn get(ctx: &OpContext, device: &DeviceId, id: &MessageId) -> Result<Message> {
    ctx.caller.require(Scope::MessagesRead)?;
    let mut tx = ctx.ports().store.read().await?;
    device::lookup::find_in(&mut *tx, ctx.tenant(), device).await?;
    tx.message_find(ctx.tenant(), device, id).await?.ok_or_else(|| Error::not_found("message", id))
}

/// Messages of a device, newest first. A page of long ones ends early; `next` leads on all the same.
pub async fn list(
    ctx: &OpContext,
    device: &DeviceId,
    filter: &MessageFilter,
    page: &PageRequest,
) -> Result<Page<Message>> {
    ctx.caller.require(Scope::MessagesRead)?;
    let mut tx = ctx.ports().store.read().await?;
    device::lookup::find_in(&mut *tx, ctx.tenant(), device).await?;
    // Looked at before they are read: what does not fit must not come into memory.
    let bytes = tx.message_list_bytes(ctx.tenant(), device, filter, page.by::<MessageId>()?).await?;
    let page = page.within(&bytes, ctx.ports().limits.page_bytes);
    let rows = tx.message_list(ctx.tenant(), device, filter, &page).await?;
    Ok(Page::cut(rows, &page, |m| m.id.to_string()))
}
