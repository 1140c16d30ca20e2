//! Settings of the background tasks: the sections `[jobs.…]` of the configuration.

use std::time::Duration;

use portico_core::setting::{Days, Seconds};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// All tasks.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct JobsConfig {
    /// Taking events to webhooks.
    pub deliver: DeliverConfig,
    /// Taking messages to WhatsApp.
    pub send: SendConfig,
    /// Starting and stopping sessions.
    pub sessions: SessionsConfig,
    /// Removing what is old.
    pub reap: ReapConfig,
}

/// Taking events to webhooks.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct DeliverConfig {
    /// Deliveries claimed at once.
    #[schemars(range(min = 1))]
    pub batch: u32,
    /// Deliveries claimed and not finished.
    #[schemars(range(min = 1))]
    pub claimed_max: usize,
    /// HTTP requests under way.
    #[schemars(range(min = 1, max = 1024))]
    pub requests_max: usize,
    /// HTTP requests under way to one webhook.
    #[schemars(range(min = 1))]
    pub requests_per_webhook: usize,
    /// HTTP requests under way for one tenant.
    #[schemars(range(min = 1))]
    pub requests_per_tenant: usize,
    /// Claimed deliveries of one webhook, those under way included.
    #[schemars(range(min = 1))]
    pub claimed_per_webhook: usize,
    /// Claimed deliveries of one tenant.
    #[schemars(range(min = 1))]
    pub claimed_per_tenant: usize,
    /// Deliveries of one chat made in one go, one after the other, before their results are recorded; 100 at most, which is
    /// what a format plugin takes at once. If this process dies meanwhile, they are made again.
    #[schemars(range(min = 1, max = 100))]
    pub lane_run: u32,
    /// How long a lane's run goes on to begin requests; results are recorded at its end.
    #[serde(rename = "lane_run_time_s", with = "Seconds")]
    #[schemars(range(min = 1))]
    pub lane_run_time: Duration,
    /// How long one request may take.
    #[serde(rename = "timeout_s", with = "Seconds")]
    #[schemars(range(min = 1))]
    pub timeout: Duration,
    /// How long a claim lasts if this process dies; well above `timeout`.
    #[serde(rename = "lease_s", with = "Seconds")]
    #[schemars(range(min = 1))]
    pub lease: Duration,
}

impl Default for DeliverConfig {
    fn default() -> Self {
        Self {
            batch: 256,
            claimed_max: 1024,
            requests_max: 256,
            requests_per_webhook: 32,
            requests_per_tenant: 128,
            claimed_per_webhook: 256,
            claimed_per_tenant: 512,
            lane_run: 32,
            lane_run_time: Duration::from_secs(2),
            timeout: Duration::from_secs(20),
            lease: Duration::from_secs(45),
        }
    }
}

/// Taking messages to WhatsApp.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct SendConfig {
    /// Devices that send at the same time.
    #[schemars(range(min = 1))]
    pub devices_at_once: usize,
    /// Messages of one device looked at, and pacing asked about, at once; the plugin interface takes 100.
    #[schemars(range(min = 1))]
    pub batch: u32,
    /// Messages of one device written to the socket and not acknowledged.
    #[schemars(range(min = 1))]
    pub unacknowledged_max: usize,
    /// Messages of one device that pacing holds back; while so many wait, those after them wait too.
    #[schemars(range(min = 1))]
    pub held_max: usize,
    /// After this long without WhatsApp's acknowledgement a message is written again, under the same id.
    #[serde(rename = "acknowledge_timeout_s", with = "Seconds")]
    #[schemars(range(min = 1))]
    pub acknowledge_timeout: Duration,
    /// How long writing one message may take.
    #[serde(rename = "write_timeout_s", with = "Seconds")]
    #[schemars(range(min = 1))]
    pub write_timeout: Duration,
    /// How often queued messages of connected devices are looked for without a ring.
    #[serde(rename = "sweep_every_s", with = "Seconds")]
    #[schemars(range(min = 1))]
    pub sweep_every: Duration,
}

impl Default for SendConfig {
    fn default() -> Self {
        Self {
            devices_at_once: 32,
            batch: 64,
            unacknowledged_max: 512,
            held_max: 512,
            acknowledge_timeout: Duration::from_secs(60),
            write_timeout: Duration::from_secs(60),
            sweep_every: Duration::from_secs(300),
        }
    }
}

/// Starting and stopping sessions.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct SessionsConfig {
    /// Sessions being started or stopped at the same time.
    #[schemars(range(min = 1, max = 64))]
    pub at_once: usize,
    /// How long a starting session holds its place among those before the next one begins.
    #[serde(rename = "settle_timeout_s", with = "Seconds")]
    #[schemars(range(min = 1))]
    pub settle_timeout: Duration,
    /// How often sessions that should run and don't are looked for without a ring.
    #[serde(rename = "sweep_every_s", with = "Seconds")]
    #[schemars(range(min = 1))]
    pub sweep_every: Duration,
}

impl Default for SessionsConfig {
    fn default() -> Self {
        Self { at_once: 8, settle_timeout: Duration::from_secs(15), sweep_every: Duration::from_secs(300) }
    }
}

/// Removing what is old.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct ReapConfig {
    /// How long finished deliveries and their attempts are kept, dead letters included.
    #[serde(rename = "keep_deliveries_days", with = "Days")]
    #[schemars(range(min = 1))]
    pub deliveries: Duration,
    /// How long events are kept.
    #[serde(rename = "keep_events_days", with = "Days")]
    #[schemars(range(min = 1))]
    pub events: Duration,
    /// Rows removed in one transaction.
    #[schemars(range(min = 1))]
    pub batch: u32,
    /// How often there is a look.
    #[serde(rename = "every_s", with = "Seconds")]
    #[schemars(range(min = 1))]
    pub every: Duration,
}

impl Default for ReapConfig {
    fn default() -> Self {
        let days = |d: u64| Duration::from_secs(d * 24 * 3600);
        Self { deliveries: days(7), events: days(30), batch: 500, every: Duration::from_secs(600) }
    }
}
