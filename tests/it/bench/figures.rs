//! Latencies and rates, and how they are printed.

use std::fmt;
use std::time::Duration;

/// What a run of texts took.
pub(crate) struct Figures {
    label: &'static str,
    latencies_ms: Vec<f64>,
    wall: Duration,
}

impl Figures {
    pub(crate) fn new(label: &'static str, mut latencies_ms: Vec<f64>, wall: Duration) -> Self {
        latencies_ms.sort_by(f64::total_cmp);
        Self { label, latencies_ms, wall }
    }

    /// Texts a second.
    pub(crate) fn per_second(&self) -> f64 {
        self.latencies_ms.len() as f64 / self.wall.as_secs_f64()
    }

    fn percentile(&self, p: f64) -> f64 {
        let last = self.latencies_ms.len().saturating_sub(1);
        let at = (last as f64 * p).round() as usize;
        self.latencies_ms.get(at).copied().unwrap_or(f64::NAN)
    }
}

impl fmt::Display for Figures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "   {:<28} {:>6} texts in {:>6.2} s = {:>7.0}/s   latency p50 {:>8.2} ms  p99 {:>8.2} ms",
            self.label,
            self.latencies_ms.len(),
            self.wall.as_secs_f64(),
            self.per_second(),
            self.percentile(0.50),
            self.percentile(0.99),
        )
    }
}
