//! Section "Devices".

mod change;
mod create;
pub(super) mod pairing;
pub(super) mod view;

use portico_sdk::api::{Device, Page};
use portico_sdk::dialect::{Call, Fault, Route, delete, get, post, put};
use portico_sdk::http::Response;
use serde_json::{Value, json};

use super::webhooks;
use crate::names::{SESSION, sessions_of, status_of, user_of};
use crate::paging::Paging;
use crate::{COMMON, Classic, QR, data};

pub(crate) const ROUTES: &[Route<Classic>] = &[
    post("/api/whatsapp/devices").limits(COMMON).run(create::create),
    get("/api/whatsapp/users/{userId}/devices").limits(COMMON).run(of_user),
    get("/api/whatsapp/devices/{deviceId}").limits(COMMON).run(show),
    put("/api/whatsapp/devices/{deviceId}").limits(COMMON).run(change::update),
    delete("/api/whatsapp/devices/{deviceId}").limits(COMMON).run(change::remove),
    post("/api/whatsapp/devices/{deviceId}/connect").limits(COMMON).run(pairing::connect),
    post("/api/whatsapp/devices/{deviceId}/disconnect").limits(COMMON).run(pairing::disconnect),
    post("/api/whatsapp/devices/{deviceId}/relogin").limits(COMMON).run(pairing::relogin),
    get("/api/whatsapp/devices/{deviceId}/qr").limits(QR).run(pairing::qr),
];

/// Devices on one page at most: the messages of each are counted by a request of the core, and a call may make only so many.
pub(super) const PAGE_MAX: usize = 25;
/// Devices on one page if the request does not say.
const PAGE: usize = 10;

/// A device of this API, by the path's id or session.
pub(super) fn found(call: &Call<Classic>, device: &str) -> Result<Device, Fault> {
    Ok(call.gateway.get(&format!("/v1/devices/{device}"))?.json()?)
}

/// The devices of one user, newest first.
pub(super) fn devices_of(call: &Call<Classic>, user: &str) -> Result<Vec<Device>, Fault> {
    let user = user_of(user).ok_or_else(|| Fault::invalid("userId", "must be a number"))?;
    Ok(call.gateway.all(&format!("/v1/devices?ref={}", sessions_of(user)))?)
}

/// Every device that this API knows by a session, newest first.
pub(super) fn all_devices(call: &Call<Classic>) -> Result<Vec<Device>, Fault> {
    Ok(call.gateway.all(&format!("/v1/devices?ref={SESSION}"))?)
}

/// How many messages of a device there are that fit a query of the core, such as `direction=out`.
pub(super) fn count(call: &Call<Classic>, device: &Device, query: &str) -> Result<u64, Fault> {
    let sign = if query.is_empty() { "" } else { "&" };
    let path = format!("/v1/devices/{}/messages?{query}{sign}limit=1&total=true", device.id);
    Ok(call.gateway.get(&path)?.json::<Page<Value>>()?.total.unwrap_or_default())
}

fn of_user(call: &Call<Classic>) -> Result<Response, Fault> {
    let paging = Paging::of(call, PAGE, PAGE_MAX)?;
    let mut devices = devices_of(call, call.raw("userId"))?;
    if let Some(status) = call.query("status") {
        devices.retain(|device| status_of(device) == status);
    }
    let shown = paging.cut(&devices).iter().map(|device| {
        let mut shown = view::brief(device, call.now_ms);
        shown["messageCount"] = json!(count(call, device, "")?);
        Ok(shown)
    });
    let shown: Vec<Value> = shown.collect::<Result<_, Fault>>()?;
    Ok(data(json!({ "devices": shown, "pagination": paging.shown(devices.len()) })))
}

/// Everything about one device, with its key where the caller may see it.
fn show(call: &Call<Classic>) -> Result<Response, Fault> {
    let device = found(call, &call.param("deviceId")?)?;
    let mut shown = view::full(&device, call.now_ms);
    shown["apiKey"] = json!(view::key(call, &device));
    let (sent, received) = (count(call, &device, "direction=out")?, count(call, &device, "direction=in")?);
    shown["stats"] = json!({
        "messagesSent": sent,
        "messagesReceived": received,
        "uptime": view::uptime(&device, call.now_ms),
        "lastRestart": view::connected_since(&device),
    });
    shown["webhookSettings"] = webhooks::brief(call, &device)?;
    Ok(data(json!({ "device": shown })))
}
