//! Receiving: messages and their events are stored in one transaction, each message once.

use std::sync::Arc;

use super::{Direction, Message, MessageStatus, StatusTimes};
use crate::context::Ports;
use crate::device::Device;
use crate::error::Result;
use crate::event::{NewEvent, raise};
use crate::id::{DeviceId, MessageId};
use crate::ports::sessions::Inbound;
use crate::transaction::Write;

/// Stores a batch. What was stored before is passed over, so a repeated batch changes nothing. Messages for a device that
/// is gone are dropped: nobody is left to own them.
pub async fn receive(ports: &Arc<Ports>, device: &DeviceId, batch: Vec<Inbound>) -> Result<()> {
    let device = device.clone();
    let receive = move |tx: &mut Write<'_>| match tx.device_load(&device)? {
        Some(device) => receive_in(tx, &device, batch),
        None => Ok(()),
    };
    ports.write(receive).await
}

/// Stores a batch as [`receive`] does, in a transaction of the caller.
pub(crate) fn receive_in(tx: &mut Write<'_>, device: &Device, batch: Vec<Inbound>) -> Result<()> {
    let messages: Vec<_> = batch.into_iter().map(|inbound| message(tx.ports(), device, inbound)).collect();
    let added = tx.message_insert(&messages)?;
    let mut events = Vec::with_capacity(added.len());
    for message in messages.iter().filter(|m| added.contains(&m.id)) {
        events.extend(NewEvent::message(device, message)?);
    }
    raise::all(tx, &events).map(drop)
}

fn message(ports: &Ports, device: &Device, inbound: Inbound) -> Message {
    let now = ports.now();
    let from_me = inbound.sender.is_none();
    Message {
        id: ports.fresh(MessageId::new),
        tenant: device.tenant.clone(),
        device: device.id.clone(),
        direction: if from_me { Direction::Out } else { Direction::In },
        chat: inbound.chat,
        sender: inbound.sender,
        sender_name: inbound.sender_name,
        whatsapp_id: inbound.whatsapp_id,
        content: inbound.content,
        status: if from_me { MessageStatus::Sent } else { MessageStatus::Received },
        error: None,
        created_at: now,
        timestamp: inbound.timestamp,
        times: StatusTimes { sent: from_me.then_some(inbound.timestamp), ..StatusTimes::default() },
    }
}
