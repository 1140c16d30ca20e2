//! Databases for tests, each its own, and rows to put into them.
//!
//! Postgres tests need `PORTICO_TEST_POSTGRES` and fail without it: a store that was tried on one database only is not
//! tested.

use std::borrow::Borrow;
use std::collections::BTreeSet;
use std::sync::atomic::{AtomicI64, Ordering};

use portico_core::Error;
use portico_core::address::Party;
use portico_core::device::{Device, DeviceState, Refs, Settings, Wanted};
use portico_core::event::{Event, EventKind, NewEvent};
use portico_core::id::{DeliveryId, DeviceId, EventId, MessageId, TenantId, WebhookId};
use portico_core::message::{Content, Direction, Message, MessageContext, MessageState, MessageStatus, StatusTimes};
use portico_core::model::number::Numbered;
use portico_core::page::PageRequest;
use portico_core::ports::store::{AccessTx, DeviceTx, EventTx, MessageTx, NewDelivery, OutboxTx, WebhookTx};
use portico_core::time::UtcMs;
use portico_core::webhook::{EventFilter, SealedFormatData, SealedHeaders, SecretForm, Webhook, WebhookState};
use sqlx::postgres::PgConnectOptions;
use sqlx::{AssertSqlSafe, ConnectOptions, Connection, Executor, PgConnection};

use crate::db::{DbTx, Extent, Mode};
use crate::{Db, StoreConfig};

/// The start of every test: 2026-01-01.
pub(crate) const START: i64 = 1_767_225_600_000;

/// Which database a test runs on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Sqlite,
    Postgres,
}

/// Keeps a value until the tests end, so that closures for other threads can refer to it.
pub(crate) fn leak<T>(value: T) -> &'static T {
    Box::leak(Box::new(value))
}

/// One test's database.
pub(crate) struct Fixture {
    pub(crate) kind: Kind,
    pub(crate) db: Db,
    pub(crate) config: StoreConfig,
    tick: AtomicI64,
}

/// Runs a test on a fresh database and removes the database, whatever comes of the test.
pub(crate) async fn with_db<F>(kind: Kind, test: impl FnOnce(&'static Fixture) -> F)
where
    F: Future<Output = ()> + Send + 'static,
{
    let home = Home::new(kind).await;
    let config = StoreConfig::at(home.url());
    let db = Db::open(&config).await.expect("a fresh database opens");
    let fixture = leak(Fixture { kind, db: db.clone(), config, tick: AtomicI64::default() });
    let outcome = tokio::spawn(test(fixture)).await;
    db.close().await;
    home.remove().await;
    if let Err(failed) = outcome {
        std::panic::resume_unwind(failed.into_panic());
    }
}

/// Where a database lives.
pub(crate) enum Home {
    Sqlite(tempfile::TempDir),
    Postgres { server: Box<PgConnectOptions>, name: String },
}

impl Home {
    pub(crate) async fn new(kind: Kind) -> Self {
        match kind {
            Kind::Sqlite => Self::Sqlite(tempfile::tempdir().unwrap()),
            Kind::Postgres => {
                let server = server();
                let name = format!("portico_test_{:016x}", rand::random::<u64>());
                let mut conn = server.connect().await.expect("the test server answers");
                // A locale that does not sort by bytes, as a careless operator may have it.
                let careless =
                    format!("CREATE DATABASE {name} TEMPLATE template0 LOCALE_PROVIDER icu ICU_LOCALE 'en-US'");
                if conn.execute(AssertSqlSafe(careless)).await.is_err() {
                    conn.execute(AssertSqlSafe(format!("CREATE DATABASE {name}"))).await.expect("CREATE DATABASE");
                }
                conn.close().await.unwrap();
                Self::Postgres { server: Box::new(server), name }
            }
        }
    }

    pub(crate) fn url(&self) -> String {
        match self {
            Self::Sqlite(dir) => format!("sqlite:{}", dir.path().join("portico.db").display()),
            Self::Postgres { server, name } => {
                PgConnectOptions::clone(server).database(name).to_url_lossy().to_string()
            }
        }
    }

    pub(crate) async fn remove(self) {
        if let Self::Postgres { server, name } = self {
            let mut conn: PgConnection = server.connect().await.unwrap();
            conn.execute(AssertSqlSafe(format!("DROP DATABASE {name} WITH (FORCE)"))).await.expect("DROP DATABASE");
            conn.close().await.unwrap();
        }
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "tests are told their server by the environment; the crate itself never asks"
)]
fn server() -> PgConnectOptions {
    let url = std::env::var("PORTICO_TEST_POSTGRES").expect(
        "PORTICO_TEST_POSTGRES names no Postgres server; run the tests with `tests/postgres.sh run -- cargo test -p portico-store`",
    );
    url.parse().expect("PORTICO_TEST_POSTGRES is a Postgres URL")
}

/// The first page.
pub(crate) fn page(limit: u32) -> PageRequest {
    PageRequest::first(limit)
}

impl Fixture {
    /// A later moment with every call.
    pub(crate) fn now(&self) -> UtcMs {
        UtcMs(START + self.tick.fetch_add(1, Ordering::Relaxed))
    }

    /// Runs a transaction that writes.
    pub(crate) async fn write<T: Send + 'static>(&self, work: impl FnOnce(&mut DbTx<'_>) -> T + Send + 'static) -> T {
        self.db.with(Mode::Write, Extent::Transaction, |tx| Ok(work(tx))).await.unwrap()
    }

    /// Runs a transaction that reads.
    pub(crate) async fn read<T: Send + 'static>(&self, work: impl FnOnce(&mut DbTx<'_>) -> T + Send + 'static) -> T {
        self.db.with(Mode::Read, Extent::Transaction, |tx| Ok(work(tx))).await.unwrap()
    }

    /// Runs a transaction that writes and undoes it.
    pub(crate) async fn undone<T: Send + 'static>(&self, work: impl FnOnce(&mut DbTx<'_>) -> T + Send + 'static) -> T {
        let (sender, receiver) = std::sync::mpsc::sync_channel(1);
        let task = move |tx: &mut DbTx<'_>| {
            sender.send(work(tx)).expect("the test waits");
            Err::<(), _>(Error::not_found("reason", "to keep it"))
        };
        self.db.with(Mode::Write, Extent::Transaction, task).await.unwrap_err();
        receiver.try_recv().expect("the work came to its end")
    }

    /// The id of a tenant that is not stored.
    pub(crate) fn tenant_unstored(&self) -> TenantId {
        TenantId::new(self.now().0, rand::random())
    }

    /// Runs one statement past the port.
    pub(crate) async fn execute(&self, sql: &str) {
        let sql = sql.to_owned();
        let run = move |tx: &mut DbTx<'_>| {
            tx.subscriptions_changed();
            tx.conn().run_raw(&sql);
        };
        self.write(run).await;
    }

    /// Asks for one number past the port.
    pub(crate) async fn number(&self, sql: &str) -> i64 {
        let sql = sql.to_owned();
        self.read(move |tx| tx.conn().number_raw(&sql)).await
    }

    pub(crate) async fn tenant(&self, name: &'static str) -> &'static TenantId {
        let at = self.now();
        let id = leak(TenantId::new(at.0, rand::random()));
        self.write(move |tx| tx.tenant_insert(id, name, at).unwrap()).await;
        id
    }

    /// The next number of a kind of thing.
    pub(crate) async fn number_of(&self, tenant: &TenantId, kind: Numbered) -> u32 {
        let tenant = tenant.clone();
        self.write(move |tx| tx.number_next(&tenant, kind).unwrap()).await
    }

    pub(crate) async fn device(&self, tenant: &TenantId) -> &'static Device {
        let at = self.now();
        let number = self.number_of(tenant, Numbered::Device).await;
        let device = leak(Device {
            id: DeviceId::new(at.0, rand::random()),
            number,
            tenant: tenant.clone(),
            name: "sales".to_owned(),
            state: DeviceState::Created,
            reason: None,
            state_since: at,
            deadline: None,
            wanted: Wanted::Stopped,
            jid: None,
            lid: None,
            push_name: None,
            refs: Refs::default(),
            settings: Settings::default(),
            created_at: at,
        });
        self.write(move |tx| tx.device_insert(device).unwrap()).await;
        device
    }

    /// A message that is not stored yet.
    pub(crate) fn message(&self, device: &Device, direction: Direction, chat: &str, whatsapp_id: &str) -> Message {
        let at = self.now();
        let status = match direction {
            Direction::In => MessageStatus::Received,
            Direction::Out => MessageStatus::Queued,
        };
        Message {
            id: MessageId::new(at.0, rand::random()),
            tenant: device.tenant.clone(),
            device: device.id.clone(),
            direction,
            chat: Party::single(chat),
            sender: (direction == Direction::In).then(|| Party::single(chat)),
            sender_name: None,
            whatsapp_id: whatsapp_id.to_owned(),
            content: Content::Text { text: "hello".to_owned() },
            status,
            error: None,
            created_at: at,
            timestamp: at,
            times: StatusTimes::default(),
            context: MessageContext::default(),
            state: MessageState::default(),
        }
    }

    pub(crate) async fn stored(&self, message: impl Borrow<Message>) {
        let messages = [message.borrow().clone()];
        assert_eq!(self.write(move |tx| tx.message_insert(&messages).unwrap()).await.len(), 1);
    }

    /// A subscription; `events` as in the API.
    pub(crate) async fn webhook(
        &self,
        tenant: &TenantId,
        device: Option<&Device>,
        events: &[&str],
    ) -> &'static Webhook {
        let at = self.now();
        let number = self.number_of(tenant, Numbered::Webhook).await;
        let webhook = leak(Webhook {
            id: WebhookId::new(at.0, rand::random()),
            number,
            tenant: tenant.clone(),
            device: device.map(|d| d.id.clone()),
            url: "https://hooks.example.com/portico".to_owned(),
            events: events.iter().map(|e| EventFilter::parse(e).unwrap()).collect(),
            headers: SealedHeaders { names: vec!["X-Shop".to_owned()], sealed: vec![3, 0, 255] },
            format: "webhook-format".to_owned(),
            format_data: SealedFormatData(vec![4, 0, 255]),
            state: WebhookState::Enabled,
            reason: None,
            failing_since: None,
            created_at: at,
            sealed_secret: vec![0, 1, 2, 255],
            secret_form: SecretForm::Text,
        });
        self.write(move |tx| tx.webhook_insert(webhook).unwrap()).await;
        webhook
    }

    /// An event that is not stored yet.
    pub(crate) fn event(&self, tenant: &TenantId, device: Option<&Device>, lane: &str) -> NewEvent {
        let at = self.now();
        NewEvent {
            id: EventId::new(at.0, rand::random()),
            tenant: tenant.clone(),
            kind: EventKind::MessageReceived,
            device: device.map(|d| d.id.clone()),
            lane: lane.to_owned(),
            at,
            payload: serde_json::json!({ "text": "a\u{0}b" }),
        }
    }

    /// Stores events as the core raises them: with a delivery for each subscription that wants them.
    pub(crate) async fn raise(&self, events: Vec<NewEvent>) -> Vec<Event> {
        self.write(move |tx| raise(tx, &events)).await
    }

    pub(crate) async fn raised(&self, event: impl Borrow<NewEvent>) -> Event {
        self.raise(vec![event.borrow().clone()]).await.pop().expect("the event is new")
    }
}

/// As the core raises events, in the open transaction.
pub(crate) fn raise(tx: &mut DbTx<'_>, events: &[NewEvent]) -> Vec<Event> {
    let mut raised = Vec::new();
    for alike in events.chunk_by(|a, b| a.tenant == b.tenant && a.device == b.device) {
        let (tenant, device) = (&alike[0].tenant, alike[0].device.as_ref());
        let stored = tx.event_insert(tenant, alike).unwrap();
        let candidates = tx.webhook_candidates(tenant, device).unwrap();
        let mut lanes = BTreeSet::new();
        let mut deliveries = Vec::new();
        for event in &stored {
            for webhook in candidates.iter().filter(|w| w.wants(event.kind, event.device.as_ref())) {
                let is_head = lanes.insert((&webhook.id, &event.lane));
                let id = DeliveryId::new(event.timestamp.0, rand::random());
                deliveries.push(NewDelivery { id, webhook: webhook.id.clone(), event, is_head });
            }
        }
        tx.delivery_insert(tenant, &deliveries).unwrap();
        raised.extend(stored);
    }
    raised
}
