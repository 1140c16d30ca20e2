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
    /// Serve the admin API on the network's address too, for clients that know one port only.
    pub one_port: bool,
    /// Where the media host also listens with https, under a certificate signed by itself. Loopback only.
    pub media_https: Option<SocketAddr>,
    /// The media host's name as clients are told it, with a port when it is not 443. Without it: the address of
    /// `media_https`, or else [`MEDIA_HOST`](crate::MEDIA_HOST), which clients have to map.
    pub media_host: Option<String>,
    /// A QR text scanned by no named phone is scanned by the phone that has the client's push name, created if missing,
    /// with the traits the name asks for (see [`Traits`](crate::Traits)).
    pub phones_by_push_name: bool,
    /// Everyone hears of everyone's about text, picture and devices, as if all had each other in their address books.
    /// Without it those who have talked to each other do.
    pub all_are_contacts: bool,
    /// Where keys and the world are kept; `None` keeps them in memory until shutdown.
    pub data_dir: Option<PathBuf>,
    /// Limits of queues, logs and times.
    pub limits: Limits,
}

impl Default for Config {
    fn default() -> Self {
        let any = SocketAddr::from(([127, 0, 0, 1], 0));
        Self {
            network: any,
            admin: any,
            one_port: false,
            media_https: None,
            media_host: None,
            phones_by_push_name: false,
            all_are_contacts: false,
            data_dir: None,
            limits: Limits::default(),
        }
    }
}

impl Config {
    /// Refuses an address that other machines could reach.
    pub(crate) fn validate(&self) -> Result<(), Error> {
        for address in [self.network, self.admin].into_iter().chain(self.media_https) {
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
    /// Groups and communities in one world.
    pub groups_max: usize,
    /// Members of one group.
    pub group_members_max: usize,
    /// Channels in one world.
    pub channels_max: usize,
    /// Posts kept per channel; beyond it the oldest is forgotten.
    pub channel_posts_max: usize,
    /// Profile pictures kept; beyond it the oldest is forgotten.
    pub pictures_max: usize,
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
            groups_max: 20_000,
            group_members_max: 1_024,
            channels_max: 2_000,
            channel_posts_max: 2_000,
            pictures_max: 5_000,
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
