//! Section "Sessions": the same devices, as sessions.

use portico_sdk::api::{Device, DeviceState};
use portico_sdk::dialect::{Call, Fault, Route, get, post};
use portico_sdk::http::Response;
use serde_json::{Value, json};

use super::devices::pairing::stopped;
use super::devices::{PAGE_MAX, all_devices, count, view};
use crate::names::{phone_of, status_of};
use crate::paging::Paging;
use crate::{COMMON, Classic, data};

pub(crate) const ROUTES: &[Route<Classic>] = &[
    get("/api/whatsapp/sessions").limits(COMMON).run(list),
    post("/api/whatsapp/sessions/{sessionId}/cancel").limits(COMMON).run(cancel),
];

/// Sessions on one page if the request does not say.
const PAGE: usize = 20;

/// `active` asks for those that are connected.
fn list(call: &Call<Classic>) -> Result<Response, Fault> {
    let paging = Paging::of(call, PAGE, PAGE_MAX)?;
    let mut devices = all_devices(call)?;
    match call.query("status") {
        Some("active") => devices.retain(|device| device.state == DeviceState::Connected),
        Some(status) => devices.retain(|device| status_of(device) == status),
        None => {}
    }
    let shown = paging.cut(&devices).iter().map(|device| shown(call, device));
    let shown: Vec<Value> = shown.collect::<Result<_, Fault>>()?;
    Ok(data(json!({ "sessions": shown, "pagination": paging.shown(devices.len()) })))
}

fn shown(call: &Call<Classic>, device: &Device) -> Result<Value, Fault> {
    Ok(json!({
        "sessionId": view::session_id(device),
        "deviceId": device.number.to_string(),
        "userId": view::user_of(device),
        "status": status_of(device),
        "phoneNumber": device.jid.as_deref().and_then(phone_of),
        "startedAt": view::connected_since(device),
        "lastActivity": view::last_seen(device, call.now_ms),
        "messageCount": count(call, device, "")?,
        "uptime": view::uptime(device, call.now_ms),
    }))
}

/// Ends the session, also while it waits for its QR code to be scanned.
fn cancel(call: &Call<Classic>) -> Result<Response, Fault> {
    stopped(call, &call.param("sessionId")?, "Session cancelled")
}
