//! Limits of the client and the exceptions from its address rule, each with its default.

use std::time::Duration;

use ipnet::IpNet;

/// How the client behaves.
#[derive(Clone, Debug)]
pub struct NetConfig {
    /// Networks it may talk to although they are private or reserved. Default: none.
    pub allow: Vec<IpNet>,
    /// Whether it may talk to this machine. Only for trials with the sandbox. Default: no.
    pub allow_loopback: bool,
    /// How long resolving a name and making a connection, TLS included, may take. Default: 10 s.
    pub connect_timeout: Duration,
    /// Bytes of an answer's body that are read; the rest is left. Default: 64 KiB.
    pub response_bytes_max: usize,
    /// Connections per host that are kept open for the next request. Default: 64.
    pub idle_per_host_max: usize,
    /// How long such a connection is kept. Default: 60 s.
    pub idle_timeout: Duration,
    /// The `User-Agent` where a request has none. Default: `Portico/<version>`.
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
