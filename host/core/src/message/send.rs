//! Sending: a message is stored with its WhatsApp id first; a worker takes it to the network.

use super::{Content, Direction, Message, MessageStatus, StatusTimes};
use crate::access::Scope;
use crate::address::Recipient;
use crate::context::{Once, OpContext};
use crate::device::lookup;
use crate::error::{Error, Result};
use crate::id::{DeviceId, MessageId};
use crate::ports::Tx;

/// What to send.
#[derive(Clone, Debug)]
pub struct NewMessage {
    /// A number or JID, as the caller wrote it.
    pub to: String,
    /// What it says.
    pub content: Content,
}

/// Takes a message for sending. When this returns, the message is durable and will be sent once, also after a crash; its
/// progress is told in events. With the same `Idempotency-Key` it returns the message made first.
pub async fn send(ctx: &OpContext, device: &DeviceId, new: NewMessage) -> Result<Message> {
    ctx.caller.require(Scope::MessagesWrite)?;
    let device = {
        let mut tx = ctx.ports().store.read().await?;
        if let Some(made) = ctx.made_before(&mut *tx).await? {
            return find_made(ctx, &mut *tx, device, &made).await;
        }
        let device = lookup::find_in(&mut *tx, ctx.tenant(), device).await?;
        // Those that come at the same moment may exceed the limit a little; counting must not hold up who writes.
        let limit = ctx.ports().limits.queued_per_device;
        if tx.message_count_queued(&device.id).await? >= limit {
            let why = format!("{limit} messages of this device wait already, the limit; wait for some to be sent");
            return Err(Error::Busy { why, retry_after: std::time::Duration::from_secs(5) });
        }
        device
    };
    let ready = device.ready()?;
    let to = Recipient::parse("to", &new.to)?;
    if matches!(to, Recipient::Group(_) | Recipient::Newsletter(_)) {
        let why = "messages to groups and channels can't be sent yet; to people they can".to_owned();
        return Err(Error::Unsupported { why });
    }
    check_content(ctx, &new.content)?;
    let chat = ctx.services.sessions.resolve(&ready.device().id, &to).await?;
    let now = ctx.now();
    let message = Message {
        id: ctx.ports().fresh(MessageId::new),
        tenant: ctx.tenant().clone(),
        device: device.id.clone(),
        direction: Direction::Out,
        chat,
        sender: None,
        sender_name: None,
        whatsapp_id: whatsapp_id(ctx),
        content: new.content,
        status: MessageStatus::Queued,
        error: None,
        created_at: now,
        timestamp: now,
        times: StatusTimes::default(),
    };
    let mut tx = ctx.ports().store.write().await?;
    if let Once::Made(made) = ctx.once(&mut *tx, message.id.as_str()).await? {
        let found = find_made(ctx, &mut *tx, &device.id, &made).await?;
        // What made it may share this commit.
        tx.commit().await?;
        return Ok(found);
    }
    tx.message_insert(std::slice::from_ref(&message)).await?;
    tx.commit().await?;
    ctx.ports().waker.outgoing(&device.id);
    Ok(message)
}

async fn find_made(ctx: &OpContext, tx: &mut dyn Tx, device: &DeviceId, made: &str) -> Result<Message> {
    let id: MessageId = made.parse()?;
    tx.message_find(ctx.tenant(), device, &id).await?.ok_or_else(|| Error::not_found("message", id))
}

fn check_content(ctx: &OpContext, content: &Content) -> Result<()> {
    match content {
        Content::Text { text } => {
            let max = ctx.ports().limits.text_chars_max;
            let count = text.chars().count();
            if text.trim().is_empty() || count > max {
                return Err(Error::invalid(
                    "content.text",
                    format!("must have 1 to {max} characters and not only blanks"),
                ));
            }
            Ok(())
        }
        Content::Other { kind, .. } => {
            Err(Error::Unsupported { why: format!("messages of type `{kind}` can't be sent yet; `text` can") })
        }
    }
}

/// An id as WhatsApp Web makes them: `3EB0` and 18 hexadecimal digits in upper case (whatsapp-rust 0.7 does the same).
fn whatsapp_id(ctx: &OpContext) -> String {
    let mut bytes = [0; 9];
    ctx.ports().rng.fill(&mut bytes);
    format!("3EB0{}", hex::encode_upper(bytes))
}
