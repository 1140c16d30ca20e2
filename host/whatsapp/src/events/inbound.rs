//! Incoming messages: the library's durability hook puts them into the session's event queue and waits until they are stored.
//!
//! The hook runs before WhatsApp gets its acknowledgement. When it answers with an error, WhatsApp keeps the message, but
//! delivers it again to a new connection only; [`order`] sees to it that later messages of the chat don't overtake it.

pub(crate) mod content;
pub(crate) mod order;

use std::sync::Arc;

use async_trait::async_trait;
use portico_core::id::DeviceId;
use portico_core::message::Content;
use portico_core::ports::whatsapp::{Fact, Incoming};
use portico_core::seal::Sealer;
use portico_core::time::UtcMs;
use tokio::sync::oneshot;
use whatsapp_rust::Client;
use whatsapp_rust::anyhow::{self, anyhow};
use whatsapp_rust::types::durability_hook::{InboundDurabilityHook, InboundMessage};

use super::{EventSink, party};
use crate::files::remote;
use crate::send::UnsavedRatchets;
use order::MessageKey;

/// The messages of one call of the hook.
pub(crate) struct IncomingBatch {
    /// All of them, also those that say nothing by themselves.
    pub(crate) keys: Vec<MessageKey>,
    /// What the core is asked to record.
    pub(crate) facts: Vec<Fact>,
    /// Answers the hook whether they were stored. Dropping it means that they were not.
    pub(crate) stored: oneshot::Sender<bool>,
}

/// The durability hook of one session.
pub(crate) struct DurabilityHook {
    pub(crate) sink: Arc<EventSink>,
    pub(crate) unsaved_ratchets: Arc<UnsavedRatchets>,
    /// Whose messages they are, and what seals the references to their files.
    pub(crate) device: DeviceId,
    pub(crate) sealer: Sealer,
}

#[async_trait]
impl InboundDurabilityHook for DurabilityHook {
    async fn on_messages(&self, client: Arc<Client>, batch: &[InboundMessage]) -> anyhow::Result<()> {
        for message in batch {
            let source = &message.info.source;
            self.unsaved_ratchets.add([Some(&source.sender), source.sender_alt.as_ref()].into_iter().flatten());
        }
        let keys = batch.iter().map(MessageKey::of).collect();
        let facts = facts(&client, &self.device, &self.sealer, batch).await;
        let (stored, answer) = oneshot::channel();
        let queued = self.sink.push_incoming(IncomingBatch { keys, facts, stored }).await;
        if queued && answer.await == Ok(true) {
            return Ok(());
        }
        Err(anyhow!("the messages were not stored; WhatsApp delivers them again"))
    }
}

/// The messages as facts. Those that say nothing by themselves are left out.
pub(crate) async fn facts(client: &Client, device: &DeviceId, sealer: &Sealer, batch: &[InboundMessage]) -> Vec<Fact> {
    let mut facts = Vec::with_capacity(batch.len());
    for message in batch {
        facts.extend(incoming(client, device, sealer, message).await.map(Fact::Message));
    }
    facts
}

async fn incoming(client: &Client, device: &DeviceId, sealer: &Sealer, message: &InboundMessage) -> Option<Incoming> {
    let mut content = content::of(&message.message)?;
    let info = &message.info;
    if let Content::Media(media) = &mut content
        && let Some(facts) = content::file(content::unwrapped(&message.message))
    {
        media.remote = remote::seal(sealer, device, &info.id, facts.file);
    }
    let source = &info.source;
    let sender = if source.is_from_me {
        None
    } else {
        Some(party::party(client, &source.sender, &[source.sender_alt.as_ref()]).await)
    };
    Some(Incoming {
        whatsapp_id: info.id.to_string(),
        chat: party::chat(client, source, info.peer_recipient_pn.as_ref()).await,
        sender,
        sender_name: (!info.push_name.is_empty() && !source.is_from_me).then(|| info.push_name.clone()),
        timestamp: UtcMs(info.timestamp.timestamp_millis()),
        content,
    })
}
