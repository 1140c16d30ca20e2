//! Limits of the tasks, each with its default.

use std::time::Duration;

/// All tasks.
#[derive(Clone, Debug, Default)]
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
#[derive(Clone, Debug)]
pub struct DeliverConfig {
    /// Deliveries claimed at once. Default: 256.
    pub batch: u32,
    /// Deliveries claimed and not finished. Default: 1024.
    pub claimed_max: usize,
    /// HTTP requests under way. Default: 256.
    pub requests_max: usize,
    /// HTTP requests under way to one webhook. Default: 32.
    pub requests_per_webhook: usize,
    /// HTTP requests under way for one tenant. Default: 128.
    pub requests_per_tenant: usize,
    /// Claimed deliveries of one webhook, those under way included. Default: 256.
    pub claimed_per_webhook: usize,
    /// Claimed deliveries of one tenant. Default: 512.
    pub claimed_per_tenant: usize,
    /// Deliveries of one chat made in one go, one after the other, before their results are recorded; 100 at most, which is
    /// what a format plugin takes at once. If this process dies meanwhile, they are made again. Default: 32.
    pub lane_run: u32,
    /// How long a lane's run goes on to begin requests; results are recorded at its end. Default: 2 s.
    pub lane_run_time: Duration,
    /// How long one request may take. Default: 20 s.
    pub timeout: Duration,
    /// How long a claim lasts if this process dies; well above `timeout`. Default: 45 s.
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
#[derive(Clone, Debug)]
pub struct SendConfig {
    /// Devices that send at the same time. Default: 32.
    pub devices_at_once: usize,
    /// Messages of one device looked at, and pacing asked about, at once; the plugin interface takes 100. Default: 64.
    pub batch: u32,
    /// Messages of one device written to the socket and not acknowledged. Default: 512.
    pub unacknowledged_max: usize,
    /// Messages of one device that pacing holds back; while so many wait, those after them wait too. Default: 512.
    pub held_max: usize,
    /// After this long without WhatsApp's acknowledgement a message is written again, under the same id. Default: 60 s.
    pub acknowledge_timeout: Duration,
    /// How long writing one message may take. Default: 60 s.
    pub write_timeout: Duration,
    /// How often queued messages of connected devices are looked for without a ring. Default: 5 min.
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
#[derive(Clone, Debug)]
pub struct SessionsConfig {
    /// Sessions being started or stopped at the same time. Default: 8.
    pub at_once: usize,
    /// How long a starting session holds its place among those before the next one begins. Default: 15 s.
    pub settle_timeout: Duration,
    /// How often sessions that should run and don't are looked for without a ring. Default: 5 min.
    pub sweep_every: Duration,
}

impl Default for SessionsConfig {
    fn default() -> Self {
        Self { at_once: 8, settle_timeout: Duration::from_secs(15), sweep_every: Duration::from_secs(300) }
    }
}

/// Removing what is old.
#[derive(Clone, Debug)]
pub struct ReapConfig {
    /// How long finished deliveries and their attempts are kept, dead letters included. Default: 7 days.
    pub deliveries: Duration,
    /// How long events are kept. Default: 30 days.
    pub events: Duration,
    /// Rows removed in one transaction. Default: 500.
    pub batch: u32,
    /// How often there is a look. Default: 10 min.
    pub every: Duration,
}

impl Default for ReapConfig {
    fn default() -> Self {
        let days = |d: u64| Duration::from_secs(d * 24 * 3600);
        Self { deliveries: days(7), events: days(30), batch: 500, every: Duration::from_secs(600) }
    }
}
