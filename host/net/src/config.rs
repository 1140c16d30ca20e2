//! Settings of the client: section `[outbound]` of the configuration.

use std::time::Duration;

use ipnet::IpNet;
use portico_core::setting::Seconds;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How the client behaves.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct NetConfig {
    /// Networks that webhooks may reach although they are private or reserved, such as "10.1.0.0/16".
    #[schemars(with = "Vec<String>")]
    pub allow: Vec<IpNet>,
    /// Whether the client may connect to this machine's loopback addresses. No setting: the gateway decides it by the network
    /// it runs on.
    #[serde(skip)]
    pub allow_loopback: bool,
    /// How long resolving a name and making a connection, TLS included, may take, in seconds.
    #[serde(rename = "connect_timeout_s", with = "Seconds")]
    #[schemars(range(min = 1, max = 600))]
    pub connect_timeout: Duration,
    /// Bytes of an answer's body that are read; the rest is left.
    pub response_bytes_max: usize,
    /// Idle connections per host that are kept for the next request.
    pub idle_per_host_max: usize,
    /// How long an idle connection is kept, in seconds.
    #[serde(rename = "idle_timeout_s", with = "Seconds")]
    pub idle_timeout: Duration,
    /// The `User-Agent` of requests that bring none of their own.
    pub user_agent: String,
}

impl Default for NetConfig {
    fn default() -> Self {
        Self {
            allow: Vec::new(),
            allow_loopback: false,
            connect_timeout: Duration::from_secs(10),
            response_bytes_max: 64 * 1024,
            idle_per_host_max: 64,
            idle_timeout: Duration::from_secs(60),
            user_agent: concat!("Portico/", env!("CARGO_PKG_VERSION")).to_owned(),
        }
    }
}
