//! What tenants decided about plugins, for themselves and for single devices.

use portico_core::error::Result;
use portico_core::id::{DeviceId, EnablementId, TenantId};
use portico_core::plugin::{Enablement, OnFailure, Switch};
use portico_core::time::UtcMs;

use super::grants_from;
use crate::db::DbTx;
use crate::row;
use crate::table;

table! {
    /// An enablement as stored.
    plugin_enablements: EnablementRow<'r> => Enablement {
        id: &'r str,
        tenant_id: &'r str,
        plugin: &'r str,
        device_id: Option<&'r str>,
        state: &'r str,
        settings: &'r str,
        secret_names: &'r str,
        sealed_secrets: Option<&'r [u8]>,
        grants: Option<&'r str>,
        position: i64,
        on_failure: Option<&'r str>,
        revision: i64,
        changed_ms: i64,
    }
}

statements! {
    PUT = concat!(
        plugin_enablements!(insert),
        " ON CONFLICT (tenant_id, plugin, COALESCE(device_id, '')) DO UPDATE SET state = excluded.state,
             settings = excluded.settings, secret_names = excluded.secret_names, sealed_secrets = excluded.sealed_secrets,
             grants = excluded.grants, position = excluded.position, on_failure = excluded.on_failure,
             revision = excluded.revision, changed_ms = excluded.changed_ms"
    );
    LIST = concat!(
        "SELECT ", plugin_enablements!(columns), " FROM plugin_enablements WHERE tenant_id = $1 AND plugin = $2"
    );
    OF_TENANT = concat!("SELECT ", plugin_enablements!(columns), " FROM plugin_enablements WHERE tenant_id = $1");
    OF_ALL = concat!(
        "SELECT ", plugin_enablements!(columns), " FROM plugin_enablements WHERE id > $1 ORDER BY id LIMIT $2"
    );
    DELETE =
        "DELETE FROM plugin_enablements WHERE tenant_id = $1 AND plugin = $2 AND COALESCE(device_id, '') = $3";
}

impl EnablementRow<'_> {
    fn noun(&self) -> Result<Enablement> {
        let at = self.at();
        Ok(Enablement {
            id: at.id("id", self.id)?,
            tenant: at.id("tenant_id", self.tenant_id)?,
            plugin: self.plugin.to_owned(),
            device: at.id_option("device_id", self.device_id)?,
            state: at.name("state", self.state, Switch::from_name)?,
            settings: at.json("settings", self.settings)?,
            secret_names: at.json("secret_names", self.secret_names)?,
            sealed_secrets: self.sealed_secrets.map(<[u8]>::to_owned),
            grants: grants_from(&at, "grants", self.grants)?,
            position: self.position,
            on_failure: self.on_failure.map(|rule| at.name("on_failure", rule, OnFailure::from_name)).transpose()?,
            revision: self.revision,
            changed_at: UtcMs(self.changed_ms),
        })
    }
}

pub(super) fn put(tx: &mut DbTx<'_>, enablement: &Enablement) -> Result<()> {
    let settings = row::json(&enablement.settings)?;
    let secret_names = row::json(&enablement.secret_names)?;
    let grants = enablement.grants.as_ref().map(row::json).transpose()?;
    let row = EnablementRow {
        id: enablement.id.as_str(),
        tenant_id: enablement.tenant.as_str(),
        plugin: &enablement.plugin,
        device_id: enablement.device.as_ref().map(DeviceId::as_str),
        state: enablement.state.as_str(),
        settings: &settings,
        secret_names: &secret_names,
        sealed_secrets: enablement.sealed_secrets.as_deref(),
        grants: grants.as_deref(),
        position: enablement.position,
        on_failure: enablement.on_failure.map(OnFailure::as_str),
        revision: enablement.revision,
        changed_ms: enablement.changed_at.0,
    };
    tx.conn().run(&PUT, 1, &table::binds(&[row]))?;
    Ok(())
}

pub(super) fn list(tx: &mut DbTx<'_>, tenant: &TenantId, plugin: &str) -> Result<Vec<Enablement>> {
    rows!(tx.conn(), Enablement, LIST, [tenant.as_str(), plugin], fetch_all)
}

pub(super) fn of_tenant(tx: &mut DbTx<'_>, tenant: &TenantId) -> Result<Vec<Enablement>> {
    rows!(tx.conn(), Enablement, OF_TENANT, [tenant.as_str()], fetch_all)
}

pub(super) fn all(tx: &mut DbTx<'_>, after: Option<&EnablementId>, limit: u32) -> Result<Vec<Enablement>> {
    let after = after.map_or("", EnablementId::as_str);
    rows!(tx.conn(), Enablement, OF_ALL, [after, i64::from(limit)], fetch_all)
}

pub(super) fn delete(tx: &mut DbTx<'_>, tenant: &TenantId, plugin: &str, device: Option<&DeviceId>) -> Result<bool> {
    Ok(run!(tx.conn(), DELETE, [tenant.as_str(), plugin, device.map_or("", DeviceId::as_str)])? > 0)
}
