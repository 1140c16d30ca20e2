//! The audit log in the store.

use crate::error::Result;
use crate::id::TenantId;
use crate::model::audit::AuditEntry;
use crate::page::PageRequest;
use crate::time::UtcMs;

/// The audit log.
pub trait AuditTx {
    /// Adds an entry.
    fn audit_insert(&mut self, entry: &AuditEntry) -> Result<()>;

    /// Entries, newest first; one more than asked for where there are more.
    fn audit_list(&mut self, tenant: &TenantId, page: &PageRequest) -> Result<Vec<AuditEntry>>;

    /// How many entries there are, counted up to `most`.
    fn audit_total(&mut self, tenant: &TenantId, most: u32) -> Result<u64>;

    /// Removes up to `limit` entries made at or before `before`; says how many.
    fn audit_purge(&mut self, before: UtcMs, limit: u32) -> Result<u64>;
}
