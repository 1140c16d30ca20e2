//! Sessions: connect, disconnect, restart, log out. What follows is told in the event `device.state`.

use axum::http::StatusCode;
use portico_core::device::{Device, session};

use super::HandlerResult;
use crate::extract::{Auth, Ids, Json};

type Accepted = (StatusCode, Json<Device>);

/// Connect a device
///
/// Resumes its session if it is linked; else asks WhatsApp for a QR code. Repeating it changes nothing.
#[utoipa::path(post, path = "/v1/devices/{id}/connect", tag = "sessions", security(("key" = ["devices:write"])),
    params(("id" = String, Path, description = "The device's id")),
    responses((status = 202, description = "The session is being started", body = Device)))]
pub(super) async fn connect(Auth(ctx): Auth, ids: Ids) -> HandlerResult<Accepted> {
    Ok((StatusCode::ACCEPTED, Json(session::connect(&ctx, &ids.device()?).await?)))
}

/// Disconnect a device
///
/// Ends its session and leaves it alone; it stays linked.
#[utoipa::path(post, path = "/v1/devices/{id}/disconnect", tag = "sessions", security(("key" = ["devices:write"])),
    params(("id" = String, Path, description = "The device's id")),
    responses((status = 200, description = "The session has ended", body = Device)))]
pub(super) async fn disconnect(Auth(ctx): Auth, ids: Ids) -> HandlerResult<Json<Device>> {
    Ok(Json(session::disconnect(&ctx, &ids.device()?).await?))
}

/// Restart a session
#[utoipa::path(post, path = "/v1/devices/{id}/restart", tag = "sessions", security(("key" = ["devices:write"])),
    params(("id" = String, Path, description = "The device's id")),
    responses((status = 202, description = "A new session is being started", body = Device)))]
pub(super) async fn restart(Auth(ctx): Auth, ids: Ids) -> HandlerResult<Accepted> {
    Ok((StatusCode::ACCEPTED, Json(session::restart(&ctx, &ids.device()?).await?)))
}

/// Log a device out
///
/// Unlinks it at WhatsApp and forgets its keys; linking it again needs a new pairing.
#[utoipa::path(post, path = "/v1/devices/{id}/logout", tag = "sessions", security(("key" = ["devices:write"])),
    params(("id" = String, Path, description = "The device's id")),
    responses((status = 200, description = "It is logged out", body = Device)))]
pub(super) async fn logout(Auth(ctx): Auth, ids: Ids) -> HandlerResult<Json<Device>> {
    Ok(Json(session::logout(&ctx, &ids.device()?).await?))
}
