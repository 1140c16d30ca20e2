//! The first keys: one generated admin key on the first start, and keys an operator presets for automation.

use super::keys::{NewKey, draft};
use super::secret::{KeyFormat, KeySecret};
use super::{AccessKey, Scope};
use crate::cx::Core;
use crate::error::Result;
use crate::id::{KeyId, TenantId};

/// The tenant every fresh installation has.
pub const FIRST_TENANT: &str = "default";

/// Keys an operator presets. Both act for the first tenant.
#[derive(Clone, Default)]
pub struct PresetKeys {
    /// May do everything.
    pub admin: Option<KeySecret>,
    /// May do what a program needs, and make keys.
    pub api: Option<KeySecret>,
}

/// Makes the first tenant, the preset keys and, when no key exists at all, one admin key, which is returned to be shown once.
pub async fn first_keys(core: &Core, preset: &PresetKeys) -> Result<Option<KeySecret>> {
    let mut tx = core.store.write().await?;
    let tenant = match tx.tenant_find_by_name(FIRST_TENANT).await? {
        Some(tenant) => tenant,
        None => {
            let tenant = core.fresh(TenantId::new);
            tx.tenant_insert(&tenant, FIRST_TENANT, core.now()).await?;
            tenant
        }
    };
    let program = || Scope::PROGRAM.into_iter().chain([Scope::KeysWrite]).collect::<Vec<_>>();
    for (secret, name, scopes) in
        [(&preset.admin, "preset admin key", Scope::ALL.to_vec()), (&preset.api, "preset API key", program())]
    {
        let Some(secret) = secret else { continue };
        if tx.key_find_by_hash(&secret.hash()).await?.is_none() {
            tx.key_insert(&made(core, &tenant, name, scopes), &secret.hash()).await?;
        }
    }
    let generated = if tx.key_any(core.now()).await? {
        None
    } else {
        let new = NewKey {
            name: "first admin key".to_owned(),
            scopes: None,
            format: KeyFormat::Portico,
            expires_in_days: None,
        };
        let (key, secret) = draft(core, tenant, new, Scope::ALL.to_vec())?;
        tx.key_insert(&key, &secret.hash()).await?;
        Some(secret)
    };
    tx.commit().await?;
    Ok(generated)
}

fn made(core: &Core, tenant: &TenantId, name: &str, scopes: Vec<Scope>) -> AccessKey {
    let now = core.now();
    AccessKey {
        id: core.fresh(KeyId::new),
        tenant: tenant.clone(),
        name: name.to_owned(),
        scopes,
        created_at: now,
        expires_at: None,
        revoked_at: None,
    }
}
