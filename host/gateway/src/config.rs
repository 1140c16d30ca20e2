//! Configuration: defaults, then the file, then `PORTICO_…` of the environment, then flags.
//!
//! Only this module reads the environment; every other crate is handed plain structs. A setting is declared once, in the struct
//! of the crate that obeys it: name, type, doc comment, range and default. Sections are made of those structs, and their JSON
//! schemas tell which keys there are and which values they take. Unknown keys are errors, so that a typing mistake is not a
//! silent default.

mod master_key;
mod merge;
mod plugins;
mod print;
mod sandbox;
mod schema;
mod secrets;
mod server;
mod storage;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use portico_core::limits::Limits;
use portico_jobs::JobsConfig;
use portico_net::NetConfig;
use portico_whatsapp::WhatsAppConfig;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use toml::Table;

pub use master_key::{Exposed, MasterKey};
pub use plugins::PluginsSection;
pub use sandbox::SandboxSection;
pub use secrets::{Secrets, folder_exposed, make_folder, variable};
pub use server::{RateLimits, ServerSection, SignUpPolicy};
pub use storage::StorageSection;

/// Everything that can be set, apart from secrets (those come from the environment or the data folder only).
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Config {
    /// Listeners, and what requests may cost.
    pub server: ServerSection,
    /// The data folder and the database.
    pub storage: StorageSection,
    /// Limits of tenants, devices, messages and pages.
    pub limits: Limits,
    /// Sessions with WhatsApp.
    pub whatsapp: WhatsAppConfig,
    /// HTTP to other people's servers.
    pub outbound: NetConfig,
    /// Background tasks.
    pub jobs: JobsConfig,
    /// Plugins beside the built-in ones, and what calls of plugins may use.
    pub plugins: PluginsSection,
    /// The sandbox network (sandbox builds only).
    pub sandbox: SandboxSection,
}

/// Flags of `portico serve` that override the rest.
#[derive(Clone, Debug, Default)]
pub struct Overrides {
    /// `--bind`
    pub bind: Option<SocketAddr>,
    /// `--ws-bind`
    pub ws_bind: Option<SocketAddr>,
    /// `--data`
    pub data: Option<PathBuf>,
    /// `--database`
    pub database: Option<String>,
    /// `--plugins`
    pub plugins: Option<PathBuf>,
    /// `--sandbox`
    pub sandbox: bool,
    /// `--sandbox-bind`
    pub sandbox_bind: Option<SocketAddr>,
    /// `--sandbox-network`
    pub sandbox_network: Option<String>,
}

impl Config {
    /// Reads and checks everything. `file` must exist if it is given.
    pub fn load(file: Option<&Path>, overrides: Overrides) -> Result<Self> {
        let config = Self::merge(file, overrides)?;
        config.validate_network()?;
        Ok(config)
    }

    /// As [`Self::load`], for commands that talk to no network: a sandbox build may look without being told `--sandbox`.
    pub fn load_to_inspect(file: Option<&Path>, overrides: Overrides) -> Result<Self> {
        let config = Self::merge(file, overrides)?;
        if config.sandbox.in_use() || !cfg!(feature = "sandbox") {
            config.validate_network()?;
        }
        Ok(config)
    }

    fn merge(file: Option<&Path>, overrides: Overrides) -> Result<Self> {
        let mut given = match file {
            None => Table::new(),
            Some(path) => {
                let text = std::fs::read_to_string(path)
                    .with_context(|| format!("the configuration file {} can't be read", path.display()))?;
                text.parse().with_context(|| format!("{} is no valid TOML", path.display()))?
            }
        };
        merge::environment(&mut given, secrets::environment())?;
        let mut config = Self::from_table(given)?;
        config.apply(overrides);
        config.validate()?;
        Ok(config)
    }

    /// The defaults with what was given laid over them.
    fn from_table(mut given: Table) -> Result<Self> {
        merge::moved(&mut given);
        schema::check(&given)?;
        let mut all = Self::default().to_table()?;
        merge::overlay(&mut all, given);
        toml::Value::Table(all).try_into().context("the configuration has a mistake")
    }

    fn to_table(&self) -> Result<Table> {
        Table::try_from(self).context("writing the configuration")
    }

    fn apply(&mut self, o: Overrides) {
        self.server.bind = o.bind.unwrap_or(self.server.bind);
        self.server.ws_bind = o.ws_bind.or(self.server.ws_bind);
        self.storage.data = o.data.unwrap_or_else(|| self.storage.data.clone());
        self.storage.database = o.database.or_else(|| self.storage.database.take());
        self.plugins.dir = o.plugins.or_else(|| self.plugins.dir.take());
        self.sandbox.enabled |= o.sandbox;
        self.sandbox.bind = o.sandbox_bind.unwrap_or(self.sandbox.bind);
        self.sandbox.network = o.sandbox_network.or_else(|| self.sandbox.network.take());
    }

    /// Whether this build can do what the configuration asks for.
    fn validate_network(&self) -> Result<()> {
        if self.sandbox.in_use() && !cfg!(feature = "sandbox") {
            bail!(
                "this is a production build: it has no sandbox network. \
                 Build one with `make build` (target/release/portico), or start without --sandbox"
            );
        }
        if !self.sandbox.in_use() && cfg!(feature = "sandbox") {
            bail!(
                "this is a sandbox build: it talks to loopback only and can't reach WhatsApp. \
                 Start it with --sandbox, or build for production with `make release` (target/dist/portico)"
            );
        }
        if self.server.rate_limits == RateLimits::Off && !self.sandbox.in_use() {
            bail!(
                "rate limits can be lifted (PORTICO_LIMITS=off) in sandbox mode only; raise `server.requests_per_minute` instead"
            );
        }
        Ok(())
    }

    fn validate(&self) -> Result<()> {
        self.jobs.deliver.check().map_err(anyhow::Error::msg)?;
        self.sandbox.validate()
    }
}
