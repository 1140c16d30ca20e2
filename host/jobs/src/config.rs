//! Limits of the tasks, each with its default.

use std::time::Duration;

/// Events a format plugin takes at once, as its interface says.
pub(crate) const LANE_RUN_MAX: usize = 100;

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
    /// Lanes claimed in one transaction. Default: 256.
    pub batch: u32,
    /// Lanes (webhook and chat) delivered at the same time, each with one HTTP request under way. Default: 256.
    pub slots_max: usize,
    /// Of these, lanes of one tenant. Whatever is set here, a tenant never holds more than are left free. Default: 64.
    pub slots_per_tenant: usize,
    /// Of these, lanes of one tenant to one receiver (scheme, host and port). Default: 32.
    pub slots_per_receiver: usize,
    /// Of these, lanes of one webhook whose attempts fail. Default: 2.
    pub slots_per_failing: usize,
    /// Deliveries in memory that wait behind the first of their lane, over all lanes. Default: 1024.
    pub followers_max: usize,
    /// Deliveries of one lane read, formatted and recorded together; 100 at most, which is what a format plugin takes at
    /// once. If this process dies meanwhile, they are made again. Default: 64.
    pub lane_run: usize,
    /// How long a lane goes on to begin requests before another lane may have its slot. Default: 2 s.
    pub lane_run_time: Duration,
    /// How long one request may take. Default: 20 s.
    pub timeout: Duration,
    /// How long a claim lasts if this process dies; well above `timeout`. Default: 45 s.
    pub lease: Duration,
    /// Results that are recorded in one transaction; the part of a lane that goes beyond is recorded whole. Default: 128.
    pub record_batch: usize,
    /// How long a result waits for others to be recorded with. Default: 5 ms.
    pub record_delay: Duration,
}

impl Default for DeliverConfig {
    fn default() -> Self {
        Self {
            batch: 256,
            slots_max: 256,
            slots_per_tenant: 64,
            slots_per_receiver: 32,
            slots_per_failing: 2,
            followers_max: 1024,
            lane_run: 64,
            lane_run_time: Duration::from_secs(2),
            timeout: Duration::from_secs(20),
            lease: Duration::from_secs(45),
            record_batch: 128,
            record_delay: Duration::from_millis(5),
        }
    }
}

impl DeliverConfig {
    /// Deliveries that may be worked on with the first of a lane.
    pub(crate) fn followers_of_lane(&self) -> usize {
        self.lane_run.clamp(1, LANE_RUN_MAX) - 1
    }
}

/// Taking messages to WhatsApp.
#[derive(Clone, Debug)]
pub struct SendConfig {
    /// Devices that send at the same time. Default: 32.
    pub devices_at_once: usize,
    /// Of these, devices of one tenant. Whatever is set here, a tenant never holds more than are left free. Default: 16.
    pub devices_per_tenant: usize,
    /// Messages of one device that are read, and pacing is asked about, at once; the plugin interface takes 100. Default: 64.
    pub batch: u32,
    /// Messages of one device written to the socket and not acknowledged. Default: 512.
    pub unacknowledged_max: usize,
    /// Messages of one device that pacing holds back; while so many wait, those after them wait too. Default: 512.
    pub held_max: usize,
    /// After this long without WhatsApp's acknowledgement a message is written again, under the same id. Default: 60 s.
    pub acknowledge_timeout: Duration,
    /// How long writing one message may take. Default: 60 s.
    pub write_timeout: Duration,
    /// How often queued messages of connected devices are looked for without a wake-up. Default: 5 min.
    pub sweep_every: Duration,
}

impl Default for SendConfig {
    fn default() -> Self {
        Self {
            devices_at_once: 32,
            devices_per_tenant: 16,
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
    /// How long a restored session may take to log in before the next one is started. Default: 15 s.
    pub settle_timeout: Duration,
    /// How often sessions that should run and don't are looked for without a wake-up. Default: 5 min.
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
    /// How often old rows are looked for. Default: 10 min.
    pub every: Duration,
}

impl Default for ReapConfig {
    fn default() -> Self {
        let days = |d: u64| Duration::from_secs(d * 24 * 3600);
        Self { deliveries: days(7), events: days(30), batch: 500, every: Duration::from_secs(600) }
    }
}
