//! Figures of the process for Prometheus.
//!
//! Every crate counts where something happens, with the macros of the facade `metrics`. This module owns the one recorder behind
//! the facade, describes the figures, and writes them as text for `GET /metrics`. Invariant: labels come from closed sets (route
//! patterns, dialects, methods, statuses, plugins), so the memory is bounded.

use std::sync::OnceLock;
use std::time::Duration;

use axum::http::{Method, StatusCode};
use metrics::{counter, describe_counter, describe_gauge, describe_histogram, gauge, histogram};
use metrics_exporter_prometheus::{BuildError, Matcher, PrometheusBuilder, PrometheusHandle, PrometheusRecorder};
use portico_core::device::DeviceState;
use portico_core::ports::store::OutboxStats;
use portico_core::time::UtcMs;

/// The content type of the text format.
pub(crate) const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

const REQUESTS: &str = "portico_http_requests_total";
const REQUEST_SECONDS: &str = "portico_http_request_duration_seconds";
const IN_FLIGHT: &str = "portico_http_requests_in_flight";
const STREAMS: &str = "portico_event_streams";
const SOCKETS: &str = "portico_dialect_sockets";
const DEVICES: &str = "portico_devices";
const DELIVERIES: &str = "portico_deliveries";
const OLDEST_DELIVERY: &str = "portico_delivery_oldest_pending_seconds";
const RESIDENT: &str = "process_resident_memory_bytes";
const BUILD: &str = "portico_build_info";

/// Upper bounds of the latency buckets, in seconds.
const BUCKETS_S: [f64; 11] = [0.001, 0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0];

/// How often samples of histograms are put into their buckets; until then each takes memory of its own.
const UPKEEP_EVERY: Duration = Duration::from_secs(5);

static HANDLE: OnceLock<Option<PrometheusHandle>> = OnceLock::new();

/// Makes the figures of this process countable. What is counted before is lost. May be called again: there is one recorder in a
/// process, whatever gateways run in it.
pub fn install() {
    handle();
}

/// Keeps the memory of figures small for as long as it is polled. It never ends by itself.
pub async fn upkeep() {
    loop {
        tokio::time::sleep(UPKEEP_EVERY).await;
        if let Some(handle) = handle() {
            handle.run_upkeep();
        }
    }
}

fn handle() -> Option<&'static PrometheusHandle> {
    let install = || {
        let recorder = recorder().inspect_err(|error| tracing::error!(%error, "figures can't be counted")).ok()?;
        let handle = recorder.handle();
        if metrics::set_global_recorder(recorder).is_err() {
            tracing::error!("figures can't be counted: another recorder is installed in this process");
            return None;
        }
        describe();
        Some(handle)
    };
    HANDLE.get_or_init(install).as_ref()
}

fn recorder() -> Result<PrometheusRecorder, BuildError> {
    let latencies = Matcher::Full(REQUEST_SECONDS.to_owned());
    Ok(PrometheusBuilder::new().set_buckets_for_metric(latencies, &BUCKETS_S)?.build_recorder())
}

/// The help texts, and figures that are to be seen before they first change.
fn describe() {
    describe_counter!(REQUESTS, "Requests answered.");
    describe_histogram!(REQUEST_SECONDS, "Time until an answer began.");
    describe_gauge!(IN_FLIGHT, "Requests under way.");
    describe_gauge!(STREAMS, "Open event streams.");
    describe_gauge!(SOCKETS, "Open sockets of dialects.");
    describe_gauge!(DEVICES, "Devices by state.");
    describe_gauge!("portico_delivery_slots_free", "Delivery slots nobody uses.");
    describe_gauge!("portico_delivery_webhooks_waiting", "Webhooks whose due deliveries wait for a delivery slot.");
    describe_gauge!(DELIVERIES, "Webhook deliveries not done with.");
    describe_gauge!(OLDEST_DELIVERY, "Age of the oldest delivery that waits; 0 when none does.");
    describe_gauge!(RESIDENT, "Resident memory size in bytes.");
    describe_gauge!(BUILD, "The running version.");
    describe_counter!("portico_plugin_calls_total", "Calls of plugins by outcome.");
    describe_gauge!("portico_plugin_seconds_total", "Time spent in plugins.");
    describe_gauge!("portico_plugin_memory_bytes_max", "Memory that the largest call of a plugin had, in bytes.");
    gauge!(IN_FLIGHT).increment(0.0);
    gauge!(STREAMS).increment(0.0);
    gauge!(BUILD, "version" => env!("CARGO_PKG_VERSION")).set(1.0);
}

/// What the listener counts.
pub(crate) struct Metrics;

impl Metrics {
    /// Makes the figures of this process countable.
    pub(crate) fn new() -> Self {
        install();
        Self
    }
}

/// Counts as one in a gauge as long as it lives.
pub(crate) struct Gauge(metrics::Gauge);

impl Gauge {
    fn up(gauge: metrics::Gauge) -> Self {
        gauge.increment(1.0);
        Self(gauge)
    }
}

impl Drop for Gauge {
    fn drop(&mut self) {
        self.0.decrement(1.0);
    }
}

impl Metrics {
    /// A request is under way as long as the guard lives.
    pub(crate) fn begin(&self) -> Gauge {
        Gauge::up(gauge!(IN_FLIGHT))
    }

    /// A stream is open as long as the guard lives.
    pub(crate) fn stream(&self) -> Gauge {
        Gauge::up(gauge!(STREAMS))
    }

    /// A socket of this dialect is open as long as the guard lives.
    pub(crate) fn socket(&self, dialect: &str) -> Gauge {
        Gauge::up(gauge!(SOCKETS, "dialect" => dialect.to_owned()))
    }

    /// A request was answered.
    pub(crate) fn record(&self, method: &Method, route: &str, status: StatusCode, took: Duration) {
        let (method, route) = (method_label(method), route.to_owned());
        counter!(REQUESTS, "method" => method, "route" => route.clone(), "status" => status.as_str().to_owned())
            .increment(1);
        histogram!(REQUEST_SECONDS, "method" => method, "route" => route).record(took);
    }
}

fn method_label(method: &Method) -> &'static str {
    const KNOWN: [&str; 7] = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"];
    KNOWN.into_iter().find(|known| *known == method.as_str()).unwrap_or("OTHER")
}

/// Figures that are read from the store at the moment they are asked for.
pub(crate) struct Snapshot {
    pub(crate) devices: Vec<(DeviceState, u64)>,
    pub(crate) outbox: OutboxStats,
    pub(crate) now: UtcMs,
}

/// The whole document.
pub(crate) fn render(snapshot: &Snapshot) -> String {
    snapshot.set();
    handle().map(PrometheusHandle::render).unwrap_or_default()
}

impl Snapshot {
    fn set(&self) {
        for state in DeviceState::ALL {
            let found = self.devices.iter().find(|(s, _)| *s == state);
            gauge!(DEVICES, "state" => state.as_str()).set(found.map_or(0, |(_, n)| *n) as f64);
        }
        gauge!(DELIVERIES, "state" => "pending").set(self.outbox.pending as f64);
        gauge!(DELIVERIES, "state" => "dead").set(self.outbox.dead as f64);
        let age = self.outbox.oldest_pending_at.map_or(0.0, |at| self.now.since(at).as_secs_f64());
        gauge!(OLDEST_DELIVERY).set(age);
        if let Some(bytes) = resident_bytes() {
            gauge!(RESIDENT).set(bytes as f64);
        }
    }
}

/// The resident memory of this process, where the kernel tells it.
pub(crate) fn resident_bytes() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|l| l.strip_prefix("VmRSS:"))?;
    let kib: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kib * 1_024)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What a recorder of the test's own holds after two requests, one open stream and a snapshot.
    fn document() -> String {
        let recorder = recorder().unwrap();
        let handle = recorder.handle();
        metrics::with_local_recorder(&recorder, || {
            describe();
            let metrics = Metrics;
            metrics.record(&Method::GET, "/v1/devices/{id}", StatusCode::OK, Duration::from_millis(7));
            metrics.record(&Method::GET, "/v1/devices/{id}", StatusCode::OK, Duration::from_secs(60));
            let _open = metrics.stream();
            drop(metrics.begin());
            let outbox = OutboxStats { pending: 2, dead: 1, oldest_pending_at: Some(UtcMs(1_000)) };
            Snapshot { devices: vec![(DeviceState::Connected, 3)], outbox, now: UtcMs(3_500) }.set();
            handle.render()
        })
    }

    #[test]
    fn every_figure_is_there_under_its_name() {
        let text = document();
        let duration = "portico_http_request_duration_seconds";
        let route = "method=\"GET\",route=\"/v1/devices/{id}\"";
        for line in [
            format!("portico_http_requests_total{{{route},status=\"200\"}} 2"),
            format!("# TYPE {duration} histogram"),
            format!("{duration}_bucket{{{route},le=\"0.005\"}} 0"),
            format!("{duration}_bucket{{{route},le=\"0.01\"}} 1"),
            format!("{duration}_bucket{{{route},le=\"5\"}} 1"),
            format!("{duration}_bucket{{{route},le=\"+Inf\"}} 2"),
            format!("{duration}_count{{{route}}} 2"),
            "portico_http_requests_in_flight 0".to_owned(),
            "portico_event_streams 1".to_owned(),
            "portico_devices{state=\"connected\"} 3".to_owned(),
            "portico_devices{state=\"pairing\"} 0".to_owned(),
            "portico_deliveries{state=\"pending\"} 2".to_owned(),
            "portico_delivery_oldest_pending_seconds 2.5".to_owned(),
            "# HELP portico_devices Devices by state.".to_owned(),
        ] {
            assert!(text.lines().any(|l| l == line), "{line}\n{text}");
        }
        assert!(
            text.contains("process_resident_memory_bytes ") && text.contains("portico_build_info{version="),
            "{text}"
        );
    }

    #[test]
    fn foreign_methods_share_a_label() {
        assert_eq!(method_label(&Method::from_bytes(b"BREW").unwrap()), "OTHER");
        assert_eq!(method_label(&Method::POST), "POST");
    }
}
