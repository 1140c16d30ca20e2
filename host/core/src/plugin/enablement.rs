//! On or off, settings and grants: what a tenant decides about a plugin, for all its devices or for one.

use serde_json::Value;

use super::schema::{Schema, Settings, merge};
use super::{Enablement, Grant, OnFailure, Switch, check_revision, refresh_tenant};
use crate::access::authorize::Action;
use crate::context::{OpContext, Write};
use crate::directory::Offered;
use crate::error::{Error, Result};
use crate::id::{DeviceId, EnablementId, TenantId};
use crate::ports::store::Tx;
use crate::seal::Sealer;

/// What is to change; what is `None` stays, or is as in an enablement that nobody made.
#[derive(Clone, Debug, Default)]
pub struct EnablementChange {
    /// On or off.
    pub state: Option<Switch>,
    /// Settings, secret ones included.
    pub settings: Option<SettingsChange>,
    /// The grants it may have; `Some(None)`: all that are offered.
    pub grants: Option<Option<Vec<Grant>>>,
    /// Its place among plugins with the same hook.
    pub position: Option<i64>,
    /// What becomes of its work while it fails; `Some(None)`: what is usual for the hook.
    pub on_failure: Option<Option<OnFailure>>,
    /// The revision the change is made for; 0 for none.
    pub revision: Option<i64>,
}

/// How settings change. Secret ones that are not named stay in both cases; `null` removes one.
#[derive(Clone, Debug)]
pub enum SettingsChange {
    /// These, in the place of those before.
    Replace(Settings),
    /// A merge patch over those before.
    Merge(Settings),
}

/// What the tenant decided, for itself or for one device.
pub async fn get(ctx: &OpContext, device: Option<&DeviceId>, plugin: &str) -> Result<Enablement> {
    let plugin = plugin.to_owned();
    let get = move |tx: &mut dyn Tx, tenant: &TenantId, device: Option<&DeviceId>| {
        let rows = tx.enablement_list(tenant, &plugin)?;
        let found = rows.into_iter().find(|row| row.device.as_ref() == device);
        found.ok_or_else(|| Error::not_found("enablement of the plugin", plugin))
    };
    match device {
        None => ctx.require(Action::SeePlugins)?.read(move |tx, tenant| get(tx, tenant, None)).await,
        Some(id) => {
            let access = ctx.device(id).require(Action::SeePlugins).await?;
            access.read(move |tx, device| get(tx, &device.tenant, Some(&device.id))).await
        }
    }
}

/// Changes it. The settings have to work for the tenant and for each device that has settings of its own.
pub async fn change(
    ctx: &OpContext,
    device: Option<&DeviceId>,
    plugin: &str,
    change: EnablementChange,
) -> Result<Enablement> {
    let offered = ctx.offered(plugin)?;
    let apply = move |tx: &mut Write<'_>, tenant: &TenantId, device: Option<&DeviceId>| {
        apply(tx, (tenant, device), &offered, change)
    };
    let changed = match device {
        None => ctx.require(Action::ManagePlugins)?.write(move |tx, tenant| apply(tx, tenant, None)).await?,
        Some(id) => {
            let access = ctx.device(id).require(Action::ManagePlugins).await?;
            access.write(move |tx, device| apply(tx, &device.tenant, Some(&device.id))).await?
        }
    };
    let access = ctx.require(Action::ManagePlugins)?;
    refresh_tenant(access.ports(), access.id()).await?;
    Ok(changed)
}

/// Removes it: what is above it decides again.
pub async fn remove(ctx: &OpContext, device: Option<&DeviceId>, plugin: &str) -> Result<()> {
    let plugin = plugin.to_owned();
    let remove = move |tx: &mut Write<'_>, tenant: &TenantId, device: Option<&DeviceId>| match tx
        .enablement_delete(tenant, &plugin, device)?
    {
        true => Ok(()),
        false => Err(Error::not_found("enablement of the plugin", plugin)),
    };
    match device {
        None => ctx.require(Action::ManagePlugins)?.write(move |tx, tenant| remove(tx, tenant, None)).await?,
        Some(id) => {
            let access = ctx.device(id).require(Action::ManagePlugins).await?;
            access.write(move |tx, device| remove(tx, &device.tenant, Some(&device.id))).await?;
        }
    }
    let access = ctx.require(Action::ManagePlugins)?;
    refresh_tenant(access.ports(), access.id()).await
}

fn apply(
    tx: &mut Write<'_>,
    (tenant, device): (&TenantId, Option<&DeviceId>),
    offered: &Offered,
    change: EnablementChange,
) -> Result<Enablement> {
    let mut rows = tx.enablement_list(tenant, &offered.offer.plugin)?;
    let before = rows.iter().position(|row| row.device.as_ref() == device).map(|at| rows.swap_remove(at));
    let mut row = match before {
        Some(row) => row,
        None => Enablement {
            id: tx.fresh(EnablementId::new),
            tenant: tenant.clone(),
            plugin: offered.offer.plugin.clone(),
            device: device.cloned(),
            state: Switch::On,
            settings: Settings::new(),
            secret_names: Vec::new(),
            sealed_secrets: None,
            grants: None,
            position: 0,
            on_failure: None,
            revision: 0,
            changed_at: tx.now(),
        },
    };
    check_revision(change.revision, row.revision)?;
    let limit = tx.limits().plugin_settings_bytes;
    if let Some(settings) = change.settings {
        set_settings(&mut row, settings, offered.package.schema.as_ref(), &tx.ports().sealer, limit)?;
    }
    row.state = change.state.unwrap_or(row.state);
    row.grants = change.grants.unwrap_or(row.grants);
    row.position = change.position.unwrap_or(row.position);
    row.on_failure = change.on_failure.unwrap_or(row.on_failure);
    row.revision += 1;
    row.changed_at = tx.now();
    rows.push(row.clone());
    check_settings(offered, &rows)?;
    tx.enablement_put(&row)?;
    Ok(row)
}

/// Puts new settings into a row: plain ones readable, secret ones sealed.
fn set_settings(
    row: &mut Enablement,
    change: SettingsChange,
    schema: Option<&Schema>,
    sealer: &Sealer,
    bytes_max: usize,
) -> Result<()> {
    let (mut given, replaces) = match change {
        SettingsChange::Replace(settings) => (settings, true),
        SettingsChange::Merge(settings) => (settings, false),
    };
    let place = Enablement::seal_place(&row.id);
    let mut secrets: Settings = match &row.sealed_secrets {
        None => Settings::new(),
        Some(sealed) => serde_json::from_slice(&sealer.open(&place, sealed)?)
            .map_err(|e| Error::internal("reading secret settings of a plugin", e))?,
    };
    for name in schema.map(Schema::secrets).unwrap_or_default() {
        match given.remove(name) {
            None => {}
            Some(Value::Null) => drop(secrets.remove(name)),
            Some(value @ Value::String(_)) => drop(secrets.insert(name.clone(), value)),
            Some(_) => return Err(Error::invalid(format!("settings.{name}"), "must be a text, or null to remove it")),
        }
    }
    if replaces {
        row.settings = given;
    } else {
        merge(&mut row.settings, &given);
    }
    let bytes = |settings: &Settings| serde_json::to_vec(settings).map_err(|e| Error::internal("writing settings", e));
    let sealed = bytes(&secrets)?;
    if bytes(&row.settings)?.len() > bytes_max || sealed.len() > bytes_max {
        return Err(Error::TooLarge { what: "the settings of a plugin", limit_bytes: bytes_max as u64 });
    }
    row.secret_names = secrets.keys().cloned().collect();
    row.sealed_secrets = if secrets.is_empty() { None } else { Some(sealer.seal(&place, &sealed)?) };
    Ok(())
}

/// Checks what the rows of one plugin come to, for the tenant and for each device.
fn check_settings(offered: &Offered, rows: &[Enablement]) -> Result<()> {
    let tenant = rows.iter().find(|row| row.device.is_none());
    if let Some(why) = offered.resolve(tenant, None).problem {
        return Err(Error::invalid("settings", why));
    }
    for row in rows.iter().filter(|row| row.device.is_some()) {
        if let (Some(why), Some(device)) = (offered.resolve(tenant, Some(row)).problem, &row.device) {
            return Err(Error::invalid("settings", format!("with those of the device {device}: {why}")));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use serde_json::json;

    use super::*;
    use crate::rng::Rng;
    use crate::time::UtcMs;

    struct Sevens;

    impl Rng for Sevens {
        fn fill(&self, out: &mut [u8]) {
            out.fill(7);
        }
    }

    fn row() -> Enablement {
        Enablement {
            id: EnablementId::new(1, 1),
            tenant: TenantId::new(1, 1),
            plugin: "acme.bot".to_owned(),
            device: None,
            state: Switch::On,
            settings: Settings::new(),
            secret_names: Vec::new(),
            sealed_secrets: None,
            grants: None,
            position: 0,
            on_failure: None,
            revision: 0,
            changed_at: UtcMs(0),
        }
    }

    fn object(value: Value) -> Settings {
        value.as_object().cloned().expect("an object")
    }

    fn set(row: &mut Enablement, change: SettingsChange) -> Result<()> {
        let properties = json!({ "pause": { "type": "integer" }, "token": { "type": "string", "format": "secret" } });
        let schema = Schema::compile(json!({ "type": "object", "properties": properties })).expect("a good schema");
        set_settings(row, change, Some(&schema), &Sealer::new(&[7; 32], Arc::new(Sevens)), 100)
    }

    #[test]
    fn secrets_are_sealed_apart_and_stay_until_they_are_named() {
        let mut row = row();
        set(&mut row, SettingsChange::Replace(object(json!({ "pause": 1, "token": "hush" })))).expect("set");
        assert_eq!(
            (&row.settings, row.secret_names.as_slice()),
            (&object(json!({ "pause": 1 })), &["token".to_owned()][..])
        );
        let sealed = row.sealed_secrets.clone().expect("sealed");
        assert!(!sealed.windows(4).any(|bytes| bytes == b"hush"));
        set(&mut row, SettingsChange::Replace(Settings::new())).expect("set");
        assert_eq!((row.settings.len(), row.secret_names.len()), (0, 1), "a secret that is not named stays");
        set(&mut row, SettingsChange::Merge(object(json!({ "token": null, "pause": 2 })))).expect("set");
        assert_eq!((row.secret_names.len(), row.sealed_secrets.as_deref()), (0, None));
        assert_eq!(row.settings, object(json!({ "pause": 2 })));
    }

    #[test]
    fn settings_that_break_a_limit_are_refused() {
        let long = "x".repeat(200);
        for wrong in [json!({ "token": 5 }), json!({ "token": long }), json!({ "other": long })] {
            assert!(set(&mut row(), SettingsChange::Replace(object(wrong.clone()))).is_err(), "{wrong}");
        }
    }
}
