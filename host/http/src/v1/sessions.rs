//! Sessions: connect, disconnect, restart, log out. What follows is told in the event `device.state`.

use axum::http::StatusCode;
use axum::response::Response;
use portico_api::Device;
use portico_core::device::session;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::{HandlerResult, answered};
use crate::api::App;
use crate::extract::Auth;
use crate::extract::path::DevicePath;
use crate::extract::query::IdempotencyKey;

/// The routes of sessions.
pub(super) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(connect))
        .routes(routes!(disconnect))
        .routes(routes!(restart))
        .routes(routes!(logout))
}

/// Connect a device
///
/// Resumes its session if it is linked; else asks WhatsApp for a QR code. Repeating it changes nothing.
#[utoipa::path(post, path = "/v1/devices/{id}/connect", tag = "sessions", security(("key" = ["devices:write"])),
    params(DevicePath, IdempotencyKey),
    responses((status = 202, description = "The session is being started", body = Device)))]
pub(super) async fn connect(Auth(ctx): Auth, path: DevicePath) -> HandlerResult<Response> {
    let device = session::connect(&ctx, &path.id).await?;
    Ok(answered(&ctx, StatusCode::ACCEPTED, &device))
}

/// Disconnect a device
///
/// Ends its session and leaves it alone; it stays linked.
#[utoipa::path(post, path = "/v1/devices/{id}/disconnect", tag = "sessions", security(("key" = ["devices:write"])),
    params(DevicePath, IdempotencyKey),
    responses((status = 200, description = "The session has ended", body = Device)))]
pub(super) async fn disconnect(Auth(ctx): Auth, path: DevicePath) -> HandlerResult<Response> {
    let device = session::disconnect(&ctx, &path.id).await?;
    Ok(answered(&ctx, StatusCode::OK, &device))
}

/// Restart a session
#[utoipa::path(post, path = "/v1/devices/{id}/restart", tag = "sessions", security(("key" = ["devices:write"])),
    params(DevicePath, IdempotencyKey),
    responses((status = 202, description = "A new session is being started", body = Device)))]
pub(super) async fn restart(Auth(ctx): Auth, path: DevicePath) -> HandlerResult<Response> {
    let device = session::restart(&ctx, &path.id).await?;
    Ok(answered(&ctx, StatusCode::ACCEPTED, &device))
}

/// Log a device out
///
/// Unlinks it at WhatsApp and forgets its keys; linking it again needs a new pairing.
#[utoipa::path(post, path = "/v1/devices/{id}/logout", tag = "sessions", security(("key" = ["devices:write"])),
    params(DevicePath, IdempotencyKey),
    responses((status = 200, description = "It is logged out", body = Device)))]
pub(super) async fn logout(Auth(ctx): Auth, path: DevicePath) -> HandlerResult<Response> {
    let device = session::logout(&ctx, &path.id).await?;
    Ok(answered(&ctx, StatusCode::OK, &device))
}
