//! Installing a plugin, or a new version of one.

use std::sync::Arc;

use portico_api as api;

use super::{Origin, PluginOffer, PluginVersion, offer, refresh_offers};
use crate::access::authorize::Action;
use crate::context::idempotency::Shown;
use crate::context::{OpContext, Write};
use crate::error::{Error, Result};
use crate::id::TenantId;
use crate::ports::plugins::Package;
use crate::time::UtcMs;

/// Installs a component and makes it the current version of its plugin. Calls under way finish on the version before, to which
/// [`offer::roll_back`] leads. A plugin that is new is offered to everybody and off. Installing the same bytes again makes that
/// version the current one again.
pub async fn install(ctx: &OpContext, component: Vec<u8>) -> Result<api::PluginOffer> {
    let access = ctx.require(Action::RunServer)?;
    if let Some(Shown(before)) = access.answered_before().await? {
        return Ok(before);
    }
    let package = access.services().plugins.install(component).await?;
    let version = version_of(&package, Origin::Uploaded, ctx.now());
    access.ports().directory.know(Arc::clone(&package));
    let adopt = move |tx: &mut Write<'_>, _: &TenantId| Ok(Shown(api::PluginOffer::from(&adopt(tx, &version)?)));
    let Shown(offer) = access.write(adopt).await?;
    refresh_offers(access.ports()).await?;
    offer::forget_old_versions(access.services(), &offer.plugin).await?;
    Ok(offer)
}

/// The version that a package is.
pub(super) fn version_of(package: &Package, origin: Origin, now: UtcMs) -> PluginVersion {
    PluginVersion {
        digest: package.info.digest.clone(),
        plugin: package.info.id.clone(),
        version: package.info.version.clone(),
        origin,
        manifest: package.manifest.clone(),
        schema: package.schema.as_ref().map(|schema| schema.document().clone()),
        created_at: now,
    }
}

/// Stores a version and makes it the current one.
pub(super) fn adopt(tx: &mut Write<'_>, version: &PluginVersion) -> Result<PluginOffer> {
    tx.plugin_version_insert(version)?;
    let offer = match tx.plugin_offer_find(&version.plugin)? {
        Some(offer) if offer.digest == version.digest => return Ok(offer),
        Some(mut offer) => {
            offer.move_to(&version.digest, version.created_at);
            offer
        }
        None => {
            let limit = tx.limits().plugins_max;
            if tx.plugin_offer_list()?.len() >= limit as usize {
                let why =
                    format!("{limit} plugins are installed, the limit; remove one, or raise `limits.plugins_max`");
                return Err(Error::Conflict { code: "too_many_plugins", why });
            }
            PluginOffer::of(version)
        }
    };
    tx.plugin_offer_put(&offer)?;
    Ok(offer)
}
