//! Counters of requests and streams, kept in memory; [`text`] writes them in Prometheus' format.
//!
//! Invariant: labels come from closed sets (route patterns, dialects, methods, statuses), so the memory is bounded.

pub(crate) mod text;

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::http::{Method, StatusCode};

/// Upper bounds of the latency buckets, in milliseconds.
pub(crate) const BUCKETS_MS: [u64; 11] = [1, 2, 5, 10, 25, 50, 100, 250, 500, 1_000, 5_000];

/// How long the requests of one route took.
#[derive(Clone, Debug, Default)]
pub(crate) struct Latency {
    /// Requests per bucket, not cumulative. Requests over the last bound are counted in `count` alone.
    pub(crate) buckets: [u64; BUCKETS_MS.len()],
    pub(crate) count: u64,
    pub(crate) total: Duration,
}

/// Everything recorded.
#[derive(Clone, Debug, Default)]
pub(crate) struct Recorded {
    pub(crate) requests: BTreeMap<(&'static str, String, u16), u64>,
    pub(crate) latency: BTreeMap<(&'static str, String), Latency>,
}

/// The recorder.
#[derive(Default)]
pub(crate) struct Metrics {
    recorded: Mutex<Recorded>,
    in_flight: Arc<AtomicU64>,
    streams: Arc<AtomicU64>,
}

/// Counts as one as long as it lives.
pub(crate) struct Gauge(Arc<AtomicU64>);

impl Gauge {
    fn up(gauge: &Arc<AtomicU64>) -> Self {
        gauge.fetch_add(1, Ordering::Relaxed);
        Self(Arc::clone(gauge))
    }
}

impl Drop for Gauge {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Metrics {
    /// A request is under way as long as the guard lives.
    pub(crate) fn begin(&self) -> Gauge {
        Gauge::up(&self.in_flight)
    }

    /// A stream is open as long as the guard lives.
    pub(crate) fn stream(&self) -> Gauge {
        Gauge::up(&self.streams)
    }

    /// A request was answered.
    pub(crate) fn record(&self, method: &Method, route: &str, status: StatusCode, took: Duration) {
        let method = method_label(method);
        let mut recorded = self.recorded.lock().unwrap_or_else(PoisonError::into_inner);
        *recorded.requests.entry((method, route.to_owned(), status.as_u16())).or_default() += 1;
        let latency = recorded.latency.entry((method, route.to_owned())).or_default();
        latency.count += 1;
        latency.total += took;
        let fits = |bound: &u64| took <= Duration::from_millis(*bound);
        if let Some(bucket) = BUCKETS_MS.iter().position(fits).and_then(|i| latency.buckets.get_mut(i)) {
            *bucket += 1;
        }
    }

    pub(crate) fn recorded(&self) -> Recorded {
        self.recorded.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(crate) fn in_flight(&self) -> u64 {
        self.in_flight.load(Ordering::Relaxed)
    }

    pub(crate) fn streams(&self) -> u64 {
        self.streams.load(Ordering::Relaxed)
    }
}

fn method_label(method: &Method) -> &'static str {
    const KNOWN: [&str; 7] = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"];
    KNOWN.into_iter().find(|known| *known == method.as_str()).unwrap_or("OTHER")
}
