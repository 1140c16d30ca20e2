//! The file of a message that is sent: named by its id, fetched by URL, or given with the request.

use base64::Engine;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use portico_api as api;

use super::form;
use super::send::NewContent;
use crate::access::authorize::TenantAccess;
use crate::context::OpContext;
use crate::error::{Error, Result};
use crate::id::MediaId;
use crate::limits::Limits;
use crate::media::lookup::require_reached;
use crate::media::upload::{self, FileFacts};
use crate::model::media::{Media, MediaContent, MediaKind, MediaOrigin};
use crate::ports::blobs::InMemory;
use crate::ports::whatsapp::Picture;

/// Base64 as clients write it, padded or not.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// A file to send.
#[derive(Clone)]
pub struct NewFile {
    /// What to send it as.
    pub kind: MediaKind,
    /// Where it is.
    pub source: FileSource,
    /// Its type, as the caller declared it; for files that are not stored yet.
    pub declared: Option<String>,
    /// The name to send it under.
    pub file_name: Option<String>,
    /// The text under it.
    pub caption: Option<String>,
}

/// Where a file to send is.
#[derive(Clone)]
pub enum FileSource {
    /// It is stored.
    Upload(MediaId),
    /// Behind a URL.
    Url(String),
    /// Here.
    Data(Vec<u8>),
}

impl NewFile {
    /// Reads what a caller named.
    pub fn parse(kind: MediaKind, content: api::NewMediaContent) -> Result<Self> {
        let api::NewMediaContent { media, caption } = content;
        let api::MediaRef { upload, url, data, media_type, file_name } = media;
        let source = match (upload, url, data) {
            (Some(id), None, None) => {
                let id =
                    id.parse().map_err(|_| Error::invalid("content.media.upload", "must be the id of a stored file"));
                FileSource::Upload(id?)
            }
            (None, Some(url), None) => FileSource::Url(url),
            (None, None, Some(data)) => FileSource::Data(decoded(&data)?),
            _ => return Err(Error::invalid("content.media", "must have one of `upload`, `url` and `data`")),
        };
        if matches!(source, FileSource::Upload(_)) && media_type.is_some() {
            return Err(Error::invalid("content.media.media_type", "can't be given with `upload`: the file has one"));
        }
        Ok(Self { kind, source, declared: media_type, file_name, caption })
    }

    /// Whether the request by itself can be met.
    pub(super) fn check(&self, limits: &Limits) -> Result<()> {
        let Some(caption) = &self.caption else { return Ok(()) };
        if !self.kind.has_caption() {
            let why = format!("a message of type `{}` can have none", self.kind.as_str());
            return Err(Error::invalid("content.caption", why));
        }
        let max = limits.caption_chars_max;
        if caption.chars().count() > max {
            return Err(Error::invalid("content.caption", format!("must have at most {max} characters")));
        }
        Ok(())
    }
}

impl NewContent {
    /// Reads what a caller gave.
    pub fn parse(content: api::NewContent, limits: &Limits) -> Result<Self> {
        let (kind, content) = match content {
            api::NewContent::Text { text } => return Ok(Self::Text { text }),
            api::NewContent::Planned(kind) => return Ok(Self::Planned(kind)),
            api::NewContent::Image(content) => (MediaKind::Image, content),
            api::NewContent::Video(content) => (MediaKind::Video, content),
            api::NewContent::Audio(content) => (MediaKind::Audio, content),
            api::NewContent::Voice(content) => (MediaKind::Voice, content),
            api::NewContent::Document(content) => (MediaKind::Document, content),
            api::NewContent::Sticker(content) => (MediaKind::Sticker, content),
            rich => return form::parse(rich, limits).map(Self::Rich),
        };
        NewFile::parse(kind, content).map(Self::Media)
    }
}

fn decoded(data: &str) -> Result<Vec<u8>> {
    let base64 = match data.strip_prefix("data:") {
        Some(url) => url.split_once(";base64,").map(|(_, base64)| base64),
        None => Some(data),
    };
    let bytes = base64.and_then(|text| BASE64.decode(text).ok()).filter(|bytes| !bytes.is_empty());
    bytes.ok_or_else(|| Error::invalid("content.media.data", "must be the file in base64"))
}

/// A picture, stored, that a group or the own profile is to show.
pub(crate) async fn picture(ctx: &OpContext, access: &TenantAccess<'_>, file: NewFile) -> Result<Picture> {
    let content = taken(ctx, access, NewFile { kind: MediaKind::Image, ..file }).await?;
    match (content.digest, content.bytes) {
        (Some(digest), Some(bytes)) => Ok(Picture { digest, bytes }),
        _ => Err(Error::internal("taking a picture", "the file names no bytes")),
    }
}

/// The file, stored, as the message will name it.
pub(super) async fn taken(ctx: &OpContext, access: &TenantAccess<'_>, file: NewFile) -> Result<MediaContent> {
    let NewFile { kind, source, declared, file_name, caption } = file;
    let media = match source {
        FileSource::Upload(id) => stored(access, &id).await?,
        FileSource::Url(url) => upload::kept_from_url(access, &url, declared, file_name.clone()).await?,
        FileSource::Data(bytes) => {
            let bytes_max = upload::begin(ctx).await?;
            let kept = upload::store(ctx, &mut InMemory::new(bytes), bytes_max).await?;
            let facts = FileFacts { declared, file_name: file_name.clone(), origin: MediaOrigin::Upload };
            upload::kept(access, kept, facts, None).await?
        }
    };
    fits(&access.ports().limits, kind, &media)?;
    Ok(MediaContent {
        media_type: Some(media.media_type),
        bytes: Some(media.bytes),
        file_name: file_name.or(media.file_name),
        caption: caption.filter(|caption| !caption.is_empty()),
        media: Some(media.id),
        digest: Some(media.digest),
        ..MediaContent::of(kind)
    })
}

async fn stored(access: &TenantAccess<'_>, id: &MediaId) -> Result<Media> {
    let wanted = id.clone();
    let found = access.read(move |tx, tenant| tx.media_find(tenant, &wanted)).await?;
    let found = found.filter(|media| require_reached(access, media).is_ok());
    found.ok_or_else(|| Error::invalid("content.media.upload", format!("there is no file `{id}`; upload it first")))
}

/// Whether WhatsApp takes the file as that kind.
fn fits(limits: &Limits, kind: MediaKind, media: &Media) -> Result<()> {
    if !kind.takes(&media.media_type) {
        let why = format!(
            "a message of type `{}` takes {}, and the file is {}; send it as `document`",
            kind.as_str(),
            kind.types(),
            media.media_type
        );
        return Err(Error::Refused { code: "media_type_mismatch", why });
    }
    let limit_bytes = match kind {
        MediaKind::Document => limits.media_bytes_max,
        MediaKind::Sticker => limits.media_sticker_bytes_max,
        MediaKind::Image | MediaKind::Video | MediaKind::VideoNote | MediaKind::Audio | MediaKind::Voice => {
            limits.media_played_bytes_max
        }
    };
    if media.bytes > limit_bytes {
        return Err(Error::TooLarge { what: "a file of this type", limit_bytes });
    }
    Ok(())
}

/// A file that was deleted while its message was being taken.
pub(super) fn gone(id: &MediaId) -> Error {
    Error::Gone { code: "media_gone", why: format!("the file `{id}` was deleted; upload it again") }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(media: api::MediaRef) -> Result<NewFile, String> {
        let content = api::NewMediaContent { media, caption: None };
        NewFile::parse(MediaKind::Image, content).map_err(|e| e.to_string())
    }

    #[test]
    fn a_file_is_named_in_one_way() {
        let url = || Some("https://example.com/a.png".to_owned());
        let data = |data: &str| api::MediaRef { data: Some(data.to_owned()), ..api::MediaRef::default() };
        assert!(parse(api::MediaRef::default()).is_err_and(|e| e.contains("content.media")));
        assert!(parse(api::MediaRef { url: url(), ..data("aGk=") }).is_err_and(|e| e.contains("content.media")));
        for good in ["aGk=", "aGk", "data:image/png;base64,aGk="] {
            let file = parse(data(good)).expect("base64");
            assert!(matches!(file.source, FileSource::Data(bytes) if bytes == b"hi"), "{good}");
        }
        for bad in ["", "a", "data:image/png,hi", "\u{e9}"] {
            assert!(parse(data(bad)).is_err_and(|e| e.contains("content.media.data")), "{bad}");
        }
        let upload = api::MediaRef { upload: Some("dev_1".to_owned()), ..api::MediaRef::default() };
        assert!(parse(upload).is_err_and(|e| e.contains("content.media.upload")));
    }
}
