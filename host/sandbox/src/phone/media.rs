//! Media of a phone: encrypted, put on the media host and described in a message; and back.
//!
//! The phone sits inside the server, so it reaches the media host's store directly. The bytes there are the same
//! ciphertext a client uploads.

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};
use whatsapp_rust::buffa::MessageField;
use whatsapp_rust::wacore::download::{DownloadUtils, MediaType};
use whatsapp_rust::wacore::upload::{EncryptedMedia, encrypt_media};
use whatsapp_rust::waproto::whatsapp as wa;
use whatsapp_rust::waproto::whatsapp::message::{
    AudioMessage, DocumentMessage, ImageMessage, StickerMessage, VideoMessage,
};

use crate::Error;
use crate::clock::now_s;
use crate::media_host::MediaHost;

/// What a file is sent as.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MediaKind {
    /// A picture.
    Image,
    /// A film.
    Video,
    /// Sound.
    Audio,
    /// Any file.
    Document,
    /// A sticker.
    Sticker,
}

impl MediaKind {
    fn library(self) -> MediaType {
        match self {
            Self::Image => MediaType::Image,
            Self::Video => MediaType::Video,
            Self::Audio => MediaType::Audio,
            Self::Document => MediaType::Document,
            Self::Sticker => MediaType::Sticker,
        }
    }

    /// The word used in the inbox.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Image => "image",
            Self::Video => "video",
            Self::Audio => "audio",
            Self::Document => "document",
            Self::Sticker => "sticker",
        }
    }
}

/// A file to send.
#[derive(Debug, Clone)]
pub struct Media {
    /// What it is sent as.
    pub kind: MediaKind,
    /// Its type, for example `image/jpeg`.
    pub mime: String,
    /// Its content.
    pub bytes: Vec<u8>,
    /// Text under it (image, video, document).
    pub caption: Option<String>,
    /// Its name (document).
    pub file_name: Option<String>,
}

/// Where received media is and how to open it.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct MediaRef {
    pub(crate) kind: MediaKind,
    pub(crate) path: String,
    #[serde(with = "crate::bytes_text")]
    pub(crate) key: Vec<u8>,
}

/// Encrypts a file, puts it on the media host and describes it in a message.
pub(crate) fn upload(host: &MediaHost, media: &Media) -> Result<wa::Message, Error> {
    let EncryptedMedia { data_to_upload, media_key, file_sha256, file_enc_sha256, .. } =
        encrypt_media(&media.bytes, media.kind.library()).map_err(|error| Error::Media { why: error.to_string() })?;
    let path = host.put(&BASE64_URL_SAFE_NO_PAD.encode(file_enc_sha256), data_to_upload.into());
    let url = Some(host.url(&path));
    let (direct_path, mimetype) = (Some(path), Some(media.mime.clone()));
    let (media_key, file_sha256) = (Some(media_key.to_vec()), Some(file_sha256.to_vec()));
    let file_enc_sha256 = Some(file_enc_sha256.to_vec());
    let file_length = u64::try_from(media.bytes.len()).ok();
    let media_key_timestamp = i64::try_from(now_s()).ok();
    let caption = media.caption.clone();
    // The five kinds share these fields and no type.
    macro_rules! describe {
        ($kind:ident { $($more:ident: $value:expr),* }) => {
            MessageField::some($kind {
                url, direct_path, mimetype, media_key, file_sha256, file_enc_sha256, file_length,
                media_key_timestamp, $($more: $value,)* ..Default::default()
            })
        };
    }
    let mut message = wa::Message::default();
    match media.kind {
        MediaKind::Image => message.image_message = describe!(ImageMessage { caption: caption }),
        MediaKind::Video => message.video_message = describe!(VideoMessage { caption: caption }),
        MediaKind::Audio => message.audio_message = describe!(AudioMessage {}),
        MediaKind::Sticker => message.sticker_message = describe!(StickerMessage {}),
        MediaKind::Document => {
            let file_name = media.file_name.clone();
            message.document_message = describe!(DocumentMessage { caption: caption, file_name: file_name });
        }
    }
    Ok(message)
}

/// Fetches and opens received media.
pub(crate) fn download(host: &MediaHost, media: &MediaRef) -> Result<Vec<u8>, Error> {
    let sealed = host.get(&media.path).ok_or(Error::UnknownMedia)?;
    DownloadUtils::verify_and_decrypt(&sealed, &media.key, media.kind.library())
        .map_err(|error| Error::Media { why: error.to_string() })
}

/// What the inbox shows of a media message.
pub(crate) struct Shown {
    pub(crate) media: MediaRef,
    pub(crate) caption: Option<String>,
    pub(crate) mime: Option<String>,
    pub(crate) file_name: Option<String>,
    pub(crate) bytes: Option<u64>,
}

/// Reads the media of a message, if it has any.
pub(crate) fn read(message: &wa::Message) -> Option<Shown> {
    macro_rules! shown {
        ($field:ident, $kind:ident, $caption:expr, $name:expr) => {
            if let Some(one) = message.$field.as_option() {
                let caption: fn(&_) -> Option<String> = $caption;
                let file_name: fn(&_) -> Option<String> = $name;
                return Some(Shown {
                    media: MediaRef {
                        kind: MediaKind::$kind,
                        path: one.direct_path.clone()?,
                        key: one.media_key.clone()?,
                    },
                    caption: caption(one),
                    mime: one.mimetype.clone(),
                    file_name: file_name(one),
                    bytes: one.file_length,
                });
            }
        };
    }
    shown!(image_message, Image, |one: &ImageMessage| one.caption.clone(), |_| None);
    shown!(video_message, Video, |one: &VideoMessage| one.caption.clone(), |_| None);
    shown!(audio_message, Audio, |_: &AudioMessage| None, |_| None);
    shown!(sticker_message, Sticker, |_: &StickerMessage| None, |_| None);
    shown!(document_message, Document, |one: &DocumentMessage| one.caption.clone(), |one: &DocumentMessage| one
        .file_name
        .clone());
    None
}
