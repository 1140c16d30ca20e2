//! Looking at a database without changing it: nothing is made, migrated or locked.

use std::time::{Duration, Instant};

use portico_core::error::Result;
use portico_core::ports::keys::seal_place;
use portico_core::webhook::Webhook;
use rusqlite::{Connection, ErrorCode};
use sqlx::migrate::Migrator;

use super::readers::read;
use super::{Db, DbTx, Extent, Mode, SEALED_RECORD, SEALED_SECRET, STEPS_DONE};
use crate::error::OpenError;
use crate::migrate;
use crate::row::RowRef;

/// What checking the pages of a database found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Integrity {
    /// Nothing was checked: there is no file, or a server looks after its own.
    #[default]
    Unchecked,
    /// All is as it should be.
    Sound,
    /// It is damaged; what SQLite said first.
    Damaged(String),
    /// The check was ended after this time, and had found nothing until then.
    Unfinished(Duration),
}

/// What a look at a database found.
#[derive(Debug, Default)]
pub struct Look {
    /// There is a database, maybe an empty one. Never `false` for Postgres.
    pub exists: bool,
    /// A gateway runs on it.
    pub in_use: bool,
    /// Migrations that the next start runs.
    pub pending: usize,
    /// One of its sealed values.
    pub sealed: Option<Sealed>,
    /// Whether the file is damaged.
    pub integrity: Integrity,
}

/// A sealed value with the place it is bound to.
pub struct Sealed {
    /// What it was sealed for.
    pub place: String,
    /// The value as it is stored.
    pub value: Vec<u8>,
}

/// Hides the value.
impl std::fmt::Debug for Sealed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Sealed").field("place", &self.place).finish_non_exhaustive()
    }
}

/// Looks on at an SQLite file that was opened for it. `migrated` says whether any migration ever ran.
pub(super) fn of_sqlite(connection: &mut Connection, migrated: bool, in_use: bool) -> Result<Look, OpenError> {
    let (sender, found) = std::sync::mpsc::sync_channel(1);
    let task = Box::new(move |tx: &mut DbTx<'_>| {
        // The receiver waits below until this has run.
        let _ = sender.send(of(tx, &migrate::SQLITE, migrated, in_use));
        Ok(())
    });
    read(connection, task).map_err(|e| OpenError::Unreadable(e.into()))?;
    found.try_recv().map_err(|e| OpenError::Unreadable(e.into()))?
}

/// Steps of SQLite's virtual machine between two looks at the clock: a fraction of a millisecond.
const STEPS_BETWEEN_LOOKS_AT_THE_CLOCK: i32 = 1_000;

/// Checks every page of an SQLite file, for `limit` at most. Changes nothing.
pub(super) fn integrity(connection: &Connection, limit: Duration) -> rusqlite::Result<Integrity> {
    let began = Instant::now();
    connection.progress_handler(STEPS_BETWEEN_LOOKS_AT_THE_CLOCK, Some(move || began.elapsed() >= limit))?;
    // Unlike `integrity_check` it does not compare indexes with their tables, which takes far longer.
    let found: rusqlite::Result<String> = connection.query_row("PRAGMA quick_check(1)", [], |row| row.get(0));
    connection.progress_handler(0, None::<fn() -> bool>)?;
    match found {
        Ok(text) if text == "ok" => Ok(Integrity::Sound),
        Ok(text) => Ok(Integrity::Damaged(text)),
        Err(error) => match error.sqlite_error_code() {
            Some(ErrorCode::OperationInterrupted) => Ok(Integrity::Unfinished(limit)),
            Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => Ok(Integrity::Damaged(error.to_string())),
            _ => Err(error),
        },
    }
}

/// Looks on in a transaction.
pub(super) fn of(tx: &mut DbTx<'_>, steps: &Migrator, migrated: bool, in_use: bool) -> Result<Look, OpenError> {
    let unreadable = |e: portico_core::Error| OpenError::Unreadable(e.into());
    let done = if migrated { tx.steps_done().map_err(unreadable)? } else { Vec::new() };
    if let Some(version) = done.iter().copied().find(|done| !steps.version_exists(*done)) {
        return Err(OpenError::Newer { version, known: migrate::newest(steps) });
    }
    let sealed = if done.is_empty() { None } else { tx.sealed().map_err(unreadable)? };
    let pending = steps.iter().filter(|step| !done.contains(&step.version)).count();
    Ok(Look { exists: true, in_use, pending, sealed, integrity: Integrity::Unchecked })
}

impl Db {
    /// One of the sealed values, if there are any: the master key must open it.
    pub async fn sealed(&self) -> Result<Option<Sealed>> {
        self.with(Mode::Read, Extent::Transaction, |tx| tx.sealed()).await
    }
}

impl DbTx<'_> {
    fn steps_done(&mut self) -> Result<Vec<i64>> {
        let rows = rows!(self.conn(), (i64,), STEPS_DONE, [], fetch_all)?;
        Ok(rows.into_iter().map(|(version,)| version).collect())
    }

    fn sealed(&mut self) -> Result<Option<Sealed>> {
        if let Some((id, value)) = rows!(self.conn(), (String, Vec<u8>), SEALED_SECRET, [], fetch_optional)? {
            let id = RowRef::new("webhooks", &id).id("id", &id)?;
            return Ok(Some(Sealed { place: Webhook::seal_place(&id), value }));
        }
        let row = rows!(self.conn(), (String, String, String, Vec<u8>), SEALED_RECORD, [], fetch_optional)?;
        let Some((device, kind, id, value)) = row else { return Ok(None) };
        let device = RowRef::new("key_records", &device).id("device_id", &device)?;
        Ok(Some(Sealed { place: seal_place(&device, &kind, &id), value }))
    }
}

#[cfg(test)]
mod tests {
    use portico_core::ports::keys::{KeyRecords, KeyWrite};

    use super::*;
    use crate::StoreConfig;
    use crate::testing::{Fixture, Kind, with_db};

    async fn a_look_sees_what_is_there(fx: &'static Fixture) {
        let look = Db::look(&fx.config).await.unwrap();
        assert!(look.exists && look.in_use && look.pending == 0 && look.sealed.is_none(), "{look:?}");

        let device = fx.device(fx.tenant("t").await).await;
        let write = KeyWrite::Put { kind: "k", id: "a".to_owned(), value: vec![1, 2], expires: None };
        fx.db.apply(&device.id, vec![write]).await.unwrap();
        let sealed = fx.db.sealed().await.unwrap().expect("a sealed value");
        assert_eq!((sealed.place, sealed.value), (seal_place(&device.id, "k", "a"), vec![1, 2]));

        fx.execute("DELETE FROM _sqlx_migrations WHERE version > 1").await;
        fx.db.close().await;
        let look = Db::look(&fx.config).await.unwrap();
        assert!(!look.in_use && look.pending > 0 && look.sealed.is_some(), "{look:?}");
    }

    #[tokio::test]
    async fn a_damaged_file_is_seen_and_a_long_check_ends() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("portico.db");
        let config = StoreConfig::at(format!("sqlite:{}", path.display()));
        Db::open(&config).await.unwrap().close().await;
        let connection = Connection::open(&path).unwrap();
        let fill = "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 2000)
             INSERT INTO tenants SELECT 'tenant ' || i, 'name ' || i, 0, i FROM n";
        connection.execute_batch(fill).unwrap();
        connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(())).unwrap();
        let page: i64 = connection
            .query_row("SELECT MAX(pageno) FROM dbstat WHERE name = 'tenants'", [], |row| row.get(0))
            .unwrap();
        assert_eq!(integrity(&connection, Duration::ZERO).unwrap(), Integrity::Unfinished(Duration::ZERO));
        drop(connection);
        assert_eq!(Db::look(&config).await.unwrap().integrity, Integrity::Sound);

        let file = std::fs::OpenOptions::new().write(true).open(&path).unwrap();
        std::os::unix::fs::FileExt::write_all_at(&file, &[0xff; 4096], u64::try_from(page - 1).unwrap() * 4096)
            .unwrap();
        let look = Db::look(&config).await.unwrap();
        assert!(matches!(look.integrity, Integrity::Damaged(_)), "{look:?}");
    }

    #[tokio::test]
    async fn on_sqlite() {
        with_db(Kind::Sqlite, a_look_sees_what_is_there).await;
    }

    #[tokio::test]
    async fn on_postgres() {
        with_db(Kind::Postgres, a_look_sees_what_is_there).await;
    }
}
