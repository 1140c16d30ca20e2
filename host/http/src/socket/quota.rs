//! How many sockets may be open at once.

use std::time::Duration;

use portico_core::Error;
use portico_core::access::{Caller, Credential};
use portico_core::id::TenantId;

use crate::config::HttpConfig;
use crate::quota::{Permit, Quota};

/// When a client that found no room may come again.
const RETRY_AFTER: Duration = Duration::from_secs(5);

/// The sockets that are open: of all, of each tenant, of each key.
#[derive(Default)]
pub(crate) struct OpenSockets {
    all: Quota<()>,
    tenants: Quota<TenantId>,
    keys: Quota<Credential>,
}

/// The permits of one socket beside that of its tenant, held as long as it is open.
pub(super) type Permits = (Permit<()>, Permit<Credential>);

impl OpenSockets {
    /// Counts one more socket, or refuses it.
    pub(super) fn acquire(&self, config: &HttpConfig, caller: &Caller) -> Result<(Permit<TenantId>, Permits), Error> {
        let full = |whose: &str, limit: u32| Error::Busy {
            why: format!("{whose} has {limit} sockets open, the limit; close one first"),
            retry_after: RETRY_AFTER,
        };
        let of_key = self.keys.acquire(caller.credential(), config.sockets_per_key);
        let of_key = of_key.ok_or_else(|| full("this key", config.sockets_per_key))?;
        let of_tenant = self.tenants.acquire(caller.tenant(), config.sockets_per_tenant);
        let of_tenant = of_tenant.ok_or_else(|| full("this account", config.sockets_per_tenant))?;
        let any = self.all.acquire(&(), config.sockets_max);
        let any = any.ok_or_else(|| full("this gateway", config.sockets_max))?;
        Ok((of_tenant, (any, of_key)))
    }
}
