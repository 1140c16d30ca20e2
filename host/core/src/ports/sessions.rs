//! The network: sessions as the core uses them ([`Sessions`]), and the core as sessions use it ([`Inbox`]).

use std::time::Duration;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use crate::address::{Party, PhoneNumber, Recipient};
use crate::device::{Device, Signal};
use crate::error::Result;
use crate::id::DeviceId;
use crate::message::Content;
use crate::time::UtcMs;

/// A QR code to scan.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QrCode {
    /// The text the code encodes. A secret: who scans it first owns the device.
    pub text: String,
    /// When WhatsApp stops accepting it.
    pub expires_at: UtcMs,
}

/// A code to type on the phone.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PairingCode {
    /// Eight characters.
    pub code: String,
    /// When WhatsApp stops accepting it.
    pub expires_at: UtcMs,
}

/// A message on its way out.
#[derive(Clone, Debug)]
pub struct Outgoing {
    /// WhatsApp's id, made and stored before.
    pub whatsapp_id: String,
    /// The chat.
    pub to: Party,
    /// What it says.
    pub content: Content,
}

/// What one session costs and how it fares.
#[derive(Clone, Debug, Default)]
pub struct Resources {
    /// Frames received since the session began.
    pub frames_in: u64,
    /// Frames sent since the session began.
    pub frames_out: u64,
    /// Bytes received.
    pub bytes_in: u64,
    /// Bytes sent.
    pub bytes_out: u64,
    /// How often the connection was made again.
    pub reconnects: u64,
    /// When the last frame came.
    pub last_frame_at: Option<UtcMs>,
    /// Messages that could not be decrypted.
    pub undecryptable: u64,
    /// An estimate of the memory the session's caches hold, in bytes.
    pub memory_bytes: Option<u64>,
}

/// The right to start and stop one device's session, until it is dropped.
pub struct DeviceLock(#[expect(dead_code, reason = "dropping it is what it is for")] Box<dyn Send + Sync>);

impl DeviceLock {
    /// A right that ends when `held` is dropped.
    pub fn new(held: impl Send + Sync + 'static) -> Self {
        Self(Box::new(held))
    }
}

/// All sessions of this process. Every call is safe to repeat.
#[async_trait]
pub trait Sessions: Send + Sync {
    /// Waits until nobody else starts or stops the device's session, at most [`TURN_TIMEOUT`]. Taken before deciding which of
    /// the two, or what was decided first might take effect last. `Busy` when that is too long, or too many wait already.
    async fn lock(&self, device: &DeviceId) -> Result<DeviceLock>;

    /// Starts the device's session: resumes when its keys are stored, else pairs. Returns once the task runs; what
    /// follows is told to the [`Inbox`].
    async fn open(&self, device: &Device) -> Result<()>;

    /// Ends the device's session and waits for it, at most [`CLOSE_TIMEOUT`].
    async fn close(&self, device: &DeviceId) -> Result<()>;

    /// Unlinks the device at WhatsApp (best effort), ends the session and wipes its keys.
    async fn logout(&self, device: &DeviceId) -> Result<()>;

    /// The QR code to scan now; `None` when the device is not waiting for a scan.
    fn qr(&self, device: &DeviceId) -> Option<QrCode>;

    /// Asks WhatsApp for a code to type on the phone with this number.
    async fn pairing_code(&self, device: &DeviceId, phone: &PhoneNumber) -> Result<PairingCode>;

    /// The party behind a recipient. A number that is not on WhatsApp is `Refused` with `not_on_whatsapp`. Cached.
    async fn resolve(&self, device: &DeviceId, to: &Recipient) -> Result<Party>;

    /// Encrypts and writes the message to the socket. WhatsApp's answer comes as a [`Step`].
    async fn send(&self, device: &DeviceId, out: &Outgoing) -> Result<()>;

    /// What the session costs; `None` when none runs.
    fn resources(&self, device: &DeviceId) -> Option<Resources>;
}

/// How long ending a session may take.
pub const CLOSE_TIMEOUT: Duration = Duration::from_secs(5);

/// How long a turn may be waited for: somewhat longer than it takes to log out at the slowest.
pub const TURN_TIMEOUT: Duration = Duration::from_secs(12);

/// A message that came in, decrypted.
#[derive(Clone, Debug)]
pub struct Inbound {
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
}

/// How far the recipient is with messages of ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReceiptKind {
    /// A device has it.
    Delivered,
    /// It was read.
    Read,
    /// It was played.
    Played,
}

/// A step of messages of ours, as the network tells it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// WhatsApp's server answered a send: took it, or refused it with a code (463, 479, …).
    Acknowledged {
        /// Of the message.
        whatsapp_id: String,
        /// The code of a refusal.
        refused: Option<u16>,
    },
    /// The recipient is further.
    Receipt {
        /// Of the messages.
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

/// Who the account is, as WhatsApp tells at login.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Identity {
    /// The JID with the phone number, without a device part.
    pub jid: Option<String>,
    /// The LID's JID, without a device part.
    pub lid: Option<String>,
    /// The account's own name.
    pub push_name: Option<String>,
}

/// What sessions tell the core. When a call returns `Ok`, what it told is durable.
#[async_trait]
pub trait Inbox: Send + Sync {
    /// Messages came in. Called before WhatsApp gets its acknowledgement; may repeat messages told before.
    async fn received(&self, device: &DeviceId, batch: Vec<Inbound>) -> Result<()>;

    /// Messages of ours got on, in this order. What was told before changes nothing.
    async fn progress(&self, device: &DeviceId, steps: &[Step]) -> Result<()>;

    /// Something happened to the session.
    async fn signal(&self, device: &DeviceId, signal: Signal, identity: Option<Identity>) -> Result<()>;
}
