//! `[server]`: listeners, and what requests may cost.

use std::net::SocketAddr;

use portico_http::{HttpConfig, ServeLimits};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Whether requests are counted against limits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum RateLimits {
    /// They are.
    On,
    /// They are not: for load and conformance runs, in sandbox mode only.
    Off,
}

/// Who may sign up: make a tenant of their own without having a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum SignUpPolicy {
    /// Nobody.
    Closed,
    /// Anybody who reaches the listener; each gets a tenant of its own.
    Open,
    /// Open with the sandbox network while only this machine can reach the API, else closed.
    Auto,
}

/// `[server]`
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct ServerSection {
    /// Where the REST API listens. An address other than loopback needs a key first.
    pub bind: SocketAddr,
    /// Where the second listener is, for event streams and sockets of dialects alone. Absent: on `ws_port` of the address in
    /// `bind`.
    #[schemars(example = "127.0.0.1:3001")]
    pub ws_bind: Option<SocketAddr>,
    /// The port of the second listener, which clients of some dialects expect to be 3001. Where another program has it, this one
    /// starts without and says so. 0: no second listener.
    pub ws_port: u16,
    /// Where clients reach the REST API, such as `https://gateway.example.com`: links in webhooks begin with it. Absent: `bind`.
    #[schemars(example = "https://gateway.example.com")]
    pub public_url: Option<String>,
    /// Whether the limits of requests per minute are enforced; `off` in sandbox mode only. PORTICO_LIMITS=off does the same.
    pub rate_limits: RateLimits,
    /// Who may sign up, or make a key, without having one; `auto` means open in sandbox mode while only this machine can reach the API.
    pub sign_up: SignUpPolicy,
    /// Passwords hashed at once; each takes a processor and 19 MiB for some hundredths of a second. Further ones wait.
    #[schemars(range(min = 1, max = 64))]
    pub password_hashes: usize,
    /// What requests may cost.
    #[serde(flatten)]
    pub http: HttpConfig,
    /// Connections.
    #[serde(flatten)]
    pub listener: ServeLimits,
}

impl Default for ServerSection {
    fn default() -> Self {
        Self {
            bind: ([127, 0, 0, 1], 3000).into(),
            ws_bind: None,
            ws_port: 3001,
            public_url: None,
            rate_limits: RateLimits::On,
            sign_up: SignUpPolicy::Auto,
            password_hashes: 2,
            http: HttpConfig::default(),
            listener: ServeLimits::default(),
        }
    }
}

impl ServerSection {
    /// Where clients reach the REST API, without a slash at the end.
    pub(crate) fn base_url(&self) -> String {
        let url = self.public_url.clone().unwrap_or_else(|| format!("http://{}", self.bind));
        url.trim_end_matches('/').to_owned()
    }

    /// Whether nobody but this machine can reach the API.
    pub(crate) fn is_local(&self) -> bool {
        self.bind.ip().is_loopback() && self.ws_address().is_none_or(|address| address.ip().is_loopback())
    }

    /// Where the second listener is, if there is to be one.
    pub(crate) fn ws_address(&self) -> Option<SocketAddr> {
        let by_port = || {
            let free = self.ws_port != 0 && self.ws_port != self.bind.port();
            free.then(|| SocketAddr::new(self.bind.ip(), self.ws_port))
        };
        self.ws_bind.or_else(by_port)
    }
}
