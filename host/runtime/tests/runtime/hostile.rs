//! Guests that trap, hang, eat and lie: each ends in its outcome, in time, and disturbs nobody.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use portico_core::access::{AccessKey, Caller};
use portico_core::address::ChatKind;
use portico_core::event::EventKind;
use portico_core::id::{KeyId, TenantId};
use portico_core::ports::Plugins;
use portico_core::ports::plugins::Subscription;
use portico_core::ports::plugins::{
    Formatted, Identified, Outcome, PaceDevice, PaceQuery, PluginFailure, PluginRequest, PluginResponse, Rest,
    RestRequest, SocketAnswer, SocketCall, SocketHappening,
};
use portico_runtime::{Runtime, Source};
use serde_json::json;

use crate::support::{NOW, answered, component, config, device, event, request, runtime, runtime_with, tenant};

/// Longer than any limit below, with room for a busy machine.
const IN_TIME: Duration = Duration::from_secs(10);

async fn format(runtime: &Runtime, misdeed: &str) -> Result<Vec<Formatted>, PluginFailure> {
    let events = [event(EventKind::MessageReceived, json!({ "do": misdeed }))];
    let (tenant, events) = (tenant(), &events);
    let to = Subscription::plain(&tenant);
    let formatted = tokio::time::timeout(IN_TIME, runtime.format("hostile", None, &to, events));
    Ok(formatted.await.expect("in time")?.answers)
}

pub(crate) async fn pace(runtime: &Runtime, misdeed: &str) -> Result<(), PluginFailure> {
    let query = PaceQuery {
        id: "msg_1".into(),
        chat_kind: ChatKind::Direct,
        first_contact: false,
        kind: misdeed.into(),
        characters: 1,
        waited: Duration::ZERO,
    };
    let state = PaceDevice { age_days: 0, queued: 1, since_last_send: None };
    let (tenant, device) = (tenant(), device());
    let paced = runtime.pace(&tenant, &device, state, vec![query]);
    tokio::time::timeout(IN_TIME, paced).await.expect("in time").map(drop)
}

async fn handle(runtime: &Runtime, misdeed: &str) -> Result<String, PluginFailure> {
    let handled = runtime.handle("hostile", request(0, &format!("/{misdeed}"), None));
    let handled = tokio::time::timeout(IN_TIME, handled).await.expect("in time")?;
    Ok(answered(handled).1)
}

async fn socket(runtime: &Runtime, what: SocketHappening) -> Result<SocketAnswer, PluginFailure> {
    let key = AccessKey {
        id: KeyId::new(NOW.0, 1),
        number: 1,
        tenant: tenant(),
        device: None,
        name: "its".into(),
        scopes: Vec::new(),
        created_at: NOW,
        expires_at: None,
        revoked_at: None,
        sealed_secret: None,
    };
    let call = SocketCall { caller: Caller::of(key), peer: None, what };
    tokio::time::timeout(IN_TIME, runtime.socket("hostile", call)).await.expect("in time")
}

#[tokio::test]
async fn misdeeds_on_a_socket_end_in_their_outcomes() {
    let said = |message: &str| SocketHappening::Received { state: "\"\"".into(), message: message.into() };
    for (misdeed, outcome) in [
        ("panic", Outcome::Trap),
        ("loop", Outcome::Cpu),
        ("eat", Outcome::Memory),
        ("huge-frames", Outcome::Memory),
        ("fat-state", Outcome::BadAnswer),
        ("flood-frames", Outcome::BadAnswer),
        ("huge-frame", Outcome::BadAnswer),
        ("bug", Outcome::Internal),
    ] {
        // Each misdeed has a runtime, and so a breaker, for itself.
        let runtime = patient_runtime().await;
        assert_eq!(socket(&runtime, said(misdeed)).await.expect_err(misdeed).outcome, outcome, "{misdeed}");
        let SocketAnswer::Reply(reply) = socket(&runtime, said("good")).await.expect("the next call is served") else {
            panic!("it passed")
        };
        assert_eq!((reply.frames, reply.state.as_str()), (vec!["\"good\"".to_owned()], "\"\""));
    }
    let runtime = patient_runtime().await;
    let info = runtime.list();
    assert_eq!((info[0].sockets.len(), info[0].sockets[0].path.as_str()), (1, "/hostile"));
    let foreign = SocketHappening::Received { state: "{\"not\": \"its own\"}".into(), message: "good".into() };
    assert_eq!(socket(&runtime, foreign).await.expect_err("a state of another shape").outcome, Outcome::InvalidInput);
}

/// With so much wall-clock time that on a busy machine, too, the limit on CPU time comes first.
async fn patient_runtime() -> Arc<Runtime> {
    let mut config = config();
    config.limits.webhook_format.wall = IN_TIME / 3;
    config.limits.pacing.wall = IN_TIME / 3;
    config.limits.dialect_socket.wall = IN_TIME / 3;
    runtime_with(config, "tests/plugins/hostile").await
}

#[tokio::test]
async fn every_misdeed_ends_in_its_outcome() {
    for (misdeed, outcome) in [
        ("panic", Outcome::Trap),
        ("recurse", Outcome::Trap),
        ("loop", Outcome::Cpu),
        ("eat", Outcome::Memory),
        ("huge", Outcome::CopyLimit),
        ("too-big", Outcome::BadAnswer),
        ("too-few", Outcome::BadAnswer),
        ("too-many", Outcome::BadAnswer),
        ("split-header", Outcome::BadAnswer),
        ("forge", Outcome::BadAnswer),
        ("bug", Outcome::Internal),
        ("settings", Outcome::Config),
    ] {
        let runtime = patient_runtime().await;
        let failure = format(&runtime, misdeed).await.expect_err(misdeed);
        assert_eq!(failure.outcome, outcome, "{misdeed}: {}", failure.detail);
        assert!(format(&runtime, "behave").await.is_ok(), "a call after {misdeed}");
    }
}

#[tokio::test]
async fn a_log_flood_is_cut_and_harms_nothing() {
    let runtime = runtime("tests/plugins/hostile").await;
    assert!(format(&runtime, "flood").await.is_ok());
}

#[tokio::test]
async fn pacing_and_requests_end_as_well() {
    let runtime = patient_runtime().await;
    assert_eq!(pace(&runtime, "loop").await.expect_err("no answer").outcome, Outcome::Cpu);
    assert_eq!(pace(&runtime, "forever").await.expect_err("no answer").outcome, Outcome::BadAnswer);
    assert!(pace(&runtime, "text").await.is_ok());
    assert_eq!(handle(&runtime, "panic").await.expect_err("no answer").outcome, Outcome::Trap);
    assert_eq!(handle(&runtime, "status").await.expect_err("no answer").outcome, Outcome::BadAnswer);
    assert_eq!(handle(&runtime, "split-header").await.expect_err("no answer").outcome, Outcome::BadAnswer);
    assert_eq!(handle(&runtime, "hello").await.expect("an answer"), "\"nobody\"");
}

/// On one worker thread: guests that loop have to step aside for everybody else.
#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn others_are_served_while_a_guest_loops() {
    let hostile = Source::file(component("tests/plugins/hostile"));
    let good = Source::file(component("plugins/webhook-format"));
    let mut config = config();
    config.limits.webhook_format.cpu = Duration::from_secs(30);
    config.limits.webhook_format.wall = Duration::from_secs(1);
    let runtime = Runtime::start(config, vec![hostile, good]).await.expect("a runtime");
    let looping = Arc::clone(&runtime);
    let looping = tokio::spawn(async move { format(&looping, "loop").await });
    let events = [event(EventKind::MessageReceived, json!({}))];
    let started = Instant::now();
    let mut served = 0;
    while !looping.is_finished() {
        runtime.format("webhook-format", None, &Subscription::plain(&tenant()), &events).await.expect("served");
        served += 1;
        tokio::task::yield_now().await;
    }
    let failure = looping.await.expect("no panic").expect_err("no answer");
    assert_eq!(failure.outcome, Outcome::Wall, "{}", failure.detail);
    assert!(started.elapsed() < IN_TIME && served >= 10, "{served} calls in {:?}", started.elapsed());
}

#[tokio::test]
async fn a_plugin_that_keeps_failing_is_left_alone() {
    let runtime = runtime("tests/plugins/hostile").await;
    for _ in 0..5 {
        assert_eq!(format(&runtime, "panic").await.expect_err("a trap").outcome, Outcome::Trap);
    }
    let failure = format(&runtime, "behave").await.expect_err("left alone");
    assert_eq!(failure.outcome, Outcome::Breaker);
    assert!(pace(&runtime, "text").await.is_ok(), "its other hooks are not concerned");
    for _ in 0..3 {
        assert_eq!(pace(&runtime, "panic").await.expect_err("a trap").outcome, Outcome::Trap);
    }
    assert_eq!(pace(&runtime, "text").await.expect_err("left alone").outcome, Outcome::Breaker);
}

#[tokio::test]
async fn a_tenant_whose_events_make_it_fail_mutes_it_for_nobody_else() {
    let runtime = runtime("tests/plugins/hostile").await;
    for _ in 0..5 {
        assert_eq!(format(&runtime, "panic").await.expect_err("a trap").outcome, Outcome::Trap);
        assert_eq!(handle(&runtime, "panic").await.expect_err("no answer").outcome, Outcome::Trap);
    }
    assert_eq!(format(&runtime, "behave").await.expect_err("left alone").outcome, Outcome::Breaker);
    assert_eq!(handle(&runtime, "hello").await.expect_err("left alone").outcome, Outcome::Breaker);
    let other = TenantId::new(NOW.0, 9);
    let events = [event(EventKind::MessageReceived, json!({ "do": "behave" }))];
    assert!(
        runtime.format("hostile", None, &Subscription::plain(&other), &events).await.is_ok(),
        "another tenant's webhooks"
    );
    let request = PluginRequest { caller: Some(caller(other)), ..request(0, "/hello", None) };
    assert!(runtime.handle("hostile", request).await.is_ok(), "what visitors without a key did");
}

pub(crate) fn caller(tenant: TenantId) -> Caller {
    Caller::of(AccessKey {
        id: KeyId::new(NOW.0, 4),
        number: 1,
        device: None,
        tenant,
        name: "test".into(),
        scopes: Vec::new(),
        created_at: NOW,
        expires_at: None,
        revoked_at: None,
        sealed_secret: None,
    })
}

#[tokio::test]
async fn settings_that_can_not_work_do_not_open_the_breaker() {
    let runtime = runtime("tests/plugins/hostile").await;
    for _ in 0..10 {
        assert_eq!(format(&runtime, "settings").await.expect_err("a no").outcome, Outcome::Config);
    }
}

#[tokio::test]
async fn too_many_calls_at_once_are_refused_not_queued() {
    let mut config = config();
    config.limits.webhook_format.at_once = 1;
    config.limits.webhook_format.waiting_max = 1;
    let hostile = Source::file(component("tests/plugins/hostile"));
    let runtime = Runtime::start(config, vec![hostile]).await.expect("a runtime");
    let outcomes = futures_of(&runtime, 3).await;
    assert!(outcomes.contains(&Some(Outcome::Busy)), "{outcomes:?}");
}

async fn futures_of(runtime: &Runtime, calls: usize) -> Vec<Option<Outcome>> {
    let (a, b, c) = tokio::join!(format(runtime, "loop"), format(runtime, "behave"), format(runtime, "behave"));
    [a, b, c].into_iter().take(calls).map(|r| r.err().map(|f| f.outcome)).collect()
}

struct OneDevice;

#[async_trait]
impl Rest for OneDevice {
    async fn call(&self, caller: Option<Caller>, request: RestRequest) -> PluginResponse {
        assert!(caller.is_none(), "nobody's credentials may turn into somebody's");
        PluginResponse { status: 200, headers: Vec::new(), body: request.path.into_bytes() }
    }

    async fn identify(&self, key: &str, _: Option<IpAddr>) -> Identified {
        assert_eq!(key, "portico_guessed");
        Identified::Unknown
    }
}

#[tokio::test]
async fn the_rest_core_is_reached_for_the_caller_being_served_only() {
    let runtime = runtime("tests/plugins/hostile").await;
    assert!(handle(&runtime, "rest").await.expect("an answer").contains("Unavailable"));
    runtime.set_rest(Arc::new(OneDevice));
    assert!(handle(&runtime, "rest").await.expect("an answer").contains("status: 200"));
    assert!(handle(&runtime, "rest-outside").await.expect("an answer").contains("Invalid"));
    assert!(handle(&runtime, "rest-often").await.expect("an answer").contains("TooLarge"));
    assert!(handle(&runtime, "assume").await.expect("an answer").contains("Unknown"), "a guessed key opens nothing");
    let formatted = format(&runtime, "rest").await.expect("formatted");
    let [Formatted::Send(parts)] = formatted.as_slice() else { panic!("a body") };
    assert!(String::from_utf8_lossy(&parts.body).contains("Denied"), "a webhook has no caller");
}
