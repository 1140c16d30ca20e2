//! The first keys: one generated admin key on the first start, and keys an operator presets for automation.

use std::sync::Arc;

use super::keys::{NewKey, draft};
use super::secret::{KeyFormat, KeySecret};
use super::{AccessKey, Scope};
use crate::context::Ports;
use crate::context::Write;
use crate::error::{Error, Result};
use crate::id::{KeyId, TenantId};
use crate::page::PageRequest;

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
pub async fn first_keys(ports: &Arc<Ports>, preset: &PresetKeys) -> Result<Option<KeySecret>> {
    let preset = preset.clone();
    ports.write(move |tx| first_keys_in(tx, &preset)).await
}

fn first_keys_in(tx: &mut Write<'_>, preset: &PresetKeys) -> Result<Option<KeySecret>> {
    let tenant = match tx.tenant_find_by_name(FIRST_TENANT)? {
        Some(tenant) => tenant,
        None => {
            let tenant = tx.fresh(TenantId::new);
            let now = tx.now();
            tx.tenant_insert(&tenant, FIRST_TENANT, now)?;
            tenant
        }
    };
    preset_keys(tx, &tenant, preset)?;
    let now = tx.now();
    if tx.key_any(now)? {
        return Ok(None);
    }
    let new =
        NewKey { name: "first admin key".to_owned(), scopes: None, format: KeyFormat::Portico, expires_in_days: None };
    let (key, secret) = draft(tx.ports(), tenant, new, Scope::ALL.to_vec())?;
    tx.key_insert(&key, &secret.hash())?;
    Ok(Some(secret))
}

/// Makes the preset keys work with the scopes of their settings, and revokes keys that were preset there before.
fn preset_keys(tx: &mut Write<'_>, tenant: &TenantId, preset: &PresetKeys) -> Result<()> {
    let program = Scope::PROGRAM.into_iter().chain([Scope::KeysWrite]).collect::<Vec<_>>();
    let settings = [(&preset.admin, "preset admin key", Scope::ALL.to_vec()), (&preset.api, "preset API key", program)];
    let (mut names, mut kept) = (Vec::new(), Vec::new());
    for (secret, name, scopes) in settings {
        let Some(secret) = secret else { continue };
        let id = match tx.key_find_by_hash(&secret.hash())? {
            Some(known) if known.revoked_at.is_some() => {
                let why = format!("the {name} was revoked, or replaced by another one before; set a fresh one");
                return Err(Error::Conflict { code: "preset_key_revoked", why });
            }
            // It may have stood in the other setting, and a newer version may know more scopes.
            Some(known) => {
                tx.key_change(tenant, &known.id, name, &scopes)?;
                known.id
            }
            None => {
                let key = made(tx.ports(), tenant, name, scopes);
                tx.key_insert(&key, &secret.hash())?;
                key.id
            }
        };
        if kept.contains(&id) {
            return Err(Error::invalid("preset API key", "must differ from the preset admin key"));
        }
        names.push(name);
        kept.push(id);
    }
    let mut page = PageRequest { limit: tx.limits().page_max, before: None };
    loop {
        let keys = tx.key_list(tenant, &page)?;
        let earlier = |key: &&AccessKey| names.contains(&key.name.as_str()) && !kept.contains(&key.id);
        for key in keys.iter().filter(earlier) {
            let now = tx.now();
            tx.key_revoke(tenant, &key.id, now)?;
        }
        match keys.last() {
            Some(last) if keys.len() > page.limit as usize => page.before = Some(last.id.to_string()),
            _ => return Ok(()),
        }
    }
}

fn made(ports: &Ports, tenant: &TenantId, name: &str, scopes: Vec<Scope>) -> AccessKey {
    let now = ports.now();
    AccessKey {
        id: ports.fresh(KeyId::new),
        tenant: tenant.clone(),
        name: name.to_owned(),
        scopes,
        created_at: now,
        expires_at: None,
        revoked_at: None,
    }
}
