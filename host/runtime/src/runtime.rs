//! The runtime: the versions of plugins that one gateway has loaded, behind the port of the core.
//!
//! Which version is called, with which settings and grants, the core's directory says for each call; the code of a version is
//! shared by all tenants. A version that is replaced stays until its last call has ended.

mod calls;
mod codes;

use std::sync::Arc;

use portico_core::directory::Directory;
use portico_core::plugin::{Origin, PluginOffer, PluginVersion};
use portico_core::ports::plugins::{Package, Rest};
use portico_core::time::UtcMs;

use crate::call::Host;
use crate::check::smoke_test;
use crate::config::{ComponentBytes, RuntimeConfig, Source};
use crate::engine;
use crate::load::{LoadError, Loaded, Loader};
use crate::plugin::Plugin;
use crate::semaphore::BoundedSemaphore;
use crate::services::HostServices;
use codes::Codes;

/// Loaded plugins, ready to be called.
pub struct Runtime {
    host: Host,
    loader: Loader,
    directory: Arc<Directory>,
    codes: Codes,
    packages: Vec<(Arc<Package>, Origin)>,
    /// Where clients reach the gateway.
    base_url: String,
    /// Bytes that are kept for a plugin about one socket, at most.
    socket_state_bytes: usize,
}

/// Calls that may wait for room for an instance, for each that there is room for.
const WAITING_PER_INSTANCE: usize = 4;

impl Host {
    pub(crate) fn new(config: &RuntimeConfig) -> Result<Self, LoadError> {
        let instances = config.limits.instances_max;
        let engine = engine::running(instances).map_err(|e| LoadError::Engine(format!("{e:#}")))?;
        let room = instances as usize;
        Ok(Self {
            services: Arc::new(HostServices::new(config)),
            instances: Arc::new(BoundedSemaphore::new(room, room.saturating_mul(WAITING_PER_INSTANCE))),
            clock: Arc::clone(&config.clock),
            rng: Arc::clone(&config.rng),
            engine,
        })
    }
}

impl Runtime {
    /// Starts the runtime with these plugins. One that is refused refuses the start: a gateway that quietly lacks a plugin
    /// would surprise more. All of them are on for everybody, until the directory is told otherwise.
    pub async fn start(config: RuntimeConfig, sources: Vec<Source>) -> Result<Arc<Self>, LoadError> {
        let host = Host::new(&config)?;
        let loader = Loader::new(&host.engine, &engine::fingerprint(&host.engine), &config)?;
        let directory = Arc::clone(&config.directory);
        let base_url = config.base_url.clone();
        let (codes, socket_state_bytes) = (Codes::default(), config.limits.socket_state_bytes);
        let mut runtime = Self { host, loader, directory, codes, packages: Vec::new(), base_url, socket_state_bytes };
        for Source { component, origin } in &sources {
            let named = |e: LoadError| LoadError::Plugin { plugin: format!("{component:?}"), source: Box::new(e) };
            let package = runtime.add(component).await.map_err(named)?;
            check_unclaimed(runtime.packages.iter().map(|(package, _)| &**package), &package, Same::Refused)
                .map_err(named)?;
            tracing::info!(plugin.id = package.info.id, plugin.version = package.info.version, "a plugin is loaded");
            runtime.packages.push((package, *origin));
        }
        runtime.offer_all();
        Ok(Arc::new(runtime))
    }

    /// What the runtime was started with.
    pub fn packages(&self) -> Vec<(Arc<Package>, Origin)> {
        self.packages.clone()
    }

    /// Gives the REST core that the import `rest` calls. It comes late because it is built on a runtime.
    pub fn set_rest(&self, rest: Arc<dyn Rest>) {
        self.host.services.set_rest(rest);
    }

    /// Loads a component, tries it out and keeps it.
    async fn add(&self, component: &ComponentBytes) -> Result<Arc<Package>, LoadError> {
        let Loaded { mut plugin, bytes } = self.loader.load(component).await?;
        smoke_test(&self.host, &mut plugin).await?;
        self.loader.keep(&plugin.package.info.digest, &bytes)?;
        Ok(Arc::clone(&self.codes.put(plugin).package))
    }

    /// The code of a version: from memory, or loaded from what is kept.
    async fn code(&self, digest: &str) -> Result<Arc<Plugin>, LoadError> {
        if let Some(code) = self.codes.get(digest) {
            return Ok(code);
        }
        let bytes = self.loader.kept(digest).ok_or_else(|| LoadError::NotKept(digest.to_owned()))?;
        let Loaded { mut plugin, .. } = self.loader.load(&ComponentBytes::Memory("kept", bytes.into())).await?;
        smoke_test(&self.host, &mut plugin).await?;
        Ok(self.codes.put(plugin))
    }

    /// Has the directory offer everything, as long as no store says otherwise.
    fn offer_all(&self) {
        let offer = |(package, origin): &(Arc<Package>, Origin)| {
            self.directory.know(Arc::clone(package));
            PluginOffer::of(&PluginVersion {
                digest: package.info.digest.clone(),
                plugin: package.info.id.clone(),
                version: package.info.version.clone(),
                origin: *origin,
                manifest: String::new(),
                schema: None,
                created_at: UtcMs(0),
            })
        };
        let offers: Vec<_> = self.packages.iter().map(offer).collect();
        self.directory.set_offers(self.directory.ticket(), &offers);
    }
}

/// What to think of another package with the same id.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Same {
    /// It is in the way.
    Refused,
    /// It is another version, which this one replaces.
    Replaced,
}

/// Ids and mount names belong to one plugin each. Paths may be claimed by several.
fn check_unclaimed<'a>(others: impl Iterator<Item = &'a Package>, new: &Package, same: Same) -> Result<(), LoadError> {
    for other in others.map(|package| &package.info) {
        if other.id == new.info.id {
            if same == Same::Refused {
                return Err(LoadError::Duplicate(new.info.id.clone()));
            }
            continue;
        }
        let (Some(mount), Some(taken)) = (&new.info.mount, &other.mount) else { continue };
        if taken.name == mount.name {
            return Err(LoadError::Duplicate(format!("/d/{}", mount.name)));
        }
    }
    Ok(())
}
