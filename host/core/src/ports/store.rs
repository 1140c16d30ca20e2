//! The store: rows of tenants, in transactions.
//!
//! Looking up gives `Option`; whether "not there" is an error is for operations to say. Every method takes the tenant, or an
//! id that implies one because it came out of the store itself. Nothing here knows SQL.

mod access;
mod devices;
mod events;
mod messages;
mod outbox;
mod webhooks;

use async_trait::async_trait;

pub use access::{AccessTx, IdempotencyClaim, IdempotencyEntry};
pub use devices::{DeviceChange, DeviceTx};
pub use events::EventTx;
pub use messages::{MessageFilter, MessageTx};
pub use outbox::{AttemptResult, DeliveryFilter, LaneResult, OutboxStats, OutboxTx, WaitingWebhook};
pub use webhooks::{WebhookChange, WebhookTx};

use crate::error::Result;

/// A database.
#[async_trait]
pub trait Store: Send + Sync {
    /// A transaction that only reads. Dropping it ends it.
    async fn read(&self) -> Result<Box<dyn Tx>>;

    /// A transaction that may write. Dropping it without [`Tx::commit`] undoes it.
    async fn write(&self) -> Result<Box<dyn Tx>>;

    /// Whether the database answers; the error says what is wrong and what to do.
    async fn check(&self) -> Result<()>;
}

/// One transaction.
#[async_trait]
pub trait Tx: AccessTx + DeviceTx + MessageTx + EventTx + WebhookTx + OutboxTx + Send {
    /// Makes everything durable.
    async fn commit(self: Box<Self>) -> Result<()>;
}
