//! SQLite: the one connection that writes, and commits that several transactions share.
//!
//! A commit waits for the disk, so those that wait share one. Transactions take turns at the connection, first come, first
//! served; each has a savepoint, sees what those before it did, and can be undone alone. The first of a group that ends well
//! books the commit behind everybody who waits at that moment; all of the group hear of it together. Invariant: nobody is
//! told that something is done before the disk has it, and when the commit fails everybody in the group is told so.

#[cfg(test)]
mod tests;

use std::fs::File;
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{ConnectOptions, Connection, Error, SqliteConnection};
use tokio::runtime::Handle;
use tokio::sync::{Mutex, OwnedMappedMutexGuard, OwnedMutexGuard, oneshot};
use tokio::time::Instant;

use crate::config::StoreConfig;

/// How old a group may get: then it is committed before the next turn, however many are waiting.
const GROUP_AGE: Duration = Duration::from_millis(20);

// What begins and ends transactions and turns. Not in `statement::all`: they read and write no table.
const BEGIN: &str = "BEGIN IMMEDIATE";
const COMMIT: &str = "COMMIT";
const ROLLBACK: &str = "ROLLBACK";
const SAVE: &str = "SAVEPOINT turn";
const KEEP: &str = "RELEASE turn";
const UNDO: &str = "ROLLBACK TO turn";

/// What a member of a group is told at its end.
type Ending = Result<(), Arc<Error>>;

/// The writing connection; `None` once it is closed.
type Pen = Option<SqliteConnection>;

/// The way to the writing connection.
pub(crate) struct Writer(Arc<Shared>);

struct Shared {
    pen: Arc<Mutex<Pen>>,
    group: std::sync::Mutex<Group>,
    options: SqliteConnectOptions,
    acquire_timeout: Duration,
    per_commit: usize,
    runtime: Handle,
    /// Keeps a second gateway off until the last commit.
    lock: File,
}

/// What holds between turns: the transaction, and those who wait for its commit. Changed only by who holds the pen. Flags
/// are set before the statement they stand for is sent and cleared before the one that ends it: sqlx's connection runs
/// whatever was sent, also when nobody waits for it any more.
struct Group {
    members: Vec<oneshot::Sender<Ending>>,
    since: Instant,
    /// A transaction is open.
    open: bool,
    /// A turn was given up: its savepoint is still there.
    undo: bool,
    /// SQLite failed at ending something, and only a fresh connection knows where it stands.
    broken: bool,
    commits: u64,
}

/// A turn at the connection. Dropping it undoes what it did.
pub(crate) struct Turn {
    pen: OwnedMappedMutexGuard<Pen, SqliteConnection>,
    shared: Arc<Shared>,
    savepoint: bool,
}

impl Writer {
    /// Connects. Must be called within a Tokio runtime.
    pub(crate) async fn open(options: SqliteConnectOptions, lock: File, config: &StoreConfig) -> Result<Self, Error> {
        let pen = Arc::new(Mutex::new(Some(options.connect().await?)));
        let group =
            Group { members: Vec::new(), since: Instant::now(), open: false, undo: false, broken: false, commits: 0 };
        Ok(Self(Arc::new(Shared {
            pen,
            group: group.into(),
            options,
            acquire_timeout: config.acquire_timeout,
            per_commit: config.transactions_per_commit,
            runtime: Handle::current(),
            lock,
        })))
    }

    /// Waits for a turn to write.
    pub(crate) async fn turn(&self) -> Result<Turn, Error> {
        let mut turn = self.turn_for_one().await?;
        turn.savepoint = true;
        if let Err(error) = run(&mut turn.pen, SAVE).await {
            turn.savepoint = false;
            return Err(error);
        }
        Ok(turn)
    }

    /// Waits for a turn to run a single statement, which undoes itself when it fails.
    pub(crate) async fn turn_for_one(&self) -> Result<Turn, Error> {
        let shared = Arc::clone(&self.0);
        let waiting = tokio::time::timeout(shared.acquire_timeout, Arc::clone(&shared.pen).lock_owned());
        let mut pen = waiting.await.map_err(|_| Error::PoolTimedOut)?;
        if shared.group().is_full(shared.per_commit) {
            pen = shared.commit_first(pen).await?;
        }
        shared.begin(&mut pen).await?;
        let pen = OwnedMutexGuard::try_map(pen, Option::as_mut).map_err(|_| Error::PoolClosed)?;
        Ok(Turn { pen, shared, savepoint: false })
    }

    /// Ends the connection, once those who are waiting already had their turn, and lets another gateway in.
    pub(crate) async fn close(&self) {
        let mut pen = self.0.pen.lock().await;
        self.0.commit(&mut pen).await;
        if let Some(connection) = pen.take()
            && let Err(error) = connection.close().await
        {
            tracing::warn!(%error, "the database's writing connection did not end well");
        }
        if let Err(error) = self.0.lock.unlock() {
            tracing::warn!(%error, "the lock of the database's folder stays until the gateway ends");
        }
        tracing::debug!(commits = self.0.group().commits, "the database's writing connection is closed");
    }
}

impl Shared {
    fn group(&self) -> std::sync::MutexGuard<'_, Group> {
        self.group.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Sees to it that there is a transaction for the group, with nothing in it of turns that were given up.
    async fn begin(&self, pen: &mut Pen) -> Result<(), Error> {
        let connection = pen.as_mut().ok_or(Error::PoolClosed)?;
        self.tidy(connection).await;
        if self.group().broken {
            self.end(Err(Error::WorkerCrashed));
            *connection = self.options.connect().await?;
            self.group().broken = false;
        }
        if !std::mem::replace(&mut self.group().open, true)
            && let Err(error) = run(connection, BEGIN).await
        {
            self.group().open = false;
            return Err(error);
        }
        Ok(())
    }

    /// Undoes a turn that was given up.
    async fn tidy(&self, connection: &mut SqliteConnection) {
        if !std::mem::take(&mut self.group().undo) {
            return;
        }
        for statement in [UNDO, KEEP] {
            if run(connection, statement).await.is_err() {
                self.group().broken = true;
            }
        }
    }

    /// Commits what the group did and tells it.
    async fn commit(&self, pen: &mut Pen) {
        let Some(connection) = pen else { return };
        self.tidy(connection).await;
        if !self.group().open {
            return;
        }
        let ending = if self.group().broken { Err(Error::WorkerCrashed) } else { run(connection, COMMIT).await };
        if ending.is_err() {
            // Whatever it leaves behind, it must not keep the file locked.
            let _ = run(connection, ROLLBACK).await;
        }
        self.end(ending);
    }

    /// Tells the group how it ended.
    fn end(&self, ending: Result<(), Error>) {
        let ending = ending.map_err(Arc::new);
        let mut group = self.group();
        group.open = false;
        group.broken = ending.is_err();
        group.commits += 1;
        for member in group.members.drain(..) {
            // Whoever no longer waits for an answer doesn't need it.
            let _ = member.send(ending.clone());
        }
    }

    /// Has the group committed before anybody else writes, whatever becomes of who asks for it.
    async fn commit_first(self: &Arc<Self>, mut pen: OwnedMutexGuard<Pen>) -> Result<OwnedMutexGuard<Pen>, Error> {
        let shared = Arc::clone(self);
        let committed = self.runtime.spawn(async move {
            shared.commit(&mut pen).await;
            pen
        });
        committed.await.map_err(|_| Error::PoolClosed)
    }

    /// Has the group committed once those who wait for the pen now had their turn.
    fn book_commit(self: &Arc<Self>) {
        let shared = Arc::clone(self);
        self.runtime.spawn(async move {
            let mut pen = shared.pen.lock().await;
            shared.commit(&mut pen).await;
        });
    }
}

impl Group {
    fn is_full(&self, per_commit: usize) -> bool {
        self.members.len() >= per_commit || (!self.members.is_empty() && self.since.elapsed() >= GROUP_AGE)
    }

    /// Takes one more in; says whether it is the first.
    fn join(&mut self, answer: oneshot::Sender<Ending>) -> bool {
        let is_first = self.members.is_empty();
        if is_first {
            self.since = Instant::now();
        }
        self.members.push(answer);
        is_first
    }
}

impl Turn {
    /// The connection, for one statement.
    pub(crate) fn connection(&mut self) -> &mut SqliteConnection {
        &mut self.pen
    }

    /// Ends the turn and waits until what it did is durable.
    pub(crate) async fn commit(mut self) -> Ending {
        if std::mem::take(&mut self.savepoint)
            && let Err(error) = run(&mut self.pen, KEEP).await
        {
            self.savepoint = true;
            return Err(error.into());
        }
        let (answer, answered) = oneshot::channel();
        if self.shared.group().join(answer) {
            self.shared.book_commit();
        }
        drop(self);
        // Nobody answers when the runtime has ended.
        answered.await.unwrap_or_else(|_| Err(Error::PoolClosed.into()))
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        let mut group = self.shared.group();
        group.undo = self.savepoint;
        // Without a group nobody would end the transaction around the savepoint.
        if group.members.is_empty() {
            self.shared.book_commit();
        }
    }
}

async fn run(connection: &mut SqliteConnection, statement: &'static str) -> Result<(), Error> {
    sqlx::query(statement).execute(connection).await.map(drop)
}
