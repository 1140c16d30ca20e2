//! `portico config`

use std::process::ExitCode;

use anyhow::Result;

use super::{Listen, Setup};

pub(super) fn run(setup: &Setup) -> Result<ExitCode> {
    print!("{}", setup.inspect(&Listen::default())?.to_toml()?);
    Ok(ExitCode::SUCCESS)
}
