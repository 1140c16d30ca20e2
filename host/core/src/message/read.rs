//! Telling others that their messages were read or played.

use super::{Message, MessageStatus, change};
use crate::access::authorize::{Action, DeviceAccess};
use crate::context::{OpContext, Write};
use crate::device::Device;
use crate::error::{Error, Result};
use crate::id::{DeviceId, MessageId};
use crate::model::media::MediaKind;
use crate::model::message::Content;
use crate::ports::Tx;
use crate::ports::whatsapp::{ReceiptKind, SentReceipt};

/// Tells the author of a message that it was read. Gives the message with the time.
pub async fn read(ctx: &OpContext, device: &DeviceId, message: &MessageId) -> Result<Message> {
    let access = ctx.device(device).require(Action::Send).await?;
    tell(access, message, ReceiptKind::Read).await
}

/// Tells the author of a sound or a film that it was played, and so read. Gives the message with the times.
pub async fn played(ctx: &OpContext, device: &DeviceId, message: &MessageId) -> Result<Message> {
    let access = ctx.device(device).require(Action::Send).await?;
    tell(access, message, ReceiptKind::Played).await
}

async fn tell(access: DeviceAccess<'_>, message: &MessageId, kind: ReceiptKind) -> Result<Message> {
    if let Some(answer) = access.answered_before().await? {
        return Ok(answer);
    }
    access.ready()?;
    let id = message.clone();
    let target = access.read(move |tx: &mut dyn Tx, device: &Device| change::find(tx, device, &id)).await?;
    let Some(author) = target.sender.clone() else {
        let why = "the message is of this account itself; only those of others can be read".to_owned();
        return Err(Error::Conflict { code: "message_not_changeable", why });
    };
    if kind == ReceiptKind::Played && !is_played(&target.content) {
        let why = "only sounds and films can be played; read the message instead".to_owned();
        return Err(Error::Conflict { code: "message_not_changeable", why });
    }
    let receipt = SentReceipt { chat: target.chat, author, whatsapp_id: target.whatsapp_id, kind };
    access.services().sessions.send_receipt(&access.id, &receipt).await?;
    let id = message.clone();
    access.write(move |tx: &mut Write<'_>, device: &Device| told(tx, device, &id, kind)).await
}

fn is_played(content: &Content) -> bool {
    match content {
        Content::Media(media) => {
            matches!(media.kind, MediaKind::Voice | MediaKind::Audio | MediaKind::Video | MediaKind::VideoNote)
        }
        _ => false,
    }
}

/// Keeps when the author was told, the first time.
fn told(tx: &mut Write<'_>, device: &Device, id: &MessageId, kind: ReceiptKind) -> Result<Message> {
    let found = tx.message_lock(&device.tenant, &device.id, id)?;
    let mut message = found.ok_or_else(|| Error::not_found("message", id))?;
    debug_assert_eq!(message.status, MessageStatus::Received, "only messages of others are told of");
    let now = Some(tx.now());
    message.times.read = message.times.read.or(now);
    if kind == ReceiptKind::Played {
        message.times.played = message.times.played.or(now);
    }
    tx.message_progress(std::slice::from_ref(&message))?;
    Ok(message)
}
