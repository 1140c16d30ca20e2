//! Receiving: messages and their events are stored in one transaction, each message once.

use super::{Direction, Message, MessageState, MessageStatus, StatusTimes};
use crate::context::Ports;
use crate::context::Write;
use crate::device::Device;
use crate::error::Result;
use crate::event::{NewEvent, raise};
use crate::id::MessageId;
use crate::ports::whatsapp::Incoming;

/// Stores messages. Those that are stored already are passed over, so a repeated batch changes nothing.
pub(crate) fn receive(tx: &mut Write<'_>, device: &Device, batch: Vec<Incoming>) -> Result<()> {
    let messages: Vec<_> = batch.into_iter().map(|incoming| message(tx.ports(), device, incoming)).collect();
    let added = tx.message_insert(&messages)?;
    let mut events = Vec::with_capacity(added.len());
    for message in messages.iter().filter(|m| added.contains(&m.id)) {
        events.extend(NewEvent::message(device, message)?);
    }
    raise::all(tx, &events).map(drop)
}

fn message(ports: &Ports, device: &Device, incoming: Incoming) -> Message {
    let now = ports.now();
    let from_me = incoming.sender.is_none();
    Message {
        id: ports.fresh(MessageId::new),
        tenant: device.tenant.clone(),
        device: device.id.clone(),
        direction: if from_me { Direction::Out } else { Direction::In },
        chat: incoming.chat,
        sender: incoming.sender,
        sender_name: incoming.sender_name,
        whatsapp_id: incoming.whatsapp_id,
        content: incoming.content,
        status: if from_me { MessageStatus::Sent } else { MessageStatus::Received },
        error: None,
        created_at: now,
        timestamp: incoming.timestamp,
        times: StatusTimes { sent: from_me.then_some(incoming.timestamp), ..StatusTimes::default() },
        context: incoming.context,
        state: MessageState::default(),
    }
}
