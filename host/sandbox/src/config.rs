//! What a sandbox is started with: two addresses, a folder, and every limit by name.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use crate::Error;

/// How to start a [`Sandbox`](crate::Sandbox).
#[derive(Debug, Clone)]
pub struct Config {
    /// Where the WebSocket `/ws/chat` and the media host listen. Loopback only; port 0 picks a free one.
    pub network: SocketAddr,
    /// Where the admin API listens. Loopback only; port 0 picks a free one.
    pub admin: SocketAddr,
    /// Where keys and the world are kept; `None` keeps them in memory until shutdown.
    pub data_dir: Option<PathBuf>,
    /// Limits of queues, logs and times.
    pub limits: Limits,
}

impl Default for Config {
    fn default() -> Self {
        let any = SocketAddr::from(([127, 0, 0, 1], 0));
        Self { network: any, admin: any, data_dir: None, limits: Limits::default() }
    }
}

impl Config {
    /// Refuses an address that other machines could reach.
    pub(crate) fn validate(&self) -> Result<(), Error> {
        for address in [self.network, self.admin] {
            if !address.ip().is_loopback() {
                return Err(Error::NotLoopback { address });
            }
        }
        Ok(())
    }
}

/// Every limit of the sandbox. The defaults suit load tests on a small machine.
#[derive(Debug, Clone)]
pub struct Limits {
    /// Accounts (phones) in one world.
    pub accounts_max: usize,
    /// Open WebSocket connections; further ones are refused with 503.
    pub connections_max: usize,
    /// Stanzas waiting for one connection's writer. Overflow closes the connection; nothing is lost, since a stanza
    /// that must arrive also stays in its device's queue.
    pub outgoing_max: usize,
    /// Stanzas a device may have unacknowledged; beyond it the oldest is dropped and counted.
    pub queue_max: usize,
    /// Companion devices one account may link.
    pub companions_max: usize,
    /// Entries a phone's inbox keeps; older ones are forgotten.
    pub inbox_max: usize,
    /// Messages a phone remembers having sent, for receipts and for encrypting again.
    pub sent_max: usize,
    /// Events a phone keeps for readers that come back later.
    pub events_max: usize,
    /// Message ids a phone remembers to recognise a repeated one.
    pub seen_max: usize,
    /// One-time keys a phone has handed out and not yet seen used.
    pub phone_keys_max: usize,
    /// Below this many one-time keys a companion is asked to upload more.
    pub companion_keys_low: usize,
    /// Patches kept per app-state collection; beyond it uploads are refused.
    pub app_state_patches_max: usize,
    /// Largest body the media host and the admin API accept, in bytes.
    pub body_bytes_max: usize,
    /// Files kept by the media host; beyond it the oldest is forgotten.
    pub media_files_max: usize,
    /// Bytes kept by the media host; beyond it the oldest file is forgotten.
    pub media_bytes_max: usize,
    /// Messages one `count` request may send.
    pub burst_max: u32,
    /// How long a connection may take for its handshake.
    pub handshake_timeout: Duration,
    /// How long a connection may stay silent; clients ping every 15 to 30 s.
    pub idle_timeout: Duration,
    /// How long scanning a QR or entering a code waits for the client.
    pub pairing_timeout: Duration,
    /// How long [`Phone::next_text`](crate::Phone::next_text) waits.
    pub next_text_timeout: Duration,
    /// How long after a change the snapshot is written.
    pub snapshot_delay: Duration,
    /// How long shutdown waits for open connections and requests.
    pub shutdown_timeout: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            accounts_max: 20_000,
            connections_max: 10_000,
            outgoing_max: 8_192,
            queue_max: 50_000,
            companions_max: 64,
            inbox_max: 20_000,
            sent_max: 20_000,
            events_max: 20_000,
            seen_max: 50_000,
            phone_keys_max: 5_000,
            companion_keys_low: 5,
            app_state_patches_max: 5_000,
            body_bytes_max: 100 * 1024 * 1024,
            media_files_max: 2_000,
            media_bytes_max: 512 * 1024 * 1024,
            burst_max: 100_000,
            handshake_timeout: Duration::from_secs(20),
            idle_timeout: Duration::from_secs(180),
            pairing_timeout: Duration::from_secs(10),
            next_text_timeout: Duration::from_secs(10),
            snapshot_delay: Duration::from_millis(250),
            shutdown_timeout: Duration::from_secs(5),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refuses_an_address_others_could_reach() {
        let config = Config { admin: SocketAddr::from(([0, 0, 0, 0], 0)), ..Config::default() };
        assert!(matches!(config.validate(), Err(Error::NotLoopback { .. })));
        assert!(Config::default().validate().is_ok());
    }
}
