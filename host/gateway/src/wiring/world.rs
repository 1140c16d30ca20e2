//! The network that sessions dial: WhatsApp's, or the sandbox network of a sandbox build.

#[cfg(feature = "sandbox")]
use anyhow::Context;
use anyhow::Result;
use portico_whatsapp::Network;

use crate::config::Config;

/// The network that sessions dial, and the sandbox network where it runs inside this process.
pub(super) struct World {
    pub(super) network: Network,
    #[cfg(feature = "sandbox")]
    pub(super) sandbox: Option<portico_sandbox::Sandbox>,
}

impl World {
    #[cfg(not(feature = "sandbox"))]
    #[expect(clippy::unused_async, reason = "the sandbox build waits here")]
    pub(super) async fn start(_config: &Config) -> Result<Self> {
        Ok(Self { network: Network::WhatsApp })
    }

    #[cfg(feature = "sandbox")]
    pub(super) async fn start(config: &Config) -> Result<Self> {
        if let Some(host) = config.sandbox.network_address()? {
            let network =
                Network::Sandbox { ws_url: format!("ws://{host}/ws/chat"), media_base: format!("http://{host}") };
            return Ok(Self { network, sandbox: None });
        }
        let sandbox = portico_sandbox::Sandbox::start(portico_sandbox::Config {
            admin: config.sandbox.bind,
            data_dir: Some(config.storage.data.join("sandbox")),
            ..portico_sandbox::Config::default()
        })
        .await
        .context("the sandbox network can't be started (--sandbox-bind chooses another address)")?;
        let network = Network::Sandbox { ws_url: sandbox.ws_url(), media_base: sandbox.media_base() };
        Ok(Self { network, sandbox: Some(sandbox) })
    }
}
