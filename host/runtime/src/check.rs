//! The last steps of an install, and all of them for an author: does every hook load, does every pure hook take an empty
//! batch, are the routes in order.

use std::collections::HashSet;
use std::path::Path;
use std::sync::Arc;

use portico_core::ports::plugins::{Hook, PluginFailure, PluginInfo, Route};
use portico_core::ports::{Clock, Rng};
use portico_core::time::UtcMs;

use crate::call::{CallScope, Host};
use crate::config::{RuntimeConfig, Source};
use crate::engine;
use crate::guest;
use crate::kind::{dialect, pacing, webhook_format};
use crate::load::{LoadError, Loader};
use crate::manifest::hook_name;
use crate::plugin::Plugin;
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
    let mut plugin = loader.load(&Source::file(path)).await?;
    smoke_test(&host, &mut plugin).await?;
    Ok(plugin.info)
}

/// Instantiates the plugin once and loads every hook, which finds types of another shape; then calls its pure hooks with an
/// empty batch, and asks for its routes.
pub(crate) async fn smoke_test(host: &Host, plugin: &mut Plugin) -> Result<(), LoadError> {
    let shape = |e: wasmtime::Error| LoadError::Shape(format!("{e:#}"));
    for hook in &plugin.info.hooks {
        let Some(state) = plugin.hook(*hook) else { continue };
        let call = CallInfo {
            plugin: Arc::clone(&plugin.subject),
            hook: *hook,
            call_id: "check".into(),
            serving: Serving::Gateway,
            rest_calls: 0,
        };
        let mut store = guest::store(&host.engine, Arc::clone(&host.services), call, &state.limits);
        let instance = plugin.pre.instantiate_async(&mut store).await.map_err(shape)?;
        let exports = &plugin.exports;
        let loaded = match hook {
            Hook::WebhookFormat => exports.webhook_format.as_ref().map(|x| x.load(&mut store, &instance).map(drop)),
            Hook::Pacing => exports.pacing.as_ref().map(|x| x.load(&mut store, &instance).map(drop)),
            Hook::HttpHandler => exports.http_handler.as_ref().map(|x| x.load(&mut store, &instance).map(drop)),
        };
        loaded.transpose().map_err(shape)?;
    }
    let scope = CallScope { tenant: None, device: None, serving: Serving::Gateway };
    let mut routes = Vec::new();
    for hook in &plugin.info.hooks {
        let Some(state) = plugin.hook(*hook) else { continue };
        let answer = match hook {
            Hook::WebhookFormat => host.probe(plugin, state, &scope, &webhook_format::empty()).await.map(drop),
            Hook::Pacing => host.probe(plugin, state, &scope, &pacing::empty()).await.map(drop),
            // A request may have any effect, so that none is made to check the hook.
            Hook::HttpHandler => host.probe(plugin, state, &scope, &dialect::Routes).await.map(|all| routes = all),
        };
        answer.map_err(|PluginFailure { outcome, detail, .. }| LoadError::Smoke {
            hook: hook_name(*hook),
            why: format!("{outcome:?}: {detail}"),
        })?;
    }
    check_routes(&plugin.info, &routes).map_err(LoadError::Routes)?;
    plugin.info.routes = routes.into();
    Ok(())
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
