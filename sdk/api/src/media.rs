//! Media: files that are uploaded, sent and received.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::Timestamp;

/// Where a file came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum MediaOrigin {
    /// Its bytes came with a request.
    Upload,
    /// It was fetched by a URL that a request named.
    Url,
    /// It was fetched from WhatsApp, for a message that came in.
    Incoming,
}

/// One stored file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Media {
    /// Its id; send it as `{"upload": id}`.
    pub id: String,
    /// Its size.
    pub bytes: u64,
    /// Its type: what its bytes say, and where they say nothing, what was declared.
    #[cfg_attr(feature = "openapi", schema(example = "image/jpeg"))]
    pub media_type: String,
    /// Its name.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub file_name: Option<String>,
    /// The SHA-256 of its bytes, in hexadecimal digits.
    pub sha256: String,
    /// Where it came from.
    pub origin: MediaOrigin,
    /// The device of the message it came with, or of the key it was stored with.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub device: Option<String>,
    /// The message it came with.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub message: Option<String>,
    /// When it was stored.
    pub created_at: Timestamp,
    /// When it is removed.
    pub expires_at: Timestamp,
}

/// A file to store: `data` or `url`.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct NewMedia {
    /// Its bytes in base64; a `data:` URL is taken too. May be as long as a file may be.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub data: Option<String>,
    /// Where to fetch it: `http` or `https`.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub url: Option<String>,
    /// Its type, if that is known. One that its bytes contradict is refused.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub media_type: Option<String>,
    /// Its name.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub file_name: Option<String>,
}

/// A file to send: one of `upload`, `url` and `data`.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct MediaRef {
    /// The `id` of a stored file.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub upload: Option<String>,
    /// Where to fetch it: `http` or `https`.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub url: Option<String>,
    /// Its bytes in base64; a `data:` URL is taken too. The whole request must fit the limit of bodies: upload larger files
    /// first.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub data: Option<String>,
    /// Its type, if that is known; with `url` and `data`. One that its bytes contradict is refused.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub media_type: Option<String>,
    /// Its name, instead of the one it was stored with.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub file_name: Option<String>,
}

/// A message to send that is a file. Which fields there may be is decided where its type is read.
#[derive(Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct NewMediaContent {
    /// The file.
    pub media: MediaRef,
    /// The text under it; images, videos and documents can have one.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub caption: Option<String>,
}

/// A message that is a file.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct MediaContent {
    /// The file.
    pub media: MessageMedia,
    /// The text under it.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub caption: Option<String>,
}

/// The file of a message.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct MessageMedia {
    /// The path that gives its bytes.
    pub url: String,
    /// The stored file it was sent from.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub id: Option<String>,
    /// Its type, as the sender names it.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub media_type: Option<String>,
    /// Its size, as the sender names it.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub bytes: Option<u64>,
    /// Its name.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub file_name: Option<String>,
    /// Pixels across.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub width: Option<u32>,
    /// Pixels down.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub height: Option<u32>,
    /// How long it plays.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub seconds: Option<u32>,
}

/// A link to a file, for whoever has it: no key is needed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct MediaLink {
    /// Where the file is: below `server.public_url`.
    #[cfg_attr(feature = "openapi", schema(example = "https://gateway.example.com/v1/links/med_01j"))]
    pub url: String,
    /// The last segment of the URL.
    pub token: String,
    /// When the link ends.
    pub expires_at: Timestamp,
}

/// The path that gives the bytes of the file that a link leads to.
pub fn media_link_path(token: &str) -> String {
    format!("/v1/links/{token}")
}

/// The path that gives the bytes of a message's file.
pub fn message_media_path(device: &str, message: &str) -> String {
    format!("/v1/devices/{device}/messages/{message}/media")
}

/// Hides the bytes and the address: bodies end up in logs.
impl fmt::Debug for MediaRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MediaRef").field("upload", &self.upload).finish_non_exhaustive()
    }
}
