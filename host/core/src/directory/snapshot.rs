//! What holds at a moment, and the rule it follows: the device's row decides, else the tenant's, else the offer.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use serde_json::Value;

use crate::id::{DeviceId, TenantId};
use crate::model::plugin::schema::{Settings, merge};
use crate::model::plugin::{Enablement, Grant, Hook, OnFailure, Origin, PluginOffer, PluginVersion, Switch};
use crate::model::webhook::DEFAULT_FORMAT;
use crate::ports::plugins::{Package, PluginInfo};
use crate::time::UtcMs;

/// Plugins and rows at a moment.
#[derive(Clone)]
pub struct Snapshot {
    offers: BTreeMap<String, Arc<Offered>>,
    infos: Arc<[PluginInfo]>,
    tenants: HashMap<TenantId, Arc<TenantPlugins>>,
}

/// A plugin that is offered.
pub struct Offered {
    /// To whom, and how far.
    pub offer: PluginOffer,
    /// The current version.
    pub package: Arc<Package>,
    /// What holds for a tenant that did not say anything.
    default: Arc<Effective>,
    /// What holds for a request without credentials.
    public: Arc<Effective>,
}

/// The rows of one tenant, and what they come to.
struct TenantPlugins {
    rows: Vec<Enablement>,
    plugins: HashMap<String, Resolved>,
}

struct Resolved {
    tenant: Arc<Effective>,
    devices: HashMap<DeviceId, Arc<Effective>>,
}

/// What a call is made with, or not made.
#[derive(Clone, Debug)]
pub struct Effective {
    /// The plugin's id.
    pub plugin: String,
    /// The version.
    pub digest: String,
    /// Whether it is called at all.
    pub state: Switch,
    /// What decided that.
    pub decided_by: DecidedBy,
    /// The settings as the guest is given them: a JSON object with all defaults.
    pub settings: Arc<str>,
    /// Why the settings can't work, if they can't.
    pub problem: Option<String>,
    /// What it may do.
    pub grants: Vec<Grant>,
    /// Its place among plugins with the same hook, smallest first.
    pub position: i64,
    /// What becomes of its work while it fails; `None`: what is usual for the hook.
    pub on_failure: Option<OnFailure>,
    /// The device whose row had a say.
    pub device: Option<DeviceId>,
    /// Which secret settings have a value.
    pub secret_names: Vec<String>,
}

/// What decided whether a plugin is on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DecidedBy {
    /// The device's row.
    Device,
    /// The tenant's row.
    Tenant,
    /// The offer: nobody said anything.
    Offer,
}

impl Effective {
    /// What holds for a version that was just loaded and is not offered yet: its default settings, and all it asks for.
    pub fn of_package(package: &Package) -> Self {
        let version = PluginVersion {
            digest: package.info.digest.clone(),
            plugin: package.info.id.clone(),
            version: package.info.version.clone(),
            origin: Origin::BuiltIn,
            manifest: String::new(),
            schema: None,
            created_at: UtcMs(0),
        };
        resolve(&PluginOffer::of(&version), package, None, None)
    }

    /// Whether it is on.
    pub fn is_on(&self) -> bool {
        self.state == Switch::On
    }
}

impl Offered {
    fn new(offer: PluginOffer, package: Arc<Package>) -> Self {
        let default = Arc::new(resolve(&offer, &package, None, None));
        let public = Arc::new(Effective { state: offer.public_state(), ..(*default).clone() });
        Self { offer, package, default, public }
    }

    /// What these rows of a tenant come to.
    pub fn resolve(&self, tenant: Option<&Enablement>, device: Option<&Enablement>) -> Effective {
        resolve(&self.offer, &self.package, tenant, device)
    }

    /// The plugin.
    pub fn info(&self) -> &PluginInfo {
        &self.package.info
    }
}

impl Default for Snapshot {
    fn default() -> Self {
        Self { offers: BTreeMap::new(), infos: Arc::new([]), tenants: HashMap::new() }
    }
}

impl Snapshot {
    /// The current version of every plugin, by id. The same list until an offer changes.
    pub fn infos(&self) -> Arc<[PluginInfo]> {
        Arc::clone(&self.infos)
    }

    /// Every plugin there is, by id.
    pub fn all(&self) -> impl Iterator<Item = &Arc<Offered>> {
        self.offers.values()
    }

    /// A plugin that a tenant may use.
    pub fn offered(&self, tenant: Option<&TenantId>, plugin: &str) -> Option<&Arc<Offered>> {
        self.offers.get(plugin).filter(|offered| offered.offer.audience.includes(tenant))
    }

    /// What holds for a device of a tenant, for what concerns no single device, or for a request of nobody known. `None` when the
    /// tenant may not use the plugin.
    pub fn effective(
        &self,
        tenant: Option<&TenantId>,
        device: Option<&DeviceId>,
        plugin: &str,
    ) -> Option<Arc<Effective>> {
        if tenant.is_none() {
            let offered = self.offers.get(plugin)?;
            let is_for_strangers = offered.offer.audience.includes(None) || offered.offer.public_routes.is_some();
            return is_for_strangers.then(|| Arc::clone(&offered.public));
        }
        let offered = self.offered(tenant, plugin)?;
        let rows = tenant.and_then(|tenant| self.tenants.get(tenant)).and_then(|rows| rows.plugins.get(plugin));
        let Some(rows) = rows else { return Some(Arc::clone(&offered.default)) };
        let of_device = device.and_then(|device| rows.devices.get(device));
        Some(Arc::clone(of_device.unwrap_or(&rows.tenant)))
    }

    /// Whether a tenant's deliveries wait while the plugin of their format fails. They do where the tenant wants it; where the
    /// plugin serves an API, whose clients can't read a body of another shape; and where it is not there, so that nobody knows
    /// whether it did.
    pub fn format_waits(&self, tenant: &TenantId, plugin: &str) -> bool {
        match self.offered(Some(tenant), plugin) {
            Some(offered) => {
                let effective = self.effective(Some(tenant), None, plugin);
                let wanted = effective.and_then(|effective| effective.on_failure);
                offered.info().hooks.contains(&Hook::HttpHandler) || wanted == Some(OnFailure::Wait)
            }
            None => plugin != DEFAULT_FORMAT,
        }
    }

    /// The plugins with a hook that are on, in the order of their positions.
    pub fn with_hook(&self, hook: Hook, tenant: &TenantId, device: &DeviceId) -> Vec<Arc<Effective>> {
        let with_hook = self.offers.values().filter(|offered| offered.info().hooks.contains(&hook));
        let mut on: Vec<_> = with_hook
            .filter_map(|offered| self.effective(Some(tenant), Some(device), &offered.offer.plugin))
            .filter(|effective| effective.is_on())
            .collect();
        on.sort_by_key(|effective| effective.position);
        on
    }

    /// The rows of a tenant about a plugin: the tenant's own, and that of a device.
    pub fn rows(
        &self,
        tenant: &TenantId,
        device: Option<&DeviceId>,
        plugin: &str,
    ) -> (Option<Enablement>, Option<Enablement>) {
        let rows = self.tenants.get(tenant).map(|plugins| plugins.rows.as_slice()).unwrap_or_default();
        let find = |wanted: Option<&DeviceId>| {
            rows.iter().find(|row| row.plugin == plugin && row.device.as_ref() == wanted).cloned()
        };
        (find(None), device.and_then(|device| find(Some(device))))
    }

    pub(super) fn with_offers(&self, offers: &[PluginOffer], packages: &HashMap<String, Arc<Package>>) -> Self {
        let known = |offer: &PluginOffer| {
            let package = packages.get(&offer.digest)?;
            Some((offer.plugin.clone(), Arc::new(Offered::new(offer.clone(), Arc::clone(package)))))
        };
        let offers: BTreeMap<_, _> = offers.iter().filter_map(known).collect();
        let again = |(tenant, plugins): (&TenantId, &Arc<TenantPlugins>)| {
            (tenant.clone(), Arc::new(TenantPlugins::resolve(&offers, plugins.rows.clone())))
        };
        let tenants = self.tenants.iter().map(again).collect();
        let infos = offers.values().map(|offered| offered.info().clone()).collect();
        Self { offers, infos, tenants }
    }

    pub(super) fn with_tenant(&self, tenant: &TenantId, rows: Vec<Enablement>) -> Self {
        let mut next = self.clone();
        if rows.is_empty() {
            next.tenants.remove(tenant);
        } else {
            next.tenants.insert(tenant.clone(), Arc::new(TenantPlugins::resolve(&self.offers, rows)));
        }
        next
    }

    pub(super) fn with_tenants(&self, rows: Vec<Enablement>) -> Self {
        let mut by_tenant: HashMap<TenantId, Vec<Enablement>> = HashMap::new();
        for row in rows {
            by_tenant.entry(row.tenant.clone()).or_default().push(row);
        }
        let resolved = |(tenant, rows)| (tenant, Arc::new(TenantPlugins::resolve(&self.offers, rows)));
        Self { tenants: by_tenant.into_iter().map(resolved).collect(), ..self.clone() }
    }
}

impl TenantPlugins {
    fn resolve(offers: &BTreeMap<String, Arc<Offered>>, rows: Vec<Enablement>) -> Self {
        let mut plugins = HashMap::new();
        for row in &rows {
            let Some(offered) = offers.get(&row.plugin) else { continue };
            plugins.entry(row.plugin.clone()).or_insert_with(|| Resolved::new(offered, &rows));
        }
        Self { rows, plugins }
    }
}

impl Resolved {
    fn new(offered: &Offered, rows: &[Enablement]) -> Self {
        let rows = || rows.iter().filter(move |row| row.plugin == offered.offer.plugin);
        let tenant = rows().find(|row| row.device.is_none());
        let of_device = |row: &Enablement| {
            let device = row.device.clone()?;
            Some((device, Arc::new(offered.resolve(tenant, Some(row)))))
        };
        Self { tenant: Arc::new(offered.resolve(tenant, None)), devices: rows().filter_map(of_device).collect() }
    }
}

fn resolve(
    offer: &PluginOffer,
    package: &Package,
    tenant: Option<&Enablement>,
    device: Option<&Enablement>,
) -> Effective {
    let (state, decided_by) = match (device, tenant) {
        (Some(row), _) => (row.state, DecidedBy::Device),
        (None, Some(row)) => (row.state, DecidedBy::Tenant),
        (None, None) => (offer.default_state, DecidedBy::Offer),
    };
    let layers = || [tenant, device].into_iter().flatten();
    let mut settings = Settings::new();
    for row in layers() {
        merge(&mut settings, &row.settings);
    }
    let problem = package.schema.as_ref().and_then(|schema| {
        schema.fill(&mut settings);
        schema.check(&settings).err()
    });
    let allowed = |grant: &Grant| {
        let lists = [offer.grants_max.as_ref()].into_iter().chain(layers().map(|row| row.grants.as_ref()));
        lists.flatten().all(|list| list.contains(grant))
    };
    let mut secret_names: Vec<String> = layers().flat_map(|row| row.secret_names.iter().cloned()).collect();
    secret_names.sort();
    secret_names.dedup();
    Effective {
        plugin: offer.plugin.clone(),
        digest: offer.digest.clone(),
        state,
        decided_by,
        settings: Value::Object(settings).to_string().into(),
        problem,
        grants: package.info.grants.iter().map(|granted| granted.kind).filter(allowed).collect(),
        position: device.or(tenant).map_or(0, |row| row.position),
        on_failure: layers().filter_map(|row| row.on_failure).next_back(),
        device: device.and_then(|row| row.device.clone()),
        secret_names,
    }
}

#[cfg(test)]
mod tests;
