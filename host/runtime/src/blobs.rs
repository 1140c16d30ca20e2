//! Components on disk, by the SHA-256 of their bytes: `<dir>/components/<digest>.wasm`, beside their compiled forms.

use std::path::{Path, PathBuf};
use std::{fs, io};

use sha2::{Digest, Sha256};

use crate::cache::{create_private, write_whole};

/// The components that are kept.
#[derive(Clone)]
pub(crate) struct Blobs {
    dir: PathBuf,
}

impl Blobs {
    pub(crate) fn open(dir: &Path) -> io::Result<Self> {
        let dir = dir.join("components");
        create_private(&dir)?;
        Ok(Self { dir })
    }

    fn path(&self, digest: &str) -> PathBuf {
        self.dir.join(format!("{digest}.wasm"))
    }

    /// The component with that digest, if it is there and whole.
    pub(crate) fn get(&self, digest: &str) -> Option<Vec<u8>> {
        if !is_digest(digest) {
            return None;
        }
        let bytes = fs::read(self.path(digest)).ok()?;
        let whole = hex::encode(Sha256::digest(&bytes)) == digest;
        if !whole {
            tracing::error!(plugin.digest = digest, "a component that is kept is damaged; install it again");
        }
        whole.then_some(bytes)
    }

    /// Keeps a component. The file appears whole or not at all.
    pub(crate) fn put(&self, digest: &str, component: &[u8]) -> io::Result<()> {
        let path = self.path(digest);
        if fs::metadata(&path).is_ok_and(|file| file.len() == component.len() as u64) && self.get(digest).is_some() {
            return Ok(());
        }
        write_whole(&path, &[component])
    }

    /// Removes a component. One that is not there is no error.
    pub(crate) fn remove(&self, digest: &str) {
        if is_digest(digest)
            && let Err(error) = fs::remove_file(self.path(digest))
            && error.kind() != io::ErrorKind::NotFound
        {
            tracing::warn!(plugin.digest = digest, %error, "a component could not be removed");
        }
    }
}

/// Whether a text can be a digest, and so part of a file's name.
fn is_digest(text: &str) -> bool {
    text.len() == 64 && text.bytes().all(|b| b.is_ascii_hexdigit())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_put_comes_back_unless_it_was_damaged_or_removed() {
        let dir = tempfile::tempdir().expect("a folder");
        let blobs = Blobs::open(dir.path()).expect("a store");
        let digest = hex::encode(Sha256::digest(b"component"));
        assert!(blobs.get(&digest).is_none() && blobs.get("../../etc/passwd").is_none());
        blobs.put(&digest, b"component").expect("kept");
        assert_eq!(blobs.get(&digest).as_deref(), Some(&b"component"[..]));
        fs::write(blobs.path(&digest), b"tampered!").expect("written");
        assert!(blobs.get(&digest).is_none());
        blobs.put(&digest, b"component").expect("kept again");
        assert!(blobs.get(&digest).is_some());
        blobs.remove(&digest);
        blobs.remove(&digest);
        assert!(blobs.get(&digest).is_none());
    }
}
