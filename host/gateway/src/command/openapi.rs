//! `portico openapi`

use std::process::ExitCode;

use anyhow::Result;

pub(super) fn run() -> Result<ExitCode> {
    println!("{}", portico_http::openapi_json());
    Ok(ExitCode::SUCCESS)
}
