//! A database: opening it, its transactions, its health.
//!
//! SQLite has one connection for writing and some for reading that can't write; Postgres has one pool. Invariant: a
//! transaction that writes holds SQLite's only writing connection from its first moment to its end ([`writer`]), so it never
//! fails half-way because somebody else was faster.

mod look;
mod postgres;
mod sqlite;
pub(crate) mod writer;

use std::sync::Arc;

use async_trait::async_trait;
use portico_core::error::Result;
use portico_core::ports::store::{Store, Tx};
use sqlx::{PgPool, Postgres, Sqlite, SqlitePool, Transaction};

use crate::config::{StoreConfig, Target};
use crate::error::{self, LockLost, OpenError};
use crate::statement::Conn;
pub use look::{Look, Sealed};
use postgres::lock::Lock;
use writer::{Turn, Writer};

statements! {
    CHECK = "SELECT COUNT(*) FROM (SELECT id FROM tenants LIMIT 1) AS first";
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
}

/// Which database it is, with what belongs to it.
pub(crate) enum Side {
    /// A file.
    Sqlite { readers: SqlitePool, writer: Writer },
    /// A server.
    Postgres {
        pool: PgPool,
        /// Keeps a second gateway off.
        lock: Box<Lock>,
    },
}

/// One transaction on either database.
pub(crate) struct DbTx {
    inner: Inner,
    /// What it may do; a reading transaction must not ask for row locks.
    pub(crate) mode: Mode,
}

/// What a transaction may do.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mode {
    Read,
    Write,
}

enum Inner {
    SqliteRead(Transaction<'static, Sqlite>),
    SqliteWrite(Turn),
    Postgres(Transaction<'static, Postgres>),
}

impl Db {
    /// Opens a database and brings its tables up to date.
    ///
    /// An SQLite file is made when it is missing, and private to its user. Either database is locked against a second
    /// gateway first. Must be called within a Tokio runtime.
    pub async fn open(config: &StoreConfig) -> Result<Self, OpenError> {
        let side = match config.check()? {
            Target::Sqlite(path) => sqlite::open(config, path).await?,
            Target::Postgres(url) => postgres::open(config, url).await?,
        };
        Ok(Self { side: Arc::new(side) })
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

    async fn begin(&self, mode: Mode) -> Result<DbTx> {
        let begun = match (&*self.side, mode) {
            (Side::Sqlite { readers, .. }, Mode::Read) => readers.begin().await.map(Inner::SqliteRead),
            (Side::Sqlite { writer, .. }, Mode::Write) => writer.turn().await.map(Inner::SqliteWrite),
            (Side::Postgres { pool, .. }, Mode::Read) => pool.begin_with("BEGIN READ ONLY").await.map(Inner::Postgres),
            (Side::Postgres { pool, .. }, Mode::Write) => pool.begin().await.map(Inner::Postgres),
        };
        let inner = begun.map_err(|e| error::of("beginning a transaction", e.into()))?;
        Ok(DbTx { inner, mode })
    }
}

#[async_trait]
impl Store for Db {
    async fn read(&self) -> Result<Box<dyn Tx>> {
        Ok(Box::new(self.begin(Mode::Read).await?))
    }

    async fn write(&self) -> Result<Box<dyn Tx>> {
        Ok(Box::new(self.begin(Mode::Write).await?))
    }

    async fn check(&self) -> Result<()> {
        let mut tx = self.begin(Mode::Read).await?;
        rows!(tx.conn(), (i64,), CHECK, [], fetch_one)?;
        Ok(())
    }
}

impl DbTx {
    /// The connection, for one statement.
    pub(crate) fn conn(&mut self) -> Conn<'_> {
        match &mut self.inner {
            Inner::SqliteRead(tx) => Conn::Sqlite(tx),
            Inner::SqliteWrite(turn) => Conn::Sqlite(turn.connection()),
            Inner::Postgres(tx) => Conn::Postgres(tx),
        }
    }

    /// Whether others may write at the same time, so that row locks mean something.
    pub(crate) fn has_rivals(&self) -> bool {
        matches!(self.inner, Inner::Postgres(_))
    }
}

#[async_trait]
impl Tx for DbTx {
    async fn commit(self: Box<Self>) -> Result<()> {
        match self.inner {
            Inner::SqliteRead(tx) => tx.commit().await.map_err(Arc::new),
            Inner::SqliteWrite(turn) => turn.commit().await,
            Inner::Postgres(tx) => tx.commit().await.map_err(Arc::new),
        }
        .map_err(|e| error::of("committing", e))
    }
}
