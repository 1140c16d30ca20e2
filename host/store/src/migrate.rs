//! Bringing a database up to date when it is opened. The files are in `migrations/`, compiled in.
//!
//! Both databases note the steps they ran in the table `_sqlx_migrations`, in the form `sqlx` gives it; for SQLite the steps
//! are run here. Invariant: a database that a newer version has migrated, or that another gateway runs on, is refused, not
//! touched.

use rusqlite::{Connection, ErrorCode, TransactionBehavior, params};
use sqlx::PgConnection;
use sqlx::migrate::{MigrateError, Migration, Migrator};

use crate::error::OpenError;

/// The steps for SQLite.
pub(crate) static SQLITE: Migrator = sqlx::migrate!("../../migrations/sqlite");
/// The steps for Postgres.
pub(crate) static POSTGRES: Migrator = sqlx::migrate!("../../migrations/postgres");

/// The newest step this version has.
pub(crate) fn newest(steps: &Migrator) -> i64 {
    steps.iter().map(|step| step.version).max().unwrap_or(0)
}

/// Runs what is missing on a Postgres database.
pub(crate) async fn postgres(conn: &mut PgConnection) -> Result<(), OpenError> {
    POSTGRES.run_direct(None, conn, false).await.map_err(|error| match error {
        MigrateError::VersionMissing(version) => OpenError::Newer { version, known: newest(&POSTGRES) },
        MigrateError::Execute(e) => OpenError::Unreachable(e.into()),
        other => OpenError::Migration(other.into()),
    })
}

/// Why an SQLite database was not brought up to date.
pub(crate) enum SqliteError {
    /// SQLite refused something besides a step: the file may be none of its own.
    Refused(rusqlite::Error),
    /// The steps don't fit the database, or one did not go through.
    Steps(OpenError),
}

impl SqliteError {
    /// The error of opening, where `refused` says what it means that SQLite refuses the file.
    pub(crate) fn or_refused(self, refused: impl FnOnce(rusqlite::Error) -> OpenError) -> OpenError {
        match self {
            Self::Refused(error) => refused(error),
            Self::Steps(error) => error,
        }
    }
}

impl From<rusqlite::Error> for SqliteError {
    fn from(error: rusqlite::Error) -> Self {
        Self::Refused(error)
    }
}

/// Runs what is missing on an SQLite database. The connection must be the only one.
pub(crate) fn sqlite(connection: &mut Connection) -> Result<(), SqliteError> {
    connection.execute_batch(
        "CREATE TABLE IF NOT EXISTS _sqlx_migrations (
            version BIGINT PRIMARY KEY,
            description TEXT NOT NULL,
            installed_on TIMESTAMP NOT NULL DEFAULT CURRENT_TIMESTAMP,
            success BOOLEAN NOT NULL,
            checksum BLOB NOT NULL,
            execution_time BIGINT NOT NULL
        )",
    )?;
    let done = done(connection)?;
    check(&done).map_err(SqliteError::Steps)?;
    for step in SQLITE.iter().filter(|step| !done.iter().any(|done| done.version == step.version)) {
        run(connection, step).map_err(|e| match e.sqlite_error_code() {
            Some(ErrorCode::DiskFull) => SqliteError::Refused(e),
            _ => SqliteError::Steps(OpenError::Migration(e.into())),
        })?;
    }
    Ok(())
}

/// A step that a database ran.
struct Done {
    version: i64,
    success: bool,
    checksum: Vec<u8>,
}

fn done(connection: &Connection) -> rusqlite::Result<Vec<Done>> {
    let mut listed = connection.prepare("SELECT version, success, checksum FROM _sqlx_migrations ORDER BY version")?;
    let read = |row: &rusqlite::Row<'_>| Ok(Done { version: row.get(0)?, success: row.get(1)?, checksum: row.get(2)? });
    listed.query_map([], read)?.collect()
}

/// Whether what a database ran is what this version would have run.
fn check(done: &[Done]) -> Result<(), OpenError> {
    for done in done {
        let version = done.version;
        if !done.success {
            return Err(OpenError::Migration(MigrateError::Dirty(version).into()));
        }
        let Some(step) = SQLITE.iter().find(|step| step.version == version) else {
            return Err(OpenError::Newer { version, known: newest(&SQLITE) });
        };
        if *step.checksum != *done.checksum {
            return Err(OpenError::Migration(MigrateError::VersionMismatch(version).into()));
        }
    }
    Ok(())
}

/// Runs a step and notes it, both or neither.
fn run(connection: &mut Connection, step: &Migration) -> rusqlite::Result<()> {
    let begun = std::time::Instant::now();
    let tx = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    tx.execute_batch(step.sql.as_str())?;
    tx.execute(
        "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time)
         VALUES (?1, ?2, TRUE, ?3, ?4)",
        params![step.version, &*step.description, &*step.checksum, nanoseconds(begun)],
    )?;
    tx.commit()
}

fn nanoseconds(since: std::time::Instant) -> i64 {
    i64::try_from(since.elapsed().as_nanos()).unwrap_or(i64::MAX)
}
