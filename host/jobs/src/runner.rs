//! The one loop that drives every task: on a timer, on a wake-up, slower after failures, and to an end at shutdown.

use std::panic::AssertUnwindSafe;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use futures_util::FutureExt;
use portico_core::time::UtcMs;
use portico_core::{Error, Ports, Result};
use serde::Serialize;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use crate::tasks::{cause, lock};

/// Waits after one, two, … failures in a row; the last one is repeated.
const BACKOFF: [Duration; 5] = [
    Duration::from_secs(1),
    Duration::from_secs(2),
    Duration::from_secs(5),
    Duration::from_secs(15),
    Duration::from_secs(60),
];

/// A background task.
#[async_trait]
pub(crate) trait Job: Send + Sync {
    /// Its name in logs and figures: the name of its file.
    fn name(&self) -> &'static str;

    /// What wakes it before its time; `None`: only the timer.
    fn wakeup(&self) -> Option<&Notify>;

    /// How long wake-ups are collected after a run that left nothing to do at once.
    fn gap(&self) -> Duration {
        Duration::ZERO
    }

    /// How long to wait after this many failures in a row.
    fn rest(&self, failures: u32) -> Duration {
        backoff(failures)
    }

    /// Does what is due, at most one batch. Safe to repeat at any time.
    async fn run_once(&self) -> Result<Run>;
}

/// What a run did and when the next one makes sense.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Run {
    /// Things done.
    pub(crate) done: u64,
    /// Wait before the next run, unless a wake-up comes; zero: there is more to do.
    pub(crate) next: Duration,
}

/// What a task is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum JobState {
    /// It has not run yet.
    Starting,
    /// It runs.
    Running,
    /// It waits for work.
    Waiting,
    /// Its last run failed; it tries again.
    Failing,
    /// It ended with the gateway.
    Stopped,
}

/// How a task fares.
#[derive(Clone, Debug, Serialize)]
pub struct JobStatus {
    /// Its name.
    pub name: &'static str,
    /// What it is doing.
    pub state: JobState,
    /// Runs so far.
    pub runs: u64,
    /// Runs that failed.
    pub failures: u64,
    /// Runs that failed since the last good one.
    pub failures_in_a_row: u32,
    /// Things done so far: deliveries claimed, devices served, rows removed, …
    pub done: u64,
    /// When the last run began.
    pub last_run_at: Option<UtcMs>,
    /// Why the last failed run failed.
    pub last_error: Option<String>,
}

/// A task's figures, kept up to date by the loop that drives it.
pub(crate) struct Status(Mutex<JobStatus>);

impl Status {
    pub(crate) fn new(name: &'static str) -> Self {
        Self(Mutex::new(JobStatus {
            name,
            state: JobState::Starting,
            runs: 0,
            failures: 0,
            failures_in_a_row: 0,
            done: 0,
            last_run_at: None,
            last_error: None,
        }))
    }

    pub(crate) fn status(&self) -> JobStatus {
        lock(&self.0).clone()
    }

    fn begun(&self, at: UtcMs) {
        let mut status = lock(&self.0);
        status.state = JobState::Running;
        status.last_run_at = Some(at);
    }

    /// Records the end of a run; says how many failed in a row.
    fn ended(&self, result: &Result<Run>) -> u32 {
        let mut status = lock(&self.0);
        status.runs += 1;
        match result {
            Ok(run) => {
                status.state = JobState::Waiting;
                status.failures_in_a_row = 0;
                status.done += run.done;
            }
            Err(error) => {
                status.state = JobState::Failing;
                status.failures += 1;
                status.failures_in_a_row = status.failures_in_a_row.saturating_add(1);
                status.last_error = Some(error.to_string());
            }
        }
        status.failures_in_a_row
    }

    fn stopped(&self) {
        lock(&self.0).state = JobState::Stopped;
    }
}

/// Runs `job` until `stop`. A run that has begun is finished.
pub(crate) async fn drive(job: Box<dyn Job>, stop: CancellationToken, status: Arc<Status>, ports: Arc<Ports>) {
    while !stop.is_cancelled() {
        status.begun(ports.now());
        let run = AssertUnwindSafe(job.run_once()).catch_unwind().await;
        let result = run.unwrap_or_else(|_| Err(Error::internal("running a background task", "it panicked")));
        let failures = status.ended(&result);
        match result {
            Ok(status) if status.next.is_zero() => tokio::task::yield_now().await,
            Ok(status) => {
                stop.run_until_cancelled(wait(&*job, status.next)).await;
            }
            Err(error) => {
                let pause = job.rest(failures);
                log(job.name(), &error, pause);
                stop.run_until_cancelled(tokio::time::sleep(pause)).await;
            }
        }
    }
    status.stopped();
}

async fn wait(job: &dyn Job, longest: Duration) {
    let gap = job.gap().min(longest);
    tokio::time::sleep(gap).await;
    let timer = tokio::time::sleep(longest - gap);
    match job.wakeup() {
        None => timer.await,
        Some(wakeup) => tokio::select! {
            () = timer => {}
            () = wakeup.notified() => {}
        },
    }
}

/// How long to wait after this many failures in a row.
pub(crate) fn backoff(failures: u32) -> Duration {
    let step = (failures.max(1) as usize - 1).min(BACKOFF.len() - 1);
    BACKOFF[step]
}

fn log(job: &str, error: &Error, pause: Duration) {
    tracing::warn!(
        job,
        error = cause(error),
        retry_ms = pause.as_millis(),
        "a background task failed and is tried again"
    );
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use super::*;
    use crate::testing;

    /// Fails twice, panics once, then does one thing and rests.
    struct FailsAtFirst {
        runs: Arc<AtomicU32>,
        wakeup: Arc<Notify>,
        good: Arc<Notify>,
    }

    #[async_trait]
    impl Job for FailsAtFirst {
        fn name(&self) -> &'static str {
            "fails_at_first"
        }

        fn wakeup(&self) -> Option<&Notify> {
            Some(&self.wakeup)
        }

        fn rest(&self, _: u32) -> Duration {
            Duration::ZERO
        }

        async fn run_once(&self) -> Result<Run> {
            match self.runs.fetch_add(1, Ordering::SeqCst) {
                0 | 1 => Err(Error::unavailable("the test", "not yet")),
                2 => panic!("a bug"),
                _ => {
                    self.good.notify_one();
                    Ok(Run { done: 1, next: Duration::from_secs(3600) })
                }
            }
        }
    }

    #[tokio::test]
    async fn failures_and_panics_are_survived_and_wakeups_are_heard() {
        let (runs, wakeup, good) = (Arc::default(), Arc::new(Notify::new()), Arc::new(Notify::new()));
        let job = FailsAtFirst { runs, wakeup: wakeup.clone(), good: good.clone() };
        let (status, stop) = (Arc::new(Status::new("fails_at_first")), CancellationToken::new());
        let ports = testing::services().ports.clone();
        let driven = tokio::spawn(drive(Box::new(job), stop.clone(), status.clone(), ports));
        good.notified().await;
        wakeup.notify_one();
        good.notified().await;
        stop.cancel();
        driven.await.expect("an orderly end");
        let status = status.status();
        assert_eq!((status.state, status.runs, status.failures, status.done), (JobState::Stopped, 5, 3, 2));
        assert_eq!(status.failures_in_a_row, 0);
    }

    #[test]
    fn the_wait_grows_to_a_minute() {
        assert_eq!(backoff(1), Duration::from_secs(1));
        assert_eq!(backoff(3), Duration::from_secs(5));
        assert_eq!(backoff(1_000_000), Duration::from_secs(60));
    }
}
