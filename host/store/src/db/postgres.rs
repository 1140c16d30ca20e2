//! Connecting to a Postgres server, and running transactions on it.

pub(super) mod lock;

use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use portico_core::error::{Error, Result};
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sqlx::{ConnectOptions, Connection, PgConnection, PgPool};
use tokio::runtime::Handle;
use tokio::task::spawn_blocking;

use self::lock::Lock;
use super::look::{self, Look};
use super::queue::{Task, run_task};
use super::transaction::{DbTx, Mode};
use super::{Extent, STATEMENTS_CACHED, Side};
use crate::cache::Caches;
use crate::config::StoreConfig;
use crate::conn::{Held, Session};
use crate::error::{self, Cause, OpenError};
use crate::migrate;

/// How a transaction that only reads begins.
const BEGIN_READ: &str = "BEGIN READ ONLY";
/// A connection that was unused for this long is asked whether it still lives before it is used again.
const IDLE_TRUSTED: Duration = Duration::from_secs(5);
/// A transaction in which nothing happens for this long is ended by the server: its locks must not outlive a hung node.
const IDLE_IN_TRANSACTION: Duration = Duration::from_secs(60);

fn options(url: &str) -> Result<PgConnectOptions, OpenError> {
    let options = PgConnectOptions::from_str(url)
        .map_err(|_| OpenError::BadUrl { why: "it is no valid Postgres URL".to_owned() })?;
    Ok(options.application_name("portico").statement_cache_capacity(STATEMENTS_CACHED))
}

/// Takes the lock, migrates, and makes the pool.
pub(super) async fn open(config: &StoreConfig, url: &str) -> Result<Side, OpenError> {
    let options = options(url)?;
    let lock_options = lock::options(&options);
    // A connection of its own, because the lock lives as long as it does. It has no lock timeout: a migration waits for
    // whoever reads the tables, such as a backup.
    let mut first = match tokio::time::timeout(config.acquire_timeout, lock_options.connect()).await {
        Ok(connected) => connected.map_err(|e| refused(&options, e))?,
        Err(_) => return Err(OpenError::Unreachable(sqlx::Error::PoolTimedOut.into())),
    };
    lock::take(&mut first).await?;
    migrate::postgres(&mut first).await?;

    let busy_timeout = config.busy_timeout;
    let pool = PgPoolOptions::new()
        .max_connections(config.postgres_connections)
        .acquire_timeout(config.acquire_timeout)
        .test_before_acquire(false)
        .before_acquire(|conn, meta| {
            Box::pin(async move {
                if meta.idle_for > IDLE_TRUSTED {
                    conn.ping().await?;
                }
                Ok(true)
            })
        })
        .after_connect(move |conn, _| Box::pin(limit(conn, busy_timeout)))
        .connect_with(options.clone())
        .await
        .map_err(|e| refused(&options, e))?;
    Ok(Side::Postgres { pool, lock: Lock::new(lock_options, first).into() })
}

/// Runs a transaction on a thread that may wait. The number of such threads is that of connections, because one is asked for
/// only with a connection in hand. Once it has begun it is run to its end, also when the caller goes away.
pub(super) async fn run(pool: &PgPool, mode: Mode, extent: Extent, task: Task, caches: Arc<Caches>) -> Result<()> {
    let pool = pool.clone();
    // In a task of its own: a caller that goes away while a transaction begins would give the connection back within it, and
    // whoever got it next would find a transaction that only reads.
    let begin = tokio::spawn(async move {
        match (extent, mode) {
            (Extent::Statement, _) => pool.acquire().await.map(Held::Connection),
            (Extent::Transaction, Mode::Read) => pool.begin_with(BEGIN_READ).await.map(Held::Transaction),
            (Extent::Transaction, Mode::Write) => pool.begin().await.map(Held::Transaction),
        }
    });
    let begun = begin.await.map_err(|e| Error::internal("beginning a transaction", e))?;
    let held = begun.map_err(|e| error::of("beginning a transaction", Cause::from(e).into()))?;
    let mut session = Session::new(held, Handle::current());
    let running = spawn_blocking(move || {
        let mut tx = DbTx::postgres(&mut session, mode);
        let outcome = run_task(task, &mut tx);
        let touched = std::mem::take(&mut tx.touched);
        let ended = session.end(outcome.is_ok()).map_err(|cause| error::of("committing", cause.into()));
        caches.forget(&touched);
        // One that failed by itself knows best why.
        outcome.and(ended)
    });
    running.await.unwrap_or_else(|e| Err(Error::internal("running a transaction", e)))
}

/// Looks at the database in a transaction that can't write.
pub(super) async fn look(config: &StoreConfig, url: &str) -> Result<Look, OpenError> {
    let options = options(url)?;
    let begun = async {
        let pool = PgPoolOptions::new()
            .max_connections(1)
            .acquire_timeout(config.acquire_timeout)
            .connect_with(options.clone())
            .await?;
        let mut tx = pool.begin_with(BEGIN_READ).await?;
        let migrated = sqlx::query_scalar("SELECT to_regclass('_sqlx_migrations') IS NOT NULL").fetch_one(&mut *tx);
        let migrated = migrated.await?;
        // An advisory lock on one number is listed as its two halves.
        let in_use = sqlx::query_scalar(
            "SELECT EXISTS (SELECT 1 FROM pg_locks l JOIN pg_database d ON d.oid = l.database
             WHERE d.datname = current_database() AND l.locktype = 'advisory' AND l.granted AND l.objsubid = 1
             AND (l.classid::bigint << 32 | l.objid::bigint) = $1)",
        );
        let in_use = in_use.bind(lock::NUMBER).fetch_one(&mut *tx).await?;
        Ok((tx, migrated, in_use))
    };
    let (tx, migrated, in_use) = begun.await.map_err(|e| refused(&options, e))?;
    let mut session = Session::new(Held::Transaction(tx), Handle::current());
    let looking = move || {
        let found = look::of(&mut DbTx::postgres(&mut session, Mode::Read), &migrate::POSTGRES, migrated, in_use);
        session.end(false).map_err(|cause| OpenError::Unreachable(cause.into()))?;
        found
    };
    super::waiting(looking).await
}

/// Sets the limits of a fresh connection.
async fn limit(conn: &mut PgConnection, busy_timeout: Duration) -> Result<(), sqlx::Error> {
    sqlx::query(
        "SELECT set_config('lock_timeout', $1, false), set_config('idle_in_transaction_session_timeout', $2, false)",
    )
    .bind(format!("{}ms", busy_timeout.as_millis()))
    .bind(format!("{}ms", IDLE_IN_TRANSACTION.as_millis()))
    .execute(conn)
    .await
    .map(|_| ())
}

fn refused(options: &PgConnectOptions, error: sqlx::Error) -> OpenError {
    // invalid_catalog_name
    if error.as_database_error().and_then(|e| e.code()).as_deref() == Some("3D000") {
        return OpenError::Missing {
            what: format!("the database `{}`", options.get_database().unwrap_or_default()),
            remedy: "make it with `CREATE DATABASE`, owned by the gateway's user, or correct the database URL",
        };
    }
    OpenError::Unreachable(error.into())
}
