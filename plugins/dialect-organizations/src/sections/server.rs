//! The health check, and the export for a later migration.

use portico_sdk::api::Device;
use portico_sdk::dialect::{Call, Fault, Route, get};
use portico_sdk::http::Response;
use serde_json::{Value, json};

use crate::{Organizations, phone};

pub(crate) const ROUTES: &[Route<Organizations>] =
    &[get("/health").public().run(health), get("/api/v1/export").run(export)];

/// Served below `/d/organizations` only: at the root the gateway's own health check stands at this path. That this answer
/// comes is all it says.
fn health(_: &Call<Organizations>) -> Result<Response, Fault> {
    Ok(Response::json(200, &json!({ "status": "ok" })))
}

fn export(call: &Call<Organizations>) -> Result<Response, Fault> {
    let devices: Vec<Device> = call.gateway.all("/v1/devices")?;
    let client = |device: &Device| json!({ "name": device.name, "phone": phone::of_device(device) });
    let clients: Vec<Value> = devices.iter().map(client).collect();
    Ok(Response::json(200, &json!({ "clients": clients })))
}
