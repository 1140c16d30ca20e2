//! The connection of a transaction, and running one statement on it.
//!
//! All of it waits: SQLite works on the calling thread, and Postgres's answer is waited for there. So it is called on
//! database threads only, never on a thread of the async runtime.

use portico_core::error::Result;
use rusqlite::CachedStatement;
use sqlx::pool::PoolConnection;
use sqlx::{PgConnection, Postgres, Transaction};
use tokio::runtime::Handle;

use crate::bind::Bind;
use crate::error::{self, Cause};
use crate::row::{FromRow, Row};
use crate::statement::Statement;

/// A connection, for one statement.
pub(crate) enum Conn<'c> {
    /// SQLite.
    Sqlite(&'c rusqlite::Connection),
    /// Postgres.
    Postgres(&'c mut Session),
}

/// A connection to a Postgres server, driven by an async runtime that runs elsewhere.
pub(crate) struct Session {
    held: Held,
    runtime: Handle,
}

/// What a [`Session`] works on.
pub(crate) enum Held {
    /// A transaction.
    Transaction(Transaction<'static, Postgres>),
    /// A connection outside of one: each statement is a transaction of its own.
    Connection(PoolConnection<Postgres>),
}

impl Session {
    /// A session whose statements `runtime` carries to the server and back.
    pub(crate) fn new(held: Held, runtime: Handle) -> Self {
        Self { held, runtime }
    }

    /// Ends the transaction, if there is one: with a commit, or undoing what it did.
    pub(crate) fn end(self, commit: bool) -> Result<(), Cause> {
        let Self { held, runtime } = self;
        match held {
            Held::Transaction(tx) if commit => runtime.block_on(tx.commit())?,
            Held::Transaction(tx) => runtime.block_on(tx.rollback())?,
            Held::Connection(_) => {}
        }
        Ok(())
    }

    fn parts(&mut self) -> (&mut PgConnection, &Handle) {
        let connection = match &mut self.held {
            Held::Transaction(tx) => &mut **tx,
            Held::Connection(connection) => &mut **connection,
        };
        (connection, &self.runtime)
    }
}

impl Conn<'_> {
    /// Runs a statement and says how many rows it changed. `width` is the length of its list, 1 if it has none.
    pub(crate) fn run(self, statement: &'static Statement, width: usize, binds: &[Bind<'_>]) -> Result<u64> {
        let changed = match self {
            Self::Sqlite(connection) => sqlite_run(connection, statement, width, binds),
            Self::Postgres(session) => {
                let (connection, runtime) = session.parts();
                let query = postgres_query(statement, width, binds).execute(connection);
                runtime.block_on(query).map(|done| done.rows_affected()).map_err(Cause::from)
            }
        };
        changed.map_err(|cause| error::failed(statement, cause))
    }

    /// Runs a statement and reads all of its rows.
    pub(crate) fn fetch_all<T: FromRow>(
        self,
        statement: &'static Statement,
        width: usize,
        binds: &[Bind<'_>],
    ) -> Result<Vec<T>> {
        match self {
            Self::Sqlite(connection) => {
                let failed = |cause: rusqlite::Error| error::failed(statement, cause.into());
                let mut prepared =
                    sqlite_prepare(connection, statement, width, binds).map_err(|c| error::failed(statement, c))?;
                let mut rows = prepared.raw_query();
                let mut found = Vec::new();
                while let Some(row) = rows.next().map_err(failed)? {
                    found.push(T::from_row(&Row::sqlite(statement, row))?);
                }
                Ok(found)
            }
            Self::Postgres(session) => {
                let (connection, runtime) = session.parts();
                let query = postgres_query(statement, width, binds).fetch_all(connection);
                let rows = runtime.block_on(query).map_err(|e| error::failed(statement, e.into()))?;
                rows.iter().map(|row| T::from_row(&Row::postgres(statement, row))).collect()
            }
        }
    }

    /// Runs a statement and reads its first row, if it has one.
    pub(crate) fn fetch_optional<T: FromRow>(
        self,
        statement: &'static Statement,
        width: usize,
        binds: &[Bind<'_>],
    ) -> Result<Option<T>> {
        match self {
            Self::Sqlite(connection) => {
                let failed = |cause: rusqlite::Error| error::failed(statement, cause.into());
                let mut prepared =
                    sqlite_prepare(connection, statement, width, binds).map_err(|c| error::failed(statement, c))?;
                let mut rows = prepared.raw_query();
                let row = rows.next().map_err(failed)?;
                row.map(|row| T::from_row(&Row::sqlite(statement, row))).transpose()
            }
            Self::Postgres(session) => {
                let (connection, runtime) = session.parts();
                let query = postgres_query(statement, width, binds).fetch_optional(connection);
                let row = runtime.block_on(query).map_err(|e| error::failed(statement, e.into()))?;
                row.map(|row| T::from_row(&Row::postgres(statement, &row))).transpose()
            }
        }
    }

    /// Runs a statement and reads its first row, which is there whatever the tables hold.
    pub(crate) fn fetch_one<T: FromRow>(
        self,
        statement: &'static Statement,
        width: usize,
        binds: &[Bind<'_>],
    ) -> Result<T> {
        self.fetch_optional(statement, width, binds)?.ok_or_else(|| error::failed(statement, Cause::NoRow))
    }
}

/// Statements of tests, which are not in `statement::all`.
#[cfg(test)]
impl Conn<'_> {
    /// Runs statements.
    pub(crate) fn run_raw(self, sql: &str) {
        match self {
            Self::Sqlite(connection) => connection.execute_batch(sql).unwrap(),
            Self::Postgres(session) => {
                let (connection, runtime) = session.parts();
                runtime.block_on(sqlx::raw_sql(sqlx::AssertSqlSafe(sql)).execute(connection)).unwrap();
            }
        }
    }

    /// Runs a statement that gives one number.
    pub(crate) fn number_raw(self, sql: &str) -> i64 {
        match self {
            Self::Sqlite(connection) => connection.query_row(sql, [], |row| row.get(0)).unwrap(),
            Self::Postgres(session) => {
                let (connection, runtime) = session.parts();
                runtime.block_on(sqlx::query_scalar(sqlx::AssertSqlSafe(sql)).fetch_one(connection)).unwrap()
            }
        }
    }
}

fn sqlite_run(
    connection: &rusqlite::Connection,
    statement: &'static Statement,
    width: usize,
    binds: &[Bind<'_>],
) -> Result<u64, Cause> {
    let changed = sqlite_prepare(connection, statement, width, binds)?.raw_execute()?;
    Ok(changed as u64)
}

/// The statement with its arguments bound. Prepared statements are kept by the connection.
fn sqlite_prepare<'c>(
    connection: &'c rusqlite::Connection,
    statement: &'static Statement,
    width: usize,
    binds: &[Bind<'_>],
) -> Result<CachedStatement<'c>, Cause> {
    // A full disk and a few other failures make SQLite undo the whole transaction by itself. Whatever came then would be
    // outside of any transaction, and committed at once.
    if connection.is_autocommit() {
        return Err(Cause::Undone);
    }
    let mut prepared = connection.prepare_cached(statement.sqlite.spelled(width))?;
    for (index, bind) in (1..).zip(binds) {
        prepared.raw_bind_parameter::<usize, _>(index, bind)?;
    }
    Ok(prepared)
}

fn postgres_query<'q>(
    statement: &'static Statement,
    width: usize,
    binds: &[Bind<'q>],
) -> sqlx::query::Query<'q, Postgres, sqlx::postgres::PgArguments> {
    let query = sqlx::query(statement.postgres.spelled(width));
    binds.iter().fold(query, |query, bind| bind.add_to(query))
}
