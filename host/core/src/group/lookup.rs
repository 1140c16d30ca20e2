//! Looking at groups.

use super::{Group, GroupId, JoinRequest};
use crate::access::authorize::Action;
use crate::context::OpContext;
use crate::error::Result;
use crate::id::DeviceId;
use crate::page::{Page, PageRequest, Total};

/// The groups the account is in, by their ids, the highest first.
pub async fn list(ctx: &OpContext, device: &DeviceId, page: PageRequest) -> Result<Page<Group>> {
    let access = ctx.device(device).require(Action::SeeChats).await?;
    access.ready()?;
    let mut groups = access.services().sessions.groups(device).await?;
    groups.sort_by(|a, b| bare(&b.id).cmp(bare(&a.id)));
    let count = groups.len() as u64;
    let total = match page.total {
        Total::Unasked => None,
        Total::UpTo(most) => Some(count.min(most.into())),
    };
    let after = page.before.as_ref().map(|before| before.replace('_', "-"));
    let wanted = groups.into_iter().filter(|group| after.as_deref().is_none_or(|after| bare(&group.id) < after));
    let rows: Vec<_> = wanted.skip(page.offset as usize).take(page.limit as usize + 1).collect();
    // A cursor holds letters, digits and `_` only; ids of old groups have a dash.
    Ok(Page::cut(rows, &page, |group| bare(&group.id).replace('-', "_")).of_total(total))
}

/// The part of a group's JID that differs.
fn bare(id: &str) -> &str {
    id.split('@').next().unwrap_or_default()
}

/// A group.
pub async fn get(ctx: &OpContext, device: &DeviceId, group: &GroupId) -> Result<Group> {
    let access = ctx.device(device).require(Action::SeeChats).await?;
    access.ready()?;
    access.services().sessions.group(device, group).await
}

/// Who asks to be let into a group.
pub async fn requests(ctx: &OpContext, device: &DeviceId, group: &GroupId) -> Result<Vec<JoinRequest>> {
    let access = ctx.device(device).require(Action::SeeChats).await?;
    access.ready()?;
    access.services().sessions.group_requests(device, group).await
}
