//! Tenants, as the operator of the server makes and sees them.

use portico_api as api;

use super::authorize::Action;
use super::keys::{self, MadeKey, NewKey};
use super::{Scope, Tenant};
use crate::context::OpContext;
use crate::context::Write;
use crate::context::idempotency::Shown;
use crate::error::{Error, Result};
use crate::id::TenantId;
use crate::model::checked_name;
use crate::page::{Page, PageRequest};
use crate::ports::Tx;

/// Makes a tenant with its first key, which can do everything of the tenant unless `key` says less.
///
/// # Errors
/// [`Error::Conflict`] with `tenant_exists` when there is one of that name.
pub async fn create(ctx: &OpContext, name: &str, key: NewKey) -> Result<api::MadeTenant> {
    let access = ctx.require(Action::ManageTenants)?;
    if key.device.is_some() {
        return Err(Error::invalid("key.device", "must be left out: a fresh tenant has no devices"));
    }
    let name = checked_name(ctx.limits(), name)?;
    let tenant = Tenant { id: access.ports().fresh(TenantId::new), name, created_at: ctx.now() };
    let scopes = key.scopes.clone().unwrap_or_else(|| Scope::TENANT.to_vec());
    let (key, secret) = keys::draft(access.ports(), tenant.id.clone(), key, scopes)?;
    let hash = secret.hash();
    let insert = move |tx: &mut Write<'_>, _: &TenantId| {
        if tx.tenant_find_by_name(&tenant.name)?.is_some() {
            let why = "there is a tenant of this name already; choose another name".to_owned();
            return Err(Error::Conflict { code: "tenant_exists", why });
        }
        tx.tenant_insert(&tenant.id, &tenant.name, tenant.created_at)?;
        let key = MadeKey { key: keys::insert(tx, key, &hash)?, secret };
        Ok(Shown(api::MadeTenant { tenant: (&tenant).into(), key: (&key).into() }))
    };
    access.write(insert).await.map(Shown::into_inner)
}

/// All tenants of the server, newest first.
pub async fn list(ctx: &OpContext, page: PageRequest) -> Result<Page<Tenant>> {
    let access = ctx.require(Action::ManageTenants)?;
    page.by::<TenantId>()?;
    let list = move |tx: &mut dyn Tx, _: &TenantId| {
        let rows = tx.tenant_list(&page)?;
        let total = page.total(|most| tx.tenant_total(most))?;
        Ok(Page::cut(rows, &page, |tenant| tenant.id.to_string()).of_total(total))
    };
    access.read(list).await
}

/// A tenant.
pub async fn get(ctx: &OpContext, id: &TenantId) -> Result<Tenant> {
    let access = ctx.require(Action::ManageTenants)?;
    let id = id.clone();
    access.read(move |tx, _| find(tx, &id)).await
}

fn find(tx: &mut dyn Tx, id: &TenantId) -> Result<Tenant> {
    tx.tenant_find(id)?.ok_or_else(|| Error::not_found("tenant", id))
}
