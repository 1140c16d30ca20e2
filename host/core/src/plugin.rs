//! What is done with plugins: install and offer them, switch them on and off, look at what holds, and keep their values.
//!
//! Which version of a plugin is called, with which settings, is answered by [`crate::directory`] from memory. Everything here
//! changes rows first and the directory after the commit.

pub mod effective;
pub mod enablement;
pub mod install;
pub mod kv;
pub mod offer;
pub mod start;

use crate::context::Ports;
use crate::error::{Error, Result};
use crate::id::TenantId;

pub use crate::model::plugin::*;

/// Has the directory see the offers as they are now.
async fn refresh_offers(ports: &Ports) -> Result<()> {
    let ticket = ports.directory.ticket();
    let offers = ports.read(|tx| tx.plugin_offer_list()).await?;
    ports.directory.set_offers(ticket, &offers);
    Ok(())
}

/// Has the directory see what a tenant decided as it is now.
async fn refresh_tenant(ports: &Ports, tenant: &TenantId) -> Result<()> {
    let ticket = ports.directory.ticket();
    let of = tenant.clone();
    let rows = ports.read(move |tx| tx.enablement_of_tenant(&of)).await?;
    ports.directory.set_tenant(ticket, tenant, rows);
    Ok(())
}

fn check_revision(asked: Option<i64>, current: i64) -> Result<()> {
    match asked {
        Some(asked) if asked != current => {
            let why = format!("it is at revision {current}, the change was made for {asked}; look at it and try again");
            Err(Error::Conflict { code: "revision_conflict", why })
        }
        _ => Ok(()),
    }
}
