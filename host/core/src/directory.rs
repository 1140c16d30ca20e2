//! Which plugins are on for whom, with which settings and grants: kept in memory, so that no call asks the database.
//!
//! The [`Snapshot`] is immutable. A change makes a new one and puts it in the place of the old one; calls under way keep theirs.
//! Whoever changes rows reads them again after the commit and hands them in with a [`Ticket`] that was taken before the
//! reading: of two that do so at once, the one that read earlier can't undo what the other one saw.

mod snapshot;
mod view;

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};

use crate::id::TenantId;
use crate::model::plugin::{Enablement, PluginOffer};
use crate::ports::plugins::Package;

pub use snapshot::{DecidedBy, Effective, Offered, Snapshot};

/// The snapshot, and what the next one is made of.
#[derive(Default)]
pub struct Directory {
    current: RwLock<Arc<Snapshot>>,
    tickets: AtomicU64,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    packages: HashMap<String, Arc<Package>>,
    offers_as_of: u64,
    tenants_as_of: HashMap<TenantId, u64>,
}

/// When a reading of rows began.
#[derive(Clone, Copy, Debug)]
pub struct Ticket(u64);

impl Directory {
    /// What holds now.
    pub fn snapshot(&self) -> Arc<Snapshot> {
        Arc::clone(&self.current.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// To be taken before rows are read.
    pub fn ticket(&self) -> Ticket {
        Ticket(self.tickets.fetch_add(1, Ordering::SeqCst) + 1)
    }

    /// Makes a version known that the runtime has loaded. An offer counts only once its version is known.
    pub fn know(&self, package: Arc<Package>) {
        self.state().packages.insert(package.info.digest.clone(), package);
    }

    /// A version that is known.
    pub fn package(&self, digest: &str) -> Option<Arc<Package>> {
        self.state().packages.get(digest).cloned()
    }

    /// The offers as they were read.
    pub fn set_offers(&self, ticket: Ticket, offers: &[PluginOffer]) {
        let mut state = self.state();
        if ticket.0 < state.offers_as_of {
            return;
        }
        state.offers_as_of = ticket.0;
        let next = self.snapshot().with_offers(offers, &state.packages);
        self.swap(next);
    }

    /// The rows of a tenant as they were read.
    pub fn set_tenant(&self, ticket: Ticket, tenant: &TenantId, rows: Vec<Enablement>) {
        let mut state = self.state();
        let as_of = state.tenants_as_of.entry(tenant.clone()).or_default();
        if ticket.0 < *as_of {
            return;
        }
        *as_of = ticket.0;
        let next = self.snapshot().with_tenant(tenant, rows);
        self.swap(next);
    }

    /// The rows of all tenants, when the gateway starts.
    pub fn set_tenants(&self, rows: Vec<Enablement>) {
        let _state = self.state();
        let next = self.snapshot().with_tenants(rows);
        self.swap(next);
    }

    fn swap(&self, next: Snapshot) {
        *self.current.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(next);
    }

    /// Held while a snapshot is made, so that changes don't overtake each other.
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
