//! What sessions report to the core: facts, in order.

use async_trait::async_trait;

use super::QrCode;
use crate::address::Party;
use crate::error::Result;
use crate::id::DeviceId;
use crate::model::device::Signal;
use crate::model::group::GroupUpdate;
use crate::model::message::{Change, Content, MessageContext};
use crate::time::UtcMs;

/// Something that happened on WhatsApp's side. A closed set.
///
/// How it grows: whatever changes a message that is stored already (an edit, a revocation, a reaction) is a variant of
/// [`Change`]. It needs no further rule about order: it comes through the same queue as the message it changes, and behind it.
#[derive(Clone, Debug)]
pub enum Fact {
    /// A message came in.
    Message(Incoming),
    /// Somebody changed a message.
    Change(IncomingChange),
    /// A message of ours got a step further.
    Progress(Step),
    /// Something happened to a group.
    Group(GroupUpdate),
    /// The session changed.
    Session {
        /// How.
        signal: Signal,
        /// The account, where WhatsApp tells it.
        account: Option<Account>,
    },
}

/// A message that came in, decrypted.
#[derive(Clone, Debug)]
pub struct Incoming {
    /// WhatsApp's id; unique within chat and sender.
    pub whatsapp_id: String,
    /// The chat.
    pub chat: Party,
    /// Who wrote it; `None` when the device's own account did, on another device.
    pub sender: Option<Party>,
    /// The sender's own name.
    pub sender_name: Option<String>,
    /// When it was written, by WhatsApp's clock.
    pub timestamp: UtcMs,
    /// What it says.
    pub content: Content,
    /// What is around its content.
    pub context: MessageContext,
}

/// A change to a message that came in, decrypted.
#[derive(Clone, Debug)]
pub struct IncomingChange {
    /// WhatsApp's id of the change itself; unique within chat and sender.
    pub whatsapp_id: String,
    /// The chat.
    pub chat: Party,
    /// Who made it; `None` when the device's own account did, on another device.
    pub sender: Option<Party>,
    /// The sender's own name.
    pub sender_name: Option<String>,
    /// When it was made, by WhatsApp's clock.
    pub timestamp: UtcMs,
    /// WhatsApp's id of the message that it changes.
    pub of: String,
    /// What it does.
    pub change: Change,
}

/// How far the recipient is with messages of ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReceiptKind {
    /// A device of the recipient has it.
    Delivered,
    /// It was read.
    Read,
    /// It was played.
    Played,
}

/// How messages of ours got further.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// WhatsApp's server answered a send: it took the message, or refused it with a code (463, 479, …).
    Acknowledged {
        /// The message.
        whatsapp_id: String,
        /// The code of a refusal.
        refused: Option<u16>,
    },
    /// The recipient got further.
    Receipt {
        /// The messages.
        whatsapp_ids: Vec<String>,
        /// How far.
        kind: ReceiptKind,
        /// Since when.
        at: UtcMs,
    },
}

impl Step {
    /// The messages it is about.
    pub fn whatsapp_ids(&self) -> &[String] {
        match self {
            Self::Acknowledged { whatsapp_id, .. } => std::slice::from_ref(whatsapp_id),
            Self::Receipt { whatsapp_ids, .. } => whatsapp_ids,
        }
    }
}

/// The account behind a device, as WhatsApp names it at login.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Account {
    /// The JID with the phone number, without a device part.
    pub jid: Option<String>,
    /// The LID's JID, without a device part.
    pub lid: Option<String>,
    /// The account's own name.
    pub push_name: Option<String>,
}

/// Where sessions report facts.
///
/// # Order
///
/// Facts of one device come one call after the other, in the order in which the session learned of them. So everything
/// about one chat is in order: messages of a chat come as WhatsApp delivered them, and a change to a message comes behind the
/// message. After a message could not be stored, no later message of its chat is reported before it came again.
///
/// WhatsApp itself makes no promise about acknowledgements and receipts: the server's acknowledgement of a message of ours may
/// come behind the recipient's receipt for it. The core must therefore take steps in any order.
#[async_trait]
pub trait Inbox: Send + Sync {
    /// Records facts of one device, in their order, in one transaction: all of them are durable when it returns `Ok`, and
    /// none of them when it fails. WhatsApp gets its acknowledgement of incoming messages only afterwards, so a failure makes
    /// it deliver them again.
    ///
    /// Facts may repeat; one that was recorded before changes nothing.
    async fn take(&self, device: &DeviceId, facts: Vec<Fact>) -> Result<()>;

    /// WhatsApp gave a QR code. It is told to whoever listens and stored nowhere; who comes later asks [`super::Sessions::qr`].
    async fn qr(&self, _device: &DeviceId, _code: &QrCode) -> Result<()> {
        Ok(())
    }
}
