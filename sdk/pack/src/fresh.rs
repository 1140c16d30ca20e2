//! Whether a component is still what its sources say: a stamp beside it holds the hash of everything it was made of.

use std::fs;
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use crate::PackError;
use crate::cargo::Project;
use crate::component::WIT;

/// The hash of all sources.
pub struct Stamp(String);

impl Stamp {
    /// Hashes the project's sources, those of its local dependencies, the lock file and the interfaces.
    pub fn of(project: &Project) -> Result<Self, PackError> {
        let mut files = vec![project.workspace_dir.join("Cargo.toml"), project.workspace_dir.join("Cargo.lock")];
        for dir in &project.source_dirs {
            let names = ["Cargo.toml", crate::manifest::FILE_NAME, crate::manifest::SCHEMA_FILE_NAME];
            files.extend(names.map(|name| dir.join(name)));
            collect(&dir.join("src"), &mut files)?;
        }
        files.sort();
        let mut hash = Sha256::new();
        hash.update(env!("CARGO_PKG_VERSION"));
        for (name, text) in WIT {
            feed(&mut hash, name.as_bytes(), text.as_bytes());
        }
        for file in files.iter().filter(|f| f.is_file()) {
            let bytes = fs::read(file).map_err(PackError::io(file))?;
            feed(&mut hash, file.as_os_str().as_encoded_bytes(), &bytes);
        }
        Ok(Self(hex::encode(hash.finalize())))
    }

    /// Whether the component at `path` was made of the same.
    pub fn matches(&self, path: &Path) -> bool {
        path.is_file() && fs::read_to_string(stamp_path(path)).is_ok_and(|text| text == self.0)
    }

    /// Notes that the component at `path` is made of this.
    pub fn write(&self, path: &Path) -> Result<(), PackError> {
        let path = stamp_path(path);
        fs::write(&path, &self.0).map_err(PackError::io(&path))
    }
}

fn stamp_path(component: &Path) -> PathBuf {
    component.with_extension("stamp")
}

fn feed(hash: &mut Sha256, name: &[u8], bytes: &[u8]) {
    for part in [name, bytes] {
        hash.update((part.len() as u64).to_be_bytes());
        hash.update(part);
    }
}

fn collect(dir: &Path, files: &mut Vec<PathBuf>) -> Result<(), PackError> {
    if !dir.is_dir() {
        return Ok(());
    }
    for entry in fs::read_dir(dir).map_err(PackError::io(dir))? {
        let path = entry.map_err(PackError::io(dir))?.path();
        if path.is_dir() {
            collect(&path, files)?;
        } else {
            files.push(path);
        }
    }
    Ok(())
}
