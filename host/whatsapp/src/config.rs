//! What sessions are configured with. Plain values: reading files and the environment is the binary's work.

use std::time::Duration;

/// One-time keys a device uploads at once: what WhatsApp's own web client does.
pub const PRE_KEYS_DEFAULT: usize = 812;

/// The host name the sandbox network gives for its media host. It resolves nowhere; see [`Network`].
pub const SANDBOX_MEDIA_HOST: &str = "media.sandbox.invalid";

/// Which network sessions dial.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Network {
    /// WhatsApp. Refused by a binary built with the feature `sandbox`: its certificate check is gone.
    WhatsApp,
    /// The sandbox network on loopback.
    #[cfg(feature = "sandbox")]
    Sandbox {
        /// Such as `ws://127.0.0.1:4000/ws/chat`.
        ws_url: String,
        /// What [`SANDBOX_MEDIA_HOST`] stands for, such as `http://127.0.0.1:4000`.
        media_base: String,
    },
}

/// How sessions behave, for all devices of the process.
#[derive(Clone, Debug)]
pub struct WhatsAppConfig {
    /// Which network.
    pub network: Network,
    /// The web client version to claim; without one it is asked of WhatsApp once a day. The sandbox takes any.
    pub version: Option<(u32, u32, u32)>,
    /// The name in the phone's list of linked devices.
    pub device_name: String,
    /// One-time keys uploaded at once, 1 to 812. Fewer save memory and are used up sooner.
    pub pre_key_count: usize,
    /// Limits.
    pub limits: WhatsAppLimits,
}

impl WhatsAppConfig {
    /// The defaults, for `network`.
    pub fn new(network: Network) -> Self {
        Self {
            network,
            version: None,
            device_name: "Portico".to_owned(),
            pre_key_count: PRE_KEYS_DEFAULT,
            limits: WhatsAppLimits::default(),
        }
    }
}

/// Limits of sessions.
#[derive(Clone, Debug)]
pub struct WhatsAppLimits {
    /// Sessions in this process.
    pub sessions_max: usize,
    /// Resolved recipients cached per session.
    pub resolve_cache_max: usize,
    /// How long a resolved recipient stays in the cache.
    pub resolve_ttl: Duration,
    /// How long "not on WhatsApp" stays in the cache.
    pub resolve_absent_ttl: Duration,
    /// How long resolving may take.
    pub resolve_timeout: Duration,
    /// How long encrypting and writing one message may take.
    pub send_timeout: Duration,
    /// Pairings a phone may begin and fail before the session is ended.
    pub pairing_attempts_max: u32,
    /// How long WhatsApp may take to answer a request for a pairing code.
    pub pairing_code_timeout: Duration,
    /// Events of one session that may wait for the core. When nearly as many wait, the socket is not read any more: WhatsApp
    /// keeps what it has not delivered.
    pub events_max: usize,
}

impl Default for WhatsAppLimits {
    fn default() -> Self {
        Self {
            sessions_max: 5_000,
            resolve_cache_max: 2_000,
            resolve_ttl: Duration::from_secs(6 * 3600),
            resolve_absent_ttl: Duration::from_secs(600),
            resolve_timeout: Duration::from_secs(15),
            send_timeout: Duration::from_secs(30),
            pairing_attempts_max: 3,
            pairing_code_timeout: Duration::from_secs(20),
            events_max: 4_096,
        }
    }
}
