//! Keyed workers: work that is done per key (a device, a lane, a schedule), one run of a key at a time, many keys at once.
//!
//! A key runs when it is woken or when the time has come that its last run asked for. A key that is woken while it runs,
//! runs once more afterwards, so that no wake-up is lost. How many keys run at the same time is bounded, overall and for
//! each group (a tenant). A run that fails or panics is repeated after a pause that grows with every failure in a row.
//!
//! A new kind of work is one file: a struct that implements [`Work`], and a [`Workers`] around it. [`schedule`] decides what
//! runs when, without any I/O; this file runs it.

mod schedule;

use std::fmt::Display;
use std::hash::Hash;
use std::panic::AssertUnwindSafe;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use futures_util::FutureExt;
use portico_core::id::TenantId;
use portico_core::{Error, Result};
use tokio::sync::Notify;
use tokio::time::Instant;

use crate::quota::{Permit, Quota, Scope};
use crate::runner::backoff;
use crate::tasks::{Tasks, cause, lock};
use schedule::Schedule;

/// What is done for a key.
#[async_trait]
pub(crate) trait Work: Send + Sync + 'static {
    /// What is worked on. At most one run of a key is under way.
    type Key: Clone + Display + Eq + Hash + Ord + Send + Sync + 'static;
    /// What a key's runs remember from one to the next. Lost when the key was idle for long, or its run panicked.
    type Memory: Default + Send + Sync + 'static;

    /// What is done, for logs.
    fn name(&self) -> &'static str;

    /// The tenant whose limit the key counts for, if it is known by now.
    fn tenant(&self, memory: &Self::Memory) -> Option<TenantId>;

    /// Does what there is to do for the key. Safe to repeat at any time.
    async fn run(&self, key: &Self::Key, memory: &mut Self::Memory) -> Result<Next>;
}

/// When a key runs again without being woken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Next {
    /// Never.
    WhenWoken,
    /// At that time.
    At(Instant),
}

/// How many keys run at the same time.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    /// Overall.
    pub(crate) at_once: usize,
    /// Of one tenant.
    pub(crate) per_tenant: usize,
}

/// Runs the work of many keys. Cloning shares it.
pub(crate) struct Workers<W: Work>(Arc<Shared<W>>);

struct Shared<W: Work> {
    work: W,
    tasks: Tasks,
    limits: Limits,
    quota: Quota<TenantId>,
    schedule: Mutex<Schedule<W::Key, W::Memory>>,
    /// The next time something is due may be earlier than before.
    changed: Notify,
}

impl<W: Work> Clone for Workers<W> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<W: Work> Workers<W> {
    /// Workers for `work`, on the current runtime. They end with `tasks`.
    pub(crate) fn start(work: W, tasks: Tasks, limits: Limits) -> Self {
        let quota = Quota::new(limits.at_once);
        let schedule = Mutex::new(Schedule::default());
        let shared = Arc::new(Shared { work, tasks: tasks.clone(), limits, quota, schedule, changed: Notify::new() });
        tasks.spawn(shared.clone().keep_time());
        Self(shared)
    }

    /// What they do.
    pub(crate) fn work(&self) -> &W {
        &self.0.work
    }

    /// Runs the key now, or once more if it is running.
    pub(crate) fn wake(&self, key: W::Key) {
        lock(&self.0.schedule).wake(key);
        self.0.start_ready();
    }

    /// Runs the key at that time, or earlier if it is due earlier.
    pub(crate) fn wake_at(&self, key: W::Key, at: Instant) {
        lock(&self.0.schedule).wake_at(key, at);
        self.0.changed.notify_one();
    }

    /// Forgets what idle keys remember.
    pub(crate) fn forget_idle(&self) {
        lock(&self.0.schedule).forget_idle();
    }
}

impl<W: Work> Shared<W> {
    /// Starts keys when their time has come.
    async fn keep_time(self: Arc<Self>) {
        let stop = self.tasks.stopping();
        while !stop.is_cancelled() {
            self.start_ready();
            let next = lock(&self.schedule).next_time();
            let changed = async {
                match next {
                    Some(at) => drop(tokio::time::timeout_at(at, self.changed.notified()).await),
                    None => self.changed.notified().await,
                }
            };
            stop.run_until_cancelled(changed).await;
        }
    }

    /// Starts every key that is due, as far as the limits allow. Called whenever a key may have become due or a permit was
    /// given back.
    fn start_ready(self: &Arc<Self>) {
        if self.tasks.stopping().is_cancelled() {
            return;
        }
        let permit = |memory: &W::Memory| {
            let tenant = self.work.tenant(memory);
            let scope = tenant.map(|key| Scope { key, max: self.limits.per_tenant });
            self.quota.take(scope.as_slice(), 1)
        };
        let started = lock(&self.schedule).start(Instant::now(), permit);
        for (key, memory, permit) in started {
            let shared = self.clone();
            self.tasks.spawn(async move { shared.run(key, memory, permit).await });
        }
    }

    async fn run(self: Arc<Self>, key: W::Key, mut memory: W::Memory, permit: Permit<TenantId>) {
        let run = AssertUnwindSafe(self.work.run(&key, &mut memory)).catch_unwind().await;
        let result = run.unwrap_or_else(|_| {
            memory = W::Memory::default();
            Err(Error::internal("running background work", "it panicked"))
        });
        drop(permit);
        let mut schedule = lock(&self.schedule);
        match result {
            Ok(next) => schedule.ended(key, memory, next),
            Err(error) => {
                let pause = backoff(schedule.failures(&key).saturating_add(1));
                let retry_ms = pause.as_millis();
                tracing::warn!(work = self.work.name(), key = %key, error = cause(&error), retry_ms, "background work failed and is tried again");
                schedule.failed(key, memory, Instant::now() + pause);
            }
        }
        drop(schedule);
        self.changed.notify_one();
        self.start_ready();
    }
}

#[cfg(test)]
mod tests;
