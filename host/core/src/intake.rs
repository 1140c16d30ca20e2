//! What sessions tell the gateway, handed to the operations it belongs to.

use std::sync::Arc;

use async_trait::async_trait;

use crate::context::Ports;
use crate::device::{Signal, session};
use crate::error::Result;
use crate::id::DeviceId;
use crate::message::{progress, receive};
use crate::ports::Inbox;
use crate::ports::sessions::{Identity, Inbound, Step};

/// The core as sessions see it.
pub struct Intake(pub Arc<Ports>);

#[async_trait]
impl Inbox for Intake {
    async fn received(&self, device: &DeviceId, batch: Vec<Inbound>) -> Result<()> {
        receive::receive(&self.0, device, batch).await
    }

    async fn progress(&self, device: &DeviceId, steps: &[Step]) -> Result<()> {
        progress::advance(&self.0, device, steps.to_vec()).await
    }

    async fn signal(&self, device: &DeviceId, signal: Signal, identity: Option<Identity>) -> Result<()> {
        session::signal(&self.0, device, signal, identity).await.map(drop)
    }
}
