//! The audit log.

use portico_core::access::Credential;
use portico_core::access::audit::{AuditAction, AuditEntry};
use portico_core::error::Result;
use portico_core::id::{DeviceId, KeyId, TenantId, UserId};
use portico_core::page::PageRequest;
use portico_core::ports::store::AuditTx;
use portico_core::time::UtcMs;

use crate::db::DbTx;
use crate::row;
use crate::table;

table! {
    /// An entry as stored.
    audit_log: AuditRow<'r> => AuditEntry {
        id: &'r str,
        tenant_id: &'r str,
        user_id: Option<&'r str>,
        key_id: Option<&'r str>,
        action: &'r str,
        device_id: Option<&'r str>,
        at_ms: i64,
    }
}

statements! {
    INSERT = audit_log!(insert);
    LIST = concat!(audit_log!(page), " OFFSET $4");
    TOTAL = "SELECT COUNT(*) FROM (SELECT id FROM audit_log WHERE tenant_id = $1 ORDER BY id LIMIT $2) AS counted";
    PURGE =
        "DELETE FROM audit_log WHERE id IN (SELECT id FROM audit_log WHERE at_ms <= $1 ORDER BY at_ms LIMIT $2)";
}

impl<'r> AuditRow<'r> {
    fn of(entry: &'r AuditEntry) -> Self {
        let (user, key) = match &entry.by {
            Credential::Login { user, .. } => (Some(user), None),
            Credential::Key(key) => (None, Some(key)),
            Credential::Link { .. } => (None, None),
        };
        Self {
            id: entry.id.as_str(),
            tenant_id: entry.tenant.as_str(),
            user_id: user.map(UserId::as_str),
            key_id: key.map(KeyId::as_str),
            action: entry.action.as_str(),
            device_id: entry.device.as_ref().map(DeviceId::as_str),
            at_ms: entry.at.0,
        }
    }

    fn noun(&self) -> Result<AuditEntry> {
        let at = self.at();
        let by = match self.user_id {
            Some(user) => Credential::Login { user: at.id("user_id", user)?, version: 0 },
            None => Credential::Key(at.id("key_id", self.key_id.unwrap_or_default())?),
        };
        Ok(AuditEntry {
            id: at.id("id", self.id)?,
            tenant: at.id("tenant_id", self.tenant_id)?,
            by,
            action: at.name("action", self.action, AuditAction::from_name)?,
            device: at.id_option("device_id", self.device_id)?,
            at: UtcMs(self.at_ms),
        })
    }
}

impl AuditTx for DbTx<'_> {
    fn audit_insert(&mut self, entry: &AuditEntry) -> Result<()> {
        self.conn().run(&INSERT, 1, &table::binds(&[AuditRow::of(entry)])).map(drop)
    }

    fn audit_list(&mut self, tenant: &TenantId, page: &PageRequest) -> Result<Vec<AuditEntry>> {
        let (before, limit, offset) = (row::cursor(page), row::page_rows(page), row::offset(page));
        rows!(self.conn(), AuditEntry, LIST, [tenant.as_str(), before, limit, offset], fetch_all)
    }

    fn audit_total(&mut self, tenant: &TenantId, most: u32) -> Result<u64> {
        let (number,) = rows!(self.conn(), (i64,), TOTAL, [tenant.as_str(), i64::from(most)], fetch_one)?;
        Ok(row::count(number))
    }

    fn audit_purge(&mut self, before: UtcMs, limit: u32) -> Result<u64> {
        run!(self.conn(), PURGE, [before.0, i64::from(limit)])
    }
}
