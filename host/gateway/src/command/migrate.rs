//! `portico migrate`

use std::process::ExitCode;

use anyhow::Result;
use portico_store::Db;

use super::{Listen, Setup, block_on};
use crate::config::make_folder;

pub(super) fn run(setup: &Setup) -> Result<ExitCode> {
    let config = setup.inspect(&Listen::default())?;
    // SQLite needs it.
    make_folder(&config.storage.data)?;
    block_on(async {
        let db = Db::open(&config.storage.to_store_config()).await?;
        db.close().await;
        println!("the database is up to date");
        Ok(ExitCode::SUCCESS)
    })
}
