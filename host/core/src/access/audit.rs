//! The audit log: entering what was done, in the transaction that does it, and looking at it.

use super::authorize::Action;
use crate::context::{OpContext, Write};
use crate::error::Result;
use crate::id::{AuditId, DeviceId, TenantId};
use crate::model::access::{Caller, Credential};
use crate::page::{Page, PageRequest};
use crate::ports::Tx;

pub use crate::model::audit::{AuditAction, AuditEntry};

/// Enters that the caller did `action`, to `device` if it was one.
pub(super) fn enter(tx: &mut Write<'_>, caller: &Caller, action: AuditAction, device: Option<DeviceId>) -> Result<()> {
    let by = caller.credential().clone();
    if matches!(by, Credential::Key(_)) && !action.is_entered_for_keys() {
        return Ok(());
    }
    let (id, tenant, at) = (tx.fresh(AuditId::new), caller.tenant().clone(), tx.now());
    tx.audit_insert(&AuditEntry { id, tenant, by, action, device, at })
}

/// The audit log of the caller's tenant, newest first.
pub async fn list(ctx: &OpContext, page: PageRequest) -> Result<Page<AuditEntry>> {
    let access = ctx.require(Action::SeeAudit)?;
    page.by::<AuditId>()?;
    let list = move |tx: &mut dyn Tx, tenant: &TenantId| {
        let rows = tx.audit_list(tenant, &page)?;
        let total = page.total(|most| tx.audit_total(tenant, most))?;
        Ok(Page::cut(rows, &page, |entry| entry.id.to_string()).of_total(total))
    };
    access.read(list).await
}
