//! What sessions tell the gateway, handed to the operations it belongs to.

use std::sync::Arc;

use async_trait::async_trait;

use crate::cx::Core;
use crate::device::{Signal, session};
use crate::error::Result;
use crate::id::DeviceId;
use crate::message::{progress, receive};
use crate::ports::Inbox;
use crate::ports::link::{Identity, Inbound, ReceiptKind};
use crate::time::UtcMs;

/// The core as sessions see it.
pub struct Intake(pub Arc<Core>);

#[async_trait]
impl Inbox for Intake {
    async fn received(&self, device: &DeviceId, batch: Vec<Inbound>) -> Result<()> {
        receive::receive(&self.0, device, batch).await
    }

    async fn acknowledged(&self, device: &DeviceId, whatsapp_id: &str, refused: Option<u16>) -> Result<()> {
        progress::acknowledged(&self.0, device, whatsapp_id, refused).await
    }

    async fn receipt(&self, device: &DeviceId, whatsapp_ids: &[String], kind: ReceiptKind, at: UtcMs) -> Result<()> {
        progress::receipt(&self.0, device, whatsapp_ids, kind, at).await
    }

    async fn signal(&self, device: &DeviceId, signal: Signal, identity: Option<Identity>) -> Result<()> {
        session::tell(&self.0, device, signal, identity).await.map(drop)
    }
}
