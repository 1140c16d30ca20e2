//! What a start does about plugins: it takes in what comes with the program and lies in the folder, and has the directory see
//! what is stored.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::install::version_of;
use super::{Enablement, Origin, PluginOffer, refresh_offers};
use crate::context::{Ports, Write};
use crate::error::{Error, Result};
use crate::ports::Plugins;
use crate::ports::plugins::Package;

/// Enablements that are read at once.
const ROWS_AT_ONCE: u32 = 1_000;

/// Takes in the packages that the runtime was started with, and loads the versions that are current beside them.
///
/// A package whose bytes were not known before becomes the current version of its plugin, unless somebody uploaded another one.
/// A plugin of the program or the folder that is not there any more is not offered any more.
///
/// # Errors
/// Those of the store. Gives the stored versions that can't be loaded: their plugins are served by the package of the program, or
/// not at all.
pub async fn take_in(
    ports: &Arc<Ports>,
    plugins: &dyn Plugins,
    packages: Vec<(Arc<Package>, Origin)>,
) -> Result<Vec<Unloadable>> {
    for (package, _) in &packages {
        ports.directory.know(Arc::clone(package));
    }
    let stored = packages.clone();
    ports.write(move |tx| store(tx, &stored)).await?;
    let mut unloadable = Vec::new();
    for mut offer in ports.read(|tx| tx.plugin_offer_list()).await? {
        if ports.directory.package(&offer.digest).is_some() {
            continue;
        }
        let why = match plugins.load(&offer.digest).await {
            Ok(package) => {
                ports.directory.know(package);
                continue;
            }
            Err(why) => why,
        };
        unloadable.push(Unloadable { plugin: offer.plugin.clone(), digest: offer.digest.clone(), why });
        if let Some((package, _)) = packages.iter().find(|(package, _)| package.info.id == offer.plugin) {
            offer.move_to(&package.info.digest, ports.now());
            ports.write(move |tx| tx.plugin_offer_put(&offer)).await?;
        }
    }
    refresh_offers(ports).await?;
    ports.directory.set_tenants(enablements(ports).await?);
    Ok(unloadable)
}

/// A version that is stored as the current one and can't be loaded.
#[derive(Debug)]
pub struct Unloadable {
    /// The plugin.
    pub plugin: String,
    /// The version.
    pub digest: String,
    /// What is wrong with it.
    pub why: Error,
}

fn store(tx: &mut Write<'_>, packages: &[(Arc<Package>, Origin)]) -> Result<()> {
    let now = tx.now();
    let mut offers: BTreeMap<String, PluginOffer> =
        tx.plugin_offer_list()?.into_iter().map(|offer| (offer.plugin.clone(), offer)).collect();
    for (package, origin) in packages {
        let version = version_of(package, *origin, now);
        let is_new = tx.plugin_version_insert(&version)?;
        match offers.get_mut(&version.plugin) {
            None => tx.plugin_offer_put(&PluginOffer::of(&version))?,
            Some(offer) if is_new && origin_of(tx, &offer.digest)? != Some(Origin::Uploaded) => {
                offer.move_to(&version.digest, now);
                tx.plugin_offer_put(offer)?;
            }
            Some(_) => {}
        }
    }
    let digests: BTreeSet<&str> = packages.iter().map(|(package, _)| package.info.digest.as_str()).collect();
    for (plugin, offer) in offers {
        drop_versions(tx, &plugin, &offer, &digests)?;
    }
    Ok(())
}

fn origin_of(tx: &mut Write<'_>, digest: &str) -> Result<Option<Origin>> {
    Ok(tx.plugin_version_find(digest)?.map(|version| version.origin))
}

/// Removes versions that came with an earlier program or lay in the folder, unless they are in use.
fn drop_versions(tx: &mut Write<'_>, plugin: &str, offer: &PluginOffer, digests: &BTreeSet<&str>) -> Result<()> {
    let versions = tx.plugin_version_list(plugin)?;
    let gone = |origin, digest: &str| origin != Origin::Uploaded && !digests.contains(digest);
    let left = versions.iter().any(|version| !gone(version.origin, &version.digest));
    if !left {
        tx.plugin_offer_delete(plugin)?;
    }
    for version in versions {
        let in_use = [Some(&offer.digest), offer.previous_digest.as_ref()].contains(&Some(&version.digest));
        let used = left && in_use;
        if gone(version.origin, &version.digest) && !used {
            tx.plugin_version_delete(&version.digest)?;
        }
    }
    Ok(())
}

async fn enablements(ports: &Ports) -> Result<Vec<Enablement>> {
    let mut all: Vec<Enablement> = Vec::new();
    loop {
        let after = all.last().map(|row| row.id.clone());
        let rows = ports.read(move |tx| tx.enablement_all(after.as_ref(), ROWS_AT_ONCE)).await?;
        let is_last = rows.len() < ROWS_AT_ONCE as usize;
        all.extend(rows);
        if is_last {
            return Ok(all);
        }
    }
}
