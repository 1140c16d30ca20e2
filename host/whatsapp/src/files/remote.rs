//! Where WhatsApp has the file of a message that came in, and how it is opened.

use portico_core::error::{Error, Result};
use portico_core::id::DeviceId;
use portico_core::media::{MediaContent, MediaKind, RemoteFile};
use portico_core::seal::Sealer;
use serde::{Deserialize, Serialize};
use whatsapp_rust::download::{DownloadParams, Downloadable};

/// As it is sealed. Bytes are hexadecimal digits.
#[derive(Serialize, Deserialize)]
struct Reference {
    direct_path: String,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    media_key: Option<String>,
    file_sha256: String,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    file_enc_sha256: Option<String>,
    bytes: u64,
}

/// Seals the reference to a message's file. `None` when the message does not say enough to fetch it.
pub(crate) fn seal(
    sealer: &Sealer,
    device: &DeviceId,
    whatsapp_id: &str,
    file: &dyn Downloadable,
) -> Option<RemoteFile> {
    let reference = Reference {
        direct_path: file.direct_path()?.to_owned(),
        media_key: file.media_key().map(hex::encode),
        file_sha256: hex::encode(file.file_sha256()?),
        file_enc_sha256: file.file_enc_sha256().map(hex::encode),
        bytes: file.file_length().unwrap_or(0),
    };
    let sealed = serde_json::to_vec(&reference).map_err(|e| Error::internal("keeping the reference to a file", e));
    match sealed.and_then(|plain| sealer.seal(&place(device, whatsapp_id), &plain)) {
        Ok(sealed) => Some(RemoteFile(sealed)),
        Err(error) => {
            tracing::error!(device.id = %device, error = &error as &dyn std::error::Error, "the file of a message can't be fetched later");
            None
        }
    }
}

/// Opens what [`seal`] closed.
pub(super) fn open(
    sealer: &Sealer,
    device: &DeviceId,
    whatsapp_id: &str,
    kind: MediaKind,
    file: &RemoteFile,
) -> Result<DownloadParams> {
    let failed = "reading the reference to a file";
    let plain = sealer.open(&place(device, whatsapp_id), &file.0)?;
    let reference: Reference = serde_json::from_slice(&plain).map_err(|e| Error::internal(failed, e))?;
    let bytes = |text: &str| hex::decode(text).map_err(|e| Error::internal(failed, e));
    Ok(DownloadParams {
        media_key: reference.media_key.as_deref().map(bytes).transpose()?,
        file_sha256: bytes(&reference.file_sha256)?,
        file_enc_sha256: reference.file_enc_sha256.as_deref().map(bytes).transpose()?,
        direct_path: reference.direct_path,
        file_length: reference.bytes,
        media_type: super::media_type(kind),
    })
}

/// What the sealed value is bound to: the message.
fn place(device: &DeviceId, whatsapp_id: &str) -> String {
    format!("file/{device}/{whatsapp_id}")
}

/// The facts that a message tells of its file.
pub(crate) struct Facts<'m> {
    pub(crate) kind: MediaKind,
    pub(crate) media_type: Option<&'m String>,
    pub(crate) file_name: Option<&'m String>,
    pub(crate) caption: Option<&'m String>,
    pub(crate) size: (Option<u32>, Option<u32>),
    pub(crate) seconds: Option<u32>,
    pub(crate) file: &'m dyn Downloadable,
}

/// Characters of a type or a name that are kept.
const CHARS_MAX: usize = 255;

impl Facts<'_> {
    /// As the core stores them. The caption is cut by the caller.
    pub(crate) fn content(&self, caption: Option<String>) -> MediaContent {
        let kept = |text: Option<&String>| {
            let text: String = text?.chars().filter(|c| !c.is_control()).take(CHARS_MAX).collect();
            (!text.is_empty()).then_some(text)
        };
        let (width, height) = self.size;
        MediaContent {
            media_type: kept(self.media_type),
            bytes: self.file.file_length(),
            file_name: kept(self.file_name),
            caption,
            width,
            height,
            seconds: self.seconds.filter(|seconds| *seconds > 0),
            ..MediaContent::of(self.kind)
        }
    }
}
