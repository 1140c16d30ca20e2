//! Loads a plugin from a file or from memory. The checks run in the order of [`LoadError`]'s variants: compiling, the expensive
//! step, comes after everything that can be read off the component.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use portico_core::plugin::schema::Schema;
use portico_core::ports::plugins::{Package, PluginInfo};
use sha2::{Digest, Sha256};
use tokio::io::AsyncReadExt;
use wasmtime::Engine;
use wasmtime::component::{Component, Linker};

use crate::blobs::Blobs;
use crate::cache::Cache;
use crate::compile::{self, CompileError};
use crate::config::{Compiler, ComponentBytes, RuntimeConfig};
use crate::guest::Guest;
use crate::import::{self, grant_for};
use crate::inspect::{self, Facts};
use crate::kind::{self, AnyKind};
use crate::limits::Limits;
use crate::manifest::{Manifest, WIT_VERSION};
use crate::plugin::{HookState, Plugin};

/// Why a plugin is refused. Every text says what to do about it.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// The engine could not be made, or the cache's folder.
    #[error("the plugin runtime can't start: {0}")]
    Engine(String),
    /// The file can't be read.
    #[error("{path} can't be read")]
    Read {
        /// The file.
        path: PathBuf,
        /// What happened.
        source: std::io::Error,
    },
    /// What stands under the name is a folder, a pipe, a socket or a device. Reading it might never end.
    #[error(
        "{path} is {what}, not a regular file; put the .wasm file itself there, or take it out of the plugin folder"
    )]
    NotAFile {
        /// Where.
        path: PathBuf,
        /// What it is.
        what: &'static str,
    },
    /// The file is too large.
    #[error(
        "it has {bytes} bytes, {limit} are allowed; build it with `opt-level = \"s\"` and `strip = true`; `plugins.component_bytes` is the limit"
    )]
    TooLarge {
        /// Its size.
        bytes: u64,
        /// The limit.
        limit: usize,
    },
    /// The file is something else.
    #[error("it is no WebAssembly; give the .wasm file that `portico-pack build` made")]
    NotWasm,
    /// The file is a core module.
    #[error("it is a WebAssembly core module, not a component; build it with `portico-pack build`")]
    NotComponent,
    /// The file is damaged.
    #[error("it is a damaged component ({0}); build it anew")]
    Malformed(String),
    /// There is no manifest inside.
    #[error("it carries no manifest; build it with `portico-pack build` from a crate with a plugin.toml")]
    NoManifest,
    /// The manifest is wrong.
    #[error("its manifest can't be used: {0}")]
    Manifest(String),
    /// It imports what the host does not offer.
    #[error(
        "it imports `{0}`, which this gateway does not offer; plugins may import from portico:plugin only {offered} (no WASI: build for wasm32-unknown-unknown)",
        offered = import::interfaces()
    )]
    Import(String),
    /// It imports what its manifest does not ask for.
    #[error(
        "it imports `{import}` without asking for it; add `[[grant]] kind = \"{grant}\"` with a `why` to plugin.toml"
    )]
    GrantMissing {
        /// The import.
        import: String,
        /// The grant it needs.
        grant: &'static str,
    },
    /// Its exports are not the hooks of its manifest.
    #[error(
        "its manifest lists the hooks [{listed}], its exports are [{exported}]; make `hooks` in plugin.toml and `register!` agree"
    )]
    Hooks {
        /// In the manifest.
        listed: String,
        /// In the component.
        exported: String,
    },
    /// The schema of its settings is wrong.
    #[error("the JSON Schema of its settings can't be used: {0}; correct settings.schema.json and build it anew")]
    Schema(String),
    /// It does not compile.
    #[error("it does not compile: {0}")]
    Compile(#[from] CompileError),
    /// It can't be instantiated, or a hook has another shape than the host's.
    #[error("it does not fit this gateway ({0}); build it against portico:plugin@{WIT_VERSION}")]
    Shape(String),
    /// A pure hook fails on an empty batch.
    #[error("its hook `{hook}` fails on an empty batch: {why}")]
    Smoke {
        /// The hook.
        hook: &'static str,
        /// How.
        why: String,
    },
    /// The bytes of a version are not there.
    #[error("the component {0} is not kept here; install it again")]
    NotKept(String),
    /// Its routes can't be served.
    #[error("its routes can't be served: {0}")]
    Routes(String),
    /// Two plugins have one id, or one mount.
    #[error("two plugins claim `{0}`; remove one")]
    Duplicate(String),
    /// Some plugin of several is refused.
    #[error("plugin {plugin}")]
    Plugin {
        /// Where it came from.
        plugin: String,
        /// Why.
        source: Box<LoadError>,
    },
}

/// Loads plugins into one engine.
pub(crate) struct Loader {
    engine: Engine,
    compiler: Compiler,
    limits: Limits,
    linker: Linker<Guest>,
    cache: Option<Cache>,
    blobs: Option<Blobs>,
}

impl Loader {
    pub(crate) fn new(engine: &Engine, fingerprint: &str, config: &RuntimeConfig) -> Result<Self, LoadError> {
        let mut linker = Linker::new(engine);
        import::link(&mut linker).map_err(|e| LoadError::Engine(format!("{e:#}")))?;
        let (mut cache, mut blobs) = (None, None);
        let failed = |dir: &Path, e: std::io::Error| LoadError::Engine(format!("{}: {e}", dir.display()));
        if let Some(dir) = config.compiled_dir.as_deref().or(config.cache_dir.as_deref()) {
            cache = Cache::open(dir, fingerprint).map_err(|e| failed(dir, e))?;
        }
        if let Some(dir) = config.cache_dir.as_deref() {
            blobs = Some(Blobs::open(dir).map_err(|e| failed(dir, e))?);
        }
        let (compiler, limits) = (config.compiler.clone(), config.limits.clone());
        Ok(Self { engine: engine.clone(), compiler, limits, linker, cache, blobs })
    }

    /// Checks, compiles and instantiates; everything but the smoke call.
    pub(crate) async fn load(&self, component: &ComponentBytes) -> Result<Loaded, LoadError> {
        let bytes = self.read(component).await?;
        let digest = hex::encode(Sha256::digest(&bytes));
        let facts = inspect::component(&bytes)?;
        let manifest =
            Manifest::parse(facts.manifest.as_deref().ok_or(LoadError::NoManifest)?).map_err(LoadError::Manifest)?;
        check_imports(&facts, &manifest)?;
        let kinds = check_exports(&facts, &manifest)?;
        let schema = facts.schema.as_deref().map(schema).transpose()?;
        let component = self.component(&digest, bytes.clone()).await?;
        let shape = |e: wasmtime::Error| LoadError::Shape(format!("{e:#}"));
        let pre = self.linker.instantiate_pre(&component).map_err(shape)?;
        let find = |kind: &&'static dyn AnyKind| HookState::find(*kind, &pre, &self.limits);
        let hooks = kinds.iter().map(find).collect::<wasmtime::Result<Vec<_>>>().map_err(shape)?;
        let info = PluginInfo {
            id: manifest.plugin.id.clone(),
            version: manifest.plugin.version.to_string(),
            name: manifest.plugin.name.clone(),
            digest,
            hooks: manifest.plugin.hooks.clone(),
            mount: manifest.to_mount(),
            routes: Arc::new([]),
            sockets: Arc::new([]),
            grants: manifest.to_granted(),
        };
        let package = Arc::new(Package { info, manifest: facts.manifest.unwrap_or_default(), schema });
        Ok(Loaded { plugin: Plugin { package, pre, logs: Arc::default(), hooks }, bytes })
    }

    /// The bytes of a component that is kept.
    pub(crate) fn kept(&self, digest: &str) -> Option<Vec<u8>> {
        self.blobs.as_ref()?.get(digest)
    }

    /// Keeps the bytes of a component.
    pub(crate) fn keep(&self, digest: &str, component: &[u8]) -> Result<(), LoadError> {
        let Some(blobs) = &self.blobs else { return Ok(()) };
        blobs.put(digest, component).map_err(|e| LoadError::Engine(format!("keeping a component: {e}")))
    }

    /// Forgets a component.
    pub(crate) fn forget(&self, digest: &str) {
        self.blobs.as_ref().inspect(|blobs| blobs.remove(digest));
        self.cache.as_ref().inspect(|cache| cache.remove(digest));
    }

    async fn read(&self, component: &ComponentBytes) -> Result<Vec<u8>, LoadError> {
        let limit = self.limits.component_bytes;
        let too_large = |bytes: u64| LoadError::TooLarge { bytes, limit };
        match component {
            ComponentBytes::Memory(_, bytes) if bytes.len() > limit => Err(too_large(bytes.len() as u64)),
            ComponentBytes::Memory(_, bytes) => Ok(bytes.to_vec()),
            ComponentBytes::File(path) => {
                let failed = |source| LoadError::Read { path: path.clone(), source };
                let metadata = tokio::fs::metadata(path).await.map_err(failed)?;
                if !metadata.is_file() {
                    return Err(LoadError::NotAFile { path: path.clone(), what: file_kind(metadata.file_type()) });
                }
                if metadata.len() > limit as u64 {
                    return Err(too_large(metadata.len()));
                }
                let mut bytes = Vec::new();
                // The file may grow meanwhile.
                let file = tokio::fs::File::open(path).await.map_err(failed)?;
                file.take(limit as u64 + 1).read_to_end(&mut bytes).await.map_err(failed)?;
                if bytes.len() > limit { Err(too_large(bytes.len() as u64)) } else { Ok(bytes) }
            }
        }
    }

    /// The machine code: from the cache, or compiled and kept there.
    async fn component(&self, digest: &str, bytes: Vec<u8>) -> Result<Component, LoadError> {
        if let Some(compiled) = self.cache.as_ref().and_then(|cache| cache.get(digest)) {
            match self.deserialize(&compiled) {
                Ok(component) => return Ok(component),
                Err(e) => {
                    tracing::warn!(plugin.digest = digest, error = %e, "a compiled plugin in the cache can't be used; compiling it anew")
                }
            }
        }
        let compiled = compile::compile(&self.compiler, bytes, &self.limits).await?;
        if let Some(Err(e)) = self.cache.as_ref().map(|cache| cache.put(digest, &compiled)) {
            tracing::warn!(plugin.digest = digest, error = %e, "a compiled plugin could not be kept; the next start compiles it again");
        }
        self.deserialize(&compiled).map_err(|e| LoadError::Shape(format!("{e:#}")))
    }

    #[expect(unsafe_code, reason = "the only way to run precompiled code; see SAFETY")]
    fn deserialize(&self, compiled: &[u8]) -> wasmtime::Result<Component> {
        // SAFETY: the bytes come from our own compiler a moment ago, or from a file of the cache that only this user could write
        // (`cache.rs` looks at the owner and the permissions of the folder and of the opened file), and that is not damaged:
        // its hash was checked on these very bytes. An engine of another version or other settings refuses them.
        unsafe { Component::deserialize(&self.engine, compiled) }
    }
}

/// A version that passed all checks but the smoke call, and its bytes.
pub(crate) struct Loaded {
    pub(crate) plugin: Plugin,
    pub(crate) bytes: Vec<u8>,
}

fn schema(section: &[u8]) -> Result<Schema, LoadError> {
    let document = serde_json::from_slice(section).map_err(|e| LoadError::Schema(e.to_string()))?;
    Schema::compile(document).map_err(LoadError::Schema)
}

/// What a path leads to, for the error.
fn file_kind(file_type: std::fs::FileType) -> &'static str {
    use std::os::unix::fs::FileTypeExt;
    match file_type {
        t if t.is_dir() => "a folder",
        t if t.is_fifo() => "a named pipe (FIFO)",
        t if t.is_socket() => "a socket",
        t if t.is_block_device() || t.is_char_device() => "a device",
        _ => "something else",
    }
}

fn check_imports(facts: &Facts, manifest: &Manifest) -> Result<(), LoadError> {
    for import in &facts.imports {
        let interface = import
            .strip_prefix("portico:plugin/")
            .and_then(|rest| rest.split('@').next())
            .ok_or_else(|| LoadError::Import(import.clone()))?;
        match grant_for(interface) {
            Ok(Some(grant)) if !manifest.asks_for(grant) => {
                return Err(LoadError::GrantMissing { import: import.clone(), grant: grant.as_str() });
            }
            Ok(_) => {}
            Err(()) => return Err(LoadError::Import(import.clone())),
        }
    }
    Ok(())
}

fn check_exports(facts: &Facts, manifest: &Manifest) -> Result<Vec<&'static dyn AnyKind>, LoadError> {
    let listed: Vec<_> = manifest.plugin.hooks.iter().filter_map(|hook| kind::of(*hook)).collect();
    let sorted = |mut names: Vec<String>| {
        names.sort();
        names.dedup();
        names.join(", ")
    };
    let listed_names = sorted(listed.iter().map(|kind| kind.hook().as_str().to_owned()).collect());
    let exported_names = sorted(
        facts
            .exports
            .iter()
            .map(|name| {
                let own = name.strip_prefix("portico:plugin/").and_then(|rest| rest.split('@').next());
                own.unwrap_or(name).to_owned()
            })
            .collect(),
    );
    if listed_names != exported_names || listed.is_empty() {
        return Err(LoadError::Hooks { listed: listed_names, exported: exported_names });
    }
    Ok(listed)
}
