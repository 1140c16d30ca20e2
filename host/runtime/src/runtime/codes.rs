//! Versions in memory, by their digests. Whoever calls one holds it; here it stays as long as it may be called again.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};

use crate::plugin::Plugin;

/// The versions that are loaded.
#[derive(Default)]
pub(crate) struct Codes(RwLock<HashMap<String, Arc<Plugin>>>);

impl Codes {
    /// A version, if it is loaded.
    pub(crate) fn get(&self, digest: &str) -> Option<Arc<Plugin>> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).get(digest).cloned()
    }

    /// Adds a version. One that is there already stays, with the breakers it has.
    pub(crate) fn put(&self, plugin: Plugin) -> Arc<Plugin> {
        let mut codes = self.0.write().unwrap_or_else(PoisonError::into_inner);
        let digest = plugin.package.info.digest.clone();
        Arc::clone(codes.entry(digest).or_insert_with(|| Arc::new(plugin)))
    }

    /// Drops the versions of a plugin that `is_wanted` does not name. Calls under way finish on theirs.
    pub(crate) fn retain(&self, plugin: &str, is_wanted: impl Fn(&str) -> bool) {
        let mut codes = self.0.write().unwrap_or_else(PoisonError::into_inner);
        codes.retain(|digest, code| code.id() != plugin || is_wanted(digest));
    }

    /// Drops a version.
    pub(crate) fn remove(&self, digest: &str) {
        self.0.write().unwrap_or_else(PoisonError::into_inner).remove(digest);
    }
}
