//! `[sandbox]`: the sandbox network.

use std::net::SocketAddr;

use anyhow::{Result, bail};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// `[sandbox]`
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct SandboxSection {
    /// Run the sandbox network inside this process, and talk to it alone.
    pub enabled: bool,
    /// Where its admin API listens; loopback only.
    pub bind: SocketAddr,
    /// Use a sandbox that runs elsewhere on this machine instead (`portico sandbox`): the address of its network listener.
    #[schemars(example = "127.0.0.1:8081")]
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

    pub(super) fn validate(&self) -> Result<()> {
        if self.enabled && self.network.is_some() {
            bail!(
                "--sandbox and --sandbox-network exclude each other: run the network inside, or name the one that runs beside"
            );
        }
        self.network_address().map(drop)
    }

    /// `HOST:PORT` of the sandbox that runs elsewhere.
    ///
    /// # Errors
    /// When `network` is no loopback address with a port.
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
