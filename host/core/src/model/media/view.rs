//! Media as the REST core shows them.

use portico_api as api;

use super::{Media, MediaContent, MediaKind, MediaOrigin};
use crate::model::message::Message;

same_variants!(MediaOrigin, api::MediaOrigin: Upload, Url, Incoming);

impl From<&Media> for api::Media {
    fn from(media: &Media) -> Self {
        Self {
            id: media.id.to_string(),
            bytes: media.bytes,
            media_type: media.media_type.clone(),
            file_name: media.file_name.clone(),
            sha256: media.digest.to_string(),
            origin: media.origin.into(),
            device: media.device.as_ref().map(ToString::to_string),
            message: media.message.as_ref().map(ToString::to_string),
            created_at: media.created_at.into(),
            expires_at: media.expires_at.into(),
        }
    }
}

/// A file in a message: with what it takes to fetch it.
pub(crate) fn in_message(message: &Message, content: &MediaContent) -> api::Content {
    let media = api::MessageMedia {
        url: api::message_media_path(message.device.as_str(), message.id.as_str()),
        id: content.media.as_ref().map(ToString::to_string),
        media_type: content.media_type.clone(),
        bytes: content.bytes,
        file_name: content.file_name.clone(),
        width: content.width,
        height: content.height,
        seconds: content.seconds,
    };
    let shown = api::MediaContent { media, caption: content.caption.clone() };
    match content.kind {
        MediaKind::Image => api::Content::Image(shown),
        MediaKind::Video => api::Content::Video(shown),
        MediaKind::VideoNote => api::Content::VideoNote(shown),
        MediaKind::Audio => api::Content::Audio(shown),
        MediaKind::Voice => api::Content::Voice(shown),
        MediaKind::Document => api::Content::Document(shown),
        MediaKind::Sticker => api::Content::Sticker(shown),
    }
}
