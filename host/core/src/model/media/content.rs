//! What a message with a file says: the facts about the file, and where it is.

use base64::Engine;
use base64::prelude::BASE64_STANDARD_NO_PAD;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::{Digest, MediaKind};
use crate::id::MediaId;

/// A file in a message, as it is stored with the message.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MediaContent {
    /// What it is sent or received as.
    pub kind: MediaKind,
    /// Its type; absent on incoming messages that name none.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub media_type: Option<String>,
    /// Its size; absent on incoming messages that name none.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub bytes: Option<u64>,
    /// Its name.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub file_name: Option<String>,
    /// The text under it.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub caption: Option<String>,
    /// Pixels across.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub width: Option<u32>,
    /// Pixels down.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub height: Option<u32>,
    /// How long it plays.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub seconds: Option<u32>,
    /// The tenant's medium, on messages that are sent from here.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub media: Option<MediaId>,
    /// The file, on messages that are sent from here.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub digest: Option<Digest>,
    /// Where WhatsApp has it, on messages that came in.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub remote: Option<RemoteFile>,
}

impl MediaContent {
    /// A file of which nothing is known but what it is sent as.
    pub fn of(kind: MediaKind) -> Self {
        Self {
            kind,
            media_type: None,
            bytes: None,
            file_name: None,
            caption: None,
            width: None,
            height: None,
            seconds: None,
            media: None,
            digest: None,
            remote: None,
        }
    }
}

/// Where WhatsApp has a file and how it is opened, sealed by whoever talks to WhatsApp; nobody else reads it.
#[derive(Clone, PartialEq, Eq)]
pub struct RemoteFile(pub Vec<u8>);

impl Serialize for RemoteFile {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&BASE64_STANDARD_NO_PAD.encode(&self.0))
    }
}

impl<'de> Deserialize<'de> for RemoteFile {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        BASE64_STANDARD_NO_PAD.decode(text).map(Self).map_err(serde::de::Error::custom)
    }
}
