//! What is logged, and how: `PORTICO_LOG` and `PORTICO_LOG_FORMAT`.

mod redact;

use std::io::IsTerminal;

use anyhow::{Context, Result};
use tracing_subscriber::EnvFilter;

use crate::config::variable;

/// Only the gateway's own targets: the protocol library logs phone numbers and pairing codes under names of its own, so
/// everything else is silent unless somebody asks for it, and redacted then.
const DEFAULT_FILTER: &str = "off,portico=info,sqlx=warn";

pub(super) fn start() -> Result<()> {
    let filter = match variable("PORTICO_LOG") {
        Some(text) => EnvFilter::try_new(format!("{DEFAULT_FILTER},{text}")).context("PORTICO_LOG")?,
        None => EnvFilter::new(DEFAULT_FILTER),
    };
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(redact::Redacted(std::io::stderr));
    match variable("PORTICO_LOG_FORMAT").as_deref() {
        Some("json") => builder.json().init(),
        None | Some("text") => builder.with_ansi(std::io::stderr().is_terminal()).init(),
        Some(other) => anyhow::bail!("PORTICO_LOG_FORMAT is `{other}`; it can be `text` or `json`"),
    }
    Ok(())
}
