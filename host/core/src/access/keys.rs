//! Keys: make, list, show again, revoke, and find out who presents one.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use portico_api as api;

use super::authorize::{self, Action};
use super::secret::{KeyHash, KeySecret, KeySpelling};
use super::{AccessKey, Caller, Credential, Scope, login};
use crate::context::Write;
use crate::context::idempotency::Shown;
use crate::context::{OpContext, Ports};
use crate::error::{Error, Result};
use crate::id::{DeviceId, KeyId, TenantId};
use crate::model::number::Numbered;
use crate::page::{Page, PageRequest};
use crate::ports::Tx;
use crate::seal::Sealer;
use crate::throttle::Subject;
use crate::time::UtcMs;

/// Days a key may live at most when it has an end at all.
const EXPIRES_DAYS_MAX: u32 = 3650;

/// What a key is to be.
#[derive(Clone, Debug, Default)]
pub struct NewKey {
    /// What the owner calls it.
    pub name: String,
    /// The one device it is to reach; `None`: all of the tenant's, and the tenant's own things.
    pub device: Option<DeviceId>,
    /// What it may do; `None`: what a program needs ([`Scope::PROGRAM`]).
    pub scopes: Option<Vec<Scope>>,
    /// How it is spelled.
    pub spelling: KeySpelling,
    /// Whether its text can be shown again.
    pub keeping: Keeping,
    /// Days until it stops working.
    pub expires_in_days: Option<u32>,
}

/// Whether the text of a key is kept.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Keeping {
    /// It is shown once and forgotten.
    #[default]
    ShownOnce,
    /// It is kept, sealed, and can be shown again.
    Revealable,
}

/// A key with its text: shown once, and to repetitions of the request that made it.
pub struct MadeKey {
    /// The key.
    pub key: AccessKey,
    /// Its text.
    pub secret: KeySecret,
}

impl From<&MadeKey> for api::MadeKey {
    fn from(made: &MadeKey) -> Self {
        Self { key: (&made.key).into(), secret: Some(made.secret.reveal().to_owned()) }
    }
}

/// Makes a key of the caller's tenant. It can do nothing the caller can't, and lives no longer than the key it was made with. A
/// login sets it no end: the user can log in again.
pub async fn create(ctx: &OpContext, new: NewKey) -> Result<api::MadeKey> {
    let access = ctx.require(Action::ManageKeys)?;
    let scopes = new.scopes.clone().unwrap_or_else(|| Scope::PROGRAM.to_vec());
    if scopes.is_empty() {
        return Err(Error::invalid("scopes", "must name at least one scope"));
    }
    for scope in &scopes {
        ctx.caller().require(*scope)?;
    }
    let (mut key, secret) = draft(access.ports(), ctx.tenant().clone(), new, scopes)?;
    // A key must not outlive the one it was made with.
    if let (Credential::Key(_), Some(end)) = (ctx.caller().credential(), ctx.caller().expires_at()) {
        key.expires_at = Some(key.expires_at.map_or(end, |wanted| wanted.min(end)));
    }
    let hash = secret.hash();
    let insert = move |tx: &mut Write<'_>, tenant: &TenantId| {
        if let Some(device) = &key.device {
            authorize::find(&mut **tx, tenant, device)?;
        }
        let (limits, devices) = (tx.limits(), tx.device_count(tenant)?);
        let limit = limits.keys_per_tenant.saturating_add(limits.keys_per_device.saturating_mul(devices));
        if tx.key_count(tenant)? >= limit {
            let why = format!("this tenant has {limit} keys, the limit for its number of devices; revoke one first");
            return Err(Error::Conflict { code: "too_many_keys", why });
        }
        let key = insert(tx, key, &hash)?;
        Ok(Shown(api::MadeKey::from(&MadeKey { key, secret })))
    };
    access.write(insert).await.map(Shown::into_inner)
}

/// Stores a key under the next number of its tenant.
pub(super) fn insert(tx: &mut Write<'_>, mut key: AccessKey, hash: &KeyHash) -> Result<AccessKey> {
    key.number = tx.number_next(&key.tenant, Numbered::Key)?;
    tx.key_insert(&key, hash)?;
    Ok(key)
}

/// Makes a tenant of its own with one program key. Only for servers whose operator opened sign-up.
pub async fn sign_up(ports: &Arc<Ports>, new: NewKey) -> Result<MadeKey> {
    if new.device.is_some() {
        return Err(Error::invalid("device", "must be left out: a fresh tenant has no devices"));
    }
    let tenant = ports.fresh(TenantId::new);
    let name = format!("{} ({tenant})", new.name);
    let (key, secret) = draft(ports, tenant, new, Scope::TENANT.to_vec())?;
    let hash = secret.hash();
    let insert = move |tx: &mut Write<'_>| {
        let now = tx.now();
        tx.tenant_insert(&key.tenant, &name, now)?;
        insert(tx, key, &hash)
    };
    Ok(MadeKey { key: ports.write(insert).await?, secret })
}

/// A key of the caller's tenant.
pub async fn get(ctx: &OpContext, id: &KeyId) -> Result<AccessKey> {
    let access = ctx.require(Action::ManageKeys)?;
    let id = id.clone();
    access.read(move |tx, tenant| find(tx, tenant, &id)).await
}

/// The caller's keys, newest first; with `device` only those bound to it.
pub async fn list(ctx: &OpContext, device: Option<DeviceId>, page: PageRequest) -> Result<Page<AccessKey>> {
    let access = ctx.require(Action::ManageKeys)?;
    page.by::<KeyId>()?;
    let list = move |tx: &mut dyn Tx, tenant: &TenantId| {
        let rows = tx.key_list(tenant, device.as_ref(), &page)?;
        let total = page.total(|most| tx.key_total(tenant, device.as_ref(), most))?;
        Ok(Page::cut(rows, &page, |k| k.id.to_string()).of_total(total))
    };
    access.read(list).await
}

/// The text of a key that was made to be shown again, for a caller who may do all that it can.
pub async fn reveal(ctx: &OpContext, id: &KeyId) -> Result<KeySecret> {
    ctx.require(Action::ManageKeys)?;
    let key = get(ctx, id).await?;
    match revealed(ctx, &key)? {
        Some(secret) => Ok(secret),
        None => Err(Error::Conflict {
            code: "key_not_revealable",
            why:
                "the text of this key can't be shown: it was not kept, or the key was revoked or can do more than this \
                  caller; make a key with `revealable`"
                    .to_owned(),
        }),
    }
}

/// The text of a key as far as the caller may see it: it was kept, the key is not revoked, and it can do nothing that the
/// caller can't.
pub fn revealed(ctx: &OpContext, key: &AccessKey) -> Result<Option<KeySecret>> {
    let access = ctx.require(Action::ManageKeys)?;
    if key.revoked_at.is_some() || !key.scopes.iter().all(|scope| ctx.caller().has(*scope)) {
        return Ok(None);
    }
    unseal(&access.ports().sealer, key)
}

fn unseal(sealer: &Sealer, key: &AccessKey) -> Result<Option<KeySecret>> {
    let Some(sealed) = &key.sealed_secret else { return Ok(None) };
    let text = String::from_utf8(sealer.open(&AccessKey::seal_place(&key.id), sealed)?);
    // The error would hold the text, so it is not passed on.
    let text = text.map_err(|_| Error::internal("opening a key's text", "it is no text"))?;
    Ok(Some(KeySecret::unsealed(text)))
}

/// Revokes a key that can do nothing the caller can't; it stops working at once. Repeating it changes nothing.
pub async fn revoke(ctx: &OpContext, id: &KeyId) -> Result<()> {
    let access = ctx.require(Action::ManageKeys)?;
    let (id, caller) = (id.clone(), ctx.caller().clone());
    let revoke = move |tx: &mut Write<'_>, tenant: &TenantId| {
        let key = find(&mut **tx, tenant, &id)?;
        // Otherwise a program's key could lock its operator out.
        for scope in key.scopes {
            caller.require(scope)?;
        }
        let now = tx.now();
        tx.key_revoke(tenant, &id, now).map(drop)
    };
    access.write(revoke).await
}

fn find(tx: &mut dyn Tx, tenant: &TenantId, id: &KeyId) -> Result<AccessKey> {
    tx.key_find(tenant, id)?.ok_or_else(|| Error::not_found("key", id))
}

/// Who presents this text, a key or the token of a login. Unknown, expired and revoked ones are one and the same answer.
pub async fn authenticate(ports: &Ports, presented: &str) -> Result<Caller> {
    if let Some(caller) = login::authenticate(ports, presented).await? {
        return Ok(caller);
    }
    match ports.store.key(&KeyHash::of(presented)).await? {
        Some(key) if key.is_valid(ports.now()) => Ok(Caller::of(key)),
        _ => Err(Error::Unauthenticated {
            why: "this key is unknown, expired or revoked; send a valid one as `Authorization: Bearer …` or `X-API-Key`",
        }),
    }
}

/// Who presents this text in a body or a path, where anybody may try many. Failures count against the address it came from
/// like those of logins (`limits.login_failures_per_address`); `address` is that of the peer, or its network.
///
/// # Errors
/// [`Error::Busy`] when too many failed, else as [`authenticate`].
pub async fn authenticate_within(ports: &Ports, presented: &str, address: Option<IpAddr>) -> Result<Caller> {
    let attempt = ports.throttle.attempt(&ports.limits, ports.now(), [Subject::Address(address)])?;
    let caller = authenticate(ports, presented).await;
    if !matches!(caller, Err(Error::Unauthenticated { .. })) {
        attempt.pardon();
    }
    caller
}

/// Refuses a caller whose key was revoked, or whose key or login ended, since it was authenticated: for what outlasts a
/// request.
pub(crate) fn check_still_valid(tx: &mut dyn Tx, caller: &Caller, now: UtcMs) -> Result<()> {
    let is_valid = match caller.credential() {
        Credential::Key(id) => tx.key_find(caller.tenant(), id)?.is_some_and(|key| key.is_valid(now)),
        Credential::Link { .. } => caller.expires_at().is_some_and(|end| end > now),
        Credential::Login { user, version } => match tx.user_find(caller.tenant(), user)? {
            Some(user) => {
                let ended = caller.expires_at().is_some_and(|end| end <= now);
                let devices = tx.user_devices(&user.tenant, &user.id)?;
                !ended && user.login_version == *version && !caller.has_changed(&user, devices)
            }
            None => false,
        },
    };
    if is_valid {
        return Ok(());
    }
    Err(Error::Unauthenticated { why: "this key was revoked or expired, or may do other things by now; come back" })
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
    if new.device.is_some() && scopes.iter().any(|scope| matches!(scope, Scope::KeysWrite | Scope::ServerAdmin)) {
        return Err(Error::invalid(
            "scopes",
            "must not name `keys:write` or `server:admin`: a device has no keys to manage",
        ));
    }
    let (id, now) = (ports.fresh(KeyId::new), ports.now());
    let secret = KeySecret::generate(&new.spelling, &*ports.rng);
    let sealed_secret = match new.keeping {
        Keeping::ShownOnce => None,
        Keeping::Revealable => Some(ports.sealer.seal(&AccessKey::seal_place(&id), secret.reveal().as_bytes())?),
    };
    let key = AccessKey {
        id,
        // Given when it is stored.
        number: 0,
        tenant,
        device: new.device,
        name,
        scopes,
        created_at: now,
        expires_at: new.expires_in_days.map(|d| now + Duration::from_secs(u64::from(d) * 86_400)),
        revoked_at: None,
        sealed_secret,
    };
    Ok((key, secret))
}
