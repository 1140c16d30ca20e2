//! Section "Monitoring": the health check, which everybody may read.

use portico_sdk::api::{DeviceState, Health, Message, Page, PartStatus};
use portico_sdk::dialect::{Call, Fault, Route, get};
use portico_sdk::http::Response;
use portico_sdk::time::{iso, parse};
use serde_json::{Value, json};

use super::devices::{PAGE_MAX, all_devices};
use crate::{COMMON, Classic};

/// Everybody, and those who show a token.
const AUTH: &[&[&str]] = &[&[], &["x-api-token"]];

/// The document's base address ends in `/api/whatsapp`; read as the root, the path is the second. At the root of the gateway
/// that one is the gateway's own.
pub(crate) const ROUTES: &[Route<Classic>] = &[
    get("/api/whatsapp/health").auth(AUTH).limits(COMMON).run(health),
    get("/health").auth(AUTH).limits(COMMON).run(health),
];

/// The newest messages of a device among which those of the last minute are counted.
const NEWEST: usize = 200;

/// The statistics count what the sender's token may see, which is nothing without one. There is no Redis.
fn health(call: &Call<Classic>) -> Result<Response, Fault> {
    let Health { status, version, uptime_s, parts, .. } = call.gateway.get("/health")?.json()?;
    let store = parts.iter().find(|part| part.name == "store").map_or(status, |part| part.status);
    let statistics = match call.identity() {
        Some(_) => statistics(call)?,
        None => json!({ "activeDevices": 0, "totalMessages": 0, "messagesPerMinute": 0 }),
    };
    let body = json!({
        "status": match status {
            PartStatus::Ok => "healthy",
            PartStatus::Degraded => "degraded",
            PartStatus::Down => "unhealthy",
        },
        "timestamp": iso(call.now_ms),
        "version": version,
        "uptime": format!("{}h {}m", uptime_s / 3_600, uptime_s / 60 % 60),
        "services": {
            "database": if store == PartStatus::Down { "disconnected" } else { "connected" },
            "redis": "not used",
            "websocket": "inactive",
        },
        "statistics": statistics,
    });
    Ok(Response::json(200, &body))
}

/// Of the newest devices: the messages of each are counted by a request of the core, and a call may make only so many.
fn statistics(call: &Call<Classic>) -> Result<Value, Fault> {
    let devices = all_devices(call)?;
    let active = devices.iter().filter(|device| device.state == DeviceState::Connected).count();
    let (mut total, mut last_minute) = (0, 0);
    for device in devices.iter().take(PAGE_MAX) {
        let path = format!("/v1/devices/{}/messages?limit={NEWEST}&total=true", device.id);
        let page: Page<Message> = call.gateway.get(&path)?.json()?;
        total += page.total.unwrap_or_default();
        let times = page.items.iter().filter_map(|message| parse(message.created_at.as_str()));
        last_minute += times.filter(|at| call.now_ms.saturating_sub(*at) < 60_000).count();
    }
    Ok(json!({ "activeDevices": active, "totalMessages": total, "messagesPerMinute": last_minute }))
}
