//! Messages in the store.

use std::collections::BTreeSet;

use crate::error::Result;
use crate::id::{DeviceId, MessageId, TenantId};
use crate::model::message::{Direction, Message, MessageStatus};
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
    /// Only with this id of WhatsApp's.
    pub whatsapp_id: Option<String>,
}

/// Messages.
pub trait MessageTx {
    /// Adds messages. Says which were added: of the others the device has one with the same chat, sender and WhatsApp id
    /// already.
    fn message_insert(&mut self, messages: &[Message]) -> Result<BTreeSet<MessageId>>;

    /// A message of a device.
    fn message_find(&mut self, tenant: &TenantId, device: &DeviceId, id: &MessageId) -> Result<Option<Message>>;

    /// A message of any device of the tenant.
    fn message_find_anywhere(&mut self, tenant: &TenantId, id: &MessageId) -> Result<Option<Message>>;

    /// Records that the owner deleted the file of a message: links to it lead nowhere from then on.
    fn message_delete_file(&mut self, tenant: &TenantId, id: &MessageId, at: UtcMs) -> Result<()>;

    /// Whether the owner deleted the file of a message.
    fn message_file_deleted(&mut self, tenant: &TenantId, id: &MessageId) -> Result<bool>;

    /// As [`Self::message_find`]; the row stays locked until the end of the transaction.
    fn message_lock(&mut self, tenant: &TenantId, device: &DeviceId, id: &MessageId) -> Result<Option<Message>>;

    /// Records what a change made of a message: its content and state.
    fn message_change(&mut self, message: &Message) -> Result<()>;

    /// The rows that change a message, newest first; one more than asked for where there are more.
    fn message_changes(&mut self, tenant: &TenantId, about: &MessageId, page: &PageRequest) -> Result<Vec<Message>>;

    /// Messages of all devices of the tenant, or of one, with this id of WhatsApp's, newest first, at most `limit`.
    fn message_by_whatsapp_id(
        &mut self,
        tenant: &TenantId,
        device: Option<&DeviceId>,
        whatsapp_id: &str,
        limit: u32,
    ) -> Result<Vec<Message>>;

    /// Messages of a device, newest first, without the rows that change others; one more than asked for where there are more.
    fn message_list(
        &mut self,
        tenant: &TenantId,
        device: &DeviceId,
        filter: &MessageFilter,
        page: &PageRequest,
    ) -> Result<Vec<Message>>;

    /// How many bytes of content and state each of the messages has that [`Self::message_list`] gives.
    fn message_list_bytes(
        &mut self,
        tenant: &TenantId,
        device: &DeviceId,
        filter: &MessageFilter,
        page: &PageRequest,
    ) -> Result<Vec<u64>>;

    /// How many messages [`Self::message_list`] can give in all, counted up to `most`.
    fn message_total(&mut self, tenant: &TenantId, device: &DeviceId, filter: &MessageFilter, most: u32)
    -> Result<u64>;

    /// Outgoing messages of a device by WhatsApp id. In a writing transaction the rows stay locked until the end.
    fn message_find_sent(&mut self, device: &DeviceId, whatsapp_ids: &[String]) -> Result<Vec<Message>>;

    /// Records how far messages have got: their status, error and times as given; clears nothing. The caller has checked that
    /// each went forward.
    fn message_progress(&mut self, messages: &[Message]) -> Result<()>;

    /// Queued messages of a device in the order they were made, after `after`.
    fn message_queued(&mut self, device: &DeviceId, after: Option<&MessageId>, limit: u32) -> Result<Vec<Message>>;

    /// How many messages of a device are queued.
    fn message_count_queued(&mut self, device: &DeviceId) -> Result<u32>;

    /// Whether the device ever sent to that chat (queued ones not counted).
    fn message_sent_before(&mut self, device: &DeviceId, chat: &str) -> Result<bool>;
}
