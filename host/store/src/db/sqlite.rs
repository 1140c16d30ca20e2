//! Opening an SQLite file.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use rusqlite::{Connection, ErrorCode, OpenFlags};

use super::look::{self, Look};
use super::readers::Readers;
use super::writer::Writer;
use super::{STATEMENTS_CACHED, Side};
use crate::cache::Caches;
use crate::config::{StoreConfig, Synchronous};
use crate::error::{OpenError, Source};
use crate::{lock, migrate};

/// Pages the writing connection keeps in memory, as SQLite's `cache_size` wants it: negative means KiB.
const WRITER_CACHE: i64 = -8000;
/// To what the write-ahead log is cut back after it grew, in bytes.
const WAL_BYTES_KEPT: i64 = 67_108_864;

/// How long checking the pages of a file may take. It reads all of them: some gigabytes in this time.
const CHECK_TIME: Duration = Duration::from_secs(60);

/// Takes the lock, migrates, and starts the threads. Waits for the disk, so it is not for a thread of the async runtime.
pub(super) fn open(config: &StoreConfig, path: &Path, caches: Arc<Caches>) -> Result<Side, OpenError> {
    let lock = lock::take(path)?;
    let file = name(path);
    // On a connection of its own: it sets the journal mode before anybody else is there.
    let mut first = writing(&file, config.busy_timeout, config.synchronous).map_err(|e| refused(path, e))?;
    migrate::sqlite(&mut first).map_err(|e| e.or_refused(|e| refused(path, e)))?;
    first.close().map_err(|(_, e)| refused(path, e))?;

    let connect = {
        let (file, busy_timeout, synchronous) = (file.clone(), config.busy_timeout, config.synchronous);
        Box::new(move || writing(&file, busy_timeout, synchronous))
    };
    let writer = Writer::start(connect, lock, config, caches).map_err(|e| refused(path, e))?;
    let readers = Readers::start(|| reading(&file, config.busy_timeout), config).map_err(|e| refused(path, e))?;
    Ok(Side::Sqlite { readers, writer })
}

/// A connection that may write.
fn writing(file: &Path, busy_timeout: Duration, synchronous: Synchronous) -> rusqlite::Result<Connection> {
    let connection = connection(file, OpenFlags::SQLITE_OPEN_READ_WRITE, busy_timeout)?;
    connection.pragma_update(None, "journal_mode", "WAL")?;
    connection.pragma_update(
        None,
        "synchronous",
        match synchronous {
            Synchronous::Full => "FULL",
            Synchronous::Normal => "NORMAL",
        },
    )?;
    connection.pragma_update(None, "cache_size", WRITER_CACHE)?;
    connection.pragma_update(None, "journal_size_limit", WAL_BYTES_KEPT)?;
    connection.pragma_update(None, "temp_store", "MEMORY")?;
    Ok(connection)
}

/// A connection that can't write.
fn reading(file: &Path, busy_timeout: Duration) -> rusqlite::Result<Connection> {
    let connection = connection(file, OpenFlags::SQLITE_OPEN_READ_WRITE, busy_timeout)?;
    connection.pragma_update(None, "query_only", true)?;
    Ok(connection)
}

fn connection(file: &Path, flags: OpenFlags, busy_timeout: Duration) -> rusqlite::Result<Connection> {
    // A connection is used by one thread at a time, so SQLite need not guard it with a mutex.
    let connection = Connection::open_with_flags(file, flags | OpenFlags::SQLITE_OPEN_NO_MUTEX)?;
    connection.busy_timeout(busy_timeout)?;
    connection.set_prepared_statement_cache_capacity(STATEMENTS_CACHED);
    connection.pragma_update(None, "foreign_keys", true)?;
    Ok(connection)
}

/// Looks at the file, if there is one, without making anything. Waits for the disk.
pub(super) fn look(config: &StoreConfig, path: &Path) -> Result<Look, OpenError> {
    if !path.exists() {
        lock::folder(path)?;
        return Ok(Look::default());
    }
    let in_use = lock::is_held(path)?;
    let mut log = path.as_os_str().to_owned();
    log.push("-wal");
    // A reader of a database with a write-ahead log makes that log where it is missing. Nobody writes then, so the file may
    // be read as one that does not change.
    let still = !in_use && !Path::new(&log).exists();
    let opened = if still {
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_URI;
        connection(&immutable(path), flags, config.busy_timeout)
    } else {
        connection(&name(path), OpenFlags::SQLITE_OPEN_READ_ONLY, config.busy_timeout)
    };
    let mut connection = opened.map_err(|e| refused(path, e))?;
    let migrated = "SELECT COUNT(*) > 0 FROM sqlite_master WHERE name = '_sqlx_migrations'";
    let migrated: bool = connection.query_row(migrated, [], |row| row.get(0)).map_err(|e| refused(path, e))?;
    let look = look::of_sqlite(&mut connection, migrated, in_use)?;
    let integrity = look::integrity(&connection, CHECK_TIME).map_err(|e| refused(path, e))?;
    Ok(Look { integrity, ..look })
}

/// The path for SQLite, which takes `:memory:` for something else than a path, and nothing else: that names may be URIs is a
/// flag, which is not set.
fn name(path: &Path) -> PathBuf {
    Path::new(".").join(path)
}

/// The URI of a file that nobody changes while it is open.
fn immutable(path: &Path) -> PathBuf {
    use std::os::unix::ffi::OsStrExt;
    let mut uri = String::from("file:");
    for byte in name(path).as_os_str().as_bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'/' | b'.' | b'-' | b'_' => uri.push(char::from(*byte)),
            other => uri.push_str(&format!("%{other:02x}")),
        }
    }
    uri.push_str("?immutable=1");
    uri.into()
}

pub(super) fn refused(path: &Path, error: rusqlite::Error) -> OpenError {
    match error.sqlite_error_code() {
        Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => {
            OpenError::NotADatabase { path: path.to_owned(), source: Source::from(error) }
        }
        Some(ErrorCode::DiskFull) => OpenError::Full { path: path.to_owned(), source: error.into() },
        _ if error.sqlite_error().is_some_and(|e| e.extended_code == rusqlite::ffi::SQLITE_IOERR_SHMSIZE) => {
            OpenError::Full { path: path.to_owned(), source: error.into() }
        }
        _ => OpenError::Unreachable(error.into()),
    }
}

/// The error for a thread that the system does not give.
pub(super) fn no_thread(error: std::io::Error) -> rusqlite::Error {
    rusqlite::Error::ToSqlConversionFailure(error.into())
}

/// Waits for threads that were told to end.
pub(super) async fn ended(threads: Vec<JoinHandle<()>>) {
    let joining = tokio::task::spawn_blocking(move || {
        for thread in threads {
            if thread.join().is_err() {
                tracing::error!("a database thread ended in a panic");
            }
        }
    });
    if let Err(error) = joining.await {
        tracing::warn!(%error, "nobody waited for the database threads to end");
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

    #[test]
    fn a_start_on_a_full_disk_says_which() {
        for code in [rusqlite::ffi::SQLITE_FULL, rusqlite::ffi::SQLITE_IOERR_SHMSIZE] {
            let error = rusqlite::Error::SqliteFailure(rusqlite::ffi::Error::new(code), None);
            let error = refused(Path::new("/data/portico.db"), error).to_string();
            assert!(error.contains("/data/portico.db is full") && error.contains("free space"), "{error}");
        }
    }

    #[test]
    fn a_uri_names_the_same_file() {
        assert_eq!(immutable(Path::new("/a b/c?d%.db")).as_os_str(), "file:/a%20b/c%3fd%25.db?immutable=1");
    }
}
