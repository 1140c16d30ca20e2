//! Finding messages.

use super::Message;
use crate::access::Scope;
use crate::cx::Cx;
use crate::device;
use crate::error::{Error, Result};
use crate::id::{DeviceId, MessageId};
use crate::page::{Page, PageRequest};
use crate::ports::store::MessageFilter;

/// A message of a device.
pub async fn get(cx: &Cx, device: &DeviceId, id: &MessageId) -> Result<Message> {
    cx.caller.require(Scope::MessagesRead)?;
    let mut tx = cx.core().store.read().await?;
    device::lookup::find_in(&mut *tx, cx.tenant(), device).await?;
    tx.message_find(cx.tenant(), device, id).await?.ok_or_else(|| Error::not_found("message", id))
}

/// Messages of a device, newest first. A page of long ones ends early; `next` leads on all the same.
pub async fn list(cx: &Cx, device: &DeviceId, filter: &MessageFilter, page: &PageRequest) -> Result<Page<Message>> {
    cx.caller.require(Scope::MessagesRead)?;
    let mut tx = cx.core().store.read().await?;
    device::lookup::find_in(&mut *tx, cx.tenant(), device).await?;
    // Looked at before they are read: what does not fit must not come into memory.
    let bytes = tx.message_list_bytes(cx.tenant(), device, filter, page.by::<MessageId>()?).await?;
    let page = page.within(&bytes, cx.core().limits.page_bytes);
    let rows = tx.message_list(cx.tenant(), device, filter, &page).await?;
    Ok(Page::cut(rows, &page, |m| m.id.to_string()))
}
