//! The store: rows of tenants, in transactions.
//!
//! A transaction is a closure that runs on a database thread. It cannot wait for anything else while it holds the database,
//! and it costs one hop however many statements it has. Looking up gives `Option`; whether "not there" is an error is for
//! operations to say. Every method takes the tenant, or an id that implies one because it came out of the store itself.
//! Nothing here knows SQL.

mod access;
mod analytics;
mod audit;
mod devices;
mod events;
mod media;
mod messages;
mod outbox;
mod plugins;
mod users;
mod webhooks;

use async_trait::async_trait;

pub use access::{AccessTx, IdempotencyEntry};
pub use analytics::AnalyticsTx;
pub use audit::AuditTx;
pub use devices::{DeviceChange, DeviceFilter, DeviceTx};
pub use events::EventTx;
pub use media::MediaTx;
pub use messages::{MessageFilter, MessageTx};
pub use outbox::{AttemptResult, DeliveryFilter, LaneResult, NewDelivery, OutboxStats, OutboxTx, WaitingWebhook};
pub use plugins::{KvEntry, PluginTx};
pub use users::UserTx;
pub use webhooks::{WebhookChange, WebhookTx};

use crate::error::{Error, Result};
use crate::id::{DeviceId, TenantId};
use crate::model::access::AccessKey;
use crate::model::access::secret::KeyHash;
use crate::model::device::Device;

/// What is done in one transaction.
pub type Work = Box<dyn FnOnce(&mut dyn Tx) -> Result<()> + Send>;

/// A database.
#[async_trait]
pub trait Store: Send + Sync {
    /// Runs `work` in a transaction that only reads, on a database thread.
    async fn read_with(&self, work: Work) -> Result<()>;

    /// Runs `work` in a transaction on a database thread and returns once what it did is durable.
    ///
    /// When `work` fails or panics, nothing of it stays. Work that has begun is done even when the caller goes away; before
    /// that it is passed over.
    async fn write_with(&self, work: Work) -> Result<()>;

    /// The key with that hash, of any tenant: this is how a tenant is found out.
    async fn key(&self, hash: &KeyHash) -> Result<Option<AccessKey>>;

    /// A device of a tenant.
    async fn device(&self, tenant: &TenantId, id: &DeviceId) -> Result<Option<Device>>;

    /// Whether the database answers; the error says what is wrong and what to do.
    async fn check(&self) -> Result<()>;
}

impl dyn Store {
    /// Runs `work` in a transaction that only reads, and gives its result.
    pub async fn read<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut dyn Tx) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let (work, result) = with_result(work);
        self.read_with(work).await?;
        result()
    }

    /// Runs `work` in a transaction and gives its result once it is durable. See [`Store::write_with`].
    pub async fn write<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut dyn Tx) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let (work, result) = with_result(work);
        self.write_with(work).await?;
        result()
    }
}

/// Splits `work` into one without a result and a function that gives the result once the first has succeeded.
fn with_result<T: Send + 'static>(
    work: impl FnOnce(&mut dyn Tx) -> Result<T> + Send + 'static,
) -> (Work, impl FnOnce() -> Result<T>) {
    let (sender, receiver) = std::sync::mpsc::sync_channel(1);
    let work = move |tx: &mut dyn Tx| {
        let result = work(tx)?;
        // The receiver may be gone with a caller that went away; the work counts all the same.
        let _ = sender.send(result);
        Ok(())
    };
    let missing = |e| Error::internal("reading the result of a transaction", e);
    (Box::new(work), move || receiver.try_recv().map_err(missing))
}

/// One transaction.
pub trait Tx:
    AccessTx
    + AnalyticsTx
    + AuditTx
    + UserTx
    + DeviceTx
    + MessageTx
    + EventTx
    + WebhookTx
    + OutboxTx
    + PluginTx
    + MediaTx
    + Send
{
}
