//! Receiving: messages and their events are stored in one transaction, each message once.

use super::{Direction, Message, MessageStatus, StatusTimes};
use crate::context::Ports;
use crate::device::Device;
use crate::error::Result;
use crate::event::NewEvent;
use crate::id::{DeviceId, MessageId};
use crate::ports::sessions::Inbound;

/// Stores a batch. What was stored before is passed over, so a repeated batch changes nothing. Messages for a device that
/// is gone are dropped: nobody is left to own them.
pub async fn receive(ports: &Ports, device: &DeviceId, batch: Vec<Inbound>) -> Result<()> {
    let mut tx = ports.store.write().await?;
    let Some(device) = tx.device_load(device).await? else {
        return Ok(());
    };
    let messages: Vec<_> = batch.into_iter().map(|inbound| message(ports, &device, inbound)).collect();
    let added = tx.message_insert(&messages).await?;
    let mut events = Vec::with_capacity(added.len());
    for message in messages.iter().filter(|m| added.contains(&m.id)) {
        events.extend(NewEvent::message(&device, message)?);
    }
    tx.event_raise(&events).await?;
    tx.commit().await?;
    ports.waker.events_stored();
    Ok(())
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
