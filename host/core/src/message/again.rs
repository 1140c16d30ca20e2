//! Sending what a message says once more: forwarding it to others, and a second try after it failed.

use super::context::NewContext;
use super::file::{FileSource, NewFile};
use super::send::{self, NewContent, NewMessage};
use super::{Content, Direction, Message, MessageStatus, lookup};
use crate::access::authorize::Action;
use crate::context::OpContext;
use crate::error::{Error, Result};
use crate::id::{DeviceId, MessageId};
use crate::media::incoming;

/// From so many times on, phones say that a message was forwarded many times.
const FORWARDED_OFTEN: u32 = 5;
/// How WhatsApp writes that it was.
const OFTEN: u32 = 127;

/// Forwards a message to somebody, marked as forwarded. Gives the new message. A file that came in is fetched first.
pub async fn forward(ctx: &OpContext, device: &DeviceId, message: &MessageId, to: String) -> Result<Message> {
    ctx.device(device).require(Action::Send).await?;
    let message = lookup::get(ctx, device, message).await?;
    if message.state.revoked_at.is_some() {
        return Err(refused("the message was deleted for everybody"));
    }
    let count = message.context.forwarded.map_or(1, |count| count.saturating_add(1));
    let count = if count >= FORWARDED_OFTEN { OFTEN } else { count };
    let content = said(ctx, &message).await?;
    send::send(ctx, device, NewMessage { to, content, context: NewContext::forwarded(count) }).await
}

/// Sends a message that failed once more, as a new one. Gives the new message.
pub async fn resend(ctx: &OpContext, device: &DeviceId, message: &MessageId) -> Result<Message> {
    ctx.device(device).require(Action::Send).await?;
    let message = lookup::get(ctx, device, message).await?;
    if message.direction != Direction::Out || message.status != MessageStatus::Failed {
        return Err(refused("only a message that failed can be sent again"));
    }
    let content = said(ctx, &message).await?;
    let context = NewContext::again(&message.context);
    send::send(ctx, device, NewMessage { to: message.chat.id, content, context }).await
}

fn refused(why: &str) -> Error {
    Error::Conflict { code: "message_not_changeable", why: why.to_owned() }
}

/// What a message says, to send.
async fn said(ctx: &OpContext, message: &Message) -> Result<NewContent> {
    match &message.content {
        Content::Text { text } => Ok(NewContent::Text { text: text.clone() }),
        Content::Rich(rich) => Ok(NewContent::Rich((**rich).clone())),
        Content::Media(content) => {
            let media = incoming::of_message(ctx, &message.device, &message.id).await?;
            Ok(NewContent::Media(NewFile {
                kind: content.kind,
                source: FileSource::Upload(media.id),
                declared: None,
                file_name: content.file_name.clone(),
                caption: content.caption.clone(),
            }))
        }
        Content::Change(_) | Content::Other { .. } => {
            let kind = message.content.kind();
            Err(Error::Unsupported {
                why: format!("what messages of type `{kind}` say is not kept, and can't be sent"),
            })
        }
    }
}
