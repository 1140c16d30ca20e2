//! Devices: make, list, look at, rename, delete.

use axum::http::StatusCode;
use axum::response::Response;
use portico_core::device::{Device, create, lookup};
use portico_core::page::Page;
use portico_core::ports::whatsapp::Resources;
use serde::Deserialize;
use utoipa::ToSchema;

use super::{HandlerResult, created};
use crate::extract::query::{IdempotencyKey, PageParams, page};
use crate::extract::{Auth, Ids, Json, Query};

/// A device's name.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct DeviceName {
    /// What you call it.
    #[schema(example = "sales")]
    name: String,
}

/// Make a device
///
/// It has no session until it is connected.
#[utoipa::path(post, path = "/v1/devices", tag = "devices", security(("key" = ["devices:write"])), params(IdempotencyKey), request_body = DeviceName,
    responses((status = 201, description = "The device", body = Device)))]
pub(super) async fn create(Auth(ctx): Auth, Json(body): Json<DeviceName>) -> HandlerResult<Response> {
    let device = create::create(&ctx, &body.name).await?;
    Ok(created(&ctx, StatusCode::CREATED, &format!("/v1/devices/{}", device.id), &device))
}

/// List devices
///
/// Newest first.
#[utoipa::path(get, path = "/v1/devices", tag = "devices", security(("key" = ["devices:read"])), params(PageParams),
    responses((status = 200, description = "Devices", body = Page<Device>)))]
pub(super) async fn list(Auth(ctx): Auth, Query(query): Query<PageParams>) -> HandlerResult<Json<Page<Device>>> {
    let page = page(&ctx, query.limit, query.cursor)?;
    Ok(Json(lookup::list(&ctx, page).await?))
}

/// Look at a device
#[utoipa::path(get, path = "/v1/devices/{id}", tag = "devices", security(("key" = ["devices:read"])), params(("id" = String, Path, description = "The device's id")),
    responses((status = 200, description = "The device", body = Device)))]
pub(super) async fn get(Auth(ctx): Auth, ids: Ids) -> HandlerResult<Json<Device>> {
    Ok(Json(lookup::get(&ctx, &ids.device()?).await?))
}

/// Rename a device
#[utoipa::path(patch, path = "/v1/devices/{id}", tag = "devices", security(("key" = ["devices:write"])), params(("id" = String, Path, description = "The device's id")),
    request_body = DeviceName, responses((status = 200, description = "The device", body = Device)))]
pub(super) async fn rename(Auth(ctx): Auth, ids: Ids, Json(body): Json<DeviceName>) -> HandlerResult<Json<Device>> {
    Ok(Json(create::rename(&ctx, &ids.device()?, &body.name).await?))
}

/// Delete a device
///
/// Unlinks it at WhatsApp if it is linked, and removes everything stored about it.
#[utoipa::path(delete, path = "/v1/devices/{id}", tag = "devices", security(("key" = ["devices:write"])), params(("id" = String, Path, description = "The device's id")),
    responses((status = 204, description = "It is gone")))]
pub(super) async fn delete(Auth(ctx): Auth, ids: Ids) -> HandlerResult<StatusCode> {
    create::delete(&ctx, &ids.device()?).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// See what a session costs
///
/// Frames, bytes, reconnects and memory of the running session; zeros when none runs.
#[utoipa::path(get, path = "/v1/devices/{id}/resources", tag = "devices", security(("key" = ["devices:read"])),
    params(("id" = String, Path, description = "The device's id")),
    responses((status = 200, description = "The figures", body = Resources)))]
pub(super) async fn resources(Auth(ctx): Auth, ids: Ids) -> HandlerResult<Json<Resources>> {
    Ok(Json(lookup::resources(&ctx, &ids.device()?).await?))
}
