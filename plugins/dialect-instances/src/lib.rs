//! The documented API `instances`, translated to the REST core and back.
//!
//! Its endpoints are rows, one file per section of the document; the SDK's interpreter runs them. Rules are left to the core.
//! Invariant: no state, and no table between this API's ids and the core's: an instance id is the UUID spelling of the device
//! id's 128 bits.

mod bad;
mod events;
mod id;
mod sections;

use portico_sdk::dialect::{Dialect, Fault, Good, Route};
use portico_sdk::format::{Event, Outcome, Subscription, WebhookFormat};
use portico_sdk::http::Response;
use portico_sdk::{Context, HookError};
use serde::Serialize;
use serde_json::Value;

/// The plugin, and the name subscriptions are made with.
pub struct Instances;

/// The plugin's id, which is also the name of its webhook format.
const PLUGIN_ID: &str = "dialect-instances";

/// The limit that all endpoints share, as `plugin.toml` declares it.
const COMMON: &[&str] = &["api"];

portico_sdk::register!(Instances: http_handler, webhook_format);

impl Dialect for Instances {
    const ROUTES: &'static [&'static [Route<Self>]] = sections::ALL;
    const AUTH: &'static [&'static [&'static str]] = &[&["x-api-key"]];

    fn param(name: &str, text: &str) -> Result<String, Fault> {
        match name {
            "instanceId" => id::device_of(text).ok_or_else(bad::no_such_instance),
            "lid" => Ok(sections::contacts::lid(text)),
            _ => Ok(text.to_owned()),
        }
    }

    fn good(good: Good) -> Response {
        data(good.data.unwrap_or(Value::Null), good.says)
    }

    fn bad(fault: &Fault) -> Response {
        bad::response(fault)
    }
}

/// A good answer: `{"success": true, "data": …}`, with a text for people where the document has one.
fn data(data: impl Serialize, message: Option<&'static str>) -> Response {
    #[derive(Serialize)]
    struct Envelope<T> {
        success: bool,
        data: T,
        #[serde(skip_serializing_if = "Option::is_none")]
        message: Option<&'static str>,
    }
    Response::json(200, &Envelope { success: true, data, message })
}

impl WebhookFormat for Instances {
    fn format(_: &Context, _: &Subscription, events: Vec<Event>) -> Result<Vec<Outcome>, HookError> {
        events.iter().map(events::outcome).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::Instances;

    #[test]
    fn every_row_answers_as_its_fixtures_say() {
        portico_sdk::dialect::fixtures::contract::<Instances>(concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures"));
    }
}
