//! Devices in the store.

use crate::error::Result;
use crate::id::{DeviceId, TenantId};
use crate::model::device::{Device, DeviceState, StateReason, Wanted};
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

/// Devices.
pub trait DeviceTx {
    /// Adds a device.
    fn device_insert(&mut self, device: &Device) -> Result<()>;

    /// A device of a tenant.
    fn device_find(&mut self, tenant: &TenantId, id: &DeviceId) -> Result<Option<Device>>;

    /// A device by an id that came out of the store itself. In a writing transaction the row stays locked until the end.
    fn device_load(&mut self, id: &DeviceId) -> Result<Option<Device>>;

    /// Devices, newest first; one more than asked for where there are more.
    fn device_list(&mut self, tenant: &TenantId, page: &PageRequest) -> Result<Vec<Device>>;

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
