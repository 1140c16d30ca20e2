//! Who may use a plugin, how far, and which version of it is called: for whoever runs the server.

use std::sync::Arc;

use portico_api as api;

use super::{Audience, Grant, Origin, PluginOffer, PluginVersion, Switch, check_revision, refresh_offers};
use crate::access::authorize::{Action, TenantAccess};
use crate::context::idempotency::Shown;
use crate::context::{OpContext, Services, Write};
use crate::error::{Error, Result};
use crate::id::TenantId;
use crate::ports::store::Tx;

/// What is to change of an offer; what is `None` stays.
#[derive(Clone, Debug, Default)]
pub struct OfferPatch {
    /// Makes this installed version the current one.
    pub digest: Option<String>,
    /// The grants it may have at most; `Some(None)`: all it asks for.
    pub grants_max: Option<Option<Vec<Grant>>>,
    /// Who may use it.
    pub audience: Option<Audience>,
    /// Whether it is on for tenants that did not say anything.
    pub default_state: Option<Switch>,
    /// Whether it serves requests without credentials; `Some(None)`: as tenants that did not say anything.
    pub public_routes: Option<Option<Switch>>,
    /// The revision the change is made for.
    pub revision: Option<i64>,
}

/// The offer of a plugin.
pub async fn get(ctx: &OpContext, plugin: &str) -> Result<PluginOffer> {
    let access = ctx.require(Action::RunServer)?;
    let plugin = plugin.to_owned();
    access.read(move |tx, _| find(tx, &plugin)).await
}

/// The installed versions of a plugin, newest first.
pub async fn versions(ctx: &OpContext, plugin: &str) -> Result<Vec<PluginVersion>> {
    let access = ctx.require(Action::RunServer)?;
    let plugin = plugin.to_owned();
    let list = move |tx: &mut dyn Tx, _: &TenantId| {
        find(tx, &plugin)?;
        tx.plugin_version_list(&plugin)
    };
    access.read(list).await
}

/// Changes an offer.
pub async fn change(ctx: &OpContext, plugin: &str, patch: OfferPatch) -> Result<PluginOffer> {
    let access = ctx.require(Action::RunServer)?;
    if let Some(digest) = &patch.digest {
        load(&access, plugin, digest).await?;
    }
    let plugin = plugin.to_owned();
    let change = move |tx: &mut Write<'_>, _: &TenantId| {
        let mut offer = find(&mut **tx, &plugin)?;
        check_revision(patch.revision, offer.revision)?;
        let now = tx.now();
        match &patch.digest {
            Some(digest) => offer.move_to(digest, now),
            None => offer.touch(now),
        }
        if let Some(grants_max) = patch.grants_max {
            offer.grants_max = grants_max;
        }
        if let Some(audience) = patch.audience {
            offer.audience = audience;
        }
        if let Some(state) = patch.default_state {
            offer.default_state = state;
        }
        if let Some(public_routes) = patch.public_routes {
            offer.public_routes = public_routes;
        }
        tx.plugin_offer_put(&offer)?;
        Ok(offer)
    };
    let offer = access.write(change).await?;
    refresh_offers(access.ports()).await?;
    Ok(offer)
}

/// Makes the version before the current one. Doing so twice leads back.
pub async fn roll_back(ctx: &OpContext, plugin: &str) -> Result<api::PluginOffer> {
    let access = ctx.require(Action::RunServer)?;
    if let Some(Shown(before)) = access.answered_before().await? {
        return Ok(before);
    }
    let asked = plugin.to_owned();
    let found = access.read(move |tx, _| find(tx, &asked)).await?;
    let Some(previous) = found.previous_digest else {
        let why = format!("`{plugin}` has no version before the current one; GET its versions, and PATCH `digest`");
        return Err(Error::Conflict { code: "plugin_in_use", why });
    };
    load(&access, plugin, &previous).await?;
    let plugin = plugin.to_owned();
    let change = move |tx: &mut Write<'_>, _: &TenantId| {
        let mut offer = find(&mut **tx, &plugin)?;
        check_revision(Some(found.revision), offer.revision)?;
        offer.move_to(&previous, tx.now());
        tx.plugin_offer_put(&offer)?;
        Ok(Shown(api::PluginOffer::from(&offer)))
    };
    let Shown(offer) = access.write(change).await?;
    refresh_offers(access.ports()).await?;
    Ok(offer)
}

/// Removes a plugin with all its versions. What tenants decided about it stays, for the case that it comes back.
pub async fn remove(ctx: &OpContext, plugin: &str) -> Result<()> {
    let access = ctx.require(Action::RunServer)?;
    let asked = plugin.to_owned();
    let versions = access.read(move |tx, _| tx.plugin_version_list(&asked)).await?;
    let plugin = plugin.to_owned();
    let remove = move |tx: &mut Write<'_>, _: &TenantId| {
        find(&mut **tx, &plugin)?;
        let versions = tx.plugin_version_list(&plugin)?;
        if let Some(version) = versions.iter().find(|version| version.origin != Origin::Uploaded) {
            let place = match version.origin {
                Origin::Folder => "it lies in the plugin folder; remove it there and restart",
                _ => "it is part of the program; switch it off with `default_state` instead",
            };
            return Err(Error::Conflict {
                code: "plugin_in_use",
                why: format!("`{plugin}` can't be removed: {place}"),
            });
        }
        tx.plugin_offer_delete(&plugin)?;
        for version in &versions {
            tx.plugin_version_delete(&version.digest)?;
        }
        Ok(())
    };
    access.write(remove).await?;
    refresh_offers(access.ports()).await?;
    for version in &versions {
        access.services().plugins.forget(&version.digest).await;
    }
    Ok(())
}

/// Removes the oldest versions that are not in use, down to the limit.
pub(super) async fn forget_old_versions(services: &Services, plugin: &str) -> Result<()> {
    let plugin = plugin.to_owned();
    let forget = move |tx: &mut Write<'_>| {
        let offer = find(&mut **tx, &plugin)?;
        let mut forgotten = Vec::new();
        let kept = tx.limits().plugin_versions as usize;
        for version in tx.plugin_version_list(&plugin)?.into_iter().skip(kept) {
            let used = [Some(&offer.digest), offer.previous_digest.as_ref()].contains(&Some(&version.digest));
            if !used && version.origin == Origin::Uploaded && tx.plugin_version_delete(&version.digest)? {
                forgotten.push(version.digest);
            }
        }
        Ok(forgotten)
    };
    for digest in services.ports.write(forget).await? {
        services.plugins.forget(&digest).await;
    }
    Ok(())
}

/// Loads an installed version of a plugin, so that it can be made the current one.
async fn load(access: &TenantAccess<'_>, plugin: &str, digest: &str) -> Result<()> {
    let asked = digest.to_owned();
    let version = access.read(move |tx, _| tx.plugin_version_find(&asked)).await?;
    if version.is_none_or(|version| version.plugin != plugin) {
        let why = format!("`{plugin}` has no installed version with this digest; GET its versions");
        return Err(Error::invalid("digest", why));
    }
    let package = access.services().plugins.load(digest).await?;
    access.ports().directory.know(Arc::clone(&package));
    Ok(())
}

fn find(tx: &mut dyn Tx, plugin: &str) -> Result<PluginOffer> {
    tx.plugin_offer_find(plugin)?.ok_or_else(|| Error::not_found("plugin", plugin))
}
