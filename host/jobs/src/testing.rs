//! Nouns and ports for the tests of this crate. No store: what needs rows is tested through the whole gateway.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use portico_core::access::AccessKey;
use portico_core::access::secret::KeyHash;
use portico_core::address::Party;
use portico_core::context::MonotonicUlid;
use portico_core::context::outcome::Outcomes;
use portico_core::context::queue_length::QueueLengths;
use portico_core::device::{Device, DeviceState, Refs, Settings, Wanted};
use portico_core::event::{Event, EventKind};
use portico_core::id::{DeliveryId, DeviceId, EventId, MessageId, TenantId, WebhookId};
use portico_core::limits::Limits;
use portico_core::live::LiveEvents;
use portico_core::message::{Content, Direction, Message, MessageContext, MessageState, MessageStatus, StatusTimes};
use portico_core::ports::outbound::{Fetched, OutboundError, OutboundRequest, OutboundResponse};
use portico_core::ports::plugins::{
    Answer, Decision, Formatted, FormattedBatch, Handled, Outcome, PaceDevice, PaceQuery, Package, Parts,
    PluginFailure, PluginInfo, PluginRequest, Refusal, SocketAnswer, SocketCall, Subscription,
};
use portico_core::ports::store::{AttemptResult, Work};
use portico_core::ports::{Clock, Outbound, Plugins, Rng, Store};
use portico_core::seal::Sealer;
use portico_core::testing::{ComputeHere, FakeWhatsApp, NoBlobs};
use portico_core::throttle::Throttle;
use portico_core::time::UtcMs;
use portico_core::webhook::{
    DEFAULT_FORMAT, DeliveryState, EventFilter, SealedFormatData, SealedHeaders, SecretForm, Webhook, WebhookState,
};
use portico_core::{Error, Ports, Result, Services};

use crate::waker::LocalWaker;

pub(crate) fn tenant() -> TenantId {
    TenantId::new(1, 1)
}

pub(crate) fn device() -> Device {
    Device {
        id: DeviceId::new(1, 1),
        number: 1,
        tenant: tenant(),
        name: "sales".into(),
        state: DeviceState::Connected,
        reason: None,
        state_since: UtcMs(0),
        deadline: None,
        wanted: Wanted::Running,
        jid: None,
        lid: None,
        push_name: None,
        refs: Refs::default(),
        settings: Settings::default(),
        created_at: UtcMs(0),
    }
}

pub(crate) fn message(n: u128, chat: &str) -> Message {
    Message {
        id: MessageId::new(1, n),
        tenant: tenant(),
        device: DeviceId::new(1, 1),
        direction: Direction::Out,
        chat: Party::single(format!("{chat}@g.us")),
        sender: None,
        sender_name: None,
        whatsapp_id: format!("3EB0{n}"),
        content: Content::Text { text: "hi".into() },
        status: MessageStatus::Queued,
        error: None,
        created_at: UtcMs(0),
        timestamp: UtcMs(0),
        times: StatusTimes::default(),
        context: MessageContext::default(),
        state: MessageState::default(),
    }
}

pub(crate) fn webhook(n: u128) -> Webhook {
    Webhook {
        id: WebhookId::new(1, n),
        number: 1,
        tenant: tenant(),
        device: None,
        url: "https://hook.example/in".into(),
        events: EventFilter::parse("*").into_iter().collect(),
        headers: SealedHeaders::default(),
        format: DEFAULT_FORMAT.into(),
        format_data: SealedFormatData::default(),
        state: WebhookState::Enabled,
        reason: None,
        failing_since: None,
        created_at: UtcMs(0),
        sealed_secret: Vec::new(),
        secret_form: SecretForm::Whsec,
    }
}

pub(crate) fn event(seq: i64) -> Event {
    Event {
        id: EventId::of_fact(&["test", &seq.to_string()]),
        seq,
        kind: EventKind::MessageReceived,
        tenant: tenant(),
        device: Some(DeviceId::new(1, 1)),
        lane: "chat".into(),
        timestamp: UtcMs(0),
        data: serde_json::json!({ "content": "hi" }),
    }
}

pub(crate) fn attempt_result(at: UtcMs) -> AttemptResult {
    AttemptResult {
        delivery: DeliveryId::new(1, 1),
        attempt: None,
        state: DeliveryState::Delivered,
        due: None,
        at,
        shaped_by: None,
    }
}

/// Formats everything well, but for what it is told.
#[derive(Default)]
pub(crate) struct FakePlugins {
    pub(crate) fail_on_seq: Option<(i64, Outcome)>,
    pub(crate) skip_seq: Option<i64>,
    pub(crate) calls: AtomicU32,
}

impl FakePlugins {
    pub(crate) fn calls_made(&self) -> u32 {
        self.calls.load(Ordering::SeqCst)
    }
}

#[async_trait]
impl Plugins for FakePlugins {
    fn list(&self) -> Arc<[PluginInfo]> {
        Arc::new([])
    }

    async fn install(&self, _: Vec<u8>) -> Result<Arc<Package>> {
        nothing()
    }

    async fn load(&self, _: &str) -> Result<Arc<Package>> {
        nothing()
    }

    async fn forget(&self, _: &str) {}

    async fn format(
        &self,
        plugin: &str,
        digest: Option<&str>,
        _: &Subscription,
        events: &[Event],
    ) -> Result<FormattedBatch, PluginFailure> {
        self.calls.fetch_add(1, Ordering::SeqCst);
        if let Some((seq, outcome)) = self.fail_on_seq
            && events.iter().any(|e| e.seq == seq)
        {
            return Err(PluginFailure { plugin: plugin.into(), outcome, detail: "as told".into() });
        }
        let parts = || Parts {
            method: "POST".into(),
            headers: Vec::new(),
            content_type: "application/json".into(),
            body: b"{}".to_vec(),
            signing: Vec::new(),
        };
        let answer = |e: &Event| match self.skip_seq {
            Some(seq) if seq == e.seq => Formatted::Skip("as told".into()),
            _ => Formatted::Send(parts()),
        };
        let answers = events.iter().map(answer).collect();
        Ok(FormattedBatch { digest: digest.unwrap_or("current").into(), answers })
    }

    async fn pace(
        &self,
        _: &TenantId,
        _: &DeviceId,
        _: PaceDevice,
        queries: Vec<PaceQuery>,
    ) -> Result<Vec<Decision>, PluginFailure> {
        Ok(queries.iter().map(|_| Decision::Go { delay: Duration::ZERO }).collect())
    }

    async fn handle(&self, plugin: &str, _: PluginRequest) -> Result<Handled, PluginFailure> {
        Err(PluginFailure { plugin: plugin.into(), outcome: Outcome::Missing, detail: String::new() })
    }

    async fn refuse(&self, plugin: &str, _: Refusal) -> Result<Answer, PluginFailure> {
        Err(PluginFailure { plugin: plugin.into(), outcome: Outcome::Missing, detail: String::new() })
    }

    async fn socket(&self, plugin: &str, _: SocketCall) -> Result<SocketAnswer, PluginFailure> {
        Err(PluginFailure { plugin: plugin.into(), outcome: Outcome::Missing, detail: String::new() })
    }
}

/// A port behind which there is nothing.
#[derive(Debug)]
struct Nothing;

fn nothing<T>() -> Result<T> {
    Err(Error::unavailable("the port", "this test has none"))
}

#[async_trait]
impl Store for Nothing {
    async fn read_with(&self, _: Work) -> Result<()> {
        nothing()
    }

    async fn write_with(&self, _: Work) -> Result<()> {
        nothing()
    }

    async fn key(&self, _: &KeyHash) -> Result<Option<AccessKey>> {
        nothing()
    }

    async fn device(&self, _: &TenantId, _: &DeviceId) -> Result<Option<Device>> {
        nothing()
    }

    async fn check(&self) -> Result<()> {
        nothing()
    }
}

impl Clock for Nothing {
    fn now(&self) -> UtcMs {
        UtcMs(1_767_225_600_000)
    }
}

impl Rng for Nothing {
    fn fill(&self, out: &mut [u8]) {
        out.fill(7);
    }
}

#[async_trait]
impl Outbound for Nothing {
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

/// A gateway whose store never answers.
pub(crate) fn services() -> Arc<Services> {
    let ports = Ports {
        store: Arc::new(Nothing),
        clock: Arc::new(Nothing),
        rng: Arc::new(Nothing),
        waker: Arc::new(LocalWaker::new()),
        compute: Arc::new(ComputeHere),
        throttle: Throttle::default(),
        sealer: Sealer::new(&[7; 32], Arc::new(Nothing)),
        limits: Limits::default(),
        ulids: MonotonicUlid::default(),
        queue_lengths: QueueLengths::default(),
        directory: Arc::default(),
        outcomes: Outcomes::default(),
        live: LiveEvents::default(),
    };
    Arc::new(Services {
        ports: Arc::new(ports),
        sessions: Arc::new(FakeWhatsApp::unreachable()),
        plugins: Arc::new(FakePlugins::default()),
        outbound: Arc::new(Nothing),
        blobs: Arc::new(NoBlobs),
    })
}
