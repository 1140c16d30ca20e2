//! The Prometheus text format, version 0.0.4, written by hand: names, help, labels and values, nothing more.

use std::fmt::{Display, Write};

use portico_core::device::DeviceState;
use portico_core::ports::plugins::CallCount;
use portico_core::ports::store::OutboxStats;
use portico_core::time::UtcMs;
use serde::Serialize;

use super::{BUCKETS_MS, Metrics};

/// The content type of the format.
pub(crate) const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// What is shown beside the recorder's own figures.
pub(crate) struct Snapshot {
    pub(crate) devices: Vec<(DeviceState, u64)>,
    pub(crate) outbox: OutboxStats,
    pub(crate) plugin_calls: Vec<CallCount>,
    pub(crate) rss_bytes: Option<u64>,
    pub(crate) now: UtcMs,
}

/// A document under construction.
#[derive(Default)]
struct Page(String);

impl Page {
    fn family(&mut self, name: &str, kind: &str, help: &str) {
        // Writing to a String can't fail.
        let _ = writeln!(self.0, "# HELP {name} {help}\n# TYPE {name} {kind}");
    }

    fn sample(&mut self, name: &str, labels: &[(&str, &str)], value: impl Display) {
        self.0.push_str(name);
        for (i, (label, text)) in labels.iter().enumerate() {
            let open = if i == 0 { '{' } else { ',' };
            let _ = write!(self.0, "{open}{label}=\"{}\"", escaped(text));
        }
        let close = if labels.is_empty() { "" } else { "}" };
        let _ = writeln!(self.0, "{close} {value}");
    }

    fn single(&mut self, name: &str, kind: &str, help: &str, value: impl Display) {
        self.family(name, kind, help);
        self.sample(name, &[], value);
    }
}

fn escaped(text: &str) -> String {
    text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

/// The whole document.
pub(crate) fn write(metrics: &Metrics, snapshot: &Snapshot) -> String {
    let mut page = Page::default();
    requests(&mut page, metrics);
    page.single("portico_http_requests_in_flight", "gauge", "Requests under way.", metrics.in_flight());
    page.single("portico_event_streams", "gauge", "Open event streams.", metrics.streams());
    devices(&mut page, snapshot);
    outbox(&mut page, snapshot);
    plugins(&mut page, &snapshot.plugin_calls);
    if let Some(rss) = snapshot.rss_bytes {
        page.single("process_resident_memory_bytes", "gauge", "Resident memory size in bytes.", rss);
    }
    let version = env!("CARGO_PKG_VERSION");
    page.family("portico_build_info", "gauge", "The running version.");
    page.sample("portico_build_info", &[("version", version)], 1);
    page.0
}

fn requests(page: &mut Page, metrics: &Metrics) {
    let recorded = metrics.recorded();
    let name = "portico_http_requests_total";
    page.family(name, "counter", "Requests answered.");
    for ((method, route, status), count) in &recorded.requests {
        let status = status.to_string();
        page.sample(name, &[("method", method), ("route", route), ("status", &status)], count);
    }
    let name = "portico_http_request_duration_seconds";
    page.family(name, "histogram", "Time until an answer began.");
    for ((method, route), latency) in &recorded.latency {
        let bucket = format!("{name}_bucket");
        let mut below = 0;
        for (bound, count) in BUCKETS_MS.iter().zip(latency.buckets) {
            below += count;
            let le = seconds_text(*bound);
            page.sample(&bucket, &[("method", method), ("route", route), ("le", &le)], below);
        }
        let labels = [("method", *method), ("route", route), ("le", "+Inf")];
        page.sample(&bucket, &labels, latency.count);
        let labels = [("method", *method), ("route", route.as_str())];
        page.sample(&format!("{name}_sum"), &labels, latency.total.as_secs_f64());
        page.sample(&format!("{name}_count"), &labels, latency.count);
    }
}

/// Milliseconds as seconds without trailing zeros, as bucket bounds are written.
fn seconds_text(ms: u64) -> String {
    (ms as f64 / 1_000.0).to_string()
}

fn devices(page: &mut Page, snapshot: &Snapshot) {
    page.family("portico_devices", "gauge", "Devices by state.");
    for state in DeviceState::ALL {
        let found = snapshot.devices.iter().find(|(s, _)| *s == state);
        page.sample("portico_devices", &[("state", state.as_str())], found.map_or(0, |(_, n)| *n));
    }
}

fn outbox(page: &mut Page, snapshot: &Snapshot) {
    let outbox = snapshot.outbox;
    page.family("portico_deliveries", "gauge", "Webhook deliveries not done with.");
    page.sample("portico_deliveries", &[("state", "pending")], outbox.pending);
    page.sample("portico_deliveries", &[("state", "dead")], outbox.dead);
    let age = outbox.oldest_pending_at.map_or(0.0, |at| snapshot.now.since(at).as_secs_f64());
    page.single(
        "portico_delivery_oldest_pending_seconds",
        "gauge",
        "Age of the oldest delivery that waits; 0 when none does.",
        age,
    );
}

fn plugins(page: &mut Page, calls: &[CallCount]) {
    let outcome = |call: &CallCount| call.outcome.map_or_else(|| "ok".to_owned(), |o| name_of(&o));
    let name = "portico_plugin_calls_total";
    page.family(name, "counter", "Calls of plugins by outcome.");
    for call in calls {
        let labels = [("plugin", call.plugin.as_str()), ("hook", call.hook.as_str()), ("outcome", &outcome(call))];
        page.sample(name, &labels, call.count);
    }
    let name = "portico_plugin_seconds_total";
    page.family(name, "counter", "Time spent in plugins.");
    for call in calls {
        let labels = [("plugin", call.plugin.as_str()), ("hook", call.hook.as_str()), ("outcome", &outcome(call))];
        page.sample(name, &labels, call.total.as_secs_f64());
    }
}

/// The name an enum has in JSON, as a label.
fn name_of(value: &impl Serialize) -> String {
    let json = serde_json::to_value(value).unwrap_or_default();
    json.as_str().unwrap_or_default().to_owned()
}

/// The resident memory of this process, where the kernel tells it.
pub(crate) fn rss_bytes() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|l| l.strip_prefix("VmRSS:"))?;
    let kib: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kib * 1_024)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use axum::http::{Method, StatusCode};
    use portico_core::ports::plugins::{Hook, Outcome};

    use super::*;

    fn document() -> String {
        let metrics = Metrics::default();
        let took = Duration::from_millis(7);
        metrics.record(&Method::GET, "/v1/devices/{id}", StatusCode::OK, took);
        metrics.record(&Method::GET, "/v1/devices/{id}", StatusCode::OK, Duration::from_secs(60));
        let snapshot = Snapshot {
            devices: vec![(DeviceState::Connected, 3)],
            outbox: OutboxStats { pending: 2, dead: 1, oldest_pending_at: Some(UtcMs(1_000)) },
            plugin_calls: vec![CallCount {
                plugin: "pac\"ing".to_owned(),
                hook: Hook::Pacing,
                outcome: Some(Outcome::BadAnswer),
                count: 4,
                total: took,
            }],
            rss_bytes: rss_bytes(),
            now: UtcMs(3_500),
        };
        write(&metrics, &snapshot)
    }

    #[test]
    fn every_line_is_a_comment_or_a_sample_of_an_announced_family() {
        let text = document();
        let mut families = Vec::new();
        for line in text.lines() {
            if let Some(rest) = line.strip_prefix("# TYPE ") {
                families.push(rest.split(' ').next().unwrap().to_owned());
            }
            if line.starts_with('#') {
                continue;
            }
            let (series, value) = line.rsplit_once(' ').unwrap();
            assert!(value.parse::<f64>().is_ok(), "{line}");
            let name = series.split('{').next().unwrap();
            assert!(families.iter().any(|f| name.starts_with(f.as_str())), "{line}");
            assert_eq!(series.contains('{'), series.ends_with('}'), "{line}");
        }
        assert!(text.ends_with('\n'));
    }

    #[test]
    fn buckets_cumulate_and_end_with_the_count() {
        let text = document();
        let bucket = |le: &str| {
            let start = "portico_http_request_duration_seconds_bucket{method=\"GET\",route=\"/v1/devices/{id}\",le=";
            let line = text.lines().find(|l| l.starts_with(&format!("{start}\"{le}\"")));
            line.unwrap().rsplit_once(' ').unwrap().1.to_owned()
        };
        assert_eq!(
            (bucket("0.005"), bucket("0.01"), bucket("5"), bucket("+Inf")),
            ("0".into(), "1".into(), "1".into(), "2".into())
        );
    }

    #[test]
    fn figures_of_the_gateway_are_there() {
        let text = document();
        for line in [
            "portico_devices{state=\"connected\"} 3",
            "portico_devices{state=\"pairing\"} 0",
            "portico_deliveries{state=\"pending\"} 2",
            "portico_delivery_oldest_pending_seconds 2.5",
            "portico_plugin_calls_total{plugin=\"pac\\\"ing\",hook=\"pacing\",outcome=\"bad-answer\"} 4",
        ] {
            assert!(text.lines().any(|l| l == line), "{line}\n{text}");
        }
    }
}
