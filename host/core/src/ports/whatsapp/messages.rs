//! Sending messages.

use async_trait::async_trait;

use super::inbox::ReceiptKind;
use crate::address::Party;
use crate::error::{Error, Result};
use crate::id::DeviceId;
use crate::model::media::{Digest, MediaContent, MediaKind};
use crate::model::message::{Changing, Content, Message, MessageContext, Rich, Target};

/// A message to send.
#[derive(Clone, Debug)]
pub struct Outgoing {
    /// WhatsApp's id of the message, chosen and stored before it is sent. A repeated send carries the same id, which
    /// receivers recognize as the same message.
    pub whatsapp_id: String,
    /// The chat.
    pub to: Party,
    /// What to send.
    pub content: OutgoingContent,
    /// What is around it.
    pub context: MessageContext,
}

/// What can be sent. Smaller than what can be stored ([`Content`]): a kind is added here when sending it works.
#[derive(Clone, PartialEq, Eq)]
pub enum OutgoingContent {
    /// Text.
    Text {
        /// The text.
        text: String,
    },
    /// A file.
    Media(OutgoingMedia),
    /// Something with a form of its own.
    Rich(Rich),
    /// A change to a message of the chat.
    Change(Changing),
}

/// A file to send. Its bytes are in the blob store.
#[derive(Clone, PartialEq, Eq)]
pub struct OutgoingMedia {
    /// What it is sent as.
    pub kind: MediaKind,
    /// The file.
    pub digest: Digest,
    /// Its size.
    pub bytes: u64,
    /// Its type.
    pub media_type: String,
    /// Its name.
    pub file_name: Option<String>,
    /// The text under it.
    pub caption: Option<String>,
}

/// Shows the kind only: texts of messages must not end up in logs.
impl std::fmt::Debug for OutgoingContent {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Text { .. } => f.write_str("OutgoingContent(text)"),
            Self::Media(media) => write!(f, "OutgoingContent({})", media.kind.as_str()),
            Self::Rich(rich) => write!(f, "OutgoingContent({})", rich.kind()),
            Self::Change(changing) => write!(f, "OutgoingContent({})", changing.change.kind()),
        }
    }
}

/// A stored message as it is handed to WhatsApp. `Unsupported` for a kind that can't be sent.
impl TryFrom<&Message> for Outgoing {
    type Error = Error;

    fn try_from(message: &Message) -> Result<Self> {
        let content = match &message.content {
            Content::Text { text } => OutgoingContent::Text { text: text.clone() },
            Content::Media(media) => OutgoingContent::Media(outgoing_media(media)?),
            Content::Rich(rich) => OutgoingContent::Rich((**rich).clone()),
            Content::Change(changing) => OutgoingContent::Change((**changing).clone()),
            Content::Other { kind, .. } => {
                let why = format!("messages of type `{kind}` can't be sent yet; `text` can");
                return Err(Error::Unsupported { why });
            }
        };
        let (whatsapp_id, to, context) = (message.whatsapp_id.clone(), message.chat.clone(), message.context.clone());
        Ok(Self { whatsapp_id, to, content, context })
    }
}

fn outgoing_media(media: &MediaContent) -> Result<OutgoingMedia> {
    let (Some(digest), Some(bytes), Some(media_type)) = (media.digest, media.bytes, media.media_type.clone()) else {
        return Err(Error::internal("sending a file", "the message names none"));
    };
    let (file_name, caption) = (media.file_name.clone(), media.caption.clone());
    Ok(OutgoingMedia { kind: media.kind, digest, bytes, media_type, file_name, caption })
}

/// How far this account is with somebody's message.
#[derive(Clone, Debug)]
pub struct SentReceipt {
    /// The chat.
    pub chat: Party,
    /// Who wrote it.
    pub author: Party,
    /// WhatsApp's id of the message.
    pub whatsapp_id: String,
    /// How far.
    pub kind: ReceiptKind,
}

/// Sending messages through the sessions of this process.
#[async_trait]
pub trait Messages: Send + Sync {
    /// Encrypts the message and writes it to the socket. WhatsApp's answer comes later, as a [`super::Step`] in the inbox.
    ///
    /// Messages of one device go out in the order of the calls when each call is awaited before the next.
    async fn send(&self, device: &DeviceId, message: &Outgoing) -> Result<()>;

    /// Stars a message on all devices of the account, or takes the star away. Returns when WhatsApp's server has it.
    async fn star(&self, device: &DeviceId, chat: &Party, of: &Target, starred: bool) -> Result<()>;

    /// Tells the author of a message how far this account is with it. Whether the author sees it, the account's privacy
    /// settings say.
    async fn send_receipt(&self, device: &DeviceId, receipt: &SentReceipt) -> Result<()>;
}
