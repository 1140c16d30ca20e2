//! What holds: which plugins a tenant or a device has, with which settings and grants, and why.

use std::sync::Arc;

use portico_api as api;

use super::{Enablement, Grant, Granted};
use crate::access::authorize::Action;
use crate::context::OpContext;
use crate::directory::{DecidedBy, Effective, Offered};
use crate::error::{Error, Result};
use crate::id::DeviceId;

/// What holds of a plugin, and the rows it follows from.
pub struct Explained {
    /// The plugin.
    pub offered: Arc<Offered>,
    /// What holds.
    pub effective: Arc<Effective>,
    /// The tenant's row.
    pub tenant: Option<Enablement>,
    /// The device's row.
    pub device: Option<Enablement>,
}

impl Explained {
    /// Who withholds a grant that the plugin asks for; `None` when it has it.
    pub fn withheld_by(&self, grant: Grant) -> Option<DecidedBy> {
        let lists = [
            (DecidedBy::Offer, self.offered.offer.grants_max.as_ref()),
            (DecidedBy::Tenant, self.tenant.as_ref().and_then(|row| row.grants.as_ref())),
            (DecidedBy::Device, self.device.as_ref().and_then(|row| row.grants.as_ref())),
        ];
        lists.into_iter().find(|(_, list)| list.is_some_and(|list| !list.contains(&grant))).map(|(by, _)| by)
    }
}

/// The plugins that the tenant may use, by id, as they hold for it or for one of its devices. Which plugins there are is no secret:
/// any key may ask, unless it is about a device.
pub async fn list(ctx: &OpContext, device: Option<&DeviceId>) -> Result<Vec<Explained>> {
    if let Some(id) = device {
        ctx.device(id).require(Action::SeePlugins).await?;
    }
    let snapshot = ctx.directory().snapshot();
    let usable = snapshot.all().filter(|offered| offered.offer.audience.includes(Some(ctx.tenant())));
    Ok(usable.filter_map(|offered| explain(ctx, device, &offered.offer.plugin)).collect())
}

/// What holds of one plugin.
pub async fn get(ctx: &OpContext, device: Option<&DeviceId>, plugin: &str) -> Result<Explained> {
    ctx.require(Action::SeePlugins)?;
    if let Some(id) = device {
        ctx.device(id).require(Action::SeePlugins).await?;
    }
    explain(ctx, device, plugin).ok_or_else(|| Error::not_found("plugin", plugin))
}

fn explain(ctx: &OpContext, device: Option<&DeviceId>, plugin: &str) -> Option<Explained> {
    let snapshot = ctx.directory().snapshot();
    let offered = Arc::clone(snapshot.offered(Some(ctx.tenant()), plugin)?);
    let effective = snapshot.effective(Some(ctx.tenant()), device, plugin)?;
    let (tenant, device) = snapshot.rows(ctx.tenant(), device, plugin);
    Some(Explained { offered, effective, tenant, device })
}

impl From<&Explained> for api::Plugin {
    fn from(explained: &Explained) -> Self {
        let info = explained.offered.info();
        Self {
            id: info.id.clone(),
            version: info.version.clone(),
            name: info.name.clone(),
            digest: info.digest.clone(),
            hooks: info.hooks.iter().copied().map(Into::into).collect(),
            mount: info.mount.as_ref().map(Into::into),
            routes: u32::try_from(info.routes.len()).unwrap_or(u32::MAX),
            grants: info.grants.iter().map(Into::into).collect(),
            state: explained.effective.state.into(),
            settings_schema: explained.offered.package.schema.as_ref().map(|schema| schema.document().clone()),
        }
    }
}

impl From<&Explained> for api::EffectivePlugin {
    fn from(explained: &Explained) -> Self {
        let Explained { offered, effective, .. } = explained;
        let grant = |granted: &Granted| api::EffectiveGrant {
            kind: granted.kind.into(),
            why: granted.why.clone(),
            granted: effective.grants.contains(&granted.kind),
            withheld_by: explained.withheld_by(granted.kind).map(Into::into),
        };
        Self {
            plugin: effective.plugin.clone(),
            version: offered.info().version.clone(),
            digest: effective.digest.clone(),
            state: effective.state.into(),
            decided_by: effective.decided_by.into(),
            // It was written from such a map.
            settings: serde_json::from_str(&effective.settings).unwrap_or_default(),
            secrets: effective.secret_names.clone(),
            problem: effective.problem.clone(),
            grants: offered.info().grants.iter().map(grant).collect(),
            position: effective.position,
            on_failure: effective.on_failure.map(Into::into),
        }
    }
}
