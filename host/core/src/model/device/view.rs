//! Devices as the REST core shows them.

use portico_api as api;

use super::{Device, DeviceState, StateReason, Wanted};

same_variants!(DeviceState, api::DeviceState:
    Created, Connecting, Pairing, PasskeyRequired, Connected, Reconnecting, Disconnected, LoggedOut);
same_variants!(Wanted, api::Wanted: Running, Stopped);

impl From<&StateReason> for api::StateReason {
    fn from(reason: &StateReason) -> Self {
        Self { code: reason.code.clone(), text: reason.text.clone() }
    }
}

impl From<&Device> for api::Device {
    fn from(device: &Device) -> Self {
        Self {
            id: device.id.to_string(),
            number: device.number,
            name: device.name.clone(),
            state: device.state.into(),
            reason: device.reason.as_ref().map(Into::into),
            state_since: device.state_since.into(),
            deadline: device.deadline.map(Into::into),
            wanted: device.wanted.into(),
            jid: device.jid.clone(),
            lid: device.lid.clone(),
            push_name: device.push_name.clone(),
            refs: device.refs.as_map().clone(),
            settings: device.settings.as_map().clone(),
            created_at: device.created_at.into(),
        }
    }
}

serialized_as_view!(Device, api::Device);
