//! Settings of sessions: section `[whatsapp]` of the configuration.

use std::path::PathBuf;
use std::time::Duration;

use portico_core::setting::Seconds;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// One-time keys a device uploads at once: what WhatsApp's own web client does.
pub const PRE_KEYS_DEFAULT: usize = 812;

/// The host name the sandbox network gives for its media host. It resolves nowhere; see [`Network`].
pub const SANDBOX_MEDIA_HOST: &str = "media.sandbox.invalid";

/// Which network sessions dial.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Network {
    /// WhatsApp. Refused by a binary built with the feature `sandbox`: its certificate check is gone.
    #[default]
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
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct WhatsAppConfig {
    /// Which network. No setting of its own: it follows from `[sandbox]`.
    #[serde(skip)]
    pub network: Network,
    /// Folder for files while they are encrypted or decrypted. No setting of its own: it is part of the data folder.
    #[serde(skip)]
    pub staging: PathBuf,
    /// The web client version to claim, as three numbers. Without one it is asked of WhatsApp once a day.
    #[schemars(example = [2, 3000, 1_023_000_000_u32])]
    pub version: Option<(u32, u32, u32)>,
    /// The name in the phone's list of linked devices.
    pub device_name: String,
    /// One-time keys a fresh device uploads at once. WhatsApp Web uploads 812; fewer save memory and are used up sooner.
    #[serde(rename = "pre_keys")]
    #[schemars(range(min = 5, max = 812))]
    pub pre_key_count: usize,
    /// Limits.
    #[serde(flatten)]
    pub limits: WhatsAppLimits,
}

impl WhatsAppConfig {
    /// The defaults, for `network`.
    pub fn new(network: Network) -> Self {
        Self { network, ..Self::default() }
    }
}

impl Default for WhatsAppConfig {
    fn default() -> Self {
        Self {
            network: Network::default(),
            staging: std::env::temp_dir(),
            version: None,
            device_name: "Portico".to_owned(),
            pre_key_count: PRE_KEYS_DEFAULT,
            limits: WhatsAppLimits::default(),
        }
    }
}

/// Limits of sessions.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct WhatsAppLimits {
    /// Sessions in this process.
    #[schemars(range(min = 1, max = 100_000))]
    pub sessions_max: usize,
    /// Resolved recipients cached per session.
    #[schemars(range(min = 1))]
    pub resolve_cache_max: usize,
    /// How long a resolved recipient stays in the cache, in seconds.
    #[serde(rename = "resolve_ttl_s", with = "Seconds")]
    #[schemars(range(min = 1))]
    pub resolve_ttl: Duration,
    /// How long "not on WhatsApp" stays in the cache, in seconds.
    #[serde(rename = "resolve_absent_ttl_s", with = "Seconds")]
    #[schemars(range(min = 1))]
    pub resolve_absent_ttl: Duration,
    /// How long resolving may take, in seconds.
    #[serde(rename = "resolve_timeout_s", with = "Seconds")]
    #[schemars(range(min = 1))]
    pub resolve_timeout: Duration,
    /// How long WhatsApp may take to answer a question about groups, contacts and the like, or a change of them, in seconds.
    #[serde(rename = "ask_timeout_s", with = "Seconds")]
    #[schemars(range(min = 1, max = 25))]
    pub ask_timeout: Duration,
    /// How long encrypting and writing one message may take, in seconds.
    #[serde(rename = "send_timeout_s", with = "Seconds")]
    #[schemars(range(min = 1))]
    pub send_timeout: Duration,
    /// Files that are uploaded or fetched at once, for all sessions together.
    #[schemars(range(min = 1, max = 256))]
    pub file_transfers_max: usize,
    /// How long uploading or fetching one file may take, in seconds.
    #[serde(rename = "file_timeout_s", with = "Seconds")]
    #[schemars(range(min = 1, max = 3600))]
    pub file_timeout: Duration,
    /// Uploaded files that each session remembers, so that a file which goes to many is uploaded once.
    pub uploads_remembered_max: usize,
    /// How long it remembers them, in seconds. WhatsApp keeps files for some weeks.
    #[serde(rename = "uploads_remembered_s", with = "Seconds")]
    pub uploads_remembered: Duration,
    /// Pairings a phone may begin and fail before the session is ended.
    #[schemars(range(min = 1))]
    pub pairing_attempts_max: u32,
    /// How long WhatsApp may take to answer a request for a pairing code, in seconds.
    #[serde(rename = "pairing_code_timeout_s", with = "Seconds")]
    #[schemars(range(min = 1))]
    pub pairing_code_timeout: Duration,
    /// Events of one session that may wait for the core. When nearly as many wait, the socket is not read any more: WhatsApp
    /// keeps what it has not delivered.
    #[schemars(range(min = 24))]
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
            ask_timeout: Duration::from_secs(20),
            send_timeout: Duration::from_secs(30),
            file_transfers_max: 16,
            file_timeout: Duration::from_secs(600),
            uploads_remembered_max: 64,
            uploads_remembered: Duration::from_secs(12 * 3600),
            pairing_attempts_max: 3,
            pairing_code_timeout: Duration::from_secs(20),
            events_max: 4_096,
        }
    }
}
