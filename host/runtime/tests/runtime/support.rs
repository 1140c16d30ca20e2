//! What the tests share: components, a runtime with a fixed clock, events and requests.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use portico_core::event::{Event, EventKind};
use portico_core::id::{DeviceId, EventId, TenantId};
use portico_core::ports::plugins::{Answer, AnswerBody, Handled, PluginRequest, RequestContent};
use portico_core::ports::{Clock, Rng};
use portico_core::time::UtcMs;
use portico_runtime::{Runtime, RuntimeConfig, Source};
use serde_json::Value;

/// 2026-01-01T00:00:00Z.
pub(crate) const NOW: UtcMs = UtcMs(1_767_225_600_000);

#[derive(Debug)]
struct Fixed;

impl Clock for Fixed {
    fn now(&self) -> UtcMs {
        NOW
    }
}

/// Counts up: every call id differs.
struct Counting(AtomicU64);

impl Rng for Counting {
    fn fill(&self, out: &mut [u8]) {
        let next = self.0.fetch_add(1, Ordering::Relaxed).to_le_bytes();
        out.iter_mut().zip(next.iter().cycle()).for_each(|(o, n)| *o = *n);
    }
}

pub(crate) fn config() -> RuntimeConfig {
    RuntimeConfig::new(Arc::new(Fixed), Arc::new(Counting(AtomicU64::new(1))))
}

/// The component of a crate of this workspace, such as `plugins/pacing`.
pub(crate) fn component(crate_dir: &str) -> PathBuf {
    static BUILT: Mutex<BTreeMap<String, PathBuf>> = Mutex::new(BTreeMap::new());
    let mut built = BUILT.lock().unwrap_or_else(PoisonError::into_inner);
    built.entry(crate_dir.to_owned()).or_insert_with(|| build(crate_dir)).clone()
}

fn build(crate_dir: &str) -> PathBuf {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(crate_dir);
    portico_pack::ensure_built(dir).expect("the guest builds")
}

pub(crate) async fn runtime(crate_dir: &str) -> Arc<Runtime> {
    runtime_with(config(), crate_dir).await
}

pub(crate) async fn runtime_with(config: RuntimeConfig, crate_dir: &str) -> Arc<Runtime> {
    Runtime::start(config, vec![Source::file(component(crate_dir))]).await.expect("a runtime")
}

pub(crate) fn tenant() -> TenantId {
    TenantId::new(NOW.0, 1)
}

pub(crate) fn device() -> DeviceId {
    DeviceId::new(NOW.0, 2)
}

pub(crate) fn event(kind: EventKind, data: Value) -> Event {
    Event {
        id: EventId::new(NOW.0, 3),
        seq: 7,
        kind,
        tenant: tenant(),
        device: Some(device()),
        lane: "lane".into(),
        timestamp: NOW,
        data,
    }
}

/// A request of a stranger for the route of that number.
pub(crate) fn request(route: usize, path: &str, body: Option<&Value>) -> PluginRequest {
    PluginRequest {
        route,
        params: Vec::new(),
        path: path.into(),
        query: Vec::new(),
        headers: Vec::new(),
        content: RequestContent::Bytes(body.map(|b| b.to_string().into_bytes()).unwrap_or_default()),
        caller: None,
        peer: None,
    }
}

/// The answer, and its body as text.
pub(crate) fn answered(handled: Handled) -> (Answer, String) {
    let Handled::Answer(answer) = handled else { panic!("it passed the request on") };
    let AnswerBody::Bytes(body) = answer.body.clone() else { panic!("the body is elsewhere") };
    (answer, String::from_utf8(body).expect("text"))
}
