//! The routes of the REST core, one file per group of operations.
//!
//! A handler decodes, calls one operation of the core, encodes. Rules live in the core. Adding a route here adds it to the
//! OpenAPI document: both come from the same list.

mod deliveries;
mod devices;
mod events;
mod keys;
mod messages;
mod plugins;
mod qr;
mod server;
mod sessions;
mod webhooks;

use axum::http::header::LOCATION;
use axum::http::{HeaderName, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use portico_core::OpContext;
use serde::Serialize;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::api::App;
use crate::problem::Problem;

/// What a handler gives.
pub(crate) type HandlerResult<T> = Result<T, Problem>;

/// Tells that the answer is that of an earlier request with the same `Idempotency-Key`.
const REPLAY: HeaderName = HeaderName::from_static("idempotent-replay");

/// Routes that need a key. They are counted towards rate limits, as [`optional`] ones are.
pub(crate) fn keyed() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(keys::list))
        .routes(routes!(keys::revoke))
        .routes(routes!(devices::create, devices::list))
        .routes(routes!(devices::get, devices::rename, devices::delete))
        .routes(routes!(devices::resources))
        .routes(routes!(sessions::connect))
        .routes(routes!(sessions::disconnect))
        .routes(routes!(sessions::restart))
        .routes(routes!(sessions::logout))
        .routes(routes!(qr::pairing_code))
        .routes(routes!(messages::send, messages::list))
        .routes(routes!(messages::get))
        .routes(routes!(webhooks::create, webhooks::list))
        .routes(routes!(webhooks::get, webhooks::change, webhooks::delete))
        .routes(routes!(webhooks::test))
        .routes(routes!(deliveries::of_webhook))
        .routes(routes!(deliveries::replay_dead))
        .routes(routes!(deliveries::get))
        .routes(routes!(deliveries::replay))
        .routes(routes!(plugins::list))
        .merge(streams())
}

/// Routes that look at keys and serve some requests without: a sign-up, a page, the same machine.
pub(crate) fn optional() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(keys::create)).routes(routes!(qr::show)).routes(routes!(server::metrics))
}

/// The event streams alone, for a second listener.
pub(crate) fn streams() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(events::follow))
}

/// Routes that need no key and cost next to nothing.
pub(crate) fn open() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(server::version)).routes(routes!(server::openapi)).merge(health())
}

/// The health check alone, for a second listener.
pub(crate) fn health() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(server::health))
}

/// The answer to a request that made something, or repeated one that did.
fn created(ctx: &OpContext, status: StatusCode, location: &str, body: &impl Serialize) -> Response {
    let mut response = (status, axum::Json(body)).into_response();
    let headers = response.headers_mut();
    if let Ok(location) = HeaderValue::from_str(location) {
        headers.insert(LOCATION, location);
    }
    if ctx.was_repeated() {
        headers.insert(REPLAY, HeaderValue::from_static("true"));
    }
    response
}
