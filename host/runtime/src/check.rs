//! The last steps of an install, and all of them for an author: does every hook load, does every pure hook take an empty batch.

use std::path::Path;
use std::sync::Arc;

use portico_core::ports::plugins::{Hook, PluginFailure, PluginInfo};
use portico_core::ports::{Clock, Rng};
use portico_core::time::UtcMs;

use crate::call::{About, Host};
use crate::config::{RuntimeConfig, Source};
use crate::engine;
use crate::guest;
use crate::kind::{pacing, webhook_format};
use crate::load::{LoadError, Loader};
use crate::manifest::hook_name;
use crate::plugin::Plugin;
use crate::services::{CallInfo, HostServices, Serving};
use crate::tally::Tally;

/// Runs every check of an install on a file, without a gateway. Compiles in this process.
pub async fn check_file(path: &Path) -> Result<PluginInfo, LoadError> {
    let config = RuntimeConfig::new(Arc::new(Fixed), Arc::new(Fixed));
    let engine = engine::running(config.limits.instances_max).map_err(|e| LoadError::Engine(format!("{e:#}")))?;
    let host = Host {
        services: Arc::new(HostServices::new(config.limits.clone())),
        clock: Arc::clone(&config.clock),
        rng: Arc::clone(&config.rng),
        tally: Tally::default(),
        engine,
    };
    let loader = Loader::new(&host.engine, "check", &config)?;
    let plugin = loader.load(&Source::file(path)).await?;
    try_out(&host, &plugin).await?;
    Ok(plugin.info)
}

/// Instantiates the plugin once and loads every hook, which finds types of another shape; then calls its pure hooks with an
/// empty batch.
pub(crate) async fn try_out(host: &Host, plugin: &Plugin) -> Result<(), LoadError> {
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
    let about = About { tenant: None, device: None, serving: Serving::Gateway };
    for hook in &plugin.info.hooks {
        let answer = match hook {
            Hook::WebhookFormat => host.call(plugin, &about, &webhook_format::empty()).await.map(drop),
            Hook::Pacing => host.call(plugin, &about, &pacing::empty()).await.map(drop),
            // It may do anything, so it is not tried.
            Hook::HttpHandler => Ok(()),
        };
        answer.map_err(|PluginFailure { outcome, detail, .. }| LoadError::Smoke {
            hook: hook_name(*hook),
            why: format!("{outcome:?}: {detail}"),
        })?;
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
