//! The gateway's own plugins, called as the gateway calls them.

use std::time::{Duration, Instant};

use metrics_exporter_prometheus::PrometheusBuilder;
use portico_core::address::ChatKind;
use portico_core::event::EventKind;
use portico_core::ports::Plugins;
use portico_core::ports::plugins::Subscription;
use portico_core::ports::plugins::{Decision, Formatted, PaceDevice, PaceQuery};
use portico_runtime::{Runtime, Source};
use serde_json::{Value, json};

use crate::support::{component, config, device, event, runtime, runtime_with, tenant};

#[tokio::test]
async fn the_default_format_is_the_events_public_json() {
    let runtime = runtime("plugins/webhook-format").await;
    let event = event(EventKind::MessageReceived, json!({ "text": "hi" }));
    let formatted = runtime
        .format("webhook-format", None, &Subscription::plain(&tenant()), std::slice::from_ref(&event))
        .await
        .expect("formatted");
    let [Formatted::Send(parts)] = formatted.answers.as_slice() else { panic!("one body") };
    let body: Value = serde_json::from_slice(&parts.body).expect("JSON");
    assert_eq!(body, serde_json::to_value(&event).expect("JSON"));
}

#[tokio::test]
async fn long_batches_are_cut_and_answered_in_order() {
    let recorder = PrometheusBuilder::new().build_recorder();
    let _counting = metrics::set_default_local_recorder(&recorder);
    let runtime = runtime("plugins/webhook-format").await;
    let events: Vec<_> = (0..250).map(|i| event(EventKind::MessageReceived, json!({ "i": i }))).collect();
    let formatted = runtime
        .format("webhook-format", None, &Subscription::plain(&tenant()), &events)
        .await
        .expect("formatted")
        .answers;
    for (i, formatted) in formatted.iter().enumerate() {
        let Formatted::Send(parts) = formatted else { panic!("a body") };
        let body: Value = serde_json::from_slice(&parts.body).expect("JSON");
        assert_eq!(body["data"]["i"], i);
    }
    assert_eq!(formatted.len(), events.len());
    let text = recorder.handle().render();
    let labels = "{plugin=\"webhook-format\",hook=\"webhook-format\",outcome=\"ok\"}";
    assert!(text.lines().any(|line| line == format!("portico_plugin_calls_total{labels} 3")), "{text}");
}

#[tokio::test]
async fn pacing_answers_every_query() {
    let runtime = runtime("plugins/pacing").await;
    let query = PaceQuery {
        id: "msg_1".into(),
        chat_kind: ChatKind::Direct,
        first_contact: false,
        kind: "text".into(),
        characters: 3,
        waited: Duration::ZERO,
    };
    let state = PaceDevice { age_days: 1, queued: 150, since_last_send: None };
    let decisions = runtime.pace(&tenant(), &device(), state, vec![query; 150]).await.expect("paced");
    assert_eq!(decisions, vec![Decision::Go { delay: Duration::ZERO }; 150]);
}

#[tokio::test]
async fn a_second_start_takes_the_machine_code_from_the_cache() {
    let dir = tempfile::tempdir().expect("a folder");
    let cached = || {
        let mut config = config();
        config.cache_dir = Some(dir.path().to_owned());
        config
    };
    let source = Source::file(component("plugins/webhook-format"));
    runtime_with(cached(), "plugins/webhook-format").await;
    let engines: Vec<_> = std::fs::read_dir(dir.path().join("compiled")).expect("a cache").collect();
    assert_eq!(engines.len(), 1);
    let mut again = cached();
    // A compiler that can't work proves that it is not asked.
    again.compiler = portico_runtime::Compiler::Child { program: "/nonexistent".into(), args: Vec::new() };
    let runtime = Runtime::start(again, vec![source.clone()]).await.expect("a runtime");
    assert!(runtime.format("webhook-format", None, &Subscription::plain(&tenant()), &[]).await.is_ok());
}

/// Not a benchmark either: how long loading takes when the machine code is in the cache, as the least of several starts.
#[tokio::test]
async fn loading_from_the_cache_takes_no_time() {
    let dir = tempfile::tempdir().expect("a folder");
    let source = Source::file(component("plugins/webhook-format"));
    let mut best = [Duration::MAX; 2];
    for _ in 0..6 {
        for (best, sources) in best.iter_mut().zip([Vec::new(), vec![source.clone()]]) {
            let mut config = config();
            config.cache_dir = Some(dir.path().to_owned());
            let start = Instant::now();
            Runtime::start(config, sources).await.expect("a runtime");
            *best = start.elapsed().min(*best);
        }
    }
    let loading = best[1].saturating_sub(best[0]);
    println!("start without a plugin: {:?}; loading a cached one on top: {loading:?}", best[0]);
    assert!(loading < Duration::from_millis(100), "{loading:?}");
}

/// Not a benchmark: prints what a call costs, for the curious (`--nocapture`), and fails only on an absurd figure.
#[tokio::test]
async fn a_call_costs_microseconds() {
    let runtime = runtime("plugins/webhook-format").await;
    let events = [event(EventKind::MessageReceived, json!({ "text": "x".repeat(1_000) }))];
    let tenant = tenant();
    let mut times = Vec::new();
    for _ in 0..500 {
        let start = Instant::now();
        runtime.format("webhook-format", None, &Subscription::plain(&tenant), &events).await.expect("formatted");
        times.push(start.elapsed());
    }
    times.sort();
    println!("one format call: min {:?}, median {:?}, p99 {:?}", times[0], times[250], times[495]);
    assert!(times[250] < Duration::from_millis(20), "median {:?}", times[250]);
}
