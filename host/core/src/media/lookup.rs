//! Finding media, reading and deleting them.

use std::ops::Range;

use super::{Media, MediaUsage, remove};
use crate::access::authorize::{Action, TenantAccess};
use crate::context::OpContext;
use crate::context::Write;
use crate::error::{Error, Result};
use crate::id::{MediaId, TenantId};
use crate::page::{Page, PageRequest};
use crate::ports::Tx;
use crate::ports::blobs::ByteSource;

/// A medium of the caller's tenant.
pub async fn get(ctx: &OpContext, id: &MediaId) -> Result<Media> {
    found(&ctx.require_reaching(Action::SeeMessages)?, id).await
}

/// The tenant's media, newest first.
pub async fn list(ctx: &OpContext, page: PageRequest) -> Result<Page<Media>> {
    let access = ctx.require(Action::SeeMessages)?;
    page.by::<MediaId>()?;
    let list = move |tx: &mut dyn Tx, tenant: &TenantId| {
        let rows = tx.media_list(tenant, &page)?;
        let total = page.total(|most| tx.media_total(tenant, most))?;
        Ok(Page::cut(rows, &page, |m| m.id.to_string()).of_total(total))
    };
    access.read(list).await
}

/// What the tenant's media take up.
pub async fn usage(ctx: &OpContext) -> Result<MediaUsage> {
    let access = ctx.require(Action::SeeMessages)?;
    access.read(|tx, tenant| tx.media_usage(tenant)).await
}

/// The bytes of a medium from `range.start` up to `range.end`, which is not larger than the file.
pub async fn open(ctx: &OpContext, media: &Media, range: Range<u64>) -> Result<Box<dyn ByteSource>> {
    let access = ctx.require_reaching(Action::SeeMessages)?;
    require_reached(&access, media)?;
    let source = access.services().blobs.get(&media.digest, range).await?;
    source.ok_or_else(|| gone(&media.id))
}

/// Deletes a medium; its file goes with the last medium that names it. Links to it lead nowhere from then on, also those that name
/// the message it was fetched for.
pub async fn delete(ctx: &OpContext, id: &MediaId) -> Result<()> {
    let access = ctx.require_reaching(Action::Send)?;
    let media = found(&access, id).await?;
    let (id, message) = (id.clone(), media.message.clone());
    let delete = move |tx: &mut Write<'_>, tenant: &TenantId| {
        if let Some(message) = &message {
            let now = tx.now();
            tx.message_delete_file(tenant, message, now)?;
        }
        tx.media_delete(tenant, &id).map(drop)
    };
    access.write(delete).await?;
    remove::now_or_later(access.services(), media.digest).await;
    Ok(())
}

pub(super) async fn found(access: &TenantAccess<'_>, id: &MediaId) -> Result<Media> {
    let id = id.clone();
    let find = move |tx: &mut dyn Tx, tenant: &TenantId| {
        tx.media_find(tenant, &id)?.ok_or_else(|| Error::not_found("media", &id))
    };
    let media = access.read(find).await?;
    require_reached(access, &media).map(|()| media)
}

/// Refuses a medium that the caller does not reach, as if it were not there. A member to whom devices are assigned reaches
/// theirs, and those that belong to no device: what members upload.
pub(crate) fn require_reached(access: &TenantAccess<'_>, media: &Media) -> Result<()> {
    let is_reached = match &media.device {
        Some(device) => access.reaches(device),
        None => access.only_device().is_none(),
    };
    if is_reached { Ok(()) } else { Err(Error::not_found("media", &media.id)) }
}

/// A file that was there and is not any more.
pub(super) fn gone(id: &MediaId) -> Error {
    let why = format!("the file of `{id}` is no longer stored; upload it again");
    Error::Gone { code: "media_gone", why }
}
