//! The last steps of an install, and all of them for an author: does every hook load, does every pure hook take an empty batch.

use std::path::Path;
use std::sync::Arc;

use portico_core::ports::plugins::{PluginFailure, PluginInfo};
use portico_core::ports::{Clock, Rng};
use portico_core::time::UtcMs;

use crate::call::{CallScope, Host};
use crate::config::{RuntimeConfig, Source};
use crate::engine;
use crate::guest;
use crate::import::CallStates;
use crate::kind::HookCall;
use crate::load::{LoadError, Loader};
use crate::plugin::{HookState, Plugin};
use crate::services::{CallInfo, HostServices, Serving};

/// Runs every check of an install on a file, without a gateway. Compiles in this process.
pub async fn check_file(path: &Path) -> Result<PluginInfo, LoadError> {
    let config = RuntimeConfig::new(Arc::new(Fixed), Arc::new(Fixed));
    let engine = engine::running(config.limits.instances_max).map_err(|e| LoadError::Engine(format!("{e:#}")))?;
    let host = Host {
        services: Arc::new(HostServices::new(config.limits.clone())),
        clock: Arc::clone(&config.clock),
        rng: Arc::clone(&config.rng),
        engine,
    };
    let loader = Loader::new(&host.engine, "check", &config)?;
    let plugin = loader.load(&Source::file(path)).await?;
    smoke_test(&host, &plugin).await?;
    Ok(plugin.info)
}

/// Instantiates the plugin once per hook and loads the hook, which finds types of another shape; then makes the call that tries
/// it out.
pub(crate) async fn smoke_test(host: &Host, plugin: &Plugin) -> Result<(), LoadError> {
    let shape = |e: wasmtime::Error| LoadError::Shape(format!("{e:#}"));
    for state in &plugin.hooks {
        let call = CallInfo {
            plugin: Arc::clone(&plugin.subject),
            hook: state.kind.hook(),
            call_id: "check".into(),
            serving: Serving::Gateway,
            states: CallStates::default(),
        };
        let mut store = guest::store(&host.engine, Arc::clone(&host.services), call, &state.limits);
        let instance = plugin.pre.instantiate_async(&mut store).await.map_err(shape)?;
        state.kind.load(&state.export, &mut store, &instance).map_err(shape)?;
    }
    for state in &plugin.hooks {
        let tried = state.kind.smoke(Probe { host, plugin, state }).await;
        tried.map_err(|PluginFailure { outcome, detail, .. }| LoadError::Smoke {
            hook: state.kind.hook().as_str(),
            why: format!("{outcome:?}: {detail}"),
        })?;
    }
    Ok(())
}

/// Makes calls to check a plugin while it is loaded.
pub(crate) struct Probe<'a> {
    host: &'a Host,
    plugin: &'a Plugin,
    state: &'a HookState,
}

impl Probe<'_> {
    /// Makes a call and drops its answer.
    pub(crate) async fn make<C: HookCall>(&self, call: &C) -> Result<(), PluginFailure> {
        let scope = CallScope { tenant: None, device: None, serving: Serving::Gateway };
        self.host.probe(self.plugin, self.state, &scope, call).await.map(drop)
    }
}

/// A clock and randomness for checks: the same every time.
#[derive(Debug)]
struct Fixed;

impl Clock for Fixed {
    fn now(&self) -> UtcMs {
        UtcMs(1_767_225_600_000)
    }
}

impl Rng for Fixed {
    fn fill(&self, out: &mut [u8]) {
        out.fill(0x5a);
    }
}
