//! Events in the store.

use async_trait::async_trait;

use crate::error::Result;
use crate::event::{Event, NewEvent};
use crate::id::{EventId, TenantId};
use crate::time::UtcMs;

/// Events.
#[async_trait]
pub trait EventTx {
    /// Stores events, gives each its tenant's next `seq`, in their order, and adds a delivery for every enabled subscription
    /// that wants it. Gives back those that were not stored already.
    async fn event_raise(&mut self, events: &[NewEvent]) -> Result<Vec<Event>>;

    /// Stores one event as [`Self::event_raise`] does, with a delivery for this one subscription whatever it wants. `None`
    /// when it is stored already.
    async fn event_raise_for(&mut self, event: &NewEvent, webhook: &crate::id::WebhookId) -> Result<Option<Event>>;

    /// An event of a tenant.
    async fn event_find(&mut self, tenant: &TenantId, id: &EventId) -> Result<Option<Event>>;

    /// Events after `after`, in order.
    async fn event_list(&mut self, tenant: &TenantId, after: i64, limit: u32) -> Result<Vec<Event>>;

    /// How many bytes of payload each of the events has that [`Self::event_list`] gives.
    async fn event_list_bytes(&mut self, tenant: &TenantId, after: i64, limit: u32) -> Result<Vec<u64>>;

    /// The newest `seq` of a tenant; 0 when there is none.
    async fn event_last_seq(&mut self, tenant: &TenantId) -> Result<i64>;

    /// Removes events at or before `before` that no pending delivery needs, at most `limit`; says how many.
    async fn event_purge(&mut self, before: UtcMs, limit: u32) -> Result<u64>;
}
