//! Bringing a database up to date when it is opened. The files are in `migrations/`, compiled in.
//!
//! Invariant: a database that a newer version has migrated, or that another gateway runs on, is refused, not touched.

use sqlx::migrate::{Migrate, MigrateError, Migrator};

use crate::error::OpenError;

/// The steps for SQLite.
pub(crate) static SQLITE: Migrator = sqlx::migrate!("../../migrations/sqlite");
/// The steps for Postgres.
pub(crate) static POSTGRES: Migrator = sqlx::migrate!("../../migrations/postgres");

/// Runs what is missing.
pub(crate) async fn run<C: Migrate>(steps: &Migrator, conn: &mut C) -> Result<(), OpenError> {
    steps.run_direct(None, conn, false).await.map_err(|error| match error {
        MigrateError::VersionMissing(version) => {
            OpenError::Newer { version, known: steps.iter().map(|m| m.version).max().unwrap_or(0) }
        }
        MigrateError::Execute(e) => OpenError::Unreachable(e),
        other => OpenError::Migration(other),
    })
}
