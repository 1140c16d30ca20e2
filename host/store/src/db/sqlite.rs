//! Opening an SQLite file.

use std::path::{Path, PathBuf};

use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous};
use sqlx::{ConnectOptions, Connection};

use super::look::Glance;
use super::writer::Writer;
use super::{DbTx, Inner, Mode, STATEMENTS_CACHED, Side};
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
        .filename(name(path))
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

/// Looks at the file, if there is one, without making anything.
pub(super) async fn glance(config: &StoreConfig, path: &Path) -> Result<Option<Glance>, OpenError> {
    if !path.exists() {
        lock::folder(path)?;
        return Ok(None);
    }
    let in_use = lock::is_held(path)?;
    let mut log = path.as_os_str().to_owned();
    log.push("-wal");
    // A reader of a database with a write-ahead log makes that log where it is missing. Nobody writes then, so the file may
    // be read as one that does not change.
    let still = !in_use && !Path::new(&log).exists();
    let options = SqliteConnectOptions::new()
        .filename(name(path))
        .read_only(true)
        .immutable(still)
        .busy_timeout(config.busy_timeout);
    let look = async {
        let pool = SqlitePoolOptions::new().max_connections(1).connect_with(options).await?;
        let mut tx = pool.begin().await?;
        let migrated = sqlx::query_scalar("SELECT COUNT(*) > 0 FROM sqlite_master WHERE name = '_sqlx_migrations'")
            .fetch_one(&mut *tx)
            .await?;
        let tx = DbTx { inner: Inner::SqliteRead(tx), mode: Mode::Read };
        Ok(Glance { in_use, migrated, tx, steps: &migrate::SQLITE })
    };
    look.await.map(Some).map_err(|e| refused(path, e))
}

/// The path for SQLite, which takes what begins with `file:` or is `:memory:` for something else than a path.
fn name(path: &Path) -> PathBuf {
    Path::new(".").join(path)
}

fn refused(path: &Path, error: sqlx::Error) -> OpenError {
    let code = error.as_database_error().and_then(|e| e.code()?.parse::<u32>().ok());
    match code.map(|c| c & 0xff) {
        // SQLITE_CORRUPT, SQLITE_NOTADB
        Some(11 | 26) => OpenError::NotADatabase { path: path.to_owned(), source: error },
        _ => OpenError::Unreachable(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_relative_path_is_a_path_whatever_it_begins_with() {
        for bare in ["file:x/portico.db", ":memory:"] {
            assert_eq!(name(Path::new(bare)).as_os_str(), format!("./{bare}").as_str());
        }
        assert_eq!(name(Path::new("/data/portico.db")), Path::new("/data/portico.db"));
    }
}
