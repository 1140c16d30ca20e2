//! What devices are called, for plugins that shape events.

use std::collections::{BTreeMap, BTreeSet};

use crate::context::Ports;
use crate::id::{DeviceId, TenantId};
use crate::ports::plugins::DeviceNames;

/// The names of a tenant's devices. One that is gone, or can't be read now, has none.
pub async fn names(ports: &Ports, tenant: &TenantId, devices: BTreeSet<DeviceId>) -> BTreeMap<DeviceId, DeviceNames> {
    let mut names = BTreeMap::new();
    for id in devices {
        if let Ok(Some(device)) = ports.store.device(tenant, &id).await {
            let refs = device.refs.as_map().clone().into_iter().collect();
            names.insert(id, DeviceNames { number: device.number, refs });
        }
    }
    names
}
