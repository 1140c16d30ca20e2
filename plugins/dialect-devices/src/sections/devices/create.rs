//! Making a device: the device, its key, its session, and a QR code if there is one in time.

use portico_sdk::api::{Device, MadeDevice, MadeKey, QrCode};
use portico_sdk::dialect::{Call, Fault};
use portico_sdk::http::Response;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{SETTINGS, two_dots, view};
use crate::Devices;
use crate::names::{SESSION, aliases_of, session_of};

/// How long the answer waits for a QR code. WhatsApp mostly sends it a second after the session starts; without it the client
/// asks for it or hears of it.
const QR_WAIT_SECONDS: u8 = 5;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct NewDevice {
    user_id: String,
    alias: String,
}

pub(super) fn create(call: &Call<Devices>) -> Result<Response, Fault> {
    let NewDevice { user_id, alias } = call.json()?;
    if user_id.is_empty() {
        return Err(Fault::invalid("userId", "must not be empty"));
    }
    let session = session_of(&user_id, &alias).ok_or_else(two_dots)?;
    let new = json!({
        "name": alias,
        "refs": { SESSION: session, aliases_of(&user_id): alias },
        "settings": { SETTINGS: { "userId": user_id } },
    });
    let made: MadeDevice = call.gateway.post("/v1/devices", &new)?.json()?;
    let (id, number) = (&made.device.id, made.device.number);
    // The key suffices for sending by this one device and for nothing else.
    let key = json!({ "name": format!("device {number}"), "device": id, "prefix": "dev_", "revealable": true,
        "scopes": ["messages:write"] });
    let key = call.gateway.post("/v1/keys", &key).and_then(|answer| answer.json::<MadeKey>());
    let key = match key {
        Ok(key) => key,
        Err(error) => {
            // Else the client could neither use the device nor make it again under its alias.
            let _ = call.gateway.delete(&format!("/v1/devices/{id}"));
            return Err(error.into());
        }
    };
    let (device, code) = started(call, made.device);
    Ok(answer(&device, key.secret, code))
}

/// Starts the session. That it does not start is no failure of the device's creation: `login` starts it again.
fn started(call: &Call<Devices>, device: Device) -> (Device, Option<QrCode>) {
    let path = format!("/v1/devices/{}", device.id);
    let connecting = call.gateway.post_empty(&format!("{path}/connect")).and_then(|answer| answer.json());
    let Ok(connecting) = connecting else { return (device, None) };
    let code = call.gateway.get(&format!("{path}/qr?wait={QR_WAIT_SECONDS}")).and_then(|answer| answer.json());
    (connecting, code.ok())
}

/// `data` repeats `device`: one documented sample reads the session id there.
fn answer(device: &Device, key: Option<String>, code: Option<QrCode>) -> Response {
    let mut shown = view(device);
    shown["apiKey"] = json!(key);
    let message = match code {
        Some(_) => "Device created successfully. Please scan the QR code.",
        None => "Device created successfully. The QR code follows.",
    };
    let mut body = json!({ "success": true, "device": shown, "data": shown, "message": message });
    if let Some(code) = code {
        body["qr"] = Value::String(code.text);
    }
    Response::json(200, &body)
}
