//! Configuration: defaults, then the file, then `PORTICO_…` of the environment, then flags.
//!
//! Only this module reads the environment; every other crate is handed plain structs. Unknown keys are errors, so a typing
//! mistake is not a silent default.

mod master_key;
mod merge;
mod outbound;
mod plugins;
mod print;
mod secrets;
mod server;
mod storage;
mod tuning;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use serde::{Deserialize, Serialize};

pub use master_key::{Exposed, MasterKey};
pub use outbound::OutboundSection;
pub use plugins::PluginsSection;
pub use secrets::{Secrets, folder_exposed, make_folder, variable};
pub use server::{RateLimits, ServerSection, SignUpPolicy};
pub use storage::{StorageSection, Synchronous};
pub use tuning::TuningSection;

/// Everything that can be set, apart from secrets (those come from the environment or the data folder only).
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Listeners and what requests may cost.
    pub server: ServerSection,
    /// The data folder and the database.
    pub storage: StorageSection,
    /// HTTP to other people's servers.
    pub outbound: OutboundSection,
    /// Plugins beside the built-in ones.
    pub plugins: PluginsSection,
    /// Limits and spans that rarely need a change.
    pub tuning: TuningSection,
    /// The sandbox network (sandbox builds only).
    pub sandbox: SandboxSection,
}

/// The sandbox network.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SandboxSection {
    /// Run it inside this process, and talk to it alone.
    pub enabled: bool,
    /// Where its admin API listens; loopback only.
    pub bind: SocketAddr,
    /// Use a sandbox that runs elsewhere on this machine instead (`portico sandbox`): the address of its network listener,
    /// such as `127.0.0.1:8081`.
    pub network: Option<String>,
}

impl Default for SandboxSection {
    fn default() -> Self {
        Self { enabled: false, bind: ([127, 0, 0, 1], 8080).into(), network: None }
    }
}

impl SandboxSection {
    /// Whether any sandbox, inside or beside, is in use.
    pub fn in_use(&self) -> bool {
        self.enabled || self.network.is_some()
    }

    fn validate(&self) -> Result<()> {
        self.network_address().map(drop)
    }

    /// `HOST:PORT` of the sandbox that runs elsewhere.
    pub fn network_address(&self) -> Result<Option<SocketAddr>> {
        let Some(text) = &self.network else { return Ok(None) };
        // Whatever `portico sandbox` prints may be pasted here.
        let bare = ["ws://", "http://"].iter().find_map(|scheme| text.strip_prefix(scheme)).unwrap_or(text);
        let bare = bare.trim_end_matches('/').trim_end_matches("/ws/chat");
        match bare.replace("localhost:", "127.0.0.1:").parse::<SocketAddr>() {
            Ok(address) if address.ip().is_loopback() && address.port() != 0 => Ok(Some(address)),
            _ => bail!(
                "--sandbox-network (`sandbox.network`) is `{text}`; write the address that `portico sandbox` prints, a loopback \
                 address of this machine such as 127.0.0.1:8081"
            ),
        }
    }
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
        let mut table = match file {
            None => toml::Table::new(),
            Some(path) => {
                let text = std::fs::read_to_string(path)
                    .with_context(|| format!("the configuration file {} can't be read", path.display()))?;
                text.parse().with_context(|| format!("{} is no valid TOML", path.display()))?
            }
        };
        merge::environment(&mut table, secrets::environment())?;
        let mut config: Self = toml::Value::Table(table).try_into().context("the configuration has a mistake")?;
        config.apply(overrides);
        config.validate()?;
        Ok(config)
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
        if self.sandbox.enabled && self.sandbox.network.is_some() {
            bail!(
                "--sandbox and --sandbox-network exclude each other: run the network inside, or name the one that runs beside"
            );
        }
        self.sandbox.validate()?;
        self.storage.validate()?;
        self.server.validate()?;
        self.outbound.validate()?;
        self.tuning.validate()
    }
}
