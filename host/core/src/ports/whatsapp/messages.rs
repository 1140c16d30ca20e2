//! Sending messages.

use async_trait::async_trait;

use crate::address::Party;
use crate::error::Result;
use crate::id::DeviceId;

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

/// What can be sent. Smaller than what can be stored ([`crate::message::Content`]): a kind is added here when sending it works.
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

/// Sending messages through the sessions of this process.
#[async_trait]
pub trait Messages: Send + Sync {
    /// Encrypts the message and writes it to the socket. WhatsApp's answer comes later, as a [`super::Step`] in the inbox.
    ///
    /// Messages of one device go out in the order of the calls when each call is awaited before the next.
    async fn send(&self, device: &DeviceId, message: &Outgoing) -> Result<()>;
}
