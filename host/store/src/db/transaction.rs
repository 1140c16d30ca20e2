//! One transaction on either database.

use portico_core::ports::store::Tx;

use super::subscriptions::Subscriptions;
use crate::cache::Touched;
use crate::conn::{Conn, Session};

/// A transaction. It lives on a database thread, as long as the closure that was given for it runs; who runs the closure
/// begins it, and commits or undoes it.
pub(crate) struct DbTx<'c> {
    inner: Inner<'c>,
    /// What it may do; a reading transaction must not ask for row locks.
    pub(crate) mode: Mode,
    /// The rows it changed that are kept in memory.
    pub(crate) touched: Touched,
}

/// What a transaction may do.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mode {
    /// Read, from one state of the database.
    Read,
    /// Read and write.
    Write,
}

enum Inner<'c> {
    Sqlite {
        connection: &'c mut rusqlite::Connection,
        /// Only where it writes.
        subscriptions: Option<&'c mut Subscriptions>,
    },
    Postgres(&'c mut Session),
}

impl<'c> DbTx<'c> {
    /// A reading transaction on SQLite.
    pub(super) fn sqlite_read(connection: &'c mut rusqlite::Connection) -> Self {
        Self { inner: Inner::Sqlite { connection, subscriptions: None }, mode: Mode::Read, touched: Touched::default() }
    }

    /// A writing transaction on SQLite.
    pub(super) fn sqlite_write(connection: &'c mut rusqlite::Connection, subscriptions: &'c mut Subscriptions) -> Self {
        let inner = Inner::Sqlite { connection, subscriptions: Some(subscriptions) };
        Self { inner, mode: Mode::Write, touched: Touched::default() }
    }

    /// A transaction on Postgres.
    pub(super) fn postgres(session: &'c mut Session, mode: Mode) -> Self {
        Self { inner: Inner::Postgres(session), mode, touched: Touched::default() }
    }

    /// The connection, for one statement.
    pub(crate) fn conn(&mut self) -> Conn<'_> {
        match &mut self.inner {
            Inner::Sqlite { connection, .. } => Conn::Sqlite(connection),
            Inner::Postgres(session) => Conn::Postgres(session),
        }
    }

    /// Whether others may write at the same time, so that row locks mean something.
    pub(crate) fn has_rivals(&self) -> bool {
        matches!(self.inner, Inner::Postgres(_))
    }

    /// The subscriptions that the writing thread keeps in memory, where there is one.
    pub(crate) fn subscriptions(&mut self) -> Option<&mut Subscriptions> {
        match &mut self.inner {
            Inner::Sqlite { subscriptions, .. } => subscriptions.as_deref_mut(),
            Inner::Postgres(_) => None,
        }
    }

    /// To be called when any subscription was or may have been changed.
    pub(crate) fn subscriptions_changed(&mut self) {
        if let Some(subscriptions) = self.subscriptions() {
            subscriptions.changed();
        }
    }
}

impl Tx for DbTx<'_> {}
