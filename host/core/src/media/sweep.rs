//! Removing media whose time is over, and files that a crash left without one.

use std::collections::BTreeSet;

use super::remove;
use crate::context::Services;
use crate::error::Result;
use crate::model::media::Digest;

/// Removes media that expired, at most `limit`, with their files. Gives how many.
pub async fn expired(services: &Services, limit: u32) -> Result<u64> {
    let now = services.ports.now();
    let digests = services.ports.write(move |tx| tx.media_purge(now, limit)).await?;
    let count = digests.len() as u64;
    let distinct: BTreeSet<Digest> = digests.into_iter().collect();
    remove::unused(services, distinct.into_iter().collect()).await?;
    Ok(count)
}

/// Looks at `limit` files after `after` and removes those that no medium names. Gives how many, and where to go on; `None` at the
/// end.
pub async fn orphans(services: &Services, after: Option<Digest>, limit: usize) -> Result<(u64, Option<Digest>)> {
    let files = services.blobs.list(after.as_ref(), limit).await?;
    let next = files.last().copied().filter(|_| files.len() >= limit);
    let asked = files.clone();
    let used = services.ports.read(move |tx| tx.media_used(&asked)).await?;
    let suspects: Vec<Digest> = files.into_iter().filter(|digest| !used.contains(digest)).collect();
    Ok((remove::unused(services, suspects).await?, next))
}
