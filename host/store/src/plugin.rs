//! Versions of plugins, and who may use them: what belongs to the server. [`enablement`] has what belongs to tenants, [`kv`] what
//! plugins keep.

pub(crate) mod enablement;
pub(crate) mod kv;

use portico_core::error::Result;
use portico_core::id::{DeviceId, EnablementId, TenantId};
use portico_core::plugin::{Audience, Enablement, Grant, Origin, PluginOffer, PluginVersion, Switch};
use portico_core::ports::plugins::{KvScope, KvValue};
use portico_core::ports::store::{KvEntry, PluginTx};
use portico_core::time::UtcMs;

use crate::db::DbTx;
use crate::row::{self, RowRef};
use crate::table;

table! {
    /// A version as stored.
    plugin_versions: VersionRow<'r> => PluginVersion {
        digest: &'r str,
        plugin: &'r str,
        version: &'r str,
        origin: &'r str,
        manifest: &'r str,
        settings_schema: Option<&'r str>,
        created_ms: i64,
    }
}

table! {
    /// An offer as stored.
    plugin_offers: OfferRow<'r> => PluginOffer {
        plugin: &'r str,
        digest: &'r str,
        previous_digest: Option<&'r str>,
        grants_max: Option<&'r str>,
        tenants: Option<&'r str>,
        default_state: &'r str,
        public_routes: Option<&'r str>,
        revision: i64,
        changed_ms: i64,
    }
}

statements! {
    VERSION_INSERT = concat!(plugin_versions!(insert), " ON CONFLICT (digest) DO NOTHING");
    VERSION_LIST = concat!(
        "SELECT ", plugin_versions!(columns), " FROM plugin_versions WHERE plugin = $1 ORDER BY created_ms DESC"
    );
    VERSION_FIND = concat!("SELECT ", plugin_versions!(columns), " FROM plugin_versions WHERE digest = $1");
    VERSION_DELETE = "DELETE FROM plugin_versions WHERE digest = $1";
    OFFER_PUT = concat!(
        plugin_offers!(insert),
        " ON CONFLICT (plugin) DO UPDATE SET digest = excluded.digest, previous_digest = excluded.previous_digest,
             grants_max = excluded.grants_max, tenants = excluded.tenants, default_state = excluded.default_state,
             public_routes = excluded.public_routes, revision = excluded.revision, changed_ms = excluded.changed_ms"
    );
    OFFER_FIND = concat!("SELECT ", plugin_offers!(columns), " FROM plugin_offers WHERE plugin = $1");
    /// All of them: their number is limited, and this is asked after a change only.
    OFFER_LIST = concat!("SELECT ", plugin_offers!(columns), " FROM plugin_offers ORDER BY plugin");
    OFFER_DELETE = "DELETE FROM plugin_offers WHERE plugin = $1";
}

impl VersionRow<'_> {
    fn noun(&self) -> Result<PluginVersion> {
        let at = self.at();
        Ok(PluginVersion {
            digest: self.digest.to_owned(),
            plugin: self.plugin.to_owned(),
            version: self.version.to_owned(),
            origin: at.name("origin", self.origin, Origin::from_name)?,
            manifest: self.manifest.to_owned(),
            schema: self.settings_schema.map(|schema| at.json("settings_schema", schema)).transpose()?,
            created_at: UtcMs(self.created_ms),
        })
    }
}

impl OfferRow<'_> {
    fn noun(&self) -> Result<PluginOffer> {
        let at = self.at();
        let tenants: Option<Vec<String>> = self.tenants.map(|list| at.json("tenants", list)).transpose()?;
        let tenants = tenants.map(|list| list.iter().map(|id| at.id("tenants", id)).collect::<Result<_>>());
        Ok(PluginOffer {
            plugin: self.plugin.to_owned(),
            digest: self.digest.to_owned(),
            previous_digest: self.previous_digest.map(str::to_owned),
            grants_max: grants_from(&at, "grants_max", self.grants_max)?,
            audience: tenants.transpose()?.map_or(Audience::Everybody, Audience::Tenants),
            default_state: at.name("default_state", self.default_state, Switch::from_name)?,
            public_routes: self.public_routes.map(|s| at.name("public_routes", s, Switch::from_name)).transpose()?,
            revision: self.revision,
            changed_at: UtcMs(self.changed_ms),
        })
    }
}

/// A list of grants, where there is one.
fn grants_from(at: &RowRef<'_>, column: &'static str, list: Option<&str>) -> Result<Option<Vec<Grant>>> {
    list.map(|list| at.json(column, list)).transpose()
}

impl PluginTx for DbTx<'_> {
    fn plugin_version_insert(&mut self, version: &PluginVersion) -> Result<bool> {
        let schema = version.schema.as_ref().map(row::json).transpose()?;
        let row = VersionRow {
            digest: &version.digest,
            plugin: &version.plugin,
            version: &version.version,
            origin: version.origin.as_str(),
            manifest: &version.manifest,
            settings_schema: schema.as_deref(),
            created_ms: version.created_at.0,
        };
        Ok(self.conn().run(&VERSION_INSERT, 1, &table::binds(&[row]))? > 0)
    }

    fn plugin_version_list(&mut self, plugin: &str) -> Result<Vec<PluginVersion>> {
        rows!(self.conn(), PluginVersion, VERSION_LIST, [plugin], fetch_all)
    }

    fn plugin_version_find(&mut self, digest: &str) -> Result<Option<PluginVersion>> {
        rows!(self.conn(), PluginVersion, VERSION_FIND, [digest], fetch_optional)
    }

    fn plugin_version_delete(&mut self, digest: &str) -> Result<bool> {
        Ok(run!(self.conn(), VERSION_DELETE, [digest])? > 0)
    }

    fn plugin_offer_put(&mut self, offer: &PluginOffer) -> Result<()> {
        let grants_max = offer.grants_max.as_ref().map(row::json).transpose()?;
        let tenants = match &offer.audience {
            Audience::Everybody => None,
            Audience::Tenants(list) => Some(row::json(list)?),
        };
        let row = OfferRow {
            plugin: &offer.plugin,
            digest: &offer.digest,
            previous_digest: offer.previous_digest.as_deref(),
            grants_max: grants_max.as_deref(),
            tenants: tenants.as_deref(),
            default_state: offer.default_state.as_str(),
            public_routes: offer.public_routes.map(Switch::as_str),
            revision: offer.revision,
            changed_ms: offer.changed_at.0,
        };
        self.conn().run(&OFFER_PUT, 1, &table::binds(&[row]))?;
        Ok(())
    }

    fn plugin_offer_find(&mut self, plugin: &str) -> Result<Option<PluginOffer>> {
        rows!(self.conn(), PluginOffer, OFFER_FIND, [plugin], fetch_optional)
    }

    fn plugin_offer_list(&mut self) -> Result<Vec<PluginOffer>> {
        rows!(self.conn(), PluginOffer, OFFER_LIST, [], fetch_all)
    }

    fn plugin_offer_delete(&mut self, plugin: &str) -> Result<bool> {
        Ok(run!(self.conn(), OFFER_DELETE, [plugin])? > 0)
    }

    fn enablement_put(&mut self, enablement: &Enablement) -> Result<()> {
        enablement::put(self, enablement)
    }

    fn enablement_list(&mut self, tenant: &TenantId, plugin: &str) -> Result<Vec<Enablement>> {
        enablement::list(self, tenant, plugin)
    }

    fn enablement_of_tenant(&mut self, tenant: &TenantId) -> Result<Vec<Enablement>> {
        enablement::of_tenant(self, tenant)
    }

    fn enablement_all(&mut self, after: Option<&EnablementId>, limit: u32) -> Result<Vec<Enablement>> {
        enablement::all(self, after, limit)
    }

    fn enablement_delete(&mut self, tenant: &TenantId, plugin: &str, device: Option<&DeviceId>) -> Result<bool> {
        enablement::delete(self, tenant, plugin, device)
    }

    fn kv_get(&mut self, scope: &KvScope, key: &str, now: UtcMs) -> Result<Option<KvValue>> {
        kv::get(self, scope, key, now)
    }

    fn kv_put(&mut self, scope: &KvScope, key: &str, entry: &KvEntry) -> Result<()> {
        kv::put(self, scope, key, entry)
    }

    fn kv_delete(&mut self, scope: &KvScope, key: &str) -> Result<bool> {
        kv::delete(self, scope, key)
    }

    fn kv_list(&mut self, scope: &KvScope, prefix: &str, after: &str, now: UtcMs, limit: u32) -> Result<Vec<String>> {
        kv::list(self, scope, prefix, after, now, limit)
    }

    fn kv_size(&mut self, scope: &KvScope) -> Result<(u32, u64)> {
        kv::size(self, scope)
    }

    fn kv_purge(&mut self, scope: &KvScope, now: UtcMs) -> Result<u64> {
        kv::purge(self, scope, now)
    }
}
