//! The routes of the REST core, one file per group of operations.
//!
//! A handler decodes, calls one operation of the core, encodes. Rules live in the core. A route is declared once, above its
//! handler: method, path, parameters, scope, body, answer and documentation. Router, scope check and OpenAPI document all
//! come from that declaration.

mod analytics;
mod audit;
mod contacts;
mod deliveries;
mod devices;
mod enablements;
mod events;
mod group_members;
mod groups;
mod keys;
mod links;
mod media;
mod members;
mod message_changes;
mod messages;
mod plugin_offers;
mod plugins;
mod qr;
mod server;
mod sessions;
mod tenants;
mod users;
mod wait;
mod webhooks;

use axum::http::header::LOCATION;
use axum::http::{HeaderName, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use portico_core::OpContext;
use serde::Serialize;
use utoipa_axum::router::OpenApiRouter;

use crate::api::App;
use crate::problem::Problem;

/// Files. What is carried in here may take its time.
pub(crate) const MEDIA: &str = "/v1/media";
/// The file of a message. It may have to be fetched from WhatsApp first.
pub(crate) const MESSAGE_MEDIA: &str = "/v1/devices/{id}/messages/{message}/media";

/// A file for whoever has its link. It may have to be fetched from WhatsApp first.
pub(crate) const LINK: &str = "/v1/links/{token}";

/// What a handler gives.
pub(crate) type HandlerResult<T> = Result<T, Problem>;

/// Tells that the answer is that of an earlier request with the same `Idempotency-Key`.
const REPLAY: HeaderName = HeaderName::from_static("idempotent-replay");

/// Routes that need a key. Each declares in `security` which scope.
pub(crate) fn keyed() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .merge(keys::routes())
        .merge(users::routes())
        .merge(members::routes())
        .merge(audit::routes())
        .merge(analytics::routes())
        .merge(tenants::routes())
        .merge(devices::routes())
        .merge(sessions::routes())
        .merge(qr::routes())
        .merge(messages::routes())
        .merge(message_changes::routes())
        .merge(media::routes())
        .merge(contacts::routes())
        .merge(groups::routes())
        .merge(group_members::routes())
        .merge(links::routes())
        .merge(webhooks::routes())
        .merge(deliveries::routes())
        .merge(plugins::routes())
        .merge(plugin_offers::routes())
        .merge(enablements::routes())
        .merge(streams())
}

/// Routes that need a key and whose handlers read the body while it comes.
pub(crate) fn streamed() -> OpenApiRouter<App> {
    media::streamed_routes()
}

/// Routes that look at keys and serve some requests without one: a sign-up, a login, a page, the same machine.
pub(crate) fn optional() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .merge(keys::optional_routes())
        .merge(users::optional_routes())
        .merge(qr::optional_routes())
        .merge(server::optional_routes())
}

/// The event streams alone, for a second listener.
pub(crate) fn streams() -> OpenApiRouter<App> {
    events::routes()
}

/// Routes that need no key and cost next to nothing.
pub(crate) fn open() -> OpenApiRouter<App> {
    server::open_routes().merge(links::open_routes()).merge(health())
}

/// The health check alone, for a second listener.
pub(crate) fn health() -> OpenApiRouter<App> {
    server::health_routes()
}

/// The answer to a POST, which says so when it repeats an earlier one's.
fn answered(ctx: &OpContext, status: StatusCode, body: &impl Serialize) -> Response {
    let mut response = (status, axum::Json(body)).into_response();
    if ctx.was_repeated() {
        mark_replay(&mut response);
    }
    response
}

/// Tells that an answer repeats an earlier one's.
fn mark_replay(response: &mut Response) {
    response.headers_mut().insert(REPLAY, HeaderValue::from_static("true"));
}

/// The answer to a POST that made something, with its place.
fn created(ctx: &OpContext, status: StatusCode, location: &str, body: &impl Serialize) -> Response {
    at(answered(ctx, status, body), location)
}

/// Adds the place of what an answer is about.
fn at(mut response: Response, location: &str) -> Response {
    if let Ok(location) = HeaderValue::from_str(location) {
        response.headers_mut().insert(LOCATION, location);
    }
    response
}
