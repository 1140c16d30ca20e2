//! Incoming messages: the library's durability hook puts them into the session's event queue and waits until they are stored.
//!
//! The hook runs before WhatsApp gets its acknowledgement. When it answers with an error, WhatsApp keeps the message, but
//! delivers it again to a new connection only; [`order`] sees to it that later messages of the chat don't overtake it.

mod change;
pub(crate) mod content;
mod context;
pub(crate) mod order;
mod rich;
mod vote;

use std::sync::Arc;

use async_trait::async_trait;
use portico_core::id::DeviceId;
use portico_core::message::Content;
use portico_core::ports::whatsapp::{Fact, Incoming, IncomingChange};
use portico_core::seal::Sealer;
use portico_core::time::UtcMs;
use tokio::sync::oneshot;
use whatsapp_rust::Client;
use whatsapp_rust::anyhow::{self, anyhow};
use whatsapp_rust::types::durability_hook::{InboundDurabilityHook, InboundMessage};

use super::{EventSink, party};
use crate::backend::Backend;
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
    /// Where the secrets of polls are.
    pub(crate) backend: Arc<Backend>,
}

impl DurabilityHook {
    fn reader(&self) -> Reader<'_> {
        Reader { device: &self.device, sealer: &self.sealer, backend: Some(&self.backend) }
    }
}

/// What it takes to make facts of messages.
#[derive(Clone, Copy)]
pub(crate) struct Reader<'a> {
    pub(crate) device: &'a DeviceId,
    pub(crate) sealer: &'a Sealer,
    pub(crate) backend: Option<&'a Backend>,
}

#[async_trait]
impl InboundDurabilityHook for DurabilityHook {
    async fn on_messages(&self, client: Arc<Client>, batch: &[InboundMessage]) -> anyhow::Result<()> {
        for message in batch {
            let source = &message.info.source;
            self.unsaved_ratchets.add([Some(&source.sender), source.sender_alt.as_ref()].into_iter().flatten());
        }
        let keys = batch.iter().map(MessageKey::of).collect();
        let facts = facts(&client, self.reader(), batch).await;
        let (stored, answer) = oneshot::channel();
        let queued = self.sink.push_incoming(IncomingBatch { keys, facts, stored }).await;
        if queued && answer.await == Ok(true) {
            return Ok(());
        }
        Err(anyhow!("the messages were not stored; WhatsApp delivers them again"))
    }
}

/// The messages as facts. Those that say nothing by themselves are left out.
pub(crate) async fn facts(client: &Client, reader: Reader<'_>, batch: &[InboundMessage]) -> Vec<Fact> {
    let mut facts = Vec::with_capacity(batch.len());
    for message in batch {
        facts.extend(fact(client, reader, message).await);
    }
    facts
}

async fn fact(client: &Client, reader: Reader<'_>, message: &InboundMessage) -> Option<Fact> {
    let info = &message.info;
    let change = match change::of(&message.message) {
        None => vote::of(client, reader, message).await,
        change => change,
    };
    let mut content = content::of(&message.message);
    if change.is_none() && content.is_none() {
        return None;
    }
    if let Some(Content::Media(media)) = &mut content
        && let Some(facts) = content::file(content::unwrapped(&message.message))
    {
        media.remote = remote::seal(reader.sealer, reader.device, &info.id, facts.file);
    }
    let source = &info.source;
    let sender = if source.is_from_me {
        None
    } else {
        Some(party::party(client, &source.sender, &[source.sender_alt.as_ref()]).await)
    };
    let whatsapp_id = info.id.to_string();
    let chat = party::chat(client, source, info.peer_recipient_pn.as_ref()).await;
    let sender_name = (!info.push_name.is_empty() && !source.is_from_me).then(|| info.push_name.clone());
    let timestamp = UtcMs(info.timestamp.timestamp_millis());
    match (change, content) {
        (Some((of, change)), _) => {
            Some(Fact::Change(IncomingChange { whatsapp_id, chat, sender, sender_name, timestamp, of, change }))
        }
        (None, Some(content)) => {
            let context = context::of(client, &message.message).await;
            Some(Fact::Message(Incoming { whatsapp_id, chat, sender, sender_name, timestamp, content, context }))
        }
        (None, None) => None,
    }
}
