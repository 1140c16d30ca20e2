//! Compiled components on disk: `<dir>/compiled/<engine>/<digest>.cwasm`.
//!
//! The file starts with the SHA-256 of what follows, which is checked on the very bytes that are then run: half-written or
//! damaged files are compiled anew. It does not stop somebody who may write to the folder, which only the gateway may be.

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use sha2::{Digest, Sha256};

const HASH_BYTES: usize = 32;

/// The cache of one engine.
#[derive(Clone)]
pub(crate) struct Cache {
    dir: PathBuf,
}

impl Cache {
    /// Opens the cache for the engine with that fingerprint. Those of other engines are left alone: an older version of the
    /// gateway may be started again.
    pub(crate) fn open(dir: &Path, fingerprint: &str) -> io::Result<Self> {
        let dir = dir.join("compiled").join(fingerprint);
        create_private(&dir)?;
        Ok(Self { dir })
    }

    fn path(&self, digest: &str) -> PathBuf {
        self.dir.join(format!("{digest}.cwasm"))
    }

    /// The compiled form of the component with that digest, if it is there and whole.
    pub(crate) fn get(&self, digest: &str) -> Option<Vec<u8>> {
        let mut bytes = fs::read(self.path(digest)).ok()?;
        let (hash, body) = bytes.split_at_checked(HASH_BYTES)?;
        if Sha256::digest(body).as_slice() != hash {
            tracing::warn!(plugin.digest = digest, "a compiled plugin in the cache is damaged; compiling it anew");
            return None;
        }
        bytes.drain(..HASH_BYTES);
        Some(bytes)
    }

    /// Keeps a compiled form. The file appears whole or not at all.
    pub(crate) fn put(&self, digest: &str, compiled: &[u8]) -> io::Result<()> {
        write_whole(&self.path(digest), &[&Sha256::digest(compiled), compiled])
    }

    /// Removes a compiled form, if it is there.
    pub(crate) fn remove(&self, digest: &str) {
        if digest.bytes().all(|b| b.is_ascii_hexdigit()) {
            // One that stays is in nobody's way.
            let _ = fs::remove_file(self.path(digest));
        }
    }
}

/// Writes a file that appears whole or not at all.
pub(crate) fn write_whole(path: &Path, parts: &[&[u8]]) -> io::Result<()> {
    static UNFINISHED: AtomicU64 = AtomicU64::new(0);
    let number = UNFINISHED.fetch_add(1, Ordering::Relaxed);
    let unfinished = path.with_extension(format!("{}-{number}.unfinished", std::process::id()));
    let mut file = fs::File::create(&unfinished)?;
    for part in parts {
        file.write_all(part)?;
    }
    file.sync_all()?;
    fs::rename(&unfinished, path)
}

#[cfg(unix)]
pub(crate) fn create_private(dir: &Path) -> io::Result<()> {
    use std::os::unix::fs::DirBuilderExt;
    fs::DirBuilder::new().recursive(true).mode(0o700).create(dir)
}

#[cfg(not(unix))]
pub(crate) fn create_private(dir: &Path) -> io::Result<()> {
    fs::create_dir_all(dir)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_put_comes_back_unless_it_was_damaged() {
        let dir = tempfile::tempdir().expect("a folder");
        let cache = Cache::open(dir.path(), "engine").expect("a cache");
        assert!(cache.get("digest").is_none());
        cache.put("digest", b"machine code").expect("kept");
        assert_eq!(cache.get("digest").as_deref(), Some(b"machine code".as_slice()));
        let path = cache.path("digest");
        let mut bytes = fs::read(&path).expect("bytes");
        *bytes.last_mut().expect("a byte") ^= 1;
        fs::write(&path, bytes).expect("written");
        assert!(cache.get("digest").is_none());
        fs::write(&path, b"short").expect("written");
        assert!(cache.get("digest").is_none());
    }
}
