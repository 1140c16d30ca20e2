//! The documented API `instances`, translated to the REST core and back.
//!
//! A handler decodes a request, makes one or two requests of the REST core with the caller's own key, and encodes the
//! answer. Rules are left to the core. Invariant: no state, and no table between this API's ids and the core's: an instance
//! id is the UUID spelling of the device id's 128 bits.

mod auth;
mod events;
mod id;
mod instance;
mod message;
mod reply;
mod routes;
mod wire;

use portico_sdk::format::{Event, Outcome, WebhookFormat};
use portico_sdk::gateway::Gateway;
use portico_sdk::http::{HttpHandler, Request, Response, Transport};
use portico_sdk::{Context, HookError};

/// The plugin, and the name subscriptions are made with.
pub struct Instances;

/// The plugin's id, which is also the name of its webhook format.
const PLUGIN_ID: &str = "dialect-instances";

portico_sdk::register!(Instances: http_handler, webhook_format);

impl HttpHandler for Instances {
    fn handle(_: &Context, request: Request, core: &dyn Transport) -> Result<Response, HookError> {
        Ok(routes::serve(&request, &Gateway::new(core)).unwrap_or_else(|refusal| refusal.into_response()))
    }
}

impl WebhookFormat for Instances {
    fn format(_: &Context, events: Vec<Event>) -> Result<Vec<Outcome>, HookError> {
        events.iter().map(events::outcome).collect()
    }
}
