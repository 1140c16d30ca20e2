//! Background tasks: everything the gateway does without being asked at that moment.
//!
//! One task per file. Each is a struct with `run_once`: no input, idempotent, a bounded batch. One runner drives them all, on
//! a timer and on a wake-up by the [`LocalWaker`]; a crash between any two lines is repaired by the next run. Work that is
//! done per device (or another key) is a `workers::Work` beside its task. Left to others: what a state means and what
//! follows a failure (core), rows (store), the wire (whatsapp, net).
//!
//! Times that are compared with stored ones come from the injected clock (`Ports::clock`); pauses and timeouts use tokio's
//! time, which tests can pause. A test of both gives a clock and pauses tokio's time.
//!
//! Invariants: every queue and every number of things at once has a named limit in [`JobsConfig`]. When nothing happens, no
//! task asks the database more often than once a minute.

mod config;
mod deliver;
mod expire;
mod keep_sessions;
mod quota;
mod reap;
mod runner;
mod send_queued;
mod sweep_media;
mod tasks;
mod waker;
mod workers;

#[cfg(test)]
mod testing;

use std::sync::Arc;
use std::time::Duration;

use portico_core::Services;

pub use config::{DeliverConfig, JobsConfig, ReapConfig, SendConfig, SessionsConfig};
pub use deliver::SlotsStatus;
pub use runner::{JobState, JobStatus};
pub use waker::{LocalWaker, OUTGOING_MAX, SESSION_REQUESTS_MAX};

use deliver::Deliver;
use expire::Expire;
use keep_sessions::KeepSessions;
use reap::Reap;
use runner::{Job, Status};
use send_queued::SendQueued;
use sweep_media::SweepMedia;
use tasks::Tasks;

/// How long work that was cut off at the end of the grace gets to be gone.
const ABORT_TIMEOUT: Duration = Duration::from_secs(1);

/// All background tasks of this process. Dropping it leaves them running; end them with [`Self::shutdown`].
pub struct Jobs {
    tasks: Tasks,
    status: Vec<Arc<Status>>,
    slots: Box<dyn Fn() -> SlotsStatus + Send + Sync>,
}

impl Jobs {
    /// Starts every task on the current runtime. `waker` must be the one in `services.ports`.
    pub fn start(services: Arc<Services>, waker: Arc<LocalWaker>, config: JobsConfig) -> Jobs {
        let tasks = Tasks::default();
        let deliver = Deliver::start(services.clone(), waker.clone(), tasks.clone(), config.deliver);
        let slots = Box::new(deliver.slots());
        let jobs: Vec<Box<dyn Job>> = vec![
            Box::new(deliver),
            Box::new(SendQueued::new(services.clone(), waker.clone(), tasks.clone(), config.send)),
            Box::new(KeepSessions::new(services.clone(), waker.clone(), tasks.clone(), config.sessions)),
            Box::new(Expire::new(services.clone(), waker)),
            Box::new(SweepMedia::new(services.clone(), config.reap.clone())),
            Box::new(Reap::new(services.clone(), config.reap)),
        ];
        let mut all = Vec::with_capacity(jobs.len());
        for job in jobs {
            let status = Arc::new(Status::new(job.name()));
            all.push(status.clone());
            tasks.spawn(runner::drive(job, tasks.stopping(), status, services.ports.clone()));
        }
        Jobs { tasks, status: all, slots }
    }

    /// How each task fares, for health checks and metrics.
    pub fn status(&self) -> Vec<JobStatus> {
        self.status.iter().map(|s| s.status()).collect()
    }

    /// How busy the delivery slots are, for health checks and metrics.
    pub fn delivery_slots(&self) -> SlotsStatus {
        (self.slots)()
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
