//! Messages in the store.

use async_trait::async_trait;

use crate::error::Result;
use crate::id::{DeviceId, MessageId, TenantId};
use crate::message::{Direction, Message, MessageStatus, SendFailure};
use crate::page::PageRequest;
use crate::time::UtcMs;

/// Which messages of a device are wanted.
#[derive(Clone, Debug, Default)]
pub struct MessageFilter {
    /// Only of this chat (canonical id).
    pub chat: Option<String>,
    /// Only this way.
    pub direction: Option<Direction>,
    /// Only with this status.
    pub status: Option<MessageStatus>,
}

/// A step of an outgoing message.
#[derive(Clone, Debug)]
pub struct Progress {
    /// The new status: `sent`, `delivered`, `read`, `played` or `failed`.
    pub status: MessageStatus,
    /// When.
    pub at: UtcMs,
    /// Why, for `failed`.
    pub error: Option<SendFailure>,
}

/// Messages.
#[async_trait]
pub trait MessageTx {
    /// Adds a message; `false` when the device has one with the same chat, sender and WhatsApp id already.
    async fn message_insert(&mut self, message: &Message) -> Result<bool>;

    /// A message of a device.
    async fn message_find(&mut self, tenant: &TenantId, device: &DeviceId, id: &MessageId) -> Result<Option<Message>>;

    /// Messages of a device, newest first; one more than asked for where there are more.
    async fn message_list(
        &mut self,
        tenant: &TenantId,
        device: &DeviceId,
        filter: &MessageFilter,
        page: &PageRequest,
    ) -> Result<Vec<Message>>;

    /// Outgoing messages of a device by WhatsApp id. In a writing transaction the rows stay locked until the end.
    async fn message_find_sent(&mut self, device: &DeviceId, whatsapp_ids: &[String]) -> Result<Vec<Message>>;

    /// Records a step: sets status and its time, and clears nothing. The caller has checked that it is a step forward.
    async fn message_progress(&mut self, id: &MessageId, progress: &Progress) -> Result<()>;

    /// Queued messages of a device in the order they were made, after `after`.
    async fn message_queued(
        &mut self,
        device: &DeviceId,
        after: Option<&MessageId>,
        limit: u32,
    ) -> Result<Vec<Message>>;

    /// How many messages of a device are queued.
    async fn message_count_queued(&mut self, device: &DeviceId) -> Result<u32>;

    /// Whether the device ever sent to that chat (queued ones not counted).
    async fn message_sent_before(&mut self, device: &DeviceId, chat: &str) -> Result<bool>;
}
