//! Background tasks: everything the gateway does without being asked at that moment.
//!
//! One task per file. Each is a struct with `run_once`: no input, idempotent, a bounded batch. One runner drives them all, on
//! a timer and on a nudge of the [`LocalBell`]; a crash between any two lines is repaired by the next run. Left to others:
//! what a state means and what follows a failure (core), rows (store), the wire (whatsapp, net).
//!
//! Invariants: every queue and every number of things at once has a named limit in [`JobsConfig`]. When nothing happens, no
//! task asks the database more often than once a minute.

mod bell;
mod config;
mod deliver;
mod expire;
mod reap;
mod runner;
mod send_queued;
mod sessions;
mod tasks;

#[cfg(test)]
mod testing;

use std::sync::Arc;
use std::time::Duration;

use portico_core::Gateway;

pub use bell::{LocalBell, OUTGOING_MAX, SESSION_REQUESTS_MAX};
pub use config::{DeliverConfig, JobsConfig, ReapConfig, SendConfig, SessionsConfig};
pub use runner::{JobState, JobStatus};

use deliver::Deliver;
use expire::Expire;
use reap::Reap;
use runner::{Board, Job};
use send_queued::SendQueued;
use sessions::Sessions;
use tasks::Tasks;

/// How long work that was cut off at the end of the grace gets to be gone.
const ABORT_TIMEOUT: Duration = Duration::from_secs(1);

/// All background tasks of this process. Dropping it leaves them running; end them with [`Self::shutdown`].
pub struct Jobs {
    tasks: Tasks,
    boards: Vec<Arc<Board>>,
}

impl Jobs {
    /// Starts every task on the current runtime. `bell` must be the one the gateway's core rings.
    pub fn start(gateway: Arc<Gateway>, bell: Arc<LocalBell>, config: JobsConfig) -> Jobs {
        let tasks = Tasks::default();
        let jobs: Vec<Box<dyn Job>> = vec![
            Box::new(Deliver::start(gateway.clone(), bell.clone(), tasks.clone(), config.deliver)),
            Box::new(SendQueued::new(gateway.clone(), bell.clone(), tasks.clone(), config.send)),
            Box::new(Sessions::new(gateway.clone(), bell.clone(), tasks.clone(), config.sessions)),
            Box::new(Expire::new(gateway.clone(), bell)),
            Box::new(Reap::new(gateway.clone(), config.reap)),
        ];
        let mut boards = Vec::with_capacity(jobs.len());
        for job in jobs {
            let board = Arc::new(Board::new(job.name()));
            boards.push(board.clone());
            tasks.spawn(runner::drive(job, tasks.stopping(), board, gateway.core.clone()));
        }
        Jobs { tasks, boards }
    }

    /// How each task fares, for health checks and metrics.
    pub fn status(&self) -> Vec<JobStatus> {
        self.boards.iter().map(|b| b.status()).collect()
    }

    /// Takes nothing new, lets work in flight finish within `grace`, then cuts it off. What is cut off is done again after
    /// the next start.
    pub async fn shutdown(&self, grace: Duration) {
        if !self.tasks.end(grace).await {
            tracing::warn!(
                grace_ms = grace.as_millis(),
                "background work was cut off at the end of the grace; it is done again later"
            );
            self.tasks.abort(ABORT_TIMEOUT).await;
        }
    }
}
