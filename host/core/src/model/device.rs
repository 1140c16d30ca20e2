//! Devices: linked companion devices, from creation over pairing to logout.
//!
//! The noun is here, the machine of its states in [`state`], the operations one per file.

pub mod refs;
pub mod settings;
pub mod state;
mod view;

pub use refs::Refs;
pub use settings::Settings;
pub use state::{DeviceState, Signal, StateReason};

use crate::error::{Error, Result};
use crate::id::{DeviceId, TenantId};
use crate::time::UtcMs;

/// Whether the gateway should keep a session of the device running, also after a restart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wanted {
    /// Keep it connected.
    Running,
    /// Leave it alone.
    Stopped,
}

/// One linked companion device.
#[derive(Clone, Debug)]
pub struct Device {
    /// Its id.
    pub id: DeviceId,
    /// Its number within the tenant.
    pub number: u32,
    /// Who owns it.
    pub tenant: TenantId,
    /// The name the owner gave it.
    pub name: String,
    /// Where it stands.
    pub state: DeviceState,
    /// Why it stands there.
    pub reason: Option<StateReason>,
    /// Since when.
    pub state_since: UtcMs,
    /// When the state ends by itself; absent where it may last.
    pub deadline: Option<UtcMs>,
    /// Whether the gateway should keep it running.
    pub wanted: Wanted,
    /// The account's JID with the phone number, once paired.
    pub jid: Option<String>,
    /// The account's LID, once paired.
    pub lid: Option<String>,
    /// The account's own name, once known.
    pub push_name: Option<String>,
    /// What other systems call it.
    pub refs: Refs,
    /// What its owner wants to be kept with it.
    pub settings: Settings,
    /// When it was created.
    pub created_at: UtcMs,
}

/// Proof that a device was found connected, or about to be, when it was looked at.
#[derive(Clone, Copy, Debug)]
pub struct Ready<'a>(pub(crate) &'a Device);

impl Ready<'_> {
    /// The device.
    pub fn device(&self) -> &Device {
        self.0
    }
}

impl Device {
    /// Whether it was paired and not logged out since: it can resume without a QR.
    pub fn is_paired(&self) -> bool {
        self.jid.is_some() && self.state != DeviceState::LoggedOut
    }

    /// The device as one that can send, or why not and what to do.
    pub fn ready(&self) -> Result<Ready<'_>> {
        match self.state {
            DeviceState::Connected | DeviceState::Reconnecting => Ok(Ready(self)),
            // Linked already, and logging in: what is sent now waits for that.
            DeviceState::Connecting if self.is_paired() => Ok(Ready(self)),
            state => Err(Error::NotReady { state: state.as_str(), hint: state.way_to_connected() }),
        }
    }
}
