//! Section "Server".

use portico_sdk::api::{Device, DeviceState, Health, Page};
use portico_sdk::dialect::{Call, Fault, Route, get};
use portico_sdk::http::Response;
use serde_json::{Value, json};

use crate::{COMMON, Devices, data};

pub(crate) const ROUTES: &[Route<Devices>] = &[get("/api/whatsapp/server/stats").limits(COMMON).run(stats)];

/// Devices whose messages are counted at most: each is a request of the core, and a call may make only so many.
const DEVICES_MAX: usize = 25;

/// Figures of the token's devices. What of its machine the gateway takes, the core does not tell.
fn stats(call: &Call<Devices>) -> Result<Response, Fault> {
    let devices: Vec<Device> = call.gateway.all("/v1/devices")?;
    let Health { uptime_s, .. } = call.gateway.get("/health")?.json()?;
    let active = devices.iter().filter(|device| device.state == DeviceState::Connected).count();
    let messages = if devices.len() <= DEVICES_MAX { Some(messages_of(call, &devices)?) } else { None };
    Ok(data(json!({
        "activeSessions": active,
        "totalDevices": devices.len(),
        "totalMessages": messages,
        "uptime": uptime_s,
        "memory": null,
        "cpu": null,
    })))
}

fn messages_of(call: &Call<Devices>, devices: &[Device]) -> Result<u64, Fault> {
    let mut count = 0;
    for device in devices {
        let path = format!("/v1/devices/{}/messages?limit=1&total=true", device.id);
        count += call.gateway.get(&path)?.json::<Page<Value>>()?.total.unwrap_or_default();
    }
    Ok(count)
}
