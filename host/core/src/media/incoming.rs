//! The file of a message: stored already, or fetched from WhatsApp when somebody asks for it first.

use super::upload::{self, FileFacts};
use super::{Media, MediaContent, MediaOrigin, media_type};
use crate::access::authorize::{Action, DeviceAccess};
use crate::context::OpContext;
use crate::error::{Error, Result};
use crate::id::{DeviceId, MessageId};
use crate::model::device::Device;
use crate::model::message::{Content, Message};
use crate::ports::Tx;
use crate::ports::whatsapp::RemoteMedia;

/// The medium of a message. That of an incoming one is fetched from WhatsApp unless it is stored.
pub async fn of_message(ctx: &OpContext, device: &DeviceId, message: &MessageId) -> Result<Media> {
    let access = ctx.device(device).require(Action::SeeMessages).await?;
    let Found { message, stored } = access.read(find(message.clone())).await?;
    let content = file_of(&message)?;
    match stored {
        Some(stored) => Ok(stored),
        None => fetched(&access, &message, content).await,
    }
}

/// A message, and the medium it has if that is stored.
pub(super) struct Found {
    message: Message,
    stored: Option<Media>,
}

impl Found {
    /// Refuses a message without a file.
    pub(super) fn require_file(&self) -> Result<()> {
        file_of(&self.message).map(drop)
    }
}

/// What a message says of its file.
fn file_of(message: &Message) -> Result<&MediaContent> {
    match &message.content {
        Content::Media(content) => Ok(content),
        Content::Text { .. } | Content::Rich(_) | Content::Change(_) | Content::Other { .. } => {
            Err(Error::not_found("media", &message.id))
        }
    }
}

/// Reads a message and the medium it has.
pub(super) fn find(id: MessageId) -> impl FnOnce(&mut dyn Tx, &Device) -> Result<Found> + Send + 'static {
    move |tx, device| {
        let message = tx.message_find(&device.tenant, &device.id, &id)?;
        let message = message.ok_or_else(|| Error::not_found("message", &id))?;
        let sent_from = match &message.content {
            Content::Media(content) => content.media.as_ref(),
            Content::Text { .. } | Content::Rich(_) | Content::Change(_) | Content::Other { .. } => None,
        };
        let stored = match sent_from {
            Some(media) => tx.media_find(&device.tenant, media)?,
            None => tx.media_find_fetched(&device.tenant, &device.id, &id)?,
        };
        Ok(Found { message, stored })
    }
}

async fn fetched(access: &DeviceAccess<'_>, message: &Message, content: &MediaContent) -> Result<Media> {
    let Some(file) = content.remote.clone() else {
        let why = "the file of this message is no longer stored".to_owned();
        return Err(Error::Gone { code: "media_gone", why });
    };
    let tenant = access.tenant();
    let bytes_max = upload::room(tenant).await?;
    let remote = RemoteMedia { whatsapp_id: message.whatsapp_id.clone(), kind: content.kind, file, bytes_max };
    let services = access.services();
    let mut source = services.sessions.fetch(&access.id, &remote).await?;
    let stored = services.blobs.put(&mut *source, bytes_max).await?;
    // What the sender says of a file may be wrong; the bytes count.
    let declared = content.media_type.clone().filter(|said| media_type(&stored.head, Some(said)).is_ok());
    let facts = FileFacts { declared, file_name: content.file_name.clone(), origin: MediaOrigin::Incoming };
    upload::kept(tenant, stored, facts, Some((message.device.clone(), message.id.clone()))).await
}
