//! Databases for tests, each its own, and rows to put into them.
//!
//! Postgres tests need `PORTICO_TEST_POSTGRES` and fail without it: a store that was tried on one database only is not
//! tested.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use portico_core::address::Party;
use portico_core::device::{Device, DeviceState, Wanted};
use portico_core::event::{Event, EventKind, NewEvent};
use portico_core::id::{DeviceId, EventId, MessageId, TenantId, WebhookId};
use portico_core::message::{Content, Direction, Message, MessageStatus, StatusTimes};
use portico_core::page::PageRequest;
use portico_core::ports::store::{Store, Tx};
use portico_core::time::UtcMs;
use portico_core::webhook::{EventFilter, Webhook, WebhookState};
use sqlx::postgres::PgConnectOptions;
use sqlx::{AssertSqlSafe, ConnectOptions, Connection, Executor, PgConnection};

use crate::{Db, StoreConfig};

/// The start of every test: 2026-01-01.
pub(crate) const START: i64 = 1_767_225_600_000;

/// Which database a test runs on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Sqlite,
    Postgres,
}

/// One test's database.
#[derive(Clone)]
pub(crate) struct Fixture {
    pub(crate) kind: Kind,
    pub(crate) db: Db,
    pub(crate) config: StoreConfig,
    tick: Arc<AtomicI64>,
}

/// Runs a test on a fresh database and removes the database, whatever comes of the test.
pub(crate) async fn with_db<F>(kind: Kind, test: impl FnOnce(Fixture) -> F)
where
    F: Future<Output = ()> + Send + 'static,
{
    let home = Home::new(kind).await;
    let config = StoreConfig::at(home.url());
    let db = Db::open(&config).await.expect("a fresh database opens");
    let fixture = Fixture { kind, db: db.clone(), config, tick: Arc::default() };
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
    PageRequest { limit, before: None }
}

impl Fixture {
    /// A later moment with every call.
    pub(crate) fn now(&self) -> UtcMs {
        UtcMs(START + self.tick.fetch_add(1, Ordering::Relaxed))
    }

    pub(crate) async fn write(&self) -> Box<dyn Tx> {
        self.db.write().await.unwrap()
    }

    pub(crate) async fn read(&self) -> Box<dyn Tx> {
        self.db.read().await.unwrap()
    }

    /// The id of a tenant that is not stored.
    pub(crate) fn tenant_unstored(&self) -> TenantId {
        TenantId::new(self.now().0, rand::random())
    }

    /// Runs one statement past the port.
    pub(crate) async fn execute(&self, sql: &str) {
        let sql = AssertSqlSafe(sql.to_owned());
        match &*self.db.side {
            crate::db::Side::Sqlite { writer, .. } => {
                let mut turn = writer.turn_for_one().await.unwrap();
                turn.connection().execute(sql).await.unwrap();
                turn.commit().await.unwrap();
            }
            crate::db::Side::Postgres { pool, .. } => drop(pool.execute(sql).await.unwrap()),
        }
    }

    /// Asks for one number past the port.
    pub(crate) async fn number(&self, sql: &str) -> i64 {
        let sql = AssertSqlSafe(sql.to_owned());
        match &*self.db.side {
            crate::db::Side::Sqlite { readers, .. } => sqlx::query_scalar(sql).fetch_one(readers).await.unwrap(),
            crate::db::Side::Postgres { pool, .. } => sqlx::query_scalar(sql).fetch_one(pool).await.unwrap(),
        }
    }

    pub(crate) async fn tenant(&self, name: &str) -> TenantId {
        let at = self.now();
        let id = TenantId::new(at.0, rand::random());
        let mut tx = self.write().await;
        tx.tenant_insert(&id, name, at).await.unwrap();
        tx.commit().await.unwrap();
        id
    }

    pub(crate) async fn device(&self, tenant: &TenantId) -> Device {
        let at = self.now();
        let device = Device {
            id: DeviceId::new(at.0, rand::random()),
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
            created_at: at,
        };
        let mut tx = self.write().await;
        tx.device_insert(&device).await.unwrap();
        tx.commit().await.unwrap();
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
        }
    }

    pub(crate) async fn stored(&self, message: &Message) {
        let mut tx = self.write().await;
        assert_eq!(tx.message_insert(std::slice::from_ref(message)).await.unwrap().len(), 1);
        tx.commit().await.unwrap();
    }

    /// A subscription; `events` as in the API.
    pub(crate) async fn webhook(&self, tenant: &TenantId, device: Option<&Device>, events: &[&str]) -> Webhook {
        let at = self.now();
        let webhook = Webhook {
            id: WebhookId::new(at.0, rand::random()),
            tenant: tenant.clone(),
            device: device.map(|d| d.id.clone()),
            url: "https://hooks.example.com/portico".to_owned(),
            events: events.iter().map(|e| EventFilter::parse(e).unwrap()).collect(),
            headers: BTreeMap::from([("X-Shop".to_owned(), "1".to_owned())]),
            format: "webhook-format".to_owned(),
            state: WebhookState::Enabled,
            reason: None,
            failing_since: None,
            created_at: at,
            sealed_secret: vec![0, 1, 2, 255],
        };
        let mut tx = self.write().await;
        tx.webhook_insert(&webhook).await.unwrap();
        tx.commit().await.unwrap();
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

    pub(crate) async fn raised(&self, event: &NewEvent) -> Event {
        let mut tx = self.write().await;
        let mut events = tx.event_raise(std::slice::from_ref(event)).await.unwrap();
        tx.commit().await.unwrap();
        events.pop().expect("the event is new")
    }
}
