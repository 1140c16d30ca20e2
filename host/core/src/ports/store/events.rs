//! Events in the store.

use async_trait::async_trait;

use crate::error::Result;
use crate::event::{Event, NewEvent};
use crate::id::TenantId;
use crate::time::UtcMs;

/// Events.
#[async_trait]
pub trait EventTx {
    /// Stores an event, gives it the tenant's next `seq`, and adds a delivery for every enabled subscription that wants it.
    /// `None` when an event with this id is stored already.
    async fn event_raise(&mut self, event: &NewEvent) -> Result<Option<Event>>;

    /// Stores an event as [`Self::event_raise`] does, with a delivery for this one subscription whatever it wants.
    async fn event_raise_for(&mut self, event: &NewEvent, webhook: &crate::id::WebhookId) -> Result<Option<Event>>;

    /// Events after `after`, in order.
    async fn event_list(&mut self, tenant: &TenantId, after: i64, limit: u32) -> Result<Vec<Event>>;

    /// The newest `seq` of a tenant; 0 when there is none.
    async fn event_last_seq(&mut self, tenant: &TenantId) -> Result<i64>;

    /// Removes events at or before `before` that no pending delivery needs, at most `limit`; says how many.
    async fn event_purge(&mut self, before: UtcMs, limit: u32) -> Result<u64>;
}
