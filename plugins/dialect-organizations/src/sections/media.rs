//! Section "Media": files that come as base64 in JSON, and their bytes.

use portico_sdk::api::Media;
use portico_sdk::dialect::{Call, Fault, Route, get, post};
use portico_sdk::gateway::{Gateway, segment};
use portico_sdk::http::Response;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::{Organizations, check_organization, said};

pub(crate) const ROUTES: &[Route<Organizations>] = &[
    post("/api/media/upload").uploads(&["file"]).run(upload),
    get("/api/media/{mediaId}/download").run(bytes),
    get("/media/{mediaId}").run(bytes),
];

/// A file in a body: lifted by the host while it came, or still base64.
#[derive(Deserialize)]
#[serde(untagged)]
pub(crate) enum Given {
    /// The host keeps its bytes.
    Lifted {
        /// The stored file's id.
        upload: String,
        /// What its bytes are.
        #[serde(default)]
        media_type: Option<String>,
    },
    /// Base64, or a data URL.
    Base64(String),
}

/// What a file is sent as.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Image,
    Video,
    Audio,
    Document,
}

impl Given {
    pub(crate) fn is_empty(&self) -> bool {
        matches!(self, Self::Base64(text) if text.is_empty())
    }

    /// The file as the core takes it.
    pub(crate) fn to_core(&self) -> Value {
        match self {
            Self::Lifted { upload, .. } => json!({ "upload": upload }),
            Self::Base64(text) => json!({ "data": text }),
        }
    }

    /// What it is sent as. The document lets the server find that out.
    pub(crate) fn kind(&self, gateway: &Gateway) -> Result<Kind, Fault> {
        match self {
            Self::Lifted { media_type: Some(media_type), .. } => Ok(Kind::of(media_type)),
            Self::Lifted { upload, media_type: None } => {
                let media: Media = gateway.get(&format!("/v1/media/{}", segment(upload)))?.json()?;
                Ok(Kind::of(&media.media_type))
            }
            Self::Base64(text) => Ok(Kind::of_base64(text)),
        }
    }
}

impl Kind {
    /// The core's name of such a message.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Image => "image",
            Self::Video => "video",
            Self::Audio => "audio",
            Self::Document => "document",
        }
    }

    /// Other pictures and films than those that WhatsApp shows go as documents.
    fn of(media_type: &str) -> Self {
        match media_type.split(';').next().unwrap_or_default().trim() {
            "image/jpeg" | "image/png" | "image/webp" => Self::Image,
            "video/mp4" | "video/3gpp" | "video/quicktime" => Self::Video,
            other if other.starts_with("audio/") => Self::Audio,
            _ => Self::Document,
        }
    }

    /// By the first bytes, as base64 spells them.
    fn of_base64(text: &str) -> Self {
        if let Some((media_type, _)) = text.strip_prefix("data:").and_then(|rest| rest.split_once([';', ','])) {
            return Self::of(media_type);
        }
        let begins = |any: &[&str]| any.iter().any(|start| text.starts_with(start));
        // JPEG, PNG, and WebP: RIFF with `WEBP` behind its size.
        if begins(&["/9j/", "iVBORw0KGgo"]) || (begins(&["UklGR"]) && text.get(11..15) == Some("XRUJ")) {
            return Self::Image;
        }
        // MP4 and its kin: `ftyp` behind the size of the first box. Of those with sound alone the brand is `M4A`.
        if text.get(6..10) == Some("Z0eX") {
            return if text.get(10..15) == Some("BNNEE") { Self::Audio } else { Self::Video };
        }
        // Ogg, and MP3 with a tag.
        if begins(&["T2dnU", "SUQz"]) { Self::Audio } else { Self::Document }
    }
}

#[derive(Deserialize)]
struct Upload {
    #[serde(default)]
    org_id: Option<String>,
    file: Given,
}

fn upload(call: &Call<Organizations>) -> Result<Response, Fault> {
    let Upload { org_id, file } = call.json()?;
    check_organization(call, org_id.as_deref())?;
    let media: Media = match &file {
        Given::Lifted { upload, .. } => call.gateway.get(&format!("/v1/media/{}", segment(upload)))?.json()?,
        Given::Base64(_) => call.gateway.post("/v1/media", &file.to_core())?.json()?,
    };
    let shown = json!({
        "id": media.id,
        "filename": file_name(&media),
        "size": media.bytes,
        "mimetype": media.media_type,
    });
    Ok(said(201, Some("Media uploaded"), json!({ "media": shown })))
}

/// The name of a file; one that came without gets one of its kind, the end of its id and its type.
fn file_name(media: &Media) -> String {
    if let Some(name) = &media.file_name {
        return name.clone();
    }
    let kind = media.media_type.split('/').next().filter(|kind| matches!(*kind, "image" | "video" | "audio"));
    let extension = match media.media_type.as_str() {
        "image/jpeg" => "jpg",
        "image/png" => "png",
        "image/webp" => "webp",
        "image/gif" => "gif",
        "video/mp4" => "mp4",
        "audio/mpeg" => "mp3",
        "audio/ogg" => "ogg",
        "application/pdf" => "pdf",
        _ => "bin",
    };
    let end = media.id.get(media.id.len().saturating_sub(6)..).unwrap_or_default();
    format!("{}_{end}.{extension}", kind.unwrap_or("file"))
}

/// The bytes never come here: the host streams them.
fn bytes(call: &Call<Organizations>) -> Result<Response, Fault> {
    Ok(Response::of(format!("/v1/media/{}/content", segment(&call.param("mediaId")?))))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_known_by_their_first_bytes() {
        for (text, kind) in [
            ("/9j/4AAQSkZJRg==", Kind::Image),
            ("iVBORw0KGgoAAAANSUhEUg==", Kind::Image),
            ("UklGRiQAAABXRUJQVlA4", Kind::Image),
            ("UklGRiQAAABXQVZFZm10", Kind::Document),
            ("AAAAIGZ0eXBpc29t", Kind::Video),
            ("AAAAIGZ0eXBNNEEg", Kind::Audio),
            ("T2dnUwACAAAA", Kind::Audio),
            ("JVBERi0xLjQ=", Kind::Document),
            ("data:image/png;base64,iVBO", Kind::Image),
            ("data:image/gif;base64,R0lG", Kind::Document),
            ("", Kind::Document),
        ] {
            assert_eq!(Kind::of_base64(text), kind, "{text}");
        }
    }
}
