//! The last steps of an install, and all of them for an author: does every hook load, does every pure hook take an empty
//! batch, are the routes in order.

use std::collections::HashSet;
use std::path::Path;
use std::sync::Arc;

use portico_core::directory::Effective;
use portico_core::ports::plugins::{Hook, Outcome, PluginFailure, PluginInfo, Route};
use portico_core::ports::{Clock, Rng};
use portico_core::time::UtcMs;

use crate::call::{CallScope, Host};
use crate::config::{ComponentBytes, RuntimeConfig};
use crate::guest;
use crate::import::CallStates;
use crate::kind::{HookCall, dialect, dialect_socket};
use crate::load::{LoadError, Loader};
use crate::owner::Owner;
use crate::plugin::{HookState, Plugin};
use crate::services::{CallInfo, Serving};

/// Runs every check of an install on a file, without a gateway. Compiles in this process.
pub async fn check_file(path: &Path) -> Result<PluginInfo, LoadError> {
    let config = RuntimeConfig::new(Arc::new(Fixed), Arc::new(Fixed));
    let host = Host::new(&config)?;
    let loader = Loader::new(&host.engine, "check", &config)?;
    let mut plugin = loader.load(&ComponentBytes::File(path.to_owned())).await?.plugin;
    smoke_test(&host, &mut plugin).await?;
    Ok(plugin.package.info.clone())
}

/// Instantiates the plugin once per hook and loads the hook, which finds types of another shape; then makes the call that tries
/// it out, and asks for the routes and the sockets.
pub(crate) async fn smoke_test(host: &Host, plugin: &mut Plugin) -> Result<(), LoadError> {
    let shape = |e: wasmtime::Error| LoadError::Shape(format!("{e:#}"));
    let effective = Arc::new(Effective::of_package(&plugin.package));
    for state in &plugin.hooks {
        let call = CallInfo {
            effective: Arc::clone(&effective),
            owner: Owner::default(),
            hook: state.kind.hook(),
            pure: true,
            call_id: "check".into(),
            serving: Serving::Gateway,
            logs: Arc::clone(&plugin.logs),
            place: None,
            states: CallStates::default(),
        };
        let mut store = guest::store(&host.engine, Arc::clone(&host.services), call, &state.limits);
        let instance = plugin.pre.instantiate_async(&mut store).await.map_err(shape)?;
        state.kind.load(&state.export, &mut store, &instance).map_err(shape)?;
    }
    for state in &plugin.hooks {
        let tried = state.kind.smoke(Probe { host, plugin, state, effective: Arc::clone(&effective) }).await;
        match tried {
            // It may well need settings that have no default.
            Err(failure) if failure.outcome == Outcome::Config => {}
            tried => tried.map_err(|failure| failed(state, failure))?,
        }
    }
    let (mut routes, mut sockets) = (Vec::new(), Vec::new());
    if let Some(state) = plugin.hook(Hook::HttpHandler) {
        let probe = Probe { host, plugin, state, effective: Arc::clone(&effective) };
        routes = probe.ask(&dialect::Routes).await.map_err(|failure| failed(state, failure))?;
        check_routes(&plugin.package.info, &routes).map_err(LoadError::Routes)?;
    }
    if let Some(state) = plugin.hook(Hook::DialectSocket) {
        let probe = Probe { host, plugin, state, effective };
        sockets = probe.ask(&dialect_socket::Sockets).await.map_err(|failure| failed(state, failure))?;
    }
    // Nobody else has it yet.
    if let Some(package) = Arc::get_mut(&mut plugin.package) {
        package.info.routes = routes.into();
        package.info.sockets = sockets.into();
    }
    Ok(())
}

fn failed(state: &HookState, failure: PluginFailure) -> LoadError {
    let PluginFailure { outcome, detail, .. } = failure;
    LoadError::Smoke { hook: state.kind.hook().as_str(), why: format!("{outcome:?}: {detail}") }
}

/// Every route is there once, and names limits that the manifest has.
fn check_routes(info: &PluginInfo, routes: &[Route]) -> Result<(), String> {
    let Some(mount) = &info.mount else {
        return if routes.is_empty() { Ok(()) } else { Err("it has routes, but no `[mount]` in plugin.toml".into()) };
    };
    let mut seen = HashSet::new();
    for route in routes {
        if let Some(name) = route.limits.iter().find(|name| mount.limits.iter().all(|limit| limit.name != **name)) {
            return Err(format!("`{} {}` names the limit `{name}`, which plugin.toml lacks", route.method, route.path));
        }
        let shape: Vec<&str> = route.path.split('/').map(|s| if s.starts_with('{') { "{}" } else { s }).collect();
        if !seen.insert((route.method.as_str(), shape)) {
            return Err(format!("`{} {}` is there twice", route.method, route.path));
        }
    }
    Ok(())
}

/// Makes calls to check a plugin while it is loaded.
pub(crate) struct Probe<'a> {
    host: &'a Host,
    plugin: &'a Plugin,
    state: &'a HookState,
    effective: Arc<Effective>,
}

impl Probe<'_> {
    /// Makes a call and drops its answer.
    pub(crate) async fn make<C: HookCall>(&self, call: &C) -> Result<(), PluginFailure> {
        self.ask(call).await.map(drop)
    }

    /// Makes a call.
    async fn ask<C: HookCall>(&self, call: &C) -> Result<C::Answer, PluginFailure> {
        let effective = Arc::clone(&self.effective);
        let scope = CallScope { tenant: None, device: None, effective, serving: Serving::Gateway };
        self.host.probe(self.plugin, self.state, &scope, call).await
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
