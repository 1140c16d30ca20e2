//! Storing files: the bytes first, then the medium that names them.
//!
//! A caller asks [`begin`] before it reads a byte, hands the bytes to [`store`], and makes a medium of the stored file with
//! [`record`]. A stored file that gets no medium is removed at once, or by the sweep.

use portico_api as api;

use super::{Media, MediaOrigin, MediaUsage, media_type, remove};
use crate::access::authorize::{Action, TenantAccess};
use crate::context::idempotency::{Answered, Shown};
use crate::context::{OpContext, Services, Write};
use crate::error::{Error, Result};
use crate::id::{DeviceId, MediaId, MessageId, TenantId};
use crate::limits::Limits;
use crate::ports::blobs::{ByteSource, Stored};
use crate::ports::outbound::OutboundError;
use crate::time::UtcMs;

/// Characters of a file's name at most.
const NAME_CHARS_MAX: usize = 255;

/// What is known about a file beside its bytes.
#[derive(Clone, Debug)]
pub struct FileFacts {
    /// Its type, as somebody declared it.
    pub declared: Option<String>,
    /// Its name.
    pub file_name: Option<String>,
    /// Where it came from.
    pub origin: MediaOrigin,
}

/// Whether the caller may store a file, and how many bytes it may have.
pub async fn begin(ctx: &OpContext) -> Result<u64> {
    room(&ctx.require_reaching(Action::Send)?).await
}

/// Stores bytes, at most `bytes_max`.
pub async fn store(ctx: &OpContext, source: &mut dyn ByteSource, bytes_max: u64) -> Result<Stored> {
    let access = ctx.require_reaching(Action::Send)?;
    let stored = access.services().blobs.put(source, bytes_max).await?;
    if stored.bytes == 0 {
        remove::discard(access.services(), stored).await;
        return Err(Error::invalid("file", "has no bytes"));
    }
    Ok(stored)
}

/// Takes back a stored file that gets no medium.
pub async fn discard(services: &Services, stored: Stored) {
    remove::discard(services, stored).await;
}

/// Makes a medium of a stored file, or takes the file back. Once per `Idempotency-Key`. One made with a device's key is that
/// device's alone.
pub async fn record(ctx: &OpContext, stored: Stored, facts: FileFacts) -> Result<api::Media> {
    let access = ctx.require_reaching(Action::Send)?;
    recorded(&access, stored, facts).await
}

/// Fetches a file and makes a medium of it. Once per `Idempotency-Key`.
pub async fn from_url(
    ctx: &OpContext,
    url: &str,
    declared: Option<String>,
    name: Option<String>,
) -> Result<api::Media> {
    let access = ctx.require_reaching(Action::Send)?;
    if let Some(Shown(answer)) = access.answered_before().await? {
        return Ok(answer);
    }
    let bytes_max = room(&access).await?;
    let (stored, facts) = fetched(&access, url, declared, name, bytes_max).await?;
    recorded(&access, stored, facts).await
}

/// As [`from_url`], as a part of another operation: the `Idempotency-Key` is that of the other one.
pub(crate) async fn kept_from_url(
    access: &TenantAccess<'_>,
    url: &str,
    declared: Option<String>,
    name: Option<String>,
) -> Result<Media> {
    let bytes_max = room(access).await?;
    let (stored, facts) = fetched(access, url, declared, name, bytes_max).await?;
    kept(access, stored, facts, None).await
}

/// How many bytes one more file of the tenant may have.
pub(super) async fn room(access: &TenantAccess<'_>) -> Result<u64> {
    let usage = access.read(|tx, tenant| tx.media_usage(tenant)).await?;
    let limits = &access.ports().limits;
    within_quota(limits, usage, 1)?;
    Ok(limits.media_bytes_max.min(limits.media_bytes_per_tenant - usage.bytes))
}

/// Stores what a URL gives.
async fn fetched(
    access: &TenantAccess<'_>,
    url: &str,
    declared: Option<String>,
    name: Option<String>,
    bytes_max: u64,
) -> Result<(Stored, FileFacts)> {
    let services = access.services();
    let fetched = services.outbound.fetch(url, services.ports.limits.media_fetch_timeout).await;
    let mut fetched = fetched.map_err(failed_fetch)?;
    let stored = services.blobs.put(&mut *fetched.source, bytes_max).await?;
    if stored.bytes == 0 {
        remove::discard(services, stored).await;
        return Err(Error::Refused { code: "media_url_failed", why: "the URL gave a file without bytes".to_owned() });
    }
    // What a server says of a file is often wrong, and nobody here can mend it: it is not held against the bytes.
    let said = fetched.media_type.filter(|said| media_type(&stored.head, Some(said)).is_ok());
    let facts =
        FileFacts { declared: declared.or(said), file_name: name.or(fetched.file_name), origin: MediaOrigin::Url };
    Ok((stored, facts))
}

fn failed_fetch(error: OutboundError) -> Error {
    match error {
        OutboundError::Invalid(_) | OutboundError::DeniedAddress(_) => Error::invalid("url", error.to_string()),
        other => Error::Refused { code: "media_url_failed", why: format!("the URL gave no file: {other}") },
    }
}

/// Makes a medium of a stored file, once per `Idempotency-Key`, or takes the file back.
async fn recorded(access: &TenantAccess<'_>, stored: Stored, facts: FileFacts) -> Result<api::Media> {
    let media = match described(access, &stored, facts, None) {
        Ok(media) => media,
        Err(error) => return taken_back(access, stored, error).await,
    };
    let recorded = access.write(move |tx, tenant| insert(tx, tenant, media).map(Answered::<_, api::Media>::of)).await;
    // A repeated request is answered with the medium of before.
    if !matches!(&recorded, Ok(Answered { noun: Some(_), .. })) {
        remove::discard(access.services(), stored).await;
    }
    recorded.map(|answer| answer.view)
}

/// Makes a medium of a stored file as a part of another operation, or takes the file back. `of` is the message it was fetched
/// for.
pub(crate) async fn kept(
    access: &TenantAccess<'_>,
    stored: Stored,
    facts: FileFacts,
    of: Option<(DeviceId, MessageId)>,
) -> Result<Media> {
    match described(access, &stored, facts, of) {
        Ok(media) => {
            let (id, tenant) = (media.id.clone(), media.tenant.clone());
            let kept = access.services().ports.write(move |tx| insert(tx, &tenant, media)).await;
            settled(access, stored, &id, kept).await
        }
        Err(error) => taken_back(access, stored, error).await,
    }
}

/// Takes the file back unless a medium names it: somebody else may have fetched it at the same time.
async fn settled(access: &TenantAccess<'_>, stored: Stored, id: &MediaId, media: Result<Media>) -> Result<Media> {
    if !matches!(&media, Ok(media) if media.id == *id) {
        remove::discard(access.services(), stored).await;
    }
    media
}

async fn taken_back<T>(access: &TenantAccess<'_>, stored: Stored, error: Error) -> Result<T> {
    remove::discard(access.services(), stored).await;
    Err(error)
}

fn described(
    access: &TenantAccess<'_>,
    stored: &Stored,
    facts: FileFacts,
    of: Option<(DeviceId, MessageId)>,
) -> Result<Media> {
    let ports = access.ports();
    let now = ports.now();
    let (device, message) = of.unzip();
    Ok(Media {
        id: ports.fresh(MediaId::new),
        tenant: access.id().clone(),
        digest: stored.digest,
        bytes: stored.bytes,
        media_type: media_type(&stored.head, facts.declared.as_deref())?,
        file_name: facts.file_name.as_deref().and_then(clean_name),
        origin: facts.origin,
        device: device.or_else(|| access.only_device().cloned()),
        message,
        created_at: now,
        expires_at: expires(&ports.limits, facts.origin, now),
    })
}

fn expires(limits: &Limits, origin: MediaOrigin, now: UtcMs) -> UtcMs {
    match origin {
        MediaOrigin::Upload | MediaOrigin::Url => now + limits.media_kept,
        MediaOrigin::Incoming => now + limits.media_incoming_kept,
    }
}

fn insert(tx: &mut Write<'_>, tenant: &TenantId, media: Media) -> Result<Media> {
    within_quota(tx.limits(), tx.media_usage(tenant)?, media.bytes)?;
    if !tx.media_insert(&media)?
        && let (Some(device), Some(message)) = (&media.device, &media.message)
        && let Some(earlier) = tx.media_find_fetched(tenant, device, message)?
    {
        // Somebody else fetched it at the same time.
        return Ok(earlier);
    }
    Ok(media)
}

fn within_quota(limits: &Limits, usage: MediaUsage, bytes: u64) -> Result<()> {
    let why = if usage.files >= u64::from(limits.media_per_tenant) {
        format!("this tenant has {} files, the limit", limits.media_per_tenant)
    } else if usage.bytes.saturating_add(bytes) > limits.media_bytes_per_tenant {
        format!("this tenant's files hold {} of {} bytes, the limit", usage.bytes, limits.media_bytes_per_tenant)
    } else {
        return Ok(());
    };
    Err(Error::Conflict { code: "too_much_media", why: format!("{why}; delete some first") })
}

/// The last part of a name, without what file systems and headers take for something else. `None` when nothing is left.
fn clean_name(name: &str) -> Option<String> {
    let last = name.rsplit(['/', '\\']).next().unwrap_or_default();
    let clean: String = last.chars().filter(|c| !c.is_control()).take(NAME_CHARS_MAX).collect();
    let clean = clean.trim();
    (!clean.is_empty() && !matches!(clean, "." | "..")).then(|| clean.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_the_last_part_of_a_path() {
        assert_eq!(clean_name("../../etc/passwd").as_deref(), Some("passwd"));
        assert_eq!(clean_name("C:\\photos\\pier.jpg").as_deref(), Some("pier.jpg"));
        assert_eq!(clean_name("a\r\nb\u{0}.txt").as_deref(), Some("ab.txt"));
        for name in ["", "  ", "..", "a/"] {
            assert_eq!(clean_name(name), None, "{name}");
        }
    }

    #[test]
    fn a_tenant_has_so_many_files_and_bytes() {
        let limits = Limits { media_per_tenant: 2, media_bytes_per_tenant: 100, ..Limits::default() };
        let refused = |files, bytes, more| within_quota(&limits, MediaUsage { files, bytes }, more).is_err();
        assert!(!refused(1, 50, 50));
        assert!(refused(1, 50, 51));
        assert!(refused(2, 0, 1));
    }
}
