//! Messages that came in, on their way to the core before WhatsApp gets its acknowledgement.

pub(crate) mod content;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use portico_core::error::Result;
use portico_core::id::DeviceId;
use portico_core::ports::Inbox;
use portico_core::ports::sessions::Inbound;
use portico_core::time::UtcMs;
use whatsapp_rust::Client;
use whatsapp_rust::anyhow::{self, anyhow};
use whatsapp_rust::types::durability_hook::{InboundDurabilityHook, InboundMessage};

use super::party;

/// Times the core is asked to take a batch before the connection is dropped for it.
const COMMIT_TRIES: u32 = 4;
/// Wait after the first refusal; doubled after each further one.
const COMMIT_WAIT: Duration = Duration::from_millis(100);

/// Commits messages before they are acknowledged.
pub(crate) struct Commit {
    pub(crate) device: DeviceId,
    pub(crate) inbox: Arc<dyn Inbox>,
    /// Set with every batch: decrypting it may have changed the keys that the next message is sent with.
    pub(crate) heard: Arc<AtomicBool>,
    /// A batch was refused: what comes behind it is refused too, or it would overtake. Cleared with the next connection.
    pub(crate) refusing: Arc<AtomicBool>,
}

#[async_trait]
impl InboundDurabilityHook for Commit {
    /// When the core can't take the batch, WhatsApp keeps it, but delivers it again to a new connection only: so this one
    /// is dropped then.
    async fn on_messages(&self, client: Arc<Client>, batch: &[InboundMessage]) -> anyhow::Result<()> {
        self.heard.store(true, Ordering::Release);
        if self.refusing.load(Ordering::Acquire) {
            return Err(anyhow!("an earlier message was not stored; this one comes again behind it"));
        }
        let refused = match deliver(&*self.inbox, &self.device, &client, batch).await {
            Ok(()) => return Ok(()),
            Err(error) => error,
        };
        self.refusing.store(true, Ordering::Release);
        tracing::error!(device.id = %self.device, error = &refused as &dyn std::error::Error, "the core can't store incoming messages; the connection is dropped so that they come again");
        tokio::spawn(async move { client.reconnect().await });
        Err(anyhow!("the core did not store the messages"))
    }
}

/// Converts and hands over, with some patience. Messages without content of their own are left out.
pub(crate) async fn deliver(
    inbox: &dyn Inbox,
    device: &DeviceId,
    client: &Client,
    batch: &[InboundMessage],
) -> Result<()> {
    let mut messages = Vec::with_capacity(batch.len());
    for message in batch {
        messages.extend(convert(client, message).await);
    }
    if messages.is_empty() {
        return Ok(());
    }
    let mut wait = COMMIT_WAIT;
    for _ in 1..COMMIT_TRIES {
        if inbox.received(device, messages.clone()).await.is_ok() {
            return Ok(());
        }
        tokio::time::sleep(wait).await;
        wait *= 2;
    }
    inbox.received(device, messages).await
}

async fn convert(client: &Client, inbound: &InboundMessage) -> Option<Inbound> {
    let content = content::of(&inbound.message)?;
    let info = &inbound.info;
    let source = &info.source;
    let sender = if source.is_from_me {
        None
    } else {
        Some(party::party(client, &source.sender, &[source.sender_alt.as_ref()]).await)
    };
    Some(Inbound {
        whatsapp_id: info.id.to_string(),
        chat: party::chat(client, source, info.peer_recipient_pn.as_ref()).await,
        sender,
        sender_name: (!info.push_name.is_empty() && !source.is_from_me).then(|| info.push_name.clone()),
        timestamp: UtcMs(info.timestamp.timestamp_millis()),
        content,
    })
}
