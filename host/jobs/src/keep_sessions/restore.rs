//! Brings back the session of a device that should run and has none.
//!
//! A device counts as being restored until it is logged in, so that a start with many devices is a queue: a few log in at a
//! time, not all at once.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use portico_core::Result;
use portico_core::device::{Device, DeviceState, Signal, StateReason, session};
use portico_core::id::{DeviceId, TenantId};
use portico_core::time::UtcMs;

use super::Shared;
use crate::tasks::lock;
use crate::workers::{Next, Work};

/// While the gateway runs, a device whose state changed more recently than this is being handled by somebody else.
const SETTLED: Duration = Duration::from_secs(30);

/// The work of one device.
pub(super) struct RestoreSessions {
    shared: Arc<Shared>,
    /// Why devices that wait for their turn have no session. At most one entry for each device.
    noted: Mutex<HashMap<DeviceId, Why>>,
}

/// Why a device that should run has no session.
#[derive(Clone, Copy, Debug)]
pub(super) struct Why {
    code: &'static str,
    text: &'static str,
    /// Devices whose state changed later are left alone.
    settled_before: UtcMs,
}

/// What becomes of a wanted device without a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Recovery {
    /// Start it again.
    Resume,
    /// It was waiting for a person, and the code that person would need is gone.
    GiveUp,
}

impl Why {
    /// The process is new: no session of the one before is left.
    pub(super) fn gateway_restarted(started_at: UtcMs) -> Self {
        Self { code: "gateway_restarted", text: "the gateway was restarted", settled_before: started_at }
    }

    /// A session may have vanished while the gateway ran.
    pub(super) fn session_lost(now: UtcMs) -> Self {
        let settled = i64::try_from(SETTLED.as_millis()).unwrap_or(i64::MAX);
        Self { code: "session_lost", text: "the session ended without a word", settled_before: UtcMs(now.0 - settled) }
    }

    pub(super) fn code(&self) -> &'static str {
        self.code
    }

    /// Whether the device was in its state long enough to be meant.
    pub(super) fn is_about(&self, device: &Device) -> bool {
        device.state_since <= self.settled_before
    }

    fn reason(&self, recovery: Recovery) -> StateReason {
        let then = match recovery {
            Recovery::Resume => "it is being connected again",
            Recovery::GiveUp => "connect the device again for a new code",
        };
        StateReason::new(self.code, format!("{}; {then}", self.text))
    }
}

impl RestoreSessions {
    pub(super) fn new(shared: Arc<Shared>) -> Self {
        Self { shared, noted: Mutex::default() }
    }

    /// Notes why the device has no session. It has to be woken then.
    pub(super) fn note(&self, device: DeviceId, why: Why) {
        lock(&self.noted).insert(device, why);
    }

    /// Starts the session and waits until it is logged in, has failed, or has had its time.
    async fn resume(&self, id: &DeviceId, why: Why) -> Result<()> {
        let Shared { services, waker, config, stop } = &*self.shared;
        let device_lock = services.sessions.lock(id).await?;
        if services.sessions.resources(id).is_some() {
            // Somebody started it while this waited for the lock.
            return Ok(());
        }
        let Some(device) = session::resume(&services.ports, id, why.reason(Recovery::Resume)).await? else {
            return Ok(());
        };
        let watch = waker.watch(id);
        services.sessions.open(&device).await?;
        drop(device_lock);
        let logged_in = async {
            loop {
                watch.news().await;
                match self.shared.load(id).await? {
                    Some(d) if matches!(d.state, DeviceState::Connecting | DeviceState::Reconnecting) => {}
                    _ => return Ok(()),
                }
            }
        };
        match stop.run_until_cancelled(tokio::time::timeout(config.settle_timeout, logged_in)).await {
            Some(Ok(result)) => result,
            Some(Err(_)) | None => Ok(()),
        }
    }
}

#[async_trait]
impl Work for RestoreSessions {
    type Key = DeviceId;
    type Memory = ();

    fn name(&self) -> &'static str {
        "restore_sessions"
    }

    fn tenant(&self, (): &()) -> Option<TenantId> {
        None
    }

    async fn run(&self, id: &DeviceId, (): &mut ()) -> Result<Next> {
        let noted = lock(&self.noted).get(id).copied();
        let Some(why) = noted else { return Ok(Next::WhenWoken) };
        // As it is now: it may have waited here for long.
        let device = self.shared.load(id).await?.filter(|device| why.is_about(device));
        match device.as_ref().map(recovery) {
            None => {}
            Some(Recovery::GiveUp) => {
                let ended = Signal::Ended(why.reason(Recovery::GiveUp));
                session::signal(&self.shared.services.ports, id, ended, None).await?;
            }
            Some(Recovery::Resume) => self.resume(id, why).await?,
        }
        lock(&self.noted).remove(id);
        Ok(Next::WhenWoken)
    }
}

fn recovery(device: &Device) -> Recovery {
    if device.is_paired() { Recovery::Resume } else { Recovery::GiveUp }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing;

    #[test]
    fn only_a_device_that_was_paired_comes_back_by_itself() {
        let waiting = Device { state: DeviceState::Pairing, ..testing::device() };
        let paired = Device { jid: Some("15550100001@s.whatsapp.net".into()), ..waiting.clone() };
        assert_eq!(recovery(&paired), Recovery::Resume);
        assert_eq!(recovery(&waiting), Recovery::GiveUp);
    }

    #[test]
    fn a_device_somebody_just_started_is_not_lost() {
        let why = Why::session_lost(UtcMs(100_000));
        let since = |state_since| Device { state_since, ..testing::device() };
        assert!(why.is_about(&since(UtcMs(70_000))));
        assert!(!why.is_about(&since(UtcMs(70_001))));
        let reason = Why::gateway_restarted(UtcMs(5)).reason(Recovery::GiveUp);
        assert_eq!(reason.code, "gateway_restarted");
        assert!(reason.text.contains("connect the device again"));
    }
}
