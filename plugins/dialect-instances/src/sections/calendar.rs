//! Section "Calendar Events".

use portico_sdk::dialect::{Call, Fault, Route, post};
use portico_sdk::http::Response;
use serde::Deserialize;
use serde_json::json;

use super::messages::send;
use crate::{COMMON, Instances};

pub(crate) const ROUTES: &[Route<Instances>] = &[post("/api/events/{instanceId}").limits(COMMON).run(send_event)];

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct SendEvent {
    to: String,
    name: String,
    #[serde(default)]
    description: Option<String>,
    #[serde(default)]
    location: Option<String>,
    start_time: String,
    #[serde(default)]
    end_time: Option<String>,
}

/// WhatsApp has one kind of date; the kinds that this API tells apart (`event`) are all sent as it.
fn send_event(call: &Call<Instances>) -> Result<Response, Fault> {
    let SendEvent { to, name, description, location, start_time, end_time } = call.json()?;
    let mut event = json!({ "name": name, "starts_at": start_time });
    for (member, text) in [("description", description), ("place", location), ("ends_at", end_time)] {
        if let Some(text) = text.filter(|text| !text.is_empty()) {
            event[member] = json!(text);
        }
    }
    send(call, call.raw("instanceId"), &to, json!({ "type": "event", "event": event }))
}
