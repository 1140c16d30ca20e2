//! A file on its way to WhatsApp's media host, and the message that tells of it.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use portico_core::error::{Error, Result};
use portico_core::media::{Digest, MediaKind};
use portico_core::ports::whatsapp::OutgoingMedia;
use portico_core::time::UtcMs;
use whatsapp_rust::buffa::MessageField;
use whatsapp_rust::media::{self, AudioOptions, DocumentOptions, ImageOptions, VideoOptions};
use whatsapp_rust::upload::UploadResponse;
use whatsapp_rust::waproto::whatsapp::Message;
use whatsapp_rust::waproto::whatsapp::message::StickerMessage;
use whatsapp_rust::{Client, ErrorChainExt};

use super::preview::Preview;
use super::stage;
use crate::failure;
use crate::session::Session;

/// How voice messages are declared, so that phones show them as such.
const VOICE: &str = "audio/ogg; codecs=opus";

/// The message for a file. The file is uploaded, unless it was not long ago.
pub(crate) async fn message(session: &Session, client: &Client, file: &OutgoingMedia) -> Result<Message> {
    let context = &session.context;
    let now = context.clock.now();
    if let Some(known) = session.uploads.get(file, now) {
        return Ok(told(file, known));
    }
    let uploading = async {
        let _permit = context.transfers.acquire().await.map_err(|e| Error::internal("uploading a file", e))?;
        upload(session, client, file).await
    };
    let timed = tokio::time::timeout(context.limits.file_timeout, uploading).await;
    let uploaded = timed.unwrap_or_else(|_| Err(failure::unreachable("uploading the file took too long")))?;
    let until = now + context.limits.uploads_remembered;
    session.uploads.put(file, uploaded.clone(), until, context.limits.uploads_remembered_max);
    Ok(told(file, uploaded))
}

async fn upload(session: &Session, client: &Client, file: &OutgoingMedia) -> Result<Uploaded> {
    let context = &session.context;
    let source = context.blobs.get(&file.digest, 0..file.bytes).await?;
    let mut source = source.ok_or_else(|| {
        let why = "the file of this message was deleted before it was sent; upload it again".to_owned();
        Error::Gone { code: "media_gone", why }
    })?;
    let staged = stage::stage(&context.config.staging, file.kind, &mut *source).await?;
    let uploaded = client.upload_stream(staged.source, staged.info, super::media_type(file.kind)).await;
    let uploaded = uploaded.map_err(|error| match error.http_status() {
        Some(413) => Error::TooLarge { what: "the file, for WhatsApp,", limit_bytes: file.bytes.saturating_sub(1) },
        Some(status) => failure::unreachable(format!("the media host answered with status {status}")),
        None => failure::unreachable("the media host can't be reached"),
    })?;
    Ok(Uploaded { response: uploaded, preview: staged.preview })
}

/// A file that WhatsApp's media host has.
#[derive(Clone)]
struct Uploaded {
    response: UploadResponse,
    preview: Option<Preview>,
}

/// The message that tells of an uploaded file.
fn told(file: &OutgoingMedia, uploaded: Uploaded) -> Message {
    let Uploaded { response, preview } = uploaded;
    let (mimetype, caption) = (Some(file.media_type.clone()), file.caption.clone());
    let jpeg_thumbnail = preview.as_ref().and_then(|preview| preview.jpeg.clone());
    let (width, height) = preview.map(|preview| (preview.width, preview.height)).unzip();
    match file.kind {
        MediaKind::Image => {
            let options = ImageOptions { caption, mimetype, jpeg_thumbnail, ..ImageOptions::default() };
            let mut message = media::image_message(response, options);
            if let Some(image) = message.image_message.as_option_mut() {
                (image.width, image.height) = (width, height);
            }
            message
        }
        MediaKind::Video | MediaKind::VideoNote => {
            media::video_message(response, VideoOptions { caption, mimetype, ..VideoOptions::default() })
        }
        MediaKind::Audio => media::audio_message(response, AudioOptions { mimetype, ..AudioOptions::default() }),
        MediaKind::Voice => {
            let mimetype = Some(VOICE.to_owned());
            media::audio_message(response, AudioOptions { mimetype, ptt: Some(true), ..AudioOptions::default() })
        }
        MediaKind::Document => {
            let file_name = file.file_name.clone();
            let options = DocumentOptions {
                mimetype,
                title: file_name.clone(),
                file_name,
                caption,
                ..DocumentOptions::default()
            };
            media::document_message(response, options)
        }
        MediaKind::Sticker => {
            let sticker = StickerMessage {
                url: Some(response.url),
                direct_path: Some(response.direct_path),
                media_key: Some(response.media_key.to_vec()),
                file_sha256: Some(response.file_sha256.to_vec()),
                file_enc_sha256: Some(response.file_enc_sha256.to_vec()),
                file_length: Some(response.file_length),
                media_key_timestamp: Some(response.media_key_timestamp),
                mimetype,
                width,
                height,
                ..StickerMessage::default()
            };
            Message { sticker_message: MessageField::some(sticker), ..Message::default() }
        }
    }
}

/// Files that were uploaded not long ago: one that goes to many is uploaded once. Bounded; what ends first is dropped first.
#[derive(Default)]
pub(crate) struct Uploads(Mutex<Known>);

/// What each file was uploaded as, and until when that is remembered.
type Known = HashMap<(Digest, &'static str), (Uploaded, UtcMs)>;

impl Uploads {
    fn get(&self, file: &OutgoingMedia, now: UtcMs) -> Option<Uploaded> {
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        known.get(&key(file)).filter(|(_, until)| now < *until).map(|(uploaded, _)| uploaded.clone())
    }

    fn put(&self, file: &OutgoingMedia, uploaded: Uploaded, until: UtcMs, max: usize) {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if known.len() >= max
            && let Some(first) = known.iter().min_by_key(|(_, (_, until))| *until).map(|(key, _)| *key)
        {
            known.remove(&first);
        }
        if max > 0 {
            known.insert(key(file), (uploaded, until));
        }
    }
}

/// The same bytes are encrypted in another way as another kind.
fn key(file: &OutgoingMedia) -> (Digest, &'static str) {
    (file.digest, file.kind.as_str())
}
