//! Tenants, access keys and idempotency keys.

use portico_core::access::secret::KeyHash;
use portico_core::access::{AccessKey, Scope};
use portico_core::error::{Error, Result};
use portico_core::id::{KeyId, TenantId};
use portico_core::page::PageRequest;
use portico_core::ports::store::{AccessTx, IdempotencyEntry};
use portico_core::time::UtcMs;

use crate::db::DbTx;
use crate::row::{self, RowRef, ms};

table! {
    /// An access key as stored, without the hash of its secret.
    access_keys: AccessKeyRow<'r> => AccessKey {
        id: &'r str,
        tenant_id: &'r str,
        name: &'r str,
        scopes: &'r str,
        created_ms: i64,
        expires_ms: Option<i64>,
        revoked_ms: Option<i64>,
    }
}

statements! {
    TENANT_INSERT = "INSERT INTO tenants (id, name, event_seq, created_ms) VALUES ($1, $2, 0, $3)";
    TENANT_BY_NAME = "SELECT id FROM tenants WHERE name = $1";

    KEY_INSERT =
        "INSERT INTO access_keys (id, tenant_id, name, hash, scopes, created_ms, expires_ms, revoked_ms)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8)";
    KEY_BY_HASH = concat!("SELECT ", access_keys!(columns), " FROM access_keys WHERE hash = $1");
    KEY_FIND = access_keys!(find);
    KEY_LIST = access_keys!(page);
    KEY_COUNT = "SELECT COUNT(*) FROM access_keys WHERE tenant_id = $1 AND revoked_ms IS NULL";
    /// Reads until the first key that works: asked once, when the gateway starts.
    KEY_ANY =
        "SELECT id FROM access_keys WHERE revoked_ms IS NULL AND (expires_ms IS NULL OR expires_ms > $1) LIMIT 1";
    KEY_CHANGE = "UPDATE access_keys SET name = $3, scopes = $4 WHERE tenant_id = $1 AND id = $2";
    KEY_REVOKE = "UPDATE access_keys SET revoked_ms = $3 WHERE tenant_id = $1 AND id = $2 AND revoked_ms IS NULL";

    /// The answer is not known yet.
    IDEMPOTENCY_INSERT =
        "INSERT INTO idempotency_keys (tenant_id, idempotency_key, fingerprint, sealed_answer, created_ms)
         VALUES ($1, $2, $3, $4, $5) ON CONFLICT DO NOTHING";
    IDEMPOTENCY_ANSWER =
        "UPDATE idempotency_keys SET sealed_answer = $3 WHERE tenant_id = $1 AND idempotency_key = $2";
    IDEMPOTENCY_FIND =
        "SELECT fingerprint, sealed_answer FROM idempotency_keys WHERE tenant_id = $1 AND idempotency_key = $2";
    IDEMPOTENCY_PURGE = "DELETE FROM idempotency_keys WHERE created_ms <= $1";
}

impl AccessKeyRow<'_> {
    fn noun(&self) -> Result<AccessKey> {
        let at = self.at();
        let names: Vec<String> = at.json("scopes", self.scopes)?;
        Ok(AccessKey {
            id: at.id("id", self.id)?,
            tenant: at.id("tenant_id", self.tenant_id)?,
            scopes: names.iter().map(|n| at.name("scopes", n, Scope::from_name)).collect::<Result<_>>()?,
            created_at: UtcMs(self.created_ms),
            expires_at: self.expires_ms.map(UtcMs),
            revoked_at: self.revoked_ms.map(UtcMs),
            name: self.name.to_owned(),
        })
    }
}

fn scopes_json(scopes: &[Scope]) -> Result<String> {
    row::json(&scopes.iter().map(|s| s.as_str()).collect::<Vec<_>>())
}

impl AccessTx for DbTx<'_> {
    fn tenant_insert(&mut self, tenant: &TenantId, name: &str, at: UtcMs) -> Result<()> {
        run!(self.conn(), TENANT_INSERT, [tenant.as_str(), name, at.0])?;
        Ok(())
    }

    fn tenant_find_by_name(&mut self, name: &str) -> Result<Option<TenantId>> {
        let row = rows!(self.conn(), (String,), TENANT_BY_NAME, [name], fetch_optional)?;
        row.map(|(id,)| RowRef::new("tenants", &id).id("id", &id)).transpose()
    }

    fn key_insert(&mut self, key: &AccessKey, hash: &KeyHash) -> Result<()> {
        let scopes = scopes_json(&key.scopes)?;
        run!(
            self.conn(),
            KEY_INSERT,
            [
                key.id.as_str(),
                key.tenant.as_str(),
                &key.name,
                &hash.0[..],
                &scopes,
                key.created_at.0,
                ms(key.expires_at),
                ms(key.revoked_at),
            ]
        )?;
        Ok(())
    }

    fn key_find_by_hash(&mut self, hash: &KeyHash) -> Result<Option<AccessKey>> {
        rows!(self.conn(), AccessKey, KEY_BY_HASH, [&hash.0[..]], fetch_optional)
    }

    fn key_find(&mut self, tenant: &TenantId, id: &KeyId) -> Result<Option<AccessKey>> {
        rows!(self.conn(), AccessKey, KEY_FIND, [tenant.as_str(), id.as_str()], fetch_optional)
    }

    fn key_list(&mut self, tenant: &TenantId, page: &PageRequest) -> Result<Vec<AccessKey>> {
        let binds = (row::cursor(page), row::page_rows(page));
        rows!(self.conn(), AccessKey, KEY_LIST, [tenant.as_str(), binds.0, binds.1], fetch_all)
    }

    fn key_count(&mut self, tenant: &TenantId) -> Result<u32> {
        let (number,) = rows!(self.conn(), (i64,), KEY_COUNT, [tenant.as_str()], fetch_one)?;
        Ok(row::count_u32(number))
    }

    fn key_any(&mut self, now: UtcMs) -> Result<bool> {
        Ok(rows!(self.conn(), (String,), KEY_ANY, [now.0], fetch_optional)?.is_some())
    }

    fn key_change(&mut self, tenant: &TenantId, id: &KeyId, name: &str, scopes: &[Scope]) -> Result<bool> {
        self.touched.keys.push(id.clone());
        let scopes = scopes_json(scopes)?;
        Ok(run!(self.conn(), KEY_CHANGE, [tenant.as_str(), id.as_str(), name, &scopes])? > 0)
    }

    fn key_revoke(&mut self, tenant: &TenantId, id: &KeyId, at: UtcMs) -> Result<bool> {
        self.touched.keys.push(id.clone());
        Ok(run!(self.conn(), KEY_REVOKE, [tenant.as_str(), id.as_str(), at.0])? > 0)
    }

    fn idempotency_claim(
        &mut self,
        tenant: &TenantId,
        key: &str,
        fingerprint: &str,
        at: UtcMs,
    ) -> Result<Option<IdempotencyEntry>> {
        // On Postgres the insert waits for a rival with the same key; whoever comes second sees the first one's entry.
        let unanswered: &[u8] = &[];
        let inserted = run!(self.conn(), IDEMPOTENCY_INSERT, [tenant.as_str(), key, fingerprint, unanswered, at.0])?;
        if inserted > 0 {
            return Ok(None);
        }
        match self.idempotency_find(tenant, key)? {
            Some(known) => Ok(Some(known)),
            None => Err(Error::Conflict {
                code: "idempotency_key_expired",
                why: "this Idempotency-Key was just forgotten; send the request again".to_owned(),
            }),
        }
    }

    fn idempotency_answer(&mut self, tenant: &TenantId, key: &str, sealed_answer: &[u8]) -> Result<()> {
        run!(self.conn(), IDEMPOTENCY_ANSWER, [tenant.as_str(), key, sealed_answer])?;
        Ok(())
    }

    fn idempotency_find(&mut self, tenant: &TenantId, key: &str) -> Result<Option<IdempotencyEntry>> {
        let row = rows!(self.conn(), (String, Vec<u8>), IDEMPOTENCY_FIND, [tenant.as_str(), key], fetch_optional)?;
        Ok(row.map(|(fingerprint, sealed_answer)| IdempotencyEntry { fingerprint, sealed_answer }))
    }

    fn idempotency_purge(&mut self, before: UtcMs) -> Result<u64> {
        run!(self.conn(), IDEMPOTENCY_PURGE, [before.0])
    }
}
