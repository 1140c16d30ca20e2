//! The runtime: the plugins of one gateway, behind the port of the core.

use std::collections::BTreeMap;
use std::sync::Arc;

use async_trait::async_trait;
use portico_core::event::Event;
use portico_core::id::{DeviceId, TenantId};
use portico_core::ports::Plugins;
use portico_core::ports::plugins::{
    Answer, Decision, Formatted, Handled, Hook, Outcome, PaceDevice, PaceQuery, PluginFailure, PluginInfo,
    PluginRequest, Refusal, Rest,
};

use crate::call::{CallScope, Host};
use crate::check::smoke_test;
use crate::config::{RuntimeConfig, Source};
use crate::engine;
use crate::kind::dialect::{Handle, Refuse};
use crate::kind::{pacing, webhook_format};
use crate::load::{LoadError, Loader};
use crate::plugin::Plugin;
use crate::services::{HostServices, Serving};

/// Loaded plugins, ready to be called.
pub struct Runtime {
    host: Host,
    plugins: BTreeMap<String, Arc<Plugin>>,
    infos: Arc<[PluginInfo]>,
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
            engine,
        };
        let loader = Loader::new(&host.engine, &engine::fingerprint(&host.engine), &config)?;
        let mut plugins = BTreeMap::new();
        for source in &sources {
            let named =
                |e: LoadError| LoadError::Plugin { plugin: format!("{:?}", source.component), source: Box::new(e) };
            let mut plugin = loader.load(source).await.map_err(named)?;
            smoke_test(&host, &mut plugin).await.map_err(named)?;
            check_unclaimed(&plugins, &plugin).map_err(named)?;
            tracing::info!(plugin.id = plugin.info.id, plugin.version = plugin.info.version, "a plugin is loaded");
            plugins.insert(plugin.info.id.clone(), Arc::new(plugin));
        }
        let infos = plugins.values().map(|plugin| plugin.info.clone()).collect();
        Ok(Arc::new(Self { host, plugins, infos }))
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

/// Ids and mount names belong to one plugin each. Paths may be claimed by several.
fn check_unclaimed(plugins: &BTreeMap<String, Arc<Plugin>>, new: &Plugin) -> Result<(), LoadError> {
    if plugins.contains_key(&new.info.id) {
        return Err(LoadError::Duplicate(new.info.id.clone()));
    }
    let Some(mount) = &new.info.mount else {
        return Ok(());
    };
    for other in plugins.values().filter_map(|p| p.info.mount.as_ref()) {
        if other.name == mount.name {
            return Err(LoadError::Duplicate(format!("/d/{}", mount.name)));
        }
    }
    Ok(())
}

#[async_trait]
impl Plugins for Runtime {
    fn list(&self) -> Arc<[PluginInfo]> {
        Arc::clone(&self.infos)
    }

    async fn format(&self, plugin: &str, tenant: &TenantId, events: &[Event]) -> Result<Vec<Formatted>, PluginFailure> {
        let plugin = self.find(plugin)?;
        let scope = CallScope { tenant: Some(tenant.clone()), device: None, serving: Serving::Gateway };
        let mut all = Vec::with_capacity(events.len());
        for batch in webhook_format::batches(events) {
            all.extend(self.host.call(plugin, &scope, &batch).await?);
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
        let scope = CallScope { tenant: Some(tenant.clone()), device: Some(device.clone()), serving: Serving::Gateway };
        let mut strictest: Option<Vec<Decision>> = None;
        for plugin in self.pacers() {
            let mut all = Vec::with_capacity(queries.len());
            for batch in pacing::batches(&state, &queries) {
                all.extend(self.host.call(plugin, &scope, &batch).await?);
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

    async fn handle(&self, plugin: &str, request: PluginRequest) -> Result<Handled, PluginFailure> {
        let plugin = self.find(plugin)?;
        let (call, scope) = Handle::new(request);
        self.host.call(plugin, &scope, &call).await
    }

    async fn refuse(&self, plugin: &str, refusal: Refusal) -> Result<Answer, PluginFailure> {
        let plugin = self.find(plugin)?;
        let scope = CallScope { tenant: None, device: None, serving: Serving::Gateway };
        self.host.call(plugin, &scope, &Refuse::new(refusal)).await
    }
}
