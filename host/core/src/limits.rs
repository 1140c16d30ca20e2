//! Limits of the core: section `[limits]` of the configuration.

use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Every limit that a rule of the core applies.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Limits {
    /// Devices of one tenant.
    #[schemars(range(min = 1, max = 1_000_000))]
    pub devices_per_tenant: u32,
    /// Access keys of one tenant; revoked ones are not counted.
    #[schemars(range(min = 1))]
    pub keys_per_tenant: u32,
    /// Webhook subscriptions of one tenant.
    pub webhooks_per_tenant: u32,
    /// Messages of one device that wait to be sent.
    #[schemars(range(min = 1))]
    pub queued_per_device: u32,
    /// Characters of a text message. WhatsApp itself stops at 65,536.
    #[schemars(range(min = 1, max = 65_536))]
    pub text_chars_max: usize,
    /// Bytes of one file: what is uploaded, fetched by URL or received, and what is sent as a document.
    #[schemars(range(min = 1024, max = 2_147_483_648_u64))]
    pub media_bytes_max: u64,
    /// Bytes of an image, a video or a sound that is sent. WhatsApp itself stops at 16 MiB.
    #[schemars(range(min = 1024))]
    pub media_played_bytes_max: u64,
    /// Bytes of a sticker that is sent. WhatsApp itself stops at 1 MiB.
    #[schemars(range(min = 1024))]
    pub media_sticker_bytes_max: u64,
    /// Bytes of all files of one tenant. A file that is stored several times counts each time.
    #[schemars(range(min = 1024))]
    pub media_bytes_per_tenant: u64,
    /// Files of one tenant.
    #[schemars(range(min = 1))]
    pub media_per_tenant: u32,
    /// How long a file is kept that was uploaded or fetched by URL; sending it begins the time anew.
    #[serde(rename = "media_kept_days", with = "crate::setting::Days")]
    #[schemars(range(min = 1))]
    pub media_kept: Duration,
    /// How long a file is kept that was fetched from WhatsApp for an incoming message, in seconds. While WhatsApp has it, it
    /// can be fetched again.
    #[serde(rename = "media_incoming_kept_s", with = "crate::setting::Seconds")]
    #[schemars(range(min = 60))]
    pub media_incoming_kept: Duration,
    /// How long fetching a file by URL may take, in seconds.
    #[serde(rename = "media_fetch_timeout_s", with = "crate::setting::Seconds")]
    #[schemars(range(min = 1, max = 600))]
    pub media_fetch_timeout: Duration,
    /// Characters of a caption.
    #[schemars(range(min = 1, max = 65_536))]
    pub caption_chars_max: usize,
    /// Characters of a name (device, key).
    #[schemars(range(min = 1, max = 1_000))]
    pub name_chars_max: usize,
    /// Rows of a page when the caller names no limit; at most `page_max`.
    #[schemars(range(min = 1, max = 10_000))]
    pub page_default: u32,
    /// Rows of a page at most.
    #[schemars(range(min = 1, max = 10_000))]
    pub page_max: u32,
    /// Maximum payload bytes of a page of messages or events, which ends early at it; at least one row is always returned.
    #[schemars(range(min = 1))]
    pub page_bytes: u64,
    /// How long an `Idempotency-Key` is remembered, in seconds.
    #[serde(rename = "idempotency_ttl_s", with = "crate::setting::Seconds")]
    #[schemars(range(min = 60))]
    pub idempotency_ttl: Duration,
    /// Waiting times before the second and further attempts of a delivery, in seconds. When the attempt after the last of
    /// them fails, the delivery becomes a dead letter.
    #[serde(rename = "delivery_schedule_s", with = "crate::setting::SecondsList")]
    #[schemars(length(max = 100))]
    pub delivery_schedule: Vec<Duration>,
    /// A webhook whose deliveries have failed for this long, in seconds, is disabled.
    #[serde(rename = "webhook_disable_after_s", with = "crate::setting::Seconds")]
    #[schemars(range(min = 60))]
    pub webhook_disable_after: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        let minutes = |m: u64| Duration::from_secs(m * 60);
        Self {
            devices_per_tenant: 1_000,
            keys_per_tenant: 200,
            webhooks_per_tenant: 100,
            queued_per_device: 10_000,
            text_chars_max: 65_536,
            media_bytes_max: 100 << 20,
            media_played_bytes_max: 16 << 20,
            media_sticker_bytes_max: 1 << 20,
            media_bytes_per_tenant: 10 << 30,
            media_per_tenant: 100_000,
            media_kept: minutes(30 * 24 * 60),
            media_incoming_kept: minutes(24 * 60),
            media_fetch_timeout: Duration::from_secs(45),
            caption_chars_max: 1_024,
            name_chars_max: 120,
            page_default: 50,
            page_max: 200,
            page_bytes: 1 << 20,
            idempotency_ttl: minutes(24 * 60),
            delivery_schedule: vec![
                Duration::from_secs(5),
                minutes(5),
                minutes(30),
                minutes(120),
                minutes(300),
                minutes(600),
                minutes(600),
            ],
            webhook_disable_after: minutes(5 * 24 * 60),
        }
    }
}
