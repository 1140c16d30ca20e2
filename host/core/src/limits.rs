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
    /// Access keys of one tenant, on top of `keys_per_device` for each of its devices; revoked ones are not counted.
    #[schemars(range(min = 1))]
    pub keys_per_tenant: u32,
    /// Access keys that each device allows its tenant.
    #[schemars(range(max = 1_000))]
    pub keys_per_device: u32,
    /// Webhook subscriptions of one tenant, on top of `webhooks_per_device` for each of its devices.
    pub webhooks_per_tenant: u32,
    /// Webhook subscriptions that each device allows its tenant.
    #[schemars(range(max = 1_000))]
    pub webhooks_per_device: u32,
    /// Users of one tenant.
    #[schemars(range(min = 1))]
    pub users_per_tenant: u32,
    /// Messages of one device that wait to be sent.
    #[schemars(range(min = 1))]
    pub queued_per_device: u32,
    /// Characters of a text message. WhatsApp itself stops at 65,536.
    #[schemars(range(min = 1, max = 65_536))]
    pub text_chars_max: usize,
    /// How old a text may be that is edited, in seconds. WhatsApp's apps stop at 15 minutes.
    #[serde(rename = "edit_window_s", with = "crate::setting::Seconds")]
    #[schemars(range(min = 60))]
    pub edit_window: Duration,
    /// How old a message of our own may be that is deleted for everybody, in seconds. WhatsApp's apps stop at 60 hours.
    #[serde(rename = "revoke_window_s", with = "crate::setting::Seconds")]
    #[schemars(range(min = 60))]
    pub revoke_window: Duration,
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
    /// How long a link to a file can be followed, in seconds.
    #[serde(rename = "media_link_ttl_s", with = "crate::setting::Seconds")]
    #[schemars(range(min = 60, max = 31_536_000))]
    pub media_link_ttl: Duration,
    /// Characters of a caption.
    #[schemars(range(min = 1, max = 65_536))]
    pub caption_chars_max: usize,
    /// People that one request about a group's members may name. WhatsApp itself stops at 1,024.
    #[schemars(range(min = 1, max = 1_024))]
    pub group_members_per_request: u32,
    /// Characters of a group's name. WhatsApp itself stops at 100.
    #[schemars(range(min = 1, max = 100))]
    pub group_subject_chars_max: usize,
    /// Characters of a group's description. WhatsApp itself stops at 2,048.
    #[schemars(range(min = 1, max = 2_048))]
    pub group_description_chars_max: usize,
    /// Numbers that one request may have checked whether they are on WhatsApp.
    #[schemars(range(min = 1, max = 1_000))]
    pub contacts_per_check: u32,
    /// Characters of a name (device, key).
    #[schemars(range(min = 1, max = 1_000))]
    pub name_chars_max: usize,
    /// Rows of a page when the caller names no limit; at most `page_max`.
    #[schemars(range(min = 1, max = 10_000))]
    pub page_default: u32,
    /// Rows of a page at most.
    #[schemars(range(min = 1, max = 10_000))]
    pub page_max: u32,
    /// Rows that `offset` may pass over. Each costs the database some time; a cursor costs none.
    #[schemars(range(max = 10_000_000))]
    pub page_offset_max: u32,
    /// Rows that are counted for the `total` of a list; a total as large as this says that there may be more.
    #[schemars(range(min = 1, max = 10_000_000))]
    pub page_total_max: u32,
    /// Maximum payload bytes of a page of messages or events, which ends early at it; at least one row is always returned.
    #[schemars(range(min = 1))]
    pub page_bytes: u64,
    /// Bytes of the settings of one plugin in one row (of a tenant or a device), and of its secret settings.
    #[schemars(range(min = 1_024, max = 1_048_576))]
    pub plugin_settings_bytes: usize,
    /// Plugins that may be installed.
    #[schemars(range(min = 1, max = 10_000))]
    pub plugins_max: u32,
    /// Versions of one plugin that are kept; installing one more forgets the oldest that is not in use.
    #[schemars(range(min = 2, max = 1_000))]
    pub plugin_versions: u32,
    /// Bytes of one value that a plugin keeps.
    #[schemars(range(min = 1, max = 1_048_576))]
    pub kv_value_bytes: usize,
    /// Bytes of all values that one plugin keeps for one tenant or one device, keys included.
    #[schemars(range(min = 1))]
    pub kv_bytes: u64,
    /// Values that one plugin keeps for one tenant or one device.
    #[schemars(range(min = 1))]
    pub kv_keys: u32,
    /// How long a login lasts, in seconds.
    #[serde(rename = "login_ttl_s", with = "crate::setting::Seconds")]
    #[schemars(range(min = 60))]
    pub login_ttl: Duration,
    /// How long failed logins and sign-ups are counted, in seconds; then counting begins anew.
    #[serde(rename = "login_window_s", with = "crate::setting::Seconds")]
    #[schemars(range(min = 1))]
    pub login_window: Duration,
    /// Failed logins from one address (IPv6: one /64 network) within `login_window_s`, and keys that came in bodies or paths
    /// and were not valid; further ones are refused with 429.
    #[schemars(range(min = 1))]
    pub login_failures_per_address: u32,
    /// Failed logins on one account within `login_window_s`; further ones are refused with 429, good ones too.
    #[schemars(range(min = 1))]
    pub login_failures_per_account: u32,
    /// Sign-ups from one address within `login_window_s`; further ones are refused with 429.
    #[schemars(range(min = 1))]
    pub sign_ups_per_address: u32,
    /// Characters of a password at least.
    #[schemars(range(min = 1, max = 128))]
    pub password_chars_min: usize,
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
            keys_per_device: 5,
            webhooks_per_tenant: 100,
            webhooks_per_device: 5,
            users_per_tenant: 100,
            queued_per_device: 10_000,
            text_chars_max: 65_536,
            edit_window: minutes(15),
            revoke_window: minutes(60 * 60),
            media_bytes_max: 100 << 20,
            media_played_bytes_max: 16 << 20,
            media_sticker_bytes_max: 1 << 20,
            media_bytes_per_tenant: 10 << 30,
            media_per_tenant: 100_000,
            media_kept: minutes(30 * 24 * 60),
            media_incoming_kept: minutes(24 * 60),
            media_fetch_timeout: Duration::from_secs(45),
            media_link_ttl: minutes(24 * 60),
            caption_chars_max: 1_024,
            group_members_per_request: 256,
            group_subject_chars_max: 100,
            group_description_chars_max: 2_048,
            contacts_per_check: 100,
            name_chars_max: 120,
            page_default: 50,
            page_max: 200,
            page_offset_max: 100_000,
            page_total_max: 100_000,
            page_bytes: 1 << 20,
            plugin_settings_bytes: 64 << 10,
            plugins_max: 100,
            plugin_versions: 20,
            kv_value_bytes: 64 << 10,
            kv_bytes: 1 << 20,
            kv_keys: 10_000,
            login_ttl: minutes(24 * 60),
            login_window: minutes(15),
            login_failures_per_address: 20,
            login_failures_per_account: 10,
            sign_ups_per_address: 10,
            password_chars_min: 8,
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
