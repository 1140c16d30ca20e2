//! Does what a request about a session asks for; the device's state says what that is.

use std::sync::Arc;

use async_trait::async_trait;
use portico_core::Result;
use portico_core::device::{Device, DeviceState, Wanted};
use portico_core::id::{DeviceId, TenantId};

use super::Shared;
use crate::workers::{Next, Work};

/// The work of one device.
pub(super) struct AnswerRequests(Arc<Shared>);

/// What a request about a session means for a device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Need {
    /// Nothing: the device moved on.
    Nothing,
    /// Its session has to end.
    Close,
    /// Its session has to end and to be started again.
    Restart,
}

impl AnswerRequests {
    pub(super) fn new(shared: Arc<Shared>) -> Self {
        Self(shared)
    }
}

#[async_trait]
impl Work for AnswerRequests {
    type Key = DeviceId;
    type Memory = ();

    fn name(&self) -> &'static str {
        "session_requests"
    }

    fn tenant(&self, (): &()) -> Option<TenantId> {
        None
    }

    async fn run(&self, id: &DeviceId, (): &mut ()) -> Result<Next> {
        let sessions = &self.0.services.sessions;
        let _lock = sessions.lock(id).await?;
        let device = self.0.load(id).await?;
        match need(device.as_ref()) {
            Need::Nothing => {}
            Need::Close => sessions.close(id).await?,
            Need::Restart => {
                sessions.close(id).await?;
                // The session may have ended for good by itself, so its state is read again.
                if let Some(device) = self.0.load(id).await?.filter(|d| need(Some(d)) == Need::Restart) {
                    sessions.open(&device).await?;
                }
            }
        }
        Ok(Next::WhenWoken)
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
