//! Measures the gateway: what a session costs, how fast texts go through, how figures move over time.
//!
//! The gateway and the sandbox network run as processes of their own, release builds, on this machine. Loops of the bare protocol
//! library run against the same network in the same run: read the ratios to them, absolute figures are the machine's. Two
//! programs use this crate: `bench` (medians of several short runs) and `soak` (one long run, with the trend of each figure).

pub mod bare;
pub mod bed;
pub mod dialect;
pub mod figures;
pub mod filling;
pub mod idle;
pub mod inbox;
pub mod incoming;
pub mod outgoing;
pub mod plugin_call;
pub mod trend;

use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// How long a run of texts may take until the last one has arrived.
pub const PATIENCE: Duration = Duration::from_secs(180);

/// The time in milliseconds since 1970, with fractions.
#[expect(clippy::disallowed_methods, reason = "a benchmark compares clocks of several processes on one machine")]
pub fn now_ms() -> f64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64() * 1e3
}
