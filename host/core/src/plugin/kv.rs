//! Values that plugins keep: small ones, each plugin its own per tenant or device, within limits.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;

use crate::access::authorize;
use crate::context::{Ports, Write};
use crate::error::{Error, Result};
use crate::ports::plugins::{KvScope, KvValue, PluginKv};
use crate::ports::store::KvEntry;

/// Characters of a key at most.
const KEY_CHARS_MAX: usize = 256;
/// Keys that one list gives at most.
const KEYS_LISTED_MAX: u32 = 1_000;

/// The implementation of [`PluginKv`] over the store.
pub struct Kv(pub Arc<Ports>);

#[async_trait]
impl PluginKv for Kv {
    async fn get(&self, scope: &KvScope, key: &str) -> Result<Option<KvValue>> {
        check_key("key", key)?;
        let (scope, key, now) = (scope.clone(), key.to_owned(), self.0.now());
        self.0.read(move |tx| tx.kv_get(&scope, &key, now)).await
    }

    async fn set(
        &self,
        scope: &KvScope,
        key: &str,
        value: Vec<u8>,
        expect: Option<u32>,
        ttl: Option<Duration>,
    ) -> Result<u32> {
        check_key("key", key)?;
        if key.is_empty() {
            return Err(Error::invalid("key", "must not be empty"));
        }
        let limit = self.0.limits.kv_value_bytes;
        if value.len() > limit {
            return Err(Error::TooLarge { what: "a value of a plugin", limit_bytes: limit as u64 });
        }
        let (scope, key) = (scope.clone(), key.to_owned());
        self.0.write(move |tx| set(tx, &scope, &key, value, expect, ttl)).await
    }

    async fn delete(&self, scope: &KvScope, key: &str) -> Result<bool> {
        check_key("key", key)?;
        let (scope, key) = (scope.clone(), key.to_owned());
        self.0.write(move |tx| tx.kv_delete(&scope, &key)).await
    }

    async fn list(&self, scope: &KvScope, prefix: &str, after: &str, limit: u32) -> Result<Vec<String>> {
        check_key("prefix", prefix)?;
        check_key("after", after)?;
        let (scope, prefix, after, now) = (scope.clone(), prefix.to_owned(), after.to_owned(), self.0.now());
        let limit = limit.clamp(1, KEYS_LISTED_MAX);
        self.0.read(move |tx| tx.kv_list(&scope, &prefix, &after, now, limit)).await
    }
}

fn check_key(field: &str, key: &str) -> Result<()> {
    if key.len() > KEY_CHARS_MAX || !key.bytes().all(|b| b.is_ascii_graphic()) {
        let why = format!("must be at most {KEY_CHARS_MAX} printable ASCII characters without blanks");
        return Err(Error::invalid(field, why));
    }
    Ok(())
}

fn set(
    tx: &mut Write<'_>,
    scope: &KvScope,
    key: &str,
    value: Vec<u8>,
    expect: Option<u32>,
    ttl: Option<Duration>,
) -> Result<u32> {
    if let Some(device) = &scope.device {
        // A plugin must not keep anything of a device that is not its tenant's.
        authorize::find(&mut **tx, &scope.tenant, device)?;
    }
    let now = tx.now();
    tx.kv_purge(scope, now)?;
    let before = tx.kv_get(scope, key, now)?;
    let version = before.as_ref().map_or(0, |before| before.version);
    if expect.is_some_and(|expect| expect != version) {
        let why = format!("the value has version {version}");
        return Err(Error::Conflict { code: "revision_conflict", why });
    }
    check_size(tx, scope, key, &value, before.as_ref().map(|before| before.value.len()))?;
    let entry = KvEntry { value, version: version.saturating_add(1), expires_at: ttl.map(|ttl| now + ttl) };
    tx.kv_put(scope, key, &entry)?;
    Ok(entry.version)
}

/// Refuses what would make a plugin keep more than it may. `before`: the bytes of the value that is replaced.
fn check_size(tx: &mut Write<'_>, scope: &KvScope, key: &str, value: &[u8], before: Option<usize>) -> Result<()> {
    let (keys, bytes) = tx.kv_size(scope)?;
    let (keys_max, bytes_max) = (tx.limits().kv_keys, tx.limits().kv_bytes);
    if before.is_none() && keys >= keys_max {
        let why = format!("the plugin keeps {keys_max} values here, the limit (`limits.kv_keys`)");
        return Err(Error::invalid("key", why));
    }
    let more = (value.len() + if before.is_none() { key.len() } else { 0 }) as u64;
    if bytes.saturating_sub(before.unwrap_or(0) as u64) + more > bytes_max {
        return Err(Error::TooLarge { what: "what the plugin keeps here", limit_bytes: bytes_max });
    }
    Ok(())
}
