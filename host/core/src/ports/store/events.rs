//! Events in the store.

use crate::error::Result;
use crate::id::{EventId, TenantId};
use crate::model::event::{Event, NewEvent};
use crate::time::UtcMs;

/// Events.
pub trait EventTx {
    /// Stores events of one tenant and gives each the tenant's next `seq`, in their order. Gives those that were not stored
    /// already.
    fn event_insert(&mut self, tenant: &TenantId, events: &[NewEvent]) -> Result<Vec<Event>>;

    /// An event of a tenant.
    fn event_find(&mut self, tenant: &TenantId, id: &EventId) -> Result<Option<Event>>;

    /// Events after `after`, in order.
    fn event_list(&mut self, tenant: &TenantId, after: i64, limit: u32) -> Result<Vec<Event>>;

    /// How many bytes of payload each of the events has that [`Self::event_list`] gives.
    fn event_list_bytes(&mut self, tenant: &TenantId, after: i64, limit: u32) -> Result<Vec<u64>>;

    /// The newest `seq` of a tenant; 0 when there is none.
    fn event_last_seq(&mut self, tenant: &TenantId) -> Result<i64>;

    /// Removes events at or before `before` that no pending delivery needs, at most `limit`; says how many.
    fn event_purge(&mut self, before: UtcMs, limit: u32) -> Result<u64>;
}
