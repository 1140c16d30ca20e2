//! Media: files that messages carry, and what is known about each.
//!
//! The bytes are in the blob store under their [`Digest`]; a [`Media`] is one tenant's right to them, with a name, a type and an
//! end. Two uploads of the same bytes are two media and one file.

mod content;
mod media_type;
pub(crate) mod view;

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::error::Error;
use crate::id::{DeviceId, MediaId, MessageId, TenantId};
use crate::time::UtcMs;

pub use content::{MediaContent, RemoteFile};
pub use media_type::media_type;

/// The SHA-256 of what a file holds. Written in hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Digest([u8; 32]);

impl Digest {
    /// The hash as bytes.
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// A hash that was computed.
    pub fn new(hash: [u8; 32]) -> Self {
        Self(hash)
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Digest({self})")
    }
}

impl From<Digest> for String {
    fn from(digest: Digest) -> Self {
        digest.to_string()
    }
}

impl FromStr for Digest {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let mut hash = [0; 32];
        match hex::decode_to_slice(text, &mut hash) {
            Ok(()) => Ok(Self(hash)),
            Err(_) => Err(Error::invalid("digest", "must be 64 hexadecimal digits")),
        }
    }
}

impl TryFrom<String> for Digest {
    type Error = Error;

    fn try_from(text: String) -> Result<Self, Error> {
        text.parse()
    }
}

/// Where a file came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MediaOrigin {
    /// Its bytes came with a request.
    Upload,
    /// It was fetched by a URL that a request named.
    Url,
    /// It was fetched from WhatsApp, for a message that came in.
    Incoming,
}

impl MediaOrigin {
    /// Every origin.
    pub const ALL: [Self; 3] = [Self::Upload, Self::Url, Self::Incoming];

    /// The name in the API and in storage.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Upload => "upload",
            Self::Url => "url",
            Self::Incoming => "incoming",
        }
    }

    /// The origin of that name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|o| o.as_str() == name)
    }
}

/// One stored file of a tenant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Media {
    /// Its id.
    pub id: MediaId,
    /// Whose it is.
    pub tenant: TenantId,
    /// Which file.
    pub digest: Digest,
    /// The file's size.
    pub bytes: u64,
    /// Its type, such as `image/jpeg`: what its bytes say, and where they say nothing, what was declared.
    pub media_type: String,
    /// Its name, if it has one.
    pub file_name: Option<String>,
    /// Where it came from.
    pub origin: MediaOrigin,
    /// The device of the message it came with.
    pub device: Option<DeviceId>,
    /// The message it came with.
    pub message: Option<MessageId>,
    /// When it was stored.
    pub created_at: UtcMs,
    /// When it is removed.
    pub expires_at: UtcMs,
}

/// What a tenant's files take up.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct MediaUsage {
    /// How many there are.
    pub files: u64,
    /// Their sizes together.
    pub bytes: u64,
}

/// What a file is sent or received as.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MediaKind {
    /// A picture.
    Image,
    /// A film.
    Video,
    /// A short round film, recorded in the chat.
    VideoNote,
    /// Sound.
    Audio,
    /// Sound recorded in the chat.
    Voice,
    /// Any file.
    Document,
    /// A sticker.
    Sticker,
}

impl MediaKind {
    /// As one word, in the API and in storage.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Image => "image",
            Self::Video => "video",
            Self::VideoNote => "video_note",
            Self::Audio => "audio",
            Self::Voice => "voice",
            Self::Document => "document",
            Self::Sticker => "sticker",
        }
    }

    /// Whether a message of this kind can carry a text under its file.
    pub fn has_caption(self) -> bool {
        matches!(self, Self::Image | Self::Video | Self::Document)
    }

    /// Whether WhatsApp shows a file of that type as this kind.
    pub fn takes(self, media_type: &str) -> bool {
        match self {
            Self::Image => matches!(media_type, "image/jpeg" | "image/png" | "image/webp"),
            Self::Video | Self::VideoNote => matches!(media_type, "video/mp4" | "video/3gpp" | "video/quicktime"),
            Self::Audio => media_type.starts_with("audio/"),
            Self::Voice => media_type == "audio/ogg",
            Self::Document => true,
            Self::Sticker => media_type == "image/webp",
        }
    }

    /// The types it takes, for people.
    pub fn types(self) -> &'static str {
        match self {
            Self::Image => "image/jpeg, image/png or image/webp",
            Self::Video | Self::VideoNote => "video/mp4, video/3gpp or video/quicktime",
            Self::Audio => "any audio type",
            Self::Voice => "audio/ogg with Opus",
            Self::Document => "any type",
            Self::Sticker => "image/webp",
        }
    }
}
