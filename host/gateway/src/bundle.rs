//! The plugins the gateway comes with, compiled into the binary, and those of a folder.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use portico_runtime::Source;

mod generated {
    include!(concat!(env!("OUT_DIR"), "/bundle.rs"));
}

/// Built-in components first, then those of `dir` (by name).
pub fn sources(dir: Option<&Path>) -> Result<Vec<Source>> {
    let mut all: Vec<Source> = generated::COMPONENTS.iter().map(|(name, bytes)| Source::memory(name, *bytes)).collect();
    if let Some(dir) = dir {
        all.extend(files(dir)?.into_iter().map(Source::file));
    }
    Ok(all)
}

fn files(dir: &Path) -> Result<Vec<PathBuf>> {
    let unreadable = || format!("the plugin folder {} can't be read", dir.display());
    let entries = fs::read_dir(dir).with_context(unreadable)?;
    let mut paths = entries.map(|entry| Ok(entry?.path())).collect::<Result<Vec<_>>>().with_context(unreadable)?;
    paths.retain(|path| path.extension().is_some_and(|e| e == "wasm"));
    paths.sort();
    Ok(paths)
}
