//! Keys: make, list, revoke, and find out who presents one.

use std::time::Duration;

use super::secret::{KeyFormat, KeyHash, KeySecret};
use super::{AccessKey, Caller, Scope};
use crate::context::{Once, OpContext, Ports};
use crate::error::{Error, Result};
use crate::id::{KeyId, TenantId};
use crate::page::{Page, PageRequest};
use crate::ports::Tx;

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
    ctx.caller.require(Scope::KeysWrite)?;
    let scopes = new.scopes.clone().unwrap_or_else(|| Scope::PROGRAM.to_vec());
    if scopes.is_empty() {
        return Err(Error::invalid("scopes", "must name at least one scope"));
    }
    for scope in &scopes {
        ctx.caller.require(*scope)?;
    }
    let (mut key, secret) = draft(ctx.ports(), ctx.tenant().clone(), new, scopes)?;
    let mut tx = ctx.ports().store.write().await?;
    // It must not outlive the key it was made with.
    if let Some(maker) = tx.key_find(ctx.tenant(), ctx.caller.key()).await?
        && let Some(end) = maker.expires_at
    {
        key.expires_at = Some(key.expires_at.map_or(end, |wanted| wanted.min(end)));
    }
    if let Once::Made(id) = ctx.once(&mut *tx, key.id.as_str()).await? {
        let key = find(&mut *tx, ctx.tenant(), &id.parse()?).await?;
        // What made it may share this commit.
        tx.commit().await?;
        return Ok(MadeKey { key, secret: None });
    }
    let limit = ctx.ports().limits.keys_per_tenant;
    if tx.key_count(ctx.tenant()).await? >= limit {
        let why = format!("this tenant has {limit} keys, the limit; revoke one first");
        return Err(Error::Conflict { code: "too_many_keys", why });
    }
    tx.key_insert(&key, &secret.hash()).await?;
    tx.commit().await?;
    Ok(MadeKey { key, secret: Some(secret) })
}

/// Makes a tenant of its own with one program key. Only for servers whose operator opened sign-up.
pub async fn sign_up(ports: &Ports, new: NewKey) -> Result<MadeKey> {
    let tenant = ports.fresh(TenantId::new);
    let scopes: Vec<Scope> = Scope::PROGRAM.into_iter().chain([Scope::KeysWrite]).collect();
    let name = new.name.clone();
    let (key, secret) = draft(ports, tenant.clone(), new, scopes)?;
    let mut tx = ports.store.write().await?;
    tx.tenant_insert(&tenant, &format!("{name} ({tenant})"), ports.now()).await?;
    tx.key_insert(&key, &secret.hash()).await?;
    tx.commit().await?;
    Ok(MadeKey { key, secret: Some(secret) })
}

/// The caller's keys, newest first.
pub async fn list(ctx: &OpContext, page: &PageRequest) -> Result<Page<AccessKey>> {
    ctx.caller.require(Scope::KeysWrite)?;
    let mut tx = ctx.ports().store.read().await?;
    let rows = tx.key_list(ctx.tenant(), page.by::<KeyId>()?).await?;
    Ok(Page::cut(rows, page, |k| k.id.to_string()))
}

/// Revokes a key that can do nothing the caller can't; it stops working at once. Repeating it changes nothing.
pub async fn revoke(ctx: &OpContext, id: &KeyId) -> Result<()> {
    ctx.caller.require(Scope::KeysWrite)?;
    let mut tx = ctx.ports().store.write().await?;
    // Otherwise a program's key could lock its operator out.
    for scope in find(&mut *tx, ctx.tenant(), id).await?.scopes {
        ctx.caller.require(scope)?;
    }
    tx.key_revoke(ctx.tenant(), id, ctx.now()).await?;
    tx.commit().await
}

/// Who presents this text. Unknown, expired and revoked keys are one and the same answer.
pub async fn authenticate(ports: &Ports, presented: &str) -> Result<Caller> {
    const REFUSED: Error = Error::Unauthenticated {
        why: "this key is unknown, expired or revoked; send a valid one as `Authorization: Bearer …` or `X-API-Key`",
    };
    let mut tx = ports.store.read().await?;
    let Some(key) = tx.key_find_by_hash(&KeyHash::of(presented)).await? else {
        return Err(REFUSED);
    };
    let expired = key.expires_at.is_some_and(|end| end <= ports.now());
    if expired || key.revoked_at.is_some() {
        return Err(REFUSED);
    }
    Ok(Caller::of(key))
}

/// Refuses a caller whose key was revoked or expired since it was authenticated: for what outlasts a request.
pub(crate) async fn check_still_valid(ctx: &OpContext, tx: &mut dyn Tx) -> Result<()> {
    let key = tx.key_find(ctx.tenant(), ctx.caller.key()).await?;
    match key {
        Some(key) if key.revoked_at.is_none() && key.expires_at.is_none_or(|end| end > ctx.now()) => Ok(()),
        _ => Err(Error::Unauthenticated { why: "this key was revoked or expired; come back with a valid one" }),
    }
}

async fn find(tx: &mut dyn Tx, tenant: &TenantId, id: &KeyId) -> Result<AccessKey> {
    tx.key_find(tenant, id).await?.ok_or_else(|| Error::not_found("key", id))
}

pub(super) fn draft(
    ports: &Ports,
    tenant: TenantId,
    new: NewKey,
    scopes: Vec<Scope>,
) -> Result<(AccessKey, KeySecret)> {
    let name = crate::device::create::checked_name(&ports.limits, &new.name)?;
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
