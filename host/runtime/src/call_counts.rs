//! Counts calls of plugins by how they ended, as figures of the process.

use std::time::Duration;

use metrics::{counter, gauge};
use portico_core::ports::plugins::{Hook, Outcome};
use serde::Serialize;

/// Counts one call; an outcome of `None` means that it ended well. Plugins, hooks and outcomes are closed sets, so that the number
/// of figures is bounded.
pub(crate) fn record(plugin: &str, hook: Hook, outcome: Option<Outcome>, took: Duration) {
    let outcome = outcome.map_or_else(|| "ok".to_owned(), |outcome| name_of(&outcome));
    let labels = [("plugin", plugin.to_owned()), ("hook", hook.as_str().to_owned()), ("outcome", outcome)];
    counter!("portico_plugin_calls_total", &labels).increment(1);
    // The facade's counters are whole numbers, and a call takes microseconds. A gauge that only grows serves as well.
    gauge!("portico_plugin_seconds_total", &labels).increment(took.as_secs_f64());
}

/// Tells how much memory the largest call of a hook had so far.
pub(crate) fn memory(plugin: &str, hook: Hook, bytes: usize) {
    let labels = [("plugin", plugin.to_owned()), ("hook", hook.as_str().to_owned())];
    // Limits on memory are far below what a float tells exactly.
    gauge!("portico_plugin_memory_bytes_max", &labels).set(bytes as f64);
}

/// The name an enum has in JSON.
fn name_of(value: &impl Serialize) -> String {
    let json = serde_json::to_value(value).unwrap_or_default();
    json.as_str().unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use metrics_exporter_prometheus::PrometheusBuilder;

    use super::*;

    #[test]
    fn calls_are_counted_by_outcome_with_the_time_they_took() {
        let recorder = PrometheusBuilder::new().build_recorder();
        let text = metrics::with_local_recorder(&recorder, || {
            record("pac\"ing", Hook::Pacing, Some(Outcome::BadAnswer), Duration::from_millis(250));
            record("pac\"ing", Hook::Pacing, Some(Outcome::BadAnswer), Duration::from_millis(250));
            record("format", Hook::WebhookFormat, None, Duration::from_millis(1));
            recorder.handle().render()
        });
        let labels = "{plugin=\"pac\\\"ing\",hook=\"pacing\",outcome=\"bad-answer\"}";
        for line in [
            format!("portico_plugin_calls_total{labels} 2"),
            format!("portico_plugin_seconds_total{labels} 0.5"),
            "portico_plugin_calls_total{plugin=\"format\",hook=\"webhook-format\",outcome=\"ok\"} 1".to_owned(),
        ] {
            assert!(text.lines().any(|l| l == line), "{line}\n{text}");
        }
    }
}
