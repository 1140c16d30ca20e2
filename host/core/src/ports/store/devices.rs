//! Devices in the store.

use crate::error::Result;
use crate::id::{DeviceId, TenantId};
use crate::model::device::{Device, DeviceState, Refs, Settings, StateReason, Wanted};
use crate::page::PageRequest;
use crate::ports::whatsapp::Account;
use crate::time::UtcMs;

/// A change of a device's state.
#[derive(Clone, Debug)]
pub struct DeviceChange {
    /// The new state.
    pub state: DeviceState,
    /// Why.
    pub reason: Option<StateReason>,
    /// Since when.
    pub since: UtcMs,
    /// Until when it may last.
    pub deadline: Option<UtcMs>,
    /// Who the account is, as far as newly known; what is `None` stays.
    pub identity: Option<Account>,
}

/// Which devices are wanted.
#[derive(Clone, Debug, Default)]
pub struct DeviceFilter {
    /// Only this one.
    pub only: Option<DeviceId>,
    /// Only those to which this namespace gives a name, or this one name.
    pub named: Option<(String, Option<String>)>,
}

/// Devices.
pub trait DeviceTx {
    /// Adds a device. Its names are set by [`Self::device_refs_set`].
    fn device_insert(&mut self, device: &Device) -> Result<()>;

    /// Gives a device these names and no others. `false`, and then the transaction must not be committed, when another
    /// device has one of them.
    fn device_refs_set(&mut self, tenant: &TenantId, id: &DeviceId, refs: &Refs) -> Result<bool>;

    /// Gives a device these settings.
    fn device_settings_set(&mut self, tenant: &TenantId, id: &DeviceId, settings: &Settings) -> Result<()>;

    /// The id, as text, of the device that the namespace calls so.
    fn device_id_by_ref(&mut self, tenant: &TenantId, namespace: &str, value: &str) -> Result<Option<String>>;

    /// A device of a tenant.
    fn device_find(&mut self, tenant: &TenantId, id: &DeviceId) -> Result<Option<Device>>;

    /// A device by an id that came out of the store itself. In a writing transaction the row stays locked until the end.
    fn device_load(&mut self, id: &DeviceId) -> Result<Option<Device>>;

    /// Devices, newest first; one more than asked for where there are more.
    fn device_list(&mut self, tenant: &TenantId, filter: &DeviceFilter, page: &PageRequest) -> Result<Vec<Device>>;

    /// How many devices [`Self::device_list`] can give in all, counted up to `most`.
    fn device_total(&mut self, tenant: &TenantId, filter: &DeviceFilter, most: u32) -> Result<u64>;

    /// How many there are.
    fn device_count(&mut self, tenant: &TenantId) -> Result<u32>;

    /// How many there are of each state, over all tenants, for metrics.
    fn device_count_by_state(&mut self) -> Result<Vec<(DeviceState, u64)>>;

    /// Gives a device another name; `false` when there is no such device.
    fn device_rename(&mut self, tenant: &TenantId, id: &DeviceId, name: &str) -> Result<bool>;

    /// Records whether a session should run.
    fn device_want(&mut self, id: &DeviceId, wanted: Wanted) -> Result<()>;

    /// Records a change of state.
    fn device_change(&mut self, id: &DeviceId, change: &DeviceChange) -> Result<()>;

    /// Forgets the account of a device that was unlinked (JID, LID, name).
    fn device_forget_account(&mut self, id: &DeviceId) -> Result<()>;

    /// Removes a device with its messages, subscriptions, deliveries and keys; its events stay. `false` when there is none.
    fn device_delete(&mut self, tenant: &TenantId, id: &DeviceId) -> Result<bool>;

    /// Devices, of all tenants, that should run, by id, after `after`.
    fn device_wanted(&mut self, after: Option<&DeviceId>, limit: u32) -> Result<Vec<Device>>;

    /// Devices, of all tenants, whose deadline passed.
    fn device_overdue(&mut self, now: UtcMs, limit: u32) -> Result<Vec<DeviceId>>;
}
