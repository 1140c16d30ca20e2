//! Limits of the core, each with its default. The binary's configuration overrides them.

use std::time::Duration;

/// Every limit that a rule of the core applies.
#[derive(Clone, Debug)]
pub struct Limits {
    /// Devices of one tenant.
    pub devices_per_tenant: u32,
    /// Access keys of one tenant, revoked ones not counted.
    pub keys_per_tenant: u32,
    /// Webhook subscriptions of one tenant.
    pub webhooks_per_tenant: u32,
    /// Messages of one device that wait to be sent.
    pub queued_per_device: u32,
    /// Characters of a text message. WhatsApp itself stops at 65,536.
    pub text_chars_max: usize,
    /// Characters of a name (device, key).
    pub name_chars_max: usize,
    /// Rows of a page when the caller names no limit.
    pub page_default: u32,
    /// Rows of a page at most.
    pub page_max: u32,
    /// Bytes of text in the rows of a page of messages or events, which ends early at it; one row it holds in any case.
    pub page_bytes: u64,
    /// How long an `Idempotency-Key` is remembered.
    pub idempotency_ttl: Duration,
    /// Attempts after which a delivery becomes a dead letter: the first one and one per step of the schedule.
    pub delivery_schedule: Vec<Duration>,
    /// An endpoint that fails for this long is disabled.
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
