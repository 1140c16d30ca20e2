//! SQLite: the enabled subscriptions of tenants, kept in memory by the writing thread, because every event asks for them.
//!
//! Only the writing thread reads and changes them, so they are always what the open transaction sees, and nothing needs a
//! lock. A transaction that changes a subscription drops all of them at once: changes are rare. They are dropped again when
//! such a transaction is undone, alone or with those that were to be committed with it.

use std::sync::Arc;

use hashlink::LruCache;
use portico_core::id::TenantId;
use portico_core::webhook::Webhook;

/// What the writing thread keeps.
pub(crate) struct Subscriptions {
    by_tenant: LruCache<TenantId, Arc<[Webhook]>>,
    /// What is kept may come from a transaction that is not committed yet.
    changed: bool,
}

impl Subscriptions {
    /// Nothing yet, of that many tenants at most.
    pub(super) fn new(tenants_max: usize) -> Self {
        Self { by_tenant: LruCache::new(tenants_max), changed: false }
    }

    /// The enabled subscriptions of a tenant, if they are kept.
    pub(crate) fn get(&mut self, tenant: &TenantId) -> Option<Arc<[Webhook]>> {
        self.by_tenant.get(tenant).cloned()
    }

    /// Keeps what the open transaction found.
    pub(crate) fn put(&mut self, tenant: TenantId, webhooks: Arc<[Webhook]>) {
        self.by_tenant.insert(tenant, webhooks);
    }

    /// A transaction has changed a subscription.
    pub(crate) fn changed(&mut self) {
        self.by_tenant.clear();
        self.changed = true;
    }

    /// What was kept is committed.
    pub(super) fn committed(&mut self) {
        self.changed = false;
    }

    /// A transaction was undone.
    pub(super) fn undone(&mut self) {
        if self.changed {
            self.by_tenant.clear();
        }
    }
}
