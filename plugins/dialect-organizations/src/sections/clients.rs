//! Section "Clients": devices of the core.

use portico_sdk::api::{Device, DeviceState, MadeDevice, ProblemCode, QrCode};
use portico_sdk::dialect::{Call, Fault, Route, get, post};
use portico_sdk::gateway::{CoreError, segment};
use portico_sdk::http::Response;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::{Organizations, check_organization, phone, said};

pub(crate) const ROUTES: &[Route<Organizations>] = &[
    post("/api/clients").run(create),
    // Not in the document, which has no way back to a client whose id was lost.
    get("/api/clients").run(list),
    post("/api/clients/{clientId}/init")
        .calls("POST", "/v1/devices/{clientId}/connect")
        .shows(started)
        .says("Client initialization started"),
    get("/api/clients/{clientId}/status").run(status),
];

#[derive(Deserialize)]
struct NewClient {
    #[serde(default)]
    org_id: Option<String>,
    name: String,
    #[serde(default)]
    phone_number: Option<String>,
}

fn create(call: &Call<Organizations>) -> Result<Response, Fault> {
    let NewClient { org_id, name, phone_number } = call.json()?;
    check_organization(call, org_id.as_deref())?;
    let mut new = json!({ "name": name });
    if let Some(number) = phone_number.filter(|number| !number.is_empty()) {
        new["settings"] = json!({ phone::SETTING: number });
    }
    let made: MadeDevice = call.gateway.post("/v1/devices", &new)?.json()?;
    Ok(said(201, Some("Client created successfully"), json!({ "client": client(&made.device) })))
}

fn list(call: &Call<Organizations>) -> Result<Response, Fault> {
    let devices: Vec<Device> = call.gateway.all("/v1/devices")?;
    let clients: Vec<Value> = devices.iter().map(client).collect();
    Ok(Response::json(200, &json!({ "count": clients.len(), "clients": clients })))
}

fn started(device: Value) -> Result<Value, Fault> {
    let device: Device = serde_json::from_value(device).map_err(CoreError::from)?;
    Ok(json!({ "clientId": device.id, "status": status_name(device.state) }))
}

/// The only answer of this API that can carry the QR code: the document has no endpoint for it.
fn status(call: &Call<Organizations>) -> Result<Response, Fault> {
    let path = format!("/v1/devices/{}", segment(&call.param("clientId")?));
    let device: Device = call.gateway.get(&path)?.json()?;
    let mut body = json!({
        "id": device.id,
        "name": device.name,
        "status": status_name(device.state),
        "phoneNumber": phone::of_device(&device),
        "deviceInfo": info(&device),
    });
    if device.state == DeviceState::Pairing
        && let Some(code) = qr(call, &path)?
    {
        body["qr"] = json!(code.text);
        body["qrCode"] = json!(code.png);
        body["qrExpiresAt"] = json!(code.expires_at);
    }
    Ok(Response::json(200, &body))
}

/// The code to scan; `None` between two codes, when the device went on meanwhile, and for credentials that may look at a client
/// and not link it.
fn qr(call: &Call<Organizations>, path: &str) -> Result<Option<QrCode>, Fault> {
    match call.gateway.get(&format!("{path}/qr")) {
        Ok(answer) => Ok(Some(answer.json()?)),
        Err(CoreError::Problem(problem))
            if problem.code == ProblemCode::Busy.as_str() || matches!(problem.status, 403 | 409) =>
        {
            Ok(None)
        }
        Err(other) => Err(other.into()),
    }
}

/// What is known about the linked account; empty before.
fn info(device: &Device) -> Map<String, Value> {
    let known = [("jid", &device.jid), ("lid", &device.lid), ("pushName", &device.push_name)];
    known.into_iter().filter_map(|(name, value)| Some((name.to_owned(), json!(value.as_ref()?)))).collect()
}

fn client(device: &Device) -> Value {
    json!({
        "id": device.id,
        "name": device.name,
        "phone_number": phone::of_device(device),
        "status": status_name(device.state),
    })
}

/// The document names `initializing` and `ready`; a session that has ended is neither.
fn status_name(state: DeviceState) -> &'static str {
    match state {
        DeviceState::Connected => "ready",
        DeviceState::Created
        | DeviceState::Connecting
        | DeviceState::Pairing
        | DeviceState::PasskeyRequired
        | DeviceState::Reconnecting => "initializing",
        DeviceState::Disconnected => "disconnected",
        DeviceState::LoggedOut => "logged_out",
    }
}
