//! Keys: make, list, revoke, and find out who presents one.

use std::sync::Arc;
use std::time::Duration;

use super::authorize::Action;
use super::secret::{KeyFormat, KeyHash, KeySecret};
use super::{AccessKey, Caller, Scope};
use crate::context::Write;
use crate::context::{OpContext, Ports};
use crate::error::{Error, Result};
use crate::id::{KeyId, TenantId};
use crate::page::{Page, PageRequest};
use crate::ports::Tx;
use crate::time::UtcMs;

/// Days a key may live at most when it has an end at all.
const EXPIRES_DAYS_MAX: u32 = 3650;

/// What a key is to be.
#[derive(Clone, Debug)]
pub struct NewKey {
    /// What the owner calls it.
    pub name: String,
    /// What it may do; `None`: what a program needs ([`Scope::PROGRAM`]).
    pub scopes: Option<Vec<Scope>>,
    /// How it is spelled.
    pub format: KeyFormat,
    /// Days until it stops working.
    pub expires_in_days: Option<u32>,
}

/// A key with its secret: shown once.
pub struct MadeKey {
    /// The key.
    pub key: AccessKey,
    /// Its text; `None` when the request only repeated an earlier one (the text is not kept).
    pub secret: Option<KeySecret>,
}

/// Makes a key of the caller's tenant. It can do nothing the caller can't, and lives no longer.
pub async fn create(ctx: &OpContext, new: NewKey) -> Result<MadeKey> {
    let access = ctx.require(Action::ManageKeys)?;
    let scopes = new.scopes.clone().unwrap_or_else(|| Scope::PROGRAM.to_vec());
    if scopes.is_empty() {
        return Err(Error::invalid("scopes", "must name at least one scope"));
    }
    for scope in &scopes {
        ctx.caller().require(*scope)?;
    }
    let (mut key, secret) = draft(access.ports(), ctx.tenant().clone(), new, scopes)?;
    let (hash, maker) = (secret.hash(), ctx.caller().key().clone());
    let insert = move |tx: &mut Write<'_>, tenant: &TenantId| {
        // A key must not outlive the one it was made with.
        if let Some(end) = tx.key_find(tenant, &maker)?.and_then(|maker| maker.expires_at) {
            key.expires_at = Some(key.expires_at.map_or(end, |wanted| wanted.min(end)));
        }
        let limit = tx.limits().keys_per_tenant;
        if tx.key_count(tenant)? >= limit {
            let why = format!("this tenant has {limit} keys, the limit; revoke one first");
            return Err(Error::Conflict { code: "too_many_keys", why });
        }
        tx.key_insert(&key, &hash)?;
        Ok(key)
    };
    let key = access.write(insert).await?;
    Ok(MadeKey { key, secret: (!ctx.was_repeated()).then_some(secret) })
}

/// Makes a tenant of its own with one program key. Only for servers whose operator opened sign-up.
pub async fn sign_up(ports: &Arc<Ports>, new: NewKey) -> Result<MadeKey> {
    let tenant = ports.fresh(TenantId::new);
    let scopes: Vec<Scope> = Scope::PROGRAM.into_iter().chain([Scope::KeysWrite]).collect();
    let name = format!("{} ({tenant})", new.name);
    let (key, secret) = draft(ports, tenant, new, scopes)?;
    let hash = secret.hash();
    let insert = move |tx: &mut Write<'_>| {
        let now = tx.now();
        tx.tenant_insert(&key.tenant, &name, now)?;
        tx.key_insert(&key, &hash)?;
        Ok(key)
    };
    Ok(MadeKey { key: ports.write(insert).await?, secret: Some(secret) })
}

/// The caller's keys, newest first.
pub async fn list(ctx: &OpContext, page: PageRequest) -> Result<Page<AccessKey>> {
    let access = ctx.require(Action::ManageKeys)?;
    page.by::<KeyId>()?;
    let list = move |tx: &mut dyn Tx, tenant: &TenantId| {
        Ok(Page::cut(tx.key_list(tenant, &page)?, &page, |k| k.id.to_string()))
    };
    access.read(list).await
}

/// Revokes a key that can do nothing the caller can't; it stops working at once. Repeating it changes nothing.
pub async fn revoke(ctx: &OpContext, id: &KeyId) -> Result<()> {
    let access = ctx.require(Action::ManageKeys)?;
    let (id, caller) = (id.clone(), ctx.caller().clone());
    let revoke = move |tx: &mut Write<'_>, tenant: &TenantId| {
        let key = tx.key_find(tenant, &id)?.ok_or_else(|| Error::not_found("key", &id))?;
        // Otherwise a program's key could lock its operator out.
        for scope in key.scopes {
            caller.require(scope)?;
        }
        let now = tx.now();
        tx.key_revoke(tenant, &id, now).map(drop)
    };
    access.write(revoke).await
}

/// Who presents this text. Unknown, expired and revoked keys are one and the same answer.
pub async fn authenticate(ports: &Ports, presented: &str) -> Result<Caller> {
    match ports.store.key(&KeyHash::of(presented)).await? {
        Some(key) if is_valid(&key, ports.now()) => Ok(Caller::of(key)),
        _ => Err(Error::Unauthenticated {
            why: "this key is unknown, expired or revoked; send a valid one as `Authorization: Bearer …` or `X-API-Key`",
        }),
    }
}

/// Refuses a caller whose key was revoked or expired since it was authenticated: for what outlasts a request.
pub(crate) fn check_still_valid(tx: &mut dyn Tx, caller: &Caller, now: UtcMs) -> Result<()> {
    match tx.key_find(caller.tenant(), caller.key())? {
        Some(key) if is_valid(&key, now) => Ok(()),
        _ => Err(Error::Unauthenticated { why: "this key was revoked or expired; come back with a valid one" }),
    }
}

fn is_valid(key: &AccessKey, now: UtcMs) -> bool {
    key.revoked_at.is_none() && key.expires_at.is_none_or(|end| end > now)
}

pub(super) fn draft(
    ports: &Ports,
    tenant: TenantId,
    new: NewKey,
    scopes: Vec<Scope>,
) -> Result<(AccessKey, KeySecret)> {
    let name = crate::model::checked_name(&ports.limits, &new.name)?;
    if new.expires_in_days.is_some_and(|d| d == 0 || d > EXPIRES_DAYS_MAX) {
        return Err(Error::invalid("expires_in_days", format!("must be 1 to {EXPIRES_DAYS_MAX}")));
    }
    let now = ports.now();
    let key = AccessKey {
        id: ports.fresh(KeyId::new),
        tenant,
        name,
        scopes,
        created_at: now,
        expires_at: new.expires_in_days.map(|d| now + Duration::from_secs(u64::from(d) * 86_400)),
        revoked_at: None,
    };
    Ok((key, KeySecret::generate(new.format, &*ports.rng)))
}
