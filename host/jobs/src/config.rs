//! Settings of the background tasks: the sections `[jobs.…]` of the configuration.

use std::time::Duration;

use portico_core::setting::{Days, Millis, Seconds};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Events a format plugin takes at once, as its interface says.
pub(crate) const LANE_RUN_MAX: usize = 100;

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
    /// Lanes (webhook and chat) claimed in one transaction.
    #[schemars(range(min = 1))]
    pub batch: u32,
    /// Delivery slots: lanes delivered at the same time, each with one HTTP request under way.
    #[schemars(range(min = 1, max = 1024))]
    pub slots_max: usize,
    /// Delivery slots of one tenant. Whatever is set here, a tenant never gets more than are left free.
    #[schemars(range(min = 1))]
    pub slots_per_tenant: usize,
    /// Delivery slots of one tenant for one receiver (scheme, host and port).
    #[schemars(range(min = 1))]
    pub slots_per_receiver: usize,
    /// Delivery slots of one webhook whose attempts fail.
    #[schemars(range(min = 1))]
    pub slots_per_failing: usize,
    /// Deliveries in memory that wait behind the first of their lane, over all lanes.
    #[schemars(range(min = 1))]
    pub followers_max: usize,
    /// Deliveries of one lane that are read, formatted and recorded together; 100 at most, which is what a format plugin takes
    /// at once. If this process dies meanwhile, they are made again.
    #[schemars(range(min = 1, max = 100))]
    pub lane_run: usize,
    /// How long a lane goes on to begin requests before another lane may have its slot.
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
    /// How long deliveries wait while the plugin of their format can't shape them and they may not go out in another shape, until
    /// it is asked again; in seconds.
    #[serde(rename = "format_retry_s", with = "Seconds")]
    #[schemars(range(min = 1))]
    pub format_retry: Duration,
    /// Results recorded in one transaction; the part of a lane that goes beyond is recorded whole.
    #[schemars(range(min = 1))]
    pub record_batch: usize,
    /// How long a result waits for others to be recorded with.
    #[serde(rename = "record_delay_ms", with = "Millis")]
    #[schemars(range(max = 1000))]
    pub record_delay: Duration,
}

/// Time between the end of the longest request and the end of its claim, in which its result has to be recorded.
pub(crate) const CLAIM_MARGIN: Duration = Duration::from_secs(20);

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
            format_retry: Duration::from_secs(15),
            record_batch: 128,
            record_delay: Duration::from_millis(5),
        }
    }
}

impl DeliverConfig {
    /// Whether a claim lasts long enough for a request; the error says what to change.
    ///
    /// # Errors
    /// When it does not: then nothing would ever be delivered, because no request could end within its claim.
    pub fn check(&self) -> Result<(), String> {
        let least = self.timeout + CLAIM_MARGIN;
        if self.lease > least {
            return Ok(());
        }
        Err(format!(
            "`jobs.deliver.lease_s` must be more than {} s: `jobs.deliver.timeout_s` and {} s beyond it",
            least.as_secs(),
            CLAIM_MARGIN.as_secs()
        ))
    }

    /// Deliveries that may be worked on with the first of a lane.
    pub(crate) fn followers_of_lane(&self) -> usize {
        self.lane_run.clamp(1, LANE_RUN_MAX) - 1
    }
}

/// Taking messages to WhatsApp.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct SendConfig {
    /// Devices that send at the same time.
    #[schemars(range(min = 1))]
    pub devices_at_once: usize,
    /// Of these, devices of one tenant. Whatever is set here, a tenant never gets more than are left free.
    #[schemars(range(min = 1))]
    pub devices_per_tenant: usize,
    /// Messages of one device that are read, and pacing is asked about, at once; the plugin interface takes 100.
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
    /// How long writing one message with a file may take, uploading the file included; more than `whatsapp.file_timeout_s`.
    #[serde(rename = "write_file_timeout_s", with = "Seconds")]
    #[schemars(range(min = 1))]
    pub write_file_timeout: Duration,
    /// How often queued messages of connected devices are looked for without a wake-up.
    #[serde(rename = "sweep_every_s", with = "Seconds")]
    #[schemars(range(min = 1))]
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
            write_file_timeout: Duration::from_secs(660),
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
    /// How long a restored session may take to log in before the next one is started.
    #[serde(rename = "settle_timeout_s", with = "Seconds")]
    #[schemars(range(min = 1))]
    pub settle_timeout: Duration,
    /// How often sessions that should run and don't are looked for without a wake-up.
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
    /// How long entries of the audit log are kept.
    #[serde(rename = "keep_audit_days", with = "Days")]
    #[schemars(range(min = 1))]
    pub audit: Duration,
    /// Rows removed in one transaction.
    #[schemars(range(min = 1))]
    pub batch: u32,
    /// How often files that no medium names are looked for, a batch of files at a time; only a crash leaves any.
    #[serde(rename = "orphans_every_s", with = "Seconds")]
    #[schemars(range(min = 1))]
    pub orphans_every: Duration,
    /// How often old rows are looked for.
    #[serde(rename = "every_s", with = "Seconds")]
    #[schemars(range(min = 1))]
    pub every: Duration,
}

impl Default for ReapConfig {
    fn default() -> Self {
        let days = |d: u64| Duration::from_secs(d * 24 * 3600);
        Self {
            deliveries: days(7),
            events: days(30),
            audit: days(90),
            batch: 500,
            orphans_every: days(1),
            every: Duration::from_secs(600),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_claim_that_ends_before_its_request_is_refused() {
        assert_eq!(DeliverConfig::default().check(), Ok(()));
        let patient = DeliverConfig { timeout: Duration::from_secs(40), ..DeliverConfig::default() };
        assert!(patient.check().is_err_and(|why| why.contains("`jobs.deliver.lease_s` must be more than 60 s")));
    }
}
