//! Files of messages that came in.

use async_trait::async_trait;

use crate::error::Result;
use crate::id::DeviceId;
use crate::model::media::{Digest, MediaKind, RemoteFile};
use crate::ports::blobs::ByteSource;

/// A file that WhatsApp has.
#[derive(Clone)]
pub struct RemoteMedia {
    /// The WhatsApp id of the message it came with.
    pub whatsapp_id: String,
    /// What it was received as.
    pub kind: MediaKind,
    /// Where it is and how it is opened, as the session reported it with the message.
    pub file: RemoteFile,
    /// Bytes of it that are fetched at most.
    pub bytes_max: u64,
}

/// A stored picture that a group or the own profile is to show.
#[derive(Clone, Copy, Debug)]
pub struct Picture {
    /// The file.
    pub digest: Digest,
    /// Its size.
    pub bytes: u64,
}

/// Fetching files.
#[async_trait]
pub trait Files: Send + Sync {
    /// Fetches and decrypts a file, to its end, and checks that nobody changed it. Then gives its bytes.
    ///
    /// `Gone` with `media_gone` when WhatsApp does not have it any more, `TooLarge` when it is larger than `bytes_max`.
    async fn fetch(&self, device: &DeviceId, file: &RemoteMedia) -> Result<Box<dyn ByteSource>>;
}
