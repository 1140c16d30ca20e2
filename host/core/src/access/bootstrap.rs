//! The first keys: one generated admin key on the first start, and keys an operator presets for automation.

use super::keys::{NewKey, draft};
use super::secret::{KeyFormat, KeySecret};
use super::{AccessKey, Scope};
use crate::cx::Core;
use crate::error::Result;
use crate::id::{KeyId, TenantId};
use crate::page::PageRequest;
use crate::ports::Tx;

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
        let known = tx.key_find_by_hash(&secret.hash()).await?;
        let kept = known.filter(|key| key.revoked_at.is_none() && key.name == name && key.scopes == scopes);
        revoke_presets(core, &mut *tx, &tenant, name, kept.as_ref()).await?;
        if kept.is_none() {
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

/// Revokes the keys preset before in this place: whoever sets another one wants the old one to stop working.
async fn revoke_presets(
    core: &Core,
    tx: &mut dyn Tx,
    tenant: &TenantId,
    name: &str,
    kept: Option<&AccessKey>,
) -> Result<()> {
    let mut page = PageRequest { limit: core.limits.page_max, before: None };
    loop {
        let keys = tx.key_list(tenant, &page).await?;
        for key in keys.iter().filter(|k| k.name == name && k.revoked_at.is_none()) {
            if kept.is_none_or(|kept| kept.id != key.id) {
                tx.key_revoke(tenant, &key.id, core.now()).await?;
            }
        }
        match keys.last() {
            Some(last) if keys.len() > page.limit as usize => page.before = Some(last.id.to_string()),
            _ => return Ok(()),
        }
    }
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
