//! The documented API `devices-classic`, translated to the REST core and back.
//!
//! Its endpoints are rows, one file per section of the document; the SDK's interpreter runs them. Rules are left to the core.
//! Invariant: no state, and no table between this API's ids and the core's: a device's id is its number in the core, its session
//! id and its user are refs of the device, and what the core has no place for lies in the device's settings.

mod bad;
mod events;
mod names;
mod paging;
mod sections;
mod shape;
mod socket;

use portico_sdk::dialect::{Dialect, Fault, Good, Route};
use portico_sdk::format::{Event, Outcome, Subscription, WebhookFormat};
use portico_sdk::http::Response;
use portico_sdk::{Context, HookError};
use serde_json::{Value, json};

/// The plugin, and the name subscriptions are made with.
pub struct Classic;

/// The plugin's id, which is also the name of its webhook format.
const PLUGIN_ID: &str = "dialect-devices-classic";

/// The limits, as `plugin.toml` declares them: of every endpoint, of sending, of sending files, and of QR codes.
const COMMON: &[&str] = &["address"];
const SEND: &[&str] = &["address", "send"];
const UPLOAD: &[&str] = &["address", "send", "upload"];
const QR: &[&str] = &["address", "qr"];

portico_sdk::register!(Classic: http_handler, webhook_format, dialect_socket);

impl Dialect for Classic {
    const ROUTES: &'static [&'static [Route<Self>]] = sections::ALL;
    const AUTH: &'static [&'static [&'static str]] = &[&["x-api-token"]];

    fn param(name: &str, text: &str) -> Result<String, Fault> {
        match name {
            "deviceId" => names::device_of(text).ok_or_else(bad::no_such_device),
            "sessionId" => names::device_of_session(text).ok_or_else(bad::no_such_device),
            _ => Ok(text.to_owned()),
        }
    }

    fn good(good: Good) -> Response {
        match good.data {
            Some(data) => told(data, good.says),
            None => Response::json(200, &json!({ "success": true, "message": good.says })),
        }
    }

    fn bad(fault: &Fault) -> Response {
        bad::response(fault)
    }
}

/// A good answer: `{"success": true, "data": …}`.
fn data(data: Value) -> Response {
    told(data, None)
}

/// The same, with a text for people.
fn told(data: Value, message: Option<&str>) -> Response {
    let mut body = json!({ "success": true });
    if let Some(message) = message {
        body["message"] = json!(message);
    }
    body["data"] = data;
    Response::json(200, &body)
}

impl WebhookFormat for Classic {
    fn format(_: &Context, to: &Subscription, events: Vec<Event>) -> Result<Vec<Outcome>, HookError> {
        let subscribed = to.data();
        events.iter().map(|event| events::outcome(&subscribed, to.link_of(event).as_deref(), event)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::Classic;

    #[test]
    fn every_row_answers_as_its_fixtures_say() {
        portico_sdk::dialect::fixtures::contract::<Classic>(concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures"));
    }

    #[test]
    fn every_socket_says_what_its_cases_say() {
        portico_sdk::dialect::fixtures::sockets::<Classic>(concat!(env!("CARGO_MANIFEST_DIR"), "/sockets"));
    }
}
