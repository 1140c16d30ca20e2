//! `[server]`: listeners, and what requests may cost.

use std::net::SocketAddr;

use anyhow::{Result, ensure};
use serde::{Deserialize, Serialize};

/// Whether requests are counted against limits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum RateLimits {
    /// They are.
    On,
    /// They are not: for load and conformance runs, in sandbox mode only.
    Off,
}

/// Who may make a key without having one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
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
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ServerSection {
    /// Where the REST API listens. An address other than loopback needs a key first.
    pub bind: SocketAddr,
    /// A second listener for event streams alone, as clients of some dialects expect it; absent: none.
    pub ws_bind: Option<SocketAddr>,
    /// Largest request body, in bytes.
    pub body_bytes_max: usize,
    /// Requests a key may make per minute.
    pub requests_per_minute: u32,
    /// Requests all keys of a tenant may make per minute together; at least as many as one key.
    pub tenant_requests_per_minute: u32,
    /// Whether these are enforced.
    pub rate_limits: RateLimits,
    /// Seconds a request may take.
    pub request_timeout_s: u64,
    /// Event streams of one tenant at once.
    pub streams_per_tenant: u32,
    /// Connections from one address at once (IPv6: one /64 network), this machine's own not counted.
    pub connections_per_peer: u32,
    /// Seconds that requests under way get when the gateway stops.
    pub shutdown_grace_s: u64,
    /// Who may make a key without having one.
    pub sign_up: SignUpPolicy,
}

impl Default for ServerSection {
    fn default() -> Self {
        Self {
            bind: ([127, 0, 0, 1], 3000).into(),
            ws_bind: None,
            body_bytes_max: 1 << 20,
            requests_per_minute: 1_200,
            tenant_requests_per_minute: 6_000,
            rate_limits: RateLimits::On,
            request_timeout_s: 60,
            streams_per_tenant: 50,
            connections_per_peer: 1_000,
            shutdown_grace_s: 10,
            sign_up: SignUpPolicy::Auto,
        }
    }
}

impl ServerSection {
    /// Whether nobody but this machine can reach the API.
    pub(crate) fn is_local(&self) -> bool {
        self.bind.ip().is_loopback() && self.ws_bind.is_none_or(|address| address.ip().is_loopback())
    }

    pub(super) fn validate(&self) -> Result<()> {
        ensure!((1024..=64 << 20).contains(&self.body_bytes_max), "server.body_bytes_max must be 1024 to 67108864");
        ensure!(self.requests_per_minute > 0, "server.requests_per_minute must be more than 0");
        ensure!(self.connections_per_peer > 0, "server.connections_per_peer must be more than 0");
        ensure!((1..=600).contains(&self.request_timeout_s), "server.request_timeout_s must be 1 to 600");
        ensure!(self.shutdown_grace_s <= 300, "server.shutdown_grace_s must be at most 300");
        Ok(())
    }
}
