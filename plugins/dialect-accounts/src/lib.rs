//! The documented API `accounts`, translated to the REST core and back.
//!
//! Its endpoints are rows, one file per section of the document; the SDK's interpreter runs them. Rules are left to the core.
//! A user of this API is a tenant with one user, a WhatsApp account is a device, and an account token is a key that is bound
//! to the device. Invariant: no state, and no table between tokens and devices: a token spells its device's number.

mod account;
mod bad;
mod events;
mod sections;
mod token;
mod user;

use portico_sdk::dialect::{Dialect, Fault, Good, Route};
use portico_sdk::format::{Event, Outcome, Subscription, WebhookFormat};
use portico_sdk::http::Response;
use portico_sdk::{Context, HookError};
use serde_json::{Map, Value};

/// The plugin, and the name subscriptions are made with.
pub struct Accounts;

/// The plugin's id, which is also the name of its webhook format.
const PLUGIN_ID: &str = "dialect-accounts";

/// The credentials of rows that act for one account. The account token comes last: the REST core takes the last one.
const ACCOUNT: &[&[&str]] = &[&["x-api-key", "authorization"]];

portico_sdk::register!(Accounts: http_handler, webhook_format);

impl Dialect for Accounts {
    const ROUTES: &'static [&'static [Route<Self>]] = sections::ALL;
    const AUTH: &'static [&'static [&'static str]] = &[&["x-api-key"]];

    fn param(name: &str, text: &str) -> Result<String, Fault> {
        match name {
            // Webhooks are numbers here.
            "id" => webhook_path(text).ok_or_else(bad::no_such_resource),
            _ => Ok(text.to_owned()),
        }
    }

    fn good(good: Good) -> Response {
        ok(good.says, good.data.unwrap_or(Value::Null))
    }

    fn bad(fault: &Fault) -> Response {
        bad::response(fault)
    }
}

/// How paths of the REST core name the webhook of a number; `None` when the text is no number.
fn webhook_path(text: &str) -> Option<String> {
    text.parse::<u32>().ok().map(|number| format!("no:{number}"))
}

/// A good answer: `success`, a text for people where the document has one, and the members of `rest`.
fn ok(message: Option<&str>, rest: Value) -> Response {
    answer(200, message, rest)
}

/// The same for something that was made.
fn created(message: &str, rest: Value) -> Response {
    answer(201, Some(message), rest)
}

fn answer(status: u16, message: Option<&str>, rest: Value) -> Response {
    let mut body = Map::new();
    body.insert("success".into(), true.into());
    if let Some(message) = message {
        body.insert("message".into(), message.into());
    }
    if let Value::Object(rest) = rest {
        body.extend(rest);
    }
    Response::json(status, &body)
}

impl WebhookFormat for Accounts {
    fn format(_: &Context, to: &Subscription, events: Vec<Event>) -> Result<Vec<Outcome>, HookError> {
        events.iter().map(|event| events::outcome(to, event)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::Accounts;

    #[test]
    fn every_row_answers_as_its_fixtures_say() {
        portico_sdk::dialect::fixtures::contract::<Accounts>(concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures"));
    }
}
