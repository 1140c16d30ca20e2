//! `portico config`

use std::process::ExitCode;

use anyhow::Result;

use super::Setup;

pub(super) fn run(setup: &Setup) -> Result<ExitCode> {
    print!("{}", setup.inspect()?.to_toml()?);
    Ok(ExitCode::SUCCESS)
}
