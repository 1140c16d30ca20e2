//! One plugin for many: versions, settings, grants, values and places of one tenant are not those of another.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use portico_core::access::Caller;
use portico_core::directory::Directory;
use portico_core::event::{Event, EventKind};
use portico_core::id::{DeviceId, EnablementId, TenantId};
use portico_core::plugin::{Audience, Enablement, Grant, OnFailure, PluginOffer, Switch};
use portico_core::ports::Plugins;
use portico_core::ports::plugins::Subscription;
use portico_core::ports::plugins::{
    Formatted, Handled, Identified, KvScope, KvValue, Outcome, PluginFailure, PluginKv, PluginRequest, PluginResponse,
    Rest, RestRequest,
};
use portico_core::time::UtcMs;
use portico_runtime::{Runtime, Source};
use serde_json::{Value, json};
use tokio::sync::{Notify, Semaphore};

use crate::hostile::{caller, pace};
use crate::support::{NOW, answered, component, config, device, event, request, tenant};

fn row(plugin: &str, tenant: &TenantId, device: Option<DeviceId>, state: Switch, settings: &Value) -> Enablement {
    Enablement {
        id: EnablementId::new(NOW.0, 1),
        tenant: tenant.clone(),
        plugin: plugin.to_owned(),
        device,
        state,
        settings: settings.as_object().cloned().unwrap_or_default(),
        secret_names: Vec::new(),
        sealed_secrets: None,
        grants: None,
        position: 0,
        on_failure: None,
        revision: 1,
        changed_at: UtcMs(0),
    }
}

fn offer(plugin: &str, digest: &str) -> PluginOffer {
    PluginOffer {
        plugin: plugin.to_owned(),
        digest: digest.to_owned(),
        previous_digest: None,
        grants_max: None,
        audience: Audience::Everybody,
        default_state: Switch::On,
        public_routes: None,
        revision: 1,
        changed_at: UtcMs(0),
    }
}

fn of_tenant(directory: &Directory, tenant: &TenantId, rows: Vec<Enablement>) {
    directory.set_tenant(directory.ticket(), tenant, rows);
}

async fn hostile() -> (Arc<Runtime>, Arc<Directory>) {
    let config = config();
    let directory = Arc::clone(&config.directory);
    let runtime = Runtime::start(config, vec![Source::file(component("tests/plugins/hostile"))]).await;
    (runtime.expect("a runtime"), directory)
}

async fn told(runtime: &Runtime, tenant: &TenantId, event: &Event) -> Result<String, PluginFailure> {
    let formatted = runtime.format("hostile", None, &Subscription::plain(tenant), std::slice::from_ref(event)).await?;
    let [Formatted::Send(parts)] = formatted.answers.as_slice() else { panic!("one body") };
    Ok(serde_json::from_slice(&parts.body).expect("a text"))
}

#[tokio::test]
async fn each_device_has_its_settings_and_off_is_off_at_once() {
    let (runtime, directory) = hostile().await;
    let (here, there) = (tenant(), TenantId::new(NOW.0, 9));
    let asks = event(EventKind::MessageReceived, json!({ "do": "tell-settings" }));
    let elsewhere = Event { device: Some(DeviceId::new(NOW.0, 8)), ..asks.clone() };
    of_tenant(
        &directory,
        &here,
        vec![
            row("hostile", &here, None, Switch::On, &json!({ "a": 1, "b": 1 })),
            row("hostile", &here, Some(device()), Switch::On, &json!({ "b": 2 })),
        ],
    );
    assert_eq!(told(&runtime, &here, &asks).await.expect("formatted"), r#"{"a":1,"b":2}"#);
    assert_eq!(told(&runtime, &here, &elsewhere).await.expect("formatted"), r#"{"a":1,"b":1}"#);
    let both = runtime
        .format("hostile", None, &Subscription::plain(&here), &[asks.clone(), elsewhere.clone(), asks.clone()])
        .await;
    assert_eq!(both.expect("formatted").answers.len(), 3, "events of several devices in one call");
    assert_eq!(told(&runtime, &there, &asks).await.expect("formatted"), "{}");

    of_tenant(&directory, &here, vec![row("hostile", &here, Some(device()), Switch::Off, &json!({}))]);
    assert_eq!(told(&runtime, &here, &asks).await.expect_err("off").outcome, Outcome::Missing);
    assert!(told(&runtime, &here, &elsewhere).await.is_ok(), "off for one device only");
    of_tenant(&directory, &here, vec![row("hostile", &here, None, Switch::Off, &json!({}))]);
    assert_eq!(told(&runtime, &here, &elsewhere).await.expect_err("off").outcome, Outcome::Missing);
    assert!(told(&runtime, &there, &asks).await.is_ok(), "off for one tenant only");
    let asked =
        |tenant: &TenantId| PluginRequest { caller: Some(caller(tenant.clone())), ..request(0, "/hello", None) };
    let passed = runtime.handle("hostile", asked(&here)).await.expect("no failure");
    assert!(matches!(passed, Handled::Pass), "as if it were not there");
    assert!(matches!(runtime.handle("hostile", asked(&there)).await, Ok(Handled::Answer(_))));
}

#[tokio::test]
async fn a_tenant_says_whether_messages_wait_for_a_plugin_that_fails() {
    let (runtime, directory) = hostile().await;
    let here = tenant();
    let with = |on_failure| Enablement { on_failure, ..row("hostile", &here, None, Switch::On, &json!({})) };
    of_tenant(&directory, &here, vec![with(None)]);
    assert_eq!(pace(&runtime, "panic").await.expect_err("it waits").outcome, Outcome::Trap);
    of_tenant(&directory, &here, vec![with(Some(OnFailure::GoOn))]);
    assert!(pace(&runtime, "panic").await.is_ok(), "it goes on without the plugin");
    of_tenant(&directory, &here, vec![with(Some(OnFailure::Wait))]);
    assert_eq!(pace(&runtime, "panic").await.expect_err("it waits").outcome, Outcome::Trap);
}

/// Values in memory.
#[derive(Default)]
struct Values(Mutex<HashMap<(String, String), KvValue>>);

impl Values {
    fn place(scope: &KvScope, key: &str) -> (String, String) {
        (format!("{}/{}/{:?}", scope.tenant, scope.plugin, scope.device), key.to_owned())
    }
}

#[async_trait]
impl PluginKv for Values {
    async fn get(&self, scope: &KvScope, key: &str) -> portico_core::Result<Option<KvValue>> {
        Ok(self.0.lock().expect("no panic").get(&Self::place(scope, key)).cloned())
    }

    async fn set(
        &self,
        scope: &KvScope,
        key: &str,
        value: Vec<u8>,
        expect: Option<u32>,
        _: Option<Duration>,
    ) -> portico_core::Result<u32> {
        let mut values = self.0.lock().expect("no panic");
        let version = values.get(&Self::place(scope, key)).map_or(0, |kept| kept.version);
        assert_eq!(expect, Some(version));
        values.insert(Self::place(scope, key), KvValue { value, version: version + 1 });
        Ok(version + 1)
    }

    async fn delete(&self, _: &KvScope, _: &str) -> portico_core::Result<bool> {
        Ok(false)
    }

    async fn list(&self, _: &KvScope, _: &str, _: &str, _: u32) -> portico_core::Result<Vec<String>> {
        Ok(Vec::new())
    }
}

async fn handled(runtime: &Runtime, caller: Option<Caller>, path: &str) -> String {
    let asked = PluginRequest { caller, ..request(0, path, None) };
    let (_, body) = answered(runtime.handle("hostile", asked).await.expect("an answer"));
    serde_json::from_str(&body).expect("a text")
}

#[tokio::test]
async fn values_belong_to_a_tenant_and_need_the_grant() {
    let mut config = config();
    config.kv = Some(Arc::new(Values::default()));
    let directory = Arc::clone(&config.directory);
    let runtime = Runtime::start(config, vec![Source::file(component("tests/plugins/hostile"))]).await;
    let runtime = runtime.expect("a runtime");
    let (here, there) = (tenant(), TenantId::new(NOW.0, 9));
    assert_eq!(handled(&runtime, Some(caller(here.clone())), "/kv").await, "1 at version 1");
    assert_eq!(handled(&runtime, Some(caller(here.clone())), "/kv").await, "2 at version 2");
    assert_eq!(handled(&runtime, Some(caller(there.clone())), "/kv").await, "1 at version 1");
    assert!(handled(&runtime, None, "/kv").await.contains("Denied"), "strangers are of no tenant");
    assert!(handled(&runtime, Some(caller(here.clone())), "/kv-often").await.contains("TooLarge"));
    let pure = told(&runtime, &here, &event(EventKind::MessageReceived, json!({ "do": "kv" }))).await;
    assert!(pure.expect("formatted").contains("Denied"), "a pure hook asks for nothing");

    let without = Enablement { grants: Some(vec![Grant::Rest]), ..row("hostile", &here, None, Switch::On, &json!({})) };
    of_tenant(&directory, &here, vec![without]);
    assert!(handled(&runtime, Some(caller(here)), "/kv").await.contains("Denied"));
    assert_eq!(handled(&runtime, Some(caller(there)), "/kv").await, "2 at version 2");
}

#[tokio::test]
async fn a_delivery_is_shaped_again_by_the_version_that_was_first() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut config = config();
    config.cache_dir = Some(folder.path().to_owned());
    let directory = Arc::clone(&config.directory);
    let runtime = Runtime::start(config, vec![Source::file(component("plugins/webhook-format"))]).await;
    let runtime = runtime.expect("a runtime");
    let old = runtime.list()[0].digest.clone();
    let mut bytes = std::fs::read(component("plugins/webhook-format")).expect("a component");
    // A custom section makes it another version that behaves alike.
    portico_pack::component::add_section(&mut bytes, "remark", b"another build");
    let package = runtime.install(bytes).await.expect("installed");
    assert_ne!(package.info.digest, old);
    directory.know(Arc::clone(&package));
    directory.set_offers(directory.ticket(), &[offer("webhook-format", &package.info.digest)]);
    let events = [event(EventKind::MessageReceived, json!({}))];
    let by = async |digest: Option<&str>| {
        let shaped = runtime.format("webhook-format", digest, &Subscription::plain(&tenant()), &events).await;
        shaped.expect("formatted").digest.to_string()
    };
    assert_eq!(by(None).await, package.info.digest);
    assert_eq!(by(Some(&old)).await, old, "it is loaded from what is kept");
    let off = Enablement { plugin: "webhook-format".to_owned(), ..row("", &tenant(), None, Switch::Off, &json!({})) };
    of_tenant(&directory, &tenant(), vec![off]);
    assert_eq!(by(Some(&old)).await, old, "although the plugin is off by now");
    assert_eq!(by(Some(&package.info.digest)).await, package.info.digest);
    of_tenant(&directory, &tenant(), Vec::new());
    runtime.forget(&old).await;
    assert_eq!(by(Some(&old)).await, package.info.digest, "what is not kept any more is shaped by the current one");
}

/// A REST core that answers when it is told to.
struct Slow {
    asked: Semaphore,
    answer: Notify,
}

#[async_trait]
impl Rest for Slow {
    async fn call(&self, _: Option<Caller>, _: RestRequest) -> PluginResponse {
        let answered = self.answer.notified();
        self.asked.add_permits(1);
        answered.await;
        PluginResponse { status: 200, headers: Vec::new(), body: Vec::new() }
    }

    async fn identify(&self, _: &str, _: Option<IpAddr>) -> Identified {
        Identified::Unknown
    }
}

#[tokio::test]
async fn calls_that_wait_for_the_host_keep_nobody_from_running() {
    let mut config = config();
    // One tenant runs one call at once.
    config.limits.http_handler.at_once = 4;
    config.limits.http_handler.waiting_max = 64;
    config.limits.instances_max = 64;
    let runtime = Runtime::start(config, vec![Source::file(component("tests/plugins/hostile"))]).await;
    let runtime = runtime.expect("a runtime");
    let slow = Arc::new(Slow { asked: Semaphore::new(0), answer: Notify::new() });
    runtime.set_rest(Arc::clone(&slow) as Arc<dyn Rest>);
    let mut waiting = Vec::new();
    for _ in 0..16 {
        let runtime = Arc::clone(&runtime);
        let caller = caller(tenant());
        waiting.push(tokio::spawn(async move { handled(&runtime, Some(caller), "/rest").await }));
    }
    let all = tokio::time::timeout(Duration::from_secs(20), slow.asked.acquire_many(16)).await;
    all.expect("a waiting call gives its place back").expect("open").forget();
    let seventeenth = handled(&runtime, Some(caller(TenantId::new(NOW.0, 9))), "/hello");
    let served = tokio::time::timeout(Duration::from_secs(20), seventeenth).await;
    assert_eq!(served.expect("others are served"), "known");
    slow.answer.notify_waiters();
    for call in waiting {
        assert!(call.await.expect("no panic").contains("status: 200"));
    }
}
