//! Values that a plugin keeps between calls, per tenant and device. Needs the grant `kv`.

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::bindings::portico::plugin::kv;

pub use crate::bindings::portico::plugin::kv::{Entry, KvError, Scope};

/// Where values are kept: the host in a component, a fake in unit tests.
pub trait Kv {
    /// A value, if there is one.
    fn get(&self, scope: &Scope, key: &str) -> Result<Option<Entry>, KvError>;

    /// Writes a value and gives its version. `expect` is the version it must have now, 0 for none; `None` writes in any case.
    /// After `ttl_ms` it goes away.
    fn set(
        &self,
        scope: &Scope,
        key: &str,
        value: &[u8],
        expect: Option<u32>,
        ttl_ms: Option<u32>,
    ) -> Result<u32, KvError>;

    /// Removes a value; says whether there was one.
    fn delete(&self, scope: &Scope, key: &str) -> Result<bool, KvError>;

    /// Keys that begin with `prefix`, in order, beginning after `after`.
    fn keys(&self, scope: &Scope, prefix: &str, after: &str, limit: u32) -> Result<Vec<String>, KvError>;
}

impl dyn Kv + '_ {
    /// A value as a type of the plugin's own.
    pub fn get_json<T: DeserializeOwned>(&self, scope: &Scope, key: &str) -> Result<Option<T>, KvError> {
        let Some(entry) = self.get(scope, key)? else { return Ok(None) };
        serde_json::from_slice(&entry.value).map(Some).map_err(|e| KvError::Invalid(format!("`{key}`: {e}")))
    }

    /// Writes a value as JSON, whatever was there.
    pub fn set_json(&self, scope: &Scope, key: &str, value: &impl Serialize) -> Result<u32, KvError> {
        let value = serde_json::to_vec(value).map_err(|e| KvError::Invalid(format!("`{key}`: {e}")))?;
        self.set(scope, key, &value, None, None)
    }
}

fn no_host<T>() -> Result<T, KvError> {
    Err(KvError::Unavailable("there is no host outside a component".into()))
}

/// The host's own import.
pub struct Host;

impl Kv for Host {
    fn get(&self, scope: &Scope, key: &str) -> Result<Option<Entry>, KvError> {
        if cfg!(target_arch = "wasm32") { kv::get(scope, key) } else { no_host() }
    }

    fn set(
        &self,
        scope: &Scope,
        key: &str,
        value: &[u8],
        expect: Option<u32>,
        ttl_ms: Option<u32>,
    ) -> Result<u32, KvError> {
        if cfg!(target_arch = "wasm32") { kv::set(scope, key, value, expect, ttl_ms) } else { no_host() }
    }

    fn delete(&self, scope: &Scope, key: &str) -> Result<bool, KvError> {
        if cfg!(target_arch = "wasm32") { kv::delete(scope, key) } else { no_host() }
    }

    fn keys(&self, scope: &Scope, prefix: &str, after: &str, limit: u32) -> Result<Vec<String>, KvError> {
        if cfg!(target_arch = "wasm32") { kv::keys(scope, prefix, after, limit) } else { no_host() }
    }
}
