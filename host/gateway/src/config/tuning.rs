//! `[tuning]`: limits and spans that rarely need a change.

use anyhow::{Result, ensure};
use serde::{Deserialize, Serialize};

/// `[tuning]`
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct TuningSection {
    /// Devices of one tenant.
    pub devices_per_tenant: u32,
    /// Sessions of this process.
    pub sessions_max: usize,
    /// Sessions restored at once after a start.
    pub restore_parallel: usize,
    /// One-time keys a fresh device uploads. WhatsApp Web uploads 812; fewer are cheaper for load runs.
    pub pre_keys: usize,
    /// Webhook deliveries under way at once.
    pub deliveries_at_once: usize,
    /// Days that events are kept.
    pub keep_events_days: u32,
    /// Days that finished deliveries are kept.
    pub keep_deliveries_days: u32,
}

impl Default for TuningSection {
    fn default() -> Self {
        Self {
            devices_per_tenant: 1_000,
            sessions_max: 5_000,
            restore_parallel: 8,
            pre_keys: 812,
            deliveries_at_once: 256,
            keep_events_days: 30,
            keep_deliveries_days: 7,
        }
    }
}

impl TuningSection {
    pub(super) fn validate(&self) -> Result<()> {
        ensure!((1..=1_000_000).contains(&self.devices_per_tenant), "tuning.devices_per_tenant must be 1 to 1000000");
        ensure!((1..=100_000).contains(&self.sessions_max), "tuning.sessions_max must be 1 to 100000");
        ensure!((1..=64).contains(&self.restore_parallel), "tuning.restore_parallel must be 1 to 64");
        ensure!((5..=812).contains(&self.pre_keys), "tuning.pre_keys must be 5 to 812");
        ensure!((1..=1024).contains(&self.deliveries_at_once), "tuning.deliveries_at_once must be 1 to 1024");
        ensure!(self.keep_events_days > 0, "tuning.keep_events_days must be more than 0");
        ensure!(self.keep_deliveries_days > 0, "tuning.keep_deliveries_days must be more than 0");
        Ok(())
    }
}
