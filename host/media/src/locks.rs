//! Locks of files: many may store one at the same time, and who removes one is alone with it.

use std::sync::Arc;

use portico_core::media::Digest;
use tokio::sync::{OwnedRwLockReadGuard, OwnedRwLockWriteGuard, RwLock};

/// Locks that all files share. Files with the same lock wait for each other without need, which is rare and short.
const LOCKS: usize = 256;

/// The locks.
pub(crate) struct Locks([Arc<RwLock<()>>; LOCKS]);

impl Locks {
    pub(crate) fn new() -> Self {
        Self(std::array::from_fn(|_| Arc::default()))
    }

    /// Keeps the file from being removed.
    pub(crate) async fn hold(&self, digest: &Digest) -> OwnedRwLockReadGuard<()> {
        Arc::clone(self.of(digest)).read_owned().await
    }

    /// Keeps the file from being stored.
    pub(crate) async fn claim(&self, digest: &Digest) -> OwnedRwLockWriteGuard<()> {
        Arc::clone(self.of(digest)).write_owned().await
    }

    fn of(&self, digest: &Digest) -> &Arc<RwLock<()>> {
        let [first, ..] = *digest.as_bytes();
        &self.0[usize::from(first) % LOCKS]
    }
}
