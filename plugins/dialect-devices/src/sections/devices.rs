//! Section "Devices".

mod create;
mod pairing;

use portico_sdk::api::{Device, DeviceState, MadeKey};
use portico_sdk::dialect::{Call, Fault, Route, delete, get, post, put};
use portico_sdk::gateway::CoreError;
use portico_sdk::http::Response;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::names::{SESSION, aliases_of, phone_of, session_of, status_of};
use crate::{COMMON, Devices, data, told};

pub(crate) const ROUTES: &[Route<Devices>] = &[
    get("/api/whatsapp/users/{userId}/devices").limits(COMMON).run(of_user),
    post("/api/whatsapp/devices").limits(COMMON).run(create::create),
    get("/api/whatsapp/devices/{deviceId}/qr").limits(COMMON).run(pairing::qr),
    get("/api/whatsapp/devices/{deviceId}").limits(COMMON).run(show),
    put("/api/whatsapp/devices/{deviceId}").limits(COMMON).run(update),
    post("/api/whatsapp/devices/{deviceId}/logout")
        .limits(COMMON)
        .calls("POST", "/v1/devices/{deviceId}/logout")
        .shows(view_of_value)
        .says("Device logged out"),
    post("/api/whatsapp/devices/{deviceId}/login").limits(COMMON).run(pairing::login),
    delete("/api/whatsapp/devices/{deviceId}")
        .limits(COMMON)
        .calls("DELETE", "/v1/devices/{deviceId}")
        .says("Device deleted"),
];

/// Where this API's own facts stand in the settings of a device.
pub(super) const SETTINGS: &str = "devices";

/// The user a device belongs to.
fn user_of(device: &Device) -> &str {
    device.settings.get(SETTINGS).and_then(|own| own["userId"].as_str()).unwrap_or_default()
}

/// The id of a device's session. A device that was made elsewhere has none, and nothing can be sent by it here.
pub(crate) fn session_id(device: &Device) -> Option<&str> {
    device.refs.get(SESSION).map(String::as_str)
}

/// A device as this API shows it.
fn view(device: &Device) -> Value {
    let connected = device.state == DeviceState::Connected;
    let own = device.settings.get(SETTINGS);
    json!({
        "id": device.number,
        "userId": user_of(device),
        "alias": device.name,
        "sessionId": session_id(device),
        "status": status_of(device),
        "phoneNumber": device.jid.as_deref().and_then(phone_of),
        "connectedAt": connected.then_some(&device.state_since),
        "metadata": own.and_then(|own| own.get("metadata")).cloned().unwrap_or_else(|| json!({})),
        "createdAt": device.created_at,
    })
}

fn view_of_value(device: Value) -> Result<Value, Fault> {
    let device: Device = serde_json::from_value(device).map_err(CoreError::from)?;
    Ok(view(&device))
}

/// The devices of one user.
pub(crate) fn devices_of(call: &Call<Devices>, user: &str) -> Result<Vec<Device>, Fault> {
    let mut found: Vec<Device> = call.gateway.all(&format!("/v1/devices?ref={}", aliases_of(user)))?;
    found.retain(|device| user_of(device) == user);
    Ok(found)
}

fn of_user(call: &Call<Devices>) -> Result<Response, Fault> {
    Ok(data(devices_of(call, call.raw("userId"))?.iter().map(view).collect()))
}

/// Shows the device's key too, where the caller may see it: this API has no other place for a key that was lost.
fn show(call: &Call<Devices>) -> Result<Response, Fault> {
    let device: Device = call.gateway.get(&format!("/v1/devices/{}", call.param("deviceId")?))?.json()?;
    let mut shown = view(&device);
    let keys = call.gateway.all::<MadeKey>(&format!("/v1/keys?device={}&reveal=true", device.id)).unwrap_or_default();
    if let Some(key) = keys.into_iter().find_map(|key| key.secret) {
        shown["apiKey"] = json!(key);
    }
    Ok(data(shown))
}

fn two_dots() -> Fault {
    Fault::invalid("alias", "must not hold two dots in a row, nor may userId")
}

#[derive(Deserialize)]
struct Update {
    #[serde(default)]
    alias: Option<String>,
    #[serde(default)]
    metadata: Option<Map<String, Value>>,
}

/// A new alias makes a new session id, which is made of it. The metadata is replaced as a whole.
fn update(call: &Call<Devices>) -> Result<Response, Fault> {
    let Update { alias, metadata } = call.json()?;
    let path = format!("/v1/devices/{}", call.param("deviceId")?);
    let device: Device = call.gateway.get(&path)?.json()?;
    let mut change = json!({});
    if let Some(alias) = alias.filter(|alias| *alias != device.name) {
        let user = user_of(&device);
        change["name"] = json!(alias);
        if session_id(&device).is_some() {
            let session = session_of(user, &alias).ok_or_else(two_dots)?;
            change["refs"] = json!({ SESSION: session, aliases_of(user): alias });
        }
    }
    if let Some(metadata) = metadata {
        // The core merges settings: what is no longer named has to be removed by `null`.
        let known = device.settings.get(SETTINGS).and_then(|own| own["metadata"].as_object());
        let gone = known.into_iter().flatten().map(|(name, _)| (name.clone(), Value::Null));
        let merged: Map<_, _> = gone.chain(metadata).collect();
        change["settings"] = json!({ SETTINGS: { "metadata": merged } });
    }
    let changed: Device = call.gateway.patch(&path, &change)?.json()?;
    Ok(told(view(&changed), Some("Device updated")))
}
