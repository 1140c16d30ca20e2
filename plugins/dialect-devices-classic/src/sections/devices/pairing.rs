//! Linking a device: its session and its QR code.

use portico_sdk::api::{Device, ProblemCode, QrCode};
use portico_sdk::dialect::{Call, Fault};
use portico_sdk::gateway::CoreError;
use portico_sdk::http::Response;
use serde_json::json;

use super::{found, view};
use crate::names::status_of;
use crate::{Classic, bad, data, told};

/// How long a request for a QR code waits for WhatsApp to send one.
const QR_WAIT_SECONDS: u8 = 10;

/// Starts the session. The QR code of a device that is not linked follows by `qr` and by the socket.
pub(super) fn connect(call: &Call<Classic>) -> Result<Response, Fault> {
    let path = format!("/v1/devices/{}", call.param("deviceId")?);
    started(call, &path, "Connection initiated")
}

fn started(call: &Call<Classic>, path: &str, says: &'static str) -> Result<Response, Fault> {
    let device: Device = call.gateway.post_empty(&format!("{path}/connect"))?.json()?;
    let key = view::key(call, &device);
    let shown = json!({
        "deviceId": device.number.to_string(),
        "status": status_of(&device),
        "qrRequired": device.jid.is_none(),
        "wsEndpoint": view::socket(call, key.as_deref())?,
    });
    Ok(told(shown, Some(says)))
}

/// Ends the session; the device stays linked.
pub(super) fn disconnect(call: &Call<Classic>) -> Result<Response, Fault> {
    stopped(call, &call.param("deviceId")?, "Device disconnected")
}

/// Ends the session of a device, which stays linked if it is.
pub(in crate::sections) fn stopped(call: &Call<Classic>, device: &str, says: &'static str) -> Result<Response, Fault> {
    let device: Device = call.gateway.post_empty(&format!("/v1/devices/{device}/disconnect"))?.json()?;
    let shown = json!({ "deviceId": device.number.to_string(), "sessionId": view::session_id(&device),
        "status": status_of(&device) });
    Ok(told(shown, Some(says)))
}

/// Unlinks the device, if it is linked, and has it linked anew.
pub(super) fn relogin(call: &Call<Classic>) -> Result<Response, Fault> {
    let device = found(call, &call.param("deviceId")?)?;
    let path = format!("/v1/devices/{}", device.id);
    if device.jid.is_some() {
        call.gateway.post_empty(&format!("{path}/logout"))?;
    }
    started(call, &path, "Relogin initiated")
}

/// The QR code of a device that was connected and is not linked.
pub(super) fn qr(call: &Call<Classic>) -> Result<Response, Fault> {
    let path = format!("/v1/devices/{}/qr?wait={QR_WAIT_SECONDS}", call.param("deviceId")?);
    match call.gateway.get(&path) {
        Ok(answer) => {
            let QrCode { text, png, expires_at } = answer.json()?;
            Ok(data(json!({ "qrCode": text, "qrImage": png, "expiresAt": expires_at, "status": "waiting_for_scan" })))
        }
        // `busy` while WhatsApp has not sent one; a conflict when the device is in no state to have one.
        Err(CoreError::Problem(problem)) if problem.code == ProblemCode::Busy.as_str() || problem.status == 409 => {
            Err(bad::no_qr())
        }
        Err(other) => Err(other.into()),
    }
}
