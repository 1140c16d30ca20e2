//! Section "Utilities".

use portico_sdk::api::Health;
use portico_sdk::dialect::{Call, Fault, Route, get};
use portico_sdk::http::Response;
use portico_sdk::time::iso;
use serde_json::{Map, Value, json};

use super::listing;
use crate::{Accounts, ok};

pub(crate) const ROUTES: &[Route<Accounts>] =
    &[get("/api/health").public().run(health), get("/api/docs").public().run(docs)];

/// The version of the documented API.
const API_VERSION: &str = "2.0.0";

/// The listing has no envelope.
fn docs(_: &Call<Accounts>) -> Result<Response, Fault> {
    let endpoints: Map<String, Value> = listing::GROUPS
        .iter()
        .map(|(group, lines)| {
            let lines = lines.iter().map(|(route, text)| ((*route).to_owned(), json!(text)));
            ((*group).to_owned(), Value::Object(lines.collect()))
        })
        .collect();
    let body = json!({ "title": listing::TITLE, "version": API_VERSION, "description": listing::DESCRIPTION,
        "endpoints": endpoints });
    Ok(Response::json(200, &body))
}

/// Healthy is whoever can ask the core.
fn health(call: &Call<Accounts>) -> Result<Response, Fault> {
    let core: Health = call.gateway.get("/health")?.json()?;
    let features = json!({
        "userRegistration": true,
        "whatsappIntegration": true,
        "messageTemplates": true,
        "mediaMessages": true,
        "webhooks": true,
        // Files of incoming messages are not served without a key.
        "mediaDownload": false,
        "rateLimiting": true,
        "databaseStorage": true,
    });
    let body = json!({ "status": "healthy", "timestamp": iso(call.now_ms), "uptime": core.uptime_s, "version": API_VERSION,
        "features": features });
    Ok(ok(None, body))
}
