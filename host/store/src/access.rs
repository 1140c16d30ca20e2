//! Tenants, access keys and idempotency keys.

use portico_core::access::secret::KeyHash;
use portico_core::access::{AccessKey, Scope, Tenant};
use portico_core::error::{Error, Result};
use portico_core::id::{DeviceId, KeyId, TenantId};
use portico_core::model::number::Numbered;
use portico_core::page::PageRequest;
use portico_core::ports::store::{AccessTx, IdempotencyEntry};
use portico_core::time::UtcMs;

use crate::db::DbTx;
use crate::row::{self, RowRef, ms};

table! {
    /// A tenant as stored, without what belongs to its outbox.
    tenants: TenantRow<'r> => Tenant {
        id: &'r str,
        name: &'r str,
        created_ms: i64,
    }
}

table! {
    /// An access key as stored, without the hash of its secret.
    access_keys: AccessKeyRow<'r> => AccessKey {
        id: &'r str,
        number: i64,
        tenant_id: &'r str,
        device_id: Option<&'r str>,
        name: &'r str,
        scopes: &'r str,
        created_ms: i64,
        expires_ms: Option<i64>,
        revoked_ms: Option<i64>,
        sealed_secret: Option<&'r [u8]>,
    }
}

statements! {
    TENANT_INSERT = "INSERT INTO tenants (id, name, event_seq, created_ms) VALUES ($1, $2, 0, $3)";
    TENANT_BY_NAME = "SELECT id FROM tenants WHERE name = $1";

    TENANT_FIND = concat!("SELECT ", tenants!(columns), " FROM tenants WHERE id = $1");
    TENANT_LIST =
        concat!("SELECT ", tenants!(columns), " FROM tenants WHERE id < $1 ORDER BY id DESC LIMIT $2 OFFSET $3");
    TENANT_TOTAL = "SELECT COUNT(*) FROM (SELECT id FROM tenants LIMIT $1) AS counted";

    /// Locks the counter until the end, so that a number whose transaction is undone is given to nobody else before.
    NUMBER_NEXT =
        "INSERT INTO counters (tenant_id, kind, newest) VALUES ($1, $2, 1)
         ON CONFLICT (tenant_id, kind) DO UPDATE SET newest = counters.newest + 1 RETURNING newest";
    NUMBERED_DEVICE = "SELECT id FROM devices WHERE tenant_id = $1 AND number = $2";
    NUMBERED_KEY = "SELECT id FROM access_keys WHERE tenant_id = $1 AND number = $2";
    NUMBERED_USER = "SELECT id FROM users WHERE tenant_id = $1 AND number = $2";
    NUMBERED_WEBHOOK = "SELECT id FROM webhooks WHERE tenant_id = $1 AND number = $2";

    KEY_INSERT =
        "INSERT INTO access_keys (id, number, tenant_id, device_id, name, hash, scopes, created_ms, expires_ms, revoked_ms,
             sealed_secret)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)";
    KEY_BY_HASH = concat!("SELECT ", access_keys!(columns), " FROM access_keys WHERE hash = $1");
    KEY_FIND = access_keys!(find);
    KEY_LIST = concat!(access_keys!(page), " OFFSET $4");
    KEY_LIST_DEVICE = concat!(access_keys!(page "AND device_id = $5"), " OFFSET $4");
    /// Counted in the order of an index, so that no database thinks of reading the whole table instead.
    KEY_TOTAL = "SELECT COUNT(*) FROM (SELECT id FROM access_keys WHERE tenant_id = $1 ORDER BY id LIMIT $2) AS counted";
    KEY_TOTAL_DEVICE =
        "SELECT COUNT(*) FROM (
             SELECT id FROM access_keys WHERE tenant_id = $1 AND device_id = $3 ORDER BY id LIMIT $2) AS counted";
    KEY_COUNT = "SELECT COUNT(*) FROM access_keys WHERE tenant_id = $1 AND revoked_ms IS NULL";
    /// Reads until the first key that works: asked once, when the gateway starts.
    KEY_ANY =
        "SELECT id FROM access_keys WHERE revoked_ms IS NULL AND (expires_ms IS NULL OR expires_ms > $1) LIMIT 1";
    KEY_CHANGE = "UPDATE access_keys SET name = $3, scopes = $4 WHERE tenant_id = $1 AND id = $2";
    KEY_PRESET = "UPDATE access_keys SET preset_ms = $3 WHERE tenant_id = $1 AND id = $2";
    KEY_LIST_PRESET =
        "SELECT tenant_id, id FROM access_keys WHERE preset_ms IS NOT NULL AND revoked_ms IS NULL ORDER BY id";
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

impl TenantRow<'_> {
    fn noun(&self) -> Result<Tenant> {
        Ok(Tenant { id: self.at().id("id", self.id)?, name: self.name.to_owned(), created_at: UtcMs(self.created_ms) })
    }
}

impl AccessKeyRow<'_> {
    fn noun(&self) -> Result<AccessKey> {
        let at = self.at();
        let names: Vec<String> = at.json("scopes", self.scopes)?;
        Ok(AccessKey {
            id: at.id("id", self.id)?,
            number: at.number("number", self.number)?,
            tenant: at.id("tenant_id", self.tenant_id)?,
            device: at.id_option("device_id", self.device_id)?,
            scopes: names.iter().map(|n| at.name("scopes", n, Scope::from_name)).collect::<Result<_>>()?,
            created_at: UtcMs(self.created_ms),
            expires_at: self.expires_ms.map(UtcMs),
            revoked_at: self.revoked_ms.map(UtcMs),
            name: self.name.to_owned(),
            sealed_secret: self.sealed_secret.map(<[u8]>::to_owned),
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

    fn tenant_find(&mut self, tenant: &TenantId) -> Result<Option<Tenant>> {
        rows!(self.conn(), Tenant, TENANT_FIND, [tenant.as_str()], fetch_optional)
    }

    fn tenant_list(&mut self, page: &PageRequest) -> Result<Vec<Tenant>> {
        let binds = (row::cursor(page), row::page_rows(page), row::offset(page));
        rows!(self.conn(), Tenant, TENANT_LIST, [binds.0, binds.1, binds.2], fetch_all)
    }

    fn tenant_total(&mut self, most: u32) -> Result<u64> {
        let (number,) = rows!(self.conn(), (i64,), TENANT_TOTAL, [i64::from(most)], fetch_one)?;
        Ok(row::count(number))
    }

    fn number_next(&mut self, tenant: &TenantId, kind: Numbered) -> Result<u32> {
        let (number,) = rows!(self.conn(), (i64,), NUMBER_NEXT, [tenant.as_str(), kind.as_str()], fetch_one)?;
        RowRef::new("counters", tenant.as_str()).number("newest", number)
    }

    fn id_numbered(&mut self, tenant: &TenantId, kind: Numbered, number: u32) -> Result<Option<String>> {
        let statement = match kind {
            Numbered::Device => &NUMBERED_DEVICE,
            Numbered::Key => &NUMBERED_KEY,
            Numbered::User => &NUMBERED_USER,
            Numbered::Webhook => &NUMBERED_WEBHOOK,
        };
        let row = rows!(self.conn(), (String,), *statement, [tenant.as_str(), i64::from(number)], fetch_optional)?;
        Ok(row.map(|(id,)| id))
    }

    fn key_insert(&mut self, key: &AccessKey, hash: &KeyHash) -> Result<()> {
        let scopes = scopes_json(&key.scopes)?;
        run!(
            self.conn(),
            KEY_INSERT,
            [
                key.id.as_str(),
                i64::from(key.number),
                key.tenant.as_str(),
                key.device.as_ref().map(DeviceId::as_str),
                &key.name,
                &hash.0[..],
                &scopes,
                key.created_at.0,
                ms(key.expires_at),
                ms(key.revoked_at),
                key.sealed_secret.as_deref(),
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

    fn key_list(&mut self, tenant: &TenantId, device: Option<&DeviceId>, page: &PageRequest) -> Result<Vec<AccessKey>> {
        let tenant = tenant.as_str();
        let (before, limit, offset) = (row::cursor(page), row::page_rows(page), row::offset(page));
        match device {
            None => rows!(self.conn(), AccessKey, KEY_LIST, [tenant, before, limit, offset], fetch_all),
            Some(device) => {
                let binds = (tenant, before, limit, offset, device.as_str());
                rows!(self.conn(), AccessKey, KEY_LIST_DEVICE, [binds.0, binds.1, binds.2, binds.3, binds.4], fetch_all)
            }
        }
    }

    fn key_total(&mut self, tenant: &TenantId, device: Option<&DeviceId>, most: u32) -> Result<u64> {
        let (tenant, most) = (tenant.as_str(), i64::from(most));
        let (number,) = match device {
            None => rows!(self.conn(), (i64,), KEY_TOTAL, [tenant, most], fetch_one)?,
            Some(device) => rows!(self.conn(), (i64,), KEY_TOTAL_DEVICE, [tenant, most, device.as_str()], fetch_one)?,
        };
        Ok(row::count(number))
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

    fn key_preset(&mut self, tenant: &TenantId, id: &KeyId, at: UtcMs) -> Result<()> {
        run!(self.conn(), KEY_PRESET, [tenant.as_str(), id.as_str(), at.0])?;
        Ok(())
    }

    fn key_list_preset(&mut self) -> Result<Vec<(TenantId, KeyId)>> {
        let rows = rows!(self.conn(), (String, String), KEY_LIST_PRESET, [], fetch_all)?;
        let read = |(tenant, id): (String, String)| {
            let row = RowRef::new("access_keys", &id);
            Ok((row.id("tenant_id", &tenant)?, row.id("id", &id)?))
        };
        rows.into_iter().map(read).collect()
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
