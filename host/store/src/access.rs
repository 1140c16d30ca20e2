//! Tenants, access keys and idempotency keys.

use async_trait::async_trait;
use portico_core::access::secret::KeyHash;
use portico_core::access::{AccessKey, Scope};
use portico_core::error::{Error, Result};
use portico_core::id::{KeyId, TenantId};
use portico_core::page::PageRequest;
use portico_core::ports::store::{AccessTx, IdempotencyClaim, IdempotencyEntry};
use portico_core::time::UtcMs;

use crate::db::DbTx;
use crate::row::{self, Place, clean, ms};

statements! {
    TENANT_INSERT = "INSERT INTO tenants (id, name, event_seq, created_ms) VALUES ($1, $2, 0, $3)";
    TENANT_BY_NAME = "SELECT id FROM tenants WHERE name = $1";

    KEY_INSERT =
        "INSERT INTO access_keys (id, tenant_id, name, hash, scopes, created_ms, expires_ms, revoked_ms)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8)";
    KEY_BY_HASH = concat!("SELECT ", access_key_columns!(), " FROM access_keys WHERE hash = $1");
    KEY_FIND = concat!("SELECT ", access_key_columns!(), " FROM access_keys WHERE tenant_id = $1 AND id = $2");
    KEY_LIST = concat!(
        "SELECT ", access_key_columns!(), " FROM access_keys WHERE tenant_id = $1 AND id < $2 ORDER BY id DESC LIMIT $3"
    );
    KEY_COUNT = "SELECT COUNT(*) FROM access_keys WHERE tenant_id = $1 AND revoked_ms IS NULL";
    /// Reads until the first key that works: asked once, when the gateway starts.
    KEY_ANY =
        "SELECT id FROM access_keys WHERE revoked_ms IS NULL AND (expires_ms IS NULL OR expires_ms > $1) LIMIT 1";
    KEY_CHANGE = "UPDATE access_keys SET name = $3, scopes = $4 WHERE tenant_id = $1 AND id = $2";
    KEY_REVOKE = "UPDATE access_keys SET revoked_ms = $3 WHERE tenant_id = $1 AND id = $2 AND revoked_ms IS NULL";

    IDEMPOTENCY_INSERT =
        "INSERT INTO idempotency_keys (tenant_id, idempotency_key, fingerprint, resource, created_ms)
         VALUES ($1, $2, $3, $4, $5) ON CONFLICT DO NOTHING";
    IDEMPOTENCY_FIND =
        "SELECT fingerprint, resource, created_ms FROM idempotency_keys WHERE tenant_id = $1 AND idempotency_key = $2";
    IDEMPOTENCY_PURGE = "DELETE FROM idempotency_keys WHERE created_ms <= $1";
}

#[derive(sqlx::FromRow)]
struct AccessKeyRow {
    id: String,
    tenant_id: String,
    name: String,
    scopes: String,
    created_ms: i64,
    expires_ms: Option<i64>,
    revoked_ms: Option<i64>,
}

impl AccessKeyRow {
    fn noun(self) -> Result<AccessKey> {
        let place = Place::new("access_keys", &self.id);
        let names: Vec<String> = place.json("scopes", &self.scopes)?;
        Ok(AccessKey {
            id: place.id("id", &self.id)?,
            tenant: place.id("tenant_id", &self.tenant_id)?,
            scopes: names.iter().map(|n| place.name("scopes", n, Scope::from_name)).collect::<Result<_>>()?,
            created_at: UtcMs(self.created_ms),
            expires_at: self.expires_ms.map(UtcMs),
            revoked_at: self.revoked_ms.map(UtcMs),
            name: self.name,
        })
    }
}

fn scopes_json(scopes: &[Scope]) -> Result<String> {
    row::json(&scopes.iter().map(|s| s.as_str()).collect::<Vec<_>>())
}

#[async_trait]
impl AccessTx for DbTx {
    async fn tenant_insert(&mut self, tenant: &TenantId, name: &str, at: UtcMs) -> Result<()> {
        run!(self.conn(), TENANT_INSERT, [tenant.as_str(), clean(name).as_ref(), at.0])?;
        Ok(())
    }

    async fn tenant_find_by_name(&mut self, name: &str) -> Result<Option<TenantId>> {
        let row = rows!(self.conn(), (String,), TENANT_BY_NAME, [name], fetch_optional)?;
        row.map(|(id,)| Place::new("tenants", &id).id("id", &id)).transpose()
    }

    async fn key_insert(&mut self, key: &AccessKey, hash: &KeyHash) -> Result<()> {
        let scopes = scopes_json(&key.scopes)?;
        run!(
            self.conn(),
            KEY_INSERT,
            [
                key.id.as_str(),
                key.tenant.as_str(),
                clean(&key.name).as_ref(),
                &hash.0[..],
                &scopes,
                key.created_at.0,
                ms(key.expires_at),
                ms(key.revoked_at),
            ]
        )?;
        Ok(())
    }

    async fn key_find_by_hash(&mut self, hash: &KeyHash) -> Result<Option<AccessKey>> {
        let row = rows!(self.conn(), AccessKeyRow, KEY_BY_HASH, [&hash.0[..]], fetch_optional)?;
        row.map(AccessKeyRow::noun).transpose()
    }

    async fn key_find(&mut self, tenant: &TenantId, id: &KeyId) -> Result<Option<AccessKey>> {
        let row = rows!(self.conn(), AccessKeyRow, KEY_FIND, [tenant.as_str(), id.as_str()], fetch_optional)?;
        row.map(AccessKeyRow::noun).transpose()
    }

    async fn key_list(&mut self, tenant: &TenantId, page: &PageRequest) -> Result<Vec<AccessKey>> {
        let binds = (row::cursor(page), row::page_rows(page));
        let rows = rows!(self.conn(), AccessKeyRow, KEY_LIST, [tenant.as_str(), binds.0, binds.1], fetch_all)?;
        rows.into_iter().map(AccessKeyRow::noun).collect()
    }

    async fn key_count(&mut self, tenant: &TenantId) -> Result<u32> {
        let (number,) = rows!(self.conn(), (i64,), KEY_COUNT, [tenant.as_str()], fetch_one)?;
        Ok(row::count_u32(number))
    }

    async fn key_any(&mut self, now: UtcMs) -> Result<bool> {
        Ok(rows!(self.conn(), (String,), KEY_ANY, [now.0], fetch_optional)?.is_some())
    }

    async fn key_change(&mut self, tenant: &TenantId, id: &KeyId, name: &str, scopes: &[Scope]) -> Result<bool> {
        let (name, scopes) = (clean(name), scopes_json(scopes)?);
        Ok(run!(self.conn(), KEY_CHANGE, [tenant.as_str(), id.as_str(), name.as_ref(), &scopes])? > 0)
    }

    async fn key_revoke(&mut self, tenant: &TenantId, id: &KeyId, at: UtcMs) -> Result<bool> {
        Ok(run!(self.conn(), KEY_REVOKE, [tenant.as_str(), id.as_str(), at.0])? > 0)
    }

    async fn idempotency_claim(
        &mut self,
        tenant: &TenantId,
        key: &str,
        entry: &IdempotencyEntry,
    ) -> Result<IdempotencyClaim> {
        // On Postgres the insert waits for a rival with the same key; whoever comes second sees the first one's entry.
        let inserted = run!(
            self.conn(),
            IDEMPOTENCY_INSERT,
            [tenant.as_str(), key, &entry.fingerprint, &entry.resource, entry.created_at.0]
        )?;
        if inserted > 0 {
            return Ok(IdempotencyClaim::Fresh);
        }
        match self.idempotency_find(tenant, key).await? {
            Some(known) => Ok(IdempotencyClaim::Known(known)),
            None => Err(Error::Conflict {
                code: "idempotency_key_expired",
                why: "this Idempotency-Key was just forgotten; send the request again".to_owned(),
            }),
        }
    }

    async fn idempotency_find(&mut self, tenant: &TenantId, key: &str) -> Result<Option<IdempotencyEntry>> {
        let row = rows!(self.conn(), (String, String, i64), IDEMPOTENCY_FIND, [tenant.as_str(), key], fetch_optional)?;
        Ok(row.map(|(fingerprint, resource, created_ms)| IdempotencyEntry {
            fingerprint,
            resource,
            created_at: UtcMs(created_ms),
        }))
    }

    async fn idempotency_purge(&mut self, before: UtcMs) -> Result<u64> {
        run!(self.conn(), IDEMPOTENCY_PURGE, [before.0])
    }
}
