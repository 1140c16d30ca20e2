//! The documented API `organizations`, translated to the REST core and back.
//!
//! Its endpoints are rows, one file per section of the document; the SDK's interpreter runs them. Rules are left to the core.
//! Invariant: no state: a client's id is the device's id, and ids of users, organizations, webhooks and files are the core's.

mod bad;
mod events;
mod phone;
mod sections;

use portico_sdk::api::ProblemCode;
use portico_sdk::dialect::{Call, Dialect, Fault, Good, Route};
use portico_sdk::format::{Event, Outcome, Subscription, WebhookFormat};
use portico_sdk::http::Response;
use portico_sdk::{Context, HookError};
use serde_json::{Map, Value, json};

/// The plugin, and the name subscriptions are made with.
pub struct Organizations;

/// The plugin's id, which is also the name of its webhook format.
const PLUGIN_ID: &str = "dialect-organizations";

portico_sdk::register!(Organizations: http_handler, webhook_format);

impl Dialect for Organizations {
    const ROUTES: &'static [&'static [Route<Self>]] = sections::ALL;
    const AUTH: &'static [&'static [&'static str]] = &[&["x-api-key"], &["authorization"]];

    fn param(name: &str, text: &str) -> Result<String, Fault> {
        // The core calls a text that can't be an id an invalid value; for this API the thing is not there.
        let (prefix, code) = match name {
            "clientId" => ("dev_", ProblemCode::DeviceNotFound),
            "webhookId" => ("wh_", ProblemCode::NotFound),
            "userId" => ("usr_", ProblemCode::NotFound),
            "mediaId" => ("med_", ProblemCode::NotFound),
            _ => return Ok(text.to_owned()),
        };
        if text.starts_with(prefix) { Ok(text.to_owned()) } else { Err(Fault::new(code, "there is no such id")) }
    }

    fn good(good: Good) -> Response {
        said(200, good.says, good.data.unwrap_or_else(|| json!({})))
    }

    fn bad(fault: &Fault) -> Response {
        bad::response(fault)
    }
}

/// A good answer: the members of `data` beside the document's sentence, where it has one.
fn said(status: u16, message: Option<&str>, data: Value) -> Response {
    let mut body = Map::new();
    if let Some(message) = message {
        body.insert("message".into(), json!(message));
    }
    if let Value::Object(members) = data {
        body.extend(members);
    }
    Response::json(status, &body)
}

/// Refuses a body that names another organization than the one whose credentials came with it. Without this check a client
/// with mixed-up credentials would write to the wrong organization without noticing.
fn check_organization(call: &Call<Organizations>, named: Option<&str>) -> Result<(), Fault> {
    let own = call.identity().map(|identity| identity.tenant.as_str());
    match named {
        Some(named) if own != Some(named) => {
            Err(Fault::new(ProblemCode::Forbidden, "`org_id` names another organization than the credentials do"))
        }
        _ => Ok(()),
    }
}

impl WebhookFormat for Organizations {
    fn format(_: &Context, _: &Subscription, events: Vec<Event>) -> Result<Vec<Outcome>, HookError> {
        events.iter().map(events::outcome).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::Organizations;

    #[test]
    fn every_row_answers_as_its_fixtures_say() {
        portico_sdk::dialect::fixtures::contract::<Organizations>(concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures"));
    }
}
