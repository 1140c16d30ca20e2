//! The first keys: one generated admin key on the first start, and keys an operator presets for automation.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::keys::{self, NewKey, draft};
use super::secret::KeySecret;
use super::{AccessKey, Scope};
use crate::context::Ports;
use crate::context::Write;
use crate::error::{Error, Result};
use crate::id::{KeyId, TenantId};
use crate::model::checked_name;
use crate::page::PageRequest;

/// The tenant every fresh installation has.
pub const FIRST_TENANT: &str = "default";

/// Keys an operator presets.
#[derive(Clone, Default)]
pub struct PresetKeys {
    /// May do everything; acts for the first tenant.
    pub admin: Option<KeySecret>,
    /// May do what a program needs, and make keys; acts for the first tenant.
    pub api: Option<KeySecret>,
    /// Keys of any tenants.
    pub tokens: Vec<PresetToken>,
}

/// A key that an operator presets for a tenant, which is made where there is none of that name.
#[derive(Clone)]
pub struct PresetToken {
    /// The key's text.
    pub secret: KeySecret,
    /// The name of the tenant.
    pub tenant: String,
    /// What the key may do; `None`: everything of the tenant.
    pub scopes: Option<Vec<Scope>>,
}

/// What the keys of [`PresetKeys::tokens`] are called.
const PRESET_TOKEN: &str = "preset token";

impl PresetKeys {
    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.admin.is_none() && self.api.is_none() && self.tokens.is_empty()
    }
}

/// Makes the first tenant, the preset keys and, when no key exists at all, one admin key, which is returned to be shown once.
pub async fn first_keys(ports: &Arc<Ports>, preset: &PresetKeys) -> Result<Option<KeySecret>> {
    let preset = preset.clone();
    ports.write(move |tx| first_keys_in(tx, &preset)).await
}

fn first_keys_in(tx: &mut Write<'_>, preset: &PresetKeys) -> Result<Option<KeySecret>> {
    let tenant = tenant_named(tx, FIRST_TENANT)?;
    preset_keys(tx, &tenant, preset)?;
    preset_tokens(tx, &preset.tokens)?;
    let now = tx.now();
    if tx.key_any(now)? {
        return Ok(None);
    }
    let new = NewKey { name: "first admin key".to_owned(), ..NewKey::default() };
    let (key, secret) = draft(tx.ports(), tenant, new, Scope::ALL.to_vec())?;
    keys::insert(tx, key, &secret.hash())?;
    Ok(Some(secret))
}

/// The tenant of that name, which is made where there is none.
fn tenant_named(tx: &mut Write<'_>, name: &str) -> Result<TenantId> {
    if let Some(tenant) = tx.tenant_find_by_name(name)? {
        return Ok(tenant);
    }
    let (tenant, now) = (tx.fresh(TenantId::new), tx.now());
    tx.tenant_insert(&tenant, name, now)?;
    Ok(tenant)
}

/// Makes the preset keys work with the scopes of their settings, and revokes keys that were preset there before.
fn preset_keys(tx: &mut Write<'_>, tenant: &TenantId, preset: &PresetKeys) -> Result<()> {
    let settings = [
        (&preset.admin, "preset admin key", Scope::ALL.to_vec()),
        (&preset.api, "preset API key", Scope::TENANT.to_vec()),
    ];
    let (mut names, mut kept) = (Vec::new(), Vec::new());
    for (secret, name, scopes) in settings {
        let Some(secret) = secret else { continue };
        let id = ensure(tx, tenant, secret, name, scopes)?;
        if kept.contains(&id) {
            return Err(Error::invalid("preset API key", "must differ from the preset admin key"));
        }
        names.push(name);
        kept.push(id);
    }
    revoke_earlier(tx, tenant, &names, &kept)
}

/// Makes the preset tokens work, and revokes those that were preset before, of any tenant.
fn preset_tokens(tx: &mut Write<'_>, tokens: &[PresetToken]) -> Result<()> {
    let mut kept = BTreeSet::new();
    for token in tokens {
        let name = checked_name(tx.limits(), &token.tenant)?;
        let tenant = tenant_named(tx, &name)?;
        let scopes = token.scopes.clone().unwrap_or_else(|| Scope::TENANT.to_vec());
        let id = ensure(tx, &tenant, &token.secret, PRESET_TOKEN, scopes)?;
        let now = tx.now();
        tx.key_preset(&tenant, &id, now)?;
        kept.insert(id);
    }
    for (tenant, id) in tx.key_list_preset()? {
        if !kept.contains(&id) {
            let now = tx.now();
            tx.key_revoke(&tenant, &id, now)?;
        }
    }
    Ok(())
}

/// Makes a key of the tenant with this text, name and scopes, or gives the one with this text that name and those scopes.
fn ensure(tx: &mut Write<'_>, tenant: &TenantId, secret: &KeySecret, name: &str, scopes: Vec<Scope>) -> Result<KeyId> {
    match tx.key_find_by_hash(&secret.hash())? {
        Some(known) if known.revoked_at.is_some() => {
            let why = format!("the {name} was revoked, or replaced by another one before; set a fresh one");
            Err(Error::Conflict { code: "preset_key_revoked", why })
        }
        Some(known) if known.tenant != *tenant => {
            Err(Error::invalid(name, "is a key of another tenant already; set a fresh one"))
        }
        // It may have stood in the other setting, and a newer version may know more scopes.
        Some(known) => {
            tx.key_change(tenant, &known.id, name, &scopes)?;
            Ok(known.id)
        }
        None => {
            let key = made(tx.ports(), tenant, name, scopes);
            Ok(keys::insert(tx, key, &secret.hash())?.id)
        }
    }
}

/// Revokes the keys of the tenant that have one of the names and are not kept.
fn revoke_earlier(tx: &mut Write<'_>, tenant: &TenantId, names: &[&str], kept: &[KeyId]) -> Result<()> {
    let mut page = PageRequest::first(tx.limits().page_max);
    loop {
        let keys = tx.key_list(tenant, None, &page)?;
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
    AccessKey {
        id: ports.fresh(KeyId::new),
        number: 0,
        tenant: tenant.clone(),
        device: None,
        name: name.to_owned(),
        scopes,
        created_at: ports.now(),
        expires_at: None,
        revoked_at: None,
        sealed_secret: None,
    }
}
