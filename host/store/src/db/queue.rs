//! The bounded queue of transactions that wait for a thread of SQLite.
//!
//! Callers are tasks of the async runtime; they wait without holding one of its threads. Invariant: a caller that is told
//! "no thread became free in time" can be sure that its transaction never starts.

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use portico_core::error::{Error, Result};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};
use tokio::time::{Instant, timeout_at};

use super::transaction::DbTx;
use crate::error::{self, Cause};

/// What a transaction does. An error undoes it.
pub(crate) type Task = Box<dyn FnOnce(&mut DbTx<'_>) -> Result<()> + Send>;

/// Where a caller is told how its transaction ended.
pub(super) type Answer = oneshot::Sender<Result<()>>;

/// A transaction that waits.
pub(super) struct Job {
    task: Task,
    answer: Answer,
    /// Set by whoever comes first: the thread that starts the job, or the caller that has waited for too long.
    decided: Arc<AtomicBool>,
    place: OwnedSemaphorePermit,
}

/// Transactions that wait for a thread, first come, first served.
pub(super) struct Queue {
    waiting: Mutex<Waiting>,
    /// Tells threads that something waits, or that the queue was closed.
    filled: Condvar,
    /// One permit for each job that may still be added.
    places: Arc<Semaphore>,
    /// How long a caller waits for its transaction to start.
    start_timeout: Duration,
}

#[derive(Default)]
struct Waiting {
    jobs: VecDeque<Job>,
    closed: bool,
}

impl Job {
    /// Takes the job for running; `None` when nobody waits for it any more.
    pub(super) fn start(self) -> Option<(Task, Answer)> {
        let Self { task, answer, decided, place } = self;
        drop(place);
        (!answer.is_closed() && !decided.swap(true, Ordering::AcqRel)).then_some((task, answer))
    }
}

impl Queue {
    /// A queue for that many jobs.
    pub(super) fn new(jobs_max: usize, start_timeout: Duration) -> Arc<Self> {
        Arc::new(Self {
            waiting: Mutex::default(),
            filled: Condvar::new(),
            places: Arc::new(Semaphore::new(jobs_max)),
            start_timeout,
        })
    }

    /// Has a thread run a transaction and waits for its end. If the caller goes away before the transaction starts, it never
    /// does; later, it is run to its end.
    pub(super) async fn run(&self, task: Task) -> Result<()> {
        let refused = |cause: Cause| error::of("waiting for the database", cause.into());
        let deadline = Instant::now() + self.start_timeout;
        let place = match timeout_at(deadline, Arc::clone(&self.places).acquire_owned()).await {
            Ok(Ok(place)) => place,
            Ok(Err(_)) => return Err(refused(Cause::Closed)),
            Err(_) => return Err(refused(Cause::TimedOut)),
        };
        let (answer, mut answered) = oneshot::channel();
        let decided = Arc::new(AtomicBool::new(false));
        if !self.add(Job { task, answer, decided: Arc::clone(&decided), place }) {
            return Err(refused(Cause::Closed));
        }
        let answer = match timeout_at(deadline, &mut answered).await {
            Ok(answer) => answer,
            Err(_) if !decided.swap(true, Ordering::AcqRel) => return Err(refused(Cause::TimedOut)),
            // It has started, so it ends.
            Err(_) => answered.await,
        };
        answer.unwrap_or_else(|_| Err(refused(Cause::Closed)))
    }

    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds a job; `false` when the queue is closed.
    fn add(&self, job: Job) -> bool {
        let mut waiting = self.waiting();
        if waiting.closed {
            return false;
        }
        waiting.jobs.push_back(job);
        drop(waiting);
        self.filled.notify_one();
        true
    }

    /// Waits for the next job; `None` once the queue is closed and empty.
    pub(super) fn next(&self) -> Option<Job> {
        let mut waiting = self.waiting();
        loop {
            if let Some(job) = waiting.jobs.pop_front() {
                return Some(job);
            }
            if waiting.closed {
                return None;
            }
            waiting = self.filled.wait(waiting).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// The next job, if one waits.
    pub(super) fn next_now(&self) -> Option<Job> {
        self.waiting().jobs.pop_front()
    }

    /// How many jobs wait.
    #[cfg(test)]
    pub(super) fn length(&self) -> usize {
        self.waiting().jobs.len()
    }

    /// Takes no more jobs. Those that wait are still run.
    pub(super) fn close(&self) {
        self.waiting().closed = true;
        self.places.close();
        self.filled.notify_all();
    }
}

/// Runs what a transaction does. A panic ends it as an error does: the thread serves others, too.
pub(super) fn run_task(task: Task, tx: &mut DbTx<'_>) -> Result<()> {
    // Nothing of what the closure may have left half-done is used again: what it did to the database is undone.
    catch_unwind(AssertUnwindSafe(|| task(tx)))
        .unwrap_or_else(|_| Err(Error::internal("running a transaction", "it panicked; the log has the place")))
}
