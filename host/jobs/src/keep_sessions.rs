//! Keeps sessions as they should be: starts those that should run after a start of the gateway, stops and restarts those
//! that the state machine names, and finds those that vanished.
//!
//! The store says what should run, [`Sessions`](portico_core::ports::Sessions) what does. Requests and restoring have workers
//! of their own, so that a request does not wait behind hundreds of sessions that are being restored.

mod request;
mod restore;

use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use portico_core::device::Device;
use portico_core::id::DeviceId;
use portico_core::time::UtcMs;
use portico_core::{Result, Services};
use tokio::sync::Notify;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::config::SessionsConfig;
use crate::runner::{Job, Run};
use crate::tasks::{Tasks, lock};
use crate::waker::LocalWaker;
use crate::workers::{Limits, Workers};
use request::AnswerRequests;
use restore::{RestoreSessions, Why};

/// Devices the sweep reads in one transaction.
const PAGE: u32 = 100;

/// The task: hands requests to their workers, and searches for devices without a session that should have one.
pub(crate) struct KeepSessions {
    shared: Arc<Shared>,
    requests: Workers<AnswerRequests>,
    restoring: Workers<RestoreSessions>,
    started_at: UtcMs,
    /// When the next sweep is due; `None`: none was made since the start.
    sweep_at: Mutex<Option<Instant>>,
}

/// What both kinds of workers need.
struct Shared {
    services: Arc<Services>,
    waker: Arc<LocalWaker>,
    config: SessionsConfig,
    stop: CancellationToken,
}

impl Shared {
    async fn load(&self, id: &DeviceId) -> Result<Option<Device>> {
        let id = id.clone();
        self.services.ports.read(move |tx| tx.device_load(&id)).await
    }
}

impl KeepSessions {
    pub(crate) fn new(services: Arc<Services>, waker: Arc<LocalWaker>, tasks: Tasks, config: SessionsConfig) -> Self {
        let started_at = services.ports.now();
        let limits = Limits { at_once: config.at_once, per_tenant: config.at_once };
        let shared = Arc::new(Shared { services, waker, config, stop: tasks.stopping() });
        Self {
            requests: Workers::start(AnswerRequests::new(shared.clone()), tasks.clone(), limits),
            restoring: Workers::start(RestoreSessions::new(shared.clone()), tasks, limits),
            shared,
            started_at,
            sweep_at: Mutex::new(None),
        }
    }

    /// Wakes the restoring worker of every device that should have a session and has none. Says how many there are.
    async fn sweep(&self, why: Why) -> Result<u64> {
        let mut after: Option<DeviceId> = None;
        let mut found = 0;
        loop {
            let from = after.take();
            let page = self.shared.services.ports.read(move |tx| tx.device_wanted(from.as_ref(), PAGE)).await?;
            let Some(last) = page.last() else { break };
            after = Some(last.id.clone());
            let sessions = &self.shared.services.sessions;
            for device in page.into_iter().filter(|d| why.is_about(d) && sessions.resources(&d.id).is_none()) {
                self.restoring.work().note(device.id.clone(), why);
                self.restoring.wake(device.id);
                found += 1;
            }
        }
        if found > 0 {
            tracing::info!(devices = found, reason = why.code(), "devices without a session are being restored");
        }
        Ok(found)
    }
}

#[async_trait]
impl Job for KeepSessions {
    fn name(&self) -> &'static str {
        "sessions"
    }

    fn wakeup(&self) -> Option<&Notify> {
        Some(&self.shared.waker.sessions)
    }

    async fn run_once(&self) -> Result<Run> {
        let requests = self.shared.waker.take_requests();
        let mut done = requests.devices.len() as u64;
        for (device, at) in requests.devices {
            self.requests.wake_at(device, at);
        }
        let sweep_at = *lock(&self.sweep_at);
        let why = match sweep_at {
            None => Some(Why::gateway_restarted(self.started_at)),
            Some(at) if requests.everything || at <= Instant::now() => {
                Some(Why::session_lost(self.shared.services.ports.now()))
            }
            Some(_) => None,
        };
        if let Some(why) = why {
            self.requests.forget_idle();
            self.restoring.forget_idle();
            done += self.sweep(why).await?;
            *lock(&self.sweep_at) = Some(Instant::now() + self.shared.config.sweep_every);
        }
        let at = lock(&self.sweep_at).unwrap_or_else(Instant::now);
        // Not zero, which would mean "go on at once" to the runner.
        Ok(Run { done, next: at.saturating_duration_since(Instant::now()).max(Duration::from_millis(1)) })
    }
}
