//! Sending: a message is stored with its WhatsApp id first; a worker takes it to the network.

use super::context::NewContext;
use super::file::{self, FileSource, NewFile};
use super::{Content, Direction, Message, MessageState, MessageStatus, Rich, StatusTimes};
use crate::access::authorize::Action;
use crate::address::Recipient;
use crate::context::OpContext;
use crate::context::Write;
use crate::device::Device;
use crate::error::{Error, Result};
use crate::id::{DeviceId, MessageId};
use crate::limits::Limits;
use crate::ports::{Rng, Topic, Tx};

/// What to send.
#[derive(Clone, Debug)]
pub struct NewMessage {
    /// A number or JID, as the caller wrote it.
    pub to: String,
    /// What it says.
    pub content: NewContent,
    /// What is to be around it.
    pub context: NewContext,
}

/// What a message to send says.
#[derive(Clone)]
pub enum NewContent {
    /// Text.
    Text {
        /// The text.
        text: String,
    },
    /// A file.
    Media(NewFile),
    /// Something with a form of its own.
    Rich(Rich),
    /// A type that can't be sent yet.
    Planned(&'static str),
}

/// Hides the text: requests end up in logs.
impl std::fmt::Debug for NewContent {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Text { .. } => f.write_str("NewContent(text)"),
            Self::Media(file) => write!(f, "NewContent({})", file.kind.as_str()),
            Self::Rich(rich) => write!(f, "NewContent({})", rich.kind()),
            Self::Planned(kind) => write!(f, "NewContent({kind})"),
        }
    }
}

impl NewContent {
    /// Whether taking it means to fetch a file from somewhere else first, which may take its time.
    pub fn is_fetched(&self) -> bool {
        matches!(self, Self::Media(NewFile { source: FileSource::Url(_), .. }))
    }
}

/// Takes a message for sending. When this returns, the message is durable and will be sent once, also after a crash; its
/// progress is told in events. With the same `Idempotency-Key` it returns the first request's answer.
pub async fn send(ctx: &OpContext, device: &DeviceId, new: NewMessage) -> Result<Message> {
    let device = ctx.device(device).require(Action::Send).await?;
    if let Some(answer) = device.answered_before().await? {
        return Ok(answer);
    }
    let ready = device.ready()?;
    let to = Recipient::parse("to", &new.to)?;
    if matches!(to, Recipient::Newsletter(_)) {
        let why = "messages to channels can't be sent yet; to people and groups they can".to_owned();
        return Err(Error::Unsupported { why });
    }
    check_content(ctx.limits(), &new.content)?;
    new.context.check(&new.content)?;
    let chat = device.services().sessions.resolve(&ready.device().id, &to).await?;
    let context = new.context.taken(&device, &chat).await?;
    let content = match new.content {
        NewContent::Text { text } => Content::Text { text },
        NewContent::Media(file) => Content::Media(Box::new(file::taken(ctx, device.tenant(), file).await?)),
        NewContent::Rich(rich) => Content::Rich(Box::new(rich)),
        NewContent::Planned(kind) => return Err(unsupported(kind)),
    };
    let ports = &device.services().ports;
    let now = ctx.now();
    let message = Message {
        id: ports.fresh(MessageId::new),
        tenant: device.tenant.clone(),
        device: device.id.clone(),
        direction: Direction::Out,
        chat,
        sender: None,
        sender_name: None,
        whatsapp_id: whatsapp_id(&*ports.rng),
        content,
        status: MessageStatus::Queued,
        error: None,
        created_at: now,
        timestamp: now,
        times: StatusTimes::default(),
        context,
        state: MessageState::default(),
    };
    device.write(move |tx, device| queue(tx, device, message)).await
}

/// A message that was taken, as it is now.
pub async fn look_again(ctx: &OpContext, message: &Message) -> Result<Message> {
    let device = ctx.device(&message.device).require(Action::Send).await?;
    let id = message.id.clone();
    let find = move |tx: &mut dyn Tx, device: &Device| {
        tx.message_find(&device.tenant, &device.id, &id)?.ok_or_else(|| Error::not_found("message", &id))
    };
    device.read(find).await
}

/// Stores a message that is to be sent.
pub(super) fn queue(tx: &mut Write<'_>, device: &Device, message: Message) -> Result<Message> {
    let limit = tx.limits().queued_per_device;
    let ports = tx.ports();
    if !ports.queue_lengths.admits(&device.id, limit, || tx.message_count_queued(&device.id))? {
        let why = format!("{limit} messages of this device wait already, the limit; wait for some to be sent");
        return Err(Error::Busy { why, retry_after: std::time::Duration::from_secs(5) });
    }
    if let Content::Media(content) = &message.content
        && let Some(media) = &content.media
    {
        let until = tx.now() + tx.limits().media_kept;
        if !tx.media_keep(&device.tenant, media, until)? {
            return Err(file::gone(media));
        }
    }
    tx.message_insert(std::slice::from_ref(&message))?;
    tx.wake(Topic::Outgoing(device.id.clone()));
    Ok(message)
}

fn check_content(limits: &Limits, content: &NewContent) -> Result<()> {
    match content {
        NewContent::Text { text } => check_text(limits, "content.text", text),
        NewContent::Media(file) => file.check(limits),
        NewContent::Rich(_) => Ok(()),
        NewContent::Planned(kind) => Err(unsupported(kind)),
    }
}

pub(super) fn check_text(limits: &Limits, field: &str, text: &str) -> Result<()> {
    let max = limits.text_chars_max;
    if text.trim().is_empty() || text.chars().count() > max {
        return Err(Error::invalid(field, format!("must have 1 to {max} characters and not only blanks")));
    }
    Ok(())
}

fn unsupported(kind: &str) -> Error {
    Error::Unsupported { why: format!("messages of type `{kind}` can't be sent yet; everything else of the list can") }
}

/// An id as WhatsApp Web makes them: `3EB0` and 18 hexadecimal digits in upper case (whatsapp-rust 0.7 does the same).
pub(super) fn whatsapp_id(rng: &dyn Rng) -> String {
    let mut bytes = [0; 9];
    rng.fill(&mut bytes);
    format!("3EB0{}", hex::encode_upper(bytes))
}
