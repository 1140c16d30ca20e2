//! What a text shows of a page it names: given, or read from the page itself.

mod page;

use portico_api as api;

use crate::access::authorize::TenantAccess;
use crate::error::{Error, Result};
use crate::media::upload;
use crate::model::message::{LinkPreview, Picture};
use crate::ports::blobs::ByteSource;
use crate::ports::outbound::OutboundError;

/// Bytes of a page that are read. What describes it stands at its beginning.
const PAGE_BYTES_MAX: usize = 256 << 10;
/// Characters of a headline and of a description.
const TITLE_CHARS_MAX: usize = 255;
const DESCRIPTION_CHARS_MAX: usize = 1_024;

/// Checks what a caller gave with a text.
pub(super) fn check(preview: &api::NewLinkPreview, text: Option<&str>) -> Result<()> {
    if text.is_none_or(|text| preview.url.is_empty() || !text.contains(&preview.url)) {
        return Err(Error::invalid("link_preview.url", "must be an address that stands in the text"));
    }
    let long = |text: &Option<String>, max: usize| text.as_ref().is_some_and(|text| text.chars().count() > max);
    if long(&preview.title, TITLE_CHARS_MAX) || preview.title.as_ref().is_some_and(|title| title.trim().is_empty()) {
        return Err(Error::invalid("link_preview.title", format!("must have 1 to {TITLE_CHARS_MAX} characters")));
    }
    if long(&preview.description, DESCRIPTION_CHARS_MAX) {
        let why = format!("must have at most {DESCRIPTION_CHARS_MAX} characters");
        return Err(Error::invalid("link_preview.description", why));
    }
    Ok(())
}

/// The preview as the message will have it: with what the page says of itself where the caller gave no headline, and with
/// its picture stored.
pub(super) async fn taken(access: &TenantAccess<'_>, preview: api::NewLinkPreview) -> Result<LinkPreview> {
    let api::NewLinkPreview { url, title, description, picture } = preview;
    let services = access.services();
    services.outbound.check_url(&url).map_err(|error| Error::invalid("link_preview.url", error.to_string()))?;
    let Some(title) = title else {
        let found = page::read(&read(access, &url).await?, &url);
        let Some(title) = found.title else {
            let why = "the page has no headline to show; give a `title`".to_owned();
            return Err(Error::Refused { code: "media_url_failed", why });
        };
        let cut = |text: String, max: usize| text.chars().take(max).collect::<String>();
        // The page's own picture is an extra: without it the preview is still one.
        let picture = match picture.or(found.picture) {
            Some(url) => stored(access, &url).await.ok(),
            None => None,
        };
        let description = description.or(found.description).map(|text| cut(text, DESCRIPTION_CHARS_MAX));
        return Ok(LinkPreview { url, title: cut(title, TITLE_CHARS_MAX), description, picture });
    };
    let picture = match picture {
        Some(url) => Some(stored(access, &url).await?),
        None => None,
    };
    Ok(LinkPreview { url, title, description, picture })
}

async fn stored(access: &TenantAccess<'_>, url: &str) -> Result<Picture> {
    let media = upload::kept_from_url(access, url, None, None).await?;
    Ok(Picture { digest: media.digest, bytes: media.bytes })
}

/// The beginning of a page.
async fn read(access: &TenantAccess<'_>, url: &str) -> Result<String> {
    let services = access.services();
    let failed = |error: OutboundError| Error::Refused {
        code: "media_url_failed",
        why: format!("the page can't be read: {error}; give a `title`"),
    };
    let timeout = access.ports().limits.media_fetch_timeout;
    let mut fetched = services.outbound.fetch(url, timeout).await.map_err(failed)?;
    let mut bytes = Vec::new();
    while bytes.len() < PAGE_BYTES_MAX {
        match next(&mut *fetched.source).await? {
            Some(piece) => bytes.extend_from_slice(&piece),
            None => break,
        }
    }
    bytes.truncate(PAGE_BYTES_MAX);
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

async fn next(source: &mut dyn ByteSource) -> Result<Option<bytes::Bytes>> {
    source.next().await
}
