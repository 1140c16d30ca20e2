//! What goes wrong with a database, and how it becomes an error of the core.
//!
//! Unreachable, locked, full: `Unavailable`, with what an operator does about it in the source. Somebody was faster:
//! `Conflict`. Everything else is a fault: `Internal`. Values never stand in an error, only names.

use std::path::PathBuf;
use std::sync::Arc;

use portico_core::Error;
use rusqlite::types::FromSqlError;

use crate::statement::Statement;

/// What a database or the system said.
pub(crate) type Source = Box<dyn std::error::Error + Send + Sync>;

/// Why a database could not be opened. The text says what to do.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The URL can't be read.
    #[error("the database URL can't be used: {why}; write `sqlite:/path/portico.db` or `postgres://user@host/name`")]
    BadUrl {
        /// What is wrong with it. Never holds the URL: it may carry a password.
        why: String,
    },
    /// A limit of the configuration makes no sense.
    #[error("`{field}` must be at least {least}")]
    BadLimit {
        /// The field of the configuration.
        field: &'static str,
        /// The smallest value that works.
        least: u64,
    },
    /// There is no such folder or database.
    #[error("{what} does not exist; {remedy}")]
    Missing {
        /// What is missing.
        what: String,
        /// What to do.
        remedy: &'static str,
    },
    /// Another process works on the same SQLite file.
    #[error(
        "another gateway holds {}; stop it first, or give this one a data folder of its own",
        path.display()
    )]
    InUse {
        /// The lock file or its folder.
        path: PathBuf,
    },
    /// Another gateway runs on this Postgres database.
    #[error("another gateway runs on this database; stop it first, or give this one a database of its own")]
    Shared,
    /// The file can't be made, opened or protected.
    #[error("can't {doing} {}; check that the gateway's user may write there", path.display())]
    File {
        /// What was being done.
        doing: &'static str,
        /// The file.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
    /// The disk is full.
    #[error(
        "the disk that holds {} is full; free space there, or move the data folder to a larger disk, and start again",
        path.display()
    )]
    Full {
        /// The file that could not grow.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: Source,
    },
    /// The database does not answer, or turns the gateway away.
    #[error("can't connect to the database; check its address, that it runs, and the user's name, password and rights")]
    Unreachable(#[source] Source),
    /// The file is something else than a database, or damaged.
    #[error("{} is not an SQLite database, or is damaged; restore it from a backup or name another file", path.display())]
    NotADatabase {
        /// The file.
        path: PathBuf,
        /// What SQLite said.
        #[source]
        source: Source,
    },
    /// A newer version of the gateway has changed the tables.
    #[error(
        "the database was migrated to step {version} by a newer version, this one knows up to {known}; start that version, or \
         restore the backup from before the upgrade"
    )]
    Newer {
        /// The newest step the database ran.
        version: i64,
        /// The newest step this version has.
        known: i64,
    },
    /// A look at it failed half-way.
    #[error("the database can't be read; check the rights of its user, or restore it from a backup")]
    Unreadable(#[source] Source),
    /// A migration did not go through.
    #[error(
        "the database could not be brought up to date; nothing of the failed step was kept. Free space and rights are the usual causes"
    )]
    Migration(#[source] Source),
}

/// Why a gateway must not go on with the database it opened. The text says what to do.
#[derive(Debug, thiserror::Error)]
pub enum LockLost {
    /// Another gateway runs on it by now.
    #[error(
        "the connection that kept other gateways off the database broke, and another one runs on it now; stop one of the two, or \
         give each a database of its own"
    )]
    Shared,
    /// Nobody can say whether another gateway runs on it by now.
    #[error(
        "the connection that kept other gateways off the database broke and can't be made again; check that the database runs and \
         can be reached, then start the gateway again"
    )]
    Unreachable(#[source] sqlx::Error),
}

/// What went wrong while working on a database, whichever it is.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Cause {
    /// SQLite refused something.
    #[error(transparent)]
    Sqlite(#[from] rusqlite::Error),
    /// Postgres or the connection to it refused something.
    #[error(transparent)]
    Postgres(#[from] sqlx::Error),
    /// No database thread became free in time.
    #[error("no database thread became free in time")]
    TimedOut,
    /// The store was closed.
    #[error("the store is closed")]
    Closed,
    /// SQLite has undone the transaction already.
    #[error("the transaction was undone by an earlier failure")]
    Undone,
    /// A statement that always gives a row gave none.
    #[error("there is no row")]
    NoRow,
    /// A column that is never absent is.
    #[error("column {0} is NULL")]
    Null(usize),
    /// A column has another type than was asked for.
    #[error("column {0} has an unexpected type")]
    Column(usize, #[source] FromSqlError),
}

/// A statement that failed.
#[derive(Debug, thiserror::Error)]
#[error("{statement} failed: {hint}")]
struct Failed {
    statement: &'static str,
    hint: &'static str,
    #[source]
    source: Arc<Cause>,
}

/// A row that this version can't read.
#[derive(Debug, thiserror::Error)]
#[error(
    "column `{column}` of table `{table}` holds something this version can't read in row `{row}`; a newer version may have written it"
)]
pub(crate) struct Inconsistent {
    /// The table.
    pub(crate) table: &'static str,
    /// The column.
    pub(crate) column: &'static str,
    /// The row's id.
    pub(crate) row: String,
}

impl From<Inconsistent> for Error {
    fn from(error: Inconsistent) -> Self {
        Error::internal("reading a row", error)
    }
}

/// What is not available on a full disk.
const SPACE: &str = "space for the database (its disk is full)";

/// Whether something could not be stored for want of space.
pub(crate) fn is_full(error: &Error) -> bool {
    matches!(error, Error::Unavailable { what, .. } if *what == SPACE)
}

/// What kind of failure it is.
enum Kind {
    Full,
    Unavailable(&'static str),
    Raced,
    Fault(&'static str),
}

/// The core's error for a failed statement.
pub(crate) fn failed(statement: &Statement, cause: Cause) -> Error {
    of(statement.name, cause.into())
}

/// The core's error for a failure that several callers may be told of.
pub(crate) fn of(doing: &'static str, source: Arc<Cause>) -> Error {
    match kind(&source) {
        Kind::Unavailable(hint) => Error::unavailable("the database", Failed { statement: doing, hint, source }),
        Kind::Full => {
            let hint = "the disk is full; free space";
            Error::unavailable(SPACE, Failed { statement: doing, hint, source })
        }
        Kind::Raced => Error::Conflict {
            code: "conflict",
            why: "the same thing was being made or changed at the same moment; look at it and try again".to_owned(),
        },
        Kind::Fault(hint) => Error::internal("working on the database", Failed { statement: doing, hint, source }),
    }
}

fn kind(cause: &Cause) -> Kind {
    match cause {
        Cause::Sqlite(rusqlite::Error::SqliteFailure(error, _)) => sqlite_kind(error.extended_code),
        Cause::Postgres(error) => postgres_kind(error),
        Cause::TimedOut => {
            Kind::Unavailable("no connection became free in time; look for slow disks or long transactions")
        }
        Cause::Closed => Kind::Unavailable("the gateway is shutting down"),
        Cause::Undone => Kind::Unavailable(
            "SQLite undid the transactions that were to be committed together, as it does when the disk is full; free space",
        ),
        Cause::Sqlite(_) | Cause::NoRow | Cause::Null(_) | Cause::Column(..) => {
            Kind::Fault("the answer could not be read")
        }
    }
}

/// By result code: <https://www.sqlite.org/rescode.html>; the low byte is the primary one.
fn sqlite_kind(code: i32) -> Kind {
    match (code, code & 0xff) {
        // SQLITE_CONSTRAINT_UNIQUE, SQLITE_CONSTRAINT_PRIMARYKEY
        (2067 | 1555, _) => Kind::Raced,
        // SQLITE_CONSTRAINT_FOREIGNKEY
        (787, _) => Kind::Fault("what the row refers to is gone"),
        (_, 5 | 6) => {
            Kind::Unavailable("the file is locked by another program; end it (backups: use `VACUUM INTO` or `.backup`)")
        }
        (_, 8) => Kind::Unavailable("the file is read-only; check its mode and the file system"),
        // SQLITE_FULL; SQLITE_IOERR_SHMSIZE, when the index of the write-ahead log can't grow
        (_, 13) | (4874, _) => Kind::Full,
        (_, 10) => Kind::Unavailable("the disk failed; look at the system's log"),
        (_, 14) => {
            Kind::Unavailable("the file can't be opened; check that it is still there, and the limit of open files")
        }
        (_, 11 | 26) => Kind::Fault("the file is damaged; restore it from a backup"),
        _ => Kind::Fault("the database refused it"),
    }
}

fn postgres_kind(error: &sqlx::Error) -> Kind {
    use sqlx::Error as E;
    match error {
        E::PoolTimedOut => {
            Kind::Unavailable("no connection became free in time; look for slow disks or long transactions")
        }
        E::PoolClosed => Kind::Unavailable("the gateway is shutting down"),
        E::WorkerCrashed => Kind::Unavailable("the connection died; restart the gateway"),
        E::Io(_) | E::Tls(_) => Kind::Unavailable("the database can't be reached; check that it runs"),
        E::Database(e) if e.is_unique_violation() => Kind::Raced,
        E::Database(e) if e.is_foreign_key_violation() => Kind::Fault("what the row refers to is gone"),
        E::Database(e) => match e.code() {
            Some(code) => sqlstate_kind(&code),
            None => Kind::Fault("the database refused it"),
        },
        _ => Kind::Fault("the answer could not be read"),
    }
}

/// By SQLSTATE: appendix A of the Postgres manual.
fn sqlstate_kind(code: &str) -> Kind {
    match code {
        "40001" | "40P01" => Kind::Unavailable("two transactions were in each other's way; try again"),
        "55P03" => Kind::Unavailable("a row stayed locked for too long; look for a hanging transaction"),
        "25006" => Kind::Unavailable("the server is a read-only standby; connect to the primary"),
        "57014" => Kind::Unavailable("the server cancelled it, probably for taking too long"),
        _ if code.starts_with("08") || code.starts_with("57P") => {
            Kind::Unavailable("the server ends or restarts; try again")
        }
        // disk_full
        "53100" => Kind::Full,
        _ if code.starts_with("53") => Kind::Unavailable("the server is out of connections or memory"),
        _ => Kind::Fault("the database refused it"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_disk_and_a_deadlock_can_be_tried_again() {
        assert!(matches!(sqlite_kind(13), Kind::Full));
        assert!(matches!(sqlstate_kind("53100"), Kind::Full));
        // SQLITE_BUSY_SNAPSHOT
        assert!(matches!(sqlite_kind(517), Kind::Unavailable(_)));
        assert!(matches!(sqlstate_kind("40P01"), Kind::Unavailable(_)));
        assert!(matches!(sqlstate_kind("57P01"), Kind::Unavailable(_)));
    }

    #[test]
    fn a_damaged_file_is_a_fault() {
        assert!(matches!(sqlite_kind(11), Kind::Fault(_)));
        assert!(matches!(sqlstate_kind("42703"), Kind::Fault(_)));
    }

    #[test]
    fn a_row_that_is_there_already_is_a_conflict() {
        assert!(matches!(sqlite_kind(2067), Kind::Raced));
        assert!(matches!(sqlite_kind(787), Kind::Fault(_)));
    }

    #[test]
    fn an_unreadable_row_is_named() {
        let error = Inconsistent { table: "devices", column: "state", row: "dev_1".to_owned() };
        assert!(error.to_string().contains("`state` of table `devices`"), "{error}");
        assert!(error.to_string().contains("`dev_1`"), "{error}");
    }
}
