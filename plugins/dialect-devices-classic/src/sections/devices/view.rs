//! Devices as this API shows them.

use portico_sdk::api::{Device, DeviceState, MadeKey, Timestamp};
use portico_sdk::dialect::{Call, Fault};
use portico_sdk::time::{iso, parse};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::Classic;
use crate::names::{SESSION, phone_of, status_of};
use crate::sections::ai;

/// Where this API's own facts stand in the settings of a device.
pub(crate) const SETTINGS: &str = "classic";

/// One of this API's own facts about a device; null if there is none.
pub(crate) fn own<'a>(device: &'a Device, name: &str) -> &'a Value {
    device.settings.get(SETTINGS).and_then(|own| own.get(name)).unwrap_or(&Value::Null)
}

/// The user a device belongs to.
pub(crate) fn user_of(device: &Device) -> Option<u64> {
    own(device, "userId").as_u64()
}

/// The id of a device's session. A device that was made elsewhere has none, and nothing can be sent by it here.
pub(crate) fn session_id(device: &Device) -> Option<&str> {
    device.refs.get(SESSION).map(String::as_str)
}

/// A device in a list.
pub(crate) fn brief(device: &Device, now_ms: u64) -> Value {
    json!({
        "id": device.number.to_string(),
        "alias": device.name,
        "status": status_of(device),
        "phoneNumber": device.jid.as_deref().and_then(phone_of),
        "lastSeen": last_seen(device, now_ms),
        "isConnected": device.state == DeviceState::Connected,
    })
}

/// A device alone, as far as it is known without further requests. The core keeps no time of changes other than those of the
/// state.
pub(crate) fn full(device: &Device, now_ms: u64) -> Value {
    let mut shown = brief(device, now_ms);
    shown["userId"] = json!(user_of(device));
    shown["sessionId"] = json!(session_id(device));
    shown["description"] = own(device, "description").clone();
    shown["createdAt"] = json!(device.created_at);
    shown["updatedAt"] = json!(device.state_since.clone().max(device.created_at.clone()));
    shown["aiSettings"] = ai::view(device);
    shown
}

/// The device's own key, where the caller may see it: this API has no other place for a key that was lost.
pub(crate) fn key(call: &Call<Classic>, device: &Device) -> Option<String> {
    let keys = call.gateway.all::<MadeKey>(&format!("/v1/keys?device={}&reveal=true", device.id)).ok()?;
    keys.into_iter().find_map(|key| key.secret)
}

/// Since when a device is connected; `None` if it is not.
pub(crate) fn connected_since(device: &Device) -> Option<&Timestamp> {
    (device.state == DeviceState::Connected).then_some(&device.state_since)
}

/// For how long a device has been connected, such as `24h 30m`.
pub(crate) fn uptime(device: &Device, now_ms: u64) -> String {
    let since = connected_since(device).and_then(|since| parse(since.as_str()));
    let minutes = since.map_or(0, |since| now_ms.saturating_sub(since) / 60_000);
    format!("{}h {}m", minutes / 60, minutes % 60)
}

/// When a device was last known to be connected; `None` before it was linked.
pub(crate) fn last_seen(device: &Device, now_ms: u64) -> Option<String> {
    match device.state {
        DeviceState::Connected => Some(iso(now_ms)),
        _ => device.jid.as_ref().map(|_| device.state_since.to_string()),
    }
}

#[derive(Deserialize)]
struct Settings {
    #[serde(default = "documented_socket")]
    socket_url: String,
}

/// Where the document says that the socket is.
fn documented_socket() -> String {
    "ws://localhost:3001".to_owned()
}

/// The address of the socket with a token. It is the device's key and not the caller's: the caller's never gets here.
pub(crate) fn socket(call: &Call<Classic>, key: Option<&str>) -> Result<Option<String>, Fault> {
    let Settings { socket_url } = call.settings()?;
    Ok(key.map(|key| format!("{}?token={key}", socket_url.trim_end_matches('/'))))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::events;

    fn device(state: &str) -> Device {
        serde_json::from_value(events::tests::device(state)).expect("a device")
    }

    #[test]
    fn only_a_connected_device_is_up() {
        let now = parse("2026-01-02T00:30:59.000Z").expect("a time");
        assert_eq!(uptime(&device("connected"), now), "24h 30m");
        assert_eq!(uptime(&device("disconnected"), now), "0h 0m");
    }

    #[test]
    fn a_linked_device_was_seen_until_its_state_changed() {
        let now = parse("2026-01-02T00:00:00.000Z").expect("a time");
        assert_eq!(last_seen(&device("connected"), now).as_deref(), Some("2026-01-02T00:00:00.000Z"));
        assert_eq!(last_seen(&device("disconnected"), now).as_deref(), Some("2026-01-01T00:00:00.000Z"));
        assert_eq!(last_seen(&Device { jid: None, ..device("created") }, now), None);
    }
}
