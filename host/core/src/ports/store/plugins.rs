//! Plugins in the store: versions, offers, enablements, and the values that plugins keep.

use crate::error::Result;
use crate::id::{DeviceId, EnablementId, TenantId};
use crate::model::plugin::{Enablement, PluginOffer, PluginVersion};
use crate::ports::plugins::{KvScope, KvValue};
use crate::time::UtcMs;

/// A value as it is written.
#[derive(Clone, Debug)]
pub struct KvEntry {
    /// The bytes.
    pub value: Vec<u8>,
    /// Its version.
    pub version: u32,
    /// When it goes away.
    pub expires_at: Option<UtcMs>,
}

/// Plugins. Versions and offers belong to the server, everything else to a tenant.
pub trait PluginTx {
    /// Adds a version; `false` when it is there already.
    fn plugin_version_insert(&mut self, version: &PluginVersion) -> Result<bool>;

    /// The versions of a plugin, newest first.
    fn plugin_version_list(&mut self, plugin: &str) -> Result<Vec<PluginVersion>>;

    /// A version.
    fn plugin_version_find(&mut self, digest: &str) -> Result<Option<PluginVersion>>;

    /// Removes a version that no offer names.
    fn plugin_version_delete(&mut self, digest: &str) -> Result<bool>;

    /// Writes an offer, new or changed.
    fn plugin_offer_put(&mut self, offer: &PluginOffer) -> Result<()>;

    /// The offer of a plugin.
    fn plugin_offer_find(&mut self, plugin: &str) -> Result<Option<PluginOffer>>;

    /// Every offer, by plugin.
    fn plugin_offer_list(&mut self) -> Result<Vec<PluginOffer>>;

    /// Removes an offer.
    fn plugin_offer_delete(&mut self, plugin: &str) -> Result<bool>;

    /// Writes an enablement, new or changed.
    fn enablement_put(&mut self, enablement: &Enablement) -> Result<()>;

    /// What a tenant decided about a plugin, for itself and for its devices.
    fn enablement_list(&mut self, tenant: &TenantId, plugin: &str) -> Result<Vec<Enablement>>;

    /// Everything that a tenant decided.
    fn enablement_of_tenant(&mut self, tenant: &TenantId) -> Result<Vec<Enablement>>;

    /// The enablements of all tenants, by id, after `after`; for a start.
    fn enablement_all(&mut self, after: Option<&EnablementId>, limit: u32) -> Result<Vec<Enablement>>;

    /// Removes the enablement of a device, or the tenant's own (`None`); `false` when there is none.
    fn enablement_delete(&mut self, tenant: &TenantId, plugin: &str, device: Option<&DeviceId>) -> Result<bool>;

    /// A value that a plugin keeps, if there is one that has not expired at `now`.
    fn kv_get(&mut self, scope: &KvScope, key: &str, now: UtcMs) -> Result<Option<KvValue>>;

    /// Writes a value.
    fn kv_put(&mut self, scope: &KvScope, key: &str, entry: &KvEntry) -> Result<()>;

    /// Removes a value; `false` when there is none.
    fn kv_delete(&mut self, scope: &KvScope, key: &str) -> Result<bool>;

    /// Keys that begin with `prefix`, in byte order, beginning after `after`.
    fn kv_list(&mut self, scope: &KvScope, prefix: &str, after: &str, now: UtcMs, limit: u32) -> Result<Vec<String>>;

    /// How many values there are, and how many bytes they and their keys have.
    fn kv_size(&mut self, scope: &KvScope) -> Result<(u32, u64)>;

    /// Removes the values of a scope that had expired at `now`; says how many.
    fn kv_purge(&mut self, scope: &KvScope, now: UtcMs) -> Result<u64>;
}
