//! Builds a plugin crate into one file: a WebAssembly component with the plugin's manifest inside.
//!
//! Four steps, one file each: [`toolchain`] finds a compiler that can build for `wasm32-unknown-unknown`, [`cargo`] runs it,
//! [`component`] turns the core module into a component of exactly the hooks that `plugin.toml` lists and adds the manifest,
//! [`fresh`] tells whether anything changed since. Whether a plugin is *good* is left to the gateway's own checks
//! (`portico plugin check`). Invariant: a file in the output folder was built from the sources named in its stamp.

pub mod cargo;
pub mod component;
pub mod fresh;
pub mod manifest;
pub mod toolchain;

use std::fs;
use std::path::{Path, PathBuf};

/// Why a plugin was not built.
#[derive(Debug, thiserror::Error)]
pub enum PackError {
    /// No compiler here can build for WebAssembly.
    #[error(
        "no Rust compiler here can build for wasm32-unknown-unknown ({0}); run `sdk/toolchain.sh`, which installs one"
    )]
    NoToolchain(String),
    /// The manifest is missing or wrong.
    #[error("{path}: {why}")]
    Manifest {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        why: String,
    },
    /// Cargo gave an error, which it has printed.
    #[error("cargo could not build `{package}`:\n{output}")]
    Cargo {
        /// The package.
        package: String,
        /// The last lines cargo printed.
        output: String,
    },
    /// The core module can't become a component with the hooks the manifest lists.
    #[error(
        "`{plugin}` can't be made a component of its hooks (do `register!` and `hooks` in plugin.toml agree?): {why}"
    )]
    Component {
        /// The plugin.
        plugin: String,
        /// What is wrong.
        why: String,
    },
    /// A file could not be read or written.
    #[error("{path}: {source}")]
    Io {
        /// The file.
        path: PathBuf,
        /// What happened.
        source: std::io::Error,
    },
}

impl PackError {
    fn io(path: &Path) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::Io { path, source }
    }
}

/// A plugin that was built.
#[derive(Debug)]
pub struct Built {
    /// The component.
    pub path: PathBuf,
    /// Its size in bytes.
    pub bytes: u64,
    /// Whether anything had to be done.
    pub rebuilt: bool,
}

/// Builds the crate in `crate_dir` into `out`, or into `target/plugins` of its workspace, unless nothing changed since.
/// Several processes may ask at once: they take turns.
pub fn build(crate_dir: &Path, out: Option<&Path>) -> Result<Built, PackError> {
    let project = cargo::Project::of(crate_dir)?;
    let manifest = manifest::Manifest::read(&crate_dir.join(manifest::FILE_NAME))?;
    let out = out.map_or_else(|| project.target_dir.join("plugins"), Path::to_owned);
    fs::create_dir_all(&out).map_err(PackError::io(&out))?;
    let lock_path = out.join(".lock");
    let lock = fs::File::create(&lock_path).map_err(PackError::io(&lock_path))?;
    lock.lock().map_err(PackError::io(&lock_path))?;

    let path = out.join(format!("{}.wasm", manifest.id()));
    let stamp = fresh::Stamp::of(&project)?;
    let rebuilt = !stamp.matches(&path);
    if rebuilt {
        let module_path = cargo::build(&project, &toolchain::Toolchain::find(crate_dir)?)?;
        let module = fs::read(&module_path).map_err(PackError::io(&module_path))?;
        let component = component::encode(&module, &manifest)?;
        // Renamed into place, so that a reader never sees half a file.
        let unfinished = out.join(format!("{}.unfinished", manifest.id()));
        fs::write(&unfinished, component).map_err(PackError::io(&unfinished))?;
        fs::rename(&unfinished, &path).map_err(PackError::io(&path))?;
        stamp.write(&path)?;
    }
    let bytes = fs::metadata(&path).map_err(PackError::io(&path))?.len();
    Ok(Built { path, bytes, rebuilt })
}

/// The component of the crate in `crate_dir`, built if it is missing or older than its sources. For tests.
pub fn ensure_built(crate_dir: impl AsRef<Path>) -> Result<PathBuf, PackError> {
    Ok(build(crate_dir.as_ref(), None)?.path)
}

/// The crates below `dir` that are plugins: those with a manifest, sorted by name.
pub fn plugins_in(dir: &Path) -> Result<Vec<PathBuf>, PackError> {
    let mut found = Vec::new();
    for entry in fs::read_dir(dir).map_err(PackError::io(dir))? {
        let path = entry.map_err(PackError::io(dir))?.path();
        if path.join(manifest::FILE_NAME).is_file() {
            found.push(path);
        }
    }
    found.sort();
    Ok(found)
}
