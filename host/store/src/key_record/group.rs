//! SQLite: one task that writes the key changes of all sessions and lets those that wait share a commit.
//!
//! Changes wait in a bounded queue. The task takes one, waits for its turn at the writing connection like everybody else
//! (the pool is first come, first served), and then takes what has come meanwhile. Each change that is more than one
//! statement gets a savepoint, so one that breaks a rule of the tables undoes itself only. Callers hear after the commit.

use std::fs::File;
use std::sync::Arc;
use std::time::Duration;

use portico_core::error::{Error, Result, Source};
use portico_core::id::DeviceId;
use sqlx::{Acquire, Sqlite, SqlitePool, Transaction};
use tokio::sync::{Mutex, mpsc, oneshot};
use tokio::task::JoinHandle;

use super::{Change, Changed, perform};
use crate::config::StoreConfig;
use crate::error;
use crate::statement::Conn;

/// Records one commit takes before the rest waits for the next one, so that others get their turn.
const RECORDS_PER_COMMIT: usize = 4096;
/// How long closing waits for changes under way.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(10);

/// The way to the writing task. The task ends when this is dropped or closed, after what waits is written.
pub(crate) struct KeyWriter {
    queue: mpsc::Sender<Job>,
    stop: tokio::sync::watch::Sender<bool>,
    task: Mutex<Option<JoinHandle<()>>>,
}

struct Job {
    device: DeviceId,
    change: Change,
    answer: oneshot::Sender<Result<Changed>>,
}

/// What the task works with.
struct Worker {
    writer: SqlitePool,
    per_commit: usize,
    /// The file stays locked until the last change is written.
    _lock: Arc<File>,
}

impl KeyWriter {
    /// Starts the task.
    pub(crate) fn start(writer: SqlitePool, lock: Arc<File>, config: &StoreConfig) -> Self {
        let (queue, waiting) = mpsc::channel(config.key_changes_waiting);
        let (stop, stopped) = tokio::sync::watch::channel(false);
        let worker = Worker { writer, per_commit: config.key_changes_per_commit, _lock: lock };
        let task = tokio::spawn(worker.work(waiting, stopped));
        Self { queue, stop, task: Mutex::new(Some(task)) }
    }

    /// Queues a change and waits until it is durable.
    pub(crate) async fn change(&self, device: DeviceId, change: Change) -> Result<Changed> {
        let (answer, answered) = oneshot::channel();
        let closed = || error::of("writing keys", sqlx::Error::PoolClosed.into());
        self.queue.send(Job { device, change, answer }).await.map_err(|_| closed())?;
        answered.await.map_err(|_| closed())?
    }

    /// Takes no more changes, and waits for those that were taken.
    pub(crate) async fn close(&self) {
        self.stop.send_replace(true);
        if let Some(task) = self.task.lock().await.take()
            && tokio::time::timeout(CLOSE_TIMEOUT, task).await.is_err()
        {
            tracing::warn!(
                timeout_ms = CLOSE_TIMEOUT.as_millis(),
                "key changes are still being written; closing anyway"
            );
        }
    }
}

impl Worker {
    async fn work(self, mut waiting: mpsc::Receiver<Job>, mut stopped: tokio::sync::watch::Receiver<bool>) {
        loop {
            let first = tokio::select! {
                job = waiting.recv() => job,
                _ = stopped.changed() => {
                    // What is in the queue is still handed out; nothing new gets in.
                    waiting.close();
                    waiting.recv().await
                }
            };
            let Some(first) = first else { return };
            self.write_group(first, &mut waiting).await;
        }
    }

    async fn write_group(&self, first: Job, waiting: &mut mpsc::Receiver<Job>) {
        let mut tx = match self.writer.begin_with("BEGIN IMMEDIATE").await {
            Ok(tx) => tx,
            Err(e) => {
                // The others would wait for the same in vain, one after the other.
                let count = waiting.len();
                let others = std::iter::from_fn(|| waiting.try_recv().ok()).take(count);
                return fail_all(std::iter::once(first).chain(others).map(|j| j.answer), e.into());
            }
        };
        let mut records = first.change.weight();
        let mut group = vec![first];
        while group.len() < self.per_commit && records < RECORDS_PER_COMMIT {
            let Ok(job) = waiting.try_recv() else { break };
            records += job.change.weight();
            group.push(job);
        }
        let mut done = Vec::with_capacity(group.len());
        let mut jobs = group.into_iter();
        while let Some(job) = jobs.next() {
            match perform_alone(&mut tx, &job).await {
                Ok(result) => done.push((job.answer, result)),
                Err(lost) => {
                    let others = done.into_iter().map(|(answer, _)| answer).chain(jobs.map(|j| j.answer));
                    return fail_all(std::iter::once(job.answer).chain(others), lost);
                }
            }
        }
        match tx.commit().await {
            // Whoever no longer waits for an answer doesn't need it.
            Ok(()) => done.into_iter().for_each(|(answer, result)| drop(answer.send(result))),
            Err(e) => fail_all(done.into_iter().map(|(answer, _)| answer), e.into()),
        }
    }
}

/// Does one change so that its failure leaves the others alone. The outer error means that the whole transaction is lost.
async fn perform_alone(tx: &mut Transaction<'static, Sqlite>, job: &Job) -> Result<Result<Changed>, Source> {
    if job.change.is_single() {
        return sort_out(perform(&mut Conn::Sqlite(tx), &job.device, &job.change).await);
    }
    let mut savepoint = tx.begin().await?;
    match sort_out(perform(&mut Conn::Sqlite(&mut savepoint), &job.device, &job.change).await)? {
        Ok(changed) => savepoint.commit().await.map(|()| Ok(changed)).map_err(Source::from),
        Err(e) => savepoint.rollback().await.map(|()| Err(e)).map_err(Source::from),
    }
}

/// A full or failing disk loses the transaction: SQLite may have rolled it back by itself. Any other failure is this
/// change's own.
fn sort_out(outcome: Result<Changed>) -> Result<Result<Changed>, Source> {
    match outcome {
        Err(Error::Unavailable { source, .. }) => Err(source),
        other => Ok(other),
    }
}

/// A commit that several changes shared and that was not made.
#[derive(Debug, thiserror::Error)]
#[error("the key changes of several sessions could not be committed; each may be tried again")]
struct Lost(#[source] Arc<dyn std::error::Error + Send + Sync>);

fn fail_all(answers: impl Iterator<Item = oneshot::Sender<Result<Changed>>>, source: Source) {
    let source: Arc<dyn std::error::Error + Send + Sync> = source.into();
    for answer in answers {
        // Whoever no longer waits for an answer doesn't need it.
        let _ = answer.send(Err(Error::unavailable("the database", Lost(Arc::clone(&source)))));
    }
}
