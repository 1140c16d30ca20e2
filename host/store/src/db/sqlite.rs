//! Opening an SQLite file.

use std::path::Path;

use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous};
use sqlx::{ConnectOptions, Connection};

use super::writer::Writer;
use super::{STATEMENTS_CACHED, Side};
use crate::config::{StoreConfig, Synchronous};
use crate::error::OpenError;
use crate::{lock, migrate};

/// Pages the writing connection keeps in memory, as SQLite's `cache_size` wants it: negative means KiB.
const WRITER_CACHE: &str = "-8000";
/// To what the write-ahead log is cut back after it grew, in bytes.
const WAL_BYTES_KEPT: &str = "67108864";

/// Takes the lock, migrates, and makes the pools.
pub(super) async fn open(config: &StoreConfig, path: &Path) -> Result<Side, OpenError> {
    let lock = lock::take(path)?;
    let base = SqliteConnectOptions::new()
        .filename(path)
        .foreign_keys(true)
        .busy_timeout(config.busy_timeout)
        .statement_cache_capacity(STATEMENTS_CACHED);
    let writing = base
        .clone()
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(match config.synchronous {
            Synchronous::Full => SqliteSynchronous::Full,
            Synchronous::Normal => SqliteSynchronous::Normal,
        })
        .pragma("cache_size", WRITER_CACHE)
        .pragma("journal_size_limit", WAL_BYTES_KEPT)
        .pragma("temp_store", "MEMORY");
    // On a connection of its own: it sets the journal mode before anybody else is there.
    let mut first = writing.clone().connect().await.map_err(|e| refused(path, e))?;
    migrate::run(&migrate::SQLITE, &mut first).await?;
    first.close().await.map_err(OpenError::Unreachable)?;

    let writer = Writer::open(writing, lock, config).await.map_err(|e| refused(path, e))?;
    // Connections to a file don't go stale: no check on each use, no age limit, nothing to do while idle.
    let readers = SqlitePoolOptions::new()
        .max_connections(config.sqlite_readers)
        .acquire_timeout(config.acquire_timeout)
        .test_before_acquire(false)
        .idle_timeout(None)
        .max_lifetime(None)
        .connect_with(base.pragma("query_only", "ON"))
        .await
        .map_err(|e| refused(path, e))?;
    Ok(Side::Sqlite { readers, writer })
}

fn refused(path: &Path, error: sqlx::Error) -> OpenError {
    let code = error.as_database_error().and_then(|e| e.code()?.parse::<u32>().ok());
    match code.map(|c| c & 0xff) {
        // SQLITE_CORRUPT, SQLITE_NOTADB
        Some(11 | 26) => OpenError::NotADatabase { path: path.to_owned(), source: error },
        _ => OpenError::Unreachable(error),
    }
}
