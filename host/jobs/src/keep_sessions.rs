//! Keeps sessions as they should be: starts the wanted ones after a start of the gateway, stops and restarts those the state
//! machine says, and finds those that vanished.
//!
//! The store says what should run, `Sessions` what does. What somebody started or stopped a moment ago is left to them.

mod restore;

use std::panic::AssertUnwindSafe;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use futures_util::{FutureExt, StreamExt, stream};
use portico_core::device::{Device, DeviceState, Wanted};
use portico_core::id::DeviceId;
use portico_core::ports::Waker;
use portico_core::time::UtcMs;
use portico_core::{Error, Result, Services};
use tokio::sync::Notify;
use tokio::time::Instant;

use crate::config::SessionsConfig;
use crate::runner::{Job, Status};
use crate::tasks::{Tasks, cause, lock};
use crate::waker::LocalWaker;
use restore::Why;

/// Requests about sessions taken at once.
const REQUESTS: usize = 64;
/// A session that failed to start or stop is tried again after this long.
const RETRY: Duration = Duration::from_secs(5);

/// The task.
pub(crate) struct KeepSessions(Arc<Shared>);

struct Shared {
    services: Arc<Services>,
    waker: Arc<LocalWaker>,
    tasks: Tasks,
    config: SessionsConfig,
    started_at: UtcMs,
    sweep: Mutex<Sweep>,
}

/// Where looking through all wanted devices stands.
#[derive(Clone, Copy, Debug)]
enum Sweep {
    /// None was finished since the start.
    First,
    /// One is under way.
    Running,
    /// The next one is due then.
    Due(Instant),
}

/// What a request about a session means for a device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Need {
    /// Nothing: the device moved on.
    Nothing,
    /// An end.
    Close,
    /// An end and a new start.
    Restart,
}

impl KeepSessions {
    pub(crate) fn new(services: Arc<Services>, waker: Arc<LocalWaker>, tasks: Tasks, config: SessionsConfig) -> Self {
        let started_at = services.ports.now();
        Self(Arc::new(Shared { services, waker, tasks, config, started_at, sweep: Mutex::new(Sweep::First) }))
    }

    /// Starts looking through all wanted devices, if it is time; beside the requests, which must not wait for it.
    fn sweep_if_due(&self, asked: bool) {
        let mut sweep = lock(&self.0.sweep);
        let why = match *sweep {
            Sweep::Running => return,
            Sweep::First => Why::gateway_restarted(self.0.started_at),
            Sweep::Due(at) if asked || at <= Instant::now() => Why::session_lost(self.0.services.ports.now()),
            Sweep::Due(_) => return,
        };
        let (before, shared) = (*sweep, self.0.clone());
        *sweep = Sweep::Running;
        drop(sweep);
        self.0.tasks.spawn(async move {
            let swept = AssertUnwindSafe(restore::sweep(&shared, &why)).catch_unwind().await;
            let after = match swept.unwrap_or_else(|_| Err(Error::internal("looking for sessions", "it panicked"))) {
                Ok(()) => Sweep::Due(Instant::now() + shared.config.sweep_every),
                Err(error) => {
                    tracing::warn!(error = cause(&error), "looking for sessions to restore failed and is tried again");
                    tokio::time::sleep(RETRY).await;
                    before
                }
            };
            *lock(&shared.sweep) = after;
            shared.waker.sessions.notify_one();
        });
    }
}

impl Shared {
    /// Does what a request about a session asks for; the device's state says what that is.
    async fn answer(&self, id: DeviceId) {
        if let Err(error) = self.try_answer(&id).await {
            tracing::warn!(device.id = %id, error = cause(&error), "a session could not be started or stopped and is tried again");
            self.waker.session(&id, RETRY);
        }
    }

    async fn try_answer(&self, id: &DeviceId) -> Result<()> {
        let _turn = self.services.sessions.lock(id).await?;
        let device = self.load(id).await?;
        match need(device.as_ref()) {
            Need::Nothing => Ok(()),
            Need::Close => self.services.sessions.close(id).await,
            Need::Restart => {
                self.services.sessions.close(id).await?;
                // It may have ended for good by itself.
                match self.load(id).await? {
                    Some(device) if need(Some(&device)) == Need::Restart => self.services.sessions.open(&device).await,
                    _ => Ok(()),
                }
            }
        }
    }

    async fn load(&self, id: &DeviceId) -> Result<Option<Device>> {
        self.services.ports.store.read().await?.device_load(id).await
    }
}

#[async_trait]
impl Job for KeepSessions {
    fn name(&self) -> &'static str {
        "sessions"
    }

    fn nudge(&self) -> Option<&Notify> {
        Some(&self.0.waker.sessions)
    }

    async fn run_once(&self) -> Result<Status> {
        let requests = self.0.waker.take_requests(Instant::now(), REQUESTS);
        self.sweep_if_due(requests.everything);
        let done = requests.devices.len() as u64;
        let answers = stream::iter(requests.devices);
        answers.for_each_concurrent(self.0.config.at_once, |id| self.0.answer(id)).await;
        let sweep_at = match *lock(&self.0.sweep) {
            Sweep::Due(at) => at,
            // Its end nudges.
            Sweep::First | Sweep::Running => Instant::now() + self.0.config.sweep_every,
        };
        let at = requests.next.map_or(sweep_at, |at| at.min(sweep_at));
        Ok(Status { done, next: at.saturating_duration_since(Instant::now()) })
    }
}

/// What the request means for a device as it is now. `None`: it was deleted.
fn need(device: Option<&Device>) -> Need {
    match device {
        None => Need::Close,
        Some(d) if d.wanted == Wanted::Stopped => Need::Close,
        Some(d) => match d.state {
            DeviceState::Created | DeviceState::Disconnected | DeviceState::LoggedOut => Need::Close,
            DeviceState::Connecting | DeviceState::Reconnecting => Need::Restart,
            DeviceState::Pairing | DeviceState::PasskeyRequired | DeviceState::Connected => Need::Nothing,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing;

    #[test]
    fn a_request_means_what_the_devices_state_says() {
        use DeviceState as S;
        let of = |state, wanted| need(Some(&Device { state, wanted, ..testing::device() }));
        assert_eq!(need(None), Need::Close);
        assert_eq!(of(S::Disconnected, Wanted::Stopped), Need::Close);
        assert_eq!(of(S::Connecting, Wanted::Stopped), Need::Close);
        assert_eq!(of(S::Connecting, Wanted::Running), Need::Restart);
        assert_eq!(of(S::Connected, Wanted::Running), Need::Nothing);
        assert_eq!(of(S::Pairing, Wanted::Running), Need::Nothing);
    }
}
