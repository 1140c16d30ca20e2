//! SQLite: the threads that read. Each has a connection that can't write, and they share one queue.

use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

use portico_core::error::Result;
use rusqlite::Connection;

use super::queue::{Queue, Task, run_task};
use super::transaction::DbTx;
use super::writer::execute;
use crate::config::StoreConfig;
use crate::error;

// Not in `statement::all`: they read and write no table.
const BEGIN: &str = "BEGIN";
const ROLLBACK: &str = "ROLLBACK";

/// The way to the reading threads. Dropping it ends them once they have done what waits.
pub(crate) struct Readers {
    queue: Arc<Queue>,
    threads: Mutex<Vec<JoinHandle<()>>>,
}

impl Readers {
    /// Starts the threads.
    pub(super) fn start(
        connect: impl Fn() -> rusqlite::Result<Connection>,
        config: &StoreConfig,
    ) -> rusqlite::Result<Self> {
        let queue = Queue::new(config.read_queue, config.acquire_timeout);
        // Made first, so that threads that were started already end when a later one can't be.
        let readers = Self { queue: Arc::clone(&queue), threads: Mutex::default() };
        for number in 0..config.sqlite_readers {
            let (mut connection, queue) = (connect()?, Arc::clone(&queue));
            let thread = std::thread::Builder::new().name(format!("sqlite-reader-{number}")).spawn(move || {
                while let Some(job) = queue.next() {
                    if let Some((task, answer)) = job.start() {
                        // Whoever no longer waits for an answer does not need it.
                        let _ = answer.send(read(&mut connection, task));
                    }
                }
            });
            let thread = thread.map_err(super::sqlite::no_thread)?;
            readers.threads.lock().unwrap_or_else(PoisonError::into_inner).push(thread);
        }
        Ok(readers)
    }

    /// Runs a transaction that only reads.
    pub(super) async fn run(&self, task: Task) -> Result<()> {
        self.queue.run(task).await
    }

    /// Ends the threads and their connections, once what waits already is done.
    pub(super) async fn close(&self) {
        self.queue.close();
        let threads = std::mem::take(&mut *self.threads.lock().unwrap_or_else(PoisonError::into_inner));
        super::sqlite::ended(threads).await;
    }
}

impl Drop for Readers {
    fn drop(&mut self) {
        self.queue.close();
    }
}

/// Runs a transaction that only reads, on one state of the database.
pub(super) fn read(connection: &mut Connection, task: Task) -> Result<()> {
    let failed = |cause: error::Cause| error::of("beginning a transaction", cause.into());
    execute(connection, BEGIN).map_err(failed)?;
    let outcome = run_task(task, &mut DbTx::sqlite_read(connection));
    // There is nothing to keep, and undoing can't fail for want of disk.
    if !connection.is_autocommit() {
        execute(connection, ROLLBACK).map_err(failed)?;
    }
    outcome
}
