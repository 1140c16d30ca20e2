//! Compiled components on disk: `<dir>/compiled/<engine>/<digest>.cwasm`. Gateways of one user may share the folder: files are
//! named by what they are made from and with (the engine's name covers wasmtime's version, its settings and the CPU), appear
//! whole or not at all, and never change.
//!
//! What lies here is run as machine code, without any check of wasmtime's own that could stop a forged one: who can write a file
//! here can do whatever the gateway can. So a file is trusted only if it belongs to the user the gateway runs as and nobody else
//! may write to it or to its folder; the file that was opened is what is looked at, so that it can't be exchanged in between.
//! Else components are compiled at every start, which costs time and nothing else. The SHA-256 at the beginning, checked on the
//! very bytes that are then run, finds damage; it is no protection against forgery.

use std::fs;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use sha2::{Digest, Sha256};

const HASH_BYTES: usize = 32;

/// The cache of one engine.
#[derive(Clone)]
pub(crate) struct Cache {
    dir: PathBuf,
    /// The user the gateway runs as, as owner of files.
    user: u32,
}

impl Cache {
    /// Opens the cache for the engine with that fingerprint. Those of other engines are left alone: an older version of the
    /// gateway may be started again. `None` where others may write to the folder: it is not used then.
    pub(crate) fn open(dir: &Path, fingerprint: &str) -> io::Result<Option<Self>> {
        let dir = dir.join("compiled").join(fingerprint);
        create_private(&dir)?;
        let user = own_user(&dir)?;
        if !private::is(&fs::metadata(&dir)?, user) {
            let path = dir.display();
            tracing::warn!(%path, "others may write to the folder of compiled plugins, so it is not used; every start compiles them (`chmod go-w` mends it)");
            return Ok(None);
        }
        Ok(Some(Self { dir, user }))
    }

    fn path(&self, digest: &str) -> PathBuf {
        self.dir.join(format!("{digest}.cwasm"))
    }

    /// The compiled form of the component with that digest, if it is there and whole.
    pub(crate) fn get(&self, digest: &str) -> Option<Vec<u8>> {
        let mut file = fs::File::open(self.path(digest)).ok()?;
        if !private::is(&file.metadata().ok()?, self.user) {
            tracing::warn!(
                plugin.digest = digest,
                "others may write to a compiled plugin in the cache; compiling it anew"
            );
            return None;
        }
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes).ok()?;
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

/// Writes a file that appears whole or not at all, and that only its owner may change.
pub(crate) fn write_whole(path: &Path, parts: &[&[u8]]) -> io::Result<()> {
    let unfinished = unfinished(path);
    let mut file = private::create(&unfinished)?;
    for part in parts {
        file.write_all(part)?;
    }
    file.sync_all()?;
    fs::rename(&unfinished, path)
}

/// A name beside `path` that nobody else writes to at the same time.
fn unfinished(path: &Path) -> PathBuf {
    static UNFINISHED: AtomicU64 = AtomicU64::new(0);
    let number = UNFINISHED.fetch_add(1, Ordering::Relaxed);
    path.with_extension(format!("{}-{number}.unfinished", std::process::id()))
}

/// The user this process makes files as.
fn own_user(dir: &Path) -> io::Result<u32> {
    let probe = unfinished(&dir.join("probe"));
    let made = private::create(&probe)?.metadata().map(|metadata| private::owner(&metadata));
    fs::remove_file(&probe)?;
    made
}

pub(crate) use private::create_dir as create_private;

/// Owners and permissions.
#[cfg(unix)]
mod private {
    use std::fs::{DirBuilder, File, Metadata, OpenOptions};
    use std::io;
    use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
    use std::path::Path;

    /// Permission to write for the group and for everybody else.
    const WRITE_OF_OTHERS: u32 = 0o022;

    pub(crate) fn create_dir(dir: &Path) -> io::Result<()> {
        DirBuilder::new().recursive(true).mode(0o700).create(dir)
    }

    /// A new file; what an earlier process of the same number left is written over.
    pub(super) fn create(path: &Path) -> io::Result<File> {
        OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(path)
    }

    pub(super) fn owner(metadata: &Metadata) -> u32 {
        metadata.uid()
    }

    /// Whether a file or folder belongs to `user`, and to nobody else.
    pub(super) fn is(metadata: &Metadata, user: u32) -> bool {
        metadata.uid() == user && metadata.mode() & WRITE_OF_OTHERS == 0
    }
}

/// Where there are no such owners, nothing is trusted.
#[cfg(not(unix))]
mod private {
    use std::fs::{File, Metadata, create_dir_all};
    use std::io;
    use std::path::Path;

    pub(crate) fn create_dir(dir: &Path) -> io::Result<()> {
        create_dir_all(dir)
    }

    pub(super) fn create(path: &Path) -> io::Result<File> {
        File::create(path)
    }

    pub(super) fn owner(_: &Metadata) -> u32 {
        0
    }

    pub(super) fn is(_: &Metadata, _: u32) -> bool {
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_put_comes_back_unless_it_was_damaged() {
        let dir = tempfile::tempdir().expect("a folder");
        let cache = Cache::open(dir.path(), "engine").expect("a cache").expect("private");
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

    #[cfg(unix)]
    #[test]
    fn what_others_may_write_to_is_not_trusted() {
        use std::os::unix::fs::PermissionsExt;
        let dir = tempfile::tempdir().expect("a folder");
        let cache = Cache::open(dir.path(), "engine").expect("a cache").expect("private");
        cache.put("digest", b"machine code").expect("kept");
        let open_to = |path: &Path, mode| fs::set_permissions(path, fs::Permissions::from_mode(mode)).expect("a mode");
        for mode in [0o620, 0o602] {
            open_to(&cache.path("digest"), mode);
            assert!(cache.get("digest").is_none(), "{mode:o}");
        }
        open_to(&cache.path("digest"), 0o644);
        assert!(cache.get("digest").is_some());
        assert!(Cache { user: cache.user + 1, ..cache.clone() }.get("digest").is_none(), "of another user");
        open_to(&cache.dir, 0o770);
        assert!(Cache::open(dir.path(), "engine").expect("looked at").is_none());
    }

    #[test]
    fn rivals_that_write_the_same_file_leave_a_whole_one() {
        let dir = tempfile::tempdir().expect("a folder");
        let open = || Cache::open(dir.path(), "engine").expect("a cache").expect("private");
        let code = vec![7; 1 << 20];
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| open().put("digest", &code).expect("kept"));
            }
        });
        assert_eq!(open().get("digest"), Some(code));
        let left = fs::read_dir(open().dir).expect("a folder").count();
        assert_eq!(left, 1, "nothing unfinished is left");
    }
}
