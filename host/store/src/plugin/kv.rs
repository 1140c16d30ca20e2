//! Values that plugins keep, each plugin its own per tenant or device.

use portico_core::error::Result;
use portico_core::id::DeviceId;
use portico_core::ports::plugins::{KvScope, KvValue};
use portico_core::ports::store::KvEntry;
use portico_core::time::UtcMs;

use crate::db::DbTx;
use crate::row::{self, RowRef, ms};

statements! {
    GET =
        "SELECT value, version FROM plugin_kv
         WHERE tenant_id = $1 AND plugin = $2 AND COALESCE(device_id, '') = $3 AND key = $4
             AND (expires_ms IS NULL OR expires_ms > $5)";
    PUT =
        "INSERT INTO plugin_kv (tenant_id, plugin, device_id, key, value, version, expires_ms)
         VALUES ($1, $2, $3, $4, $5, $6, $7)
         ON CONFLICT (tenant_id, plugin, COALESCE(device_id, ''), key) DO UPDATE SET value = excluded.value,
             version = excluded.version, expires_ms = excluded.expires_ms";
    DELETE =
        "DELETE FROM plugin_kv
         WHERE tenant_id = $1 AND plugin = $2 AND COALESCE(device_id, '') = $3 AND key = $4";
    /// The upper end of a prefix is computed by the caller: the smallest text that is larger than all that begin with it.
    LIST =
        "SELECT key FROM plugin_kv
         WHERE tenant_id = $1 AND plugin = $2 AND COALESCE(device_id, '') = $3 AND key >= $4 AND key > $5
             AND (CAST($6 AS TEXT) IS NULL OR key < $6) AND (expires_ms IS NULL OR expires_ms > $7)
         ORDER BY key LIMIT $8";
    /// All of one scope, whose number is limited.
    SIZE =
        "SELECT COUNT(*), CAST(COALESCE(SUM(LENGTH(key) + LENGTH(value)), 0) AS BIGINT) FROM plugin_kv
         WHERE tenant_id = $1 AND plugin = $2 AND COALESCE(device_id, '') = $3";
    PURGE =
        "DELETE FROM plugin_kv
         WHERE tenant_id = $1 AND plugin = $2 AND COALESCE(device_id, '') = $3 AND expires_ms <= $4";
}

fn of(scope: &KvScope) -> (&str, &str, &str) {
    (scope.tenant.as_str(), &scope.plugin, scope.device.as_ref().map_or("", DeviceId::as_str))
}

pub(super) fn get(tx: &mut DbTx<'_>, scope: &KvScope, key: &str, now: UtcMs) -> Result<Option<KvValue>> {
    let (tenant, plugin, device) = of(scope);
    let found = rows!(tx.conn(), (Vec<u8>, i64), GET, [tenant, plugin, device, key, now.0], fetch_optional)?;
    let value =
        |(value, version)| Ok(KvValue { value, version: RowRef::new("plugin_kv", key).number("version", version)? });
    found.map(value).transpose()
}

pub(super) fn put(tx: &mut DbTx<'_>, scope: &KvScope, key: &str, entry: &KvEntry) -> Result<()> {
    let (tenant, plugin, _) = of(scope);
    let device = scope.device.as_ref().map(DeviceId::as_str);
    let (version, expires) = (i64::from(entry.version), ms(entry.expires_at));
    run!(tx.conn(), PUT, [tenant, plugin, device, key, &entry.value[..], version, expires])?;
    Ok(())
}

pub(super) fn delete(tx: &mut DbTx<'_>, scope: &KvScope, key: &str) -> Result<bool> {
    let (tenant, plugin, device) = of(scope);
    Ok(run!(tx.conn(), DELETE, [tenant, plugin, device, key])? > 0)
}

pub(super) fn list(
    tx: &mut DbTx<'_>,
    scope: &KvScope,
    prefix: &str,
    after: &str,
    now: UtcMs,
    limit: u32,
) -> Result<Vec<String>> {
    let (tenant, plugin, device) = of(scope);
    let end = end_of(prefix);
    let binds = (end.as_deref(), now.0, i64::from(limit));
    let keys = rows!(
        tx.conn(),
        (String,),
        LIST,
        [tenant, plugin, device, prefix, after, binds.0, binds.1, binds.2],
        fetch_all
    )?;
    Ok(keys.into_iter().map(|(key,)| key).collect())
}

pub(super) fn size(tx: &mut DbTx<'_>, scope: &KvScope) -> Result<(u32, u64)> {
    let (tenant, plugin, device) = of(scope);
    let (count, bytes) = rows!(tx.conn(), (i64, i64), SIZE, [tenant, plugin, device], fetch_one)?;
    Ok((row::count_u32(count), u64::try_from(bytes).unwrap_or(0)))
}

pub(super) fn purge(tx: &mut DbTx<'_>, scope: &KvScope, now: UtcMs) -> Result<u64> {
    let (tenant, plugin, device) = of(scope);
    run!(tx.conn(), PURGE, [tenant, plugin, device, now.0])
}

/// The smallest text that is larger than all that begin with `prefix`; `None` when there is none. Keys are ASCII.
fn end_of(prefix: &str) -> Option<String> {
    let mut end = prefix.as_bytes().to_vec();
    while let Some(last) = end.pop() {
        if last < 0x7f {
            end.push(last + 1);
            return String::from_utf8(end).ok();
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_prefix_ends_before_what_does_not_begin_with_it() {
        assert_eq!(end_of("a/"), Some("a0".to_owned()));
        assert_eq!(end_of("a\u{7f}"), Some("b".to_owned()));
        assert_eq!(end_of(""), None);
    }
}
