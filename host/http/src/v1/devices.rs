//! Devices: make, list, look at, rename, delete.

use axum::http::StatusCode;
use axum::response::Response;
use portico_api::{Device, DeviceName, Page, Resources};
use portico_core::device::{create, lookup};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::{HandlerResult, created};
use crate::api::App;
use crate::extract::path::DevicePath;
use crate::extract::query::{IdempotencyKey, PageParams, page};
use crate::extract::{Auth, Json, Query};

/// The routes of devices.
pub(super) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(create, list)).routes(routes!(get, rename, delete)).routes(routes!(resources))
}

/// Make a device
///
/// It has no session until it is connected.
#[utoipa::path(post, path = "/v1/devices", tag = "devices", security(("key" = ["devices:write"])), params(IdempotencyKey), request_body = DeviceName,
    responses((status = 201, description = "The device", body = Device)))]
pub(super) async fn create(Auth(ctx): Auth, Json(body): Json<DeviceName>) -> HandlerResult<Response> {
    let device = create::create(&ctx, &body.name).await?;
    Ok(created(&ctx, StatusCode::CREATED, &format!("/v1/devices/{}", device.id), &Device::from(&device)))
}

/// List devices
///
/// Newest first.
#[utoipa::path(get, path = "/v1/devices", tag = "devices", security(("key" = ["devices:read"])), params(PageParams),
    responses((status = 200, description = "Devices", body = Page<Device>)))]
pub(super) async fn list(Auth(ctx): Auth, Query(query): Query<PageParams>) -> HandlerResult<Json<Page<Device>>> {
    let page = page(&ctx, query.limit, query.cursor)?;
    Ok(Json(lookup::list(&ctx, page).await?.view()))
}

/// Look at a device
#[utoipa::path(get, path = "/v1/devices/{id}", tag = "devices", security(("key" = ["devices:read"])), params(DevicePath),
    responses((status = 200, description = "The device", body = Device)))]
pub(super) async fn get(Auth(ctx): Auth, path: DevicePath) -> HandlerResult<Json<Device>> {
    Ok(Json((&lookup::get(&ctx, &path.id).await?).into()))
}

/// Rename a device
#[utoipa::path(patch, path = "/v1/devices/{id}", tag = "devices", security(("key" = ["devices:write"])), params(DevicePath),
    request_body = DeviceName, responses((status = 200, description = "The device", body = Device)))]
pub(super) async fn rename(
    Auth(ctx): Auth,
    path: DevicePath,
    Json(body): Json<DeviceName>,
) -> HandlerResult<Json<Device>> {
    Ok(Json((&create::rename(&ctx, &path.id, &body.name).await?).into()))
}

/// Delete a device
///
/// Unlinks it at WhatsApp if it is linked, and removes everything stored about it.
#[utoipa::path(delete, path = "/v1/devices/{id}", tag = "devices", security(("key" = ["devices:write"])), params(DevicePath),
    responses((status = 204, description = "It is gone")))]
pub(super) async fn delete(Auth(ctx): Auth, path: DevicePath) -> HandlerResult<StatusCode> {
    create::delete(&ctx, &path.id).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// See what a session costs
///
/// Frames, bytes, reconnects and memory of the running session; zeros when none runs.
#[utoipa::path(get, path = "/v1/devices/{id}/resources", tag = "devices", security(("key" = ["devices:read"])),
    params(DevicePath),
    responses((status = 200, description = "The figures", body = Resources)))]
pub(super) async fn resources(Auth(ctx): Auth, path: DevicePath) -> HandlerResult<Json<Resources>> {
    Ok(Json((&lookup::resources(&ctx, &path.id).await?).into()))
}
