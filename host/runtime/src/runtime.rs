//! The runtime: the plugins of one gateway, behind the port of the core.

use std::collections::BTreeMap;
use std::sync::Arc;

use async_trait::async_trait;
use portico_core::access::Caller;
use portico_core::event::Event;
use portico_core::id::{DeviceId, TenantId};
use portico_core::ports::Plugins;
use portico_core::ports::plugins::{
    CallCount, Decision, Formatted, Hook, Outcome, PaceDevice, PaceQuery, PluginFailure, PluginInfo, PluginRequest,
    PluginResponse, Rest,
};

use crate::call::{About, Host};
use crate::check::try_out;
use crate::config::{RuntimeConfig, Source};
use crate::engine;
use crate::kind::dialect::Handle;
use crate::kind::{pacing, webhook_format};
use crate::load::{LoadError, Loader};
use crate::plugin::Plugin;
use crate::services::{HostServices, Serving};
use crate::tally::Tally;

/// Loaded plugins, ready to be called.
pub struct Runtime {
    host: Host,
    plugins: BTreeMap<String, Arc<Plugin>>,
}

impl Runtime {
    /// Starts the runtime with these plugins. One that is refused refuses the start: a gateway that quietly lacks a plugin
    /// would surprise more.
    pub async fn start(config: RuntimeConfig, sources: Vec<Source>) -> Result<Arc<Self>, LoadError> {
        let engine = engine::running(config.limits.instances_max).map_err(|e| LoadError::Engine(format!("{e:#}")))?;
        let host = Host {
            services: Arc::new(HostServices::new(config.limits.clone())),
            clock: Arc::clone(&config.clock),
            rng: Arc::clone(&config.rng),
            tally: Tally::default(),
            engine,
        };
        let loader = Loader::new(&host.engine, &engine::fingerprint(&host.engine), &config)?;
        let mut plugins = BTreeMap::new();
        for source in &sources {
            let named =
                |e: LoadError| LoadError::Plugin { plugin: format!("{:?}", source.component), source: Box::new(e) };
            let plugin = loader.load(source).await.map_err(named)?;
            try_out(&host, &plugin).await.map_err(named)?;
            check_unclaimed(&plugins, &plugin).map_err(named)?;
            tracing::info!(plugin.id = plugin.info.id, plugin.version = plugin.info.version, "a plugin is loaded");
            plugins.insert(plugin.info.id.clone(), Arc::new(plugin));
        }
        Ok(Arc::new(Self { host: Host { tally: Tally::default(), ..host }, plugins }))
    }

    /// Gives the REST core that the import `rest` calls. It comes late because it is built on a runtime.
    pub fn set_rest(&self, rest: Arc<dyn Rest>) {
        self.host.services.set_rest(rest);
    }

    fn find(&self, plugin: &str) -> Result<&Plugin, PluginFailure> {
        self.plugins.get(plugin).map(|plugin| &**plugin).ok_or_else(|| PluginFailure {
            plugin: plugin.to_owned(),
            outcome: Outcome::Missing,
            detail: "it is not installed".into(),
        })
    }

    /// The plugins that have pacing.
    fn pacers(&self) -> impl Iterator<Item = &Arc<Plugin>> {
        self.plugins.values().filter(|p| p.info.hooks.contains(&Hook::Pacing))
    }
}

/// Ids, mount names and root prefixes belong to one plugin each.
fn check_unclaimed(plugins: &BTreeMap<String, Arc<Plugin>>, new: &Plugin) -> Result<(), LoadError> {
    if plugins.contains_key(&new.info.id) {
        return Err(LoadError::Twice(new.info.id.clone()));
    }
    let Some(mount) = &new.info.mount else {
        return Ok(());
    };
    for other in plugins.values().filter_map(|p| p.info.mount.as_ref()) {
        if other.name == mount.name {
            return Err(LoadError::Twice(format!("/d/{}", mount.name)));
        }
        if let Some(shared) = mount.root.iter().find(|prefix| other.root.contains(prefix)) {
            return Err(LoadError::Twice(shared.clone()));
        }
    }
    Ok(())
}

#[async_trait]
impl Plugins for Runtime {
    fn list(&self) -> Vec<PluginInfo> {
        self.plugins.values().map(|plugin| plugin.info.clone()).collect()
    }

    async fn format(&self, plugin: &str, tenant: &TenantId, events: &[Event]) -> Result<Vec<Formatted>, PluginFailure> {
        let plugin = self.find(plugin)?;
        let about = About { tenant: Some(tenant.clone()), device: None, serving: Serving::Gateway };
        let mut all = Vec::with_capacity(events.len());
        for batch in webhook_format::batches(events) {
            all.extend(self.host.call(plugin, &about, &batch).await?);
        }
        Ok(all)
    }

    async fn pace(
        &self,
        tenant: &TenantId,
        device: &DeviceId,
        state: PaceDevice,
        queries: Vec<PaceQuery>,
    ) -> Result<Vec<Decision>, PluginFailure> {
        let about = About { tenant: Some(tenant.clone()), device: Some(device.clone()), serving: Serving::Gateway };
        let mut strictest: Option<Vec<Decision>> = None;
        for plugin in self.pacers() {
            let mut all = Vec::with_capacity(queries.len());
            for batch in pacing::batches(&state, &queries) {
                all.extend(self.host.call(plugin, &about, &batch).await?);
            }
            strictest = Some(match strictest {
                None => all,
                Some(before) => before.into_iter().zip(all).map(|(a, b)| pacing::stricter(a, b)).collect(),
            });
        }
        strictest.ok_or_else(|| PluginFailure {
            plugin: "pacing".into(),
            outcome: Outcome::Missing,
            detail: "no installed plugin has the hook `pacing`".into(),
        })
    }

    async fn handle(
        &self,
        plugin: &str,
        caller: Option<Caller>,
        request: PluginRequest,
    ) -> Result<PluginResponse, PluginFailure> {
        let plugin = self.find(plugin)?;
        let call = Handle::new(request, caller.is_some());
        let tenant = caller.as_ref().map(|c| c.tenant().clone());
        let about = About { tenant, device: None, serving: Serving::Request(caller) };
        self.host.call(plugin, &about, &call).await
    }

    fn calls(&self) -> Vec<CallCount> {
        self.host.tally.list()
    }
}
