//! Remembering that the disk is full.
//!
//! Reading goes on while nothing can be stored, so that the database answers tells too little. The last failure for want of
//! space is therefore remembered, and each check tries a small write until one goes through. Other writes don't count as
//! proof: one that finds nothing to change succeeds on a full disk, too.

use std::sync::atomic::{AtomicBool, Ordering};

use portico_core::error::Result;

use super::{Db, Extent, Mode, PROBE_ADD, PROBE_REMOVE};
use crate::error;

/// Whether the last write that could tell failed for want of space.
#[derive(Debug, Default)]
pub(crate) struct Space(AtomicBool);

impl Space {
    /// Takes note of how a transaction that writes went.
    pub(super) fn note(&self, outcome: &Result<()>) {
        let Err(error) = outcome else { return };
        if error::is_full(error) && !self.0.swap(true, Ordering::Relaxed) {
            tracing::error!(
                error = error as &dyn std::error::Error,
                "the database's disk is full; nothing can be stored"
            );
        }
    }
}

impl Db {
    /// Tries whether there is space again, if there was none.
    pub(super) async fn check_space(&self) -> Result<()> {
        if !self.space.0.load(Ordering::Relaxed) {
            return Ok(());
        }
        // A row that nobody sees, as it is gone again before the transaction ends; large enough to need pages of its own.
        self.with(Mode::Write, Extent::Transaction, |tx| {
            run!(tx.conn(), PROBE_ADD, [])?;
            run!(tx.conn(), PROBE_REMOVE, [])
        })
        .await?;
        self.space.0.store(false, Ordering::Relaxed);
        tracing::info!("the database's disk has space again");
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use portico_core::ports::store::{AccessTx, Store};

    use super::*;
    use crate::testing::{Fixture, Kind, with_db};

    async fn a_full_disk_is_remembered_until_a_write_goes_through(fx: &'static Fixture) {
        fx.tenant("t").await;
        fx.db.check().await.unwrap();
        // SQLite answers as on a full disk once the file may not grow.
        fx.execute("PRAGMA max_page_count = 1").await;
        let (id, at) = (fx.tenant_unstored(), fx.now());
        let long = "x".repeat(1 << 20);
        let write = fx.db.with(Mode::Write, Extent::Transaction, move |tx| tx.tenant_insert(&id, &long, at)).await;
        assert!(write.is_err_and(|e| error::is_full(&e)));
        // A write that changes nothing proves nothing.
        fx.execute("DELETE FROM tenants WHERE id = 'nobody'").await;
        for _ in 0..2 {
            let why = fx.db.check().await.unwrap_err().to_string();
            assert!(why.contains("disk is full"), "{why}");
        }
        fx.execute("PRAGMA max_page_count = 1000000").await;
        fx.db.check().await.unwrap();
        assert_eq!(fx.number("SELECT COUNT(*) FROM tenants").await, 1, "the probe left nothing");
    }

    #[tokio::test]
    async fn on_sqlite() {
        with_db(Kind::Sqlite, a_full_disk_is_remembered_until_a_write_goes_through).await;
    }

    #[tokio::test]
    async fn the_probe_works_on_postgres() {
        with_db(Kind::Postgres, async |fx: &'static Fixture| {
            fx.db.space.0.store(true, Ordering::Relaxed);
            fx.db.check().await.unwrap();
            assert!(!fx.db.space.0.load(Ordering::Relaxed));
            assert_eq!(fx.number("SELECT COUNT(*) FROM tenants").await, 0);
        })
        .await;
    }
}
