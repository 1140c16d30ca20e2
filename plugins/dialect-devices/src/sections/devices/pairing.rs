//! Linking a device: its QR code and its session.

use portico_sdk::api::{Device, DeviceState, ProblemCode, QrCode};
use portico_sdk::dialect::{Call, Fault};
use portico_sdk::gateway::CoreError;
use portico_sdk::http::Response;
use serde_json::json;

use super::view;
use crate::names::status_of;
use crate::{Devices, bad};

/// How long a request for a QR code waits for WhatsApp to send one.
const QR_WAIT_SECONDS: u8 = 10;

/// The QR code of a device that is being linked. Asking for it starts the session of one that is not linked and whose
/// session has ended, as it does when nobody scans the code; a linked one is only started by `login`.
pub(super) fn qr(call: &Call<Devices>) -> Result<Response, Fault> {
    let path = format!("/v1/devices/{}", call.param("deviceId")?);
    let mut device: Device = call.gateway.get(&path)?.json()?;
    let ended = matches!(device.state, DeviceState::Created | DeviceState::Disconnected | DeviceState::LoggedOut);
    if ended && device.jid.is_none() {
        device = call.gateway.post_empty(&format!("{path}/connect"))?.json()?;
    }
    if device.state == DeviceState::Connected {
        return Err(bad::no_qr());
    }
    match code(call, &path)? {
        Some(code) => {
            let status = status_of(&device);
            Ok(Response::json(200, &json!({ "success": true, "qrCode": code.png, "status": status })))
        }
        None => Err(bad::no_qr()),
    }
}

/// Connects the device again; where it has to be linked again the answer has the QR code, as text and as a picture.
pub(super) fn login(call: &Call<Devices>) -> Result<Response, Fault> {
    let path = format!("/v1/devices/{}", call.param("deviceId")?);
    let device: Device = call.gateway.post_empty(&format!("{path}/connect"))?.json()?;
    let mut body = json!({ "success": true, "data": view(&device), "message": "Device is connecting" });
    // A linked device has no code to wait for.
    if device.jid.is_none()
        && let Some(code) = code(call, &path)?
    {
        body["qr"] = json!(code.text);
        body["qrCode"] = json!(code.png);
        body["message"] = json!("Please scan the QR code.");
    }
    Ok(Response::json(200, &body))
}

/// The code, if there is one in time: the core answers `busy` while WhatsApp has not sent it, and a conflict when the device is
/// in no state to have one.
fn code(call: &Call<Devices>, path: &str) -> Result<Option<QrCode>, Fault> {
    match call.gateway.get(&format!("{path}/qr?wait={QR_WAIT_SECONDS}")) {
        Ok(answer) => Ok(Some(answer.json()?)),
        Err(CoreError::Problem(problem)) if problem.code == ProblemCode::Busy.as_str() || problem.status == 409 => {
            Ok(None)
        }
        Err(other) => Err(other.into()),
    }
}
