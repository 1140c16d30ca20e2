//! Whose calls share a breaker and a quota of log lines: those of one enablement.

use portico_core::directory::Effective;
use portico_core::id::{DeviceId, TenantId};

/// A tenant, or one of its devices that has an enablement of its own. Neither for requests without valid credentials.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct Owner {
    pub(crate) tenant: Option<TenantId>,
    pub(crate) device: Option<DeviceId>,
}

impl Owner {
    /// Whoever owns what holds for a call of this tenant.
    pub(crate) fn of(tenant: Option<&TenantId>, effective: &Effective) -> Self {
        Self { tenant: tenant.cloned(), device: effective.device.clone() }
    }

    /// The tenant, for logs.
    pub(crate) fn name(&self) -> &str {
        self.tenant.as_ref().map_or("none", TenantId::as_str)
    }
}
