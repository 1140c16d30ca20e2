//! A database: opening it, its transactions, its health.
//!
//! A transaction is a closure that runs on a database thread. SQLite has one thread that writes and some that read, each with
//! a connection of its own; Postgres has a pool of connections, and threads of the runtime that may wait. Invariant: on SQLite
//! everything that writes goes through the one writing thread ([`writer`]), so it never fails half-way because somebody else
//! was faster.

mod look;
mod postgres;
mod queue;
mod readers;
mod space;
mod sqlite;
mod subscriptions;
mod transaction;
pub(crate) mod writer;

use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use portico_core::access::AccessKey;
use portico_core::access::secret::KeyHash;
use portico_core::device::Device;
use portico_core::error::{Error, Result};
use portico_core::id::{DeviceId, TenantId};
use portico_core::ports::store::{AccessTx, DeviceTx, Store, Work};
use sqlx::PgPool;

use crate::cache::Caches;
use crate::config::{StoreConfig, Target};
use crate::error::{LockLost, OpenError};
pub use look::{Integrity, Look, Sealed};
use postgres::lock::Lock;
pub(crate) use queue::Task;
use readers::Readers;
use space::Space;
pub(crate) use transaction::{DbTx, Mode};
use writer::Writer;

statements! {
    CHECK = "SELECT COUNT(*) FROM (SELECT id FROM tenants LIMIT 1) AS first";
    /// See `space`. Postgres keeps the name in an index, which takes short ones only; there the new row alone needs space.
    PROBE_ADD =
        "INSERT INTO tenants (id, name, event_seq, created_ms) VALUES ('probe', hex(zeroblob(32768)), 0, 0)",
        "INSERT INTO tenants (id, name, event_seq, created_ms) VALUES ('probe', 'probe', 0, 0)";
    PROBE_REMOVE = "DELETE FROM tenants WHERE id = 'probe'";
    STEPS_DONE = "SELECT version FROM _sqlx_migrations ORDER BY version";
    /// The newest, because it tells which master key was used last.
    SEALED_SECRET = "SELECT id, sealed_secret FROM webhooks ORDER BY id DESC LIMIT 1";
    SEALED_RECORD =
        "SELECT device_id, kind, id, value FROM key_records ORDER BY device_id DESC, kind DESC, id DESC LIMIT 1";
}

/// Statements each connection keeps prepared. More than the crate has, widths included, so that none is prepared twice.
const STATEMENTS_CACHED: usize = 512;

/// An open database. Cheap to clone; all clones are one.
#[derive(Clone)]
pub struct Db {
    pub(crate) side: Arc<Side>,
    pub(crate) caches: Arc<Caches>,
    pub(crate) space: Arc<Space>,
}

/// Which database it is, with what belongs to it.
pub(crate) enum Side {
    /// A file.
    Sqlite { readers: Readers, writer: Writer },
    /// A server.
    Postgres {
        pool: PgPool,
        /// Keeps a second gateway off.
        lock: Box<Lock>,
    },
}

/// Whether what is to be done consists of one statement. On Postgres it then needs no transaction around it, which saves two
/// trips to the server.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Extent {
    /// One statement, which is done whole or not at all by itself.
    Statement,
    /// Any number.
    Transaction,
}

impl Db {
    /// Opens a database and brings its tables up to date.
    ///
    /// An SQLite file is made when it is missing, and private to its user. Either database is locked against a second
    /// gateway first. Must be called within a Tokio runtime.
    pub async fn open(config: &StoreConfig) -> Result<Self, OpenError> {
        let caches = Arc::new(Caches::new(config.keys_cached, config.devices_cached));
        let side = match config.check()? {
            Target::Sqlite(path) => {
                let (config, path, caches) = (config.clone(), path.to_owned(), Arc::clone(&caches));
                waiting(move || sqlite::open(&config, &path, caches)).await?
            }
            Target::Postgres(url) => postgres::open(config, url).await?,
        };
        Ok(Self { side: Arc::new(side), caches, space: Arc::default() })
    }

    /// Looks at a database as it is, also while a gateway runs on it. Nothing is made, migrated or locked.
    pub async fn look(config: &StoreConfig) -> Result<Look, OpenError> {
        match config.check()? {
            Target::Sqlite(path) => {
                let (config, path) = (config.clone(), path.to_owned());
                waiting(move || sqlite::look(&config, &path)).await
            }
            Target::Postgres(url) => postgres::look(config, url).await,
        }
    }

    /// Watches that no second gateway can open the database, and ends when that can't be kept up: this one must end then.
    ///
    /// On SQLite it never ends, because the operating system keeps the lock as long as the process lives. End it before
    /// [`Self::close`].
    pub async fn watch(&self) -> LockLost {
        match &*self.side {
            Side::Sqlite { .. } => std::future::pending().await,
            Side::Postgres { lock, .. } => lock.watch(postgres::lock::CHECK_EVERY, postgres::lock::GRACE).await,
        }
    }

    /// Ends all connections once their work is done, for all clones. SQLite's log is folded into the file, and another
    /// gateway may open it.
    pub async fn close(&self) {
        match &*self.side {
            Side::Sqlite { readers, writer } => {
                readers.close().await;
                writer.close().await;
            }
            Side::Postgres { pool, lock } => {
                pool.close().await;
                lock.close().await;
            }
        }
    }

    /// Runs a transaction on a database thread. One that writes is durable when this returns.
    pub(crate) async fn run(&self, mode: Mode, extent: Extent, task: Task) -> Result<()> {
        let outcome = match (&*self.side, mode) {
            (Side::Sqlite { readers, .. }, Mode::Read) => readers.run(task).await,
            (Side::Sqlite { writer, .. }, Mode::Write) => writer.run(task).await,
            (Side::Postgres { pool, .. }, _) => postgres::run(pool, mode, extent, task, Arc::clone(&self.caches)).await,
        };
        self.space.note(&outcome);
        outcome
    }

    /// Runs a transaction on a database thread and gives its result.
    pub(crate) async fn with<T: Send + 'static>(
        &self,
        mode: Mode,
        extent: Extent,
        work: impl FnOnce(&mut DbTx<'_>) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let result = Arc::new(Mutex::new(None));
        let slot = Arc::clone(&result);
        let task = move |tx: &mut DbTx<'_>| {
            let value = work(tx)?;
            *slot.lock().unwrap_or_else(PoisonError::into_inner) = Some(value);
            Ok(())
        };
        self.run(mode, extent, Box::new(task)).await?;
        let value = result.lock().unwrap_or_else(PoisonError::into_inner).take();
        value.ok_or_else(|| Error::internal("reading the result of a transaction", "it gave none"))
    }
}

/// Runs what waits for the disk on a thread that may wait.
async fn waiting<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, OpenError> + Send + 'static,
) -> Result<T, OpenError> {
    tokio::task::spawn_blocking(work).await.unwrap_or_else(|panicked| Err(OpenError::Unreachable(panicked.into())))
}

#[async_trait]
impl Store for Db {
    async fn read_with(&self, work: Work) -> Result<()> {
        self.run(Mode::Read, Extent::Transaction, Box::new(move |tx| work(tx))).await
    }

    async fn write_with(&self, work: Work) -> Result<()> {
        self.run(Mode::Write, Extent::Transaction, Box::new(move |tx| work(tx))).await
    }

    async fn key(&self, hash: &KeyHash) -> Result<Option<AccessKey>> {
        if let Some(key) = self.caches.keys.get(&hash.0) {
            return Ok(Some(key));
        }
        let (began, hash) = (self.caches.keys.generation(), *hash);
        let key = self.with(Mode::Read, Extent::Statement, move |tx| tx.key_find_by_hash(&hash)).await?;
        // That a key is unknown is not kept: whoever tries keys would push out those that exist.
        if let Some(key) = &key {
            self.caches.keys.put(began, hash.0, key.clone());
        }
        Ok(key)
    }

    async fn device(&self, tenant: &TenantId, id: &DeviceId) -> Result<Option<Device>> {
        if let Some(device) = self.caches.devices.get(id) {
            return Ok((device.tenant == *tenant).then_some(device));
        }
        let began = self.caches.devices.generation();
        let (tenant, wanted) = (tenant.clone(), id.clone());
        let device = self.with(Mode::Read, Extent::Statement, move |tx| tx.device_find(&tenant, &wanted)).await?;
        if let Some(device) = &device {
            self.caches.devices.put(began, id.clone(), device.clone());
        }
        Ok(device)
    }

    async fn check(&self) -> Result<()> {
        self.with(Mode::Read, Extent::Statement, |tx| rows!(tx.conn(), (i64,), CHECK, [], fetch_one)).await?;
        self.check_space().await
    }
}
