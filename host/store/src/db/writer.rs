//! SQLite: the one thread that writes, and commits that several transactions share.
//!
//! A commit waits for the disk, so those that wait share one. The thread takes transactions from a queue, first come, first
//! served, and runs each in a savepoint of one open SQLite transaction; each sees what those before it did, and can be undone
//! alone. It commits when nothing more waits, or when the group is full or old, and then answers all of the group.
//! Invariant: nobody is told that something is done before the disk has it, and when the commit fails everybody in the group
//! is told so. That holds for a transaction that failed, too: why it failed may lie in what one before it did.

#[cfg(test)]
mod tests;

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use portico_core::error::Result;
use rusqlite::Connection;

use super::queue::{Answer, Job, Queue, Task, run_task};
use super::subscriptions::Subscriptions;
use super::transaction::DbTx;
use crate::cache::{Caches, Touched};
use crate::config::StoreConfig;
use crate::error::{self, Cause};
use crate::lock::FolderLock;

/// How old a group may get: then it is committed before the next transaction runs, however many are waiting.
const GROUP_AGE: Duration = Duration::from_millis(20);

// What begins and ends transactions. Not in `statement::all`: they read and write no table.
const BEGIN: &str = "BEGIN IMMEDIATE";
const COMMIT: &str = "COMMIT";
const ROLLBACK: &str = "ROLLBACK";
const SAVE: &str = "SAVEPOINT one";
const KEEP: &str = "RELEASE one";
const UNDO: &str = "ROLLBACK TO one";

/// Makes the writing connection, at first and after a failure that left it in an unknown state.
pub(super) type Connect = Box<dyn Fn() -> rusqlite::Result<Connection> + Send>;

/// The way to the writing thread. Dropping it ends the thread once it has done what waits.
pub(crate) struct Writer {
    queue: Arc<Queue>,
    thread: Mutex<Option<JoinHandle<()>>>,
    commits: Arc<AtomicU64>,
}

/// What the writing thread works with.
struct Worker {
    connection: Connection,
    connect: Connect,
    queue: Arc<Queue>,
    caches: Arc<Caches>,
    subscriptions: Subscriptions,
    transactions_per_commit: usize,
    commits: Arc<AtomicU64>,
}

/// The transactions that share a commit.
struct Group {
    begun_at: Instant,
    /// A transaction is open in SQLite.
    is_open: bool,
    /// Who is told of the end, with what each is told if the commit goes well.
    members: Vec<(Answer, Result<()>)>,
    touched: Touched,
    /// Why it must not be committed.
    broken: Option<Cause>,
}

impl Writer {
    /// Starts the thread. `lock` keeps a second gateway off and is held until the thread has ended.
    pub(super) fn start(
        connect: Connect,
        lock: FolderLock,
        config: &StoreConfig,
        caches: Arc<Caches>,
    ) -> rusqlite::Result<Self> {
        let queue = Queue::new(config.write_queue, config.acquire_timeout);
        let commits = Arc::default();
        let mut worker = Worker {
            connection: connect()?,
            connect,
            queue: Arc::clone(&queue),
            caches,
            subscriptions: Subscriptions::new(config.tenants_cached),
            transactions_per_commit: config.transactions_per_commit,
            commits: Arc::clone(&commits),
        };
        let thread = std::thread::Builder::new().name("sqlite-writer".to_owned()).spawn(move || {
            while let Some(job) = worker.queue.next() {
                worker.run_group(job);
            }
            if let Err((_, error)) = worker.connection.close() {
                tracing::warn!(%error, "the database's writing connection did not end well");
            }
            if let Err(error) = lock.unlock() {
                tracing::warn!(%error, "the lock of the database's folder stays until the gateway ends");
            }
        });
        let thread = thread.map_err(super::sqlite::no_thread)?;
        Ok(Self { queue, thread: Some(thread).into(), commits })
    }

    /// Runs a transaction and returns once what it did is durable.
    pub(super) async fn run(&self, task: Task) -> Result<()> {
        self.queue.run(task).await
    }

    /// Ends the thread and its connection, once what waits already is done, and lets another gateway in.
    pub(super) async fn close(&self) {
        self.queue.close();
        let thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner).take();
        super::sqlite::ended(thread.into_iter().collect()).await;
        let commits = self.commits.load(Ordering::Relaxed);
        tracing::debug!(commits, "the database's writing connection is closed");
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.queue.close();
    }
}

impl Worker {
    /// Runs `first` and those that wait behind it, commits, and answers them.
    fn run_group(&mut self, first: Job) {
        let mut group = Group {
            begun_at: Instant::now(),
            is_open: false,
            members: Vec::new(),
            touched: Touched::default(),
            broken: None,
        };
        let mut next = Some(first);
        while let Some(job) = next {
            if let Some((task, answer)) = job.start() {
                self.run_one(&mut group, task, answer);
            }
            let goes_on = group.broken.is_none()
                && group.members.len() < self.transactions_per_commit
                && group.begun_at.elapsed() < GROUP_AGE;
            next = if goes_on { self.queue.next_now() } else { None };
        }
        self.end(group);
    }

    /// Runs one transaction of a group.
    fn run_one(&mut self, group: &mut Group, task: Task, answer: Answer) {
        if !group.is_open {
            if let Err(cause) = execute(&self.connection, BEGIN) {
                // Whoever no longer waits for an answer does not need it.
                let _ = answer.send(Err(error::of("beginning a transaction", cause.into())));
                return;
            }
            group.is_open = true;
        }
        let outcome = match execute(&self.connection, SAVE) {
            Ok(()) => self.run_saved(group, task),
            Err(cause) => Err(error::of("beginning a transaction", cause.into())),
        };
        group.members.push((answer, outcome));
    }

    /// Runs what a transaction does and keeps it in the group, or undoes it.
    fn run_saved(&mut self, group: &mut Group, task: Task) -> Result<()> {
        let mut tx = DbTx::sqlite_write(&mut self.connection, &mut self.subscriptions);
        let outcome = run_task(task, &mut tx);
        let touched = std::mem::take(&mut tx.touched);
        group.touched.append(touched);
        let ended = match &outcome {
            // A full disk and a few other failures make SQLite undo the whole group by itself.
            _ if self.connection.is_autocommit() => Err(Cause::Undone),
            Ok(()) => execute(&self.connection, KEEP),
            Err(_) => {
                self.subscriptions.undone();
                execute(&self.connection, UNDO).and_then(|()| execute(&self.connection, KEEP))
            }
        };
        if let Err(cause) = ended {
            group.broken = Some(cause);
        }
        outcome
    }

    /// Commits what a group did and tells its members, or undoes all of it and tells them that.
    fn end(&mut self, group: Group) {
        let Group { is_open, members, touched, broken, .. } = group;
        let ended = match broken {
            Some(cause) => Err(Arc::new(cause)),
            None if is_open => execute(&self.connection, COMMIT).map_err(Arc::new),
            None => Ok(()),
        };
        if ended.is_ok() {
            self.subscriptions.committed();
        } else {
            self.subscriptions.undone();
            self.recover();
        }
        self.commits.fetch_add(u64::from(is_open), Ordering::Relaxed);
        self.caches.forget(&touched);
        for (answer, outcome) in members {
            let outcome = match &ended {
                Ok(()) => outcome,
                // One that failed by itself knows best why.
                Err(_) if outcome.is_err() => outcome,
                Err(cause) => Err(error::of("committing", Arc::clone(cause))),
            };
            let _ = answer.send(outcome);
        }
    }

    /// Sees to it that no transaction is open after one that could not be ended.
    fn recover(&mut self) {
        if !self.connection.is_autocommit()
            && let Err(error) = execute(&self.connection, ROLLBACK)
        {
            tracing::warn!(%error, "a transaction could not be undone; opening the database anew");
        }
        if self.connection.is_autocommit() {
            return;
        }
        // Where this fails, too, the next transaction fails at its beginning, and recovery is tried again after it.
        match (self.connect)() {
            Ok(fresh) => self.connection = fresh,
            Err(error) => tracing::error!(%error, "the database can't be opened anew"),
        }
    }
}

/// Runs a statement without arguments or rows. It is kept prepared.
pub(super) fn execute(connection: &Connection, statement: &str) -> Result<(), Cause> {
    connection.prepare_cached(statement)?.raw_execute()?;
    Ok(())
}
