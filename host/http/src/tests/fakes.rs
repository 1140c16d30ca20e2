//! A gateway whose database is down and whose only plugin is a dialect that tells what it saw.

use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use portico_core::access::secret::KeyHash;
use portico_core::access::{AccessKey, Caller, Scope};
use portico_core::context::MonotonicUlid;
use portico_core::context::outcome::Outcomes;
use portico_core::context::queue_length::QueueLengths;
use portico_core::device::Device;
use portico_core::event::Event;
use portico_core::id::{DeviceId, KeyId, TenantId};
use portico_core::limits::Limits;
use portico_core::live::LiveEvents;
use portico_core::ports::outbound::{Fetched, OutboundError, OutboundRequest, OutboundResponse};
use portico_core::ports::plugins::{
    Answer, AnswerBody, Decision, FormattedBatch, Handled, Hook, Mount, Outcome, PaceDevice, PaceQuery, Package,
    PluginFailure, PluginInfo, PluginRequest, Plugins, Refusal, Route, SocketAnswer, SocketCall, SocketHappening,
    SocketReply, Subscription,
};
use portico_core::ports::store::Work;
use portico_core::ports::{Clock, Outbound, Rng, Store, Topic, Waker};
use portico_core::seal::Sealer;
use portico_core::testing::{ComputeHere, FakeWhatsApp, NoBlobs};
use portico_core::throttle::Throttle;
use portico_core::time::UtcMs;
use portico_core::{Error, Ports, Result, Services};
use serde_json::json;
use tokio::sync::watch;

use crate::{Api, HttpConfig, Live, api};

#[derive(Debug)]
struct Fake;

/// A database that is down, except that it may know keys.
#[derive(Default)]
pub(crate) struct FakeStore {
    keys: Mutex<Vec<([u8; 32], AccessKey)>>,
    knows_keys: bool,
}

impl FakeStore {
    /// Makes every key with this id invalid.
    pub(crate) fn revoke(&self, id: &KeyId) {
        for (_, key) in self.keys.lock().unwrap().iter_mut().filter(|(_, key)| key.id == *id) {
            key.revoked_at = Some(UtcMs(0));
        }
    }
}

fn down<T>() -> Result<T> {
    Err(Error::unavailable("the database", "it is a fake"))
}

#[async_trait]
impl Store for FakeStore {
    async fn read_with(&self, _: Work) -> Result<()> {
        down()
    }

    async fn write_with(&self, _: Work) -> Result<()> {
        down()
    }

    async fn key(&self, hash: &KeyHash) -> Result<Option<AccessKey>> {
        if !self.knows_keys {
            return down();
        }
        let keys = self.keys.lock().unwrap();
        Ok(keys.iter().find(|(known, _)| *known == hash.0).map(|(_, key)| key.clone()))
    }

    async fn device(&self, _: &TenantId, _: &DeviceId) -> Result<Option<Device>> {
        down()
    }

    async fn check(&self) -> Result<()> {
        down()
    }
}

impl Clock for Fake {
    fn now(&self) -> UtcMs {
        UtcMs(1_767_225_600_000)
    }
}

impl Rng for Fake {
    fn fill(&self, out: &mut [u8]) {
        out.fill(7);
    }
}

impl Waker for Fake {
    fn wake(&self, _: Topic) {}
}

#[async_trait]
impl Outbound for Fake {
    fn check_url(&self, _: &str) -> Result<(), OutboundError> {
        Ok(())
    }

    async fn send(&self, _: OutboundRequest) -> Result<OutboundResponse, OutboundError> {
        Err(OutboundError::Dns)
    }

    async fn fetch(&self, _: &str, _: std::time::Duration) -> Result<Fetched, OutboundError> {
        Err(OutboundError::Dns)
    }
}

fn failure(outcome: Outcome) -> PluginFailure {
    PluginFailure { plugin: "dialect-echo".to_owned(), outcome, detail: "a test".to_owned() }
}

#[async_trait]
impl Plugins for Fake {
    fn list(&self) -> Arc<[PluginInfo]> {
        let mount = Mount { name: "echo".to_owned(), root: vec!["/echo".to_owned()], limits: Vec::new() };
        let route = |method: &str| Route {
            method: method.to_owned(),
            path: "/echo/{what}".to_owned(),
            auth: vec![Vec::new(), vec!["x-echo-key".to_owned()]],
            limits: Vec::new(),
            body_bytes_max: None,
            uploads: Vec::new(),
            multipart: false,
            page: false,
        };
        let locked =
            Route { path: "/echo/locked/{what}".to_owned(), auth: vec![vec!["x-echo-key".to_owned()]], ..route("GET") };
        let routes = [route("GET"), route("POST"), locked];
        Arc::new([PluginInfo {
            id: "dialect-echo".to_owned(),
            version: "1.0.0".to_owned(),
            name: "Echo".to_owned(),
            digest: String::new(),
            hooks: vec![Hook::HttpHandler],
            mount: Some(mount),
            routes: routes.into(),
            sockets: Arc::new([]),
            grants: Vec::new(),
        }])
    }

    async fn install(&self, _: Vec<u8>) -> Result<Arc<Package>> {
        down()
    }

    async fn load(&self, _: &str) -> Result<Arc<Package>> {
        down()
    }

    async fn forget(&self, _: &str) {}

    async fn format(
        &self,
        _: &str,
        _: Option<&str>,
        _: &Subscription,
        _: &[Event],
    ) -> Result<FormattedBatch, PluginFailure> {
        Err(failure(Outcome::Missing))
    }

    async fn pace(
        &self,
        _: &TenantId,
        _: &DeviceId,
        _: PaceDevice,
        _: Vec<PaceQuery>,
    ) -> Result<Vec<Decision>, PluginFailure> {
        Err(failure(Outcome::Missing))
    }

    async fn handle(&self, _: &str, request: PluginRequest) -> Result<Handled, PluginFailure> {
        match request.path.as_str() {
            "/echo/trap" => return Err(failure(Outcome::Trap)),
            "/echo/panic" => panic!("on purpose"),
            "/echo/hang" => std::future::pending().await,
            _ => {}
        }
        let seen = json!({ "path": request.path, "query": request.query, "caller": request.caller.is_some() });
        let body = AnswerBody::Bytes(seen.to_string().into_bytes());
        Ok(Handled::Answer(Answer { status: 200, headers: Vec::new(), body }))
    }

    /// Three plugins behind one path: one whose clients subscribe, one that pushes, one that breaks down at events.
    async fn socket(&self, plugin: &str, call: SocketCall) -> Result<SocketAnswer, PluginFailure> {
        let reply = |state: &str, frames: Vec<String>, close: Option<String>| {
            Ok(SocketAnswer::Reply(SocketReply { state: state.to_owned(), frames, close }))
        };
        match (plugin, call.what) {
            (_, SocketHappening::Opened { .. }) => reply("null", vec![format!("{plugin} opened")], None),
            ("dialect-subscribes", SocketHappening::Received { message, .. }) if message == "subscribe" => {
                reply("true", Vec::new(), None)
            }
            ("dialect-subscribes", SocketHappening::Received { message, .. }) if message == "bye" => {
                reply("true", Vec::new(), Some("goodbye".to_owned()))
            }
            (_, SocketHappening::Received { .. }) => Ok(SocketAnswer::Pass),
            ("dialect-breaks", SocketHappening::Events { .. }) => Err(failure(Outcome::Trap)),
            (_, SocketHappening::Events { state, events, .. }) => {
                let speaks = plugin == "dialect-pushes" || state == "true";
                let frames = events.iter().filter(|_| speaks).map(|event| format!("{plugin} {}", event.seq));
                reply(&state, frames.collect(), None)
            }
        }
    }

    /// Has words for some refusals only.
    async fn refuse(&self, _: &str, refusal: Refusal) -> Result<Answer, PluginFailure> {
        if !matches!(refusal.status, 401 | 404 | 405) {
            return Err(failure(Outcome::Trap));
        }
        let body = json!({ "echo": refusal.code, "missing": refusal.missing });
        let body = AnswerBody::Bytes(body.to_string().into_bytes());
        Ok(Answer { status: refusal.status, headers: Vec::new(), body })
    }
}

/// The HTTP side of the fake gateway. It never stops and has no parts beside the store.
pub(crate) fn api_with(config: HttpConfig) -> Api {
    api_over(FakeStore::default(), config).0
}

/// The HTTP side of a gateway that knows these keys by their texts, and its store.
pub(crate) fn api_with_keys(config: HttpConfig, keys: &[(&str, AccessKey)]) -> (Api, Arc<FakeStore>) {
    let keys = keys.iter().map(|(text, key)| (KeyHash::of(text).0, key.clone())).collect();
    api_over(FakeStore { keys: Mutex::new(keys), knows_keys: true }, config)
}

fn api_over(store: FakeStore, config: HttpConfig) -> (Api, Arc<FakeStore>) {
    let store = Arc::new(store);
    let rng: Arc<dyn Rng> = Arc::new(Fake);
    let ports = Ports {
        store: store.clone(),
        clock: Arc::new(Fake),
        sealer: Sealer::new(&[7; 32], Arc::clone(&rng)),
        rng,
        waker: Arc::new(Fake),
        compute: Arc::new(ComputeHere),
        throttle: Throttle::default(),
        limits: Limits::default(),
        ulids: MonotonicUlid::default(),
        queue_lengths: QueueLengths::default(),
        directory: Arc::default(),
        outcomes: Outcomes::default(),
        live: LiveEvents::default(),
    };
    let services = Services {
        ports: Arc::new(ports),
        sessions: Arc::new(FakeWhatsApp::default()),
        plugins: Arc::new(Fake),
        outbound: Arc::new(Fake),
        blobs: Arc::new(NoBlobs),
    };
    let live = Live { events: watch::channel(0).1, stopping: watch::channel(false).1, parts: Arc::new(Vec::new) };
    (api(Arc::new(services), config, live), store)
}

/// A caller that may do everything.
pub(crate) fn caller() -> Caller {
    Caller::of(key(1, &Scope::ALL))
}

/// A key of the one tenant, with these scopes.
pub(crate) fn key(number: u128, scopes: &[Scope]) -> AccessKey {
    AccessKey {
        id: KeyId::new(1, number),
        number: 1,
        device: None,
        tenant: TenantId::new(1, 1),
        name: format!("key {number}"),
        scopes: scopes.to_vec(),
        created_at: UtcMs(0),
        expires_at: None,
        revoked_at: None,
        sealed_secret: None,
    }
}
