//! Looks through the devices that should run for those without a session, and brings them back, a few at a time.
//!
//! Each holds its place until it is logged in, so that a start with many devices is a queue and not a storm.

use std::time::Duration;

use futures_util::{StreamExt, stream};
use portico_core::Result;
use portico_core::device::{Device, DeviceState, Signal, StateReason, session};
use portico_core::id::DeviceId;
use portico_core::ports::Waker;
use portico_core::time::UtcMs;

use super::{RETRY, Shared};
use crate::tasks::cause;

/// Devices read at once.
const PAGE: u32 = 100;
/// While the gateway runs, a device whose state is younger than this is being handled by somebody else.
const SETTLED: Duration = Duration::from_secs(30);

/// Why sessions are looked for.
pub(super) struct Why {
    code: &'static str,
    text: &'static str,
    /// Devices whose state is younger than this are left alone.
    settled_before: UtcMs,
}

/// What becomes of a wanted device without a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Recovery {
    /// Start it again.
    Resume,
    /// It was waiting for a person, whose code is gone.
    GiveUp,
}

impl Why {
    /// The process is new: no session of before is left.
    pub(super) fn gateway_restarted(started_at: UtcMs) -> Self {
        Self { code: "gateway_restarted", text: "the gateway was restarted", settled_before: started_at }
    }

    /// A session may have vanished while the gateway ran.
    pub(super) fn session_lost(now: UtcMs) -> Self {
        let settled = i64::try_from(SETTLED.as_millis()).unwrap_or(i64::MAX);
        Self { code: "session_lost", text: "the session ended without a word", settled_before: UtcMs(now.0 - settled) }
    }

    fn reason(&self, recovery: Recovery) -> StateReason {
        let then = match recovery {
            Recovery::Resume => "it is being connected again",
            Recovery::GiveUp => "connect the device again for a new code",
        };
        StateReason::new(self.code, format!("{}; {then}", self.text))
    }
}

/// Looks through all wanted devices once.
pub(super) async fn sweep(shared: &Shared, why: &Why) -> Result<()> {
    let stop = shared.tasks.stopping();
    let mut after: Option<DeviceId> = None;
    let mut restored = 0;
    while !stop.is_cancelled() {
        let page = {
            let mut tx = shared.services.ports.store.read().await?;
            tx.device_wanted(after.as_ref(), PAGE).await?
        };
        let Some(last) = page.last() else { break };
        after = Some(last.id.clone());
        let is_lost =
            |d: &Device| d.state_since <= why.settled_before && shared.services.sessions.resources(&d.id).is_none();
        let lost: Vec<_> = page.into_iter().filter(is_lost).collect();
        restored += lost.len();
        stream::iter(lost).for_each_concurrent(shared.config.at_once, |device| recover(shared, device, why)).await;
    }
    if restored > 0 {
        tracing::info!(devices = restored, reason = why.code, "devices without a session were looked after");
    }
    Ok(())
}

async fn recover(shared: &Shared, device: Device, why: &Why) {
    if shared.tasks.stopping().is_cancelled() {
        return;
    }
    let id = &device.id;
    let recovered = match recovery(&device) {
        Recovery::GiveUp => tell(shared, id, Signal::Ended(why.reason(Recovery::GiveUp))).await,
        Recovery::Resume => resume(shared, id, why).await,
    };
    if let Err(error) = recovered {
        tracing::warn!(device.id = %id, error = cause(&error), "a session could not be restored and is tried again");
        shared.waker.session(id, RETRY);
    }
}

/// Starts the session and waits until it is logged in, has failed, or has had its time.
async fn resume(shared: &Shared, id: &DeviceId, why: &Why) -> Result<()> {
    let turn = shared.services.sessions.lock(id).await?;
    if shared.services.sessions.resources(id).is_some() {
        // Somebody started it while it waited here.
        return Ok(());
    }
    let Some(device) = session::resume(&shared.services.ports, id, why.reason(Recovery::Resume)).await? else {
        return Ok(());
    };
    let watch = shared.waker.watch(id);
    shared.services.sessions.open(&device).await?;
    drop(turn);
    let settled = async {
        loop {
            watch.news().await;
            match shared.load(id).await? {
                Some(d) if matches!(d.state, DeviceState::Connecting | DeviceState::Reconnecting) => {}
                _ => return Ok(()),
            }
        }
    };
    let in_time = tokio::time::timeout(shared.config.settle_timeout, settled);
    match shared.tasks.stopping().run_until_cancelled(in_time).await {
        Some(Ok(result)) => result,
        Some(Err(_)) | None => Ok(()),
    }
}

async fn tell(shared: &Shared, id: &DeviceId, signal: Signal) -> Result<()> {
    session::tell(&shared.services.ports, id, signal, None).await.map(drop)
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
        assert_eq!(Why::session_lost(UtcMs(100_000)).settled_before, UtcMs(70_000));
        let reason = Why::gateway_restarted(UtcMs(5)).reason(Recovery::GiveUp);
        assert_eq!(reason.code, "gateway_restarted");
        assert!(reason.text.contains("connect the device again"));
    }
}
