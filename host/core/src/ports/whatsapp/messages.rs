//! Sending messages.

use async_trait::async_trait;

use crate::address::Party;
use crate::error::{Error, Result};
use crate::id::DeviceId;
use crate::model::message::{Content, Message};

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
}

/// What can be sent. Smaller than what can be stored ([`Content`]): a kind is added here when sending it works.
#[derive(Clone, PartialEq, Eq)]
pub enum OutgoingContent {
    /// Text.
    Text {
        /// The text.
        text: String,
    },
}

/// Shows the kind only: texts of messages must not end up in logs.
impl std::fmt::Debug for OutgoingContent {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Text { .. } => f.write_str("OutgoingContent(text)"),
        }
    }
}

/// A stored message as it is handed to WhatsApp. `Unsupported` for a kind that can't be sent.
impl TryFrom<&Message> for Outgoing {
    type Error = Error;

    fn try_from(message: &Message) -> Result<Self> {
        let content = match &message.content {
            Content::Text { text } => OutgoingContent::Text { text: text.clone() },
            Content::Other { kind, .. } => {
                let why = format!("messages of type `{kind}` can't be sent yet; `text` can");
                return Err(Error::Unsupported { why });
            }
        };
        Ok(Self { whatsapp_id: message.whatsapp_id.clone(), to: message.chat.clone(), content })
    }
}

/// Sending messages through the sessions of this process.
#[async_trait]
pub trait Messages: Send + Sync {
    /// Encrypts the message and writes it to the socket. WhatsApp's answer comes later, as a [`super::Step`] in the inbox.
    ///
    /// Messages of one device go out in the order of the calls when each call is awaited before the next.
    async fn send(&self, device: &DeviceId, message: &Outgoing) -> Result<()>;
}
